"""Reliable provisional responses of ours (RFC 3262 section 3), and early media in them or without.

To an INVITE without an offer the first of them holds ours, and its PRACK the answer (section 5).
"""

from __future__ import annotations

from actors.dialog.call import Asked, Call, Given, Input, State, replace, tell
from actors.dialog.call_commands import ProgressCall
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallOfferAnswered, CallProgressed
from actors.dialog.call_parts import Invitation, Outcome, Reliable
from actors.dialog.call_up import accept
from actors.dialog.call_waiting import Asking, given_by, text, waits
from actors.dialog.call_waiting import asked as posed
from actors.dialog.effects import Reply
from actors.dialog.negotiation import agreed, answered, answering, offered, started, treated, unoffered
from actors.dialog.reply import answer, description_in, our_contact, refusal, refusing
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS, RemoteProtocolError
from actors.sip.bodies import SDP
from actors.sip.headers import RAck
from actors.sip.offer_answer import Carrier
from actors.sip.offer_answer import State as Turn

FIRST_RSEQ = 1  # any number below 2**31 (section 3)


def able(supported: str | None, required: tuple[str, ...]) -> tuple[str, ...]:
    """What matters here of an INVITE's Supported and Require: ``100rel``, and ``!100rel`` where it is required."""
    if "100rel" in required:
        return ("100rel", "!100rel")
    return ("100rel",) if supported and "100rel" in supported else ()


def provisional(ringing: bytes, status: int, sdp: bytes = b"", rseq: int = 0) -> bytes:
    """A provisional response made of the 180 to the same INVITE, with a session description and a number or without."""
    head = ringing.partition(b"\r\n")[2]
    ours = head.index(b"\r\nContact: ") + 2
    end = head.index(b"\r\nContent-Length: ") + 2
    words = REASONS.get(status, "Progress").encode()
    more = b"Require: 100rel\r\nRSeq: %d\r\n" % rseq if rseq else b""
    kind = f"Content-Type: {SDP}\r\n".encode() if sdp else b""
    start = b"SIP/2.0 %d %s\r\n%s%s" % (status, words, head[:ours], more)
    return b"%s%s%sContent-Length: %d\r\n\r\n%s" % (start, head[ours:end], kind, len(sdp), sdp)


def sent(call: Call, given: Given, now: float, status: int, *, early_media: bool = False) -> tuple[Call, Effects]:
    """Send a provisional response: reliably where the peer requires it, or can and it holds our answer or offer.

    One that has to hold an offer, and is to be made by the application, is not sent before there is one.
    """
    invitation = call.invitation
    assert invitation is not None
    if status == 180 and not early_media and "!100rel" not in invitation.able:
        return replace(call, invitation=replace(invitation, response=invitation.ringing)), (
            Reply(invitation.key, 180, invitation.ringing),
        )
    reliable = "!100rel" in invitation.able or (early_media and "100rel" in invitation.able)
    body, offers = b"", reliable and unoffered(call)
    if offers:  # the first reliable one (RFC 3261 s13.2.1)
        if call.media.outside and not call.media.draft:
            return call, ()
        call = offered(call, given.agent, Carrier.RELIABLE)
        body = call.media.exchange.offer
    elif early_media and call.media.draft:
        call, body = answering(call, Carrier.RELIABLE if reliable else Carrier.PROVISIONAL)
    rseq = 0
    if reliable:
        rseq = invitation.rseq + 1 if invitation.rseq else FIRST_RSEQ
    raw = provisional(invitation.ringing, status, body, rseq)
    effects: Effects = (Reply(invitation.key, status, raw),)
    if reliable:
        t1 = given.agent.settings.t1
        waiting = Reliable(rseq, raw, t1, early_media=offers and early_media)
        invitation = replace(invitation, rseq=rseq, reliable=waiting)
        effects += (Arm(Input.RELIABLE, now + t1), Arm(Input.NO_PRACK, now + given.agent.give_up))
    return replace(call, invitation=replace(invitation, response=raw)), effects


