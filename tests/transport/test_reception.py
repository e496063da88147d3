"""What becomes of a message that arrived: up, refused without state, or dropped (FAULTS 11 to 19)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sip
from actors.runtime.slots import Slots
from actors.sip.vocabulary import Flow
from actors.transport.admission import Admission
from actors.transport.reach import Reach, parse_rules
from actors.transport.reception import Reception
from actors.transport.route import Bound, Listeners
from actors.transport.sips import Sips

FLOW = Flow("udp:0", "udp", "127.0.0.1", 5060, "192.0.2.4", 4711)
SHARDS = 4


def _shard_of(call_id: str) -> str:
    return f"transaction-{Slots(SHARDS).shard(call_id)}"


def _reception(*, busy: bool = False, rate: float = 1e6) -> Reception:
    listeners = Listeners([Bound("udp:0", "udp", "127.0.0.1", 5060)], lambda host: host, lambda _: False)
    return Reception(Admission(rate, secret=b"k"), listeners, _shard_of, lambda _: busy)


def _request(method: str = "INVITE", **replaced: str) -> bytes:
    values = {
        "via": "SIP/2.0/UDP peer.example;branch=z9hG4bKx;rport",
        "from": "<sip:a@b>;tag=f",
        "to": "<sip:c@d>",
        "call_id": "call-1",
        "cseq": f"1 {method}",
        "more": "",
        "body": "",
    } | replaced
    return (
        f"{method} sip:c@d SIP/2.0\r\nVia: {values['via']}\r\nFrom: {values['from']}\r\nTo: {values['to']}\r\n"
        f"Call-ID: {values['call_id']}\r\nCSeq: {values['cseq']}\r\n{values['more']}\r\n{values['body']}"
    ).encode("latin-1")


def _response(via: str = "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx", more: str = "") -> bytes:
    return b"SIP/2.0 200 OK" + _request(via=via, more=more).partition(b" SIP/2.0")[2]


def test_a_request_goes_stamped_to_the_shard_of_its_call_id() -> None:
    for number in range(20):
        call_id = f"call-{number}"
        up = _reception().take(_request(call_id=call_id), FLOW, 0.0)
        assert isinstance(up, tuple)
        peer, received = up
        assert peer == _shard_of(call_id)
        assert received.flow is FLOW
        assert received.head.call_id == call_id
        assert b";branch=z9hG4bKx;rport=4711;received=192.0.2.4\r\n" in received.raw


def test_a_response_to_us_goes_up_untouched() -> None:
    up = _reception().take(_response(), FLOW, 0.0)
    assert isinstance(up, tuple)
    assert up[1].raw == _response()


@pytest.mark.parametrize(
    "raw",
    [
        _response(via="SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKx"),
        _response(via="SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bKx"),
        _response(via="SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx, SIP/2.0/UDP b"),
        _response(more="v: SIP/2.0/UDP b\r\n"),
        _response().replace(b"CSeq: 1", b"CSeq: x"),
        _request("ACK", cseq="x ACK"),
        _request("ACK", more="To: <sip:e@f>\r\n"),
        b"nonsense",
        b"\0\1\2",
        b"",
    ],
)
def test_what_cannot_or_may_not_be_answered_is_dropped(raw: bytes) -> None:
    reception = _reception()
    assert reception.take(raw, FLOW, 0.0) is None
    assert sum(reception.dropped.values()) == 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (_request(more="To: <sip:e@f>\r\n"), 400),
        (_request(cseq="1" * 1000 + " INVITE"), 400),
        (_request(cseq="1 BYE"), 400),
        (_request(more="Content-Length: 5\r\n", body="1234"), 400),
        (_request(more="Content-Length: -1\r\n"), 400),
        (_request(more="X: a\rb\r\n"), 400),
        (_request(more=f"X: {'x' * 70_000}\r\n"), 513),
        (_request(more="X: x\r\n" * 10_000), 400),
        (_request().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505),
    ],
)
def test_a_malformed_request_is_answered_without_state(raw: bytes, status: int) -> None:
    answer = _reception().take(raw, FLOW, 0.0)
    assert isinstance(answer, bytes)
    assert answer.startswith(b"SIP/2.0 %d " % status)
    assert b"\r\nVia: SIP/2.0/UDP peer.example;branch=z9hG4bKx;rport=4711;received=192.0.2.4\r\n" in answer
    assert b";tag=refused-" in answer


def test_what_is_behind_the_body_of_a_datagram_is_cut_off() -> None:
    up = _reception().take(_request(more="Content-Length: 2\r\n", body="okSMUGGLED"), FLOW, 0.0)
    assert isinstance(up, tuple)
    assert up[1].raw.endswith(b"\r\n\r\nok")


def test_a_busy_shard_refuses_new_calls_with_503_and_drops_their_ack() -> None:
    reception = _reception(busy=True)
    answer = reception.take(_request(), FLOW, 0.0)
    assert isinstance(answer, bytes)
    response = sip.parse(answer)
    assert isinstance(response, sip.Response)
    assert (response.status, response.retry_after and response.retry_after.seconds) == (503, 5)
    ack = _request("ACK", to=response.get("to") or "")
    assert reception.take(ack, FLOW, 0.0) is None
    assert isinstance(reception.take(_request("ACK", to="<sip:c@d>;tag=other"), FLOW, 0.0), tuple)


@pytest.mark.parametrize(
    "raw",
    [
        _request("ACK", to="<sip:c@d>;tag=t"),
        _request("CANCEL"),
        _request("BYE", to="<sip:c@d>;tag=t"),
        _request("INVITE", to="<sip:c@d>;tag=t"),
        _response(),
    ],
)
def test_what_belongs_to_a_call_is_never_refused(raw: bytes) -> None:
    assert isinstance(_reception(busy=True).take(raw, FLOW, 0.0), tuple)


@given(st.one_of(st.binary(max_size=300), st.integers(0, 400).map(lambda cut: _request()[:cut])))
def test_any_bytes_go_up_are_answered_or_dropped(raw: bytes) -> None:
    outcome = _reception().take(raw, FLOW, 0.0)
    if isinstance(outcome, bytes):
        assert outcome.startswith(b"SIP/2.0 ")
        assert outcome.endswith(b"Content-Length: 0\r\n\r\n")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_mutated_request_is_never_answered_on_lines_of_its_own_making(at: int, junk: bytes) -> None:
    raw = _request()
    outcome = _reception().take(raw[:at] + junk + raw[at + 1 :], FLOW, 0.0)
    if isinstance(outcome, bytes):
        head = outcome.partition(b"\r\n\r\n")[0]
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert outcome.endswith(b"Content-Length: 0\r\n\r\n")


def test_each_refusal_is_counted_by_its_reason_and_some_are_silent() -> None:
    listeners = Listeners([Bound("udp:0", "udp", "127.0.0.1", 5060)], lambda host: host, lambda _: False)
    admission = Admission(1.0, secret=b"k", allow=["192.0.2.0/24"], deny=["203.0.113.0/24"], scanners=["sipvicious"])
    reception = Reception(admission, listeners, _shard_of, lambda _: False)
    scan = _request(call_id="scan", more="User-Agent: sipvicious\r\n")
    assert reception.take(scan, FLOW, 0.0) is None
    assert reception.take(_request(), FLOW._replace(host="198.51.100.1"), 0.0) is None
    assert isinstance(reception.take(_request(call_id="1"), FLOW, 0.0), tuple)
    assert isinstance(reception.take(_request(call_id="2"), FLOW, 0.0), bytes)
    assert reception.ignores("203.0.113.9")
    assert not reception.ignores(FLOW.host)
    assert reception.dropped == {
        "dropped: from a scanner": 1,
        "dropped: from a network that is not allowed": 1,
        "refused: too many from one source": 1,
        "dropped: from a denied network": 1,
    }


def test_a_response_that_shows_another_address_of_ours_is_learnt_from_once() -> None:
    reach = Reach(parse_rules({"192.0.2.0/24": "learnt"}))
    bound = [Bound("udp:0", "udp", "192.0.2.1", 5060)]
    listeners = Listeners(bound, lambda host: host, lambda _: False, reach=reach)
    reception = Reception(Admission(1.0, secret=b"k"), listeners, _shard_of, lambda _: False)
    seen = _response("SIP/2.0/UDP 192.0.2.1:5060;received=203.0.113.9;rport=4711;branch=z9hG4bKx")
    assert isinstance(reception.take(seen, FLOW, 0.0), tuple)
    assert listeners.sent_by("udp", FLOW.host) == "203.0.113.9:4711"
    told: list[int] = []
    reception.learnt = lambda: told.append(1)
    assert isinstance(reception.take(seen.replace(b"4711", b"4712"), FLOW, 0.0), tuple)
    assert isinstance(reception.take(seen.replace(b"4711", b"4712"), FLOW, 0.0), tuple)
    assert told == [1]


def test_the_rules_of_sips_are_kept_with_a_warning_and_counted() -> None:
    listeners = Listeners([Bound("udp:0", "udp", "127.0.0.1", 5060)], lambda host: host, lambda _: False)
    sips = Sips(offered=False, policy="required")
    reception = Reception(Admission(1e6, secret=b"k"), listeners, _shard_of, lambda _: False, sips)
    refused = reception.take(_request(), FLOW, 0.0)
    assert isinstance(refused, bytes)
    assert refused.startswith(b"SIP/2.0 480 SIPS Required\r\n")
    assert b"\r\nWarning: 381 " in refused
    unknown = reception.take(_request().replace(b"INVITE sip:", b"INVITE sips:", 1), FLOW, 0.0)
    assert isinstance(unknown, bytes)
    assert unknown.startswith(b"SIP/2.0 416 ")
    assert reception.dropped == {"SIPS Required": 1, "Unsupported URI Scheme": 1}


def test_a_response_to_somebody_else_goes_nowhere_and_is_counted() -> None:
    reception = _reception()
    ok = _request().replace(b"INVITE sip:c@d SIP/2.0", b"SIP/2.0 200 OK", 1)
    assert reception.take(ok, FLOW, 0.0) is None
    ours = ok.replace(b"peer.example", b"127.0.0.1:5060", 1)
    assert isinstance(reception.take(ours, FLOW, 0.0), tuple)
    twice = ours.replace(b"\r\nFrom", b"\r\nVia: SIP/2.0/UDP other.example;branch=z9hG4bKy\r\nFrom", 1)
    assert reception.take(twice, FLOW, 0.0) is None
    assert reception.dropped == {"response for another sent-by": 1, "response with more than one Via": 1}
