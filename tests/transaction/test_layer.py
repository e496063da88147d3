"""The layer: who gets which message, what is dropped, what the layer answers itself."""

from __future__ import annotations

from typing import Any

import pytest

from actors.runtime.machine import Effect
from actors.sip import parse
from actors.sip.vocabulary import Flow, TransactionKey
from actors.transaction.cells import MemoryCells
from actors.transaction.effects import NOBODY, Reply, Tell, Transmit
from actors.transaction.events import (
    AckReceived,
    CancelReceived,
    CancelRequest,
    RequestReceived,
    Respond,
    ResponseReceived,
    SendDirect,
    SendRequest,
    TransactionFailed,
)
from actors.transaction.keys import cell_key, merged_key
from actors.transaction.layer import OTHER_METHODS, Layer
from actors.transaction.timers import Timers
from tests.transaction.figures import spoken
from tests.transaction.messages import (
    TCP,
    TO_TCP,
    TO_UDP,
    UDP,
    client_key,
    first_line,
    head_of,
    request,
    response,
    server_key,
)

SECRET = b"sixteen bytes ok"
INVITE = request()


@pytest.fixture
def layer() -> Layer:
    return Layer(SECRET)


def receive(layer: Layer, raw: bytes, now: float = 0.0, flow: Flow = UDP) -> tuple[Effect, ...]:
    return layer.receive(flow, head_of(raw), raw, now)


def respond(layer: Layer, to: bytes, status: int, now: float = 0.0, to_tag: str = "to-1") -> tuple[Effect, ...]:
    return layer.send(Respond(server_key(to), status, response(to, status, to_tag=to_tag)), now)


def call(layer: Layer, raw: bytes = INVITE, now: float = 0.0, target: Any = TO_UDP) -> tuple[Effect, ...]:
    return layer.send(SendRequest(client_key(raw), target, raw), now)


def words(effects: tuple[Effect, ...]) -> list[str]:
    return [spoken(effect) for effect in effects]


def run_out(layer: Layer) -> list[tuple[float, str]]:
    """Let time pass until nothing is armed any more."""
    seen: list[tuple[float, str]] = []
    while (now := layer.next_deadline()) is not None:
        seen += [(now, word) for word in words(layer.expire(now))]
    return seen


# Server transactions.


def test_an_invite_goes_up_with_its_key_flow_and_head(layer: Layer) -> None:
    assert receive(layer, INVITE) == (Tell(RequestReceived(server_key(INVITE), UDP, head_of(INVITE), INVITE)),)


def test_a_call_in_from_invite_to_bye(layer: Layer) -> None:
    assert words(receive(layer, INVITE)) == ["tell INVITE"]
    assert words(respond(layer, INVITE, 180, 0.1)) == ["send 180"]
    assert words(receive(layer, INVITE, 0.5)) == ["send 180"]
    assert words(respond(layer, INVITE, 200, 1.0)) == ["send 200"]
    assert words(receive(layer, INVITE, 1.1)) == []
    assert words(respond(layer, INVITE, 200, 1.5)) == ["send 200"]
    ack = request("ACK", branch="z9hG4bKack", to_tag="to-1")
    assert receive(layer, ack, 1.6) == (Tell(AckReceived(UDP, head_of(ack), ack)),)
    bye = request("BYE", branch="z9hG4bKbye", to_tag="to-1", cseq=2)
    assert words(receive(layer, bye, 9.0)) == ["tell BYE"]
    assert words(receive(layer, bye, 9.1)) == []
    answer = respond(layer, bye, 200, 9.2)
    assert receive(layer, bye, 9.5) == answer
    assert run_out(layer) == []
    assert len(layer.cells) == 0


def test_the_user_has_200_ms_before_the_layer_sends_100(layer: Layer) -> None:
    receive(layer, INVITE)
    assert layer.next_deadline() == 0.2
    (trying,) = layer.expire(0.2)
    assert isinstance(trying, Reply)
    assert first_line(trying.raw) == "SIP/2.0 100 Trying"
    assert head_of(trying.raw).to_tag == ""


def test_the_100_carries_the_timestamp_of_its_request(layer: Layer) -> None:
    receive(layer, request(more="Timestamp: 54.5\r\n"))
    (trying,) = layer.expire(0.2)
    assert parse(trying.raw).get("Timestamp") == "54.5"  # type: ignore[attr-defined]


