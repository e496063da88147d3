"""Signalling-only calls: the application brings and receives the SDP, an offer waits for it, media hears of nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.dialog.call_commands import (
    AlterPlayback,
    AnswerCall,
    AnswerOffer,
    HangUp,
    HoldCall,
    MuteCall,
    OfferSession,
    PlayAudio,
    ProgressCall,
    RecordAudio,
    RejectCall,
    ResumeCall,
    SendDigits,
    TransferCall,
    Treatment,
)
from actors.dialog.call_events import (
    CallAnswered,
    CallNoticed,
    CallOfferAnswered,
    CallOffered,
    CallProgressed,
    CallReceived,
)
from actors.dialog.effects import Cancel, Close, Find, Prepare, Press, Reply, Send, SendAck, Start, Steer, Treat
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.request_events import SendInCall
from actors.dialog.settings import Answer
from actors.sip import parse
from actors.sip.sdp import MAX_BYTES
from tests.dialog.phone import BAD_OFFER, NEAR, Phone, answer_to, invite, message, place
from tests.dialog.test_change import respond, sent

OURS = (
    b"v=0\r\no=app 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=video 4000 RTP/SAVPF 120\r\n"
)
THEIRS = b"what the peer says, which nobody here reads\r\n"
OTHER = b"something else of the peer\r\n"
MEDIA = (Prepare, Start, Treat, Press, Steer, Close)


class Box(Phone):
    """A user agent whose calls in are the application's; it never speaks to media."""

    seq = 100  # of the peer's last request
    invited = 1  # of its last INVITE

    def __init__(self, **settings: Any) -> None:
        super().__init__("application", **settings)

    def _did(self, effects: tuple[Any, ...]) -> list[Any]:
        assert not [effect for effect in effects if type(effect) in MEDIA]
        self.start()  # nothing but the cells is left, after every step
        return super()._did(effects)

    def out(self, **order: Any) -> Box:
        order = {"media": "application", "treatment": Treatment(), **order}
        if not order.get("late_offer"):
            order.setdefault("sdp", OURS)
        done = self.command(place(**order))
        assert isinstance(done[0].event, CommandDone), done
        self.located(self.last(Find).ref, NEAR)
        return self

    def comes(self, body: bytes = THEIRS, **headers: str) -> Box:
        self.request(invite(body, **headers))
        return self

    def asks(self, method: str, body: bytes = b"", **headers: str) -> None:
        """A request of the peer in the dialog; an ACK is that of its last INVITE."""
        call = self.call
        self.seq += 1
        if method == "INVITE":
            self.invited = self.seq
        if not call.inbound:
            headers = {"Call_ID": call.call, "From": "<sip:b@h>;tag=callee", **headers}
        cseq = self.invited if method == "ACK" else self.seq
        self.request(message(method, to_tag=call.tag, cseq=cseq, body=body, branch=f"{method}{self.seq}", **headers))

    def answer(self, sdp: bytes = OURS, **more: Any) -> None:
        self.command(AnswerCall("a", self.call.call, Treatment(), 0.0, sdp=sdp, **more))

    def reply(self, sdp: bytes = OURS, status: int = 200) -> None:
        self.command(AnswerOffer("o", self.call.call, self.offered.offer, sdp, status))

    @property
    def offered(self) -> CallOffered:
        event: CallOffered = self.reports(CallOffered)[-1]
        return event

    @property
    def codes(self) -> list[str]:
        """What commands failed with."""
        return [event.code for event in self.reports(CommandFailed)]


def out(**order: Any) -> Box:
    """A call out that is up."""
    box = Box().out(**order)
    respond(box, "INVITE", 200, body=THEIRS)
    return box


def into(**settings: Any) -> Box:
    """A call in that is up."""
    box = Box(**settings).comes()
    box.answer()
    box.asks("ACK")
    return box


UP = pytest.mark.parametrize("up", [out, into])


# With an offer.


def test_a_call_out_has_the_offer_of_the_application_and_tells_it_the_answer() -> None:
    box = Box().out()
    request = parse(sent(box, "INVITE"))
    assert (request.body, request.get("Content-Type")) == (OURS, "application/sdp")
    respond(box, "INVITE", 200, body=THEIRS)
    (event,) = box.reports(CallAnswered)
    assert (event.encoding, event.clock_rate, event.sdp) == ("", 0, THEIRS.decode())
    assert box.state == "CONFIRMED"
    box.command(HangUp("h", box.call.call))
    box.finish()
    assert box.ended.outcome == "answered"


