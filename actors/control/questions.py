"""Questions that are on their way: who asked, who has yet to answer, until when. Pure, and not kept over a restart.

A question changes nothing, so the client simply asks again when control was restarted in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAX_QUESTIONS = 1_000

Asker = tuple[bytes, str]  # the connection's identity, the id of the request


class _Question:
    __slots__ = ("answers", "asker", "deadline", "waiting")

    def __init__(self, asker: Asker, waiting: set[str], deadline: float) -> None:
        self.asker = asker
        self.waiting = waiting
        self.deadline = deadline
        self.answers: list[Any] = []


class Questions:
    """All open questions of one start of control.

    Args:
        epoch: of this start: answers to a question of another are known by it and dropped.
    """

    def __init__(self, epoch: int) -> None:
        self._prefix = f"?{epoch}."
        self._count = 0
        self._open: dict[str, _Question] = {}

    def __len__(self) -> int:
        return len(self._open)

    def holds(self, ref: str) -> bool:
        """Whether `ref` is, or was, the reference of a question and not of a command."""
        return ref.startswith("?")

    def ask(self, asker: Asker, of: Iterable[str], deadline: float) -> str | None:
        """A reference for a new question; None when the asker repeats one that is open."""
        if any(question.asker == asker for question in self._open.values()):
            return None
        self._count += 1
        ref = f"{self._prefix}{self._count}"
        self._open[ref] = _Question(asker, set(of), deadline)
        return ref

    @property
    def full(self) -> bool:
        """Whether no more may be asked."""
        return len(self._open) >= MAX_QUESTIONS

    def answer(self, ref: str, peer: str, answers: Iterable[Any]) -> tuple[Asker, list[Any]] | None:
        """`peer` has answered; the asker and all answers once everyone has, else None."""
        question = self._open.get(ref)
        if question is None:
            return None
        question.answers += answers
        question.waiting.discard(peer)
        if question.waiting:
            return None
        del self._open[ref]
        return question.asker, question.answers

    def lose(self, peer: str) -> list[Asker]:
        """`peer` has forgotten what it was asked: who is to be told; their questions are closed."""
        return self._close([ref for ref, question in self._open.items() if peer in question.waiting])

    def expire(self, now: float) -> list[Asker]:
        """Whose questions took too long; they are closed."""
        return self._close([ref for ref, question in self._open.items() if question.deadline <= now])

    def close(self) -> list[Asker]:
        """Close all; everyone who waits."""
        return self._close(list(self._open))

    @property
    def next_deadline(self) -> float | None:
        """When the next takes too long."""
        return min((question.deadline for question in self._open.values()), default=None)

    def _close(self, refs: list[str]) -> list[Asker]:
        return [self._open.pop(ref).asker for ref in refs]
