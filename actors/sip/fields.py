"""The header fields: one table that names each, its compact form, how often it may stand, and what it is read as."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from actors.sip.grammar import readable
from actors.sip.headers import (
    parse_call_id,
    parse_contact,
    parse_cseq,
    parse_date,
    parse_delta,
    parse_length,
    parse_max_forwards,
    parse_media_type,
    parse_name_addr,
    parse_reason,
    parse_retry_after,
    parse_route,
    parse_token,
    parse_via,
)


class Kind(Enum):
    """How often a header may stand and how its value is cut."""

    SINGLE = "once"
    LIST = "a comma list over any number of lines"
    LINES = "any number of lines, each a value of its own"


class Field(NamedTuple):
    """One row of the table.

    Attributes:
        name: as it is written.
        kind: how often it may stand.
        parse: what makes a value of the text of one element.
        compact: the compact form (s7.3.3), empty where there is none.
        lenient: empty elements of the list are passed over.
    """

    name: str
    kind: Kind = Kind.SINGLE
    parse: Callable[[str], Any] = readable
    compact: str = ""
    lenient: bool = False


_TABLE = (
    Field("Via", Kind.LIST, parse_via, "v"),
    Field("From", parse=parse_name_addr, compact="f"),
    Field("To", parse=parse_name_addr, compact="t"),
    Field("Call-ID", parse=parse_call_id, compact="i"),
    Field("CSeq", parse=parse_cseq),
    Field("Contact", Kind.LIST, parse_contact, "m"),
    Field("Route", Kind.LIST, parse_route),
    Field("Record-Route", Kind.LIST, parse_route),
    Field("Max-Forwards", parse=parse_max_forwards),
    Field("Content-Type", parse=parse_media_type, compact="c"),
    Field("Content-Length", parse=parse_length, compact="l"),
    Field("Content-Encoding", Kind.LIST, parse_token, "e"),
    Field("Content-Disposition"),
    Field("Content-Language", Kind.LIST),
    Field("Allow", Kind.LIST, parse_token, lenient=True),
    Field("Supported", Kind.LIST, parse_token, "k", lenient=True),
    Field("Require", Kind.LIST, parse_token, lenient=True),
    Field("Proxy-Require", Kind.LIST, parse_token, lenient=True),
    Field("Unsupported", Kind.LIST, parse_token, lenient=True),
    Field("Expires", parse=parse_delta),
    Field("Min-Expires", parse=parse_delta),
    Field("Retry-After", parse=parse_retry_after),
    Field("Reason", Kind.LIST, parse_reason),
    Field("User-Agent"),
    Field("Server"),
    Field("Subject", compact="s"),
    Field("Date", parse=parse_date),
    Field("Organization"),
    Field("Priority"),
    Field("MIME-Version"),
    Field("Timestamp"),
    Field("Reply-To", parse=parse_name_addr),
    Field("Accept", Kind.LIST, lenient=True),
    Field("Accept-Encoding", Kind.LIST, lenient=True),
    Field("Accept-Language", Kind.LIST, lenient=True),
    Field("Alert-Info", Kind.LIST),
    Field("Call-Info", Kind.LIST),
    Field("Error-Info", Kind.LIST),
    Field("In-Reply-To", Kind.LIST),
    Field("Warning", Kind.LIST),
    # Their values hold commas that part nothing, so lines are never joined (s7.3.1).
    Field("Authorization", Kind.LINES),
    Field("Proxy-Authorization", Kind.LINES),
    Field("WWW-Authenticate", Kind.LINES),
    Field("Proxy-Authenticate", Kind.LINES),
    Field("Authentication-Info", Kind.LINES),
    Field("Event", compact="o"),
    Field("Allow-Events", Kind.LIST, parse_token, "u", lenient=True),
    Field("Subscription-State"),
    Field("Refer-To", compact="r"),
    Field("Referred-By", compact="b"),
    Field("Replaces"),
    Field("Session-Expires", compact="x"),
    Field("Min-SE"),
    Field("RSeq"),
    Field("RAck"),
    Field("Path", Kind.LIST, parse_route),
    Field("Service-Route", Kind.LIST, parse_route),
    Field("P-Asserted-Identity", Kind.LIST, parse_name_addr),
    Field("P-Preferred-Identity", Kind.LIST, parse_name_addr),
    Field("Privacy"),
)

# By lower-case full name.
FIELDS = {field.name.lower(): field for field in _TABLE}
_COMPACT = {field.compact: field.name.lower() for field in _TABLE if field.compact}
SINGLE = frozenset(name for name, field in FIELDS.items() if field.kind is Kind.SINGLE)


def _spellings() -> Iterable[tuple[str, str]]:
    for lower, field in FIELDS.items():
        for name in (field.name, lower, field.name.upper(), field.compact, field.compact.upper()):
            if name:
                yield name, lower


# The usual spellings: one look-up tells the name of nearly every header line.
SPELLINGS = dict(_spellings())


def canonical(name: str) -> str:
    """The lower-case full name of a header, compact forms resolved."""
    lower = name.lower()
    return _COMPACT.get(lower, lower)