def test_a_call_in_is_told_with_the_offer_and_answered_with_what_the_application_brings() -> None:
    box = Box().comes()
    (event,) = box.reports(CallReceived)
    assert (event.media, event.sdp) == ("application", THEIRS.decode())
    assert (box.state, box.statuses) == ("RINGING", [180])
    box.answer()
    assert box.last_response().body == OURS
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()
    box.asks("ACK")
    assert box.state == "CONFIRMED"
    box.asks("BYE")
    assert (box.ended.outcome, box.calls) == ("answered", [])


def test_an_offer_that_no_codec_of_ours_is_in_is_no_business_of_ours() -> None:
    box = Box().comes(BAD_OFFER)
    box.answer()
    assert box.statuses == [180, 200]


def test_a_call_in_may_be_refused_cancelled_or_rung_out_and_leaves_nothing() -> None:
    for end in (
        lambda box: box.command(RejectCall("r", box.call.call, 486, "")),
        lambda box: box.cancel(invite(THEIRS)),
        lambda box: box.wait(200),
        lambda box: box.command(HangUp("h", box.call.call)),
    ):
        box = Box().comes()
        end(box)
        assert box.calls == []
        assert box.ended.packets_sent == 0


def test_no_policy_answers_a_signalling_only_call() -> None:
    box = Box()
    answer = Answer(mode="ring", media="application", obey=("192.0.2.0/24",))
    box.settings = msgspec.structs.replace(box.settings, answer=answer)
    box.start()
    box.comes(Call_Info="<sip:x>;answer-after=0")
    box.wait(5)
    assert box.state == "RINGING"


def test_early_media_of_a_call_in_is_the_answer_and_the_2xx_repeats_it() -> None:
    box = Box().comes()
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    assert (box.last_response().status, box.last_response().body) == (183, OURS)
    box.answer(b"")
    assert (box.last_response().status, box.last_response().body) == (200, OURS)


def test_an_answer_other_than_its_early_one_is_refused() -> None:
    box = Box().comes()
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.answer(OTHER)
    assert box.failure().code == "bad_value"
    box.command(ProgressCall("p", box.call.call, sdp=OTHER))
    assert box.failure().code == "bad_value"
    box.answer(OURS)
    assert box.state == "ANSWERED"


def test_a_reliable_early_answer_is_the_only_one() -> None:
    box = Box().comes(Require="100rel")
    box.asks("PRACK", RAck="1 1 INVITE")
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    assert (box.last_response().status, box.last_response().body) == (183, OURS)
    box.asks("PRACK", RAck="2 1 INVITE")
    box.answer(OTHER)
    assert box.failure().code == "bad_value"
    box.answer(b"")
    assert (box.last_response().status, box.last_response().body) == (200, b"")
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()


def test_each_branch_of_a_fork_tells_its_early_answer() -> None:
    box = Box().out()
    raw, key = sent(box, "INVITE"), box.invite_key()
    box.response(answer_to(raw, 183, tag="a", body=THEIRS), key)
    box.response(answer_to(raw, 183, tag="b", body=OTHER), key)
    told = [(event.fork, event.sdp) for event in box.reports(CallProgressed)]
    assert told == [("a", THEIRS.decode()), ("b", OTHER.decode())]
    box.response(answer_to(raw, 200, tag="b"), key)
    assert box.reports(CallAnswered)[0].sdp == OTHER.decode()


def test_an_answer_that_is_not_there_ends_the_call_with_ack_and_bye() -> None:
    box = Box().out()
    respond(box, "INVITE", 200)
    assert [type(effect) for effect in box.effects if type(effect) in (Send, SendAck)] == [Send, SendAck, Send]
    box.finish()
    assert (box.ended.outcome, box.ended.status) == ("failed", 488)


def test_a_description_that_is_too_large_is_refused_both_ways() -> None:
    large = b"x" * (MAX_BYTES + 1)
    box = Box().comes(large)
    assert (box.statuses, box.calls) == ([413], [])
    box.command(place(media="application", sdp=large, treatment=Treatment()))
    assert box.failure().code == "bad_value"
    box.comes(branch="another", Call_ID="two@h")
    box.answer(large)
    assert box.failure().code == "bad_value"


