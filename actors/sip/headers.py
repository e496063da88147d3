"""The values of header fields (RFC 3261 section 20): what each is read as, and how it prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from actors.sip import uri as uris
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import (
    QUOTED,
    TOKEN,
    Params,
    check_printable,
    number,
    params,
    print_params,
    quote,
    readable,
    token,
    unquote,
)
from actors.sip.uri import HOST, Uri

_SEPARATED = r"[ \t]*+"
_via = re.compile(
    rf"SIP{_SEPARATED}/{_SEPARATED}2\.0{_SEPARATED}/{_SEPARATED}({TOKEN}++)[ \t]++"
    rf"({HOST})(?:{_SEPARATED}:{_SEPARATED}([0-9]{{1,5}}))?+{_SEPARATED}",
    re.IGNORECASE,
).match
# A display name is a quoted string or, more liberal than tokens (s25.1), words without the marks that end a value.
DISPLAY = r'[^"<>,;:\\\x00-\x08\x0a-\x1f\x7f]'
_name_addr = re.compile(rf"({QUOTED}|{DISPLAY}*+){_SEPARATED}<([^<>\" \t]++)>", re.DOTALL).match
_addr_spec = re.compile(r"([^<>\" \t;,?]++)").match
_cseq = re.compile(rf"([0-9]++)[ \t]++({TOKEN}++)").fullmatch
_media_type = re.compile(rf"({TOKEN}++){_SEPARATED}/{_SEPARATED}({TOKEN}++)").match
_retry_after = re.compile(rf"([0-9]++){_SEPARATED}(?:\(([^\x00-\x1f\x7f]*)\))?{_SEPARATED}(?=;|$)").match
_reason = re.compile(rf"({TOKEN}++)").match
_date = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
).fullmatch

MAX_CSEQ = 2**31 - 1  # s8.1.1.5
MAX_DELTA = 2**32 - 1  # s20.19


class Via(NamedTuple):
    """One hop of the way back (s20.42).

    Attributes:
        transport: upper case: UDP, TCP, TLS, ...
        host: the sent-by host, IPv6 without brackets.
        port: None where none is written.
        params: names in lower case, values as they stand.
    """

    transport: str
    host: str
    port: int | None
    params: Params

    def __str__(self) -> str:
        transport = _local(token, self.transport, "transport")
        return f"SIP/2.0/{transport} {self.sent_by}{print_params(self.params)}"

    @property
    def sent_by(self) -> str:
        """host[:port], IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        _local(_whole_host, host, "host")
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def branch(self) -> str:
        """The branch parameter, empty if absent (s8.1.1.7)."""
        return self.params.get("branch") or ""

    @property
    def received(self) -> str:
        """The address that the request came from, if a server wrote it, without brackets; else empty (s18.2.1)."""
        return (self.params.get("received") or "").strip("[]")

    @property
    def rport(self) -> int | None:
        """The port that the request came from, if a server wrote it (RFC 3581 s4); ``"rport" in params`` asks for it.

        Raises:
            RemoteProtocolError: 400, it is no port.
        """
        value = self.params.get("rport")
        return number(value, 65535) if value else None


class NameAddr(NamedTuple):
    """A display name, a URI and parameters: From, To, Contact, Route, ... (s20.10).

    The Contact ``*`` of a REGISTER is one too (:attr:`is_star`).
    """

    display_name: str
    uri: Uri
    params: Params

    def __str__(self) -> str:
        if self.is_star:
            return "*"
        name = check_printable(self.display_name, "a display name")
        display = f"{quote(name)} " if name else ""
        return f"{display}<{self.uri}>{print_params(self.params)}"

    @property
    def is_star(self) -> bool:
        """Whether it is the ``*`` of s10.2.2."""
        return self.uri.scheme == "*"

    @property
    def tag(self) -> str:
        """The tag parameter, empty if absent (s19.3)."""
        return self.params.get("tag") or ""

    @property
    def expires(self) -> int | None:
        """The expires parameter of a Contact in seconds (s20.10).

        Raises:
            RemoteProtocolError: 400, it is no number of 32 bits.
        """
        value = self.params.get("expires")
        return None if value is None else number(value, MAX_DELTA)


STAR = NameAddr("", Uri("*"), {})