def test_a_response_to_a_transaction_that_is_over_is_discarded(layer: Layer) -> None:
    assert respond(layer, INVITE, 200) == ()


def test_a_response_for_a_client_transaction_is_discarded(layer: Layer) -> None:
    call(layer)
    assert layer.send(Respond(client_key(INVITE), 200, b""), 0.0) == ()


def test_an_ack_to_a_failure_is_absorbed(layer: Layer) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, 486)
    assert receive(layer, request("ACK", to_tag="to-1")) == ()
    assert receive(layer, request("ACK", to_tag="to-1")) == ()
    assert receive(layer, INVITE) == ()


def test_fault_4_a_failure_that_is_never_acknowledged_fails_after_64_t1(layer: Layer) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, 487)
    assert run_out(layer)[-1] == (32.0, "tell failed 408")
    assert len(layer.cells) > 0 or layer.next_deadline() is None


def test_an_ack_without_a_transaction_goes_up(layer: Layer) -> None:
    assert words(receive(layer, request("ACK", to_tag="who"))) == ["tell ACK"]


def test_fault_86_the_user_sends_no_provisional_response_and_no_408_but_to_an_invite(layer: Layer) -> None:
    options = request("OPTIONS")
    receive(layer, options)
    assert respond(layer, options, 100) == ()
    assert respond(layer, options, 183) == ()
    assert respond(layer, options, 408) == ()
    assert words(respond(layer, options, 200)) == ["send 200"]


def test_a_server_transaction_on_a_stream_ends_with_its_response(layer: Layer) -> None:
    options = request("OPTIONS")
    receive(layer, options, flow=TCP)
    assert words(respond(layer, options, 200)) == ["send 200"]
    assert cell_key(server_key(options)) not in layer.cells


# RFC 2543.


def test_fault_12_an_rfc_2543_call_is_followed_to_its_ack(layer: Layer) -> None:
    invite = request(branch="")
    assert words(receive(layer, invite)) == ["tell INVITE"]
    assert words(receive(layer, invite)) == []
    respond(layer, invite, 200)
    assert words(receive(layer, request("ACK", branch="", to_tag="to-1"))) == ["tell ACK"]


def test_an_rfc_2543_ack_to_a_failure_is_known_by_our_to_tag(layer: Layer) -> None:
    invite = request(branch="")
    receive(layer, invite)
    respond(layer, invite, 486)
    assert words(receive(layer, request("ACK", branch="", to_tag="another"))) == ["tell ACK"]
    assert words(receive(layer, request("ACK", branch="", to_tag="to-1"))) == []
    assert words(receive(layer, invite)) == []


# CANCEL to us.


def test_a_cancel_gets_its_200_with_the_to_tag_of_the_call_and_is_told_once(layer: Layer) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, 180, to_tag="ours")
    cancel = request("CANCEL")
    answer, told = receive(layer, cancel)
    assert isinstance(answer, Reply)
    assert first_line(answer.raw) == "SIP/2.0 200 OK"
    assert head_of(answer.raw).to_tag == "ours"
    assert told == Tell(CancelReceived(server_key(INVITE), head_of(cancel), cancel))
    assert receive(layer, cancel) == (answer,)


def test_a_cancel_before_any_response_gets_a_tag_of_its_own(layer: Layer) -> None:
    receive(layer, INVITE)
    answer, _ = receive(layer, request("CANCEL"))
    assert len(head_of(answer.raw).to_tag) >= 16  # type: ignore[attr-defined]


def test_fault_9_a_cancel_with_no_match_gets_481_without_a_machine(layer: Layer) -> None:
    first, again = receive(layer, request("CANCEL")), receive(layer, request("CANCEL"))
    assert words(first) == ["send 481"]
    assert first == again
    assert len(layer.cells) == 0


@pytest.mark.parametrize("status", [200, 486])
def test_fault_9_a_cancel_after_the_final_response_gets_200_and_has_no_effect(layer: Layer, status: int) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, status)
    before = layer.cells.get(cell_key(server_key(INVITE)))
    assert words(receive(layer, request("CANCEL"))) == ["send 200"]
    assert layer.cells.get(cell_key(server_key(INVITE))) == before


