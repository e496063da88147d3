"""Calls meet what peers leave out or get wrong, and what comes together that rarely does."""

from __future__ import annotations

from actors.dialog.call_events import CallHoldChanged, CallProgressed, CallReceived
from actors.dialog.effects import Start
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message
from tests.dialog.test_change import answer_of, callee, hold, respond, sent


def test_a_provisional_response_without_a_tag_or_with_a_body_of_another_kind_is_progress_only() -> None:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(sent(phone, "INVITE"), 180).replace(b";tag=callee", b""), key)
    assert phone.call.early == ()
    raw = answer_to(sent(phone, "INVITE"), 183, body=OFFER).replace(b"application/sdp", b"text/plain")
    phone.response(raw, key)
    assert [event.status for event in phone.reports(CallProgressed)] == [180, 183]
    assert not phone.all(Start)


def test_a_request_that_keeps_its_contact_to_itself_leaves_the_target() -> None:
    phone = callee()
    target = phone.call.dialog.remote_target  # type: ignore[union-attr]
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, Contact=""))
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=3, body=OFFER, Contact=""))
    assert phone.statuses[-2:] == [200, 200]
    assert phone.call.dialog.remote_target == target  # type: ignore[union-attr]


def test_a_2xx_to_our_change_with_a_contact_that_is_none_leaves_the_target() -> None:
    phone = callee()
    target = phone.call.dialog.remote_target  # type: ignore[union-attr]
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"), contact="<sip:@@@>")
    assert phone.reports(CallHoldChanged)[-1].local
    assert phone.call.dialog.remote_target == target  # type: ignore[union-attr]


def test_a_2xx_to_our_change_moves_the_target() -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"), contact="<sip:moved@192.0.2.77>")
    assert phone.sent("ACK")[-1].uri == "sip:moved@192.0.2.77"


def test_a_header_for_people_that_is_malformed_is_not_told_and_the_call_goes_on() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(Diversion="<sip:a, x", Subject="x"))
    assert phone.statuses == [180, 200]
    assert phone.reports(CallReceived)[0].headers == (("Subject", "x"),)


def test_a_refresh_that_falls_into_the_wait_after_a_491_leaves_it_to_the_change() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(Session_Expires="90;refresher=uas", Supported="timer", Allow="UPDATE"))
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.wait(44.999)
    hold(phone)
    respond(phone, "INVITE", 491)
    phone.wait(0.002)  # half of the 90 s is over
    assert not phone.sent("UPDATE")
    phone.wait(3.5)
    assert phone.sent("INVITE")[-1].get("Session-Expires") == "90;refresher=uac"


def test_a_retransmitted_invite_whose_answer_is_not_made_yet_gets_none() -> None:
    phone = Phone()
    phone.request(invite())
    before = len(phone.effects)
    phone.request(invite())
    assert len(phone.effects) == before
