"""What a session description holds, as views of its lines (RFC 8866): the session, its media, their attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeVar

from actors.sip.errors import LocalProtocolError, SdpError
from actors.sip.grammar import readable
from actors.sip.sdp_attributes import (
    DIRECTIONS,
    SETUPS,
    Attribute,
    ExtMap,
    Fingerprint,
    Group,
    Rtcp,
    RtcpFb,
    RtpMap,
    Ssrc,
    TelephoneEvents,
    Typed,
    packet_time,
    read_attribute,
    read_rtpmap,
    typed,
)
from actors.sip.sdp_crypto import Crypto
from actors.sip.sdp_ice import Candidate, read_pwd, read_ufrag
from actors.sip.sdp_lines import (
    READERS,
    Bandwidth,
    Connection,
    Key,
    Origin,
    Person,
    Repeat,
    Timing,
    TypedLine,
    Zones,
    read_connection,
)

_fmtp = re.compile(r"([0-9]{1,3}) (.++)").fullmatch

Line = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of the session or of one media, without its m= line: pairs of type letter and value, in order.

    A view of attributes passes over those that are malformed, as if they were not known.
    """

    lines: tuple[Line, ...] = ()

    def values(self, kind: str) -> list[str]:
        """The values of all lines of that type letter."""
        return [value for letter, value in self.lines if letter == kind]

    @property
    def typed(self) -> tuple[TypedLine | Typed, ...]:
        """Every line as what it says, in order; text where the letter has no form of its own."""
        return tuple([typed(value) if letter == "a" else _typed_line(letter, value) for letter, value in self.lines])

    @property
    def information(self) -> str | None:
        """The i= line (s5.4)."""
        return self._text("i")

    @property
    def key(self) -> Key | None:
        """The k= line (s5.12), which is obsolete and never obeyed."""
        return next(iter(self._lines("k", Key)), None)

    @property
    def connection(self) -> Connection | None:
        """The first c= line."""
        for letter, value in self.lines:
            if letter == "c":
                return read_connection(value)
        return None

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All c= lines (s5.7): a media may have one for each layer of a multicast."""
        return self._lines("c", Connection)

    @property
    def bandwidths(self) -> tuple[Bandwidth, ...]:
        """The b= lines."""
        return self._lines("b", Bandwidth)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The a= lines."""
        return tuple(read_attribute(value) for value in self.values("a"))

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

    @property
    def setup(self) -> str | None:
        """The setup attribute (RFC 4145 s4, RFC 8842 s5.2), None where it is absent or unknown."""
        value = self.attribute("setup")
        return value if value in SETUPS else None

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """The fingerprint attributes (RFC 8122 s5)."""
        return self._typed("fingerprint", Fingerprint)

    @property
    def ice_ufrag(self) -> str:
        """The ice-ufrag attribute (RFC 8839 s5.4), empty where it is absent or malformed."""
        return read_ufrag(self.attribute("ice-ufrag"))

    @property
    def ice_pwd(self) -> str:
        """The ice-pwd attribute (RFC 8839 s5.4), empty where it is absent or malformed."""
        return read_pwd(self.attribute("ice-pwd"))

    @property
    def ice_options(self) -> tuple[str, ...]:
        """The tags of the ice-options attribute (RFC 8839 s5.6)."""
        return tuple((self.attribute("ice-options") or "").split())

    @property
    def extmaps(self) -> tuple[ExtMap, ...]:
        """The extmap attributes (RFC 8285 s8)."""
        return self._typed("extmap", ExtMap)

    def _text(self, kind: str) -> str | None:
        return next((readable(value) for value in self.values(kind)), None)

    def _lines(self, kind: str, of: type[T]) -> tuple[T, ...]:
        read = READERS[kind]
        return tuple([line for value in self.values(kind) if isinstance(line := read(value), of)])

    def _typed(self, name: str, of: type[T]) -> tuple[T, ...]:
        found = [typed(f"{name}:{value}") for value in self._named(name)]
        return tuple([value for value in found if isinstance(value, of)])

    def _named(self, name: str) -> list[str]:
        start = f"{name}:"
        return [value[len(start) :] for letter, value in self.lines if letter == "a" and value.startswith(start)]


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
        """The rtpmap attributes by payload type, the first of each (s6.6)."""
        found = [read_rtpmap(value) for value in self._named("rtpmap")]
        return {rtpmap.payload_type: rtpmap for rtpmap in reversed(found) if rtpmap is not None}

    @property
    def fmtps(self) -> dict[int, str]:
        """The fmtp attributes by payload type (s6.15), the first of each."""
        found = [_fmtp(value) for value in self._named("fmtp")]
        return {int(match[1]): match[2] for match in reversed(found) if match is not None}

    @property
    def ptime(self) -> float | None:
        """The ptime attribute in milliseconds (s6.4), None where it is absent, malformed or 0."""
        return packet_time(self.attribute("ptime") or "")

    @property
    def maxptime(self) -> float | None:
        """The maxptime attribute in milliseconds (s6.5), None where it is absent, malformed or 0."""
        return packet_time(self.attribute("maxptime") or "")

    @property
    def mid(self) -> str | None:
        """The mid attribute (RFC 5888 s4)."""
        return self.attribute("mid")

    @property
    def rtcp(self) -> Rtcp | None:
        """The rtcp attribute (RFC 3605)."""
        return next(iter(self._typed("rtcp", Rtcp)), None)

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTCP shares the port of RTP (RFC 5761 s5.1.1)."""
        return self.attribute("rtcp-mux") is not None

    @property
    def cryptos(self) -> tuple[Crypto, ...]:
        """The crypto attributes (RFC 4568), the most liked first."""
        return self._typed("crypto", Crypto)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidate attributes (RFC 8839 s5.1)."""
        return self._typed("candidate", Candidate)

    @property
    def ssrcs(self) -> tuple[Ssrc, ...]:
        """The ssrc attributes (RFC 5576 s4.1)."""
        return self._typed("ssrc", Ssrc)

    @property
    def rtcp_fbs(self) -> tuple[RtcpFb, ...]:
        """The rtcp-fb attributes (RFC 4585 s4.2)."""
        return self._typed("rtcp-fb", RtcpFb)

    def events(self, payload_type: int) -> TelephoneEvents | None:
        """The events of a telephone-event format (RFC 4733 s2.4.1): 0-15 without fmtp; None where it is malformed."""
        try:
            return TelephoneEvents.parse(self.fmtps.get(payload_type, "0-15"))
        except SdpError:
            return None


