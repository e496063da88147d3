"""The short cut through a head of the usual shape says what the full reading says, or nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import RemoteProtocolError, Request, Response, parse
from actors.sip.message import parse_fully
from actors.sip.scan import scan, scan_fully
from actors.sip.usual import Look, read_usual

INVITE = (
    b"INVITE sip:bob@b.example;x=1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1-0;rport\r\n"
    b"Via: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK2\r\nMax-Forwards: 70\r\n"
    b'From: "A B" <sip:a@a.example>;tag=1f\r\nTo: <sip:bob@b.example>\r\nCall-ID: 1-7@192.0.2.1\r\n'
    b"CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1:5061;transport=udp>, sip:b@h;q=0.5\r\nX-Own: a,b\r\n"
    b"Subject: caf\xc3\xa9 \xff\r\nRecord-Route: <sip:p.example;lr>\r\nRecord-Route: <sip:q.example;lr>\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)
RESPONSE = (
    b"SIP/2.0 200 Okay\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa;rport=5;received=192.0.2.1\r\n"
    b"From: Ab  <tel:+1>;tag=1\r\nTo: <sip:bob@h>;tag=2\r\nCall-ID: c\r\nCSeq: 2147483647 BYE\r\n"
    b"Contact: \r\nContact: <sip:a>  \r\nUser-Agent: u\r\n\r\n"
)
SIPP = (  # as its built-in caller writes it, for one with a body that is read in full otherwise
    b"INVITE sip:service@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-27396-1-0\r\n"
    b"From: sipp <sip:sipp@127.0.0.1:5061>;tag=27396SIPpTag001\r\nTo: service <sip:service@127.0.0.1:5060>\r\n"
    b"Call-ID: 1-27396@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: sip:sipp@127.0.0.1:5061\r\nMax-Forwards: 70\r\n"
    b"Subject: Performance Test\r\nContent-Type: application/sdp\r\nContent-Length:   129\r\n\r\n" + b"v" * 129
)
PIECES = [b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b";", b",", b'"', b"\\", b"<", b">", b":", b"=", b"\xff", b"\r\n "]
PIECES += [
    b"\r\nVia: ",
    b"\r\nv: ",
    b"\r\nFrom: ",
    b"\r\nf:",
    b"\r\nto:",
    b"\r\nCSeq: 1 INVITE",
    b"\r\nX: y",
    b";tag=",
    b"9",
]
PIECES += [
    b"\r\nUser-Agent: x",
    b"\r\nuser-agent: x",
    b"\r\nContent-Length: 0",
    b"\r\nl: 0",
    b";branch=z9hG4bK",
    b"tel:",
    b"99999",
]
PIECES += [
    b"\r\nContact: <sip:c>",
    b"\r\nSubject:",
    b"\r\ns:x",
    b" \r\n",
    b"SIP/2.0",
    b"\r\n\r\n",
    b"\r\nMax-Forwards : 1",
    b"@",
]


def outcome(read: object, data: bytes) -> object:
    """What a reading gives, in a form that can be compared."""
    try:
        value = read(data)  # type: ignore[operator]
    except RemoteProtocolError as error:
        return error.status, error.reason
    if not isinstance(value, Request | Response):
        return value
    names = (
        "via",
        "vias",
        "from_",
        "to",
        "call_id",
        "cseq",
        "contact",
        "contacts",
        "max_forwards",
        "record_route",
        "user_agent",
    )
    seen: list[object] = [type(value), value.start_line, value.head, value.body, bytes(value)]
    for name in names:
        try:
            seen.append(getattr(value, name))
        except RemoteProtocolError as error:
            seen.append((error.status, error.reason))
    seen.append([value.get(name) for name in ("Via", "Subject", "x-own", "X-None", "Contact", "Content-Length", "f")])
    try:
        seen.append([value.get_all(name) for name in ("Via", "Subject", "x-own", "X-None", "Allow", "Call-ID")])
    except RemoteProtocolError as error:
        seen.append((error.status, error.reason))
    value.set("X-More", "1")
    return [*seen, bytes(value)]


def check(data: bytes) -> None:
    assert outcome(scan, data) == outcome(scan_fully, data)
    assert outcome(parse, data) == outcome(parse_fully, data)


@pytest.mark.parametrize("data", [INVITE, RESPONSE, SIPP])
def test_messages_of_the_usual_shape_are_read_in_one_go_to_the_same_end(data: bytes) -> None:
    assert read_usual(data) is not None
    check(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nMax-Forwards: 70"),
        (b"Max-Forwards: 70", b"max-forwards: 70\r\nMax-Forwards: 70"),
        (b"Max-Forwards: 70", b"i: other"),
        (b"Max-Forwards: 70", b"F: <sip:x>"),
        (b"Max-Forwards: 70", b"Max-Forwards:\r\n 70"),
        (b"Max-Forwards: 70", b"X: a\0b"),
        (b"Max-Forwards: 70", b"X: a\rb"),
        (b"Max-Forwards: 70", b"Via: a, b"),
        (b"Max-Forwards: 70", b"X: y" + b"\r\nX: y" * 60),
        (b"Max-Forwards: 70", b"X: " + b"y" * 8200),
        (b"1 INVITE", b"1 BYE"),
        (b"1 INVITE", b"2147483648 INVITE"),
        (b"branch=z9hG4bK-1-0", b"branch=z9hG4bK"),
        (b"branch=z9hG4bK-1-0", b"branch=z9hG4bK1;branch=z9hG4bK1"),
        (b"Content-Length: 4", b"Content-Length: 5"),
        (b"To: <sip:bob@b.example>\r\n", b""),
        (b"tag=1f", b"tag=1f;tag=2"),
        (b"INVITE sip", b"\r\nINVITE sip"),
        (b"body", b"b" * 70_000),
    ],
)
def test_what_is_not_of_the_shape_or_wrong_is_left_to_the_full_reading(old: bytes, new: bytes) -> None:
    data = INVITE.replace(old, new, 1)
    assert read_usual(data) is None
    check(data)


@given(
    st.sampled_from([INVITE, RESPONSE]),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 9), st.sampled_from(PIECES)), max_size=3),
)
def test_mutated_messages_read_the_same_both_ways(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for place, gone, piece in edits:
        begin = place % len(data)
        data = data[:begin] + piece + data[begin + gone :]
    check(data)


@given(st.sampled_from([INVITE, RESPONSE]), st.lists(st.integers(0, 20), max_size=4), st.randoms(use_true_random=False))
def test_lines_in_any_order_and_number_read_the_same_both_ways(data: bytes, doubled: list[int], random: object) -> None:
    start, *lines = re.split(rb"\r\n", data.partition(b"\r\n\r\n")[0])
    lines += [lines[place % len(lines)] for place in doubled]
    random.shuffle(lines)  # type: ignore[attr-defined]
    check(b"\r\n".join([start, *lines]) + b"\r\n\r\nbody")


PLAIN = (
    b"INVITE sip:bob@192.0.2.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1;rport=5061\r\n"
    b"From: sipp <sip:a@192.0.2.1:5061>;tag=1\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
    b"Contact: sip:a@192.0.2.1:5061\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK\r\nSupported: timer,100rel\r\n"
    b"Route: <sip:p.example;lr>\r\nSubject: x\r\nContent-Type: application/sdp\r\nContent-Length: 0\r\n\r\n"
)


def test_a_head_that_plainly_has_nothing_wrong_is_not_parsed_to_be_validated() -> None:
    for data in (PLAIN, SIPP):
        message = parse(data)
        message.validate()
        assert not message._typed
        assert message.look is Look.PLAIN
        message.remove("Subject")
        assert message.look is Look.CLOSER  # it is of our own making now
    assert parse(PLAIN.replace(b"Subject: x", b"User-Agent: x")).look is Look.BARE
    wrong = parse(PLAIN.replace(b"Max-Forwards: 70", b"Max-Forwards: 999"))
    with pytest.raises(RemoteProtocolError):
        wrong.validate()


WRONG = [(b";tag=1\r", b";tag=\r"), (b";tag=1\r", b";tag\r"), (b": 70", b": 256"), (b": 70", b": "), (b": 70", b": 7x")]
WRONG += [
    (b"branch=z9hG4bK-1", b"branch="),
    (b"<sip:bob@192.0.2.2>", b"<sip:bob@192.0.2.2:0>"),
    (b":5061;", b":65536;"),
]
WRONG += [
    (b"Allow: INVITE, ACK", b"Allow: INVITE; ACK"),
    (b"application/sdp", b"sdp"),
    (b"timer,100rel", b"timer 100rel"),
]
WRONG += [(b"Contact: sip:", b"Contact: sip"), (b"SIP/2.0/UDP", b"SIP/2.0/")]


@pytest.mark.parametrize(("right", "wrong"), WRONG)
def test_a_head_with_a_mistake_is_never_plainly_good(right: bytes, wrong: bytes) -> None:
    data = PLAIN.replace(right, wrong, 1)
    assert data != PLAIN
    with pytest.raises(RemoteProtocolError):
        parse(data).validate()


@given(st.integers(0, len(PLAIN)), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=4))
def test_what_is_plainly_good_is_good_by_the_full_validation(place: int, cut: int, piece: bytes) -> None:
    data = PLAIN[:place] + piece + PLAIN[place + cut :]
    try:
        short, full = parse(data), parse_fully(data)
        short.validate()
    except RemoteProtocolError:
        return
    full.validate()
