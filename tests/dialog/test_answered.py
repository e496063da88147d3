"""Calls that are up: re-INVITEs, sequence numbers, BYE, media that goes (RFC 3261 sections 12.2, 14 and 15)."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, ListCalls, Treatment
from actors.dialog.call_events import CallPlayFinished, CallRecordFailed
from actors.dialog.effects import Close, Reply, Send, Start
from actors.dialog.events import CommandDone
from actors.dialog.reply import METHODS
from actors.sip import parse
from actors.sip.vocabulary import Target
from tests.dialog.phone import BAD_OFFER, FLOW, OFFER, STREAM, WALL, Phone, answer_to, invite, line, message, place


def up(mode: str = "echo", **more: object) -> Phone:
    phone = Phone(mode)
    phone.receive_call(**more)  # type: ignore[arg-type]
    phone.request(message("ACK", to_tag=phone.our_tag()))
    assert phone.state == "CONFIRMED"
    return phone


def again(phone: Phone, cseq: int = 2, body: bytes = OFFER, **more: str) -> None:
    phone.request(invite(body, to_tag=phone.call.tag, cseq=cseq, **more))


def acknowledge(phone: Phone, cseq: int = 2, body: bytes = b"") -> None:
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=cseq, body=body))


def hang_up(phone: Phone) -> None:
    phone.command(HangUp("h", phone.call.call))


def test_a_reinvite_that_repeats_the_offer_gets_the_same_answer() -> None:
    phone = up()
    first = phone.last_response().body
    again(phone)
    assert phone.last_response().body == first
    assert phone.state == "ANSWERED"
    acknowledge(phone)
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize(
    ("theirs", "ours"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")]
)
def test_hold_and_resume_are_answered_and_applied(theirs: str, ours: str) -> None:
    phone = up()
    again(phone, 2, OFFER + f"a={theirs}\r\n".encode())
    answer = phone.last_response().body
    assert f"a={ours}\r\n".encode() in answer
    assert b" 1 IN IP4 " in answer.split(b"\r\n")[1]  # the version of the o= line rose
    assert phone.started().direction == ours
    acknowledge(phone)
    again(phone, 3)
    assert phone.started().direction == "sendrecv"


def test_a_reinvite_moves_media_and_the_remote_target() -> None:
    phone = up()
    again(phone, 2, OFFER.replace(b"7000", b"7100"), Contact="<sip:alice@192.0.2.77:5099>")
    assert phone.started().port == 7100
    assert phone.last(Start).session == phone.session
    acknowledge(phone)
    hang_up(phone)
    assert phone.sent("BYE")[0].uri == "sip:alice@192.0.2.77:5099"
    assert phone.last(Send).target.host == "192.0.2.77"


def test_a_reinvite_that_cannot_be_taken_changes_nothing() -> None:
    phone = up()
    starts = len(phone.all(Start))
    again(phone, 2, BAD_OFFER, Contact="<sip:elsewhere@192.0.2.77>")
    assert phone.statuses[-1] == 488
    assert phone.state == "CONFIRMED"
    assert len(phone.all(Start)) == starts
    again(phone, 3, Content_Type="text/plain")
    assert phone.statuses[-1] == 415
    again(phone, 4, Contact="<nonsense")
    assert phone.statuses[-1] == 400
    hang_up(phone)
    assert phone.sent("BYE")[0].uri == "sip:alice@192.0.2.9:5070"


def test_a_reinvite_without_an_offer_gets_ours_and_answers_in_the_ack() -> None:
    phone = up()
    again(phone, 2, b"")
    offer = phone.last_response().body
    assert b"m=audio 16384 RTP/AVP 0 8 101\r\n" in offer
    acknowledge(phone, 2, OFFER.replace(b"7000", b"7200"))
    assert phone.state == "CONFIRMED"
    assert phone.started().port == 7200


def test_an_unacknowledged_reinvite_ends_the_call() -> None:
    phone = up()
    again(phone)
    phone.wait(32)
    assert len(phone.sent("BYE")) == 1


def test_a_lower_cseq_gets_500_and_the_same_for_an_invite_too() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(cseq=5))
    acknowledge(phone, 5)
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=4))
    assert phone.statuses[-1] == 500
    again(phone, 5, branch="again")
    assert phone.statuses[-1] == 500
    assert phone.state == "CONFIRMED"


def test_a_gap_in_the_cseq_is_no_fault() -> None:
    phone = up()
    phone.request(message("OPTIONS", to_tag=phone.call.tag, cseq=900))
    assert phone.statuses[-1] == 200
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=899))
    assert phone.statuses[-1] == 500
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=901))
    assert phone.statuses[-1] == 200


@pytest.mark.parametrize(("method", "status"), [("MESSAGE", 200), ("PUBLISH", 405), ("FANCY", 501), ("PRACK", 481)])
def test_other_methods_in_the_dialog_are_refused_and_the_call_lives(method: str, status: int) -> None:
    phone = up()
    phone.request(message(method, to_tag=phone.call.tag, cseq=2))
    assert phone.statuses[-1] == status
    if status == 405:
        assert line(phone.last(Reply).raw, "Allow") == ", ".join(METHODS)
    assert phone.state == "CONFIRMED"


def test_a_required_extension_in_the_dialog_gets_420() -> None:
    phone = up()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2, Require="fancy"))
    assert phone.statuses[-1] == 420
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize(
    "change",
    [{"to_tag": "guess"}, {"From": "<sip:alice@192.0.2.9>;tag=guess"}, {"Call_ID": "guess@192.0.2.9"}],
)
@pytest.mark.parametrize("method", ["BYE", "INVITE", "INFO"])
def test_a_spoofed_request_gets_481_and_the_call_lives(method: str, change: dict[str, str]) -> None:
    phone = up()
    before = dict(phone.cells)
    phone.request(message(method, **{"to_tag": phone.call.tag, **change}, cseq=2))  # type: ignore[arg-type]
    assert phone.statuses[-1] == 481
    assert phone.cells == before


def test_our_bye_follows_the_route_set() -> None:
    phone = up(raw=invite(Record_Route='"a <b" <sip:192.0.2.30:5090;lr;x=1>, <sip:192.0.2.31;lr>'))
    hang_up(phone)
    bye = phone.sent("BYE")[0]
    assert bye.uri == "sip:alice@192.0.2.9:5070"
    assert [str(route.uri) for route in bye.route] == ["sip:192.0.2.30:5090;lr;x=1", "sip:192.0.2.31;lr"]
    assert phone.last(Send).target == Target("udp", "192.0.2.30", 5090, "udp:0")
    assert (bye.from_.tag, bye.to.tag, bye.cseq.number) == (bye.from_.tag, "peer", 1)


def test_a_strict_router_gets_its_own_uri_as_request_uri() -> None:
    phone = up(raw=invite(Record_Route="<sip:192.0.2.30>, <sip:192.0.2.31;lr>"))
    hang_up(phone)
    bye = phone.sent("BYE")[0]
    assert bye.uri == "sip:192.0.2.30"
    assert [str(route.uri) for route in bye.route] == ["sip:192.0.2.31;lr", "sip:alice@192.0.2.9:5070"]


def test_on_a_stream_our_bye_takes_the_peers_own_connection() -> None:
    phone = up(flow=STREAM)
    hang_up(phone)
    assert phone.last(Send).target == Target("tcp", "192.0.2.9", 5070, "tcp:17")


def test_behind_a_proxy_the_connection_is_the_proxys_and_the_contact_decides() -> None:
    raw = invite(Contact="<sip:alice@192.0.2.99:5071;transport=tcp>").replace(
        b"Max-Forwards", b"Via: SIP/2.0/TCP 192.0.2.99;branch=z9hG4bKfar\r\nMax-Forwards"
    )
    phone = up(raw=raw, flow=STREAM)
    hang_up(phone)
    assert phone.last(Send).target == Target("tcp", "192.0.2.99", 5071, "")


def test_a_bye_to_a_2xx_without_its_ack_waits_for_the_ack() -> None:
    phone = Phone("echo")
    phone.receive_call()
    hang_up(phone)
    assert phone.state == "LEAVING"
    phone.wait(0.6)
    assert not phone.sent("BYE")
    assert phone.statuses[-1] == 200  # it is still repeated
    acknowledge(phone, 1)
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by) == ("answered", "local")


def test_a_reinvite_while_our_bye_waits_for_the_ack_gets_491_and_changes_nothing() -> None:
    phone = Phone("echo")
    phone.receive_call()
    hang_up(phone)
    again(phone, 2, OFFER + b"a=sendonly\r\n")
    assert (phone.statuses[-1], phone.state) == (491, "LEAVING")
    acknowledge(phone, 1)
    assert len(phone.sent("BYE")) == 1


def test_a_bye_to_a_2xx_without_its_ack_is_sent_after_64_t1() -> None:
    phone = Phone("echo")
    phone.receive_call()
    hang_up(phone)
    phone.wait(32)
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert phone.ended.outcome == "answered"


def test_lost_media_ends_the_call_with_bye() -> None:
    phone = up()
    phone.lost(phone.session)
    assert len(phone.sent("BYE")) == 1
    assert not phone.all(Close)
    assert phone.ended.outcome == "failed"
    phone.finish()
    assert not phone.cells


def test_media_that_cannot_do_what_was_agreed_is_closed_and_the_call_with_it() -> None:
    phone = up()
    phone.refused(phone.session)
    assert len(phone.sent("BYE")) == 1
    assert phone.last(Close).session == phone.session
    phone.finish()
    assert phone.ended.outcome == "failed"
    assert not phone.cells
    assert phone.refused(phone.session) == []


def test_lost_media_before_the_ack_ends_the_call_after_it() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.lost(phone.session)
    assert phone.state == "LEAVING"
    acknowledge(phone, 1)
    assert phone.sent("BYE")
    phone.finish()
    assert phone.ended.outcome == "failed"


def test_a_media_process_that_lost_everything_ends_its_calls_and_no_others() -> None:
    phone = up()
    phone.agent.calls.media_lost(7, *phone.clock)
    assert phone.state == "CONFIRMED"
    phone._did(phone.agent.calls.media_lost(0, *phone.clock))
    assert phone.sent("BYE")


def test_a_reset_of_the_transaction_shard_ends_what_is_in_flight_and_nothing_that_is_up() -> None:
    phone = up()
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert phone.state == "CONFIRMED"
    hang_up(phone)
    phone.closed(phone.session)
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert not phone.cells
    ringing = Phone()
    ringing.receive_call()
    ringing._did(ringing.agent.transactions_lost(*ringing.clock))
    ringing.finish()
    assert ringing.ended.outcome == "failed"
    calling = Phone()
    calling.place_call()
    calling._did(calling.agent.transactions_lost(*calling.clock))
    calling.finish()
    assert calling.ended.outcome == "failed"


def test_the_end_of_a_file_and_a_broken_recording_are_told() -> None:
    phone = up()
    phone.played(phone.session)
    phone._did(phone.agent.calls.unrecorded(phone.session, "/tmp/b.wav", "disk full", *phone.clock))
    assert phone.reports(CallPlayFinished)[0].path == "/tmp/a.wav"
    assert phone.reports(CallRecordFailed)[0].error == "disk full"
    assert phone.state == "CONFIRMED"


def test_a_file_that_ends_before_the_ack_ends_the_call_after_it() -> None:
    phone = Phone()
    phone.receive_call()
    phone.command(AnswerCall("a", phone.call.call, Treatment(play="/tmp/a.wav", hang_up_after_play=True), 0.0))
    phone.played(phone.session)
    phone.played(phone.session)
    assert phone.state == "LEAVING"
    acknowledge(phone, 1)
    assert len(phone.sent("BYE")) == 1


def test_a_call_to_ourselves_is_two_calls_of_one_call_id() -> None:
    phone = Phone("echo")
    key = phone.place_call(uri="sip:us@192.0.2.1:5060")
    sent = phone.last(Send)
    phone.request(sent.raw, FLOW)
    inbound = next(call for call in phone.calls if call.inbound)
    phone.prepared(inbound.media.session, port=16386)
    ok = phone.last(Reply).raw
    phone.response(ok, key)
    ack = phone.sent("ACK")[0]
    phone.request(bytes(ack))
    assert [call.state.name for call in phone.calls] == ["CONFIRMED", "CONFIRMED"]
    assert {call.dialog.id.call_id for call in phone.calls if call.dialog} == {"call-1@host"}
    phone.command(HangUp("h", "call-1@host"))
    bye = phone.last(Send)
    phone.request(bye.raw)
    phone.response(phone.last(Reply).raw, bye.key)
    for call in phone.calls:
        phone.closed(call.media.session)
    assert [call.state.name for call in phone.calls] == ["LINGERING"]


def test_times_for_people_are_seconds_since_the_epoch() -> None:
    phone = Phone()
    phone.place_call()
    phone.wait(3)
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), phone.invite_key())
    phone.wait(4)
    phone.command(ListCalls("l"))
    (info,) = phone.reports(CommandDone)[-1].calls
    assert (info.since, info.answered) == (WALL + 1000, WALL + 1003)
    assert (info.direction, info.state, info.remote) == ("out", "confirmed", place().uri)
    hang_up(phone)
    phone.finish()
    assert (phone.ended.ringing, phone.ended.talking, phone.ended.time) == (3.0, 4.0, WALL + 1007)


def test_cseq_rises_over_a_restart() -> None:
    phone = up()
    phone.start()
    hang_up(phone)
    assert parse(phone.last(Send).raw).head.cseq == 1
    assert phone.call.dialog is not None
    assert phone.call.dialog.local_seq == 1


def test_a_bye_to_a_call_without_media_that_waits_for_its_ack_ends_it_at_once() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.lost(phone.session)
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    assert phone.ended.outcome == "failed"
    assert not phone.cells


def test_a_reinvited_call_out_still_lingers_for_other_forks() -> None:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), key)
    theirs = {"From": "<sip:bob@192.0.2.9>;tag=callee", "Call_ID": "call-1@host", "to_tag": phone.call.tag}
    phone.request(message("INVITE", body=OFFER, cseq=7, **theirs))  # type: ignore[arg-type]
    assert phone.statuses == [200]
    phone.lost(phone.session)
    phone.request(message("BYE", cseq=8, **theirs))  # type: ignore[arg-type]
    assert phone.state == "LINGERING"
    phone.wait(32)
    assert not phone.cells


def test_only_a_lower_cseq_is_out_of_order() -> None:
    phone = up()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=1))
    assert phone.statuses[-1] == 200
