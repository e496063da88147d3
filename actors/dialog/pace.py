"""Turns for what time sets off: after a pause much of it may be due at once, and goes out so many a second. Pure."""

from __future__ import annotations

RATE = 50.0  # requests a second that time sets off, over all shards
MISSED = 60.0  # seconds after which a turn that was not taken is nobody's
FEW = 64


class Pace:
    """Gives out turns, at most `rate` a second."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._next = 0.0
        self._given: dict[bytes, float] = {}
        self._swept = FEW  # how many there were when they were looked through

    def turn(self, now: float) -> float:
        """When the next turn is: `now` or later."""
        at = max(now, self._next)
        self._next = at + self._gap
        return at

    def claim(self, key: bytes, now: float) -> float:
        """When it is the turn of `key`: `now`, or a later time at which it is to ask again."""
        given = self._given.pop(key, None)
        if given is not None and given <= now:
            return now
        at = self.turn(now)
        if at > now:
            self._given[key] = at
            if len(self._given) > 2 * self._swept:
                self._sweep(now)
        return at

    def _sweep(self, now: float) -> None:
        """Forget turns that nobody came back for: accounts that are no more, or that register by another cause."""
        self._given = {key: at for key, at in self._given.items() if at > now - MISSED}
        self._swept = max(len(self._given), FEW)
