"""The six patterns of offer and answer (RFC 6337 section 2.2, table 1), each in both roles, with media and without."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import AnswerCall, ProgressCall, Treatment
from actors.dialog.call_events import (
    CallAnswered,
    CallOfferAnswered,
    CallProgressed,
)
from actors.dialog.effects import Start, Treat
from tests.dialog.phone import BAD_OFFER, OFFER, Phone, invite, message
from tests.dialog.test_reliable import prack, progress
from tests.dialog.test_signalling_only import OTHER, OURS, THEIRS, Box

REQUIRED = {"Require": "100rel"}
ABLE = {"Supported": "100rel"}


# 4. The offer in a reliable provisional response, the answer in its PRACK. As the callee.


def asked(**headers: str) -> Phone:
    """A call in with media whose INVITE has no offer; it rings."""
    phone = Phone()
    phone.receive_call(invite(b"", **headers))
    return phone


def test_the_first_reliable_response_to_an_invite_without_an_offer_makes_one() -> None:
    phone = asked(**REQUIRED)
    ringing = phone.last_response()
    assert (ringing.status, ringing.get("RSeq")) == (180, "1")
    assert b"m=audio 16384 " in ringing.body
    assert prack(phone, body=OFFER) == 200
    assert phone.last_response().body == b""
    assert not phone.all(Start)
    phone.command(AnswerCall("a", phone.call.call, Treatment(), 0.0))
    assert (phone.last_response().status, phone.last_response().body) == (200, b"")
    assert (phone.started().port, phone.reports(CallAnswered)[0].encoding) == (7000, "PCMU")


def test_early_media_to_a_caller_without_an_offer_begins_with_its_prack() -> None:
    phone = asked(**ABLE)
    assert phone.last_response().get("RSeq") is None
    progress(phone)
    assert b"m=audio 16384 " in phone.last_response().body
    assert not phone.all(Start)
    assert prack(phone, body=OFFER) == 200
    assert (phone.started().port, phone.last(Treat).play) == (7000, "/a.wav")


def test_a_policy_that_answers_at_once_waits_for_the_answer_in_the_prack() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(b"", **REQUIRED))
    assert phone.statuses == [180]
    prack(phone, body=OFFER)
    assert phone.statuses == [180, 200, 200]
    assert phone.last_response().body == b""
    assert phone.started().port == 7000


@pytest.mark.parametrize("body", [b"", BAD_OFFER, b"nonsense"])
def test_a_prack_without_a_good_answer_to_our_offer_is_taken_and_the_invite_refused(body: bytes) -> None:
    phone = asked(**REQUIRED)
    prack(phone, body=body)
    assert phone.statuses == [180, 200, 488]
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == ("failed", 488)
    phone.wait(100)
    assert phone.calls == []


def test_an_update_while_our_offer_waits_for_its_prack_gets_491() -> None:
    phone = asked(**REQUIRED)
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, body=OFFER))
    assert phone.statuses[-1] == 491
    assert prack(phone, cseq=3, body=OFFER) == 200


def test_the_application_makes_the_offer_of_a_reliable_response_and_is_told_its_answer() -> None:
    box = Box().comes(b"", **ABLE)
    assert box.statuses == [180]
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    assert (box.last_response().status, box.last_response().body) == (183, OURS)
    box.asks("PRACK", THEIRS, RAck="1 1 INVITE")
    assert [(event.status, event.sdp) for event in box.reports(CallOfferAnswered)] == [(200, THEIRS.decode())]
    box.answer(OTHER)
    assert box.codes == ["bad_value"]
    box.answer(b"")
    assert (box.last_response().status, box.last_response().body) == (200, b"")
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()


def test_where_reliable_responses_are_required_none_goes_out_before_the_application_makes_the_offer() -> None:
    box = Box().comes(b"", **REQUIRED)
    box.wait(61)
    assert (box.state, box.statuses, box.reports(CallProgressed)) == ("RINGING", [], [])
    box.command(ProgressCall("p", box.call.call))
    assert box.codes == ["bad_value"]
    box.command(ProgressCall("q", box.call.call, 180, sdp=OURS))
    assert (box.last_response().status, box.last_response().body) == (180, OURS)
    box.answer(b"")
    assert box.statuses == [180]
    box.asks("PRACK", THEIRS, RAck="1 1 INVITE")
    assert box.statuses == [180, 200, 200]


def test_where_reliable_responses_are_required_the_2xx_may_make_the_offer() -> None:
    box = Box().comes(b"", **REQUIRED)
    box.answer()
    assert (box.statuses, box.last_response().body) == ([200], OURS)
    box.asks("ACK", THEIRS)
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()


@pytest.mark.parametrize("body", [b"", b"x" * 40_000])
def test_a_prack_without_an_answer_to_the_applications_offer_ends_the_call(body: bytes) -> None:
    box = Box().comes(b"", **ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.asks("PRACK", body, RAck="1 1 INVITE")
    assert (box.statuses[1:], box.calls) == ([183, 200, 488], [])
    assert box.ended.status == 488
