"""Bodies are read in work that grows with their size and no faster: counted in steps of the interpreter."""

from __future__ import annotations

import re
import re._parser as parser
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.sip import (
    MediaType,
    headblock,
    markup,
    message_summary,
    multipart,
    pidf,
    sdp,
    sdp_attributes,
    sdp_crypto,
    sdp_ice,
    sdp_lines,
    sdp_model,
    sipfrag,
)
from actors.sip.offer_answer import Capabilities, Codec, make_answer
from tests.sip.counting import assert_linear, giving_back

OURS = Capabilities("192.0.2.2", 16384, (Codec(0, "PCMU", 8000),), 7)
TYPE = MediaType("multipart/mixed", {"boundary": "b1"})
HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = b"m=audio 5004 RTP/AVP 0"


def read_all(data: bytes) -> object:
    """A description with every view of it, and the answer to it."""
    description = sdp.parse(data)
    for section in (description, *description.media):
        _ = section.typed
    _ = [(media.candidates, media.rtpmaps, media.fmtps) for media in description.media]
    return make_answer(description, OURS)


def read_nested(data: bytes) -> object:
    return multipart.parse(replace(TYPE, params={"boundary": data[2 : data.index(b"\r\n")].decode()}), data)


def nest(times: int) -> bytes:
    body = b""
    for level in range(times):
        kind = b"Content-Type: multipart/mixed;boundary=x%d" % level
        body = b"--x%d\r\n%s\r\n\r\n%s\r\n--x%d--" % (level + 1, kind, body, level + 1)
    return body


CASES: list[tuple[str, Callable[[bytes], object], Callable[[int], bytes]]] = [
    ("formats", read_all, lambda n: HEAD + AUDIO + b" 8" * n + b"\r\n"),
    ("numbers that mean nothing", read_all, lambda n: HEAD + AUDIO + b" 999" * n + b"\r\n"),
    ("attributes", read_all, lambda n: HEAD + AUDIO + b"\r\n" + b"a=rtpmap:0 PCMU/8000\r\n" * (n // 8)),
    ("codecs", read_all, lambda n: HEAD + AUDIO + b"\r\n" + b"a=fmtp:0 a=1;b=2\r\n" * (n // 8)),
    ("media", read_all, lambda n: HEAD + (AUDIO + b"\r\n") * (n // 128)),
    ("one long line", read_all, lambda n: HEAD + AUDIO + b"\r\na=candidate:" + b"1 " * n + b"\r\n"),
    ("repeats", read_all, lambda n: HEAD + b"r=1 1" + b" 1" * n + b"\r\n" + AUDIO + b"\r\n"),
    ("boundaries", lambda data: multipart.parse(TYPE, data), lambda n: b"--b1\r\n\r\nx\r\n" * (n // 64) + b"--b1--"),
    ("no end", lambda data: multipart.parse(TYPE, data), lambda n: b"--b1" + b"\r\n--b1 " * n),
    ("blanks", lambda data: multipart.parse(TYPE, data), lambda n: b"--b1" + b" \t" * n * 4 + b"x"),
    ("depth", read_nested, lambda n: nest(n // 4)),
    ("part headers", lambda data: multipart.parse(TYPE, data), lambda n: b"--b1\r\n" + b"X:\r\n y\r\n" * (n // 32)),
    ("fragment", sipfrag.parse, lambda n: b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * (n // 16)),
    ("folds", sipfrag.parse, lambda n: b"X: y\r\n" + b" z\r\n" * (n // 16)),
    ("summary", message_summary.parse, lambda n: b"Messages-Waiting: yes\r\n" + b"\r\nTo: a\r\n" * (n // 8)),
    ("elements", markup.parse, lambda n: b"<a>" + b"<b/>" * n + b"</a>"),
    ("depth of elements", markup.parse, lambda n: b"<a>" * n),
    ("attributes of elements", markup.parse, lambda n: b"<a>" + b"<b c='d'>&amp;</b>" * n + b"</a>"),
    (
        "tuples",
        pidf.parse,
        lambda n: (
            b"<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='x'>"
            + b"".join(b"<tuple id='%d'><status/></tuple>" % number for number in range(n // 2))
            + b"</presence>"
        ),
    ),
]


@pytest.mark.parametrize(("act", "make"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_twice_the_size_is_at_most_twice_the_work(act: Callable[[bytes], object], make: Callable[[int], bytes]) -> None:
    assert_linear(act, make, (1_000, 2_000, 4_000, 8_000))


MODULES = (headblock, message_summary, multipart, pidf, sdp, sdp_attributes, sdp_crypto, sdp_ice, sdp_lines, sdp_model)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_expression_can_go_back_over_what_it_has_read(module: Any) -> None:
    found = [getattr(value, "__self__", None) for name, value in vars(module).items() if name.startswith("_")]
    patterns = [one.pattern for one in found if isinstance(one, re.Pattern)]
    assert patterns
    for pattern in patterns:
        assert not list(giving_back(parser.parse(pattern))), pattern


def test_the_check_of_expressions_sees_what_it_should() -> None:
    assert list(giving_back(parser.parse("a(b|c(d+))")))
    assert not list(giving_back(parser.parse("a(b|c(d++)e{1,9})*+")))