@pytest.mark.parametrize("more", [{}, {"Require": "100rel", "RSeq": "1"}])
def test_an_early_answer_that_no_event_can_hold_is_told_to_nobody(more: dict[str, str]) -> None:
    """What is no UTF-8 grows threefold in an event; one longer than a frame would cut every client off."""
    box = Box().out()
    respond(box, "INVITE", 183, body=b"\xff" * 20_000, **more)
    assert [(event.status, event.sdp) for event in box.reports(CallProgressed)] == [(183, "")]


# An INVITE without an offer.


def test_a_call_in_without_an_offer_gets_ours_and_its_ack_tells_the_answer() -> None:
    box = Box().comes(b"")
    assert box.reports(CallReceived)[0].sdp == ""
    box.answer(b"")
    assert box.failure().code == "bad_value"
    box.answer()
    assert box.last_response().body == OURS
    assert not box.reports(CallAnswered)
    box.asks("ACK", THEIRS)
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()


def test_an_early_answer_needs_an_offer() -> None:
    box = Box().comes(b"")
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    assert box.failure().code == "bad_state"


def test_the_offer_in_a_2xx_waits_for_the_application_and_the_ack_has_its_answer() -> None:
    box = Box().out(late_offer=True)
    assert parse(sent(box, "INVITE")).body == b""
    respond(box, "INVITE", 200, body=THEIRS)
    assert (box.offered.sdp, box.offered.method, box.all(SendAck)) == (THEIRS.decode(), "", [])
    respond(box, "INVITE", 200, body=THEIRS)  # repeated: nothing to say yet
    assert box.all(SendAck) == []
    box.reply()
    (ack,) = box.sent("ACK")
    assert ack.body == OURS
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()
    respond(box, "INVITE", 200, body=THEIRS)
    assert [ack.body for ack in box.sent("ACK")] == [OURS, OURS]


@pytest.mark.parametrize(
    "end",
    [
        lambda box: box.wait(10.1),
        lambda box: box.reply(b"", 488),
        lambda box: box.command(HangUp("h", box.call.call)),
    ],
    ids=["silence", "refused", "hung up"],
)
def test_an_offer_in_a_2xx_that_is_not_answered_gets_ack_and_bye(end: Callable[[Box], object]) -> None:
    box = Box().out(late_offer=True)
    respond(box, "INVITE", 200, body=THEIRS)
    end(box)
    assert [ack.body for ack in box.sent("ACK")] == [b""]
    assert len(box.sent("BYE")) == 1
    box.finish()
    assert box.ended.by in ("error", "local")


def test_before_the_ack_nothing_else_goes_out() -> None:
    box = Box().out(late_offer=True)
    respond(box, "INVITE", 200, body=THEIRS)
    call = box.call.call
    box.command(TransferCall("t", call, "sip:c@h"))
    box.command(SendInCall("s", call, "one", "INFO"))
    box.command(OfferSession("o", call, OTHER))
    assert box.codes == ["bad_state"] * 3


def test_the_offer_in_a_reliable_response_waits_and_the_prack_has_its_answer() -> None:
    box = Box().out(late_offer=True)
    reliable = {"Require": "100rel", "RSeq": "5", "body": THEIRS}
    respond(box, "INVITE", 183, **reliable)
    respond(box, "INVITE", 183, **reliable)
    assert (len(box.reports(CallOffered)), box.offered.fork, box.sent("PRACK")) == (1, "callee", [])
    box.reply()
    (prack,) = box.sent("PRACK")
    assert (prack.body, prack.get("RAck")) == (OURS, "5 1 INVITE")
    respond(box, "INVITE", 200)
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()
    assert [ack.body for ack in box.sent("ACK")] == [b""]


def test_the_offer_in_a_reliable_response_that_is_not_answered_gets_prack_and_cancel() -> None:
    box = Box().out(late_offer=True)
    respond(box, "INVITE", 183, Require="100rel", RSeq="5", body=THEIRS)
    box.wait(10.1)
    assert ([prack.body for prack in box.sent("PRACK")], len(box.all(Cancel))) == ([b""], 1)
    assert box.state == "CANCELLING"
    respond(box, "INVITE", 487)
    assert box.ended.status == 488


# While the call is up.


