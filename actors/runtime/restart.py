"""The restart decision: a pure function of how a child ended and of what happened to it before."""

from __future__ import annotations

from enum import Enum

import msgspec

FIRST_DELAY = 0.1  # seconds, doubled at each death beyond the intensity
MAX_DELAY = 5.0  # seconds


class Restart(Enum):
    """When a child that ended is started again: always, unless it ended with exit code 0, or never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Intensity(msgspec.Struct, frozen=True):
    """How many deaths in how many seconds are answered by a start at once."""

    deaths: int = 5
    period: float = 10.0


class History(msgspec.Struct, frozen=True):
    """What the decision remembers of a child: its recent deaths (monotonic seconds), and if it ever was ready."""

    deaths: tuple[float, ...] = ()
    was_ready: bool = False


class Verdict(Enum):
    """What becomes of a child that ended."""

    START = "start"
    LEAVE = "leave"
    GIVE_UP = "give up"


class Decision(msgspec.Struct, frozen=True):
    """The verdict, the seconds to wait before a start, and the history after this death."""

    verdict: Verdict
    delay: float
    history: History


def decide(restart: Restart, death: str, history: History, intensity: Intensity, now: float) -> Decision:
    """Judge one death. The strategy is one_for_one: pipes are addresses, so no other child becomes stale.

    Up to `intensity` a child is started at once. Beyond it, one that never was ready makes the service give up, for
    that is a wrong installation or configuration; one that was ready once is started with a growing delay, for ever:
    calls hang on it, and what kills it may pass.

    Args:
        restart: the child's policy.
        death: how it ended, as in Context.last_death.
        history: what was remembered before this death.
        intensity: when restarts are too many.
        now: monotonic seconds.
    """
    if restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and death == "exit:0"):
        return Decision(Verdict.LEAVE, 0.0, history)
    recent = (*(at for at in history.deaths if now - at <= intensity.period), now)
    after = History(recent, history.was_ready)
    excess = len(recent) - intensity.deaths
    if excess <= 0:
        return Decision(Verdict.START, 0.0, after)
    if not history.was_ready:
        return Decision(Verdict.GIVE_UP, 0.0, after)
    return Decision(Verdict.START, min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(excess - 1, 10)), after)
