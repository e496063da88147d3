"""What holds of every message, well-formed or not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import CSeq, NameAddr, RemoteProtocolError, Request, Response, Uri, Via, parse
from actors.sip import uri as module
from actors.sip.build import build_ack_failure, build_cancel, build_refusal
from actors.sip.scan import Scan, scan

PLAIN = (
    b"INVITE sip:bob@b.example;x=1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1-0;rport\r\n"
    b'From: "A \\" B" <sip:a@a.example>;tag=1f\r\nTo: <sip:bob@b.example>\r\nCall-ID: 1-7@192.0.2.1\r\n'
    b"CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1:5061;transport=udp>, sip:b@h;q=0.5\r\nMax-Forwards: 70\r\n"
    b'Route: <sip:p.example;lr>\r\nSupported: timer, 100rel\r\nReason: Q.850;cause=16;text="x"\r\n'
    b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nRetry-After: 5 (busy);duration=9\r\nContent-Length: 4\r\n\r\nbody"
)
FOLDED = (
    b"SIP/2.0 200 \xc3\xa9\r\nv  : SIP / 2.0 / TCP\r\n  [2001:db8::1]:5060 ; branch = z9hG4bKq ; X, SIP/2.0/UDP h\r\n"
    b"t: sip:bob@b.example ;tag=2\r\nf : <sip:a@a.example>\r\n ;tag=1\r\nx-k: \xff\xfe\r\ni: c@d\r\n"
    b"CSEQ:0009\r\n INVITE\r\n"
    b"m: *\r\nl: 0\r\n\r\n"
)
PIECES = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b";",
    b",",
    b'"',
    b"\\",
    b"<",
    b">",
    b":",
    b"=",
    b"%",
    b"%4",
    b"\xff",
]
PIECES += [
    b"\r\n ",
    b";tag=",
    b";branch=",
    b"Via: ",
    b"l: 1\r\n",
    b"sip:",
    b"@",
    b"[::1]",
    b"SIP/2.0",
    b"9" * 30,
    b"ACK",
]
edits = st.lists(
    st.tuples(st.integers(0, 700), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=4)), max_size=6
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A message with some of its bytes replaced."""
    data = draw(st.sampled_from([PLAIN, FOLDED, PLAIN.replace(b"INVITE", b"ACK")]))
    for place, length, piece in draw(edits):
        place %= len(data) + 1  # noqa: PLW2901 - what was drawn is wider than the message
        data = data[:place] + piece + data[place + length :]
    return data


# Other ways to say the same, or more: what is changed so nearly always stays well-formed.
VARIANTS = [
    (b": ", b" :\r\n\t"),
    (b": ", b":"),
    (b";", b" ; "),
    (b"=", b" = "),
    (b"Via", b"v"),
    (b"v  :", b"VIA:"),
    (b"From", b"f"),
    (b"\r\nTo", b"\r\nt "),
    (b"\r\nVia", b"\r\nX: \xff, Via: SIP/2.0/UDP x\r\n \xc3\xa9\r\n Via: y\r\nVia"),
    (b"rport", b'x=",\xc3\xa9"'),
    (b"rport", b"rport, SIP/2.0/TCP z;branch=z9hG4bKz"),
    (b"rport", b"RPORT;received=[::1]"),
    (b"branch", b"BRANCH"),
    (b"UDP 192.0.2.1:5061", b"tls\t[2001:db8::1]"),
    (b">;tag=1", b'>; x="\\\0;";Tag=1'),
    (b"<sip:a@a.example>", b"sip:a@a.example"),
    (b"<sip:bob@b.example>", b"Bob B <tel:+1>"),
    (b"Max", b"Content-Type: text/plain\r\nAllow: A, B\r\nMax"),
    (b"INVITE", b"BYE"),
    (b"body", b"bod\0 and more"),
]


@st.composite
def variants(draw: st.DrawFn) -> bytes:
    """A message that says the same in other ways."""
    data = draw(st.sampled_from([PLAIN, FOLDED]))
    for old, new in draw(st.lists(st.sampled_from(VARIANTS), max_size=5)):
        data = data.replace(old, new) if draw(st.booleans()) else data.replace(old, new, 1)
    return data


messages = variants() | mutants()
anything = messages | st.binary(max_size=300)


def outcome(reader: Any, data: bytes) -> Any:
    """What `reader` gives, or the status and reason for which it does not."""
    try:
        return reader(data)
    except RemoteProtocolError as error:
        return error.status, error.reason


@given(anything)
def test_any_bytes_give_a_message_or_a_remote_protocol_error_and_nothing_else(data: bytes) -> None:
    try:
        message = parse(data)
    except RemoteProtocolError:
        return
    assert bytes(message) == data
    for name in dir(type(message)):
        if isinstance(getattr(type(message), name), property):
            outcome(lambda _, name=name: getattr(message, name), data)
    outcome(lambda _: message.validate(), data)
    for name in ("Via", "Contact", "x-k", "Reason", "nothing"):
        outcome(message.get_all, name)  # type: ignore[arg-type]
        assert str(message.get(name)).encode("utf-8") is not None


@given(anything)
def test_scanning_agrees_with_parsing(data: bytes) -> None:
    assert outcome(lambda data: scan(data).head, data) == outcome(lambda data: parse(data).head, data)


