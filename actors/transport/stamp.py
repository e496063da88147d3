"""The top Via as a server transport sees it: read it, and stamp `received` and `rport` on it.

The stamp goes on the topmost Via only, whatever follows it in the same line or below.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

# sent-protocol LWS sent-by (RFC 3261 section 25.1); LWS may be a fold, and stands around "/" and ":" too.
_SENT_BY = re.compile(
    rb"\s*[^\s/;,]+\s*/\s*[^\s/;,]+\s*/\s*[^\s/;,]+\s+(\[[^\]\s]*\]|[^\s:;,\[\]]+)\s*(?::\s*(\d{1,5}))?\s*(?=;|$)"
)
# One parameter: a semicolon in a quoted string does not end it.
_PARAM = re.compile(rb';[^;"]*(?:"(?:[^"\\]|\\.)*"?[^;"]*)*', re.DOTALL)
# The first value of a Via line: up to a comma or a line end outside quotes; a fold goes on.
_FIRST_VALUE = re.compile(rb'(?:[^",\r]++|"(?:[^"\\]|\\.)*+"|\r\n[ \t])*+', re.DOTALL)


class TopVia(NamedTuple):
    """What of a Via decides where its response goes.

    Attributes:
        host: of sent-by, without brackets; empty if the value cannot be read.
        port: of sent-by, 0 if absent.
        received: the address a server stamped, without brackets, empty if absent.
        rport: the port a server stamped, 0 if absent or without a value.
    """

    host: str
    port: int
    received: str
    rport: int


def read(via: bytes) -> TopVia:
    """Read one Via value (RFC 3261 section 20.42, RFC 3581 section 3)."""
    match = _SENT_BY.match(via)
    if match is None:
        return TopVia("", 0, "", 0)
    found = {}
    for param in _PARAM.findall(via, match.end()):
        name, _, value = param[1:].partition(b"=")
        found[name.strip().lower()] = value.strip().decode("latin-1")
    rport = found.get(b"rport", "")
    return TopVia(
        host=bare(match[1].decode("latin-1")),
        port=int(match[2] or 0),
        received=bare(found.get(b"received", "")),
        rport=int(rport) if _is_port(rport) else 0,
    )


def first_value(raw: bytes, start: int) -> tuple[int, int]:
    """Where the first value of a comma list stands that begins at `start`."""
    match = _FIRST_VALUE.match(raw, start)
    return (start, start) if match is None else match.span()


def stamp(raw: bytes, via_start: int, via_end: int, host: str, port: int) -> bytes:
    """Write where a request came from on its top Via (RFC 3261 section 18.2.1, RFC 3581 section 4).

    `received` is written when sent-by is a name or another address, and always beside `rport`. What the peer wrote in
    either is replaced: else it could aim our responses at somebody else.

    Args:
        raw: the request.
        via_start: where its first Via value begins.
        via_end: where that value ends.
        host: its source address, without brackets.
        port: its source port.
    """
    via = raw[via_start:via_end]
    match = _SENT_BY.match(via)
    lower = via.lower()
    if match is not None and b"rport" not in lower and b"received" not in lower:
        if same_address(bare(match[1].decode("latin-1")), host):
            return raw
        return b"%b;received=%b%b" % (raw[:via_end], _plain(host), raw[via_end:])
    return raw[:via_start] + _rewrite(via, match, host, port) + raw[via_end:]


def _rewrite(via: bytes, match: re.Match[bytes] | None, host: str, port: int) -> bytes:
    """As stamp, for a Via that has one of the two parameters or cannot be read."""
    start = match.end() if match is not None else via.find(b";")
    if start < 0:
        start = len(via)
    kept = [via[:start].rstrip()]
    rport = False
    for param in _PARAM.findall(via, start):
        name = param[1:].partition(b"=")[0].strip().lower()
        if name == b"rport":
            if not rport:
                kept.append(b";rport=%d" % port)
            rport = True
        elif name != b"received":
            kept.append(param)
    sent_by = bare(match[1].decode("latin-1")) if match is not None else ""
    if rport or not same_address(sent_by, host):
        kept[-1] = kept[-1].rstrip()
        kept.append(b";received=" + _plain(host))
    return b"".join(kept)


def same_address(text: str, host: str) -> bool:
    """Whether `text` is the numeric address `host`; IPv6 has many spellings of one address (RFC 5118 section 4.1)."""
    if text == host:
        return True
    if ":" not in text or ":" not in host:
        return False
    try:
        return ipaddress.ip_address(text) == ipaddress.ip_address(host)
    except ValueError:
        return False


def bare(host: str) -> str:
    """A host without the brackets of an IPv6 reference; `received` comes with and without (RFC 5118 section 4.5)."""
    return host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host


def _plain(host: str) -> bytes:
    # A zone id means nothing to the peer.
    return host.partition("%")[0].encode("ascii")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65535
