"""What the journal keeps of a session: everything that does not change with every packet."""

from __future__ import annotations

import msgspec

from actors.media.codecs import Codec, CodecMissingError, find
from actors.media.events import Format, Play, Record, SendDigits, StartSession, UseDevice
from actors.media.g711 import Law
from actors.media.peer import EVENT

_LAWS = {"PCMU": int(Law.PCMU), "PCMA": int(Law.PCMA)}
_KINDS = _LAWS | {"TELEPHONE-EVENT": EVENT}


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
