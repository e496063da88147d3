"""Reception with a function of the application in front of it, which may drop a message before anything knows of it."""

from __future__ import annotations

from typing import Any

from actors.sip.hooks import Hook
from actors.sip.vocabulary import Flow
from actors.transport.reception import Reception


class FilteredReception(Reception):
    """As Reception; what the hook drops is counted, and leaves no trace.

    Args:
        hook: is asked of each message.
        parts: as of Reception.
    """

    def __init__(self, hook: Hook, *parts: Any) -> None:  # noqa: ANN401 - those of Reception
        super().__init__(*parts)
        self._hook = hook

    def take(self, raw: bytes, flow: Flow, now: float, *, patient: bool = False) -> Any:  # noqa: ANN401 - as there
        """Take one message in, unless the hook drops it."""
        if self._hook.drops(raw, flow):
            self.dropped["dropped: by the application's hook"] += 1
            return None
        return super().take(raw, flow, now, patient=patient)
