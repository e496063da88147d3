"""Session descriptions (RFC 8866): read and written line by line, so that what is not known is kept in its place.

A description is its lines in order, those of the session and those of each media; what is typed is a view of them.
Every line whose form is known is checked when it is read. An untouched description prints as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from actors.sip.errors import SdpError
from actors.sip.sdp_attributes import DIRECTIONS, Attribute, RtpMap, read_rtpmap
from actors.sip.sdp_lines import CHECKS, TOKEN, Bandwidth, Connection, Origin, Timing, matched
from actors.sip.sdp_model import Line, Media, Section, SessionDescription

__all__ = [
    "DIRECTIONS",
    "Attribute",
    "Bandwidth",
    "Connection",
    "Line",
    "Media",
    "Origin",
    "RtpMap",
    "Section",
    "SessionDescription",
    "Timing",
    "parse",
    "read_rtpmap",
]

MAX_BYTES = 32_768
MAX_MEDIA = 32
MAX_ATTRIBUTES = 512
MAX_CRYPTO = 64  # crypto lines

_media = re.compile(
    rf"({TOKEN}++) ([0-9]{{1,5}})(?:/([1-9][0-9]{{0,4}}))? ({TOKEN}++(?:/{TOKEN}++)*+)((?: {TOKEN}++)++) ?"
).fullmatch


def parse(data: bytes) -> SessionDescription:
    """Parse a session description; lines end in CRLF or LF (s5).

    Raises:
        SdpError: 413, it is too large; 488, it is malformed or has too many lines.
    """
    if len(data) > MAX_BYTES:
        raise SdpError(413, "Session description too large")
    lines = _split(data)
    if not lines or lines[0] != ("v", "0"):
        raise SdpError(488, "Not a session description")
    starts = []
    attributes = 0
    for place, (letter, value) in enumerate(lines):
        check = CHECKS.get(letter)
        if letter == "a":
            attributes += 1
        elif letter == "m":
            starts.append(place)
        if check is not None and check(value) is None:
            raise SdpError(488, "Malformed line in the session description")
    if len(starts) > MAX_MEDIA or attributes > MAX_ATTRIBUTES or data.count(b"\na=crypto:") > MAX_CRYPTO:
        raise SdpError(488, "Too many lines in the session description")
    ends = [*starts[1:], len(lines)] if starts else []
    media = tuple(
        [_read_media(lines[start][1], lines[start + 1 : end]) for start, end in zip(starts, ends, strict=True)]
    )
    description = SessionDescription(tuple(lines[: starts[0]] if starts else lines), media)
    object.__setattr__(description, "_data", data)
    return description


def _split(data: bytes) -> list[Line]:
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise SdpError(488, "NUL in the session description")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if "\r" in text and any("\r" in line for line in lines):
        raise SdpError(488, "Bare CR in the session description")
    pairs = []
    for line in lines:
        if line[1:2] != "=" or not "a" <= line[0] <= "z":
            raise SdpError(488, "Malformed line in the session description")
        pairs.append((line[0], line[2:]))
    return pairs


def _read_media(value: str, lines: Iterable[Line]) -> Media:
    kind, port, count, protocol, formats = matched(_media(value)).groups()
    if int(port) > 65535:
        raise SdpError(488, "Port out of range")
    return Media(tuple(lines), kind, int(port), int(count or 1), protocol, tuple(formats.split()))
