"""The header lines of a message: reading, changing and typed access by name (RFC 3261 sections 7.3 and 20)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import repeat
from typing import Any, TypeVar, cast

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.fields import FIELDS, NAMES, SPELLINGS, STANDARD, Field, HeaderType, Kind, canonical
from actors.sip.grammar import first_element_end, header_line, readable, split_list, unfold
from actors.sip.headers import TextHeader
from actors.sip.usual import GROUPS
from actors.sip.vocabulary import Head

H = TypeVar("H", bound=HeaderType)

_UNKNOWN = Field("", TextHeader, Kind.LINES)
# Under what the first value of a list is kept.
_FIRST = {"via": "top", "contact": "first contact"}


class HeaderLines:
    """Header lines by name: names are case-insensitive, compact forms are known.

    A line is kept as it came until it is changed. A value is parsed when it is asked for by type, then kept.
    """

    __slots__ = ("_data", "_head", "_lines", "_text", "_typed", "_usual")

    _lines: tuple[list[str], list[str]] | None  # names and lines as below, None while they are not cut
    _text: str  # while they are not: the head of the usual shape, in which names stand as the table has them
    _usual: re.Match[str] | None  # what read that head, while it stands and is ASCII
    # What is made of them, each None once they are changed.
    _data: bytes | None  # the whole message
    _head: Head | None
    _typed: dict[str | None, Any]  # what was parsed already, by name

    @property
    def _names(self) -> list[str]:
        """Of each header line its lower-case full name."""
        return (self._lines or self._cut_text())[0]

    @property
    def _raw(self) -> list[str]:
        """The header lines as they came, folds and all."""
        return (self._lines or self._cut_text())[1]

    def _keep(self, usual: re.Match[str]) -> None:
        """Put off the cutting of a head of the usual shape, from which most is had without."""
        text = usual[0]
        if text.isascii():
            self._text, self._usual = text, usual
        else:  # it was read as Latin-1
            self._text = text.encode("latin-1").decode("utf-8", "surrogateescape")

    def _cut_text(self) -> tuple[list[str], list[str]]:
        raw = self._text.split("\r\n")[1:-2]
        spelling = SPELLINGS.get
        names = [spelling(name) or name.lower() for name, _, _ in map(str.partition, raw, repeat(":"))]
        self._text = ""
        self._usual = None
        self._lines = (names, raw)
        return self._lines

    def get(self, name: str) -> str | None:
        """The value of the first header line of that name, unfolded; None where there is none."""
        value = self._first_value(canonical(name))
        return None if value is None else readable(value)

    def get_all(self, name: str) -> list[str]:
        """The values of all header lines of that name, in order; those of list headers cut at their commas.

        Raises:
            RemoteProtocolError: a quote or a bracket is not closed in a list.
        """
        return [readable(value) for value in self._values(canonical(name))]

    def header(self, kind: type[H]) -> H | None:
        """The first value of the header whose type is `kind`; None where there is none.

        Raises:
            RemoteProtocolError: it is malformed, or stands twice and may not.
            LocalProtocolError: no header has this type.
        """
        key = _name_of(kind)
        if FIELDS[key].kind is Kind.SINGLE:
            return cast("H | None", self._one(key))
        return cast("H | None", next(iter(self._all(key)), None))

    def headers(self, kind: type[H]) -> tuple[H, ...]:
        """All values of the header whose type is `kind`, in order.

        Raises:
            RemoteProtocolError: one of them is malformed, or there are more than may be.
            LocalProtocolError: no header has this type.
        """
        key = _name_of(kind)
        if FIELDS[key].kind is Kind.SINGLE:
            value = self._one(key)
            return () if value is None else (cast("H", value),)
        return self._all(key)

    def set(self, name: str, value: object) -> None:
        """Make `value` the only one of that name, in the place of the first, else at the end.

        Raises:
            LocalProtocolError: a name or value that may not be sent.
        """
        key = canonical(name)
        line = header_line(name, value)
        names = self._names
        if names.count(key) == 1:
            self._raw[names.index(key)] = line
            self._changed(key)
        else:
            self._set_lines(key, [line])

    def set_all(self, name: str, values: Iterable[object]) -> None:
        """Make `values` the only ones of that name, a line each, in the place of the first, else at the end.

        Raises:
            LocalProtocolError: a name or value that may not be sent.
        """
        self._set_lines(canonical(name), [header_line(name, value) for value in values])

    def replace(self, name: str, value: object, at: int = 0) -> None:
        """Change one header line of that name, the first if `at` does not say another, and leave the others.

        Raises:
            LocalProtocolError: there is no such line; a name or value that may not be sent.
        """
        key = canonical(name)
        line = header_line(name, value)
        self._raw[self._place(key, at)] = line
        self._changed(key)

    def append(self, name: str, value: object) -> None:
        """Add a header line at the end.

        Raises:
            LocalProtocolError: a name or value that may not be sent.
        """
        self._put(len(self._names), canonical(name), header_line(name, value))

    def insert(self, name: str, value: object) -> None:
        """Add a header line on top.

        Raises:
            LocalProtocolError: a name or value that may not be sent.
        """
        self._put(0, canonical(name), header_line(name, value))

    def remove(self, name: str, at: int | None = None) -> None:
        """Remove all header lines of that name, or the one that `at` counts to.

        Raises:
            LocalProtocolError: `at` counts beyond the last.
        """
        key = canonical(name)
        if at is not None:
            self._drop(self._place(key, at))
            return
        for place in reversed([place for place, other in enumerate(self._names) if other == key]):
            self._drop(place)

    # What the typed headers stand on.

    def _first_lines(self) -> dict[str, str]:
        """Of each name its first line, unfolded."""
        return dict(zip(reversed(self._names), map(flat, reversed(self._raw)), strict=True))

    def _first_value(self, key: str) -> str | None:
        """The value of the first line of a header, unfolded."""
        if self._usual is not None and key in GROUPS:
            value = cast("str | None", self._usual[GROUPS[key]])
            return None if value is None else value.strip(" \t")
        text = self._text
        if not text or key not in STANDARD:
            names = self._names
            return value_of(flat(self._raw[names.index(key)])) if key in names else None
        mark = f"\r\n{FIELDS[key].name}:"
        start = text.find(mark)
        if start < 0:
            return None
        start += len(mark)
        return text[start : text.find("\r", start)].strip(" \t")

    def _values(self, key: str) -> list[str]:
        text = self._text
        if text and key in STANDARD:
            parts = text.split(f"\r\n{FIELDS[key].name}:")
            values = [part.partition("\r")[0].strip(" \t") for part in parts[1:]]
            if len(values) == 1 and values[0] and "," not in values[0]:
                return values
        else:
            lines = zip(self._names, self._raw, strict=True)
            values = [value_of(flat(line)) for name, line in lines if name == key]
        field = FIELDS.get(key, _UNKNOWN)
        if field.kind is not Kind.LIST:
            return values
        try:
            elements = [element for value in values if value for element in split_list(value)]
        except RemoteProtocolError as error:
            raise self._fault(error) from None
        return [element for element in elements if element] if field.lenient else elements

    def _top(self, key: str) -> str | None:
        """The first element of the first line of a header, None where there is none."""
        usual = self._usual
        if usual is not None and key == "via":  # of the usual shape it is alone on its line
            return cast("str", usual[GROUPS["via"]])
        value = self._first_value(key)
        if not value:  # none, or an empty line that counts for nothing
            return next(iter(self._values(key)), None)
        if "," not in value:
            return value
        try:
            return value[: first_element_end(value, 0)]
        except RemoteProtocolError as error:
            raise self._fault(error) from None

    def _one(self, key: str) -> Any:  # noqa: ANN401 - each property says what it is
        """The value of a single header, None where there is none."""
        typed = self._typed
        if key not in typed:
            value = self._first_value(key)
            if self._lines is not None and self._names.count(key) > 1:
                raise self._fault(RemoteProtocolError(400, "Repeated single-value header"))
            try:
                typed[key] = None if value is None else FIELDS[key].type.parse(value)
            except RemoteProtocolError as error:
                raise self._fault(error) from None
        return typed[key]

    def _all(self, key: str) -> tuple[Any, ...]:
        typed = self._typed
        if key not in typed:
            field = FIELDS[key]
            values = self._values(key)
            try:
                typed[key] = tuple(map(field.type.parse, values))
            except RemoteProtocolError as error:
                raise self._fault(error) from None
        return cast("tuple[Any, ...]", typed[key])

    def _parse(self, field: Field, value: str) -> object:
        try:
            return field.type.parse(value)
        except RemoteProtocolError as error:
            raise self._fault(error) from None

    def _fault(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """`error` with the status that this kind of message may be answered with."""
        return RemoteProtocolError(None, error.reason)

    def _set_lines(self, key: str, lines: list[str]) -> None:
        places = [place for place, other in enumerate(self._names) if other == key]
        for place in reversed(places):
            self._drop(place)
        first = places[0] if places else len(self._names)
        for offset, line in enumerate(lines):
            self._put(first + offset, key, line)

    def _place(self, key: str, at: int) -> int:
        places = [place for place, other in enumerate(self._names) if other == key]
        if not 0 <= at < len(places):
            raise LocalProtocolError(f"no such header line: {key} {at}")
        return places[at]

    def _put(self, place: int, key: str, line: str) -> None:
        self._names.insert(place, key)
        self._raw.insert(place, line)
        self._changed(key)

    def _drop(self, place: int) -> None:
        key = self._names.pop(place)
        del self._raw[place]
        self._changed(key)

    def _changed(self, key: str) -> None:
        self._data = self._head = None
        self._typed.pop(key, None)
        self._typed.pop(_FIRST.get(key), None)


def flat(line: str) -> str:
    """A header line unfolded."""
    return unfold(line.split("\r\n")) if "\r" in line else line


def value_of(line: str) -> str:
    """What stands behind the colon."""
    return line[line.find(":") + 1 :].strip(" \t")


def _name_of(kind: type[HeaderType]) -> str:
    key = NAMES.get(kind)
    if key is None:
        raise LocalProtocolError(f"{kind.__name__} is registered for no header")
    return key