@pytest.mark.parametrize("wrong", [{"from_tag": "x"}, {"call_id": "x"}, {"cseq": 9}, {"branch": "z9hG4bKx"}])
def test_fault_10_a_spoofed_cancel_gets_481_and_the_call_lives(layer: Layer, wrong: dict[str, Any]) -> None:
    receive(layer, INVITE)
    assert words(receive(layer, request("CANCEL", **wrong))) == ["send 481"]
    assert words(respond(layer, INVITE, 180)) == ["send 180"]


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_a_cancel_of_another_request_gets_200_and_has_no_effect(layer: Layer, method: str) -> None:
    receive(layer, request(method))
    assert words(receive(layer, request("CANCEL"))) == ["send 200"]
    assert words(respond(layer, request(method), 200)) == ["send 200"]


def test_a_cancel_over_a_stream_leaves_no_machine(layer: Layer) -> None:
    receive(layer, INVITE, flow=TCP)
    assert words(receive(layer, request("CANCEL"), flow=TCP)) == ["send 200", "tell CANCEL"]
    assert cell_key(server_key(request("CANCEL"))) not in layer.cells


# Merged requests and admission.


def test_fault_6_a_merged_request_gets_482_while_the_first_runs(layer: Layer) -> None:
    receive(layer, INVITE)
    merged = request(branch="z9hG4bKother")
    (refusal,) = receive(layer, merged)
    assert spoken(refusal) == "send 482"
    assert refusal.key == NOBODY  # type: ignore[attr-defined]
    assert receive(layer, merged) == (refusal,)


def test_the_ack_to_a_stateless_refusal_is_known_and_dropped(layer: Layer) -> None:
    receive(layer, INVITE)
    (refusal,) = receive(layer, request(branch="z9hG4bKother"))
    tag = head_of(refusal.raw).to_tag  # type: ignore[attr-defined]
    assert receive(layer, request("ACK", branch="z9hG4bKother", to_tag=tag)) == ()
    assert Layer(SECRET).receive(UDP, head_of(ack := request("ACK", branch="z9hG4bKother", to_tag=tag)), ack, 0) == ()
    assert words(receive(Layer(b"another secret16"), ack)) == ["tell ACK"]


def test_a_request_with_a_to_tag_another_cseq_or_another_method_is_not_merged(layer: Layer) -> None:
    receive(layer, INVITE)
    assert words(receive(layer, request(branch="z9hG4bK2", to_tag="to-1"))) == ["tell INVITE"]
    assert words(receive(layer, request(branch="z9hG4bK3", cseq=2))) == ["tell INVITE"]
    assert words(receive(layer, request("OPTIONS", branch="z9hG4bK4"))) == ["tell OPTIONS"]


def test_a_request_is_not_merged_when_the_first_is_over(layer: Layer) -> None:
    receive(layer, request("OPTIONS"), flow=TCP)
    respond(layer, request("OPTIONS"), 200)
    assert words(receive(layer, request("OPTIONS", branch="z9hG4bKother"))) == ["tell OPTIONS"]


def test_the_record_of_a_long_ringing_invite_stays_as_long_as_the_call_rings(layer: Layer) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, 180)
    for _ in range(5):
        layer.expire(layer.next_deadline() or 0.0)
    assert words(receive(layer, request(branch="z9hG4bKother"), 161.0)) == ["send 482"]


def test_the_record_of_a_request_goes_with_its_transaction_and_is_no_timer_of_its_own(layer: Layer) -> None:
    record = merged_key(head_of(INVITE))
    receive(layer, INVITE)
    respond(layer, INVITE, 200)
    assert record in layer.cells
    assert layer.next_deadline() == 32.0  # Timer L
    layer.expire(32.0)
    assert len(layer.cells) == 0


def test_the_record_of_a_request_goes_with_a_machine_that_broke(layer: Layer) -> None:
    receive(layer, INVITE)
    cell = cell_key(server_key(INVITE))
    machine = layer.cells.get(cell)
    layer.cells.delete(cell)
    layer.spoiled(cell, machine)
    assert len(layer.cells) == 0


