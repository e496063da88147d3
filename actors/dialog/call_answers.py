"""Signalling-only calls: the application answers an offer of the peer, refuses it, or lets its time go by."""

from __future__ import annotations

from collections.abc import Callable

from actors.dialog import call_early as early
from actors.dialog import call_offers as offers
from actors.dialog import call_out as out
from actors.dialog import call_reliable as reliable
from actors.dialog import call_up as up
from actors.dialog.call import Call, Given, Input, State, replace, tell
from actors.dialog.call_commands import (
    AnswerCall,
    AnswerOffer,
    HoldCall,
    OfferSession,
    ProgressCall,
    ResumeCall,
    Treatment,
)
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallNoticed
from actors.dialog.call_parts import Offer, Outcome
from actors.dialog.call_update import kept, refreshed
from actors.dialog.call_waiting import acknowledge, withdrawn
from actors.dialog.effects import Reply
from actors.dialog.negotiation import answering, offered, unoffered
from actors.dialog.reply import restated
from actors.runtime.machine import Disarm, Effects
from actors.sip.offer_answer import Carrier
from actors.sip.offer_answer import State as Turn
from actors.sip.sdp import MAX_BYTES

NO_MEDIA = ("no_media", "the application brings the SDP of this call: the service has no media in it")
NOT_YOURS = ("bad_state", "the service makes the SDP of this call; media is said to be the application's at its begin")
UNANSWERED = Outcome("failed", 488, "the peer's offer was not answered", "error")

Fault = tuple[str, str] | None


# What may be wrong with a command.


def unfit(command: object, call: Call) -> Fault:
    """What is wrong with a command as to who brings the SDP of its call: a code and words, None for nothing."""
    if not call.media.outside:
        return NOT_YOURS if isinstance(command, OfferSession | AnswerOffer) or _sdp(command) else None
    if isinstance(command, HoldCall | ResumeCall):
        return NO_MEDIA
    if isinstance(command, AnswerCall | ProgressCall) and command.treatment != Treatment():
        return NO_MEDIA
    if len(_sdp(command)) > MAX_BYTES:
        return "bad_value", f"the session description is longer than {MAX_BYTES} bytes"
    check = CHECKS.get(type(command))
    return None if check is None else check(command, call)


def _sdp(command: object) -> bytes:
    brought: bytes = getattr(command, "sdp", b"")
    return brought


def _unfit_answer(command: AnswerCall, call: Call) -> Fault:
    exchange = call.media.exchange
    if call.offer is not None:
        return "bad_state", "an offer of the peer waits for its answer first"
    if exchange.state is Turn.REMOTE_OFFER:
        said = exchange.preview
    else:
        said = (exchange.remote and exchange.local) or exchange.offer
    if said:
        return _other(command.sdp, said)
    return None if command.sdp else ("bad_value", "sdp is missing: the application brings that of this call")


def _unfit_progress(command: ProgressCall, call: Call) -> Fault:
    exchange = call.media.exchange
    invitation = call.invitation
    able = () if invitation is None else invitation.able
    if unoffered(call) and able:  # ours, answered by the PRACK
        required = "!100rel" in able and not command.sdp
        return ("bad_value", "sdp is missing: the first reliable response holds our offer") if required else None
    if not command.sdp:
        return None
    if exchange.state is not Turn.REMOTE_OFFER or call.offer is not None:
        return "bad_state", "the INVITE has no offer that an early answer could be to"
    return _other(command.sdp, exchange.preview) if exchange.preview else None


def _other(sdp: bytes, said: bytes) -> Fault:
    return None if sdp in (b"", said) else ("bad_value", "the answer went out before, and cannot be another one now")


def _unfit_offer(command: OfferSession, call: Call) -> Fault:
    if not command.sdp and command.update:
        return "bad_value", "sdp is missing: an UPDATE brings an offer"
    if call.change is not None or call.offer is not None:
        return "bad_state", "another offer is open"
    return None if call.state >= State.ANSWERED else offers.unfit(command, call)


def _unfit_reply(command: AnswerOffer, call: Call) -> Fault:
    if call.offer is None or call.offer.offer != command.offer:
        return "bad_value", f"no offer {command.offer} waits for an answer"
    if command.status != 200 and not 300 <= command.status <= 699:
        return "bad_value", "a status is 200, or 300 to 699"
    missing = command.status == 200 and not command.sdp and not _ours(call.offer)
    return ("bad_value", "sdp is missing") if missing else None


CHECKS: dict[type, Callable[..., Fault]] = {
    AnswerCall: _unfit_answer,
    ProgressCall: _unfit_progress,
    OfferSession: _unfit_offer,
    AnswerOffer: _unfit_reply,
}


# Actions


