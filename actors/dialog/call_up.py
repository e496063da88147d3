"""Answered calls of both directions: our 2xx until its ACK, re-INVITEs, BYE, and what media tells."""

from __future__ import annotations

from typing import NamedTuple

from actors.dialog import dialog_state, session_timer
from actors.dialog.call import Acknowledged, Asked, Call, Given, Input, State, replace, tell
from actors.dialog.call_change import settled, told
from actors.dialog.call_commands import HangUp
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallAnswered, CallNoticed, CallPlayFinished, CallRecordFailed
from actors.dialog.call_parts import Invitation, Outcome, SessionTimer
from actors.dialog.call_waiting import Asking, text, waits
from actors.dialog.call_waiting import asked as posed
from actors.dialog.effects import Reply
from actors.dialog.negotiation import (
    agreed,
    answered,
    answering,
    in_clear,
    offered,
    started,
    treated,
    unoffered,
    unopened,
)
from actors.dialog.policy import told_cause
from actors.dialog.reply import SUPPORTED, answer, description_in, our_contact, refusal, restated, retry_after, shown
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError, parse
from actors.sip.offer_answer import Carrier
from actors.sip.vocabulary import TransactionKey


class Finished(NamedTuple):
    """Playing came to its end, or recording broke: the path, and why where something went wrong."""

    path: str
    error: str


class Again(NamedTuple):
    """A 200 to a re-INVITE of theirs: its transaction, CSeq number and bytes, their new target, whether we offer."""

    key: TransactionKey
    seq: int
    raw: bytes
    target: str
    late: bool


def accepted(ringing: bytes, sdp: bytes, extra: tuple[tuple[str, str], ...] = ()) -> bytes:
    """The 200 made of the 180 to the same INVITE (RFC 3261 s13.3.1.4): another status line, more headers and `sdp`."""
    return restated(ringing, 200, "OK", extra, sdp)


