"""Which bodies of a message count, and when it is refused for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import MediaType, RemoteProtocolError, Request
from actors.sip.bodies import Body, Disposition, check_coding, find, parse_disposition, unpack
from actors.sip.multipart import Multipart, Part, build

SDP = Part((("Content-Type", "application/sdp"),), b"v=0\r\n")
TEXT = Part((("Content-Language", "en"), ("Content-ID", "<1@a>")), b"hello")
ODD = Part((("Content-Type", "application/odd"),), b"?")
OPTIONAL = Part((*ODD.headers, ("Content-Disposition", "render; handling=optional")), b"?")
CODED = Part((*SDP.headers, ("Content-Encoding", "gzip")), b"?")
UNDERSTOOD = {"application/sdp", "text/plain"}


def request(body: Multipart | bytes, *headers: tuple[str, str]) -> Request:
    if isinstance(body, Multipart):
        headers = (*headers, ("Content-Type", str(body.content_type)))
    return Request.build("MESSAGE", "sip:a@b", headers, bytes(body))


def inner(body: Multipart, *headers: tuple[str, str]) -> Part:
    return Part((("Content-Type", str(body.content_type)), *headers), bytes(body), body)


def types(message: Request) -> list[str]:
    return [body.content_type.name for body in unpack(message, UNDERSTOOD)]


def status(message: Request) -> int | None:
    with pytest.raises(RemoteProtocolError) as raised:
        unpack(message, UNDERSTOOD)
    return raised.value.status


def test_a_single_body_is_found_with_the_disposition_of_its_type() -> None:
    message = request(b"v=0\r\n", ("c", "application/SDP"), ("Content-Language", "fr"))
    assert unpack(message, UNDERSTOOD) == (
        Body(MediaType("application/sdp", {}), Disposition("session", {}), b"v=0\r\n", "", "fr"),
    )
    assert find(message) == b"v=0\r\n"
    assert unpack(request(b""), UNDERSTOOD) == ()
    assert find(request(b"")) is None


def test_all_parts_of_a_mixed_body_count() -> None:
    message = request(build((TEXT, SDP)))
    text, sdp = unpack(message, UNDERSTOOD)
    assert (text.content_id, text.language, text.disposition.kind) == ("1@a", "en", "render")
    assert sdp.disposition.kind == "session"
    assert find(message) == b"v=0\r\n"
    assert find(message, "text/plain", "render") == b"hello"
    assert find(message, kind="early-session") is None


def test_the_last_alternative_that_is_understood_counts() -> None:
    assert types(request(build((TEXT, SDP, ODD), "alternative"))) == ["application/sdp"]
    assert types(request(build((TEXT, SDP, CODED), "alternative"))) == ["application/sdp"]
    assert types(request(build((TEXT, inner(build((SDP, TEXT)))), "alternative"))) == ["application/sdp", "text/plain"]
    assert status(request(build((ODD, ODD), "alternative"))) == 415


def test_what_is_not_understood_is_refused_unless_it_is_optional() -> None:
    assert status(request(build((SDP, ODD)))) == 415
    assert types(request(build((SDP, OPTIONAL)))) == ["application/sdp"]
    assert types(request(build((OPTIONAL,), "alternative"))) == []
    assert types(request(build((SDP, inner(build((ODD,)), ("Content-Disposition", "x;handling=optional")))))) == [
        "application/sdp"
    ]
    assert status(request(b"?", ("Content-Type", "application/odd"))) == 415
    assert types(request(b"?", ("Content-Type", "a/b"), ("Content-Disposition", 'a;handling="OPTIONAL"'))) == []


def test_a_coded_body_is_refused() -> None:
    for name in ("Content-Encoding", "e"):
        assert status(request(b"x", ("Content-Type", "text/plain"), (name, "gzip"))) == 415
    assert status(request(build((CODED,)))) == 415
    check_coding(None)
    check_coding("identity, ")
    with pytest.raises(RemoteProtocolError):
        check_coding("identity, deflate")


def test_a_body_that_says_nothing_of_itself_or_is_malformed_is_refused() -> None:
    assert status(request(b"x")) == 400
    assert status(request(b"x", ("Content-Type", "multipart/mixed"))) == 400
    assert status(request(b"x", ("Content-Type", "text/plain"), ("Content-Disposition", ";x"))) == 400
    bad = Part((("Content-Disposition", "a b"),), b"")
    assert status(request(build((bad,)))) == 400


tokens = st.from_regex(r"[a-z.\-]{1,9}", fullmatch=True)


@given(st.builds(Disposition, tokens, st.dictionaries(tokens, st.none() | tokens, max_size=3)))
def test_print_then_parse_is_the_identity_for_dispositions(disposition: Disposition) -> None:
    assert parse_disposition(str(disposition), MediaType("text/plain", {})) == disposition


shapes = st.recursive(
    st.sampled_from([SDP, TEXT, ODD, OPTIONAL, CODED]),
    lambda below: st.builds(
        lambda parts, subtype: inner(build(tuple(parts), subtype)),
        st.lists(below, min_size=1, max_size=3),
        st.sampled_from(["mixed", "alternative", "related"]),
    ),
    max_leaves=8,
)


@given(st.lists(shapes, min_size=1, max_size=3), st.sampled_from(["mixed", "alternative"]))
def test_any_parts_are_understood_or_refused_with_415(parts: list[Part], subtype: str) -> None:
    message = request(build(tuple(parts), subtype))
    try:
        bodies = unpack(message, UNDERSTOOD)
    except RemoteProtocolError as error:
        assert error.status == 415  # noqa: PT017 - it may as well be understood
        return
    assert {body.content_type.name for body in bodies} <= UNDERSTOOD
