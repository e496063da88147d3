"""Sessions led to the sound device: which of them speak there, and what the device's actor is told of them."""

from __future__ import annotations

from collections.abc import Callable

from actors.media.device_events import BELL, RING_BACK, CloseLine, OpenLine
from actors.media.engine import Engine
from actors.media.events import EARLY, RING, Noticed, UseDevice
from actors.media.lines import DEVICE, Lines
from actors.runtime.machine import Event


class Devices:
    """The lines of a media process.

    Args:
        lines: where frames pass.
        engine: which has the sessions.
        tell: tells a neighbour.
        present: the service has a sound device.
    """

    def __init__(self, lines: Lines, engine: Engine, tell: Callable[[str, Event], None], *, present: bool) -> None:
        self._lines = lines
        self._engine = engine
        self._tell = tell
        self._present = present
        self._unheard: set[str] = set()  # sessions of calls out whose devices wait for the peer's first packet

    @property
    def unsent(self) -> int:
        """Frames that the device did not take."""
        return self._lines.unsent

    def read(self) -> None:
        """Take what was said since the last tick."""
        self._lines.read()

    def connect(self, owner: str, use: UseDevice) -> None:
        """Lead a session to the sound device, where there is one."""
        session = use.session
        if not self._present:
            if use.stage:
                return  # it is told of once the call is up
            text = "the service has no sound device: enabled = true in [sound] of its configuration gives it one"
            self._tell(owner, Noticed(session, "device_failed", text))
            return
        line = self._lines.open(session)
        if use.device == RING:
            self._tell(DEVICE, OpenLine(session, tone=BELL))
            return
        self._engine.connect(session, line)
        source, _, sink = use.device.partition(":")
        if use.stage:
            self._unheard.add(session)
        else:
            self._unheard.discard(session)
        if use.stage != EARLY:
            self._tell(DEVICE, OpenLine(session, source, sink, RING_BACK if use.stage else ""))

    def disconnect(self, session: str) -> None:
        """A session uses none any more, if it did."""
        self._unheard.discard(session)
        if self._lines.drop(session):
            self._tell(DEVICE, CloseLine(session))

    def heard(self) -> list[str]:
        """Sessions that wait for their peers' first packet, and have it."""
        return [session for session in self._unheard if self._lines.open(session).heard]

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
