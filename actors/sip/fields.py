"""The header fields: one table that names each, its type, its compact form and how often it may stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple, Protocol, Self

from actors.sip import headers as h
from actors.sip.errors import LocalProtocolError
from actors.sip.grammar import token


class Kind(Enum):
    """How often a header may stand and how its value is cut."""

    SINGLE = "once"
    LIST = "a comma list over any number of lines"
    LINES = "any number of lines, each a value of its own"


class HeaderType(Protocol):
    """What a type needs to be that of a header: it parses one value, and prints it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one value, unfolded."""


class Field(NamedTuple):
    """One row of the table.

    Attributes:
        name: as it is written.
        type: what a value is read as.
        kind: how often it may stand.
        compact: the compact form (s7.3.3), empty where there is none.
        lenient: empty elements of the list are passed over.
        needed: a malformed one is refused by validation. The others tell something that a request can be processed
            without, and a server SHOULD ignore them where they are malformed (s8.2.2).
    """

    name: str
    type: type[HeaderType] = h.TextHeader
    kind: Kind = Kind.SINGLE
    compact: str = ""
    lenient: bool = False
    needed: bool = True

    @property
    def parse(self) -> Callable[[str], Any]:
        """What makes a value of the text of one element."""
        return self.type.parse


_LIST, _LINES = Kind.LIST, Kind.LINES
_TABLE = (
    Field("Via", h.Via, _LIST, "v"),
    Field("From", h.From, compact="f"),
    Field("To", h.To, compact="t"),
    Field("Call-ID", h.CallId, compact="i"),
    Field("CSeq", h.CSeq),
    Field("Contact", h.Contact, _LIST, "m"),
    Field("Route", h.Route, _LIST),
    Field("Record-Route", h.RecordRoute, _LIST),
    Field("Max-Forwards", h.MaxForwards),
    Field("Content-Type", h.ContentType, compact="c"),
    Field("Content-Length", h.ContentLength, compact="l"),
    Field("Content-Encoding", h.ContentEncoding, _LIST, "e"),
    Field("Content-Disposition", h.ContentDisposition),
    Field("Content-Language", h.ContentLanguage, _LIST, needed=False),
    Field("MIME-Version", h.MimeVersion, needed=False),
    Field("Allow", h.Allow, _LIST, lenient=True),
    Field("Supported", h.Supported, _LIST, "k", lenient=True),
    Field("Require", h.Require, _LIST, lenient=True),
    Field("Proxy-Require", h.ProxyRequire, _LIST, lenient=True),
    Field("Unsupported", h.Unsupported, _LIST, lenient=True),
    Field("Accept", h.Accept, _LIST, lenient=True),
    Field("Accept-Encoding", h.AcceptEncoding, _LIST, lenient=True, needed=False),
    Field("Accept-Language", h.AcceptLanguage, _LIST, lenient=True, needed=False),
    Field("Expires", h.Expires),
    Field("Min-Expires", h.MinExpires),
    Field("Retry-After", h.RetryAfter),
    Field("Reason", h.Reason, _LIST),
    Field("User-Agent", h.UserAgent, needed=False),
    Field("Server", h.Server, needed=False),
    Field("Subject", h.Subject, compact="s", needed=False),
    Field("Organization", h.Organization, needed=False),
    Field("Date", h.Date),
    Field("Priority", h.Priority, needed=False),
    Field("Timestamp", h.Timestamp, needed=False),
    Field("Reply-To", h.ReplyTo),
    Field("In-Reply-To", h.InReplyTo, _LIST, needed=False),
    Field("Alert-Info", h.AlertInfo, _LIST, needed=False),
    Field("Call-Info", h.CallInfo, _LIST, needed=False),
    Field("Error-Info", h.ErrorInfo, _LIST, needed=False),
    Field("Warning", h.SipWarning, _LIST, needed=False),
    # The values of those that authenticate hold commas that part nothing, so lines are never joined (s7.3.1).
    Field("Authorization", h.Authorization, _LINES, needed=False),
    Field("Proxy-Authorization", h.ProxyAuthorization, _LINES, needed=False),
    Field("WWW-Authenticate", h.WwwAuthenticate, _LINES, needed=False),
    Field("Proxy-Authenticate", h.ProxyAuthenticate, _LINES, needed=False),
    Field("Authentication-Info", h.AuthenticationInfo, _LINES, needed=False),
    Field("Proxy-Authentication-Info", h.ProxyAuthenticationInfo, _LINES, needed=False),
    Field("Event", h.Event, compact="o"),
    Field("Allow-Events", h.AllowEvents, _LIST, "u", lenient=True),
    Field("Subscription-State", h.SubscriptionState),
    Field("SIP-ETag", h.SipEtag),
    Field("SIP-If-Match", h.SipIfMatch),
    Field("Refer-To", h.ReferTo, compact="r"),
    Field("Referred-By", h.ReferredBy, compact="b"),
    Field("Refer-Sub", h.ReferSub),
    Field("Replaces", h.Replaces),
    Field("Join", h.Join),
    Field("Target-Dialog", h.TargetDialog),
    Field("Session-Expires", h.SessionExpires, compact="x"),
    Field("Min-SE", h.MinSe),
    Field("Session-ID", h.SessionId, needed=False),
    Field("RSeq", h.RSeq),
    Field("RAck", h.RAck),
    Field("Path", h.Path, _LIST),
    Field("Service-Route", h.ServiceRoute, _LIST),
    Field("Flow-Timer", h.FlowTimer),
    Field("P-Asserted-Identity", h.PAssertedIdentity, _LIST),
    Field("P-Preferred-Identity", h.PPreferredIdentity, _LIST),
    Field("Privacy", h.Privacy),
    Field("Identity", h.Identity, _LINES, "y", needed=False),
    Field("Diversion", h.Diversion, _LIST, needed=False),
    Field("History-Info", h.HistoryInfo, _LIST, needed=False),
    Field("User-to-User", h.UserToUser, _LIST, needed=False),
    Field("Info-Package", h.InfoPackage),
    Field("Recv-Info", h.RecvInfo, _LIST, lenient=True),
    Field("Accept-Contact", h.AcceptContact, _LIST, "a", needed=False),
    Field("Reject-Contact", h.RejectContact, _LIST, "j", needed=False),
    Field("Request-Disposition", h.RequestDisposition, _LIST, "d", needed=False),
    Field("Answer-Mode", h.AnswerMode, needed=False),
    Field("Priv-Answer-Mode", h.PrivAnswerMode, needed=False),
    Field("Security-Client", h.SecurityClient, _LIST, needed=False),
    Field("Security-Server", h.SecurityServer, _LIST, needed=False),
    Field("Security-Verify", h.SecurityVerify, _LIST, needed=False),
)

# By lower-case full name.
FIELDS = {field.name.lower(): field for field in _TABLE}
# Those that are no application's own.
STANDARD = frozenset(FIELDS)
# The lower-case full name of each type.
NAMES: dict[type[HeaderType], str] = {field.type: key for key, field in FIELDS.items()}
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


def register(name: str, header: type[HeaderType], kind: Kind | None = None) -> None:
    """Make `header` the type of the application's own header `name`, in this process.

    What is taken from a peer stays the same: only reading it by type, and validation, know the new header.

    Args:
        name: such as ``X-Ticket``.
        header: a type with `parse` and `__str__`, such as a subclass of :class:`actors.sip.headers.Header`.
        kind: how often it may stand; None for a comma list where the type has `parse_many`, else once.

    Raises:
        LocalProtocolError: the name is no token, or the name or the type stands in the table already.
    """
    key = canonical(name)
    if token(name) is None:
        raise LocalProtocolError(f"not a header name: {name!r}")
    if key in FIELDS or header in NAMES:
        raise LocalProtocolError(f"{name} or its type stands in the table already")
    if kind is None:
        kind = Kind.LIST if hasattr(header, "parse_many") else Kind.SINGLE
    FIELDS[key] = Field(name, header, kind)
    NAMES[header] = key
    SPELLINGS.update(dict.fromkeys((name, key, name.upper()), key))
