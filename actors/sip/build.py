"""Messages made from the bytes of others: CANCEL, the ACK to a refusal, and a refusal without state.

Header lines go over byte for byte, so that what must be equal is equal.
"""

from __future__ import annotations

import re

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.fields import canonical
from actors.sip.grammar import TOKEN, header_line, tagged
from actors.sip.message import Headers
from actors.sip.reasons import phrase_of
from actors.sip.scan import MAX_LINES, is_answerable, split
from actors.sip.uri import HOST
from actors.sip.usual import MAX_MESSAGE

# As much of a top Via as tells that there is a way back.
_usable_via = re.compile(rf"SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+{TOKEN}++[ \t]++{HOST}", re.IGNORECASE).match
_has_tag = re.compile(r";[ \t\r\n]*+tag[ \t\r\n]*+=", re.IGNORECASE).search
_FOLLOWED = frozenset(("from", "call-id", "route", "max-forwards"))
# s22.1: an ACK cannot be challenged, so it proves at once what its INVITE proved; a CANCEL is taken without.
_PROVED = {"ACK": _FOLLOWED | {"authorization", "proxy-authorization"}, "CANCEL": _FOLLOWED}
_REFUSED = ("via", "from", "to", "call-id", "cseq")


def build_cancel(invite: bytes, headers: Headers = ()) -> bytes:
    """The CANCEL of an INVITE of ours (s9.1): same Request-URI, top Via, From, To, Call-ID, CSeq number and Routes.

    Args:
        invite: as it was sent, with its Via.
        headers: more header lines, such as a Reason (RFC 3326).

    Raises:
        LocalProtocolError: `invite` is no request, or a header may not be sent.
    """
    return _follow(invite, "CANCEL", None, headers)


def build_ack_failure(invite: bytes, response: bytes) -> bytes:
    """The ACK to a final response of 300 to 699 (s17.1.1.3, 22.1): as a CANCEL, but the response's To, and credentials.

    Args:
        invite: as it was sent, with its Via.
        response: as it came.

    Raises:
        LocalProtocolError: `invite` is no request.
        RemoteProtocolError: `response` is no message.
    """
    _, names, raw, first, _, _ = split(response)
    if "to" not in first:
        raise RemoteProtocolError(None, "Missing mandatory header")
    return _follow(invite, "ACK", raw[names.index("to")], ())


def _follow(invite: bytes, method: str, to: str | None, headers: Headers) -> bytes:
    try:
        start, names, raw, first, _, _ = split(invite)
        old, uri, version = start.split(" ")
        number = first["cseq"].partition(":")[2].split()[0]
        via = raw[names.index("via")]
    except (RemoteProtocolError, ValueError, LookupError) as error:
        raise LocalProtocolError("not a request that was sent") from error
    if old != "INVITE":
        raise LocalProtocolError(f"{method} follows an INVITE only")
    lines = [f"{method} {uri} {version}", via]
    for name, line in zip(names, raw, strict=True):
        if name == "cseq":
            lines.append(f"CSeq: {number} {method}")
        elif name == "to":
            lines.append(line if to is None else to)
        elif name in _PROVED[method]:
            lines.append(line)
    lines += [header_line(name, value) for name, value in headers]
    lines.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def build_refusal(
    data: bytes, status: int, reason: str | None = None, *, to_tag: str = "", headers: Headers = ()
) -> bytes | None:
    """The answer to a request, without state and even if it is malformed; None where it cannot or may not be answered.

    It works on what the message has: the Vias, From, To, Call-ID and CSeq lines as they stand, those left out in which
    nothing may be copied. Without a Via that tells the way back there is no answer (s8.2.6, 18.2.2).

    Args:
        data: the request as it came (or its beginning, where it was cut off), `received` and `rport` stamped or not.
        status: the status.
        reason: the phrase; None for the standard one.
        to_tag: goes to the To if that has none.
        headers: more header lines.

    Raises:
        LocalProtocolError: `reason`, `to_tag` or a header may not be sent.
    """
    if not is_answerable(data):
        return None
    copied: list[str] = []
    seen = set()
    for line in _head_lines(data):
        name = canonical(line.partition(":")[0].strip(" \t"))
        if name not in _REFUSED or (name in seen and name != "via"):
            continue
        if name == "via" and name not in seen and not _usable_via(" ".join(line.partition(":")[2].split())):
            return None
        seen.add(name)
        if name == "to" and to_tag and not _has_tag(line[line.rfind(">") + 1 :]):
            copied.append(tagged(line, to_tag))
        else:
            copied.append(line)
    if "via" not in seen:
        return None
    lines = [f"SIP/2.0 {status} {phrase_of(status, reason)}", *copied]
    lines += [header_line(name, value) for name, value in headers]
    lines.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _head_lines(data: bytes) -> list[str]:
    """The header lines in which there is nothing that may not be copied, folds kept."""
    head = data[:MAX_MESSAGE].lstrip(b"\r\n").partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    groups: list[list[str]] = []
    for line in head.split("\r\n", MAX_LINES + 1)[1 : MAX_LINES + 1]:
        if line[:1] in (" ", "\t") and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    return [
        "\r\n".join(group)
        for group in groups
        if not any("\r" in line or "\n" in line or "\0" in line for line in group)
    ]
