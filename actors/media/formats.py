"""Negotiated formats as sessions use them: kinds by payload type, codecs by kind, how long a packet may last. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from actors.media.codecs import Codec
from actors.media.codecs.companded import Companded
from actors.media.events import Format
from actors.media.facts import codec_of, law_of
from actors.media.g711 import Law
from actors.media.peer import EVENT, NOISE, OPAQUE

# Milliseconds that a packet of ours may last, by encoding; else it is of 20.
_USUAL = (10, 20, 30, 40, 60)
_PACKETS = {"GSM": (20, 40, 60), "OPUS": (10, 20, 40, 60)}


class Kinds(NamedTuple):
    """What negotiated formats come to.

    Attributes:
        formats: kinds by payload type.
        codecs: by kind.
        noises: clock rates of comfort noise, by kind.
        key_rate: the clock rate of keys, 0 for none.
    """

    formats: Mapping[int, int]
    codecs: Mapping[int, Codec]
    noises: Mapping[int, int]
    key_rate: int


@lru_cache(maxsize=256)
def kinds(send: Format, receive: tuple[Format, ...]) -> Kinds:
    """Read the formats that may come, where we send in `send`; a service sees the same few again and again."""
    formats: dict[int, int] = {}
    codecs: dict[int, Codec] = {}
    noises: dict[int, int] = {}
    for form in receive:
        if form.encoding.upper() == "CN":
            formats[form.payload_type] = NOISE + form.payload_type
            noises[NOISE + form.payload_type] = form.clock_rate
            continue
        kind = law_of(form)
        if kind is None and (codec := codec_of(form)) is not None:
            kind = OPAQUE + form.payload_type
            codecs[kind] = codec
        if kind is not None:
            formats[form.payload_type] = kind
    if codecs or law_of(send) not in tuple(Law):
        codecs |= {int(law): Companded(law) for law in Law}
    return Kinds(formats, codecs, noises, next((form.clock_rate for form in receive if law_of(form) == EVENT), 0))


def packet_length(encoding: str, ptime: int) -> int:
    """Milliseconds of the packets that are sent where `ptime` was asked for."""
    return ptime if ptime in _PACKETS.get(encoding, _USUAL) else 20
