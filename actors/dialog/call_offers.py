"""Offers of the application's before its call is answered: by UPDATE or in a PRACK (RFC 3311 s5.1, RFC 3262 s5).

One at a time, in a dialog whose first offer has its answer in a reliable response. `Call.change` holds it, as it does
one of a call that is up; with the 2xx to our INVITE it becomes one of that dialog. A 2xx of ours waits for its end.
"""

from __future__ import annotations

from actors.dialog.call import Call, Given, Heard, Input, State, replace, tell
from actors.dialog.call_change import LATER, MAX_GLARES, brought, glare, led, retargeted, sent
from actors.dialog.call_commands import OfferSession
from actors.dialog.call_early import Racked, early_of, pracked, put, within
from actors.dialog.call_events import CallOfferAnswered
from actors.dialog.call_parts import Change, Early, Offer
from actors.dialog.call_reliable import accepted
from actors.dialog.call_waiting import text
from actors.dialog.dialog_state import Dialog
from actors.dialog.negotiation import abandoned, agreed, offered
from actors.dialog.reply import description_in
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError
from actors.sip.offer_answer import Carrier, Exchange
from actors.sip.offer_answer import State as Turn


def unfit(command: OfferSession, call: Call) -> tuple[str, str] | None:
    """What is wrong with an offer in a call that is not answered: a code and words, None for nothing."""
    if not command.update:
        return "bad_state", "before the call is answered an offer goes by UPDATE"
    confirmed = call.dialog is not None  # or the one early dialog of a call in
    ready = _complete(call.media.exchange) if confirmed else _chosen(call, command.fork) is not None
    return None if ready else ("bad_state", "the first offer has no answer in a reliable response")


def _chosen(call: Call, fork: str) -> Early | None:
    """The early dialog that an offer goes in: the one with the tag `fork`, or the last that spoke."""
    fit = [one for one in call.early if one.dialog is not None and _complete(one.exchange)]
    return next((one for one in reversed(fit) if fork in ("", one.remote_tag)), None)


def _complete(exchange: Exchange) -> bool:
    return exchange.state is Turn.STABLE and bool(exchange.remote)


# Actions