@dataclass(frozen=True, slots=True)
class SessionDescription(Section):
    """A whole description: the session's lines, ``v=`` among them, and the media."""

    media: tuple[Media, ...] = ()
    _data: bytes = field(default=b"", init=False, compare=False, repr=False)

    def __bytes__(self) -> bytes:
        return self._data or print_description(self)

    @property
    def origin(self) -> Origin | None:
        """The o= line."""
        return next(iter(self._lines("o", Origin)), None)

    @property
    def name(self) -> str | None:
        """The s= line."""
        return self._text("s")

    @property
    def uri(self) -> str | None:
        """The u= line (s5.5)."""
        return self._text("u")

    @property
    def emails(self) -> tuple[Person, ...]:
        """The e= lines (s5.6)."""
        return self._lines("e", Person)

    @property
    def phones(self) -> tuple[Person, ...]:
        """The p= lines (s5.6)."""
        return self._lines("p", Person)

    @property
    def timings(self) -> tuple[Timing, ...]:
        """The t= lines."""
        return self._lines("t", Timing)

    @property
    def repeats(self) -> tuple[Repeat, ...]:
        """The r= lines (s5.10); `typed` tells behind which t= each stands."""
        return self._lines("r", Repeat)

    @property
    def zones(self) -> tuple[Zones, ...]:
        """The z= lines (s5.11)."""
        return self._lines("z", Zones)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The group attributes (RFC 5888 s5)."""
        return self._typed("group", Group)

    @property
    def ice_lite(self) -> bool:
        """Whether the peer is an ICE lite agent (RFC 8839 s5.3)."""
        return self.attribute("ice-lite") is not None


def _typed_line(letter: str, value: str) -> TypedLine:
    reader = READERS.get(letter)
    return readable(value) if reader is None else reader(value)


def print_description(description: SessionDescription) -> bytes:
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
