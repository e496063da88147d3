"""Fragments of messages (RFC 3420)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import CSeq, LocalProtocolError, RemoteProtocolError
from actors.sip.sipfrag import Fragment, parse

# The examples of RFC 3420 s3.1.
EXAMPLES = [
    b"INVITE sip:alice@atlanta.com SIP/2.0",
    b"SIP/2.0 603 Declined\r\n",
    (
        b"REGISTER sip:atlanta.com SIP/2.0\r\nTo: sip:alice@atlanta.com\r\n"
        b"Contact: <sip:alicepc@atlanta.com>;q=0.9,\r\n         <sip:alicemobile@atlanta.com>;q=0.1"
    ),
    b"SIP/2.0 400 Bad Request\r\nWarning: 399 atlanta.com Your Event header field was malformed\r\n",
    (
        b"From: Alice <sip:alice@atlanta.com>\r\nTo: Bob <sip:bob@biloxi.com>\r\nCall-ID: a84b4c76e66710\r\n"
        b"Cseq: 314159 INVITE\r\n"
    ),
    b"SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    b"Content-Type: text/plain\r\nContent-Length: 11\r\n\r\nHi There!\r\n",
]


@pytest.mark.parametrize("data", EXAMPLES)
def test_the_examples_are_read_and_print_as_they_came(data: bytes) -> None:
    fragment = parse(data)
    assert bytes(fragment) == data
    assert parse(bytes(dataclasses.replace(fragment))) == fragment


def test_a_start_line_says_what_it_is() -> None:
    response = parse(EXAMPLES[1])
    assert (response.status, response.reason, response.method, response.uri) == (603, "Declined", "", "")
    request = parse(EXAMPLES[0])
    assert (request.status, request.method, request.uri) == (None, "INVITE", "sip:alice@atlanta.com")
    headers = parse(EXAMPLES[4])
    assert (headers.start_line, headers.status, headers.method, headers.reason) == ("", None, "", "")


def test_headers_are_found_by_name_and_read_when_asked_for() -> None:
    fragment = parse(EXAMPLES[4])
    assert fragment.get("i") == "a84b4c76e66710"
    assert fragment.typed("cseq") == CSeq(314159, "INVITE")
    assert (fragment.get("Via"), fragment.typed("Via")) == (None, None)
    assert parse(EXAMPLES[5]).body == b"v=0\r\n"


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\nbody", b"no header", b"SIP/2.0 200 OK\r\n\r\nbody", b"SIP/2.0 99 x"]
)
def test_what_is_no_part_of_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(data)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "fragment",
    [
        Fragment("SIP/2.0 200 OK\r\nX: y"),
        Fragment("hello"),
        Fragment("SIP/2.0 200 OK", (), b"body"),
        Fragment("", (("a b", "c"),)),
    ],
)
def test_what_could_not_be_read_back_is_not_printed(fragment: Fragment) -> None:
    with pytest.raises(LocalProtocolError):
        bytes(fragment)


names = st.sampled_from(["To", "Contact", "X-y", "c"])
values = st.from_regex(r"([!-~é]( [!-~])?){0,9}", fullmatch=True)


@given(
    st.sampled_from(["", "SIP/2.0 180 Ringing", "BYE sip:a@b SIP/2.0"]),
    st.lists(st.tuples(names, values), min_size=1).map(tuple),
    st.binary(max_size=20),
)
def test_print_then_parse_is_the_identity(start: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    fragment = Fragment(start, headers, body)
    assert parse(bytes(fragment)) == fragment


@given(st.sampled_from(EXAMPLES), st.integers(0, 60), st.binary(max_size=4))
def test_any_bytes_give_a_fragment_or_a_remote_protocol_error(data: bytes, place: int, piece: bytes) -> None:
    data = data[:place] + piece + data[place + 2 :]
    try:
        fragment = parse(data)
    except RemoteProtocolError as error:
        assert error.status == 400  # noqa: PT017 - it may as well be taken
        return
    assert bytes(fragment) == data
    _ = (fragment.status, fragment.reason, fragment.method, fragment.uri)