def offer(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control makes an offer."""
    command: OfferSession = given.what
    one = _chosen(call, command.fork) if call.dialog is None else None
    change = brought(call, command, "" if one is None else one.remote_tag)
    return due(replace(call, change=change), given, now)


def due(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the UPDATE, once no PRACK is on its way and no offer of the peer is open (RFC 6337 s4.3)."""
    change = call.change
    if change is None or change.attempt is not None:
        return call, ()
    one = None if call.dialog is not None else early_of(call, change.early)
    dialog = call.dialog if one is None else one.dialog
    if dialog is None:
        return dropped(call, given)
    if _busy(call, one):
        return call, (Arm(Input.OFFER_DUE, now + LATER),)
    inside = call if one is None else within(call, one.exchange)
    inside, dialog, change, effects = sent(inside, dialog, change, given, now)
    if one is None:
        return replace(inside, dialog=dialog, change=change), effects
    one = replace(one, dialog=dialog, exchange=inside.media.exchange)
    return put(replace(inside, media=call.media, change=change), one), effects


def _busy(call: Call, one: Early | None) -> bool:
    if call.offer is not None:
        return True
    if one is not None:
        waits = any(request.name.startswith(f"prack {one.remote_tag} ") for request in call.requests)
        return waits or one.exchange.state is not Turn.STABLE
    invitation = call.invitation
    waits = invitation is not None and invitation.reliable is not None
    return waits or call.media.exchange.state is not Turn.STABLE


def in_prack(call: Call, offer: Offer, sdp: bytes, given: Given, now: float) -> tuple[Call, Effects]:
    """The PRACK to a reliable response that holds the answer to our first offer has another offer."""
    one = early_of(call, offer.early)
    assert one.dialog is not None
    inside = within(call, one.exchange)
    inside = replace(inside, media=replace(inside.media, draft=sdp))
    exchange = offered(inside, given.agent, Carrier.PRACK).media.exchange
    call, dialog, prack, effects = pracked(call, one.dialog, Racked(offer.seq, offer.rseq, sdp), given, now)
    acknowledges = (offer.seq, offer.rseq)
    change = Change(prack, call.media.direction, update=True, sdp=sdp, early=offer.early, acknowledges=acknowledges)
    return replace(put(call, replace(one, dialog=dialog, exchange=exchange)), change=change), effects


def answered(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The request with our offer has its final response, or none came; what was agreed before may stand."""
    heard: Heard = given.what
    call, change, over, effects = led(call, given, now)
    if not over:
        return call, effects
    one = None if call.dialog is not None else early_of(call, change.early)
    inside = replace(call if one is None else within(call, one.exchange), change=None)
    inside, reason = _answered(inside, change, heard)
    if one is None:
        call = inside
    else:
        dialog = one.dialog if heard.response is None else _target(call, one, heard)
        one = replace(one, dialog=dialog, exchange=inside.media.exchange)
        call = put(replace(call, change=None), one)
    call, more = _settled(call, change, heard, reason, given, now)
    call, ends = accepted(call, given, now)
    effects += more + ends
    dialog = call.dialog if one is None else one.dialog
    if call.change is not None and call.state < State.ANSWERED and dialog is not None:
        effects += (Arm(Input.OFFER_DUE, now + glare(call, dialog, given)),)
    return call, effects


def _answered(call: Call, change: Change, heard: Heard) -> tuple[Call, str]:
    """The call in the eyes of the dialog after a response, and why its answer cannot be taken; empty where it can."""
    if heard.response is None or heard.status >= 300:
        return abandoned(call), ""
    try:
        return agreed(call, description_in(heard.response), change.answered_in)[0], ""
    except RemoteProtocolError as error:
        return abandoned(call), error.reason


def _target(call: Call, one: Early, heard: Heard) -> Dialog | None:
    """The early dialog with the target that a 2xx names (RFC 3311 s5.1)."""
    if heard.response is None or heard.status >= 300 or heard.key.method != "UPDATE":
        return one.dialog
    return retargeted(replace(call, dialog=one.dialog), heard.response).dialog


def _settled(call: Call, change: Change, heard: Heard, wrong: str, given: Given, now: float) -> tuple[Call, Effects]:
    """Tell control; or try again after a 491 (RFC 3311 s5.3). A PRACK that was refused goes without the offer."""
    one = None if call.dialog is not None else early_of(call, change.early)
    dialog = call.dialog if one is None else one.dialog
    assert dialog is not None
    effects: Effects = ()
    if change.acknowledges and heard.response is not None and heard.status >= 300 and heard.status != 481:
        what = Racked(*change.acknowledges, again=True)
        call, dialog, prack, effects = pracked(call, dialog, what, given, now)
        call = replace(call, requests=(*call.requests, prack))
        if one is not None:
            call = put(call, replace(one, dialog=dialog))
    if heard.status == 491 and change.tries < MAX_GLARES:
        return replace(call, change=replace(change, tries=change.tries + 1).waiting), effects
    exchange = call.media.exchange if one is None else early_of(call, change.early).exchange
    sdp = text(exchange.remote) if heard.status < 300 and not wrong else ""
    status, reason = (488, wrong) if wrong else (heard.status, heard.reason)
    return call, (*effects, tell(CallOfferAnswered(call.call, status, reason, sdp, given.wall)))


# What becomes of it with the end of an early dialog.


def dropped(call: Call, given: Given) -> tuple[Call, Effects]:
    """The early dialog of our offer is gone, and nobody will answer it any more."""
    if call.change is None:
        return call, ()
    told = CallOfferAnswered(call.call, 487, "the early dialog has ended", "", given.wall)
    return replace(call, change=None), (tell(told),)


def carried(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The call is up: our offer in its dialog goes on, one in that of another branch is over."""
    change, dialog = call.change, call.dialog
    if change is None or dialog is None:
        return call, ()
    if change.early != dialog.id.remote_tag:
        return dropped(call, given)
    if change.attempt is None:
        return replace(call, change=replace(change, early="")), (Arm(Input.RETRY, now),)
    return replace(call, state=State.MODIFYING), ()