def test_a_busy_user_gets_nothing_new_but_what_belongs_to_a_call() -> None:
    layer = Layer(SECRET, busy=lambda: True)
    (refusal,) = receive(layer, INVITE)
    assert spoken(refusal) == "send 503"
    assert parse(refusal.raw).get("Retry-After") == "5"  # type: ignore[attr-defined]
    assert len(layer.cells) == 0
    assert words(receive(layer, request("BYE", to_tag="to-1"))) == ["tell BYE"]


def test_beyond_the_limit_of_live_machines_new_requests_get_503_and_finished_ones_do_not_count() -> None:
    layer = Layer(SECRET, max_machines=2)
    calls = [request(branch=f"z9hG4bK{n}", call_id=f"call-{n}") for n in range(4)]
    assert words(receive(layer, calls[0]) + receive(layer, calls[1])) == ["tell INVITE", "tell INVITE"]
    assert words(receive(layer, calls[2])) == ["send 503"]
    respond(layer, calls[0], 200)
    assert words(receive(layer, calls[2])) == ["tell INVITE"]
    assert words(receive(layer, calls[3])) == ["send 503"]


def test_lingering_machines_are_bounded_too() -> None:
    layer = Layer(SECRET, max_machines=2)
    for n in range(4):
        call_in = request(branch=f"z9hG4bK{n}", call_id=f"call-{n}")
        assert words(receive(layer, call_in)) == ["tell INVITE"]
        respond(layer, call_in, 200)
    assert words(receive(layer, request(branch="z9hG4bK9", call_id="call-9"))) == ["send 503"]


def test_fault_2_a_flood_of_requests_with_made_up_to_tags_is_bounded_too() -> None:
    layer = Layer(SECRET, max_machines=2)
    flood = [request("BYE", branch=f"z9hG4bK{n}", call_id=f"call-{n}", to_tag="made-up") for n in range(12)]
    said = [words(receive(layer, bye)) for bye in flood]
    assert said == [["tell BYE"]] * 10 + [["send 503"]] * 2
    assert len(layer.cells) == 10
    run_out(layer)
    assert words(receive(layer, flood[11])) == ["tell BYE"]


def test_a_request_that_cannot_be_parsed_is_not_answered(layer: Layer) -> None:
    head = head_of(request("CANCEL"))
    assert layer.receive(UDP, head, b"CANCEL sip:x\r\n\r\n", 0.0) == ()
    receive(layer, request(branch="z9hG4bKabc"))
    assert layer.receive(UDP, head, b"CANCEL sip:x\r\n\r\n", 0.0) == ()


# Client transactions.


def test_a_call_out_from_invite_to_the_last_200(layer: Layer) -> None:
    key = client_key(INVITE)
    assert call(layer) == (Transmit(key, TO_UDP, INVITE),)
    assert words(receive(layer, response(INVITE, 100))) == ["tell 100"]
    assert words(receive(layer, response(INVITE, 180))) == ["tell 180"]
    ok = response(INVITE, 200)
    assert receive(layer, ok) == (Tell(ResponseReceived(key, head_of(ok), ok)),)
    forked = response(INVITE, 200, to_tag="to-2")
    assert words(receive(layer, ok) + receive(layer, forked)) == ["tell 200", "tell 200"]
    ack = request("ACK", branch="z9hG4bKack")
    assert layer.send(SendDirect(TO_UDP, ack), 1.0) == (Transmit(NOBODY, TO_UDP, ack),)
    assert run_out(layer) == []
    assert len(layer.cells) == 0


def test_a_failure_is_acknowledged_as_section_17_1_1_3_asks(layer: Layer) -> None:
    invite = request(more="Route: <sip:proxy.example;lr>\r\nRequire: 100rel\r\n")
    call(layer, invite)
    acknowledged, told = receive(layer, response(invite, 486, to_tag="theirs"))
    assert isinstance(acknowledged, Transmit)
    assert isinstance(told, Tell)
    ack = parse(acknowledged.raw)
    assert first_line(acknowledged.raw) == "ACK sip:bob@192.0.2.1 SIP/2.0"
    assert acknowledged.target == TO_UDP
    assert ack.get_all("Via") == parse(invite).get_all("Via")
    assert ack.get("Route") == "<sip:proxy.example;lr>"
    assert ack.get("CSeq") == "1 ACK"
    assert ack.head.to_tag == "theirs"
    assert receive(layer, response(invite, 486, to_tag="theirs")) == (acknowledged,)


