"""What an m= line of RTP and the lines below it say, as far as a negotiation of its stream asks (RFC 3264)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from actors.sip.errors import SdpError
from actors.sip.sdp_attributes import DIRECTIONS, Rtcp, RtpMap, packet_time, read_rtpmap
from actors.sip.sdp_codecs import Codec, codecs
from actors.sip.sdp_lines import Connection, read_connection
from actors.sip.sdp_model import Media, SessionDescription

NOWHERE = "0.0.0.0"  # noqa: S104 - the address that says that nothing is to be sent to it (s8.4)
NOWHERES = (NOWHERE, "::")
PTIMES = (10, 20, 30, 40, 50, 60)  # milliseconds that we send; another wish is passed over
_READ_LATER = ("ptime", "maxptime", "rtcp", "rtcp-mux")


class StreamLine(NamedTuple):
    """A line as far as it matters here."""

    connection: Connection | None
    codecs: tuple[Codec, ...]
    direction: str
    ptime: int  # 0 where none is asked for that we can send
    limit: float  # maxptime, 0 where there is none
    rtcp_mux: bool
    rtcp_port: int  # 0 where the peer does not say


def read_line(description: SessionDescription, line: Media) -> StreamLine:
    """Read the lines below an m= line, once; the session's hold where it has none of its own."""
    rtpmaps: dict[int, RtpMap] = {}
    fmtps: dict[str, str] = {}
    connection = None
    direction = ""
    texts: dict[str, str] = {}
    for letter, value in line.lines:
        if letter == "a":
            name, _, text = value.partition(":")
            if name == "rtpmap":
                rtpmap = read_rtpmap(text)
                if rtpmap is not None:
                    rtpmaps.setdefault(rtpmap.payload_type, rtpmap)
            elif name == "fmtp":
                number, _, fmtp = text.partition(" ")
                fmtps.setdefault(number, fmtp)
            elif name in _READ_LATER:
                texts.setdefault(name, text)
            elif not direction and value in DIRECTIONS:
                direction = value
        elif letter == "c" and connection is None:
            connection = read_connection(value)
    ptime = packet_time(texts.get("ptime", ""))
    connection = connection or description.connection
    return StreamLine(
        connection,
        codecs(line.formats, rtpmaps, fmtps),
        direction or description.direction or "sendrecv",
        int(ptime) if ptime in PTIMES else 0,
        packet_time(texts["maxptime"]) or 0 if "maxptime" in texts else 0,
        "rtcp-mux" in texts,
        _rtcp_port(texts["rtcp"], connection) if "rtcp" in texts else 0,
    )


def _rtcp_port(text: str, connection: Connection | None) -> int:
    """The port of an rtcp attribute (RFC 3605); 0 where there is none to follow.

    One that names another host than RTP's is not followed: RTP and RTCP have one source here, by which strangers are
    known.
    """
    try:
        found = Rtcp.parse(text)
    except SdpError:
        return 0
    here = found.connection is None or connection is None or found.connection.address == connection.address
    return found.port if here and 0 < found.port < 65536 else 0


def usable(line: Media, connection: Connection | None, own: str) -> bool:
    """Whether a line can be sent to: a unicast literal address of the family of `own`, or none; a good port."""
    if connection is None or connection.net_type != "IN" or line.count != 1 or line.port > 65534:
        return False
    return connection.address in NOWHERES or _unicast(connection.address, connection.address_type, own)


@lru_cache(maxsize=1024)
def _unicast(host: str, family: str, own: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name would have to be looked up where nothing may wait
    if family != f"IP{address.version}" or (":" in own) != (address.version == 6):
        return False
    return not address.is_multicast and host != "255.255.255.255"