def answered(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control answers the offer that waits, or refuses it."""
    command: AnswerOffer = given.what
    offer = call.offer
    assert offer is not None
    if command.status >= 300 or not command.sdp:
        return _refused(call, offer, given, now, command.status)
    call = replace(call, offer=None)
    call, effects = ANSWERS[offer.carrier](call, offer, command.sdp, given, now)
    call, more = reliable.accepted(call, given, now)
    return call, (Disarm(Input.OFFER_LATE), *effects, *more)


def late(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Nobody answered in time: 488, and 504 to an UPDATE, which says that a person had to be asked (RFC 3311 s5.2)."""
    offer = call.offer
    assert offer is not None
    call, effects = _refused(call, offer, given, now, 504 if offer.carrier is Carrier.UPDATE else 488)
    if _ours(offer):
        return call, effects
    return call, (tell(CallNoticed(call.call, "offer_unanswered", "an offer of the peer", given.wall)), *effects)


def cancelled(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The peer takes its re-INVITE back: 487 (RFC 3261 s9.2)."""
    call, effects = withdrawn(call, given, now)
    return call, (tell(CallNoticed(call.call, "offer_cancelled", "an offer of the peer", given.wall)), *effects)


def _refused(call: Call, offer: Offer, given: Given, now: float, status: int) -> tuple[Call, Effects]:
    """Refuse the request of an offer; one in a response cannot be refused, so the call ends. A PRACK needs none."""
    if offer.carrier is Carrier.RELIABLE or _ours(offer):
        call, effects = _pracked(replace(call, offer=None), offer, b"", given, now)
        effects = (Disarm(Input.OFFER_LATE), *effects)
        if _ours(offer):
            return call, effects
        if call.dialog is None:
            call, more = out.given_up(call, given, now, UNANSWERED)
        else:
            call, more = ended(call, given, now, UNANSWERED, bye=True)
        return call, effects + more
    if offer.carrier is Carrier.SUCCESS:
        return ended(call, given, now, UNANSWERED, bye=True)
    call, effects = withdrawn(call, given, now, status)
    call, more = reliable.accepted(call, given, now)
    return call, effects + more


def _brought(call: Call, sdp: bytes) -> Call:
    return replace(call, media=replace(call.media, draft=sdp))


def _reinvited(call: Call, offer: Offer, sdp: bytes, given: Given, now: float) -> tuple[Call, Effects]:
    """200 to their re-INVITE with our answer; with our offer where it held none."""
    wanted = call.media.exchange.state is Turn.STABLE
    call = _brought(call, sdp)
    if wanted:
        call = offered(call, given.agent, Carrier.SUCCESS)
        body = call.media.exchange.offer
    else:
        call, body = answering(call, Carrier.SUCCESS)
    assert offer.key is not None
    answer = up.Again(offer.key, offer.seq, restated(offer.response, 200, "OK", (), body), offer.target, wanted)
    return up.again(call, answer, offer.timer, given, now)


def _updated(call: Call, offer: Offer, sdp: bytes, _: Given, now: float) -> tuple[Call, Effects]:
    """200 to their UPDATE, in the one dialog or in an early one."""
    assert offer.key is not None
    if offer.early:
        one, base = early.early_of(call, offer.early), call.media.exchange
        call, body = answering(_brought(early.within(call, one.exchange), sdp), Carrier.UPDATE_SUCCESS)
        call = kept(replace(call, media=replace(call.media, draft=b"")), one, offer.target, offer.seq, base)
        return call, (Reply(offer.key, 200, restated(offer.response, 200, "OK", (), body)),)
    call, body = answering(_brought(call, sdp), Carrier.UPDATE_SUCCESS)
    call, effects = refreshed(call, offer.target, offer.timer, now)
    return call, (Reply(offer.key, 200, restated(offer.response, 200, "OK", (), body)), *effects)


def _ours(offer: Offer) -> bool:
    """Whether it is one that our PRACK may hold."""
    return offer.carrier is Carrier.PRACK and offer.key is None


def _answered_prack(call: Call, offer: Offer, sdp: bytes, given: Given, now: float) -> tuple[Call, Effects]:
    """200 to their PRACK; or ours, with an offer."""
    if offer.key is None:
        return offers.in_prack(call, offer, sdp, given, now)
    call, body = answering(_brought(call, sdp), Carrier.PRACK_SUCCESS)
    return call, (Reply(offer.key, 200, restated(offer.response, 200, "OK", (), body)),)


def _pracked(call: Call, offer: Offer, sdp: bytes, given: Given, now: float) -> tuple[Call, Effects]:
    """The PRACK to their reliable response with our answer; without one where there is none."""
    if call.dialog is not None:  # to our re-INVITE
        body = b""
        if sdp:
            call, body = answering(_brought(call, sdp), Carrier.PRACK)
        assert call.dialog is not None
        what = early.Racked(offer.seq, offer.rseq, body)
        call, dialog, prack, effects = early.pracked(call, call.dialog, what, given, now)
        return replace(call, dialog=dialog, requests=(*call.requests, prack)), effects
    one, base = early.early_of(call, offer.early), call.media
    assert one.dialog is not None
    inside, body = early.within(call, one.exchange), b""
    if sdp:
        inside, body = answering(_brought(inside, sdp), Carrier.PRACK)
    what = early.Racked(offer.seq, offer.rseq, body)
    call, dialog, prack, effects = early.pracked(call, one.dialog, what, given, now)
    one = replace(one, dialog=dialog, exchange=inside.media.exchange)
    call = early.put(replace(call, media=base), one)
    return replace(call, requests=(*call.requests, prack)), effects


def _acknowledged(call: Call, offer: Offer, sdp: bytes, given: Given, now: float) -> tuple[Call, Effects]:
    """The ACK to their 2xx with our answer: the call is up, if it was not."""
    first = not call.media.exchange.remote
    call, body = answering(_brought(call, sdp), Carrier.ACK)
    assert call.dialog is not None
    ack, effects = acknowledge(call, call.dialog, f"ack {offer.seq}", offer.seq, given, now, body)
    call = replace(call, ack=ack)
    return call, (*effects, *(up.up(call, given, offer.headers) if first else ()))


ANSWERS: dict[Carrier, Callable[[Call, Offer, bytes, Given, float], tuple[Call, Effects]]] = {
    Carrier.INVITE: _reinvited,
    Carrier.UPDATE: _updated,
    Carrier.PRACK: _answered_prack,
    Carrier.RELIABLE: _pracked,
    Carrier.SUCCESS: _acknowledged,
}