def test_a_second_send_request_of_the_same_key_changes_nothing(layer: Layer) -> None:
    call(layer)
    assert call(layer) == ()


def test_fault_11_a_response_with_the_wrong_cseq_method_is_dropped(layer: Layer) -> None:
    call(layer)
    for method in ("OPTIONS", "CANCEL", "BYE"):
        assert receive(layer, response(request(method), 200)) == ()
    assert words(receive(layer, response(INVITE, 180))) == ["tell 180"]


@pytest.mark.parametrize(("status", "told"), [(100, []), (180, []), (200, ["tell 200"]), (486, [])])
def test_of_stray_responses_only_a_2xx_to_an_invite_goes_up(layer: Layer, status: int, told: list[str]) -> None:
    assert words(receive(layer, response(INVITE, status))) == told
    assert words(receive(layer, response(request("OPTIONS"), status))) == []


def test_a_failure_that_cannot_be_acknowledged_is_none(layer: Layer) -> None:
    call(layer)
    head = head_of(response(INVITE, 486))
    assert layer.receive(UDP, head, b"SIP/2.0 486 Busy\r\n\r\n", 0.0) == ()
    assert words(receive(layer, response(INVITE, 180))) == ["tell 180"]


def test_a_request_fails_when_it_cannot_be_sent(layer: Layer) -> None:
    call(layer)
    failed = TransactionFailed(client_key(INVITE), client=True, status=503, reason="refused")
    assert layer.transmit_failed(client_key(INVITE), "refused", 0.1) == (Tell(failed),)
    assert layer.transmit_failed(client_key(INVITE), "refused", 0.1) == ()
    assert len(layer.cells) == 0


# CANCEL from us.


def test_a_cancel_is_held_back_until_a_provisional_response_and_is_a_transaction_of_its_own(layer: Layer) -> None:
    call(layer)
    assert layer.send(CancelRequest(client_key(INVITE)), 0.1) == ()
    told, cancelled = receive(layer, response(INVITE, 100), 0.2)
    assert spoken(told) == "tell 100"
    assert isinstance(cancelled, Transmit)
    assert cancelled.key == TransactionKey("z9hG4bKabc", "", "CANCEL")
    cancel = parse(cancelled.raw)
    assert first_line(cancelled.raw) == "CANCEL sip:bob@192.0.2.1 SIP/2.0"
    assert cancel.get_all("Via") == parse(INVITE).get_all("Via")
    assert cancel.get("CSeq") == "1 CANCEL"
    assert layer.expire(0.7) == (cancelled,)
    assert receive(layer, response(request("CANCEL"), 200), 0.8) == ()
    assert words(receive(layer, response(INVITE, 487), 0.9)) == ["send ACK", "tell 487"]
    assert run_out(layer) == []


def test_a_cancel_carries_its_reason(layer: Layer) -> None:
    call(layer)
    receive(layer, response(INVITE, 180))
    (cancelled,) = layer.send(CancelRequest(client_key(INVITE), 'SIP;cause=200;text="elsewhere"'), 1.0)
    assert parse(cancelled.raw).get("Reason") == 'SIP;cause=200;text="elsewhere"'  # type: ignore[attr-defined]


def test_a_second_cancel_or_one_after_a_final_response_is_not_sent(layer: Layer) -> None:
    call(layer)
    receive(layer, response(INVITE, 180))
    assert words(layer.send(CancelRequest(client_key(INVITE)), 1.0)) == ["send CANCEL"]
    assert layer.send(CancelRequest(client_key(INVITE)), 1.1) == ()
    assert words(receive(layer, response(INVITE, 200), 1.2)) == ["tell 200"]
    assert layer.send(CancelRequest(client_key(INVITE)), 1.3) == ()
    assert layer.send(CancelRequest(client_key(request(branch="z9hG4bKgone"))), 1.3) == ()


def test_fault_84_an_invite_without_a_final_response_64_t1_after_its_cancel_is_over(layer: Layer) -> None:
    call(layer)
    receive(layer, response(INVITE, 180))
    layer.send(CancelRequest(client_key(INVITE)), 1.0)
    receive(layer, response(request("CANCEL"), 200), 1.1)
    assert run_out(layer) == [(33.0, "tell failed 408")]
    assert words(receive(layer, response(INVITE, 487), 34.0)) == []


