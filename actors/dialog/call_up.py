"""Answered calls of both directions: our 2xx until its ACK, re-INVITEs, BYE, and what media tells."""

from __future__ import annotations

from typing import NamedTuple

from actors.dialog import dialog_state
from actors.dialog.call import Acknowledged, Asked, Call, Given, Input, Invitation, Outcome, State, replace, tell
from actors.dialog.call_end import ended
from actors.dialog.effects import Reply
from actors.dialog.events import CallAnswered, CallPlayFinished, CallRecordFailed
from actors.dialog.negotiation import agreed, answered, offered, started, treated, unopened
from actors.dialog.reply import ALLOW, answer, description_in, our_contact, refusal
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError, parse

_NO_BODY = b"Content-Length: 0\r\n\r\n"


class Finished(NamedTuple):
    """Playing came to its end, or recording broke: the path, and why where something went wrong."""

    path: str
    error: str


def accepted(ringing: bytes, sdp: bytes) -> bytes:
    """The 200 made of the 180 to the same INVITE (RFC 3261 s13.3.1.4): another status line, and `sdp`."""
    head = ringing[ringing.index(b"\r\n") : -len(_NO_BODY)]
    return b"SIP/2.0 200 OK%sContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (head, len(sdp), sdp)


def accept(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the 2xx with our answer, or our offer where the INVITE had none (s13.3.1.4)."""
    invitation = call.invitation
    assert invitation is not None
    late = not call.media.remote
    if late:
        call = offered(call, given.agent)
    raw = accepted(invitation.ringing, call.media.local)
    waiting = replace(invitation, ringing=b"", response=raw, interval=given.agent.settings.t1, late=late)
    call = replace(call, state=State.ANSWERED, answered=now, invitation=waiting)
    effects = _sent(waiting, given, now)
    if not late:
        effects += up(call, given)
    if call.duration:
        effects += (Arm(Input.TIME_UP, now + call.duration),)
    return call, effects


def _sent(waiting: Invitation, given: Given, now: float) -> Effects:
    """Send a 2xx and repeat it until its ACK comes, on every transport (s13.3.1.4)."""
    return (
        Reply(waiting.key, 200, waiting.response),
        Arm(Input.RETRANSMIT, now + waiting.interval),
        Arm(Input.NO_ACK, now + given.agent.give_up),
    )


def up(call: Call, given: Given) -> Effects:
    """Offer and answer are done for the first time: start media and tell control."""
    codec = call.media.agreed
    assert codec is not None
    event = CallAnswered(call.call, codec.send.encoding, codec.send.clock_rate, given.wall)
    return (*started(call), *treated(call), tell(event))


# Actions


def retransmit(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Repeat the 2xx: T1, doubled up to T2 (s13.3.1.4)."""
    invitation = call.invitation
    assert invitation is not None
    interval = min(2 * invitation.interval, given.agent.settings.t2)
    call = replace(call, invitation=replace(invitation, interval=interval))
    return call, (Reply(invitation.key, 200, invitation.response), Arm(Input.RETRANSMIT, now + interval))


def acknowledged(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The ACK came; it holds the answer where the 2xx held our offer.

    An ACK of another CSeq is that of an earlier 2xx and changes nothing (RFC 5407 section 3.1.4).
    """
    ack: Acknowledged = given.what
    invitation = call.invitation
    assert invitation is not None
    if ack.head.cseq != invitation.seq:
        return call, ()
    leaving = call.state is State.LEAVING
    call = replace(call, invitation=None, state=State.CONFIRMED)
    if leaving:
        assert call.outcome is not None
        return ended(call, given, now, call.outcome, bye=True)
    if not invitation.late:
        return call, ()
    first = call.media.agreed is None
    try:
        call = agreed(call, description_in(parse(ack.raw)))
    except RemoteProtocolError as error:  # a late offer without a good answer: the ACK is taken, then BYE
        return ended(call, given, now, Outcome("failed", 488, error.reason, "error"), bye=True)
    return call, (up(call, given) if first else started(call))


def unacknowledged(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No ACK within 64*T1: the dialog is confirmed, the session ends with a BYE (s13.3.1.4)."""
    outcome = call.outcome or Outcome("failed", 408, "no ACK", "error")
    return ended(replace(call, invitation=None), given, now, outcome, bye=True)


def reinvited(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A re-INVITE: the session changes as it asks, or stays as it is and 488 says so (s14.2).

    Before the ACK to our last 2xx it is taken too, unless that 2xx held our offer: 491 (RFC 5407 s3.1.4 and 3.1.5).
    """
    asked: Asked = given.what
    agent = given.agent
    if call.invitation is not None and call.invitation.late:
        return call, (answer(agent, asked, 491),)
    try:
        offer = description_in(asked.request)
        call = answered(call, agent, offer) if offer else offered(call, agent)
        target = dialog_state.target_of(asked.request)
    except RemoteProtocolError as error:
        return call, (refusal(agent, asked, error),)
    dialog = call.dialog
    assert dialog is not None
    if target:  # s12.2.2: a target refresh
        call = replace(call, dialog=replace(dialog, remote_target=target))
    contact = our_contact(agent, asked)
    raw = answer(agent, asked, 200, (contact, ALLOW), body=call.media.local).raw
    waiting = Invitation(asked.key, asked.head.cseq, b"", raw, agent.settings.t1, late=not offer)
    call = replace(call, state=State.ANSWERED, invitation=waiting)
    effects = _sent(waiting, given, now)
    return call, (effects + started(call) if offer else effects)


def reinvited_while_pending(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Their INVITE meets ours, or our wish to end: 491 (s14.2)."""
    return call, (answer(given.agent, given.what, 491),)


def bye(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The peer hangs up, be its ACK there or not: 200 (s15.1.2, RFC 5407 section 3.1.6)."""
    reply = answer(given.agent, given.what, 200)
    outcome = call.outcome or Outcome("answered", 200, "", "remote")
    call, effects = ended(replace(call, invitation=None), given, now, outcome)
    return call, (reply, *effects)


HUNG_UP = Outcome("answered", 200, "", "local")


def hang_up(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """We hang up."""
    return ended(call, given, now, HUNG_UP, bye=True)


def leave(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """We hang up, but a callee sends no BYE before the ACK to its 2xx (s15)."""
    return replace(call, outcome=HUNG_UP), ()


LOST = Outcome("failed", 0, "media was lost", "error")


def media_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media lost the session: the call ends."""
    return ended(replace(call, media=unopened(call.media)), given, now, LOST, bye=True)


def leave_without_media(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """Media lost the session: the call ends after the ACK."""
    return replace(call, media=unopened(call.media), outcome=call.outcome or LOST), ()


def played(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A file was played to its end; the call may end with it."""
    finished: Finished = given.what
    effects: Effects = (tell(CallPlayFinished(call.call, finished.path, finished.error, given.wall)),)
    if not call.treatment.hang_up_after_play or call.state is State.LEAVING:
        return call, effects
    if call.state is State.ANSWERED:
        return replace(call, outcome=HUNG_UP, state=State.LEAVING), effects
    call, more = ended(call, given, now, HUNG_UP, bye=True)
    return call, effects + more


def unrecorded(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """The recording broke; the call goes on."""
    finished: Finished = given.what
    return call, (tell(CallRecordFailed(call.call, finished.path, finished.error, given.wall)),)
