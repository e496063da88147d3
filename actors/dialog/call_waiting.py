"""Signalling-only calls: an offer of the peer waits for the application, until it is answered or taken back.

No media of ours is in such a call: the application brings our descriptions and is told the peer's, and nobody here
reads either. What the service answers at once elsewhere (RFC 3261 section 14.2, RFC 3262 section 5, RFC 3311 section
5.2) is kept in `Call.offer`, for ten seconds; a second offer meanwhile gets 500.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.dialog import call_account, dialog_state
from actors.dialog.attempt import Attempt, begin
from actors.dialog.call import Asked, Call, Given, Input, replace, tell
from actors.dialog.call_events import CallOffered
from actors.dialog.call_parts import Early, Offer, SessionTimer
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Reply
from actors.dialog.negotiation import abandoned
from actors.dialog.reply import answer, restated
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS, RemoteProtocolError
from actors.sip.offer_answer import Carrier
from actors.sip.offer_answer import Input as Said
from actors.sip.offer_answer import State as Turn

OFFER_WITHIN = 10.0  # seconds that the application has; the peer gives up after 32 (RFC 3261 s17.1.2.2, Timer F)


class Asking(NamedTuple):
    """A request with an offer, or for one of ours: `response` is its 200 without a description. The rest see Offer."""

    request: Asked
    carrier: Carrier
    response: bytes
    description: bytes = b""
    target: str = ""
    timer: SessionTimer | None = None
    early: str = ""


def text(description: bytes) -> str:
    """A description as an event hands it on; what is no UTF-8 in it shows as U+FFFD."""
    return description.decode("utf-8", "replace")


def given_by(call: Call, sdp: bytes) -> Call:
    """`call` with a description of the application's to be sent; where that went out already, as it was."""
    media = call.media
    done = media.exchange.state is Turn.LOCAL_OFFER or (media.exchange.state is Turn.STABLE and media.exchange.remote)
    return call if not sdp or done else replace(call, media=replace(media, draft=sdp))


def waits(call: Call) -> bool:
    """Whether the peer's open offer is for the application to answer."""
    media = call.media
    return media.outside and media.exchange.state is Turn.REMOTE_OFFER and not media.draft


def unique(call: Call) -> None:
    """Check that no other offer of the peer waits (RFC 3311 s5.2).

    Raises:
        RemoteProtocolError: 500, one does; 491, one in a response to an INVITE of ours (RFC 6337 s4.3).
    """
    if call.offer is not None:
        raise RemoteProtocolError(500 if call.offer.key is not None else 491, "Another offer waits for its answer")


def posed(call: Call, offer: Offer, description: bytes, method: str, given: Given, now: float) -> tuple[Call, Effects]:
    """Have the application answer an offer; its id and its deadline are filled in."""
    name = given.agent.names.token("offer", call.tag, offer.carrier.name, offer.early, f"{offer.seq} {offer.rseq}")
    offer = replace(offer, offer=name, deadline=now + OFFER_WITHIN)
    event = CallOffered(call.call, name, text(description), method, given.wall, offer.early)
    return replace(call, offer=offer), (tell(event), Arm(Input.OFFER_LATE, offer.deadline))


def asked(call: Call, what: Asking, given: Given, now: float) -> tuple[Call, Effects]:
    """As :func:`posed`, of an offer in a request."""
    request, carrier, response, description, target, timer, early = what
    refusal = answer(given.agent, request, 488).raw
    offer = Offer("", carrier, request.head.cseq, 0.0, request.key, response, refusal, target, timer, early)
    return posed(call, offer, description, request.head.method, given, now)


def withdrawn(call: Call, given: Given, now: float, status: int = 487) -> tuple[Call, Effects]:
    """The offer that waits is not answered: its request gets `status`, a 2xx its ACK, and what was agreed stands."""
    offer = call.offer
    if offer is None:
        return call, ()
    call = _taken_back(replace(call, offer=None), offer)
    effects: Effects = (Disarm(Input.OFFER_LATE),)
    if offer.key is not None:
        raw = restated(offer.refusal, status, REASONS.get(status, "Refused"))
        effects += (Reply(offer.key, status, raw),)
    elif offer.carrier is Carrier.SUCCESS and call.dialog is not None:
        ack, more = acknowledge(call, call.dialog, f"ack {offer.seq}", offer.seq, given, now)
        call, effects = replace(call, ack=ack), effects + more
    return call, effects


def _taken_back(call: Call, offer: Offer) -> Call:
    if not offer.early:
        return abandoned(call)
    early = [_stable(one) if one.remote_tag == offer.early else one for one in call.early]
    return replace(call, early=tuple(early))


def _stable(early: Early) -> Early:
    return replace(early, exchange=early.exchange.step(Said.OFFER_ABANDONED))


def acknowledge(
    call: Call, dialog: Dialog, name: str, seq: int, given: Given, now: float, body: bytes = b""
) -> tuple[Attempt, Effects]:
    """The ACK to the 2xx of our INVITE with the CSeq number `seq`, to be kept and repeated (RFC 3261 s13.2.2.4)."""
    raw = dialog_state.request(dialog, "ACK", seq, body=body)
    if call.identity is not None:
        raw = call_account.acknowledging(call, raw, seq)
    ack, hop = dialog_state.attempt(dialog, name, "ACK", raw)
    return begin(ack, hop, given.agent.names, now)
