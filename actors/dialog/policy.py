"""What becomes of a call in: which treatment answers it at once, which refusal meets it."""

from __future__ import annotations

from actors.dialog.events import Treatment
from actors.dialog.settings import Answer

AT_ONCE = frozenset({"echo", "play", "record"})

OUTCOMES = {  # of a call, by the final status that decided it
    408: "no_answer",
    480: "no_answer",
    486: "busy",
    487: "cancelled",
    503: "unreachable",
    600: "busy",
}


def treatment(answer: Answer, call: str) -> Treatment | None:
    """The treatment that the call in `call` is answered with at once, None where it is not."""
    if answer.mode == "echo":
        return Treatment(echo=True)
    if answer.mode == "play":
        return Treatment(play=answer.path)
    if answer.mode == "record":
        return Treatment(record=answer.path.replace("{call}", call))
    return None


def outcome_of(status: int) -> str:
    """The outcome that a final status stands for: 3xx, 4xx and 6xx refuse, what else is a fault of 5xx fails."""
    if status in OUTCOMES:
        return OUTCOMES[status]
    return "failed" if 500 <= status < 600 else "rejected"
