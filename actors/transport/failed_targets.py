"""The targets that failed lately, shared by all who call: others are tried before them (RFC 3263 section 4.3)."""

from __future__ import annotations

from actors.sip.vocabulary import Target

LIMIT = 10_000
LONGEST = 3600.0  # seconds that a server may ask for


class FailedTargets:
    """Targets by transport, address and port.

    Args:
        keep: seconds a target stays behind the others.
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._until: dict[tuple[str, str, int], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, target: Target, now: float, least: float = 0.0) -> None:
        """Note a failure; `least` is for how many seconds the target itself asks to be left alone."""
        key = target[:3]
        self._until.pop(key, None)
        self._until[key] = now + max(self._keep, min(least, LONGEST))
        if len(self._until) > LIMIT:
            del self._until[next(iter(self._until))]

    def lately(self, target: Target, now: float) -> bool:
        """Whether it failed lately."""
        key = target[:3]
        until = self._until.get(key)
        if until is None:
            return False
        if until <= now:
            del self._until[key]
            return False
        return True

    def clear(self) -> None:
        """Forget all: the network is another one."""
        self._until.clear()
