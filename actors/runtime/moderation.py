"""How long a busy actor lets a batch form before its next turn, as network cards moderate their interrupts. Pure.

A turn costs the same for one message as for ten: the wake-up with cold caches, the commit, the sends. So a busy actor
pauses after the first sign of news, the longer the busier it is; one with little to do answers at once.

Where somebody waits for an answer a pause that gathers nothing is worse than none: one who asks again once it has the
answer would be slowed to a question a pause. So after a pause that gathered few messages there is none for who waits,
for a while; in a flood each pause gathers many, and it stays.
"""

from __future__ import annotations

WINDOW = 0.1  # seconds over which the load is averaged
LIGHT = 0.02  # the share of its time at work up to which an actor does not pause
FULL = 0.05  # and from which it pauses longest
LONGEST = 0.010  # seconds
SHORTEST = 0.0005  # seconds; less is not worth the call
FEW = 4  # messages up to which a pause was in vain: at most 300 turns more a second than with pauses
TRUST = 0.5  # seconds after such a pause in which nobody who waits for an answer is kept waiting
HURRY = 0.05  # seconds after a question in which there is no pause: its answer, and the next question


class Moderation:
    """The load of one actor and the pause that follows from it.

    Attributes:
        pause: seconds to wait once there is news.
        rested: the mailbox paused in this turn.
        took: messages that this turn brought.
    """

    __slots__ = ("_at", "_busy", "_hurry", "_trusted", "_worked", "pause", "rested", "took")

    def __init__(self, now: float, worked: float) -> None:
        self.pause = 0.0
        self.rested = False
        self.took = 0
        self._busy = 0.0
        self._at = now
        self._worked = worked
        self._trusted = 0.0  # until this second pauses are known to gather little
        self._hurry = 0.0  # until this second there is none

    def awaited(self, now: float) -> None:
        """Somebody waits for what this turn is about: answer at once, unless pauses gather many messages."""
        if now < self._trusted:
            self._hurry = now + HURRY

    def turned(self, now: float, worked: float) -> None:
        """A turn is over.

        Args:
            now: seconds.
            worked: seconds of CPU that the actor has had by now. The clock would count it busy while others had the
                processor.
        """
        if self.rested:
            self._trusted = now + TRUST if self.took <= FEW else 0.0
            self.rested = False
        self.took = 0
        elapsed = now - self._at
        if elapsed <= 0.0:
            return  # a clock too coarse to tell two turns apart
        share = (worked - self._worked) / elapsed
        self._at, self._worked = now, worked
        self._busy += min(1.0, elapsed / WINDOW) * (share - self._busy)
        pause = min(LONGEST, LONGEST * (self._busy - LIGHT) / (FULL - LIGHT))
        self.pause = pause if pause >= SHORTEST and now >= self._hurry else 0.0
