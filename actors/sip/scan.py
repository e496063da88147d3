"""The one split of a message's head, that scanning on the way in and parsing share (RFC 3261 sections 7, 18.3, 25.1).

It refuses here, once for all readers, what could be read in two ways: bare line ends, NUL, a second single-value
header in whatever form, a body shorter than its Content-Length. Limits keep its time linear and small.
"""

from __future__ import annotations

import re
from itertools import repeat

from actors.sip.errors import RemoteProtocolError
from actors.sip.fields import SINGLE, SPELLINGS, canonical
from actors.sip.grammar import (
    QUOTED,
    TOKEN,
    VALUE,
    first_element_end,
    nul_outside_quotes,
    param_pairs,
    token,
    unfold,
)
from actors.sip.headers import DISPLAY, MAX_CSEQ, cut_name_addr, cut_via
from actors.sip.uri import HOST
from actors.sip.usual import COOKIE, HOP, MAX_LINE, MAX_MESSAGE, Scan, read_usual
from actors.sip.vocabulary import Head

MAX_LINES = 256
MAX_VIAS = 70

METHODS = frozenset(
    ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "SUBSCRIBE", "NOTIFY", "REFER")
) | {"MESSAGE", "PUBLISH"}
# The start line, names, raw lines, first lines, and two offsets: as :func:`split` tells.
Split = tuple[str, list[str], list[str], dict[str, str], int, int]
_COLONS = repeat(":")

# The shapes in which nearly all peers write these lines. Any other shape is read by the full grammar, to the same end.
_request_line = re.compile(r"([A-Z]++) (sips?:[!#-;=@-~]++) SIP/2\.0").fullmatch
_via_line = re.compile(
    rf"[A-Za-z]++:[ ]*+SIP/2\.0/[A-Za-z]++[ ]({HOST}(?::[0-9]{{1,5}}+)?+){HOP};branch=({VALUE}++){HOP}"
).fullmatch
_address_line = re.compile(
    rf'[A-Za-z]++:[ \t]*+(?:{QUOTED}|{DISPLAY}*+)[ \t]*+<[A-Za-z][A-Za-z0-9+.\-]*+:[^<>" \t]++>(?:;tag=({VALUE}++))?+',
    re.DOTALL,
).fullmatch
_cseq_line = re.compile(rf"[^:]++:[ \t]*+([0-9]{{1,10}}+)[ \t]++({TOKEN}++)[ \t]*+").fullmatch
_length_line = re.compile(r"[^:]++:[ \t]*+([0-9]{1,10}+)[ \t]*+").fullmatch
_request_uri = re.compile(r"[!#-;=?-~]++").fullmatch
_version = re.compile(r"SIP/[0-9]++\.[0-9]++", re.IGNORECASE).fullmatch
_line_ends = re.compile(rb"(?:\r\n)*+").match
_uri_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+:.").match


def scan(data: bytes) -> Scan:
    """Read what routing needs of a datagram or a framed message.

    Raises:
        RemoteProtocolError: as :func:`actors.sip.parse` raises for the same data.
    """
    usual = read_usual(data)
    return scan_fully(data) if usual is None else Scan(*usual[:5])


def scan_fully(data: bytes) -> Scan:
    """As :func:`scan`, without its short cut."""
    try:
        start, names, raw, first, begin, body_start = split(data)
        method, _, status, _ = read_start(start)
        head = read_head(method, status, first)
        length = body_length(first, len(data) - body_start)
        at = names.index("via")
        line = raw[at]
        if at or not data.startswith(b"\r\nVia:", begin):
            begin = data.find(b"\r\n" + line.encode("utf-8", "surrogateescape"), begin)
        value = line.find(":") + 1
        while line[value] in " \t\r\n":
            value += 1
        end = first_element_end(line, value)
        if not line.isascii():
            value, end = (len(line[:offset].encode("utf-8", "surrogateescape")) for offset in (value, end))
        begin += 2
        return Scan(head, begin + value, begin + end, body_start, length)
    except RemoteProtocolError as error:
        raise remote_error(data, error) from None


def remote_error(data: bytes, error: RemoteProtocolError) -> RemoteProtocolError:
    """`error` with the status to answer `data` with: none for a response, an ACK, or what is no request at all."""
    if error.status is None or is_answerable(data):
        return error
    return RemoteProtocolError(None, error.reason)


