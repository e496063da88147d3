"""The six patterns of offer and answer (RFC 6337 section 2.2, table 1), each in both roles, with media and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, OfferSession, ProgressCall, TransferCall, Treatment
from actors.dialog.call_events import CallAnswered, CallNoticed, CallOfferAnswered, CallOffered, CallProgressed
from actors.dialog.effects import Find, Send, Start, Treat
from actors.sip import parse
from tests.dialog.phone import BAD_OFFER, FAR, NEAR, OFFER, Phone, answer_to, invite, message, place
from tests.dialog.test_change import respond, sent
from tests.dialog.test_reliable import prack, progress
from tests.dialog.test_signalling_only import OTHER, OURS, THEIRS, UP, Box, into

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


# 5. The offer in a PRACK, the answer in its 2xx.


def early_out(**order: Any) -> Box:
    """A call out whose reliable 183 has answered the offer of the application, and has its PRACK."""
    box = Box().out(**order)
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    if not order.get("offer_in_prack"):
        respond(box, "PRACK", 200)
    return box


def early_in() -> Box:
    """A call in whose offer the application has answered in a reliable 183, which has its PRACK."""
    box = Box().comes(**ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.asks("PRACK", RAck="1 1 INVITE")
    assert box.last_response().status == 200
    return box


EARLY = pytest.mark.parametrize("early", [early_out, early_in])


def told(box: Box) -> list[tuple[int, str]]:
    return [(event.status, event.sdp) for event in box.reports(CallOfferAnswered)]


def test_the_prack_to_an_early_answer_holds_the_offer_that_the_application_makes() -> None:
    box = early_out(offer_in_prack=True)
    assert (box.offered.sdp, box.offered.method, box.offered.fork, box.sent("PRACK")) == ("", "", "callee", [])
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)  # it comes again, and nothing else happens
    assert len(box.reports(CallOffered)) == 1
    box.reply(OTHER)
    (prack,) = box.sent("PRACK")
    assert (prack.body, prack.get("RAck")) == (OTHER, "1 1 INVITE")
    respond(box, "PRACK", 200, body=b"fine\r\n")
    assert told(box) == [(200, "fine\r\n")]
    respond(box, "INVITE", 200)
    assert box.reports(CallAnswered)[0].sdp == "fine\r\n"
    assert box.call.media.exchange.local == OTHER


@pytest.mark.parametrize(
    "decline", [lambda box: box.reply(b""), lambda box: box.reply(b"", 488), lambda box: box.wait(10.1)]
)
def test_a_prack_goes_without_an_offer_where_the_application_makes_none(decline: Callable[[Box], object]) -> None:
    box = early_out(offer_in_prack=True)
    decline(box)
    assert [prack.body for prack in box.sent("PRACK")] == [b""]
    assert not box.reports(CallNoticed)
    respond(box, "PRACK", 200)
    respond(box, "INVITE", 200)
    assert (box.state, box.reports(CallAnswered)[0].sdp) == ("CONFIRMED", THEIRS.decode())


def test_a_prack_that_is_refused_for_its_offer_goes_again_without_and_what_was_agreed_stands() -> None:
    box = early_out(offer_in_prack=True)
    box.reply(OTHER)
    respond(box, "PRACK", 488)
    assert [(prack.body, prack.get("RAck")) for prack in box.sent("PRACK")] == [
        (OTHER, "1 1 INVITE"),
        (b"", "1 1 INVITE"),
    ]
    assert box.sent("PRACK")[1].head.cseq == 3
    assert told(box) == [(488, "")]
    respond(box, "PRACK", 200)
    respond(box, "INVITE", 200)
    assert box.call.media.exchange.local == OURS


def test_a_2xx_that_overtakes_the_answer_in_a_prack_leaves_the_offer_open_until_it_comes() -> None:
    box = early_out(offer_in_prack=True)
    box.reply(OTHER)
    respond(box, "INVITE", 200)
    assert box.state == "MODIFYING"
    respond(box, "PRACK", 200, body=b"fine\r\n")
    assert (box.state, told(box)) == ("CONFIRMED", [(200, "fine\r\n")])


def test_a_prack_that_comes_too_late_for_its_offer_leaves_the_call_up() -> None:
    box = early_out(offer_in_prack=True)
    box.reply(OTHER)
    respond(box, "INVITE", 200)
    respond(box, "PRACK", 481)
    assert (box.state, told(box)) == ("CONFIRMED", [(481, "")])
    assert box.call.media.exchange.local == OURS


def test_an_invite_that_is_answered_while_the_application_thinks_about_the_prack_needs_none() -> None:
    box = early_out(offer_in_prack=True)
    respond(box, "INVITE", 200)
    assert (box.state, box.sent("PRACK"), box.call.offer) == ("CONFIRMED", [], None)
    box.reply(OTHER)
    assert box.codes == ["bad_value"]


def test_an_offer_in_a_prack_is_wanted_where_there_is_a_first_one() -> None:
    box = Box()
    box.command(place(media="application", late_offer=True, offer_in_prack=True, treatment=Treatment()))
    box.command(place(offer_in_prack=True))
    assert box.codes == ["bad_value", "bad_value"]


# 6. The offer in an UPDATE, the answer in its 2xx: before the call is answered (RFC 3311 s5.1).


@EARLY
def test_an_update_of_ours_in_an_early_dialog_is_answered_and_the_call_comes_up_with_that(
    early: Callable[[], Box],
) -> None:
    box = early()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    (update,) = box.sent("UPDATE")
    assert (update.body, str(update.contact.uri.host)) == (OTHER, "192.0.2.1")  # type: ignore[union-attr]
    assert "UPDATE" in (update.get("Allow") or "")
    assert update.get("Session-Expires") is None
    respond(box, "UPDATE", 200, body=b"fine\r\n", Contact="<sip:new@192.0.2.77>")
    assert told(box) == [(200, "fine\r\n")]
    _up(box)
    assert box.reports(CallAnswered)[0].sdp == "fine\r\n"
    exchange = box.call.media.exchange
    assert (exchange.local, exchange.remote) == (OTHER, b"fine\r\n")


def _up(box: Box) -> None:
    """The call is answered."""
    if box.call.inbound:
        box.answer(b"")
        box.asks("ACK")
    else:
        respond(box, "INVITE", 200)
    assert box.state == "CONFIRMED"


@EARLY
@pytest.mark.parametrize(("status", "body"), [(488, b""), (200, b""), (200, b"x" * 40_000), (405, b"")])
def test_an_early_update_that_is_refused_or_has_no_good_answer_changes_nothing(
    early: Callable[[], Box], status: int, body: bytes
) -> None:
    box = early()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "UPDATE", status, body=body)
    assert told(box) == [(488 if status == 200 else status, "")]
    _up(box)
    assert box.call.media.exchange.local == OURS


@EARLY
def test_an_early_update_that_nobody_answers_is_told_and_the_call_goes_on(early: Callable[[], Box]) -> None:
    box = early()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    box.failed(box.last(Send).key, 408)
    assert told(box) == [(408, "")]
    _up(box)


@EARLY
def test_early_updates_that_meet_get_491_and_ours_is_made_again(early: Callable[[], Box]) -> None:
    """RFC 3311 s5.2 and 5.3: both sides offer at once."""
    box = early()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    box.asks("UPDATE", THEIRS)
    assert box.last_response().status == 491
    respond(box, "UPDATE", 491)
    assert told(box) == []
    box.asks("UPDATE", b"theirs first\r\n")
    box.reply(b"ours\r\n")
    assert box.last_response().body == b"ours\r\n"
    box.wait(4.1)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER, OTHER]
    respond(box, "UPDATE", 200, body=b"fine\r\n")
    _up(box)
    assert box.reports(CallAnswered)[0].sdp == "fine\r\n"


@EARLY
def test_while_an_early_offer_of_the_peer_waits_ours_is_refused_and_another_of_theirs_gets_500(
    early: Callable[[], Box],
) -> None:
    box = early()
    box.asks("UPDATE", OTHER)
    box.command(OfferSession("o", box.call.call, OURS, update=True))
    assert box.codes == ["bad_state"]
    seen = len(box.statuses)
    box.asks("UPDATE", b"another\r\n")
    box.asks("UPDATE")
    assert box.statuses[seen:] == [500, 500]  # RFC 3311 s5.2: a second UPDATE before the answer to the first
    assert "Retry-After" in dict(box.last_response().items())
    box.reply(OTHER)
    assert box.last_response().status == 200


def test_an_early_offer_needs_an_answer_that_was_sent_reliably() -> None:
    box = Box().out()
    call = box.call.call
    box.command(OfferSession("a", call, OTHER, update=True))
    respond(box, "INVITE", 183, body=THEIRS)
    box.command(OfferSession("b", call, OTHER, update=True))
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    box.command(OfferSession("c", call, OTHER))
    box.command(OfferSession("d", call, b"", update=True))
    box.command(OfferSession("e", call, OTHER, update=True, fork="nobody"))
    assert box.codes == ["bad_state", "bad_state", "bad_state", "bad_value", "bad_state"]
    box = Box().comes()
    box.command(OfferSession("f", box.call.call, OTHER, update=True))
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.command(OfferSession("g", box.call.call, OTHER, update=True))
    assert box.codes == ["bad_state", "bad_state"]
    assert box.sent("UPDATE") == []


def test_an_early_update_waits_for_the_prack_that_is_on_its_way() -> None:
    """RFC 6337 s4.3, UAC-IU."""
    box = Box().out()
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    box.wait(0.5)
    assert box.sent("UPDATE") == []
    respond(box, "PRACK", 200)
    box.wait(0.0)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER]
    box = Box().comes(**ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    assert box.sent("UPDATE") == []
    box.asks("PRACK", RAck="1 1 INVITE")
    box.wait(0.0)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER]


def test_a_2xx_of_ours_waits_for_the_answer_to_our_early_update() -> None:
    box = early_in()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    seen = len(box.statuses)
    box.answer(b"")
    assert (box.statuses[seen:], box.state) == ([], "RINGING")
    respond(box, "UPDATE", 200, body=b"fine\r\n")
    assert (box.statuses[seen:], box.state) == ([200], "ANSWERED")
    assert (box.last_response().body, box.reports(CallAnswered)[0].sdp) == (b"", "fine\r\n")


def test_an_early_update_that_meets_491_while_the_answer_waits_for_it_goes_out_after_the_ack() -> None:
    box = early_in()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    box.answer(b"")
    respond(box, "UPDATE", 491)
    assert (box.state, box.last_response().status) == ("ANSWERED", 200)
    box.asks("ACK")
    box.wait(0.0)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER, OTHER]


def test_an_early_update_that_waits_for_the_prack_that_the_answer_waits_for_goes_out_after_the_ack() -> None:
    box = Box().comes(**ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    box.answer(b"")
    box.asks("PRACK", RAck="1 1 INVITE")
    assert (box.state, box.sent("UPDATE")) == ("ANSWERED", [])
    box.asks("ACK")
    box.wait(0.0)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER]


def test_an_early_update_after_a_491_goes_out_once_the_call_is_up() -> None:
    box = early_in()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "UPDATE", 491)
    box.answer(b"")
    box.asks("ACK")
    box.wait(4.1)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER, OTHER]
    box = early_out()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "UPDATE", 491)
    respond(box, "INVITE", 200)
    box.wait(4.1)
    assert [update.body for update in box.sent("UPDATE")] == [OTHER, OTHER]
    respond(box, "UPDATE", 200, body=b"fine\r\n")
    assert (box.state, told(box)) == ("CONFIRMED", [(200, "fine\r\n")])


def test_a_2xx_of_theirs_may_overtake_the_answer_to_our_early_update() -> None:
    box = early_out()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "INVITE", 200)
    assert (box.state, box.reports(CallAnswered)[0].sdp) == ("MODIFYING", THEIRS.decode())
    respond(box, "UPDATE", 200, body=b"fine\r\n")
    assert (box.state, box.call.media.exchange.remote) == ("CONFIRMED", b"fine\r\n")


def test_an_early_offer_goes_to_the_branch_that_is_named_and_ends_with_that() -> None:
    box = Box().out()
    for tag in ("a", "b"):
        raw = answer_to(sent(box, "INVITE"), 183, tag=tag, body=tag.encode() + b"\r\n", Require="100rel", RSeq="1")
        box.response(raw, box.invite_key())
        respond(box, "PRACK", 200)
    box.command(OfferSession("o", box.call.call, OTHER, update=True, fork="a"))
    assert [update.head.to_tag for update in box.sent("UPDATE")] == ["a"]
    box.response(answer_to(sent(box, "INVITE"), 200, tag="b"), box.invite_key())
    assert (box.state, told(box)) == ("CONFIRMED", [(487, "")])
    assert box.reports(CallAnswered)[0].sdp == "b\r\n"
    respond(box, "UPDATE", 200, body=b"too late\r\n")
    assert box.call.media.exchange.remote == b"b\r\n"
    box.command(OfferSession("p", box.call.call, OTHER))
    assert box.sent("INVITE")[-1].body == OTHER


def test_an_invite_that_fails_takes_its_early_offer_with_it() -> None:
    box = Box()
    box.command(place(media="application", sdp=OURS, treatment=Treatment()))
    box.located(box.last(Find).ref, NEAR, FAR)
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    respond(box, "PRACK", 200)
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "INVITE", 503)
    assert (told(box), box.state, box.call.change) == ([(487, "")], "INVITING", None)


@EARLY
@pytest.mark.parametrize("by", ["us", "peer"])
def test_the_end_of_a_call_ends_its_early_offer(early: Callable[[], Box], by: str) -> None:
    box = early()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    inbound = box.call.inbound
    if by == "us":
        box.command(HangUp("h", box.call.call))
    elif inbound:
        box.asks("BYE")
    if not inbound:
        respond(box, "INVITE", 487)
    assert box.ended.outcome in ("cancelled", "rejected")
    box.wait(100)
    assert box.calls == []


# 2 and 4, where the offer is asked for: a re-INVITE of ours without a description (RFC 3261 s14.1).


@UP
def test_the_offer_that_a_reinvite_of_ours_asks_for_comes_in_the_2xx_and_its_answer_goes_in_the_ack(
    up: Callable[[], Box],
) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    request = parse(sent(box, "INVITE"))
    assert (request.body, request.get("Content-Type"), box.state) == (b"", None, "MODIFYING")
    acks = len(box.sent("ACK"))
    respond(box, "INVITE", 200, body=OTHER)
    assert (box.offered.sdp, box.offered.method, box.state, len(box.sent("ACK"))) == (
        OTHER.decode(),
        "",
        "CONFIRMED",
        acks,
    )
    respond(box, "INVITE", 200, body=OTHER)
    assert len(box.sent("ACK")) == acks
    box.reply(b"ours now\r\n")
    ack = box.sent("ACK")[-1]
    assert (ack.body, ack.head.cseq, len(box.reports(CallAnswered))) == (b"ours now\r\n", request.head.cseq, 1)
    respond(box, "INVITE", 200, body=OTHER)
    assert [each.body for each in box.sent("ACK")[acks:]] == [b"ours now\r\n"] * 2
    exchange = box.call.media.exchange
    assert (exchange.local, exchange.remote) == (b"ours now\r\n", OTHER)


@UP
def test_an_offer_that_says_nothing_new_is_answered_without_asking(up: Callable[[], Box]) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 200, body=THEIRS)
    assert (box.sent("ACK")[-1].body, box.reports(CallOffered)) == (OURS, [])


@UP
@pytest.mark.parametrize(
    "end",
    [lambda box: box.wait(10.1), lambda box: box.reply(b"", 488), lambda box: box.command(HangUp("h", box.call.call))],
    ids=["silence", "refused", "hung up"],
)
def test_the_offer_in_the_2xx_to_our_reinvite_that_is_not_answered_gets_ack_and_bye(
    up: Callable[[], Box], end: Callable[[Box], object]
) -> None:
    box = up()
    acks = len(box.sent("ACK"))
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 200, body=OTHER)
    end(box)
    assert [ack.body for ack in box.sent("ACK")[acks:]] == [b""]
    assert len(box.sent("BYE")) == 1
    box.finish()
    box.wait(100)
    assert box.calls == []


@UP
@pytest.mark.parametrize(("status", "body"), [(488, b""), (200, b"")])
def test_a_reinvite_that_brings_no_offer_leaves_the_session_and_is_told(
    up: Callable[[], Box], status: int, body: bytes
) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", status, body=body)
    assert (told(box), box.state) == ([(status, "")], "CONFIRMED")
    assert box.call.media.exchange.local == OURS


@UP
def test_a_reinvite_that_asks_for_an_offer_and_meets_491_asks_again(up: Callable[[], Box]) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    box.asks("INVITE", OTHER)
    assert box.last_response().status == 491
    respond(box, "INVITE", 491)
    box.wait(4.1)
    assert [request.body for request in box.sent("INVITE")][-2:] == [b"", b""]


@UP
def test_before_the_ack_to_an_offer_of_theirs_more_of_them_get_491(up: Callable[[], Box]) -> None:
    """RFC 6337 s4.3, UAS-IcI and UAS-IcU."""
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 200, body=OTHER)
    seen = len(box.statuses)
    box.asks("INVITE", b"more\r\n")
    box.asks("UPDATE", b"more\r\n")
    assert box.statuses[seen:] == [491, 491]
    box.command(TransferCall("t", box.call.call, "sip:c@h"))
    box.command(OfferSession("p", box.call.call, OURS))
    assert box.codes == ["bad_state", "bad_state"]


@UP
def test_an_update_of_theirs_that_waits_gives_way_to_the_offer_that_we_asked_for(up: Callable[[], Box]) -> None:
    """RFC 6337 figure 5, of a peer that does not avoid it."""
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    box.asks("UPDATE", b"first\r\n")
    respond(box, "INVITE", 200, body=OTHER)
    assert (box.last_response().status, box.offered.sdp) == (500, OTHER.decode())
    box.reply(OURS)
    assert box.sent("ACK")[-1].body == OURS


@UP
def test_the_offer_that_a_reinvite_asks_for_may_come_in_a_reliable_response(up: Callable[[], Box]) -> None:
    box = up()
    reliable = {"Require": "100rel", "RSeq": "5", "body": OTHER}
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 183, **reliable)
    respond(box, "INVITE", 183, **reliable)
    assert (len(box.reports(CallOffered)), box.sent("PRACK")) == (1, [])
    box.reply(b"ours now\r\n")
    (prack,) = box.sent("PRACK")
    seq = parse(sent(box, "INVITE")).head.cseq
    assert (prack.body, prack.get("RAck")) == (b"ours now\r\n", f"5 {seq} INVITE")
    respond(box, "PRACK", 200)
    respond(box, "INVITE", 200, body=b"a repetition that says nothing\r\n")
    assert (box.sent("ACK")[-1].body, box.state, len(box.reports(CallOffered))) == (b"", "CONFIRMED", 1)
    exchange = box.call.media.exchange
    assert (exchange.local, exchange.remote) == (b"ours now\r\n", OTHER)


@UP
def test_the_offer_in_a_reliable_response_to_our_reinvite_that_nobody_answers_ends_the_call(
    up: Callable[[], Box],
) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 183, Require="100rel", RSeq="5", body=OTHER)
    box.wait(10.1)
    assert ([prack.body for prack in box.sent("PRACK")], len(box.sent("BYE")), box.state) == ([b""], 1, "CLOSING")
    respond(box, "INVITE", 487)
    box.finish()
    box.wait(100)
    assert box.calls == []


@UP
@pytest.mark.parametrize("status", [200, 488, 0])
def test_a_reinvite_that_ends_while_its_reliable_offer_waits_takes_that_with_it(
    up: Callable[[], Box], status: int
) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 183, Require="100rel", RSeq="5", body=OTHER)
    if status:
        respond(box, "INVITE", status)
    else:
        box._did(box.agent.transactions_lost(*box.clock))
    assert (box.state, box.call.offer, box.call.media.exchange.local) == ("CONFIRMED", None, OURS)
    box.reply(OTHER)
    assert box.codes == ["bad_value"]


@UP
def test_each_reinvite_counts_its_reliable_responses_afresh(up: Callable[[], Box]) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, OTHER))
    respond(box, "INVITE", 180, Require="100rel", RSeq="900")
    respond(box, "PRACK", 200)
    respond(box, "INVITE", 491)
    box.wait(4.1)
    respond(box, "INVITE", 180, Require="100rel", RSeq="3")
    assert [(prack.get("RAck") or "").split(" ")[0] for prack in box.sent("PRACK")] == ["900", "3"]


def test_two_branches_that_offer_at_once_are_answered_one_after_another() -> None:
    box = Box().out(late_offer=True)

    def offers(tag: str) -> None:
        more = {"Require": "100rel", "RSeq": "1"}
        box.response(answer_to(sent(box, "INVITE"), 183, tag=tag, body=tag.encode(), **more), box.invite_key())

    offers("a")
    offers("b")
    assert (len(box.reports(CallOffered)), box.sent("PRACK")) == (1, [])
    box.reply(b"to a\r\n")
    offers("b")
    assert box.offered.fork == "b"
    box.reply(b"to b\r\n")
    assert [(prack.head.to_tag, prack.body) for prack in box.sent("PRACK")] == [("a", b"to a\r\n"), ("b", b"to b\r\n")]


# Peers that do more than they should.


def test_a_reliable_response_is_not_acknowledged_before_the_one_whose_prack_waits_for_the_application() -> None:
    box = early_out(offer_in_prack=True)
    respond(box, "INVITE", 180, Require="100rel", RSeq="2")
    assert box.sent("PRACK") == []
    box.reply(OTHER)
    respond(box, "INVITE", 180, Require="100rel", RSeq="2")
    assert [prack.get("RAck") for prack in box.sent("PRACK")] == ["1 1 INVITE", "2 1 INVITE"]
    box = into()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=OTHER)
    respond(box, "INVITE", 180, Require="100rel", RSeq="2")
    assert box.sent("PRACK") == []


def test_an_update_of_an_early_dialog_that_is_out_of_order_gets_500() -> None:
    """FAULTS 7, of a call out that is not answered."""
    box = early_out()
    box.asks("UPDATE", OTHER)
    box.reply(b"ours\r\n")
    box.seq -= 2
    box.asks("UPDATE", THEIRS)
    assert (box.last_response().status, box.call.offer) == (500, None)


def test_endless_glare_of_an_early_offer_comes_to_an_end() -> None:
    box = early_out()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    for _ in range(20):
        respond(box, "UPDATE", 491)
        box.wait(4.1)
    assert (len(box.sent("UPDATE")), told(box), box.call.change) == (11, [(491, "")], None)


@pytest.mark.parametrize("kind", ["multipart/mixed", "application/octet-stream"])
def test_an_answer_that_is_none_is_told_as_none(kind: str) -> None:
    box = early_out()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    raw = answer_to(sent(box, "UPDATE"), 200, body=b"x" * 100).replace(b"application/sdp", kind.encode())
    box.response(raw, box.last(Send).key)
    assert [status for status, _ in told(box)] == [488]
    assert box.call.early[0].exchange.local == OURS
