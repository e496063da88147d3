"""Questions that are on their way: who asked, who has yet to answer, until when. Pure, and not kept over a restart.

A question changes nothing, so the client simply asks again when control was restarted in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

MAX_QUESTIONS = 1_000

Asker = tuple[bytes, str]  # the connection's identity, the id of the request


class Answered(NamedTuple):
    """A question that everyone has answered: who asked, the command that it was, what each has said."""

    asker: Asker
    kind: type
    answers: list[Any]


class _Question:
    __slots__ = ("answers", "asker", "deadline", "kind", "waiting")

    def __init__(self, asker: Asker, waiting: set[str], deadline: float, kind: type) -> None:
        self.asker = asker
        self.kind = kind
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

    def ask(self, asker: Asker, of: Iterable[str], deadline: float, kind: type) -> str | None:
        """A reference for a new question; None when the asker repeats one that is open."""
        if any(question.asker == asker for question in self._open.values()):
            return None
        self._count += 1
        ref = f"{self._prefix}{self._count}"
        self._open[ref] = _Question(asker, set(of), deadline, kind)
        return ref

    @property
    def full(self) -> bool:
        """Whether no more may be asked."""
        return len(self._open) >= MAX_QUESTIONS

    def answer(self, ref: str, peer: str, answer: Any) -> Answered | None:  # noqa: ANN401
        """`peer` has answered; the question with all answers once everyone has, else None."""
        question = self._open.get(ref)
        if question is None:
            return None
        question.answers.append(answer)
        question.waiting.discard(peer)
        if question.waiting:
            return None
        del self._open[ref]
        return Answered(question.asker, question.kind, question.answers)

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
