"""Messages (RFC 3261 section 7), lazy: header lines are split once, a header is parsed when it is asked for and kept.

Text read from a message is valid Unicode (bytes that are not UTF-8 show as U+FFFD); lines that are not changed are
written back byte for byte, whatever is in them. Text from the application is checked when it is put in.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import cast

from actors.sip import people
from actors.sip import uri as uris
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.fields import FIELDS, Kind, canonical
from actors.sip.grammar import header_line, readable, tagged
from actors.sip.lines import flat, value_of
from actors.sip.reasons import phrase_of
from actors.sip.scan import body_length, read_head, read_start, remote_error, split
from actors.sip.typed import TypedHeaders
from actors.sip.uri import Uri
from actors.sip.usual import Look, look, read_usual
from actors.sip.vocabulary import Head

Headers = Iterable[tuple[str, object]]

# What a response repeats of its request (s8.2.6); Record-Route where it may make a dialog (s12.1.1).
_COPIED = frozenset(("via", "from", "to", "call-id", "cseq"))
_COPIED_TRYING = _COPIED | {"timestamp"}
_COPIED_DIALOG = _COPIED | {"record-route"}
_SUMMED = ("From", "To", "Call-ID", "CSeq", "Reason")


class Message(TypedHeaders):
    """What requests and responses have in common. Header names are case-insensitive, compact forms are known."""

    __slots__ = ("_body", "_look")

    _body: bytes
    _look: Look | None  # what a look at the head told, None before it and once the head is changed

    def __init__(
        self,
        lines: tuple[list[str], list[str]] | None,
        body: bytes,
        data: bytes | None,
        head: Head | None,
        usual: re.Match[str] | None,
    ) -> None:
        self._lines, self._body, self._usual, self._text = lines, body, None, ""
        if usual is not None:
            self._keep(usual)
        self._data, self._head, self._look = data, head, None
        self._typed = {}

    def __bytes__(self) -> bytes:
        data = self._data
        if data is None:
            lines = [self.start_line, *self._raw]
            if "content-length" not in self._names:
                lines.append(f"Content-Length: {len(self._body)}")
            data = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + self._body
            self._data = data
        return data

    @property
    @abstractmethod
    def start_line(self) -> str:
        """The start line (s7.1, 7.2)."""

    @property
    def body(self) -> bytes:
        """The body, cut to its Content-Length."""
        return self._body

    @property
    def head(self) -> Head:
        """The routing fields."""
        if self._head is None:
            try:
                method, _, status, _ = read_start(self.start_line)
                self._head = read_head(method, status, self._first_lines())
            except RemoteProtocolError as error:  # a parsed message has its head, so this one is of our own making
                raise LocalProtocolError(error.reason) from error
        return self._head

    @property
    def look(self) -> Look:
        """What a look at the head tells: whether it is to be read closer."""
        if self._look is None:
            self._look = look(self._text) if self._text else Look.CLOSER
        return self._look

    def _changed(self, key: str) -> None:
        super()._changed(key)
        self._look = None

    def set_body(self, body: bytes, content_type: str | None = None) -> None:
        """Replace the body; `content_type` None keeps the type that is there, an empty body takes it away."""
        if content_type is not None and body:
            self.set("Content-Type", content_type)
        elif not body:
            self.remove("Content-Type")
        self._body = body
        self.remove("Content-Length")
        self.append("Content-Length", len(body))

    def validate(self) -> None:
        """Parse every header that processing may need, as :class:`actors.sip.fields.Field` tells.

        A head in which nothing can be wrong is told by a look at it, and nothing is parsed then.

        Raises:
            RemoteProtocolError: the first that is malformed.
        """
        if self.look:
            return
        for name in dict.fromkeys(self._names):
            field = FIELDS.get(name)
            if field is None or not field.needed:
                continue
            if field.kind is Kind.SINGLE:
                self._one(name)
            else:
                self._all(name)

    def summary(self) -> str:
        """The message in one line for a log: escaped, of bounded length, without secrets."""
        lines = [(name, value) for name in _SUMMED if (value := self.get(name)) is not None]
        return people.summary(self.start_line, lines, self.get("Content-Type"), self._body)

    def pretty(self) -> str:
        """The message in lines for people: folds joined, escaped, without secrets."""
        return people.pretty(self.start_line, self.items(), self._body)

    def items(self) -> list[tuple[str, str]]:
        """Every header line in order: its name, spelled as usual, and its value, folds joined."""
        lines = []
        for key, raw in zip(self._names, self._raw, strict=True):
            name = FIELDS[key].name if key in FIELDS else raw.partition(":")[0].rstrip(" \t")
            lines.append((name, value_of(flat(raw))))
        return lines


class Request(Message):
    """A request: `method` and `uri`, the Request-URI as it stands."""

    __slots__ = ("method", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        lines: tuple[list[str], list[str]] | None,
        body: bytes,
        data: bytes | None = None,
        head: Head | None = None,
        usual: re.Match[str] | None = None,
    ) -> None:
        self.method = method
        self.uri = uri
        super().__init__(lines, body, data, head, usual)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"

    @classmethod
    def build(cls, method: str, uri: object, headers: Headers, body: bytes = b"") -> Request:
        """A request with these header lines, in order, and its Content-Length.

        Raises:
            LocalProtocolError: a method, URI, name or value that may not be sent.
        """
        target = str(uri)
        line = f"{method} {target} SIP/2.0"
        try:
            read_start(line)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"not a start line: {line!r}") from error
        return cls(method, target, _build_lines(headers, body), body)

    @property
    def start_line(self) -> str:
        """The start line (s7.1)."""
        return f"{self.method} {self.uri} SIP/2.0"

    @property
    def request_uri(self) -> Uri:
        """The Request-URI, parsed."""
        if "uri" not in self._typed:
            try:
                self._typed["uri"] = uris.parse(self.uri)
            except RemoteProtocolError as error:
                raise self._fault(error) from None
        return cast("Uri", self._typed["uri"])

    def validate(self) -> None:
        """As of every message; the Request-URI too."""
        if not self.look:
            self.request_uri  # noqa: B018 - it is the parsing that is wanted
            super().validate()

    def response(
        self,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        """A response with what s8.2.6 copies, byte for byte, then `headers`, then the body.

        Args:
            status: 100 to 699.
            reason: the phrase; None for the standard one.
            to_tag: goes to the To if that has none yet (s8.2.6.2).
            headers: more header lines, in order.
            body: the body.
            content_type: of the body.

        Raises:
            LocalProtocolError: something that may not be sent.
        """
        if not 100 <= status <= 699:
            raise LocalProtocolError(f"not a status: {status}")
        copied = _COPIED_TRYING if status == 100 else _COPIED_DIALOG if status < 300 else _COPIED
        names: list[str] = []
        raw: list[str] = []
        for name, line in zip(*(self._lines or self._cut_text()), strict=True):
            if name in copied:
                names.append(name)
                raw.append(line)
        if to_tag is not None and not self.head.to_tag:
            place = names.index("to")
            raw[place] = tagged(raw[place], to_tag)
        if content_type is not None and body:
            headers = (*headers, ("Content-Type", content_type))
        more_names, more_raw = _build_lines(headers, body)
        return Response(status, phrase_of(status, reason), (names + more_names, raw + more_raw), body)

    def _fault(self, error: RemoteProtocolError) -> RemoteProtocolError:
        return error if self.method != "ACK" else RemoteProtocolError(None, error.reason)


class Response(Message):
    """A response: `status` and its `reason` phrase."""

    __slots__ = ("_phrase", "status")

    def __init__(
        self,
        status: int,
        phrase: str,
        lines: tuple[list[str], list[str]] | None,
        body: bytes,
        data: bytes | None = None,
        head: Head | None = None,
        usual: re.Match[str] | None = None,
    ) -> None:
        self.status = status
        self._phrase = phrase
        super().__init__(lines, body, data, head, usual)

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"

    @property
    def start_line(self) -> str:
        """The start line (s7.2)."""
        return f"SIP/2.0 {self.status} {self._phrase}"

    @property
    def reason(self) -> str:
        """The reason phrase."""
        return readable(self._phrase)


def parse(data: bytes) -> Request | Response:
    """Parse a datagram or a framed message of a stream. What stands behind the body is no part of it (s18.3).

    Raises:
        RemoteProtocolError: what it is not allowed to be; nothing else is raised for any data.
    """
    usual = read_usual(data)
    if usual is None:
        return parse_fully(data)
    head, _, _, begin, length, found = usual
    body = data[begin:] if length is None else data[begin : begin + length]
    if head.status:
        phrase = data[12 : data.find(b"\r")].decode("utf-8", "surrogateescape")
        return Response(head.status, phrase, None, body, data, head, found)
    return Request(head.method, found[2], None, body, data, head, found)


def parse_fully(data: bytes) -> Request | Response:
    """As :func:`parse`, without its short cut."""
    try:
        start, names, raw, first, _, begin = split(data)
        method, uri, status, phrase = read_start(start)
        head = read_head(method, status, first)
        length = body_length(first, len(data) - begin)
    except RemoteProtocolError as error:
        raise remote_error(data, error) from None
    body = data[begin:] if length is None else data[begin : begin + length]
    if status:
        return Response(status, phrase, (names, raw), body, data, head)
    return Request(method, uri, (names, raw), body, data, head)


def _build_lines(headers: Headers, body: bytes) -> tuple[list[str], list[str]]:
    """The names and lines of `headers` and of the Content-Length, which is always our own."""
    names: list[str] = []
    raw: list[str] = []
    for name, value in headers:
        key = canonical(name)
        if key != "content-length":
            names.append(key)
            raw.append(header_line(name, value))
    names.append("content-length")
    raw.append(f"Content-Length: {len(body)}")
    return names, raw
