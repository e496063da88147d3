"""The attributes of ICE: candidates and credentials (RFC 8839 section 5, RFC 6544 for TCP)."""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.sip.errors import SdpError
from actors.sip.grammar import readable
from actors.sip.sdp_lines import TOKEN, WORD, matched

_candidate = re.compile(
    rf"([A-Za-z0-9+/]{{1,32}}) ([0-9]{{1,3}}) ({TOKEN}++) ([0-9]{{1,10}}) ({WORD}++) ([0-9]{{1,5}}) typ ({TOKEN}++)"
    rf"(?: raddr ({WORD}++))?+(?: rport ([0-9]{{1,5}}))?+((?: {WORD}++ {WORD}++)*+) ?"
).fullmatch
_ufrag = re.compile(r"[A-Za-z0-9+/]{4,256}").fullmatch
_pwd = re.compile(r"[A-Za-z0-9+/]{22,256}").fullmatch


class Candidate(NamedTuple):
    """A candidate attribute (RFC 8839 s5.1).

    Attributes:
        foundation: equal for candidates of one kind, base and server.
        component: 1 for RTP, 2 for RTCP.
        transport: lower case: udp or tcp.
        priority: 1 to 2**31 - 1, the highest first.
        address: a literal address, or a name.
        port: 0 to 65535.
        kind: host, srflx, prflx, relay, ...
        related_address: the base of a reflexive candidate, empty where none is written.
        related_port: None where none is written.
        extensions: pairs of name and value, in order, such as ``tcptype``.
    """

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    kind: str
    related_address: str = ""
    related_port: int | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def parse(value: str) -> Candidate:
        """Read one.

        Raises:
            SdpError: 488, it is malformed or a number is out of its range.
        """
        found = matched(_candidate(value))
        component, priority, port = int(found[2]), int(found[4]), int(found[6])
        related = None if found[9] is None else int(found[9])
        if not (0 < component <= 256 and 0 < priority < 2**31 and port <= 65535 and (related or 0) <= 65535):
            raise SdpError(488, "Malformed candidate")
        words = readable(found[10]).split()
        extensions = tuple(zip(words[::2], words[1::2], strict=True))
        address, base = readable(found[5]), readable(found[8] or "")
        return Candidate(
            found[1], component, found[3].lower(), priority, address, port, found[7], base, related, extensions
        )

    def __str__(self) -> str:
        text = f"{self.foundation} {self.component} {self.transport} {self.priority} {self.address} {self.port}"
        text += f" typ {self.kind}"
        if self.related_address:
            text += f" raddr {self.related_address}"
        if self.related_port is not None:
            text += f" rport {self.related_port}"
        return "".join([text, *(f" {name} {value}" for name, value in self.extensions)])

    @property
    def tcp_type(self) -> str:
        """The tcptype of a TCP candidate (RFC 6544 s4.5): active, passive or so; else empty."""
        return dict(self.extensions).get("tcptype", "")


def read_ufrag(value: str | None) -> str:
    """The value of an ice-ufrag attribute (s5.4), empty where it is absent or malformed."""
    return value if value and _ufrag(value) else ""


def read_pwd(value: str | None) -> str:
    """The value of an ice-pwd attribute (s5.4), empty where it is absent or malformed."""
    return value if value and _pwd(value) else ""