def progress(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control has a provisional response sent, with early media or without."""
    command: ProgressCall = given.what
    call = given_by(call, command.sdp)
    early_media = bool(command.sdp) if call.media.outside else command.early_media
    call, effects = sent(call, given, now, command.status, early_media=early_media)
    effects += (tell(CallProgressed(call.call, command.status, REASONS.get(command.status, ""), given.wall)),)
    if command.early_media and (call.media.agreed is not None or _offers(call)):
        call = replace(call, treatment=command.treatment)
    if command.early_media and call.media.agreed is not None:
        effects += (*started(call), *treated(call))
    return call, effects


def _offers(call: Call) -> bool:
    """Whether our offer is open: the PRACK will answer it."""
    return call.media.exchange.state is Turn.LOCAL_OFFER


def again(call: Call, _: Given, now: float) -> tuple[Call, Effects]:
    """Repeat the reliable response: T1, doubled each time (section 3)."""
    invitation = call.invitation
    assert invitation is not None
    waiting = invitation.reliable
    assert waiting is not None
    waiting = replace(waiting, interval=2 * waiting.interval)
    call = replace(call, invitation=replace(invitation, reliable=waiting))
    status = int(waiting.raw[8:11])
    return call, (Reply(invitation.key, status, waiting.raw), Arm(Input.RELIABLE, now + waiting.interval))


def acknowledged(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A PRACK: 481 unless it is for the response that waits (section 3). It may hold a new offer (section 5)."""
    asked: Asked = given.what
    agent = given.agent
    invitation = call.invitation
    assert invitation is not None
    try:
        if not _matches(asked, invitation):
            return call, (answer(agent, asked, 481),)
        if _offers(call) and call.media.exchange.carrier is Carrier.RELIABLE:
            return _agreed(call, given, now)
        offer = description_in(asked.request)
        body = b""
        if offer:
            call = answered(call, agent, offer, Carrier.PRACK)
            if not waits(call):
                call, body = answering(call, Carrier.PRACK_SUCCESS)
    except RemoteProtocolError as error:
        return call, (refusal(agent, asked, error),)
    reply = answer(agent, asked, 200, (our_contact(agent, asked),) if offer else (), body=body)
    effects: Effects = (Disarm(Input.RELIABLE), Disarm(Input.NO_PRACK))
    call = replace(call, invitation=replace(invitation, reliable=None))
    if offer and not body:  # the application's to give
        call, more = posed(call, Asking(asked, Carrier.PRACK, reply.raw, offer), given, now)
        return call, effects + more
    effects = (reply, *(started(call) if offer else ()), *effects)
    call, more = accepted(call, given, now)
    return call, effects + more


def _turn(call: Call, now: float) -> Effects:
    change = call.change
    waits = change is not None and change.attempt is None and not change.tries  # else for the time after a 491
    return (Arm(Input.OFFER_DUE, now),) if waits else ()


def _agreed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The PRACK answers our offer. One without a good answer is taken, and the INVITE refused (RFC 6337 s2.3)."""
    asked: Asked = given.what
    invitation = call.invitation
    assert invitation is not None
    assert invitation.reliable is not None
    effects: Effects = (answer(given.agent, asked, 200), Disarm(Input.RELIABLE), Disarm(Input.NO_PRACK))
    early_media = invitation.reliable.early_media
    try:
        call, _ = agreed(call, description_in(asked.request), Carrier.PRACK)
    except RemoteProtocolError as error:
        refused = (Reply(invitation.key, 488, refusing(invitation.ringing, 488)),)
        outcome = Outcome("failed", 488, error.reason, "error")
        call, more = ended(replace(call, invitation=None), given, now, outcome)
        return call, effects + refused + more
    call = replace(call, invitation=replace(invitation, reliable=None))
    if call.media.outside:
        effects += (tell(CallOfferAnswered(call.call, 200, "OK", text(call.media.exchange.remote), given.wall)),)
    elif early_media:
        effects += (*started(call), *treated(call))
    call, more = accepted(call, given, now)
    return call, effects + more


def accepted(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Answer the call, where that waited for the end of an offer or of a reliable response alone.

    Else an offer of ours that waited for the same may go out; after the answer it does with the ACK.
    """
    invitation = call.invitation
    if call.state is not State.RINGING or invitation is None:
        return call, ()
    if not invitation.accepting:
        return call, _turn(call, now)
    if call.offer is not None or _open(call):
        return call, ()
    return accept(replace(call, invitation=replace(invitation, accepting=False)), given, now)


def _matches(asked: Asked, invitation: Invitation) -> bool:
    rack = asked.request.header(RAck)
    waiting = invitation.reliable
    if rack is None or waiting is None:
        return False
    return (rack.rseq, rack.cseq, rack.method) == (waiting.rseq, invitation.seq, "INVITE")


def take(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Answer the call, once the PRACK of what is under way is there: the 2xx waits for it (section 3).

    It waits for the answer to an offer of ours, too: that is one of an early dialog.
    """
    invitation = call.invitation
    assert invitation is not None
    if not _open(call):
        return accept(call, given, now)
    return replace(call, invitation=replace(invitation, accepting=True), state=State.RINGING), ()


def _open(call: Call) -> bool:
    """Whether a reliable response waits for its PRACK, or an offer of ours for its answer."""
    invitation, change = call.invitation, call.change
    return (invitation is not None and invitation.reliable is not None) or (
        change is not None and change.attempt is not None
    )
