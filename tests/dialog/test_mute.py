"""Mute: silence or nothing is sent to the peer, which is not told, through every change of the session."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import HangUp, HoldCall, MuteCall, ProgressCall, ResumeCall
from actors.dialog.call_events import CallMuteChanged
from actors.dialog.effects import Send, Start
from actors.dialog.events import CommandDone
from tests.dialog.phone import OFFER, Phone, invite, message
from tests.dialog.test_change import respond
from tests.dialog.test_transfer import up


def mute(phone: Phone, what: str) -> None:
    phone.command(MuteCall("m", phone.call.call, what))


def now(phone: Phone) -> tuple[str, bool]:
    """How the session was started last."""
    start = phone.last(Start)
    return start.agreed.direction, start.muted


@pytest.mark.parametrize(
    ("what", "muted"), [("sound", ("sendrecv", True)), ("rtp", ("recvonly", False)), ("none", ("sendrecv", False))]
)
def test_a_call_is_muted_and_its_peer_hears_nothing_of_it(what: str, muted: tuple[str, bool]) -> None:
    phone = up()
    sends = len(phone.all(Send))
    mute(phone, what)
    assert now(phone) == muted
    assert len(phone.all(Send)) == sends
    assert [event.what for event in phone.reports(CallMuteChanged)] == ([what] if what != "none" else [])


def test_a_call_is_unmuted() -> None:
    phone = up()
    for what in ("sound", "sound", "rtp", "none"):
        mute(phone, what)
    assert now(phone) == ("sendrecv", False)
    assert [event.what for event in phone.reports(CallMuteChanged)] == ["sound", "rtp", "none"]
    assert len(phone.reports(CommandDone)) == 4


def test_a_mute_stays_through_hold_resume_and_a_restart() -> None:
    phone = up()
    mute(phone, "rtp")
    phone.start()
    phone.command(HoldCall("h", phone.call.call))
    respond(phone, "INVITE", 200, body=OFFER + b"a=recvonly\r\n")
    assert now(phone) == ("inactive", False)
    phone.command(ResumeCall("r", phone.call.call))
    assert b"a=recvonly" not in phone.last(Send).raw  # what is offered is what the call is, not what it is muted to
    respond(phone, "INVITE", 200, body=OFFER)
    assert now(phone) == ("recvonly", False)


def test_media_is_told_whom_we_hold_for_its_microphone_is_ours_alone_then() -> None:
    phone = up()
    phone.command(HoldCall("h", phone.call.call))
    respond(phone, "INVITE", 200, body=OFFER + b"a=recvonly\r\n")
    assert phone.last(Start).held
    phone.command(ResumeCall("r", phone.call.call))
    respond(phone, "INVITE", 200, body=OFFER)
    assert not phone.last(Start).held


def test_a_call_that_rings_is_muted_from_its_start() -> None:
    phone = Phone()
    phone.receive_call(invite())
    mute(phone, "sound")
    assert not phone.all(Start)
    phone.command(ProgressCall("p", phone.call.call))
    assert now(phone) == ("sendrecv", True)


def test_a_call_that_is_over_or_unknown_and_a_word_that_is_none_are_refused() -> None:
    phone = up()
    mute(phone, "loudly")
    assert phone.failure().code == "bad_value"
    phone.command(MuteCall("m", "nobody", "rtp"))
    assert phone.failure().code == "no_such_call"
    phone.command(HangUp("h", phone.call.call))
    mute(phone, "rtp")
    assert phone.failure().code == "bad_state"


def test_a_muted_call_takes_what_the_peer_changes_and_stays_so() -> None:
    phone = up()
    mute(phone, "sound")
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=5, body=OFFER))
    assert now(phone) == ("sendrecv", True)