def is_answerable(data: bytes) -> bool:
    """Whether `data`, however broken, begins as a request that may have a response (s8.2, 17)."""
    words = data[:MAX_LINE].lstrip(b"\r\n").partition(b"\r\n")[0].decode("latin-1").split(None, 8)
    if not words or words[0] == "ACK" or token(words[0]) is None:
        return False
    return any(map(_version, words[1:]))


def split(data: bytes) -> Split:
    """Split the head of a message into its lines and check what concerns all of them.

    Returns:
        The start line; of each header line its lower-case full name; the header lines as they came; of each name its
        first line, unfolded; where the start line ends in `data`; where the body begins.

    Raises:
        RemoteProtocolError: 400 or 513, whatever the message is.
    """
    base = 0 if data[:1] != b"\r" else _skip_line_ends(data)
    end = data.find(b"\r\n\r\n", base)
    if end < 0 or len(data) > MAX_MESSAGE:
        raise _unbounded(data)
    raw = data[base:end].decode("utf-8", "surrogateescape").split("\r\n")
    joined = "".join(raw)
    start = raw.pop(0)
    if len(raw) > MAX_LINES:
        raise RemoteProtocolError(400, "Too many header lines")
    if "\r" in joined or "\n" in joined:
        raise RemoteProtocolError(400, "Bare CR or LF")
    spelling = SPELLINGS.get
    names = [colon and spelling(name, "") for name, colon, _ in map(str.partition, raw, _COLONS)]
    lines = raw
    if "" in names:  # a folded line, an unusual spelling, or a header that the table does not know
        raw, lines = _join_folds(raw)
        names = [_read_name(line) for line in raw]
    if end - base > MAX_LINE and max(map(len, (start, *raw))) > MAX_LINE:
        raise RemoteProtocolError(400, "Header line too long")
    if "\0" in joined and any(map(nul_outside_quotes, (start, *raw))):
        raise RemoteProtocolError(400, "NUL in the head")
    first = dict(zip(names, lines, strict=True))
    if len(first) != len(names):
        first = _read_repeated(names, lines)
    elif "via" in first and first["via"].count(",") >= MAX_VIAS:
        raise RemoteProtocolError(400, "Too many Vias")
    return start, names, raw, first, base + len(start), end + 4


def _skip_line_ends(data: bytes) -> int:
    """Where the start line begins: line ends before it are passed over (s7.5)."""
    found = _line_ends(data)
    return found.end() if found else 0


def _unbounded(data: bytes) -> RemoteProtocolError:
    if len(data) > MAX_MESSAGE:
        return RemoteProtocolError(513, "Message too large")
    return RemoteProtocolError(400, "Head without an end")


def _join_folds(physical: list[str]) -> tuple[list[str], list[str]]:
    """Physical lines joined to header lines: with their line breaks, and unfolded (s7.3.1)."""
    groups: list[list[str]] = []
    for line in physical:
        if line[:1] not in (" ", "\t"):
            groups.append([line])
        elif groups and ":" in groups[-1][0]:  # no line break before the colon (s25.1)
            groups[-1].append(line)
        else:
            raise RemoteProtocolError(400, "Malformed header line")
    return ["\r\n".join(group) for group in groups], [unfold(group) for group in groups]


def _read_name(line: str) -> str:
    """The lower-case full name of a header line in any spelling."""
    name, colon, _ = line.partition(":")
    known = SPELLINGS.get(name)
    if colon and known is not None:
        return known
    name = name.rstrip(" \t")
    if not colon or token(name) is None:
        raise RemoteProtocolError(400, "Malformed header line")
    return canonical(name)


def _read_repeated(names: list[str], lines: list[str]) -> dict[str, str]:
    """The first line of each name, where some stand more than once."""
    first: dict[str, str] = {}
    for name, line in zip(names, lines, strict=True):
        if name in first and name in SINGLE:
            raise RemoteProtocolError(400, "Repeated single-value header")
        first.setdefault(name, line)
    if sum([1 + line.count(",") for name, line in zip(names, lines, strict=True) if name == "via"]) > MAX_VIAS:
        raise RemoteProtocolError(400, "Too many Vias")
    return first


