"""Multipart bodies: cutting, printing, nesting, limits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, MediaType, RemoteProtocolError, parse
from actors.sip.headblock import MAX_LINES
from actors.sip.multipart import MAX_DEPTH, MAX_PARTS, PLAIN, Multipart, Part, build, is_multipart
from actors.sip.multipart import parse as read

TYPE = MediaType("multipart/mixed", {"boundary": "b1"})
BODY = (
    b"said by nothing\r\n--b1\r\nContent-Type: application/sdp\r\nc-x:\r\n folded\r\n\r\nv=0\r\n\r\n"
    b"--b1 \t\r\n\r\nplain\r\n--b1x\r\n--b1\r\nContent-ID: <a@b>\r\n\r\n--b1\r\n--b1--  \r\nend"
)


def test_a_body_is_cut_at_its_boundaries_alone() -> None:
    body = read(TYPE, BODY)
    assert (body.subtype, body.boundary, body.preamble, body.epilogue) == ("mixed", "b1", b"said by nothing", b"end")
    first, second, third, fourth = body.parts
    assert first.headers == (("Content-Type", "application/sdp"), ("c-x", "folded"))
    assert first.content_type == MediaType("application/sdp", {})
    assert first.body == b"v=0\r\n"
    assert (second.headers, second.body, second.content_type) == ((), b"plain\r\n--b1x", None)
    assert (third.content_id, third.body) == ("a@b", b"")
    assert (fourth.headers, fourth.body, fourth.content_id) == ((), b"", "")
    assert body.default_type == PLAIN
    assert bytes(body) == BODY


def test_a_boundary_may_be_quoted() -> None:
    quoted = MediaType("multipart/digest", {"boundary": '"a b:c"'})
    body = read(quoted, b"--a b:c\r\n\r\nx\r\n--a b:c--")
    assert body.boundary == "a b:c"
    assert body.content_type == quoted
    assert body.default_type.name == "message/rfc822"


def nested(depth: int) -> bytes:
    body = b"deep"
    for level in range(depth, 0, -1):
        inner = b"Content-Type: multipart/mixed;boundary=x%d\r\n" % (level + 1) if level < depth else b""
        body = b"--x%d\r\n%s\r\n%s\r\n--x%d--" % (level, inner, body, level)
    return body


def test_parts_may_have_parts_to_a_bounded_depth() -> None:
    kind = MediaType("multipart/mixed", {"boundary": "x1"})
    body = read(kind, nested(MAX_DEPTH))
    assert [part.body for part in body.leaves()] == [b"deep"]
    for depth in (MAX_DEPTH + 1, 500):
        with pytest.raises(RemoteProtocolError) as raised:
            read(kind, nested(depth))
        assert raised.value.status == 415


def test_there_are_only_so_many_parts_in_all_depths_together() -> None:
    full = b"".join(b"--b1\r\n\r\nx\r\n" for _ in range(MAX_PARTS)) + b"--b1--"
    assert len(read(TYPE, full).parts) == MAX_PARTS
    inner = b"--b1\r\nContent-Type: multipart/mixed;boundary=b2\r\n\r\n--b2\r\n\r\ny\r\n--b2--\r\n"
    for body in (b"--b1\r\n\r\nx\r\n" + full, inner + full, inner * 40 + b"--b1--"):
        with pytest.raises(RemoteProtocolError) as raised:
            read(TYPE, body)
        assert raised.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        b"--b1--",
        b"--b1\r\n",
        b"--b1\r\n\r\nno end",
        b"--b1\r\nContent-Type\r\n\r\nx\r\n--b1--",
        b"--b1\r\nContent-Type: x\r\n\r\nx\r\n--b1--",
        b"--b1\r\nX: a\rb\r\n\r\nx\r\n--b1--",
        b"--b1\r\nX: a\nb\r\n\r\nx\r\n--b1--",
        b"--b1\r\nX: a\0b\r\n\r\nx\r\n--b1--",
        b"--b1\r\n folded\r\n\r\nx\r\n--b1--",
        b"--b1\r\nX: " + b"a" * 9000 + b"\r\n\r\nx\r\n--b1--",
        b"--b1\r\n" + b"X: a\r\n" * (MAX_LINES + 1) + b"\r\nx\r\n--b1--",
        b"--b1\r\nContent-Type: multipart/mixed\r\n\r\n--\r\n--b1--",
    ],
)
def test_a_body_without_parts_or_end_or_with_bad_headers_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        read(TYPE, body)
    assert raised.value.status == 400


@pytest.mark.parametrize("boundary", [None, "", '""', '"ends in space "', "a" * 71, "a\\"])
def test_a_type_without_a_usable_boundary_is_refused(boundary: str | None) -> None:
    params = {} if boundary is None else {"boundary": boundary}
    with pytest.raises(RemoteProtocolError) as raised:
        read(MediaType("multipart/mixed", params), BODY)
    assert raised.value.status == 400


def test_what_cannot_be_read_back_is_not_printed() -> None:
    part = Part((), b"x\r\n--b1\r\n")
    for bad in (
        Multipart("mixed", "b1", (part,)),
        Multipart("mixed", "b1", (Part(),), b"--b1"),
        Multipart("mixed", "b ", (Part(),)),
        Multipart("mixed", "b1", ()),
        Multipart("mixed", "b1", (Part((("X", "a\r\nb"),)),)),
    ):
        with pytest.raises(LocalProtocolError):
            bytes(bad)
    with pytest.raises(LocalProtocolError):
        build(())


def test_only_a_multipart_type_has_parts() -> None:
    assert is_multipart(TYPE)
    assert not is_multipart(PLAIN)
    assert not is_multipart(None)


def test_the_multipart_of_the_torture_messages_has_its_two_parts(corpora: Path) -> None:
    message = parse((corpora / "rfc4475" / "mpart01.dat").read_bytes())
    assert message.content_type is not None
    text, binary = read(message.content_type, message.body).parts
    assert text.body == b"Hello"
    assert binary.get("content-transfer-encoding") == "binary"
    assert b"\0" in binary.body


headers = st.lists(
    st.tuples(
        st.sampled_from(["X-A", "Content-ID", "Subject"]), st.from_regex(r"([!-~é]( [!-~])?){0,9}", fullmatch=True)
    ),
    max_size=3,
).map(tuple)
leaves = st.builds(Part, headers, st.binary(max_size=40), st.none())


def holding(inner: Multipart) -> Part:
    return Part((("Content-Type", str(inner.content_type)),), bytes(inner), inner)


parts = st.recursive(
    leaves,
    lambda below: st.lists(below, min_size=1, max_size=3).map(lambda some: holding(build(tuple(some), "alternative"))),
    max_leaves=6,
)


@given(st.lists(parts, min_size=1, max_size=4).map(tuple), st.binary(max_size=9), st.binary(max_size=9))
def test_print_then_parse_is_the_identity(given: tuple[Part, ...], preamble: bytes, epilogue: bytes) -> None:
    body = dataclasses.replace(build(given), preamble=preamble, epilogue=epilogue)
    again = read(body.content_type, bytes(body))
    assert again == body
    assert bytes(again) == bytes(body)
    assert bytes(dataclasses.replace(again)) == bytes(body)


pieces = st.sampled_from([b"\r\n", b"--b1", b"--b1--", b"--", b" ", b"X: y\r\n", b"\r", b"\n", b"\0", b"\xff"])
mixed = b"Content-Type: multipart/mixed;boundary=b1\r\n\r\n"


@given(st.lists(pieces | st.just(mixed) | st.binary(max_size=3), max_size=30).map(b"".join))
def test_any_bytes_give_a_body_or_a_remote_protocol_error(data: bytes) -> None:
    try:
        body = read(TYPE, data)
    except RemoteProtocolError as error:
        assert error.status in (400, 415)  # noqa: PT017 - it may as well be taken
        return
    assert bytes(body) == data
    assert body.parts