def accept(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the 2xx with our answer, or our offer where the INVITE had none (s13.3.1.4).

    Where a reliable response held the answer already, the 2xx holds none (RFC 6337 s2.2).
    """
    invitation = call.invitation
    assert invitation is not None
    late = unoffered(call)
    if late:
        call = offered(call, given.agent, Carrier.SUCCESS)
        body = call.media.exchange.offer
    else:
        call, body = answering(call, Carrier.SUCCESS)
    raw = accepted(invitation.ringing, body, invitation.extra)
    interval = given.agent.settings.t1
    waiting = replace(invitation, ringing=b"", response=raw, interval=interval, late=late, extra=())
    call = replace(call, state=State.ANSWERED, answered=now, invitation=waiting)
    effects = _sent(waiting, given, now)
    if not late:
        effects += up(call, given)
    return call, effects + timed(call, given, now)


def timed(call: Call, given: Given, now: float) -> Effects:
    """The timers of a call that is answered: its session's, if it has one, and the end of what it may last."""
    effects = () if call.timer is None else session_timer.armed(call, now)
    longest = given.agent.settings.max_duration
    duration = min(call.duration or longest, longest or call.duration)
    return (*effects, Arm(Input.TIME_UP, now + duration)) if duration else effects


def _sent(waiting: Invitation, given: Given, now: float) -> Effects:
    """Send a 2xx and repeat it until its ACK comes, on every transport (s13.3.1.4)."""
    return (
        Reply(waiting.key, 200, waiting.response),
        Arm(Input.RETRANSMIT, now + waiting.interval),
        Arm(Input.NO_ACK, now + given.agent.give_up),
    )


def up(call: Call, given: Given, headers: tuple[tuple[str, str], ...] = ()) -> Effects:
    """Offer and answer are done for the first time: start media and tell control."""
    codec = call.media.agreed
    if call.media.outside:
        sdp = text(call.media.exchange.remote)
        return (tell(CallAnswered(call.call, "", 0, given.wall, headers, sdp)),)
    assert codec is not None
    event = CallAnswered(call.call, codec.send.encoding, codec.send.clock_rate, given.wall, headers)
    effects = (*started(call), *treated(call), tell(event))
    return effects if codec.keys is None else (*effects, *_overheard(call, given))


def _overheard(call: Call, given: Given) -> Effects:
    """A notice where the keys of SRTP went in clear: whoever reads the signalling hears the call (RFC 4568 s8.3)."""
    transport = in_clear(call)
    if not transport:
        return ()
    text = f"the keys of SRTP were exchanged over {transport}, for all to read"
    return (tell(CallNoticed(call.call, "srtp_keys_in_clear", text, given.wall)),)


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
    turn: Effects = () if call.change is None else (Arm(Input.RETRY, now),)  # a hold that waited for the ACK
    if not invitation.late:
        return call, turn
    first = not call.media.exchange.remote
    before = call
    try:
        call, _ = agreed(call, description_in(parse(ack.raw)), Carrier.ACK)
    except RemoteProtocolError as error:  # a late offer without a good answer: the ACK is taken, then BYE
        return ended(call, given, now, Outcome("failed", 488, error.reason, "error"), bye=True)
    return call, turn + (up(call, given) if first else settled(before, call, given))


def unacknowledged(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No ACK within 64*T1: the dialog is confirmed, the session ends with a BYE (s13.3.1.4)."""
    outcome = call.outcome or Outcome("failed", 408, "no ACK", "error")
    return ended(replace(call, invitation=None), given, now, outcome, bye=True)


def reinvited(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A re-INVITE: the session changes as it asks, or stays as it is and 488 says so (s14.2).

    Before the ACK to our last 2xx it is taken too, unless that 2xx held our offer: 491 (RFC 5407 s3.1.4 and 3.1.5).
    While the ACK to an offer in their 2xx is due it gets that, too (RFC 6337 s4.3).
    """
    asked: Asked = given.what
    agent = given.agent
    late = call.invitation is not None and call.invitation.late
    if late or (call.offer is not None and call.offer.key is None):
        return call, (answer(agent, asked, 491),)
    if call.offer is not None:
        return call, (answer(agent, asked, 500, (retry_after(agent, asked),)),)
    least = session_timer.check(asked.request)
    if least:
        return call, (answer(agent, asked, 422, (("Min-SE", str(least)),)),)
    before, body = call, b""
    try:
        offer = description_in(asked.request)
        target = dialog_state.target_of(asked.request)
        if offer:
            call = answered(call, agent, offer, Carrier.INVITE)
            if not waits(call):
                call, body = answering(call, Carrier.SUCCESS)
        elif not call.media.outside:
            call = offered(call, agent, Carrier.SUCCESS)
            body = call.media.exchange.offer
    except RemoteProtocolError as error:
        return before, (refusal(agent, asked, error),)
    timer, lines = session_timer.granted(asked.request, before=call.timer)
    lines = (our_contact(agent, asked), agent.allow, SUPPORTED, *lines)
    raw = answer(agent, asked, 200, lines, body=body).raw
    if not body:  # the application's to give
        return posed(call, Asking(asked, Carrier.INVITE, raw, offer, target, timer), given, now)
    call, effects = again(call, Again(asked.key, asked.head.cseq, raw, target, not offer), timer, given, now)
    return call, (effects + started(call) + told(before, call, given) if offer else effects)


def again(call: Call, sent: Again, timer: SessionTimer | None, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the 200 to a re-INVITE: the target and the session timer are as it asked."""
    dialog = call.dialog
    assert dialog is not None
    if sent.target:  # s12.2.2: a target refresh
        call = replace(call, dialog=replace(dialog, remote_target=sent.target))
    waiting = Invitation(sent.key, sent.seq, b"", sent.raw, given.agent.settings.t1, late=sent.late)
    effects = _sent(waiting, given, now)
    if timer is not None or call.timer is not None:
        call = replace(call, timer=timer)
        effects += session_timer.armed(call, now)
    return replace(call, state=State.ANSWERED, invitation=waiting), effects


def reinvited_while_pending(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Their INVITE meets ours, or our wish to end: 491 (s14.2)."""
    return call, (answer(given.agent, given.what, 491),)


def bye(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The peer hangs up, be its ACK there or not: 200 (s15.1.2, RFC 5407 section 3.1.6)."""
    reply = answer(given.agent, given.what, 200)
    request = given.what.request
    outcome = call.outcome or Outcome("answered", 200, "", "remote", told_cause(request), shown(request))
    call, effects = ended(replace(call, invitation=None), given, now, outcome)
    return call, (reply, *effects)


HUNG_UP = Outcome("answered", 200, "", "local")


def hang_up(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """We hang up."""
    return ended(replace(call, farewell=_farewell(given)), given, now, HUNG_UP, bye=True)


def leave(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """We hang up, but a callee sends no BYE before the ACK to its 2xx (s15)."""
    return replace(call, outcome=HUNG_UP, farewell=_farewell(given)), ()


def _farewell(given: Given) -> tuple[tuple[str, str], ...]:
    """The header lines that control wants in our BYE; time that is up, and an end of all calls, want none."""
    return given.what.headers if isinstance(given.what, HangUp) else ()


EXPIRED = Outcome("answered", 408, "the session timer expired", "error")


def session_over(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Nobody refreshed the session: BYE (RFC 4028 s10)."""
    return ended(call, given, now, EXPIRED, bye=True)


def session_over_early(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """Nobody refreshed the session; the BYE waits for the ACK to our 2xx."""
    return replace(call, outcome=EXPIRED), ()


def lost(given: Given) -> Outcome:
    """Media lost the session, or cannot do what was agreed; it says why."""
    return Outcome("failed", 0, given.what or "media was lost", "error")


def media_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media lost the session: the call ends."""
    return ended(replace(call, media=unopened(call.media)), given, now, lost(given), bye=True)


def leave_without_media(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Media lost the session: the call ends after the ACK."""
    return replace(call, media=unopened(call.media), outcome=call.outcome or lost(given)), ()


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


def played_early(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """A file was played to its end before the call was answered."""
    finished: Finished = given.what
    return call, (tell(CallPlayFinished(call.call, finished.path, finished.error, given.wall)),)


def unrecorded(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """The recording broke; the call goes on."""
    finished: Finished = given.what
    return call, (tell(CallRecordFailed(call.call, finished.path, finished.error, given.wall)),)
