"""Session descriptions (RFC 8866): read and written line by line, so that what is not known is kept in its place.

A description is its lines in order, those of the session and those of each media; what is typed is a view of them.
Every line whose form is known is checked when it is read. An untouched description prints as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.sip.errors import LocalProtocolError, SdpError
from actors.sip.grammar import readable

MAX_BYTES = 32_768
MAX_MEDIA = 32
MAX_ATTRIBUTES = 512
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_WORD = r"[^\s\x00-\x1f\x7f]"  # non-ws-string (s9)
_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]"  # noqa: S105 - a word of the grammar, no secret
_origin = re.compile(rf"({_WORD}++) ([0-9]{{1,32}}) ([0-9]{{1,32}}) ({_TOKEN}++) ({_TOKEN}++) ({_WORD}++)").fullmatch
_connection = re.compile(rf"({_TOKEN}++) ({_TOKEN}++) ({_WORD}++)").fullmatch
_bandwidth = re.compile(rf"({_TOKEN}++):([0-9]{{1,20}})").fullmatch
_timing = re.compile(r"([0-9]{1,20}) ([0-9]{1,20})").fullmatch
_media = re.compile(
    rf"({_TOKEN}++) ([0-9]{{1,5}})(?:/([1-9][0-9]{{0,4}}))? ({_TOKEN}++(?:/{_TOKEN}++)*+)((?: {_TOKEN}++)++) ?"
).fullmatch
_attribute = re.compile(rf"({_TOKEN}++)(?::(.*+))?", re.DOTALL).fullmatch
_rtpmap = re.compile(rf"([0-9]{{1,3}}) ({_TOKEN}++)/([0-9]{{1,8}})(?:/([0-9]{{1,2}}))?").fullmatch
_fmtp = re.compile(r"([0-9]{1,3}) (.++)").fullmatch

Line = tuple[str, str]


class Origin(NamedTuple):
    """The o= line (s5.2)."""

    username: str
    session_id: int
    version: int
    net_type: str
    address_type: str
    address: str

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Connection(NamedTuple):
    """A c= line (s5.7); `address` keeps the TTL and count of a multicast address."""

    net_type: str
    address_type: str
    address: str

    def __str__(self) -> str:
        return " ".join(self)


class Bandwidth(NamedTuple):
    """A b= line (s5.8)."""

    kind: str
    value: int


class Timing(NamedTuple):
    """A t= line (s5.9)."""

    start: int
    stop: int


class Attribute(NamedTuple):
    """An a= line (s5.13); `value` is None for a property."""

    name: str
    value: str | None


class RtpMap(NamedTuple):
    """An rtpmap attribute (s6.6)."""

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of the session or of one media, without its m= line: pairs of type letter and value, in order."""

    lines: tuple[Line, ...] = ()

    def values(self, kind: str) -> list[str]:
        """The values of all lines of that type letter."""
        return [value for letter, value in self.lines if letter == kind]

    @property
    def connection(self) -> Connection | None:
        """The first c= line."""
        for letter, value in self.lines:
            if letter == "c":
                return _read_connection(value)
        return None

    @property
    def bandwidths(self) -> tuple[Bandwidth, ...]:
        """The b= lines."""
        return tuple(_read_bandwidth(value) for value in self.values("b"))

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The a= lines."""
        return tuple(_read_attribute(value) for value in self.values("a"))

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of that name, empty for a property, None where there is none."""
        start = f"{name}:"
        for letter, value in self.lines:
            if letter == "a":
                if value == name:
                    return ""
                if value.startswith(start):
                    return readable(value[len(start) :])
        return None

    @property
    def direction(self) -> str | None:
        """The direction attribute (s6.7), None where there is none."""
        for letter, value in self.lines:
            if letter == "a" and value in DIRECTIONS:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Media(Section):
    """One media description: its m= line (s5.14) and the lines below it.

    Attributes:
        kind: audio, video, ...
        port: 0 for a refused stream.
        count: of ports.
        protocol: such as ``RTP/AVP``.
        formats: as they stand; payload types for RTP.
    """

    kind: str = "audio"
    port: int = 0
    count: int = 1
    protocol: str = "RTP/AVP"
    formats: tuple[str, ...] = ()

    @property
    def rtpmaps(self) -> dict[int, RtpMap]:
        """The rtpmap attributes by payload type, the first of each; malformed ones are passed over (s6.6)."""
        return _by_payload_type(read_rtpmap(value) for value in self._named("rtpmap"))

    @property
    def fmtps(self) -> dict[int, str]:
        """The fmtp attributes by payload type (s6.15), the first of each; malformed ones are passed over."""
        found = [_fmtp(value) for value in self._named("fmtp")]
        return {int(match[1]): match[2] for match in reversed(found) if match is not None}

    def _named(self, name: str) -> list[str]:
        start = f"{name}:"
        return [value[len(start) :] for letter, value in self.lines if letter == "a" and value.startswith(start)]