# The end of a connection, and of a neighbour's state.


def test_fault_23_the_end_of_a_connection_fails_its_client_transactions_and_no_others(layer: Layer) -> None:
    over_tcp = [request(branch=f"z9hG4bK{n}", call_id=f"call-{n}") for n in range(100)]
    for raw in over_tcp:
        call(layer, raw, target=TO_TCP)
    call(layer, INVITE)
    receive(layer, request("OPTIONS"), flow=TCP)
    dead = layer.flow_dead("tcp:17", "reset", 1.0)
    assert words(dead) == ["tell failed 503"] * 100
    assert layer.flow_dead("tcp:17", "reset", 1.0) == ()
    assert words(receive(layer, response(INVITE, 180))) == ["tell 180"]
    assert words(respond(layer, request("OPTIONS"), 200)) == ["send 200"]


def test_a_transaction_belongs_to_the_connection_its_responses_come_by(layer: Layer) -> None:
    call(layer, target=TO_TCP._replace(flow=""))
    receive(layer, response(INVITE, 100), flow=TCP)
    receive(layer, response(INVITE, 180), flow=TCP._replace(token="tcp:18"))
    assert layer.flow_dead("tcp:17", "reset", 1.0) == ()
    assert words(layer.flow_dead("tcp:18", "reset", 1.0)) == ["tell failed 503"]


def test_a_finished_transaction_is_forgotten_by_its_connection(layer: Layer) -> None:
    for n in range(2):
        call(layer, request("OPTIONS", branch=f"z9hG4bK{n}"), target=TO_TCP)
    for n in range(2):
        receive(layer, response(request("OPTIONS", branch=f"z9hG4bK{n}"), 200), flow=TCP)
    assert layer.flow_dead("tcp:17", "reset", 1.0) == ()


def test_after_a_restart_the_transactions_of_a_connection_are_found_again() -> None:
    cells = MemoryCells()
    before = Layer(SECRET, cells)
    call(before, target=TO_TCP)
    call(before, request("OPTIONS"), target=TO_UDP)
    call(before, request(branch="z9hG4bKdone"), target=TO_TCP)
    receive(before, response(request(branch="z9hG4bKdone"), 200), flow=TCP)
    assert words(Layer(SECRET, cells).flow_dead("tcp:17", "reset", 1.0)) == ["tell failed 503"]


def test_a_transport_that_lost_everything_fails_what_ran_over_streams(layer: Layer) -> None:
    call(layer, target=TO_TCP)
    call(layer, request("OPTIONS"), target=TO_UDP)
    assert words(layer.transport_lost(1.0)) == ["tell failed 503"]
    assert layer.transport_lost(1.0) == ()


def test_fault_23_a_reset_after_a_hundred_invites_fails_each_of_ours_once_and_none_of_theirs(layer: Layer) -> None:
    ours = [request(branch=f"z9hG4bKours{n}", call_id=f"ours-{n}") for n in range(100)]
    theirs = [request(branch=f"z9hG4bKtheirs{n}", call_id=f"theirs-{n}") for n in range(100)]
    for mine, other in zip(ours, theirs, strict=True):
        call(layer, mine, target=TO_TCP)
        receive(layer, other, flow=TCP)
    assert words(layer.flow_dead("tcp:17", "reset", 1.0)) == ["tell failed 503"] * 100
    assert layer.flow_dead("tcp:17", "reset", 1.0) == ()
    assert [words(respond(layer, other, 486, 2.0)) for other in theirs] == [["send 486"]] * 100
    run_out(layer)
    assert len(layer.cells) == 0


def test_a_connection_that_ends_fails_nothing_whose_beginning_was_undone(layer: Layer) -> None:
    call(layer, target=TO_TCP)
    layer.cells.delete(cell_key(client_key(INVITE)))  # as the shell does for a step that raised
    assert layer.flow_dead("tcp:17", "reset", 1.0) == ()


