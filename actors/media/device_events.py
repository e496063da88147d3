"""What media and the sound device tell each other over their pipe; the frames go beside it (`line.py`)."""

from __future__ import annotations

from actors.runtime.machine import Event


class OpenLine(Event, frozen=True):
    """Let a session speak and be heard through sound devices, until CloseLine. Repeating it does no harm.

    Attributes:
        session: its id.
        input, output: names or numbers of devices as `sipactors devices` lists them; empty for the configured one.
        ring: only let the configured device ring.
    """

    session: str
    input: str = ""
    output: str = ""
    ring: bool = False


class CloseLine(Event, frozen=True):
    """The session needs them no more."""

    session: str


class LineNoticed(Event, frozen=True):
    """Something about a session's devices that people should know.

    Attributes:
        kind: device_opened, device_failed, device_lost or device_back.
        text: one line.
    """

    session: str
    kind: str
    text: str


FromMedia = OpenLine | CloseLine
ToMedia = LineNoticed