@dataclass(frozen=True, slots=True)
class SessionDescription(Section):
    """A whole description: the session's lines, ``v=`` among them, and the media."""

    media: tuple[Media, ...] = ()
    _data: bytes = field(default=b"", init=False, compare=False, repr=False)

    def __bytes__(self) -> bytes:
        return self._data or _print(self)

    @property
    def origin(self) -> Origin | None:
        """The o= line."""
        return next((_read_origin(value) for value in self.values("o")), None)

    @property
    def name(self) -> str | None:
        """The s= line."""
        return next((readable(value) for value in self.values("s")), None)

    @property
    def timings(self) -> tuple[Timing, ...]:
        """The t= lines."""
        return tuple(_read_timing(value) for value in self.values("t"))


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
    starts = [place for place, (letter, _) in enumerate(lines) if letter == "m"]
    if len(starts) > MAX_MEDIA or sum(1 for letter, _ in lines if letter == "a") > MAX_ATTRIBUTES:
        raise SdpError(488, "Too many lines in the session description")
    for letter, value in lines:
        check = _CHECKS.get(letter)
        if check is not None:
            check(value)
    ends = [*starts[1:], len(lines)] if starts else []
    media = tuple(_read_media(lines[start][1], lines[start + 1 : end]) for start, end in zip(starts, ends, strict=True))
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


def _match(found: re.Match[str] | None) -> re.Match[str]:
    if found is None:
        raise SdpError(488, "Malformed line in the session description")
    return found


def _read_origin(value: str) -> Origin:
    username, session_id, version, net_type, address_type, address = _match(_origin(value)).groups()
    return Origin(readable(username), int(session_id), int(version), net_type, address_type, readable(address))


def _read_connection(value: str) -> Connection:
    net_type, address_type, address = _match(_connection(value)).groups()
    return Connection(net_type, address_type, readable(address))


def _read_bandwidth(value: str) -> Bandwidth:
    found = _match(_bandwidth(value))
    return Bandwidth(found[1], int(found[2]))


def _read_timing(value: str) -> Timing:
    found = _match(_timing(value))
    return Timing(int(found[1]), int(found[2]))


def _read_attribute(value: str) -> Attribute:
    found = _match(_attribute(value))
    return Attribute(found[1], None if found[2] is None else readable(found[2]))


def _read_media(value: str, lines: Iterable[Line]) -> Media:
    kind, port, count, protocol, formats = _match(_media(value)).groups()
    if int(port) > 65535:
        raise SdpError(488, "Port out of range")
    return Media(tuple(lines), kind, int(port), int(count or 1), protocol, tuple(formats.split()))


def read_rtpmap(value: str) -> RtpMap | None:
    """Read the value of an rtpmap attribute; None where it is malformed or says what cannot be (a rate of 0)."""
    found = _rtpmap(value)
    if found is None or int(found[1]) > 127 or int(found[3]) == 0:
        return None
    return RtpMap(int(found[1]), found[2], int(found[3]), int(found[4] or 1))


def _by_payload_type(found: Iterable[RtpMap | None]) -> dict[int, RtpMap]:
    by_type: dict[int, RtpMap] = {}
    for rtpmap in found:
        if rtpmap is not None:
            by_type.setdefault(rtpmap.payload_type, rtpmap)
    return by_type


_CHECKS = {
    "o": _read_origin,
    "c": _read_connection,
    "b": _read_bandwidth,
    "t": _read_timing,
    "a": _read_attribute,
}


def _print(description: SessionDescription) -> bytes:
    """Print what was made here.

    Raises:
        LocalProtocolError: a line holds a line break or a NUL.
    """
    lines = [f"{letter}={value}" for letter, value in description.lines]
    for media in description.media:
        port = f"{media.port}" if media.count == 1 else f"{media.port}/{media.count}"
        lines.append(f"m={media.kind} {port} {media.protocol} {' '.join(media.formats)}")
        lines += [f"{letter}={value}" for letter, value in media.lines]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise LocalProtocolError("a line of the session description holds a line break or a NUL")
    return (text + "\r\n").encode("utf-8", "surrogateescape")