def test_a_user_that_lost_everything_leaves_no_phone_ringing(layer: Layer) -> None:
    ringing_out, ringing_in, asked = INVITE, request(branch="z9hG4bKin", call_id="in"), request("OPTIONS")
    answered = request(branch="z9hG4bKup", call_id="up")
    call(layer, ringing_out)
    receive(layer, response(ringing_out, 180))
    call(layer, request("BYE", branch="z9hG4bKbye"))
    receive(layer, ringing_in)
    respond(layer, ringing_in, 180, to_tag="ours")
    receive(layer, asked)
    receive(layer, answered)
    respond(layer, answered, 200)
    effects = layer.user_lost(5.0)
    assert sorted(words(effects)) == ["send 500", "send 500", "send CANCEL"]
    tags = {head_of(effect.raw).to_tag for effect in effects if spoken(effect) == "send 500"}  # type: ignore[attr-defined]
    assert "ours" in tags
    assert "" not in tags


def test_a_machine_that_broke_is_told_unless_it_concerns_nobody(layer: Layer) -> None:
    def broke(key: TransactionKey) -> list[str]:
        cell = cell_key(key)
        machine = layer.cells.get(cell)
        layer.cells.delete(cell)
        return words(layer.spoiled(cell, machine))

    call(layer, target=TO_TCP)
    assert broke(client_key(INVITE)) == ["tell failed 500"]
    assert layer.flow_dead("tcp:17", "reset", 0.0) == ()
    receive(layer, INVITE)
    assert broke(server_key(INVITE)) == ["tell failed 500", "send 500"]
    receive(layer, request("OPTIONS"))
    respond(layer, request("OPTIONS"), 200)
    assert broke(server_key(request("OPTIONS"))) == []
    receive(layer, INVITE)
    receive(layer, request("CANCEL"))
    assert broke(server_key(request("CANCEL"))) == []
    assert layer.spoiled(merged_key(head_of(INVITE)), layer.cells.get(merged_key(head_of(INVITE)))) == ()


def test_a_machine_of_which_nothing_is_left_is_told_by_its_cell_key(layer: Layer) -> None:
    (told,) = layer.spoiled(cell_key(server_key(INVITE)), None)
    failed = TransactionFailed(server_key(INVITE), client=False, status=500, reason="internal error", spoiled=True)
    assert told == Tell(failed)
    assert layer.spoiled(cell_key(TransactionKey("z9hG4bK" + "x" * 999, "", "INVITE")), None) == ()


def test_a_response_has_to_be_for_a_request(layer: Layer) -> None:
    head = head_of(request("CANCEL"))
    assert layer.receive(UDP, head, response(INVITE, 200), 0.0) == ()


# Time and cells.


class ShellCells(dict[bytes, Any]):
    """Cells whose deadlines are somebody else's business."""

    def put(self, key: bytes, value: Any, deadline: float | None) -> None:
        self[key] = value
        self.deadline = deadline

    def delete(self, key: bytes) -> None:
        del self[key]


def test_a_layer_whose_shell_keeps_the_cells_has_no_deadline_of_its_own() -> None:
    cells = ShellCells()
    layer = Layer(SECRET, cells, Timers())
    call(layer)
    assert layer.next_deadline() is None
    assert layer.expire(100.0) == ()
    assert cells.deadline == 0.5
    assert words(layer.fire(cell_key(client_key(INVITE)), 0.5)) == ["send INVITE"]
    assert layer.fire(b"cgone", 0.0) == ()


def test_a_timer_that_breaks_its_machine_leaves_the_timers_of_the_others(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    receive(layer, INVITE)
    call(layer, now=0.0)
    monkeypatch.setattr("actors.transaction.invite_server.TABLE.expire", break_down)
    with pytest.raises(ZeroDivisionError):
        layer.expire(1.0)
    assert words(layer.expire(1.0)) == ["send INVITE"]


def test_a_long_pause_gives_no_burst(layer: Layer) -> None:
    receive(layer, INVITE)
    respond(layer, INVITE, 486)
    assert words(layer.expire(20.0)) == ["send 486"]


def test_a_finished_machine_that_lingers_is_small(layer: Layer) -> None:
    import msgspec

    big = request(more="X: " + "x" * 4000 + "\r\n")
    for raw, status in ((big, 200), (request("BYE", to_tag="t", more="X: " + "x" * 4000 + "\r\n"), 200)):
        receive(layer, raw)
        respond(layer, raw, status)
        assert len(msgspec.msgpack.encode(layer.cells.get(cell_key(server_key(raw))))) < 1024