def read_start(line: str) -> tuple[str, str, int, str]:
    """Read a start line (s7.1, 7.2): the method and Request-URI, or the status and reason phrase.

    Raises:
        RemoteProtocolError: 400 or 505; None for a status line.
    """
    found = _request_line(line)
    if found is not None:
        return found[1], found[2], 0, ""
    if line[:8].upper() == "SIP/2.0 ":
        code = line[8:11]
        if line[11:12] not in (" ", "") or not (code.isascii() and code.isdigit() and "100" <= code <= "699"):
            raise RemoteProtocolError(None, "Malformed status line")
        return "", "", int(code), line[12:]
    parts = line.split(" ")
    if len(parts) != 3 or _version(parts[2]) is None:
        raise RemoteProtocolError(400, "Malformed start line")
    method, uri, version = parts
    if version.upper() != "SIP/2.0":
        raise RemoteProtocolError(505, "Version Not Supported")
    if token(method) is None:
        raise RemoteProtocolError(400, "Malformed method")
    if _request_uri(uri) is None or _uri_scheme(uri) is None:
        raise RemoteProtocolError(400, "Malformed Request-URI")
    if "?" in uri.rpartition("@")[2] and uri.partition(":")[0].lower() in ("sip", "sips"):
        raise RemoteProtocolError(400, "Headers in the Request-URI")  # s19.1.1 table 1
    return method, uri, 0, ""


def read_head(method: str, status: int, first: dict[str, str]) -> Head:
    """Read the routing fields of a request of `method`, or of a response of `status`; `first` as :func:`split` gives.

    Raises:
        RemoteProtocolError: 400, one of them lacks or is malformed, or the CSeq is not of the request's method.
    """
    try:
        via, sender, recipient = first["via"], first["from"], first["to"]
        call_id, sequence = first["call-id"], first["cseq"]
    except KeyError:  # Max-Forwards (s8.1.1) is not asked for: RFC 2543 did not have it
        raise RemoteProtocolError(400, "Missing mandatory header") from None
    found = _cseq_line(sequence)
    if found is None:
        raise RemoteProtocolError(400, "Malformed CSeq")
    number, cseq_method = found[1], found[2]
    if not status and method != cseq_method:
        wrong = 400 if method in METHODS else 501  # RFC 4475 s3.1.2.18
        raise RemoteProtocolError(wrong, "CSeq does not match the method")  # s8.1.1.5
    cseq = int(number)
    if cseq > MAX_CSEQ:
        raise RemoteProtocolError(400, "CSeq out of range")
    call_id = call_id[call_id.find(":") + 1 :].strip(" \t")
    if not call_id or " " in call_id or not (call_id.isascii() and call_id.isprintable()):
        raise RemoteProtocolError(400, "Malformed Call-ID")
    found = _via_line(via)
    branch, sent_by = (found[2], found[1].lower()) if found is not None else _read_via(via)
    if branch == COOKIE:
        raise RemoteProtocolError(400, "Empty Via branch")
    found = _address_line(sender)
    from_tag = (found[1] or "") if found is not None else _read_tag(sender)
    found = _address_line(recipient)
    to_tag = (found[1] or "") if found is not None else _read_tag(recipient)
    return Head(cseq_method, status, branch, sent_by, call_id, cseq, from_tag, to_tag)


def _read_via(line: str) -> tuple[str, str]:
    """The branch, empty if absent, and the sent-by of the first element of a Via line."""
    value = line[line.find(":") + 1 :].strip(" \t")
    value = value[: first_element_end(value, 0)]
    _, host, port, end = cut_via(value)
    sent_by = host if port is None else f"{host}:{port}"
    branches = [branch for name, branch in param_pairs(value, end) if name == "branch"]
    if len(branches) > 1 or (branches and not branches[0]):
        raise RemoteProtocolError(400, "Malformed Via branch")
    return (branches[0] or "") if branches else "", sent_by.lower()


def _read_tag(line: str) -> str:
    """The tag of a From or To line, empty if absent."""
    value = line[line.find(":") + 1 :].strip(" \t")
    _, address, end = cut_name_addr(value)
    if _uri_scheme(address) is None:
        raise RemoteProtocolError(400, "Malformed address")
    tags = [tag for name, tag in param_pairs(value, end) if name == "tag"]
    if len(tags) > 1 or (tags and not tags[0]):
        raise RemoteProtocolError(400, "Malformed tag")
    return tags[0] or "" if tags else ""


def body_length(first: dict[str, str], available: int) -> int | None:
    """The Content-Length, None where there is none, held against the bytes that came (s18.3).

    Raises:
        RemoteProtocolError: 400, it is no number or more than came.
    """
    line = first.get("content-length")
    if line is None:
        return None
    found = _length_line(line)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Content-Length")
    length = int(found[1])
    if length > available:
        raise RemoteProtocolError(400, "Body shorter than Content-Length")
    return length
