"""The records of what is played and recorded in a call that is there. See ``records``."""

from typing import NamedTuple

TONE = "tone:"  # before what is played and no file


class Play(NamedTuple):
    """Play a file or a tone to the peer of a call with audio; CallPlayFinished tells its end.

    Attributes:
        path: a file, absolute, or ``tone:`` and dial, ringback, busy, congestion, waiting, or such as 440+480/2,4.
        loop: again and again.
        queue: behind what is being played and waits; else in place of all that.
    """

    call: str
    path: str
    loop: bool = False
    queue: bool = False


class Playback(NamedTuple):
    """Alter what is being played.

    Attributes:
        action: pause, resume, seek or stop.
        position: to seek to, seconds from the start.
    """

    call: str
    action: str
    position: float = 0.0


class Record(NamedTuple):
    """Record a call with audio, in place of an earlier recording; CallRecordFailed tells where it breaks.

    Attributes:
        path: a file, absolute: Opus in Ogg where it is named .ogg or .opus, else WAV; empty ends the recording.
        sides: peer: what the peer says; mixed: what we send, too, in one channel; stereo: the peer left, we right.
    """

    call: str
    path: str
    sides: str = "peer"


ACTIONS = ("pause", "resume", "seek", "stop")
SIDES = ("peer", "mixed", "stereo")
Command = Play | Playback | Record
