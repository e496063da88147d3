"""Answers of DNS for as long as they may be kept, *none* and failures among them (RFC 2181 section 8, RFC 2308)."""

from __future__ import annotations

from actors.transport.records import Answer, Question

LIMIT = 10_000  # questions
CEILING = 86_400.0  # seconds that a record is kept at most, whatever its TTL says
NEGATIVE_CEILING = 300.0  # the same for *there is none* (RFC 2308 section 5 allows hours; a new customer waits less)
FAILURE = 5.0  # seconds for which a failed look-up is not repeated (RFC 2308 section 7 allows 300)


class Cache:
    """Answers by question.

    Args:
        limit: how many are kept; the oldest goes first.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: dict[Question, tuple[Answer, float]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, question: Question, answer: Answer, ttl: float, now: float) -> None:
        """Keep an answer for `ttl` seconds, 0 for not at all; a failure is kept for a few seconds in any case."""
        self._kept.pop(question, None)
        ttl = FAILURE if answer.failure else min(ttl, CEILING if answer.records else NEGATIVE_CEILING)
        if ttl <= 0:
            return
        self._kept[question] = (answer, now + ttl)
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]

    def get(self, question: Question, now: float) -> Answer | None:
        """What is known, None where nothing is."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        answer, until = kept
        if until <= now:
            del self._kept[question]
            return None
        return answer

    def clear(self) -> None:
        """Forget everything: the network is another one."""
        self._kept.clear()
