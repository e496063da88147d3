"""The races of RFC 5407, as far as a user agent of calls without UPDATE or REFER meets them."""

from __future__ import annotations

from actors.dialog.call_commands import HangUp
from actors.dialog.call_events import CallAnswered
from actors.dialog.effects import Reply, Send
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message


def answered_in(body: bytes = OFFER) -> Phone:
    phone = Phone("echo")
    phone.receive_call(invite(body))
    return phone


def answered_out() -> Phone:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), key)
    return phone


def test_3_1_1_the_initial_invite_again_in_the_moratorium_state_gets_the_200_again() -> None:
    phone = answered_in()
    phone.request(invite())
    assert phone.statuses == [180, 200, 200]


def test_3_1_2_a_cancel_that_crosses_our_200_has_no_effect() -> None:
    phone = answered_in()
    phone.cancel(invite())
    assert phone.state == "ANSWERED"
    phone.request(message("ACK", to_tag=phone.call.tag))
    assert phone.state == "CONFIRMED"


def test_3_1_2_a_200_that_crosses_our_cancel_gets_ack_and_bye() -> None:
    phone = Phone()
    key = phone.place_call()
    invited = phone.last(Send).raw
    phone.response(answer_to(invited, 180), key)
    phone.command(HangUp("h", "call-1@host"))
    phone.response(answer_to(invited, 200, body=OFFER), key)
    assert len(phone.sent("ACK")) == len(phone.sent("BYE")) == 1
    assert not phone.reports(CallAnswered)
    phone.finish()
    assert phone.ended.outcome == "cancelled"
    assert phone.ended.talking == 0


def test_3_1_3_a_bye_of_the_early_dialog_that_crosses_our_200_ends_the_call() -> None:
    phone = answered_in()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.finish()
    assert phone.statuses == [180, 200, 200]
    assert not phone.cells


def test_3_1_4_a_reinvite_before_the_ack_gets_200_and_the_old_ack_changes_nothing() -> None:
    phone = answered_in()
    phone.request(invite(OFFER, to_tag=phone.call.tag, cseq=2))
    assert phone.statuses[-1] == 200
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=1))
    assert phone.state == "ANSWERED"
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=3))  # nor does one of an INVITE that never came
    assert phone.state == "ANSWERED"
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    assert phone.state == "CONFIRMED"


def test_3_1_5_a_reinvite_while_our_late_offer_is_open_gets_491() -> None:
    phone = answered_in(b"")
    phone.request(invite(OFFER, to_tag=phone.call.tag, cseq=2))
    assert phone.statuses[-1] == 491
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=1, body=OFFER))
    assert phone.state == "CONFIRMED"


def test_3_1_6_a_bye_before_the_ack_ends_the_call_and_the_repetition() -> None:
    phone = answered_in()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.finish()
    phone.wait(40)
    assert phone.statuses == [180, 200, 200]
    assert phone.ended.by == "remote"


def test_3_1_6_a_200_repeated_after_our_bye_gets_its_ack_and_no_new_call() -> None:
    phone = answered_out()
    phone.command(HangUp("h", "call-1@host"))
    invited = phone.all(Send)[0]
    phone.response(answer_to(invited.raw, 200, body=OFFER), invited.key)
    assert len(phone.sent("ACK")) == 2
    assert len(phone.sent("BYE")) == 1
    assert len(phone.reports(CallAnswered)) == 1


def test_3_2_1_byes_that_cross_are_both_answered() -> None:
    phone = answered_in()
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.command(HangUp("h", phone.call.call))
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    assert phone.statuses[-1] == 200
    phone.finish()
    assert phone.ended.by == "local"
    assert not phone.cells


def test_3_2_2_a_reinvite_that_crosses_our_bye_gets_481() -> None:
    phone = answered_in()
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.command(HangUp("h", phone.call.call))
    phone.request(invite(OFFER, to_tag=phone.call.tag, cseq=2))
    assert phone.statuses[-1] == 481


def test_3_2_3_a_bye_right_after_their_reinvite_ends_the_call_without_its_ack() -> None:
    phone = answered_in()
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.request(invite(OFFER, to_tag=phone.call.tag, cseq=2))
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=3))
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    phone.finish()
    assert phone.statuses[-1] == 200
    assert not phone.cells


def test_3_2_4_an_ack_after_our_bye_is_ignored() -> None:
    phone = answered_in(b"")
    phone.wait(32)
    assert phone.sent("BYE")
    phone.request(message("ACK", to_tag=phone.call.tag, body=OFFER))
    assert not phone.reports(CallAnswered)
    phone.finish()
    assert not phone.cells


def test_3_3_1_their_invite_while_ours_is_open_gets_491() -> None:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(phone.last(Send).raw, 180), key)
    theirs = {"From": "<sip:bob@192.0.2.9>;tag=callee", "Call_ID": "call-1@host", "to_tag": phone.call.tag}
    phone.request(message("INVITE", body=OFFER, **theirs))  # type: ignore[arg-type]
    assert phone.statuses == [491]
    phone.request(message("BYE", **theirs))  # type: ignore[arg-type]
    assert phone.statuses == [491, 481]


def test_after_everything_is_over_requests_get_481_and_acks_silence() -> None:
    phone = answered_in()
    tag = phone.call.tag
    phone.request(message("ACK", to_tag=tag))
    phone.request(message("BYE", to_tag=tag, cseq=2))
    phone.finish()
    phone.request(message("BYE", to_tag=tag, cseq=3))
    assert phone.statuses[-1] == 481
    count = len(phone.all(Reply))
    phone.request(message("ACK", to_tag=tag))
    assert len(phone.all(Reply)) == count