@given(messages)
def test_the_offsets_of_a_scan_cut_out_the_top_via_and_the_body(data: bytes) -> None:
    found = outcome(scan, data)
    if not isinstance(found, Scan):
        return
    message = parse(data)
    value = data[found.via_start : found.via_end]
    assert value == value.strip()
    unfolded = b" ".join(line.strip(b" \t") for line in value.split(b"\r\n")).decode("utf-8", "surrogateescape")
    top = outcome(lambda _: message.via, data)
    if isinstance(top, Via):
        assert Via.parse(unfolded) == top
    end = len(data) if found.content_length is None else found.body_start + found.content_length
    assert data[found.body_start : end] == message.body


@given(messages)
def test_the_head_is_what_the_typed_headers_say(data: bytes) -> None:
    try:
        message = parse(data)
        message.validate()
    except RemoteProtocolError:
        return
    head = message.head
    assert message.via is not None
    assert (head.branch, head.sent_by) == (message.via.branch, str(message.via.sent_by).lower())
    assert (head.call_id, head.from_tag, head.to_tag) == (message.call_id, message.from_.tag, message.to.tag)
    assert (head.method, head.cseq) == (message.cseq.method, message.cseq.number)


@given(messages, st.sampled_from([b"Via", b"From", b"To", b"CSeq", b"Call-ID"]))
def test_folding_a_line_changes_nothing_of_what_it_says(data: bytes, name: bytes) -> None:
    mark = b"\r\n" + name + b": "
    head, _, _ = data.partition(b"\r\n\r\n")
    if data.count(mark) != 1 or mark not in head:
        return
    folded = data.replace(mark, b"\r\n" + name + b":\r\n\t", 1)
    assert outcome(lambda data: parse(data).head, folded) == outcome(lambda data: parse(data).head, data)


@given(messages)
def test_a_changed_message_reads_back_the_same(data: bytes) -> None:
    try:
        message = parse(data)
    except RemoteProtocolError:
        return
    message.append("X-Mark", "1")
    again = parse(bytes(message))
    assert (again.head, again.body, again.get("X-Mark")) == (message.head, message.body, "1")


@given(messages)
def test_every_request_that_is_taken_can_be_answered(data: bytes) -> None:
    try:
        message = parse(data)
    except RemoteProtocolError:
        return
    if isinstance(message, Response):
        return
    response = message.response(200, to_tag="mine")
    assert parse(bytes(response)).head == response.head
    assert response.head[2:7] == message.head[2:7]
    assert response.head.to_tag == (message.head.to_tag or "mine")


@given(anything)
def test_a_refusal_is_a_response_that_adds_no_line(data: bytes) -> None:
    refusal = build_refusal(data, 400, to_tag="mine")
    if refusal is None:
        return
    lines = refusal.split(b"\r\n")
    assert lines[0] == b"SIP/2.0 400 Bad Request"
    assert lines[-3:] == [b"Content-Length: 0", b"", b""]
    assert b"\0" not in refusal
    assert refusal.count(b"\r") == refusal.count(b"\n") == len(lines) - 1


@given(messages)
def test_what_follows_an_invite_that_is_taken_is_taken_itself(data: bytes) -> None:
    try:
        message = parse(data)
    except RemoteProtocolError:
        return
    if not isinstance(message, Request) or message.method != "INVITE":
        return
    cancel = parse(build_cancel(data))
    assert cancel.head == message.head._replace(method="CANCEL")
    ack = parse(build_ack_failure(data, bytes(message.response(486, to_tag="mine"))))
    assert ack.head == message.head._replace(method="ACK", to_tag=message.head.to_tag or "mine")


# Print then parse is the identity.

words = st.text(st.characters(codec="utf-8"), max_size=12)
hosts = st.sampled_from(["example.com", "192.0.2.1", "2001:db8::1", "a-b.c", "localhost"])
tokens = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,8}", fullmatch=True)
ports = st.none() | st.integers(1, 65535)
uri_params = st.dictionaries(words.filter(bool).map(str.lower), st.none() | words.filter(bool), max_size=3)
uris = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    st.none() | words.filter(bool),
    st.none(),
    hosts,
    ports,
    uri_params.filter(lambda params: all(name == name.lower() for name in params)),
    st.lists(st.tuples(words.filter(bool), words), max_size=2).map(tuple),
)
header_params = st.dictionaries(tokens.map(str.lower), st.none() | tokens, max_size=3)


@given(uris, words)
def test_a_uri_prints_and_parses_back(uri: Uri, password: str) -> None:
    if uri.user is not None:
        uri = dataclasses.replace(uri, password=password)
    text = str(uri)
    again = module.parse(text)
    assert again == uri
    assert str(again) == text
    assert again.equivalent(uri)


@given(tokens.map(str.upper), hosts, ports, header_params.filter(lambda params: params.get("branch", "x")))
def test_a_via_prints_and_parses_back(
    transport: str, host: str, port: int | None, params: dict[str, str | None]
) -> None:
    via = Via(transport, host, port, params)
    assert Via.parse(str(via)) == via


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cc"]), max_size=12),
    uris,
    header_params.filter(lambda params: params.get("tag", "x")),
)
def test_an_address_prints_and_parses_back(display_name: str, uri: Uri, params: dict[str, str | None]) -> None:
    address = NameAddr(display_name.strip(" \t"), uri, params)
    again = NameAddr.parse(str(address))
    assert again == address


@given(st.integers(0, 2**31 - 1), tokens)
def test_a_cseq_prints_and_parses_back(number: int, method: str) -> None:
    cseq = CSeq(number, method)
    assert CSeq.parse(str(cseq)) == cseq


def test_the_messages_that_are_mutated_are_well_formed() -> None:
    for data in (PLAIN, FOLDED):
        parse(data).validate()
    with pytest.raises(RemoteProtocolError):
        parse(PLAIN.replace(b"INVITE sip", b"ACK sip"))
