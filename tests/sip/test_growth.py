"""Messages, headers and URIs are read in work that grows with their size and no faster (FAULTS 12 to 20)."""

from __future__ import annotations

import importlib
import pkgutil
import re
import re._parser as parser
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from actors import sip
from actors.sip import RemoteProtocolError, parse, telephone
from actors.sip import uri as uris
from actors.sip.fields import FIELDS, Kind
from actors.sip.framing import Framer
from actors.sip.scan import scan
from tests.sip.counting import COPIED, LINES, MESSAGES, assert_linear, giving_back, is_plain

UNITS = ['"\\"\\"', ";;;", ",", "<", " ", "a,", ";a=b", '"', "(", "<a>,"]
URI_UNITS = ["%", "%41", "@", ":", ";a", ";a=b", "&a=b", "?", "[", "-.", "1", "a", "é"]

HEAD = (
    b"INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n"
    b"Call-ID: c\r\nCSeq: 1 INVITE\r\n"
)


def shorten(text: str) -> None:
    while text:
        text = text[1:]


@pytest.mark.parametrize(("act", "part"), [(shorten, 1), (lambda text: [None for _ in text for _ in text], 100)])
def test_work_that_grows_faster_is_seen(act: Callable[[str], object], part: int) -> None:
    with pytest.raises(AssertionError):
        assert_linear(act, lambda size: "a" * (size // part), MESSAGES, COPIED)


def read_value(name: str) -> Callable[[str], object]:
    field = FIELDS[name]
    kind: Any = field.type
    parse_value = kind.parse_many if field.kind is Kind.LIST else kind.parse

    def act(text: str) -> object:
        return str(parse_value(text))

    return act


def one_of_each_shape() -> list[str]:
    """A header of each way of reading."""
    seen: dict[Any, str] = {}
    for name, field in FIELDS.items():
        kind: Any = field.type
        seen.setdefault((kind.parse.__func__, kind.read.__func__), name)
    return sorted(seen.values())


STARTS = {
    "via": "SIP/2.0/UDP h",
    "from": "<sip:a@h>",
    "contact": "<sip:a@h>",
    "reason": "Q.850",
    "content-type": "a/b",
    "retry-after": "5 (",
    "warning": '304 h "',
    "join": "a;to-tag=1;from-tag=2",
    "authorization": "Digest a=",
    "identity": "a;info=<x>",
}


@pytest.mark.parametrize("name", one_of_each_shape())
def test_a_header_of_twice_the_size_takes_twice_the_work(name: str) -> None:
    act = read_value(name)
    start = STARTS.get(name, "")
    for unit in UNITS:
        assert_linear(act, lambda size, unit=unit: start + unit * (size // len(unit)), LINES, COPIED)


@pytest.mark.parametrize("start", ["sip:", "sip:a@h;x", "sip:h?a=b", "tel:1", "x:"])
def test_a_uri_of_twice_the_size_takes_twice_the_work(start: str) -> None:
    for unit in URI_UNITS:
        for act, begin in ((lambda text: uris.parse(text).key, start), (telephone.parse, "1")):
            assert_linear(act, lambda size, begin=begin, unit=unit: begin + unit * (size // len(unit)), LINES, COPIED)


def read_message(data: bytes) -> object:
    """What every reader of a message does, one after another."""
    for reader in (scan, lambda data: parse(data).validate(), lambda data: parse(data).pretty(), Framer().feed):
        try:
            reader(data)
        except RemoteProtocolError:
            continue
    return None


INPUTS: dict[str, Callable[[int], bytes]] = {
    "12 a CSeq of many digits": lambda n: HEAD.replace(b"CSeq: 1", b"CSeq: " + b"1" * n) + b"\r\n",
    "13 many To headers": lambda n: HEAD + b"To: <sip:b@h>\r\n" * (n // 15) + b"\r\n",
    "14 a long line": lambda n: HEAD + b"X: " + b"y" * n + b"\r\n\r\n",
    "14 many headers": lambda n: HEAD + b"X: y\r\n" * (n // 6) + b"\r\n",
    "14 many Vias": lambda n: HEAD + b"Via: SIP/2.0/UDP h\r\n" * (n // 20) + b"\r\n",
    "14 many Vias on a line": lambda n: HEAD + b"Via: a" + b", SIP/2.0/UDP h" * (n // 15) + b"\r\n\r\n",
    "14 many folds": lambda n: HEAD + b"X: y" + b"\r\n z" * (n // 4) + b"\r\n\r\n",
    "14 many folds in a line that is read": lambda n: HEAD + b"Contact: a" + b"\r\n ," * (n // 4) + b"\r\n\r\n",
    "16 many Content-Lengths": lambda n: HEAD + b"l: 1\r\n" * (n // 6) + b"\r\n",
    "16 a long Content-Length": lambda n: HEAD + b"Content-Length: " + b"1" * n + b"\r\n\r\n",
    "17 no end": lambda n: HEAD + b"X: y\r\n" * (n // 6),
    "17 line ends": lambda n: b"\r\n" * (n // 2),
    "18 requests in a body": lambda n: HEAD + b"Content-Length: %d\r\n\r\n" % n + (HEAD * (n // len(HEAD) + 1))[:n],
    "19 NUL": lambda n: HEAD + b"X: " + b"\0" * n + b"\r\n\r\n",
    "19 NUL in quotes": lambda n: HEAD + b'X: "' + b"\\\0" * (n // 2) + b'"\r\n\r\n',
    "19 bare CR": lambda n: HEAD + b"X: " + b"\r" * n + b"\r\n\r\n",
    "19 bare LF": lambda n: HEAD + b"X:\n" * (n // 3) + b"\r\n\r\n",
    "19 a space before the colon": lambda n: HEAD + b"P-Asserted-Identity" + b" " * n + b": x\r\n\r\n",
    "19 no colon": lambda n: HEAD + b"x" * n + b"\r\n\r\n",
    "20 a start line": lambda n: b"INVITE sip:" + b"a" * n + b" SIP/2.0\r\n" + HEAD + b"\r\n",
}
INPUTS |= {
    f"15 {unit!r} in {name}": lambda n, name=name, unit=unit: (
        HEAD + f"{name}: {unit * (n // len(unit))}\r\n\r\n".encode("utf-8", "surrogateescape")
    )
    for name in ("Contact", "X")
    for unit in UNITS
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=list(INPUTS))
def test_a_message_of_twice_the_size_takes_twice_the_work(make: Callable[[int], bytes]) -> None:
    assert_linear(read_message, make, MESSAGES, COPIED)


def test_a_message_that_comes_byte_by_byte_takes_twice_the_work_for_twice_the_size() -> None:
    def drip(data: bytes) -> None:
        framer = Framer()
        for place in range(0, len(data), 100):
            framer.feed(data[place : place + 100])

    assert_linear(drip, lambda size: HEAD + b"X: " + b"y" * size, MESSAGES, COPIED)


# The expressions.


def modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.walk_packages(sip.__path__, "actors.sip.")]
    return [importlib.import_module(name) for name in names]


def expressions() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    found: dict[str, re.Pattern[str] | re.Pattern[bytes]] = {}
    for module in modules():
        for name, value in vars(module).items():
            pattern = getattr(value, "__self__", value)
            if isinstance(pattern, re.Pattern):
                found.setdefault(f"{module.__name__}.{name}", pattern)
    return found


MINE = ("grammar", "uri", "telephone", "people", "lines", "message", "scan", "framing", "build", "usual", "headers")


@pytest.mark.parametrize("name", [name for name in expressions() if name.split(".")[2] in MINE])
def test_no_expression_gives_back_what_it_took(name: str) -> None:
    pattern = expressions()[name]
    parsed = parser.parse(
        pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    )
    assert not list(giving_back(parsed)) or is_plain(parsed), pattern.pattern
