"""The pieces of RFC 3261 section 25.1 that every header shares: tokens, quoted strings, parameters and comma lists.

Text is what the bytes of a head decode to as UTF-8 with ``surrogateescape``: every byte survives the way in and out.
Every expression here is possessive or anchored, so that no input takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat

from actors.sip.errors import LocalProtocolError, RemoteProtocolError

Params = Mapping[str, str | None]
ParamRule = Callable[..., re.Match[str] | None]  # the match of an expression whose groups are a name and a value

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]"  # noqa: S105 - a word of the grammar, no secret
QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# A parameter's value, more liberal than gen-value (s25.1): any visible ASCII that does not end it.
VALUE = r"[!#-+\--:=?-~]"

token = re.compile(TOKEN + "+").fullmatch
_nul_in_pairs = re.compile(r'[^"\0]*+(?:"[^"\\\0]*+(?:\\.[^"\\\0]*+)*+"[^"\0]*+)*+', re.DOTALL).fullmatch
_param = re.compile(
    rf"[ \t]*+;[ \t]*+({TOKEN}++)(?:[ \t]*+=[ \t]*+({QUOTED}|{VALUE}++))?+[ \t]*+",
    re.DOTALL,
).match
# Nearly all peers write them so: no white space, no quotes.
_plain_params = re.compile(rf"(?:;{TOKEN}++(?:={VALUE}++)?+)*+").fullmatch
# As the first; a value may also be a URI in its brackets, as RFC 8224 has it.
bracketed_param = re.compile(
    rf"[ \t]*+;[ \t]*+({TOKEN}++)(?:[ \t]*+=[ \t]*+({QUOTED}|<[^<>\" \t]++>|{VALUE}++))?+[ \t]*+",
    re.DOTALL,
).match
# What matters when a list is cut: whole quoted strings and whole <...>, commas, and an opening that never closes.
_pieces = re.compile(rf'{QUOTED}|<[^<>"]*+>|[,"<]', re.DOTALL).finditer
_escaped_pair = re.compile(r"\\(.)", re.DOTALL)
_digits = re.compile("[0-9]+").fullmatch


def split_list(text: str) -> list[str]:
    """The elements of a comma-separated value, commas in quoted strings and in ``<>`` left alone (s7.3.1).

    Raises:
        RemoteProtocolError: a quote or a bracket is not closed.
    """
    if "," not in text:
        return [text.strip(" \t")]
    if '"' not in text and "<" not in text:
        return [element.strip(" \t") for element in text.split(",")]
    elements = []
    start = 0
    for piece in _pieces(text):
        mark = piece[0]
        if mark == ",":
            elements.append(text[start : piece.start()].strip(" \t"))
            start = piece.end()
        elif len(mark) == 1:
            raise RemoteProtocolError(400, "Unbalanced quote or bracket")
    elements.append(text[start:].strip(" \t"))
    return elements


def first_element_end(text: str, start: int) -> int:
    """Where the first element of the comma list that begins at `start` ends, white space before the comma left out."""
    end = len(text)
    if text.find(",", start) >= 0:
        for piece in _pieces(text, start):
            mark = piece[0]
            if mark == ",":
                end = piece.start()
                break
            if len(mark) == 1:
                raise RemoteProtocolError(400, "Unbalanced quote or bracket")
    while end > start and text[end - 1] in " \t\r\n":
        end -= 1
    return end


def param_pairs(text: str, start: int = 0, rule: ParamRule = _param) -> list[tuple[str, str | None]]:
    """The parameters from `start` to the end of `text`: lower-case names, values as they stand (quoted ones quoted).

    `rule` is what one parameter looks like.

    Raises:
        RemoteProtocolError: they are not well-formed.
    """
    pairs: list[tuple[str, str | None]] = []
    end = len(text)
    while start < end:
        found = rule(text, start)
        if found is None:
            if text[start:].strip(" \t"):
                raise RemoteProtocolError(400, "Malformed header parameter")
            break
        pairs.append((found[1].lower(), found[2]))
        start = found.end()
    return pairs


def params(text: str, start: int = 0, rule: ParamRule = _param) -> dict[str, str | None]:
    """As :func:`param_pairs`, each name once at most (s7.3.1)."""
    if start >= len(text):
        return {}
    if _plain_params(text, start) is None:
        pairs = param_pairs(text, start, rule)
    else:
        parts = map(str.partition, text[start + 1 :].split(";"), repeat("="))
        pairs = [(name.lower(), value or None) for name, _, value in parts]
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise RemoteProtocolError(400, "Repeated header parameter")
    return unique


def print_params(values: Params, rule: ParamRule = _param) -> str:
    """``;name=value`` for each parameter.

    Raises:
        LocalProtocolError: a name or a value that could not be read back.
    """
    parts = []
    for name, value in values.items():
        text = f";{name}" if value is None else f";{name}={value}"
        found = rule(text)
        if found is None or found.end() != len(text):
            raise LocalProtocolError(f"not a header parameter: {text!r}")
        parts.append(text)
    return "".join(parts)


def quote(text: str) -> str:
    """`text` as a quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """What a quoted-string says; other text is returned as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _escaped_pair.sub(r"\1", text[1:-1])
    return text


def unfold(lines: Iterable[str]) -> str:
    """The physical lines of a header on one line: each break with the white space around it is one space (s7.3.1)."""
    return " ".join([line.strip(" \t") for line in lines])


def number(text: str, limit: int) -> int:
    """A decimal number of at most `limit`, of any sign-free ASCII digits up to ten (s20, s25.1).

    Raises:
        RemoteProtocolError: it is none, or too large.
    """
    if len(text) > 10 or _digits(text) is None or int(text) > limit:
        raise RemoteProtocolError(400, "Number malformed or out of range")
    return int(text)


def readable(text: str) -> str:
    """`text` as valid Unicode for people and pipes: bytes that are not UTF-8 are shown as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def nul_outside_quotes(text: str) -> bool:
    """Whether a NUL stands where none may: anywhere but in a quoted-pair of a quoted string (s25.1)."""
    return "\0" in text and _nul_in_pairs(text) is None


def check_printable(text: str, what: str) -> str:
    """`text`, which may go into a head: no line break, no NUL, nothing that UTF-8 cannot carry.

    Raises:
        LocalProtocolError: it may not.
    """
    if text.isprintable():
        return text
    if "\r" in text or "\n" in text or "\0" in text:
        raise LocalProtocolError(f"{what} holds a line break or a NUL")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{what} is not Unicode text") from error
    return text


def header_line(name: str, value: object) -> str:
    """A header line of ours.

    Raises:
        LocalProtocolError: a name that is no token, a value that may not go into a head.
    """
    if token(name) is None:
        raise LocalProtocolError(f"not a header name: {name!r}")
    return check_printable(f"{name}: {value}", name)


_is_tag = re.compile(f"{VALUE}++").fullmatch


def tagged(line: str, tag: str) -> str:
    """A To line that has no tag, with this one (RFC 3261 section 8.2.6.2).

    Raises:
        LocalProtocolError: it may not be sent.
    """
    if _is_tag(tag) is None:
        raise LocalProtocolError(f"not a tag: {tag!r}")
    return f"{line.rstrip()};tag={tag}"
