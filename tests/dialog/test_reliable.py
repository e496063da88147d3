"""Reliable provisional responses and PRACK in both roles, early media, late offers (RFC 3262, RFC 6337)."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, ProgressCall, Treatment
from actors.dialog.call_early import MAX_REQUESTS
from actors.dialog.call_events import CallAnswered, CallProgressed
from actors.dialog.effects import Cancel, Find, Reply, Send, Start, Treat
from actors.sip import parse
from tests.dialog.phone import BAD_OFFER, NEAR, OFFER, Phone, answer_to, invite, line, message
from tests.dialog.test_change import respond, sent

RELIABLE = {"Require": "100rel"}


def provisional(
    phone: Phone, rseq: int, status: int = 183, *, tag: str = "callee", body: bytes = b"", **more: str
) -> None:
    raw = answer_to(sent(phone, "INVITE"), status, tag=tag, body=body, RSeq=str(rseq), **{**RELIABLE, **more})
    phone.response(raw, phone.invite_key())


def ringing(**headers: str) -> Phone:
    """A call in that rings."""
    phone = Phone()
    phone.receive_call(invite(**headers))
    return phone


def prack(phone: Phone, rack: str = "1 1 INVITE", cseq: int = 2, body: bytes = b"") -> int:
    phone.request(message("PRACK", to_tag=phone.our_tag(), cseq=cseq, body=body, RAck=rack))
    return phone.statuses[-1]


def progress(phone: Phone, **more: object) -> None:
    phone.command(ProgressCall("p", phone.call.call, treatment=Treatment(play="/a.wav"), **more))  # type: ignore[arg-type]


# As the caller.


def test_each_reliable_response_gets_its_prack_in_its_early_dialog() -> None:
    phone = Phone()
    phone.place_call()
    provisional(phone, 7, 180, Record_Route="<sip:192.0.2.30;lr>")
    first = phone.sent("PRACK")[0]
    assert (first.get("RAck"), first.head.cseq, first.head.to_tag) == ("7 1 INVITE", 2, "callee")
    assert str(first.route[0]) == "<sip:192.0.2.30;lr>"
    provisional(phone, 8)
    assert (phone.sent("PRACK")[1].get("RAck"), phone.sent("PRACK")[1].head.cseq) == ("8 1 INVITE", 3)
    assert [event.status for event in phone.reports(CallProgressed)] == [180, 183]
    respond(phone, "PRACK", 200)
    assert len(phone.call.requests) == 1


def test_a_callee_that_answers_no_prack_gets_only_so_many_of_them() -> None:
    """RFC 3262 s3: it may not send another reliable response before the PRACK; each costs a place in the call."""
    phone = Phone()
    phone.place_call()
    for rseq in range(1, 101):
        provisional(phone, rseq, 180)
    assert len(phone.sent("PRACK")) == len(phone.call.requests) == MAX_REQUESTS
    respond(phone, "PRACK", 200)
    provisional(phone, MAX_REQUESTS + 1, 180)
    assert len(phone.sent("PRACK")) == MAX_REQUESTS + 1
    respond(phone, "INVITE", 200, body=OFFER)
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize("rseq", [7, 9, 6])
def test_a_repeated_response_and_one_after_a_gap_are_not_acknowledged(rseq: int) -> None:
    phone = Phone()
    phone.place_call()
    provisional(phone, 7, 180)
    provisional(phone, rseq)
    assert len(phone.sent("PRACK")) == 1
    assert len(phone.reports(CallProgressed)) == 1


@pytest.mark.parametrize("more", [{"RSeq": "x"}, {"Require": ""}])
def test_a_response_that_only_looks_reliable_is_none(more: dict[str, str]) -> None:
    phone = Phone()
    phone.place_call()
    wanted = {name: value for name, value in {**RELIABLE, "RSeq": "1", **more}.items() if value}
    phone.response(answer_to(sent(phone, "INVITE"), 180, **wanted), phone.invite_key())
    assert not phone.sent("PRACK")
    assert phone.reports(CallProgressed)


def test_the_answer_of_a_reliable_response_is_final_and_the_2xx_needs_none() -> None:
    phone = Phone()
    phone.place_call()
    provisional(phone, 1, body=OFFER)
    assert phone.started().port == 7000
    respond(phone, "INVITE", 200)
    assert phone.state == "CONFIRMED"
    assert phone.sent("ACK")[0].head.cseq == 1
    phone.command(HangUp("x", "call-1@host"))
    assert phone.sent("BYE")[0].head.cseq == 3  # the PRACK had 2
    assert phone.reports(CallAnswered)


def test_a_bad_answer_in_a_reliable_response_gets_prack_then_cancel() -> None:
    phone = Phone()
    phone.place_call()
    provisional(phone, 1, body=BAD_OFFER)
    assert phone.sent("PRACK")
    assert phone.last(Cancel).key == phone.invite_key()
    phone.response(answer_to(sent(phone, "INVITE"), 487), phone.invite_key())
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == ("failed", 488)


def test_a_bad_answer_in_a_plain_provisional_is_none() -> None:
    phone = Phone()
    phone.place_call()
    phone.response(answer_to(sent(phone, "INVITE"), 183, body=BAD_OFFER), phone.invite_key())
    assert phone.state == "INVITING"
    assert not phone.all(Start)


def test_a_prack_by_name_is_located_and_goes_to_the_next_candidate_at_503() -> None:
    phone = Phone()
    phone.place_call()
    raw = answer_to(sent(phone, "INVITE"), 180, contact="<sip:bob@host.example>", RSeq="1", **RELIABLE)
    phone.response(raw, phone.invite_key())
    phone.located(phone.last(Find).ref, NEAR, NEAR)
    assert len(phone.sent("PRACK")) == 1
    phone.failed(phone.last(Send).key, 408)
    assert len(phone.sent("PRACK")) == 2


def test_a_late_offer_is_answered_in_the_ack() -> None:
    phone = Phone()
    phone.place_call(late_offer=True)
    assert parse(sent(phone, "INVITE")).body == b""
    respond(phone, "INVITE", 180)
    respond(phone, "INVITE", 200, body=OFFER)
    ack = phone.sent("ACK")[0]
    assert b"m=audio 16384 RTP/AVP 0 8\r\n" in ack.body
    assert ack.get("Content-Type") == "application/sdp"
    assert phone.started().port == 7000
    assert phone.state == "CONFIRMED"


def test_a_late_offer_in_a_reliable_response_is_answered_in_the_prack() -> None:
    phone = Phone()
    phone.place_call(late_offer=True)
    provisional(phone, 1, body=OFFER)
    assert b"m=audio 16384 " in phone.sent("PRACK")[0].body
    assert phone.started().port == 7000
    respond(phone, "INVITE", 200)
    assert phone.sent("ACK")[0].body == b""
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize("body", [b"", BAD_OFFER])
def test_a_late_offer_that_is_none_gets_ack_then_bye(body: bytes) -> None:
    phone = Phone()
    phone.place_call(late_offer=True)
    respond(phone, "INVITE", 200, body=body)
    assert phone.sent("ACK")
    assert phone.sent("BYE")
    phone.finish()
    assert phone.ended.status == 488


def test_each_fork_of_a_late_offer_makes_its_own() -> None:
    phone = Phone()
    phone.place_call(late_offer=True)
    provisional(phone, 1, tag="one", body=OFFER)
    provisional(phone, 5, tag="two", body=OFFER.replace(b"7000", b"7200"))
    assert [request.head.to_tag for request in phone.sent("PRACK")] == ["one", "two"]
    assert phone.started().port == 7200


# As the callee.


def test_a_180_is_reliable_only_where_the_peer_requires_it() -> None:
    assert b"RSeq" not in ringing(Supported="100rel").last(Reply).raw
    raw = ringing(Require="100rel").last(Reply).raw
    assert line(raw, "Require") == "100rel"
    assert line(raw, "RSeq") == "1"
    assert parse(raw).status == 180  # type: ignore[union-attr]


def test_a_reliable_response_is_repeated_until_its_prack_ever_more_slowly() -> None:
    phone = ringing(Require="100rel")
    raw = phone.last(Reply).raw
    phone.wait(7.6)
    times = [reply for reply in phone.all(Reply) if reply.raw == raw]
    assert len(times) == 5  # at once, then after 0.5, 1.5, 3.5 and 7.5 s
    assert prack(phone) == 200
    phone.wait(30)
    assert len([reply for reply in phone.all(Reply) if reply.raw == raw]) == 5


def test_no_prack_means_a_5xx() -> None:
    phone = ringing(Require="100rel")
    phone.wait(33)
    assert phone.statuses[-1] == 504
    phone.finish()
    assert phone.ended.outcome == "failed"


@pytest.mark.parametrize("rack", ["2 1 INVITE", "1 2 INVITE", "1 1 UPDATE"])
def test_a_prack_that_matches_nothing_is_481(rack: str) -> None:
    phone = ringing(Require="100rel")
    assert prack(phone, rack) == 481
    assert prack(phone, cseq=3) == 200
    assert prack(phone, cseq=4) == 481
    assert prack(ringing()) == 481


def test_a_prack_without_rack_and_one_with_a_malformed_one_are_refused() -> None:
    phone = ringing(Require="100rel")
    phone.request(message("PRACK", to_tag=phone.our_tag(), cseq=2))
    assert phone.statuses[-1] == 481
    assert prack(phone, "nonsense", cseq=3) == 400


def test_the_2xx_waits_for_the_prack() -> None:
    phone = ringing(Require="100rel")
    phone.command(AnswerCall("a", phone.call.call, Treatment(), 0.0, (("X-Ticket", "7"),)))
    assert phone.statuses == [180]
    assert prack(phone) == 200
    raw = phone.last(Reply).raw
    assert parse(raw).head.method == "INVITE"
    assert line(raw, "X-Ticket") == "7"
    assert b"m=audio" in raw
    assert phone.state == "ANSWERED"


def test_a_policy_that_answers_at_once_waits_too() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(Require="100rel"))
    assert phone.statuses == [180]
    prack(phone)
    assert phone.statuses == [180, 200, 200]


def test_early_media_is_reliable_where_the_peer_can_and_the_2xx_repeats_no_answer() -> None:
    phone = ringing(Supported="100rel")
    progress(phone)
    raw = phone.last(Reply).raw
    assert parse(raw).status == 183  # type: ignore[union-attr]
    assert line(raw, "RSeq") == "1"
    assert b"m=audio 16384 " in raw
    assert phone.started().port == 7000
    assert phone.last(Treat).play == "/a.wav"
    assert prack(phone) == 200
    phone.command(AnswerCall("a", phone.call.call, Treatment(), 0.0))
    answered = phone.last_response()
    assert (answered.status, answered.body) == (200, b"")
    assert phone.reports(CallAnswered)[0].encoding == "PCMU"


def test_early_media_to_a_peer_that_cannot_is_a_preview_that_the_2xx_repeats() -> None:
    phone = ringing()
    progress(phone)
    early = phone.last_response()
    assert early.get("RSeq") is None
    phone.played(phone.session)
    phone._did(phone.agent.calls.unrecorded(phone.session, "/a.wav", "disk full", *phone.clock))
    phone.command(AnswerCall("a", phone.call.call, Treatment(), 0.0))
    assert phone.last_response().body == early.body
    assert phone.call.treatment.play == "/a.wav"  # it goes on


def test_progress_without_media_and_what_cannot_be_progress() -> None:
    phone = ringing(Supported="100rel")
    progress(phone, status=182, early_media=False)
    assert phone.last_response().status == 182
    assert not phone.all(Start)
    progress(phone, status=200)
    assert phone.failure().code == "bad_value"
    progress(phone)
    progress(phone)
    assert phone.failure().code == "bad_state"
    assert "PRACK" in phone.failure().message


def test_an_invite_without_an_offer_gets_no_early_media() -> None:
    phone = Phone()
    phone.receive_call(invite(b""))
    progress(phone)
    assert phone.last_response().body == b""
    assert not phone.all(Start)


def test_a_prack_may_hold_a_new_offer() -> None:
    phone = ringing(Supported="100rel")
    progress(phone)
    assert prack(phone, body=OFFER.replace(b"7000", b"7300")) == 200
    assert b"m=audio 16384 " in phone.last_response().body
    assert phone.started().port == 7300
    progress(phone)
    assert prack(phone, "2 1 INVITE", cseq=3, body=BAD_OFFER) == 488


def test_a_long_ringing_repeats_a_reliable_180_with_a_number_of_its_own() -> None:
    phone = ringing(Require="100rel")
    prack(phone)
    phone.wait(61)
    assert line(phone.last(Reply).raw, "RSeq") == "2"
    phone = ringing(Require="100rel")
    phone.settings = phone.settings.__class__(t1=4.0)
    phone.start()
    assert phone.state == "RINGING"


def test_a_minute_of_ringing_while_a_prack_is_awaited_adds_nothing() -> None:
    phone = Phone(t1=2.0)
    phone.receive_call(invite(Require="100rel"))
    phone.wait(61)
    assert b"RSeq: 2" not in b"".join(reply.raw for reply in phone.all(Reply))
