"""The headers that find the way and the transaction: Via, CSeq, Call-ID, Max-Forwards (RFC 3261 section 20)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import TOKEN, VALUE, Params, params, print_params, token
from actors.sip.headers.base import Draft, Header, ListHeader, NumberHeader, WithParams
from actors.sip.uri import HOST, read_host, read_port

_SEPARATED = r"[ \t]*+"
_via = re.compile(
    rf"SIP{_SEPARATED}/{_SEPARATED}2\.0{_SEPARATED}/{_SEPARATED}({TOKEN}++)[ \t]++"
    rf"({HOST})(?:{_SEPARATED}:{_SEPARATED}([0-9]{{1,5}}))?+{_SEPARATED}",
    re.IGNORECASE,
).match
# The same as nearly all peers write it, with its branch first.
_usual_via = re.compile(
    rf"SIP/2\.0/([A-Z]++) ([A-Za-z0-9\-._]++)(?::([0-9]{{1,5}}+))?+;branch=({VALUE}++)"
    rf"(;rport(?:=({VALUE}++))?+)?+(?:;received=({VALUE}++))?+"
).fullmatch
_cseq = re.compile(rf"([0-9]{{1,10}}+)[ \t]++({TOKEN}++)").fullmatch
_whole_host = re.compile(HOST).fullmatch

MAX_CSEQ = 2**31 - 1  # s8.1.1.5


@dataclass(frozen=True, slots=True)
class Via(WithParams, ListHeader):
    """Via: one hop of the way back (RFC 3261 s20.42).

    Attributes:
        transport: upper case: UDP, TCP, TLS, ...
        host: the sent-by host, IPv6 without brackets.
        port: None where none is written.
        params: names in lower case, values as they stand.
    """

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one Via value.

        Raises:
            RemoteProtocolError: 400.
        """
        usual = _usual_via(text)
        if usual is not None:
            transport, host, port, branch, asked, rport, received = usual.groups()
            parameters = {"branch": branch}
            if asked is not None:
                parameters["rport"] = rport
            if received is not None:
                parameters["received"] = received
        else:
            transport, host, port, end = cut_via(text)
            parameters = params(text, end)
            if "branch" in parameters and not parameters["branch"]:
                raise RemoteProtocolError(400, "Empty Via branch")
            transport, host = transport.upper(), read_host(host)
        draft: Any = _ViaDraft()
        draft._text = text  # noqa: SLF001 - its own
        draft.transport = transport
        draft.host = host
        draft.port = None if port is None else read_port(port)
        draft.params = parameters
        draft.__class__ = cls
        value: Self = draft
        return value

    def compose(self) -> str:
        """The protocol, sent-by and parameters."""
        transport = _local(token, self.transport, "transport")
        return f"SIP/2.0/{transport} {self.sent_by}{print_params(self.params)}"

    @property
    def sent_by(self) -> str:
        """host[:port], IPv6 in brackets.

        Raises:
            LocalProtocolError: there is no such host.
        """
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
        return self._number("rport", 65535)

    @property
    def maddr(self) -> str:
        """The maddr parameter, without brackets, empty if absent (s18.1.1)."""
        return (self.params.get("maddr") or "").strip("[]")

    @property
    def ttl(self) -> int | None:
        """The ttl parameter (s20.42).

        Raises:
            RemoteProtocolError: 400, it is more than 255 or no number.
        """
        return self._number("ttl", 255)


class _ViaDraft(Draft, ListHeader):
    __slots__ = ("host", "params", "port", "transport")


def cut_via(text: str) -> tuple[str, str, str | None, int]:
    """The transport, host and port of a Via value as they stand, and where its parameters begin.

    Raises:
        RemoteProtocolError: 400.
    """
    found = _via(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed Via")
    return found[1], found[2], found[3], found.end()


def _local(rule: Callable[[str], object], text: str, what: str) -> str:
    if not rule(text):
        raise LocalProtocolError(f"not a {what}: {text!r}")
    return text


@dataclass(frozen=True, slots=True)
class CSeq(Header):
    """CSeq: the number of a request in its dialog, and its method (RFC 3261 s20.16).

    Attributes:
        number: at most 2**31 - 1 (s8.1.1.5).
        method: as it stands.
    """

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a CSeq value.

        Raises:
            RemoteProtocolError: 400.
        """
        found = _cseq(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed CSeq")
        count = int(found[1])
        if count > MAX_CSEQ:
            raise RemoteProtocolError(400, "CSeq out of range")
        draft: Any = _CSeqDraft()
        draft._text = text  # noqa: SLF001 - its own
        draft.number = count
        draft.method = found[2]
        draft.__class__ = cls
        value: Self = draft
        return value

    def compose(self) -> str:
        """The number and the method."""
        return f"{self.number} {self.method}"


class _CSeqDraft(Draft, Header):
    __slots__ = ("method", "number")


def read_call_id(text: str) -> str:
    """A Call-ID: visible ASCII, more liberal than s25.1 in the order of its words.

    Raises:
        RemoteProtocolError: 400.
    """
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise RemoteProtocolError(400, "Malformed Call-ID")
    return text


@dataclass(frozen=True, slots=True)
class CallId(Header):
    """Call-ID, ``i``: what all messages of a dialog, or all registrations of a client, have in common (RFC 3261 s20.8).

    Attributes:
        value: as it stands; compared byte by byte.
    """

    value: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read visible ASCII."""
        return cls(read_call_id(text))

    def compose(self) -> str:
        """The value."""
        return self.value


class InReplyTo(CallId, ListHeader):
    """In-Reply-To: the Call-ID of a call that this one returns (RFC 3261 s20.21)."""

    __slots__ = ()


class MaxForwards(NumberHeader):
    """Max-Forwards: how many more hops a request may take (RFC 3261 s20.22), at most 255."""

    __slots__ = ()
    LIMIT: ClassVar[int] = 255