@UP
def test_a_reinvite_waits_for_the_application_and_gets_its_answer(up: Callable[[], Box]) -> None:
    box = up()
    seen = len(box.statuses)
    box.asks("INVITE", OTHER, Contact="<sip:new@192.0.2.77>")
    assert (box.offered.sdp, box.offered.method, box.statuses[seen:]) == (OTHER.decode(), "INVITE", [])
    box.reply(OURS + b"a=sendonly\r\n")
    assert (box.last_response().status, box.last_response().body) == (200, OURS + b"a=sendonly\r\n")
    assert box.state == "ANSWERED"
    box.asks("ACK")
    assert box.state == "CONFIRMED"
    box.command(HangUp("h", box.call.call))
    assert box.sent("BYE")[0].uri == "sip:new@192.0.2.77"


@UP
def test_a_reinvite_with_the_description_in_force_is_answered_without_asking(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE", THEIRS)
    assert (box.last_response().status, box.last_response().body) == (200, OURS)
    box.asks("ACK")
    assert not box.reports(CallOffered)


@UP
def test_a_reinvite_without_an_offer_asks_for_ours_and_its_ack_tells_the_answer(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE")
    assert (box.offered.sdp, box.offered.method) == ("", "INVITE")
    box.reply(OURS + b"a=x\r\n")
    assert box.last_response().body == OURS + b"a=x\r\n"
    box.asks("ACK", OTHER)
    (event,) = box.reports(CallOfferAnswered)
    assert (event.status, event.sdp) == (200, OTHER.decode())


@UP
@pytest.mark.parametrize(("method", "status"), [("INVITE", 488), ("UPDATE", 504)])
def test_an_offer_that_nobody_answers_is_refused_and_the_session_stays(
    up: Callable[[], Box], method: str, status: int
) -> None:
    """FAULTS 8: an UPDATE for which somebody has to be asked gets 504 (RFC 3311 s5.2)."""
    box = up()
    box.asks(method, OTHER)
    box.wait(10.1)
    assert (box.last_response().status, box.state) == (status, "CONFIRMED")
    assert [event.kind for event in box.reports(CallNoticed)] == ["offer_unanswered"]
    box.reply()
    assert box.failure().code == "bad_value"
    box.asks("INVITE", THEIRS)
    assert box.last_response().body == OURS


@UP
def test_the_application_refuses_an_offer_with_a_status_of_its_own(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE", OTHER)
    box.reply(b"", 606)
    assert (box.last_response().status, box.last_response().body, box.state) == (606, b"", "CONFIRMED")


@UP
def test_a_second_offer_meanwhile_gets_500_and_an_update_without_one_is_answered(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE", OTHER)
    seen = len(box.statuses)
    box.asks("INVITE", THEIRS)
    box.asks("UPDATE", THEIRS)
    box.asks("UPDATE")
    assert box.statuses[seen:] == [500, 500, 200]
    assert "Retry-After" in dict(parse(box.all(Reply)[seen].raw).items())


@UP
def test_a_reinvite_that_is_cancelled_gets_487(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE", OTHER)
    offer = box.call.offer
    assert offer is not None
    assert offer.key is not None
    box._did(box.agent.cancelled(offer.key, *box.clock, box.call.tag))
    assert (box.last_response().status, box.state) == (487, "CONFIRMED")
    assert [event.kind for event in box.reports(CallNoticed)] == ["offer_cancelled"]
    box._did(box.agent.cancelled(offer.key, *box.clock, box.call.tag))
    assert box.call.offer is None


@UP
def test_an_update_waits_for_the_application_too(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("UPDATE", OTHER)
    assert box.offered.method == "UPDATE"
    box.reply(OTHER)
    assert (box.last_response().status, box.last_response().body, box.state) == (200, OTHER, "CONFIRMED")
    box.asks("UPDATE", OTHER)
    assert (box.last_response().body, len(box.reports(CallOffered))) == (OTHER, 1)


@UP
@pytest.mark.parametrize("ended_by", ["us", "peer"])
def test_the_end_of_a_call_answers_the_offer_that_waits(up: Callable[[], Box], ended_by: str) -> None:
    box = up()
    box.asks("INVITE", OTHER)
    if ended_by == "us":
        box.command(HangUp("h", box.call.call))
    else:
        box.asks("BYE")
    assert 487 in box.statuses
    box.finish()
    box.wait(100)
    assert box.calls == []


@UP
@pytest.mark.parametrize(("update", "method"), [(False, "INVITE"), (True, "UPDATE")])
def test_an_offer_of_the_application_goes_out_and_its_answer_comes_back(
    up: Callable[[], Box], update: bool, method: str
) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, OTHER, update))
    assert parse(sent(box, method)).body == OTHER
    respond(box, method, 200, body=b"fine\r\n")
    (event,) = box.reports(CallOfferAnswered)
    assert (event.status, event.sdp, box.state) == (200, "fine\r\n", "CONFIRMED")
    exchange = box.call.media.exchange
    assert (exchange.local, exchange.remote) == (OTHER, b"fine\r\n")


@UP
@pytest.mark.parametrize("update", [False, True])
def test_an_offer_of_the_application_that_is_refused_changes_nothing(up: Callable[[], Box], update: bool) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, OTHER, update))
    respond(box, "UPDATE" if update else "INVITE", 488)
    (event,) = box.reports(CallOfferAnswered)
    assert (event.status, event.sdp, box.state) == (488, "", "CONFIRMED")
    assert box.call.media.exchange.local == OURS
    box.asks("INVITE", THEIRS)
    assert box.last_response().body == OURS


@UP
def test_offers_that_meet_are_made_again_after_a_time(up: Callable[[], Box]) -> None:
    box = up()
    box.command(OfferSession("o", box.call.call, OTHER))
    box.asks("INVITE", b"glare\r\n")
    assert box.last_response().status == 491
    respond(box, "INVITE", 491)
    box.wait(4.1)
    assert [request.body for request in box.sent("INVITE")][-2:] == [OTHER, OTHER]


def test_one_offer_at_a_time() -> None:
    box = out()
    call = box.call.call
    box.command(OfferSession("o", call, OTHER))
    box.command(OfferSession("p", call, OURS))
    assert box.failure().code == "bad_state"
    respond(box, "INVITE", 200, body=THEIRS)
    box.command(OfferSession("q", call, b"", update=True))
    assert box.failure().code == "bad_value"
    box.asks("INVITE", OTHER)
    box.command(OfferSession("r", call, OURS))
    assert box.failure().code == "bad_state"


def test_an_offer_before_the_ack_waits_for_it() -> None:
    box = Box().comes()
    box.answer()
    box.command(OfferSession("o", box.call.call, OTHER))
    assert box.sent("INVITE") == []
    box.asks("ACK")
    box.wait(0.1)
    assert box.sent("INVITE")[0].body == OTHER


def test_a_session_refresh_of_ours_repeats_what_stands_and_tells_nothing_new() -> None:
    box = Box().out(session_expires=90)
    respond(box, "INVITE", 200, body=THEIRS, Session_Expires="90;refresher=uac", Require="timer")
    box.wait(46)
    assert parse(sent(box, "INVITE")).body == OURS
    respond(box, "INVITE", 200, body=THEIRS, Session_Expires="90;refresher=uac")
    assert box.reports(CallOfferAnswered) == []
    box.wait(46)
    respond(box, "INVITE", 200, body=OTHER, Session_Expires="90;refresher=uac")
    assert [event.sdp for event in box.reports(CallOfferAnswered)] == [OTHER.decode()]


def test_a_refresh_comes_after_the_answer_to_an_offer_of_the_peer() -> None:
    box = Box().out(session_expires=90)
    respond(box, "INVITE", 200, body=THEIRS, Session_Expires="90;refresher=uac", Require="timer")
    box.wait(44)
    box.asks("INVITE", OTHER, Session_Expires="90;refresher=uas", Supported="timer")
    box.wait(5)
    assert len(box.sent("INVITE")) == 1
    box.reply(OURS)
    box.asks("ACK")
    box.wait(46)
    assert [request.body for request in box.sent("INVITE")] == [OURS, OURS]


# Before it is up.


def test_the_offer_in_a_prack_waits_and_so_does_the_2xx() -> None:
    box = Box().comes(Require="100rel")
    box.asks("PRACK", RAck="1 1 INVITE")
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.answer(b"")
    seen = len(box.statuses)
    box.asks("PRACK", OTHER, RAck="2 1 INVITE")
    assert (box.offered.method, box.statuses[seen:]) == ("PRACK", [])
    box.reply(OTHER)
    assert (box.statuses[seen:], box.state) == ([200, 200], "ANSWERED")
    assert [parse(each.raw).body for each in box.all(Reply)][-2:] == [OTHER, b""]


def test_the_offer_in_a_prack_that_is_refused_leaves_the_call_ringing() -> None:
    box = Box().comes(Require="100rel")
    box.asks("PRACK", RAck="1 1 INVITE")
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.asks("PRACK", OTHER, RAck="2 1 INVITE")
    box.answer(b"")
    assert box.failure().code == "bad_state"
    box.wait(10.1)
    assert (box.last_response().status, box.state) == (488, "RINGING")
    box.answer(b"")
    assert box.state == "ANSWERED"


def test_an_update_in_an_early_dialog_waits_for_the_application() -> None:
    box = Box().out()
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    box.asks("UPDATE", OTHER)
    assert (box.offered.method, box.offered.fork) == ("UPDATE", "callee")
    box.reply(OTHER)
    assert (box.last_response().status, box.last_response().body) == (200, OTHER)
    respond(box, "INVITE", 200)
    assert box.reports(CallAnswered)[0].sdp == OTHER.decode()


def test_a_2xx_ends_the_wait_of_an_early_update() -> None:
    box = Box().out()
    respond(box, "INVITE", 183, Require="100rel", RSeq="1", body=THEIRS)
    box.asks("UPDATE", OTHER)
    respond(box, "INVITE", 200)
    assert (box.statuses, box.state) == ([500], "CONFIRMED")
    assert box.reports(CallAnswered)[0].sdp == THEIRS.decode()


# What is not for it.


@UP
def test_commands_for_media_are_refused_with_one_clear_error(up: Callable[[], Box]) -> None:
    box = up()
    call = box.call.call
    for command in (
        HoldCall("1", call),
        ResumeCall("2", call),
        MuteCall("3", call),
        SendDigits("4", call, "1", 100),
        PlayAudio("5", call, "/tmp/a.wav"),
        AlterPlayback("6", call, "stop"),
        RecordAudio("7", call, "/tmp/b.wav"),
    ):
        box.command(command)
        assert box.failure().code == "no_media"
    box.command(SendDigits("8", call, "1", 100, "relay"))
    assert len(box.sent("INFO")) == 1


def test_a_treatment_is_for_calls_with_media() -> None:
    box = Box().comes()
    box.command(AnswerCall("a", box.call.call, Treatment(echo=True), 0.0, sdp=OURS))
    assert box.failure().code == "no_media"
    box.command(place(media="application", sdp=OURS))
    assert box.failure().code == "bad_value"


@pytest.mark.parametrize(
    "order",
    [
        {"media": "application"},
        {"media": "application", "sdp": OURS, "late_offer": True},
        {"sdp": OURS},
        {"media": "elsewhere"},
    ],
)
def test_who_brings_the_sdp_is_said_once(order: dict[str, Any]) -> None:
    box = Box()
    box.command(place(treatment=Treatment(), **order))
    assert (box.failure().code, box.calls) == ("bad_value", [])


def test_the_sdp_of_other_calls_is_the_services() -> None:
    phone = Phone()
    phone.receive_call()
    call = phone.call.call
    phone.command(AnswerCall("a", call, Treatment(), 0.0, sdp=OURS))
    assert phone.failure().code == "bad_state"
    phone.command(AnswerCall("b", call, Treatment(), 0.0))
    phone.command(OfferSession("o", call, OURS))
    assert phone.failure().code == "bad_state"


def test_a_call_that_takes_the_place_of_another_rings_until_the_application_answers_it() -> None:
    box = into(replaces=True)
    old = box.call
    assert old.dialog is not None
    replaces = f"{old.dialog.id.call_id};to-tag={old.tag};from-tag={old.dialog.id.remote_tag}"
    box.request(invite(OTHER, branch="new", Call_ID="new@h", Replaces=replaces))
    new = next(call for call in box.calls if call.tag != old.tag)
    assert new.state.name == "RINGING"
    box.command(AnswerCall("b", new.call, Treatment(), 0.0, sdp=OURS))
    assert [line.status for line in box.all(Reply)][-1] == 200
    assert len(box.sent("BYE")) == 1


# What was lost.


@UP
def test_a_transaction_shard_that_lost_the_reinvite_takes_the_offer_with_it(up: Callable[[], Box]) -> None:
    box = up()
    box.asks("INVITE", OTHER)
    box._did(box.agent.transactions_lost(*box.clock))
    assert box.call.offer is None
    box.asks("INVITE", THEIRS)
    assert box.last_response().status == 200


def test_an_offer_waits_over_a_restart_of_the_shard() -> None:
    box = into()
    box.asks("INVITE", OTHER)
    again = Box.__new__(Box)
    again.__dict__.update(box.__dict__)
    again.cells = box.cells.copy()
    again.start()
    again.reply(OTHER)
    assert again.last_response().body == OTHER
