"""What the journal keeps of a session: everything that does not change with every packet."""

from __future__ import annotations

import msgspec

from actors.media.codecs import Codec, CodecMissingError, find
from actors.media.events import Format, FromDialog, Play, Record, SendDigits, StartSession, UseDevice
from actors.media.g711 import Law
from actors.media.peer import EVENT

_LAWS = {"PCMU": int(Law.PCMU), "PCMA": int(Law.PCMA)}
_KINDS = _LAWS | {"TELEPHONE-EVENT": EVENT}


class Coming(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a session that is to come from another process.

    Attributes:
        waiting: commands that are carried out once it is here.
        state: what the other process exported, empty until that came.
    """

    waiting: tuple[FromDialog, ...] = ()
    state: bytes = b""

    def __repr__(self) -> str:
        return f"Coming({len(self.waiting)}, {len(self.state)})"  # the state holds keys


class Facts(msgspec.Struct, array_like=True, frozen=True):
    """One session's facts.

    Attributes:
        owner: the dialog shard.
        port: of RTP.
        host: told to the peer.
        identity: 64 random bits that tie the journal's cell to the mapped record.
        start, play, record, echo, device: the commands in force.
        keys: those to be pressed until all of them are.
        call: the id of its call.
        queued: what is to be played after `play`.
        plays: the number of `play` among all that were begun, modulo 65536.
        paused: `play` waits.
        coming: what waits for it, while it comes from another process.
        moving: the number of the process that it goes to.
        exported: that one has been told all, and gets the ports.
        bridge: the name of the bridge that it is in, and whether keys pass there; None for none.
        closing: it was told to close and waits for its recording.
    """

    owner: str
    port: int
    host: str
    identity: int
    start: StartSession | None = None
    play: Play | None = None
    record: Record | None = None
    echo: bool = False
    closing: bool = False
    keys: tuple[SendDigits, ...] = ()
    device: UseDevice | None = None
    call: str = ""
    queued: tuple[Play, ...] = ()
    plays: int = 0
    paused: bool = False
    bridge: tuple[str, bool] | None = None
    coming: Coming | None = None
    moving: int | None = None
    exported: bool = False


def law_of(form: Format) -> int | None:
    """The law of a format, EVENT for keys, None for what is none of these."""
    kind = _KINDS.get(form.encoding.upper())
    return kind if form.clock_rate == 8000 or kind == EVENT else None


def codec_of(form: Format) -> Codec | None:
    """The codec of a format, None for what is not known or cannot be used here."""
    try:
        return find(form.encoding, form.clock_rate, form.channels)
    except CodecMissingError:
        return None
