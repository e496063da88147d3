"""The head of a message in the shape in which nearly all peers write it, read by one expression in one go.

It is a short cut, not a second grammar: whatever is in another shape, or might be wrong, is left to the full reading in
:mod:`actors.sip.scan`, and what is read here is read there to the same end. Of the shape are: one space behind each
colon that matters, known header names as the RFCs spell them, each single-value header once, no folds, no NUL, plain
From, To, CSeq and Call-ID, top Via with the usual parameters, no comma in a Via, at most 64 lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from actors.sip.fields import FIELDS, Field, Kind
from actors.sip.grammar import TOKEN, VALUE
from actors.sip.headers import MAX_CSEQ
from actors.sip.uri import HOST
from actors.sip.vocabulary import Head

MAX_MESSAGE = 65_536  # bytes
MAX_LINE = 8_192  # characters
COOKIE = "z9hG4bK"  # with nothing behind it, it names no transaction (RFC 3261 s8.1.1.7)

# The parameters of a Via but its branch, and a From or To with no parameter but its tag.
HOP = rf"(?:;(?:rport|received|alias|keep|maddr|ttl)(?:={VALUE}++)?+)*+"
_ADDRESS = (
    r'(?:"[^"\\\r\n\0]*+"|[^"<>,;:\\\x00-\x1f\x7f]*+)[ ]*+<[A-Za-z][A-Za-z0-9+.\-]*+:[^<>" \t\r\n\0]++>'
    rf"(?:;tag=({VALUE}++))?+"
)
_REST = r"[^\r\n\0]*+\r\n"
# Group 1: the method, 2: the Request-URI, 3: the status.
_START = r"(?:([A-Z]++) ((?:sips?|tel):[!#-;=@-~]++) SIP/2\.0|SIP/2\.0 ([1-6][0-9][0-9])(?: [^\r\n\0]*+)?+)\r\n"
# 4: the top Via's value, 5: its sent-by, 6: its branch; 7: the From, 8: its tag; 9: the To, 10: its tag; 11: the
# Call-ID; 12: the CSeq, 13: its number, 14: its method; 15: the Content-Length; 16: the first Contact.
# "(?(n)(?!)|...)" fails where group n was there already.
_ROUTING = (
    rf"Via: (?(4)[^\r\n\0,]*+|(SIP/2\.0/[A-Za-z]++ ({HOST}(?::[0-9]{{1,5}}+)?+){HOP};branch=({VALUE}++){HOP}))\r\n",
    rf"From: (?(7)(?!)|({_ADDRESS})\r\n)",
    rf"To: (?(9)(?!)|({_ADDRESS})\r\n)",
    r"Call-ID: (?(11)(?!)|([!-~]++)\r\n)",
    rf"CSeq: (?(12)(?!)|(([0-9]{{1,10}}+) ({TOKEN}++))\r\n)",
    r"Content-Length: [ ]*+(?(15)(?!)|([0-9]{1,10}+)\r\n)",  # SIPp pads it
    rf"Contact: (?(16){_REST}|([^\r\n\0]*+)\r\n)",
)
_MANDATORY = "".join(f"(?({group})|(?!))" for group in (4, 7, 9, 11, 12))
_ROUTED = ("via", "from", "to", "call-id", "cseq", "contact", "content-length")
_GROUPS = 16
# The groups of values that are asked for by name.
GROUPS = {"via": 4, "from": 7, "to": 9, "call-id": 11, "cseq": 12, "contact": 16}
_OFTEN = ("max-forwards", "user-agent", "content-type", "allow", "supported", "record-route")


class Scan(NamedTuple):
    """What routing needs of a message, with byte offsets into its data.

    Attributes:
        head: the routing fields.
        via_start: where the value of the top Via begins: the first element, if its line is a list.
        via_end: where that element ends.
        body_start: where the body begins.
        content_length: as the message says; None where it does not say.
    """

    head: Head
    via_start: int
    via_end: int
    body_start: int
    content_length: int | None


def _expression(fields: dict[str, Field]) -> str:
    """The expression of a whole head, with a line of each of `fields` in it, and a line of any name not among them."""
    lines = list(_ROUTING)
    group = _GROUPS
    for name in (*_OFTEN, *(name for name in fields if name not in _OFTEN)):
        if name in _ROUTED:
            continue
        field = fields[name]
        once = ""
        if field.kind is Kind.SINGLE:
            group += 1
            once = f"(?({group})(?!)|())"
        lines.append(f"{re.escape(field.name)}:{once}{_REST}")
    known = "|".join(map(re.escape, _spelled(fields.values())))
    lines.append(rf"(?!(?i:{known}):){TOKEN}++:{_REST}")
    # It looks ahead, lest all of them are tried at the end.
    return rf"{_START}(?:(?!\r)(?:{'|'.join(lines)})){{0,64}}+\r\n{_MANDATORY}"


def _spelled(fields: Iterable[Field]) -> Iterable[str]:
    for field in fields:
        yield field.name
        if field.compact:
            yield field.compact


_match = re.compile(_expression(FIELDS)).match

# A head in which every header that is needed has its simplest shape, in which it cannot be malformed.
_PLAIN_PORT = r"(?::(?:[1-5][0-9]{4}|[1-9][0-9]{0,3})(?![0-9]))?+"
_PLAIN_HOST = rf"[A-Za-z0-9\-.]++{_PLAIN_PORT}"
_PLAIN_URI = rf"sip:(?:[A-Za-z0-9\-_.+]++@)?+{_PLAIN_HOST}(?:;lr|;transport=[a-z]++)?+"
_PLAIN_HOP = rf"(?:;(?:rport|branch|received)(?:={VALUE}++)?+)*+"
_PLAIN_LINES = (
    rf"Via: SIP/2\.0/[A-Z]++ {_PLAIN_HOST}{_PLAIN_HOP}",
    rf"(?:From|To): (?:[A-Za-z0-9 ]++|\"[A-Za-z0-9 .\-]*+\")?+[ ]?+<{_PLAIN_URI}>(?:;tag={VALUE}++)?+",
    r"(?:Call-ID|CSeq|Content-Length): [^\r]++",  # read already
    rf"Contact: (?:<{_PLAIN_URI}>|sip:[A-Za-z0-9\-_.+]++@{_PLAIN_HOST})",
    r"Max-Forwards: [0-9]{1,2}",
    r"Content-Type: application/sdp",
    r"Allow: [A-Z]++(?:, ?+[A-Z]++)*+",
    r"Supported: [a-z0-9\-]++(?:, ?+[a-z0-9\-]++)*+",
    rf"(?:Record-)?+Route: <{_PLAIN_URI}>",
    r"(?:User-Agent|Server|Date|Timestamp|MIME-Version|Content-Language|Accept-Language|Accept-Encoding): [^\r]*+",
    rf"(?:{'|'.join(re.escape(field.name) for field in FIELDS.values() if not field.needed)}):()[^\r]*+",
)
_plain = re.compile(
    rf"(?:[A-Z]++ {_PLAIN_URI} SIP/2\.0|SIP/2\.0 [1-6][0-9][0-9] [^\r]*+)\r\n"
    rf"(?:(?:{'|'.join(_PLAIN_LINES)})\r\n)++\r\n"
).fullmatch


class Look(IntEnum):
    """What a look at a head tells of it."""

    CLOSER = 0  # it is to be read header by header
    PLAIN = 1  # well-formed; of the headers that are needed it has but those of RFC 3261 s8.1.1, 12.1 and 20.5, 20.37
    BARE = 2  # and none beside them that an application could want to know


def look(text: str) -> Look:
    """Look at a head of the usual shape: in most there is nothing to find, and nothing is parsed for it."""
    found = _plain(text)
    if found is None:
        return Look.CLOSER
    return Look.BARE if found[1] is None else Look.PLAIN


def read_usual(data: bytes) -> tuple[Head, int, int, int, int | None, re.Match[str]] | None:
    """Read a message of the usual shape: the fields of a Scan, and the match, whose groups are those of :data:`GROUPS`.

    Returns:
        None where the message is to be read in full: its shape is another, or something is wrong with it.
    """
    size = len(data)
    found = _match(data.decode("latin-1")) if size <= MAX_MESSAGE else None
    if found is None:
        return None
    method, status, sent_by, branch, from_tag, to_tag, call_id, number, cseq_method, length = found.group(
        1, 3, 5, 6, 8, 10, 11, 13, 14, 15
    )
    if method is not None and method != cseq_method:
        return None
    cseq = int(number)
    body = found.end()
    available = size - body
    expected = None if length is None else int(length)
    if cseq > MAX_CSEQ or branch == COOKIE or body > MAX_LINE or (expected is not None and expected > available):
        return None
    head = Head(cseq_method, int(status or 0), branch, sent_by.lower(), call_id, cseq, from_tag or "", to_tag or "")
    begin, end = found.span(4)
    return head, begin, end, body, expected, found
