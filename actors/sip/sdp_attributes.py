"""The attributes of a session description that say something in a form of their own (RFC 8866 section 6 and others).

Each is a named tuple whose ``parse`` reads the value behind the colon (SdpError, 488, where it is malformed) and
whose ``str`` is that value. :func:`typed` reads any attribute, :func:`line` makes a line of any of these values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from actors.sip.errors import LocalProtocolError, SdpError
from actors.sip.grammar import readable
from actors.sip.sdp_crypto import Crypto
from actors.sip.sdp_ice import Candidate
from actors.sip.sdp_lines import TOKEN, WORD, Connection, matched, read_connection

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
SETUPS = ("active", "passive", "actpass", "holdconn")  # RFC 4145 s4
MAX_EVENT = 255

_attribute = re.compile(rf"({TOKEN}++)(?::(.*+))?", re.DOTALL).fullmatch
_rtpmap = re.compile(rf"([0-9]{{1,3}}) ({TOKEN}++)/([0-9]{{1,8}})(?:/([0-9]{{1,2}}))?").fullmatch
_fmtp = re.compile(rf"({TOKEN}++) (.++)", re.DOTALL).fullmatch
_events = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?").fullmatch
_rtcp = re.compile(r"([0-9]{1,5})(?: (.++))?", re.DOTALL).fullmatch
_fingerprint = re.compile(rf"({TOKEN}++) ([0-9A-Fa-f]{{2}}(?::[0-9A-Fa-f]{{2}}){{0,63}}+)").fullmatch
_extmap = re.compile(
    rf"([0-9]{{1,5}})(?:/(sendrecv|sendonly|recvonly|inactive))? ({WORD}++)(?: (.++))?", re.DOTALL
).fullmatch
_ssrc = re.compile(rf"([0-9]{{1,10}}) ({TOKEN}++)(?::(.++))?", re.DOTALL).fullmatch
_rtcp_fb = re.compile(rf"(\*|[0-9]{{1,3}}) ({TOKEN}++)(?: (.++))?", re.DOTALL).fullmatch
_packet_time = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?").fullmatch
_DIGESTS = {"md5": 16, "sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}  # bytes


class Attribute(NamedTuple):
    """An a= line (s5.13); `value` is None for a property."""

    name: str
    value: str | None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


class RtpMap(NamedTuple):
    """An rtpmap attribute (s6.6)."""

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 1

    @staticmethod
    def parse(value: str) -> RtpMap:
        """Read one."""
        rtpmap = read_rtpmap(value)
        if rtpmap is None:
            raise SdpError(488, "Malformed rtpmap")
        return rtpmap

    def __str__(self) -> str:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.encoding}/{self.clock_rate}{channels}"


def read_rtpmap(value: str) -> RtpMap | None:
    """Read the value of an rtpmap attribute; None where it is malformed or says what cannot be (a rate of 0)."""
    found = _rtpmap(value)
    if found is None or int(found[1]) > 127 or int(found[3]) == 0:
        return None
    return RtpMap(int(found[1]), found[2], int(found[3]), int(found[4] or 1))


class Fmtp(NamedTuple):
    """An fmtp attribute (s6.15): `text` is in a form that the format defines."""

    format: str
    text: str

    @staticmethod
    def parse(value: str) -> Fmtp:
        """Read one."""
        found = matched(_fmtp(value))
        return Fmtp(found[1], readable(found[2]))

    def __str__(self) -> str:
        return f"{self.format} {self.text}"

    @property
    def params(self) -> dict[str, str | None]:
        """The text as ``name=value;...``, names in lower case, the first of each (RFC 4855 s3)."""
        found: dict[str, str | None] = {}
        for part in self.text.split(";"):
            name, mark, value = part.strip().partition("=")
            if name:
                found.setdefault(name.strip().lower(), value.strip() if mark else None)
        return found


class TelephoneEvents(NamedTuple):
    """The events that an fmtp of telephone-event names (RFC 4733 s2.4.1), ascending."""

    events: tuple[int, ...]

    @staticmethod
    def parse(text: str) -> TelephoneEvents:
        """Read the text of such an fmtp: numbers and ranges, parted by commas."""
        events: set[int] = set()
        for part in text.split(","):
            found = matched(_events(part.strip(" ")))
            first, last = int(found[1]), int(found[2] or found[1])
            if not first <= last <= MAX_EVENT:
                raise SdpError(488, "Malformed telephone events")
            events.update(range(first, last + 1))
        return TelephoneEvents(tuple(sorted(events)))

    def __str__(self) -> str:
        runs: list[list[int]] = []
        for event in self.events:
            if runs and event == runs[-1][1] + 1:
                runs[-1][1] = event
            else:
                runs.append([event, event])
        return ",".join(f"{first}-{last}" if first != last else f"{first}" for first, last in runs)


class Rtcp(NamedTuple):
    """An rtcp attribute (RFC 3605 s2.1): where RTCP goes; the address None where it is that of the media."""

    port: int
    connection: Connection | None = None

    @staticmethod
    def parse(value: str) -> Rtcp:
        """Read one."""
        found = matched(_rtcp(value))
        if int(found[1]) > 65535:
            raise SdpError(488, "Port out of range")
        return Rtcp(int(found[1]), None if found[2] is None else read_connection(found[2]))

    def __str__(self) -> str:
        return f"{self.port}" if self.connection is None else f"{self.port} {self.connection}"


class Fingerprint(NamedTuple):
    """A fingerprint attribute (RFC 8122 s5): the lower-case name of the hash, and the hash of the certificate."""

    hash: str
    digest: bytes

    @staticmethod
    def parse(value: str) -> Fingerprint:
        """Read one; the length must be that of the hash where it is known."""
        found = matched(_fingerprint(value))
        name, digest = found[1].lower(), bytes.fromhex(found[2].replace(":", ""))
        if len(digest) != _DIGESTS.get(name, len(digest)):
            raise SdpError(488, "Malformed fingerprint")
        return Fingerprint(name, digest)

    def __str__(self) -> str:
        return f"{self.hash} {self.digest.hex(':').upper()}"


class Group(NamedTuple):
    """A group attribute (RFC 5888 s5), of the session: what the media lines of these mids are together."""

    semantics: str
    mids: tuple[str, ...]

    @staticmethod
    def parse(value: str) -> Group:
        """Read one."""
        semantics, *mids = value.split(" ")
        if not all(map(_is_token, (semantics, *mids))):
            raise SdpError(488, "Malformed group")
        return Group(semantics, tuple(mids))

    def __str__(self) -> str:
        return " ".join((self.semantics, *self.mids))


class ExtMap(NamedTuple):
    """An extmap attribute (RFC 8285 s8); `direction` is empty where none is written."""

    number: int
    direction: str
    uri: str
    text: str = ""

    @staticmethod
    def parse(value: str) -> ExtMap:
        """Read one."""
        found = matched(_extmap(value))
        return ExtMap(int(found[1]), found[2] or "", readable(found[3]), readable(found[4] or ""))

    def __str__(self) -> str:
        direction = f"/{self.direction}" if self.direction else ""
        return f"{self.number}{direction} {self.uri}" + (f" {self.text}" if self.text else "")


class Ssrc(NamedTuple):
    """An ssrc attribute (RFC 5576 s4.1): an attribute of one source, such as its cname."""

    ssrc: int
    name: str
    value: str | None = None

    @staticmethod
    def parse(value: str) -> Ssrc:
        """Read one."""
        found = matched(_ssrc(value))
        if int(found[1]) > 0xFFFFFFFF:
            raise SdpError(488, "Malformed ssrc")
        return Ssrc(int(found[1]), found[2], None if found[3] is None else readable(found[3]))

    def __str__(self) -> str:
        return f"{self.ssrc} {self.name}" if self.value is None else f"{self.ssrc} {self.name}:{self.value}"


class RtcpFb(NamedTuple):
    """An rtcp-fb attribute (RFC 4585 s4.2); the payload type None for all (``*``)."""

    payload_type: int | None
    kind: str
    text: str = ""

    @staticmethod
    def parse(value: str) -> RtcpFb:
        """Read one."""
        found = matched(_rtcp_fb(value))
        if found[1] != "*" and int(found[1]) > 127:
            raise SdpError(488, "Malformed rtcp-fb")
        return RtcpFb(None if found[1] == "*" else int(found[1]), found[2], readable(found[3] or ""))

    def __str__(self) -> str:
        to = "*" if self.payload_type is None else self.payload_type
        return f"{to} {self.kind} {self.text}" if self.text else f"{to} {self.kind}"


Typed = RtpMap | Fmtp | Rtcp | Fingerprint | Group | ExtMap | Ssrc | RtcpFb | Crypto | Candidate | Attribute

PARSERS: dict[str, Callable[[str], Typed]] = {
    "rtpmap": RtpMap.parse,
    "fmtp": Fmtp.parse,
    "rtcp": Rtcp.parse,
    "fingerprint": Fingerprint.parse,
    "group": Group.parse,
    "extmap": ExtMap.parse,
    "ssrc": Ssrc.parse,
    "rtcp-fb": RtcpFb.parse,
    "crypto": Crypto.parse,
    "candidate": Candidate.parse,
}
_NAMES: dict[type, str] = {
    RtpMap: "rtpmap",
    Fmtp: "fmtp",
    Rtcp: "rtcp",
    Fingerprint: "fingerprint",
    Group: "group",
    ExtMap: "extmap",
    Ssrc: "ssrc",
    RtcpFb: "rtcp-fb",
    Crypto: "crypto",
    Candidate: "candidate",
}


def _is_token(text: str) -> bool:
    return _attribute(text) is not None and ":" not in text


def read_attribute(value: str) -> Attribute:
    """Read an a= line as a name and a value."""
    found = matched(_attribute(value))
    return Attribute(found[1], None if found[2] is None else readable(found[2]))


def typed(value: str) -> Typed:
    """Read an a= line as what it says; an attribute that is not known, or malformed, stays a name and a value."""
    name, _, text = value.partition(":")
    parser = PARSERS.get(name)
    if parser is None:
        return read_attribute(value)
    try:
        return parser(text)
    except SdpError:
        return read_attribute(value)


def line(value: Typed) -> tuple[str, str]:
    """The a= line that says `value`, as a pair of type letter and text.

    Raises:
        LocalProtocolError: it could not be read back.
    """
    name = _NAMES.get(type(value))
    text = str(value) if name is None else f"{name}:{value}"
    try:
        same = (read_attribute(text) if name is None else PARSERS[name](str(value))) == value
    except SdpError:
        same = False
    if not same or "\r" in text or "\n" in text or "\0" in text:
        raise LocalProtocolError(f"not an attribute: {name or value.__class__.__name__}")
    return "a", text


def packet_time(value: str) -> float | None:
    """Milliseconds of a ptime or maxptime attribute (s6.4, 6.5); None where it is malformed or 0."""
    return (float(value) or None) if _packet_time(value) else None
