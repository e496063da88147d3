"""The RTP formats of a stream, and what two sides have in common (RFC 3264 sections 5.1, 6.1 and 8.3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from actors.sip.errors import LocalProtocolError
from actors.sip.sdp_attributes import RtpMap

EVENT = "telephone-event"
NOISE = "CN"
# Static payload types that need no rtpmap (RFC 3551 s6).
_STATIC = {
    0: RtpMap(0, "PCMU", 8000, 1),
    3: RtpMap(3, "GSM", 8000, 1),
    4: RtpMap(4, "G723", 8000, 1),
    8: RtpMap(8, "PCMA", 8000, 1),
    9: RtpMap(9, "G722", 8000, 1),
    11: RtpMap(11, "L16", 44100, 1),
    13: RtpMap(13, "CN", 8000, 1),
    15: RtpMap(15, "G728", 8000, 1),
    18: RtpMap(18, "G729", 8000, 1),
}
_DYNAMIC = range(96, 128)  # RFC 3551 s3
_EVENT_TYPES = {8000: 101, 48000: 102, 16000: 103, 44100: 104}
_NOISE_TYPES = {8000: 13, 16000: 105}  # RFC 3389 s4: other rates have dynamic ones
_EVENTS = "0-16"  # digits, *, #, A to D, flash (RFC 4733 s3.2)


class Codec(NamedTuple):
    """A payload format: RFC 3551 encoding name, clock rate in Hz. Encodings are compared without case."""

    payload_type: int
    encoding: str
    clock_rate: int
    fmtp: str = ""
    channels: int = 1


NAMED = {
    "PCMU": Codec(0, "PCMU", 8000),
    "PCMA": Codec(8, "PCMA", 8000),
    "G722": Codec(9, "G722", 8000),
    "opus": Codec(96, "opus", 48000, "useinbandfec=1", 2),
    "GSM": Codec(3, "GSM", 8000),
    "L16": Codec(97, "L16", 16000),
    "L16/8000": Codec(98, "L16", 8000),
    "L16/44100": Codec(11, "L16", 44100),
}
"""Formats by the names that a configuration gives them."""


def offered(names: Sequence[str], *, noise: bool = False) -> tuple[Codec, ...]:
    """The formats of these names, the most liked first, and telephone events at each of their clock rates (RFC 4733).

    Args:
        names: of NAMED.
        noise: comfort noise, too, at the clock rates of speech (RFC 3389 s4); Opus has its own, and is not to be used
            with it (RFC 7587 s3.1.3).

    Raises:
        LocalProtocolError: a name is not in NAMED.
    """
    unknown = [name for name in names if name not in NAMED]
    if unknown:
        raise LocalProtocolError(f"no such codec: {unknown[0]}")
    audio = tuple([NAMED[name] for name in names])
    rates = dict.fromkeys(codec.clock_rate for codec in audio)
    events = tuple([Codec(_EVENT_TYPES[rate], EVENT, rate, _EVENTS) for rate in rates])
    noises = tuple([Codec(_NOISE_TYPES[rate], NOISE, rate) for rate in rates if rate in _NOISE_TYPES]) if noise else ()
    return audio + noises + events


def codecs(formats: tuple[str, ...], rtpmaps: Mapping[int, RtpMap], fmtps: Mapping[str, str]) -> tuple[Codec, ...]:
    """The formats of an m= line in its order; those without a known meaning are passed over."""
    found = []
    for text in formats:
        if len(text) > 3 or not (text.isascii() and text.isdigit()):
            continue
        payload_type = int(text)
        rtpmap = rtpmaps.get(payload_type) or _STATIC.get(payload_type)
        if rtpmap is not None:
            fmtp = fmtps.get(text, "")
            found.append(Codec(payload_type, rtpmap.encoding, rtpmap.clock_rate, fmtp, rtpmap.channels))
    return tuple(found)


def common(theirs: tuple[Codec, ...], ours: tuple[Codec, ...]) -> list[tuple[Codec, Codec]]:
    """Pairs of their format and ours that mean the same, in their order, each of ours once.

    Telephone events and comfort noise are taken only at a clock rate of an audio format (RFC 4733 s2.1, RFC 3389 s4);
    alone they are nothing.
    """
    pairs: list[tuple[Codec, Codec]] = []
    left = dict(_by_meaning(ours))
    for codec in theirs:
        found = left.pop(_meaning(codec), None)
        if found is not None:
            pairs.append((codec, found))
    rates = {codec.clock_rate for codec, _ in pairs if is_audio(codec)}
    return [pair for pair in pairs if pair[0].clock_rate in rates]


def settled(ours: tuple[Codec, ...], before: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """Our formats with payload types that a stream's earlier description does not contradict (s8.3.2).

    A format keeps the payload type it had; a new one whose payload type meant something else gets a free one.

    Raises:
        LocalProtocolError: no dynamic payload type is left.
    """
    if not before or ours == before:
        return ours
    had = {codec.payload_type: _meaning(codec) for codec in before}
    chosen = {codec.payload_type for codec in ours if had.get(codec.payload_type) == _meaning(codec)}
    found: list[Codec] = []
    for codec in ours:
        number = codec.payload_type
        if had.get(number) != _meaning(codec):
            number = _number(codec, had, chosen)
            chosen.add(number)
        found.append(codec._replace(payload_type=number))
    return tuple(found)


def _number(codec: Codec, had: Mapping[int, tuple[str, int, int]], chosen: set[int]) -> int:
    """A payload type for a format: one it had, else its own, else a free one; none of those that are chosen."""
    known: list[int] = [number for number, meaning in had.items() if meaning == _meaning(codec)]
    unknown: list[int] = [number for number in [codec.payload_type, *_DYNAMIC] if number not in had]
    free = next((number for number in known + unknown if number not in chosen), None)
    if free is None:
        raise LocalProtocolError("no dynamic payload type is left")
    return free


def is_event(codec: Codec) -> bool:
    """Whether it carries telephone events (RFC 4733) and not sound."""
    return codec.encoding.lower() == EVENT


def is_noise(codec: Codec) -> bool:
    """Whether it describes the noise of pauses (RFC 3389) and carries no sound."""
    return codec.encoding.upper() == NOISE


def is_audio(codec: Codec) -> bool:
    """Whether it carries sound."""
    return not is_event(codec) and not is_noise(codec)


@lru_cache(maxsize=256)
def _by_meaning(ours: tuple[Codec, ...]) -> dict[tuple[str, int, int], Codec]:
    return {_meaning(own): own for own in reversed(ours)}


def _meaning(codec: Codec) -> tuple[str, int, int]:
    return codec.encoding.upper(), codec.clock_rate, codec.channels
