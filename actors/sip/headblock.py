"""A block of header lines outside the head of a message: of a part of a multipart body, of a sipfrag.

Lines are pairs of name and value, folds undone; bytes that are not UTF-8 survive the way in and out.
"""

from __future__ import annotations

import re
from typing import Any

from actors.sip.errors import RemoteProtocolError
from actors.sip.fields import FIELDS, canonical
from actors.sip.grammar import TOKEN, header_line, nul_outside_quotes, readable, unfold

MAX_LINES = 256
MAX_LINE = 8_192  # characters

Headers = tuple[tuple[str, str], ...]
_header = re.compile(rf"({TOKEN}++)[ \t]*+:(.*+)", re.DOTALL).fullmatch


def split(data: bytes) -> tuple[bytes, bytes]:
    """The head and the body of `data`, parted by the first empty line; the line breaks between them left out."""
    if data.startswith(b"\r\n"):
        return b"", data[2:]
    head, _, body = data.partition(b"\r\n\r\n")
    return head.removesuffix(b"\r\n"), body


def lines(head: bytes) -> list[str]:
    """The logical lines of a head, folded ones joined (RFC 3261 s7.3.1).

    Raises:
        RemoteProtocolError: 400, a bare CR, LF or NUL, a line too long or too many of them.
    """
    text = head.decode("utf-8", "surrogateescape")
    physical = text.split("\r\n") if text else []
    if len(physical) > MAX_LINES or any(len(line) > MAX_LINE for line in physical):
        raise RemoteProtocolError(400, "Too many header lines in a body")
    logical: list[list[str]] = []
    for line in physical:
        if "\r" in line or "\n" in line or nul_outside_quotes(line):
            raise RemoteProtocolError(400, "Stray control character in a body's headers")
        if line[:1] in (" ", "\t") and logical:
            logical[-1].append(line)
        else:
            logical.append([line])
    return [unfold(folded) if len(folded) > 1 else folded[0] for folded in logical]


def headers(logical: list[str]) -> Headers:
    """The names and values of header lines.

    Raises:
        RemoteProtocolError: 400, a line that is none.
    """
    found = []
    for line in logical:
        match = _header(line)
        if match is None:
            raise RemoteProtocolError(400, "Malformed header in a body")
        found.append((match[1], match[2].strip(" \t")))
    return tuple(found)


def get(values: Headers, name: str) -> str | None:
    """The value of the first header of that name, in any case or compact form; None where there is none."""
    key = canonical(name)
    return next((readable(value) for other, value in values if canonical(other) == key), None)


def typed(values: Headers, name: str) -> Any:  # noqa: ANN401 - what the table of header fields makes of it
    """The first header of that name as the table of header fields reads it; None where there is none.

    Raises:
        RemoteProtocolError: 400, it is malformed.
    """
    value = get(values, name)
    return None if value is None else FIELDS[canonical(name)].parse(value)


def write(values: Headers) -> bytes:
    """The lines of a head, each with its line break.

    Raises:
        LocalProtocolError: a name or value that may not be sent.
    """
    return "".join(f"{header_line(name, value)}\r\n" for name, value in values).encode("utf-8", "surrogateescape")
