"""Messages (RFC 3261 section 7), lazy: header lines are split once, a header is parsed when it is asked for and kept.

Text read from a message is valid Unicode (bytes that are not UTF-8 show as U+FFFD); lines that are not changed are
written back byte for byte, whatever is in them. Text from the application is checked when it is put in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from actors.sip import uri as uris
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.fields import FIELDS, Field, Kind, canonical
from actors.sip.grammar import VALUE, check_printable, header_line, readable, split_list, unfold
from actors.sip.reasons import REASONS
from actors.sip.scan import body_length, read_head, read_start, remote_error, split
from actors.sip.typed import TypedHeaders
from actors.sip.uri import Uri
from actors.sip.vocabulary import Head

Headers = Iterable[tuple[str, object]]

_tag = re.compile(f"{VALUE}++").fullmatch
_UNKNOWN = Field("", Kind.LINES)
# What a response repeats of its request (s8.2.6); Record-Route where it may make a dialog (s12.1.1).
_COPIED = frozenset(("via", "from", "to", "call-id", "cseq"))
_COPIED_TRYING = _COPIED | {"timestamp"}
_COPIED_DIALOG = _COPIED | {"record-route"}


class Message(TypedHeaders):
    """What requests and responses have in common. Header names are case-insensitive, compact forms are known."""

    __slots__ = ("_body", "_data", "_first", "_head", "_names", "_raw")

    _names: list[str]  # of each header line its lower-case full name
    _raw: list[str]  # the header lines as they came, folds and all
    _body: bytes
    _data: bytes | None  # the whole message, None once it is changed
    _first: dict[str, str] | None  # of each name its first line, unfolded
    _head: Head | None

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
    def start_line(self) -> str:
        """The start line (s7.1, 7.2)."""
        raise NotImplementedError

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
                self._head = read_head(method, status, self._lookup())
            except RemoteProtocolError as error:  # a parsed message has its head, so this one is of our own making
                raise LocalProtocolError(error.reason) from error
        return self._head

    def get(self, name: str) -> str | None:
        """The value of the first header line of that name, unfolded; None where there is none."""
        line = self._lookup().get(canonical(name))
        return None if line is None else readable(_value(line))

    def get_all(self, name: str) -> list[str]:
        """The values of all header lines of that name, in order; those of list headers cut at their commas.

        Raises:
            RemoteProtocolError: a quote or a bracket is not closed in a list.
        """
        return [readable(value) for value in self._values(canonical(name))]

    def set(self, name: str, value: object) -> None:
        """Make `value` the only one of that name, in the place of the first, else at the end.

        Raises:
            LocalProtocolError: a name or value that may not be sent.
        """
        key = canonical(name)
        line = header_line(name, value)
        places = [place for place, other in enumerate(self._names) if other == key]
        if not places:
            self._put(len(self._names), key, line)
            return
        for place in reversed(places):
            self._drop(place)
        self._put(places[0], key, line)

    def append(self, name: str, value: object) -> None:
        """Add a header line at the end."""
        self._put(len(self._names), canonical(name), header_line(name, value))

    def insert(self, name: str, value: object) -> None:
        """Add a header line on top."""
        self._put(0, canonical(name), header_line(name, value))

    def remove(self, name: str) -> None:
        """Remove all header lines of that name."""
        key = canonical(name)
        for place in reversed([place for place, other in enumerate(self._names) if other == key]):
            self._drop(place)

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
        """Parse every header that the table knows, whether it is needed or not.

        Raises:
            RemoteProtocolError: the first that is malformed.
        """
        for name in dict.fromkeys(self._names):
            field = FIELDS.get(name, _UNKNOWN)
            if field.kind is Kind.LIST:
                self._all(name)
            elif field.kind is Kind.SINGLE:
                self._one(name)

    # What the typed headers stand on.

    def _lookup(self) -> dict[str, str]:
        first = self._first
        if first is None:
            first = self._first = dict(zip(reversed(self._names), map(_flat, reversed(self._raw)), strict=True))
        return first

    def _values(self, key: str) -> list[str]:
        values = [_value(_flat(line)) for name, line in zip(self._names, self._raw, strict=True) if name == key]
        field = FIELDS.get(key, _UNKNOWN)
        if field.kind is not Kind.LIST:
            return values
        try:
            elements = [element for value in values if value for element in split_list(value)]
        except RemoteProtocolError as error:
            raise self._fault(error) from None
        return [element for element in elements if element] if field.lenient else elements

    def _one(self, key: str) -> object:
        typed = self._typed
        if key not in typed:
            line = self._lookup().get(key)
            typed[key] = None if line is None else self._parse(FIELDS[key], _value(line))
        return typed[key]

    def _all(self, key: str) -> tuple[Any, ...]:
        typed = self._typed
        if key not in typed:
            field = FIELDS[key]
            typed[key] = tuple([self._parse(field, value) for value in self._values(key)])
        return cast("tuple[Any, ...]", typed[key])

    def _parse(self, field: Field, value: str) -> object:
        try:
            return field.parse(value)
        except RemoteProtocolError as error:
            raise self._fault(error) from None

    def _fault(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """`error` with the status that this kind of message may be answered with."""
        return RemoteProtocolError(None, error.reason)

    def _put(self, place: int, key: str, line: str) -> None:
        self._names.insert(place, key)
        self._raw.insert(place, line)
        self._changed(key)

    def _drop(self, place: int) -> None:
        key = self._names.pop(place)
        del self._raw[place]
        self._changed(key)

    def _changed(self, key: str) -> None:
        self._data = self._first = self._head = None
        self._typed.pop(key, None)
        if key == "via":
            self._typed.pop("top", None)


class Request(Message):
    """A request: `method` and `uri`, the Request-URI as it stands."""

    __slots__ = ("method", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        names: list[str],
        raw: list[str],
        body: bytes,
        data: bytes | None = None,
        first: dict[str, str] | None = None,
        head: Head | None = None,
    ) -> None:
        self.method = method
        self.uri = uri
        self._names, self._raw, self._body = names, raw, body
        self._data, self._first, self._head = data, first, head
        self._typed = {}

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
        names, raw = _build_lines(headers, body)
        return cls(method, target, names, raw, body)

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
        for name, line in zip(self._names, self._raw, strict=True):
            if name in copied:
                names.append(name)
                raw.append(line)
        if to_tag is not None and not self.head.to_tag:
            if _tag(to_tag) is None:
                raise LocalProtocolError(f"not a tag: {to_tag!r}")
            place = names.index("to")
            raw[place] = f"{raw[place].rstrip()};tag={to_tag}"
        if content_type is not None and body:
            headers = (*headers, ("Content-Type", content_type))
        more_names, more_raw = _build_lines(headers, body)
        phrase = REASONS.get(status, "Unknown") if reason is None else check_printable(reason, "a reason phrase")
        return Response(status, phrase, names + more_names, raw + more_raw, body)

    def _fault(self, error: RemoteProtocolError) -> RemoteProtocolError:
        return error if self.method != "ACK" else RemoteProtocolError(None, error.reason)


class Response(Message):
    """A response: `status` and its `reason` phrase."""

    __slots__ = ("_phrase", "status")

    def __init__(
        self,
        status: int,
        phrase: str,
        names: list[str],
        raw: list[str],
        body: bytes,
        data: bytes | None = None,
        first: dict[str, str] | None = None,
        head: Head | None = None,
    ) -> None:
        self.status = status
        self._phrase = phrase
        self._names, self._raw, self._body = names, raw, body
        self._data, self._first, self._head = data, first, head
        self._typed = {}

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
    try:
        start, names, raw, first, _, begin = split(data)
        method, uri, status, phrase = read_start(start)
        head = read_head(method, status, first)
        length = body_length(first, len(data) - begin)
    except RemoteProtocolError as error:
        raise remote_error(data, error) from None
    body = data[begin:] if length is None else data[begin : begin + length]
    if status:
        return Response(status, phrase, names, raw, body, data, first, head)
    return Request(method, uri, names, raw, body, data, first, head)


def _flat(line: str) -> str:
    return unfold(line.split("\r\n")) if "\r" in line else line


def _value(line: str) -> str:
    return line[line.find(":") + 1 :].strip(" \t")


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
