"""How long a busy actor lets a batch form before its next turn, as network cards moderate their interrupts. Pure.

A turn costs the same for one message as for ten: the wake-up with cold caches, the commit, the sends. So a busy actor
pauses after the first sign of news, the longer the busier it is; one with little to do answers at once.
"""

from __future__ import annotations

WINDOW = 0.1  # seconds over which the load is averaged
LIGHT = 0.02  # the share of its time at work up to which an actor does not pause
FULL = 0.05  # and from which it pauses longest
LONGEST = 0.010  # seconds
SHORTEST = 0.0005  # seconds; less is not worth the call


class Moderation:
    """The load of one actor and the pause that follows from it.

    Attributes:
        pause: seconds to wait once there is news.
        hurry: until this second there is no pause: somebody waits for an answer.
    """

    __slots__ = ("_at", "_busy", "_worked", "hurry", "pause")

    def __init__(self, now: float, worked: float) -> None:
        self.pause = 0.0
        self.hurry = 0.0
        self._busy = 0.0
        self._at = now
        self._worked = worked

    def turned(self, now: float, worked: float) -> None:
        """A turn is over.

        Args:
            now: seconds.
            worked: seconds of CPU that the actor has had by now. The clock would count it busy while others had the
                processor.
        """
        elapsed = now - self._at
        if elapsed <= 0.0:
            return  # a clock too coarse to tell two turns apart
        share = (worked - self._worked) / elapsed
        self._at, self._worked = now, worked
        self._busy += min(1.0, elapsed / WINDOW) * (share - self._busy)
        pause = min(LONGEST, LONGEST * (self._busy - LIGHT) / (FULL - LIGHT))
        self.pause = pause if pause >= SHORTEST and now >= self.hurry else 0.0