class CSeq(NamedTuple):
    """The number of a request in its dialog, and its method (s20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class MediaType(NamedTuple):
    """A media type (s20.15): `name` is lower case, such as ``application/sdp``."""

    name: str
    params: Params

    def __str__(self) -> str:
        return f"{self.name}{print_params(self.params)}"


class RetryAfter(NamedTuple):
    """When to try again (s20.33), in seconds."""

    seconds: int
    comment: str
    params: Params

    def __str__(self) -> str:
        comment = f" ({self.comment})" if self.comment else ""
        return f"{self.seconds}{comment}{print_params(self.params)}"


class Reason(NamedTuple):
    """Why a request was sent (RFC 3326): `protocol` is ``SIP`` or ``Q.850``."""

    protocol: str
    params: Params

    def __str__(self) -> str:
        return f"{self.protocol}{print_params(self.params)}"

    @property
    def cause(self) -> int | None:
        """The cause parameter, such as 200 in ``SIP;cause=200``; None where it is absent or no number."""
        value = self.params.get("cause")
        return None if value is None else number(value, 999)

    @property
    def text(self) -> str:
        """The text parameter unquoted, empty if absent."""
        return readable(unquote(self.params.get("text") or ""))


_whole_host = re.compile(HOST).fullmatch


def _local(rule: Callable[[str], object], text: str, what: str) -> str:
    if not rule(text):
        raise LocalProtocolError(f"not a {what}: {text!r}")
    return text


def parse_via(text: str) -> Via:
    """Parse one Via value.

    Raises:
        RemoteProtocolError: 400.
    """
    transport, host, port, end = cut_via(text)
    parameters = params(text, end)
    if "branch" in parameters and not parameters["branch"]:
        raise RemoteProtocolError(400, "Empty Via branch")
    return Via(transport.upper(), uris.read_host(host), uris.read_port(port), parameters)


def cut_via(text: str) -> tuple[str, str, str | None, int]:
    """The transport, host and port of a Via value as they stand, and where its parameters begin.

    Raises:
        RemoteProtocolError: 400.
    """
    found = _via(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Via")
    return found[1], found[2], found[3], found.end()


def cut_name_addr(text: str) -> tuple[str, str, int]:
    """The display name as it stands, the URI, and where the parameters begin, of a name-addr or addr-spec (s20).

    Raises:
        RemoteProtocolError: 400.
    """
    found = _name_addr(text)
    if found is not None:
        return found[1], found[2], found.end()
    found = _addr_spec(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed address")
    return "", found[1], found.end()


def parse_name_addr(text: str) -> NameAddr:
    """Parse one name-addr or addr-spec with its header parameters.

    Raises:
        RemoteProtocolError: 400.
    """
    display, address, end = cut_name_addr(text)
    parameters = params(text, end)
    if "tag" in parameters and not parameters["tag"]:
        raise RemoteProtocolError(400, "Empty tag")
    return NameAddr(readable(unquote(display.strip(" \t"))), uris.parse(address), parameters)


def parse_contact(text: str) -> NameAddr:
    """Parse one Contact value, ``*`` among them (s20.10)."""
    return STAR if text == "*" else parse_name_addr(text)


def parse_route(text: str) -> NameAddr:
    """Parse one Route or Record-Route value, which needs its brackets (s20.30, 20.34)."""
    if _name_addr(text) is None:
        raise RemoteProtocolError(400, "Malformed route")
    return parse_name_addr(text)


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq value (s20.16)."""
    found = _cseq(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed CSeq")
    return CSeq(number(found[1], MAX_CSEQ), found[2])


def parse_media_type(text: str) -> MediaType:
    """Parse a Content-Type value (s20.15)."""
    found = _media_type(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Content-Type")
    return MediaType(f"{found[1]}/{found[2]}".lower(), params(text, found.end()))


def parse_retry_after(text: str) -> RetryAfter:
    """Parse a Retry-After value (s20.33)."""
    found = _retry_after(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Retry-After")
    return RetryAfter(number(found[1], MAX_DELTA), readable(found[2] or ""), params(text, found.end()))


def parse_reason(text: str) -> Reason:
    """Parse one Reason value (RFC 3326 s2)."""
    found = _reason(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Reason")
    return Reason(found[1], params(text, found.end()))


def parse_token(text: str) -> str:
    """Parse one option tag or method name."""
    if token(text) is None:
        raise RemoteProtocolError(400, "Malformed token")
    return text


def parse_call_id(text: str) -> str:
    """Parse a Call-ID: visible ASCII, more liberal than s25.1 in the order of its words."""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise RemoteProtocolError(400, "Malformed Call-ID")
    return text


def parse_max_forwards(text: str) -> int:
    """Parse a Max-Forwards value (s20.22)."""
    return number(text, 255)


def parse_delta(text: str) -> int:
    """Parse delta-seconds (s20.19)."""
    return number(text, MAX_DELTA)


def parse_length(text: str) -> int:
    """Parse a Content-Length value (s20.14)."""
    return number(text, MAX_DELTA)


def parse_date(text: str) -> str:
    """Check a Date value, which is in GMT (s20.17), and keep its text."""
    if _date(text) is None:
        raise RemoteProtocolError(400, "Malformed Date")
    return text
