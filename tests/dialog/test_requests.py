"""Requests that begin no call, and commands that find none (RFC 3261 sections 8.2 and 11)."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, ListCalls, RejectCall, Treatment
from actors.dialog.effects import Reply
from actors.dialog.events import CommandDone, Drain
from actors.dialog.reply import METHODS
from actors.sip.vocabulary import Flow
from tests.dialog.phone import FLOW, Phone, invite, key_of, line, message


def test_options_says_what_we_can() -> None:
    phone = Phone()
    phone.request(message("OPTIONS"))
    raw = phone.last(Reply).raw
    assert phone.statuses == [200]
    assert line(raw, "Allow") == ", ".join(METHODS)
    assert line(raw, "Accept") == "application/sdp"
    assert phone.last_response().head.to_tag
    assert not phone.cells
    assert "Allow-Events" not in raw.decode()


def test_options_names_the_packages_that_may_be_subscribed_to() -> None:
    phone = Phone(packages=("message-summary", "presence"))
    phone.request(message("OPTIONS"))
    assert line(phone.last(Reply).raw, "Allow-Events") == "message-summary, presence"


def test_options_gets_the_status_that_an_invite_would_get() -> None:
    phone = Phone("none")
    phone.request(message("OPTIONS"))
    busy = Phone(max_calls=1)
    busy.receive_call()
    busy.request(message("OPTIONS"))
    drained = Phone()
    drained.agent.agent.draining = True
    drained.request(message("OPTIONS"))
    disturbed = Phone()
    disturbed.agent.agent.refusal = 486
    disturbed.request(message("OPTIONS"))
    phones = (phone, busy, drained, disturbed)
    assert [each.statuses[-1] for each in phones] == [480, 486, 503, 486]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (message("REGISTER"), 405),
        (message("PUBLISH"), 405),
        (message("FANCY"), 501),
        (message("BYE"), 481),
        (message("BYE", to_tag="unknown"), 481),
        (message("INVITE", to_tag="unknown"), 481),
        (message("INFO", to_tag="unknown"), 481),
        (message("OPTIONS", Require="a,b"), 420),
        (message("OPTIONS").replace(b"OPTIONS sip:us@", b"OPTIONS tel:+1-2;x="), 416),
        (message("OPTIONS").replace(b"OPTIONS sip:us@", b"OPTIONS tel:us@"), 416),
    ],
)
def test_what_is_not_for_us_is_refused_without_state(raw: bytes, status: int) -> None:
    phone = Phone()
    phone.request(raw)
    assert phone.statuses == [status]
    assert not phone.cells


def test_an_ack_to_nothing_is_dropped() -> None:
    phone = Phone()
    assert phone.request(message("ACK", to_tag="unknown")) == []


def test_what_cannot_even_be_read_is_answered_from_its_bytes() -> None:
    phone = Phone()
    raw = message("OPTIONS")
    key = key_of(_head(raw))
    broken = raw.replace(b"Content-Length: 0", b"Content-Length: 9")
    effects = phone.agent.request(key, FLOW, _head(raw), broken, *phone.clock)
    assert [type(effect) for effect in effects] == [Reply]
    assert effects[0].raw.startswith(b"SIP/2.0 400 ")  # type: ignore[attr-defined]


def _head(raw: bytes) -> object:
    from actors.sip import parse

    return parse(raw).head


def test_an_ipv6_address_of_ours_stands_in_brackets() -> None:
    phone = Phone("echo")
    flow = Flow("udp:1", "udp", "2001:db8::1", 5060, "2001:db8::9", 5070)
    offer = b"v=0\r\no=p 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"
    phone.request(invite(offer), flow)
    phone.prepared(phone.session, "2001:db8::1")
    raw = phone.last(Reply).raw
    assert line(raw, "Contact") == "<sip:sipactors@[2001:db8::1]:5060>"
    assert b"c=IN IP6 2001:db8::1\r\n" in raw


def test_commands_for_no_call_in_the_wrong_state_or_with_a_wrong_value_fail() -> None:
    phone = Phone()
    phone.command(HangUp("1", "nobody"))
    assert (phone.failure().ref, phone.failure().code) == ("1", "no_such_call")
    phone.receive_call()
    call = phone.call.call
    phone.command(RejectCall("2", call, 200, ""))
    assert (phone.failure().ref, phone.failure().code) == ("2", "bad_value")
    phone.command(RejectCall("3", call, 486, "a\r\nb"))
    assert (phone.failure().ref, phone.failure().code) == ("3", "bad_value")
    phone.command(AnswerCall("4", call, Treatment(), 0.0))
    phone.command(AnswerCall("5", call, Treatment(), 0.0))
    assert (phone.failure().ref, phone.failure().code) == ("5", "bad_state")
    phone.command(HangUp("6", call + "x"))
    assert (phone.failure().ref, phone.failure().code) == ("6", "no_such_call")


def test_hanging_up_twice_is_done_twice() -> None:
    phone = Phone()
    phone.receive_call()
    for ref in ("1", "2"):
        phone.command(HangUp(ref, phone.call.call))
    assert [done.ref for done in phone.reports(CommandDone)] == ["1", "2"]
    phone.finish()
    assert phone.ended.outcome == "rejected"


def test_calls_are_listed_and_a_drain_goes_on_and_off() -> None:
    phone = Phone()
    phone.command(Drain("1", on=True))
    phone.request(invite())
    phone.command(Drain("2", on=False))
    phone.receive_call(invite(branch="two"))
    phone.command(ListCalls("3"))
    assert phone.statuses == [503, 180]
    (info,) = phone.reports(CommandDone)[-1].calls
    assert (info.direction, info.state, info.answered) == ("in", "ringing", 0.0)
    assert info.call == phone.call.call


def test_all_calls_can_be_ended_at_once() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.place_call()
    phone._did(phone.agent.leave(*phone.clock))
    assert [call.state.name for call in phone.calls] == ["LEAVING", "CANCELLING"]
    assert phone.agent.agent.draining
