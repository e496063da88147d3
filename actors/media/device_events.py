"""What media and the sound device tell each other over their pipe; the frames go beside it (`line.py`)."""

from __future__ import annotations

from actors.runtime.machine import Event

BELL, RING_BACK = "bell", "ringback"


class OpenLine(Event, frozen=True):
    """Let a session speak and be heard through sound devices, until CloseLine. Repeating it does no harm.

    Attributes:
        session: its id.
        input, output: names or numbers of devices as `sipactors devices` lists them; empty for the configured one.
        tone: only let a device sound: BELL, the one that is configured to ring; RING_BACK, the output.
    """

    session: str
    input: str = ""
    output: str = ""
    tone: str = ""


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
