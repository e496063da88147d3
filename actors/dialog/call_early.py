"""Calls out until their final response: early dialogs, early media, reliable responses and their PRACKs.

RFC 3261 section 13.2.2.1, RFC 3262 section 4, RFC 3960 section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.dialog import call_account, dialog_state
from actors.dialog.attempt import Attempt, AttemptInput, News, advance, begin
from actors.dialog.attempt import step as attempt_step
from actors.dialog.call import Call, Given, Heard, Input, replace, tell
from actors.dialog.call_events import CallProgressed
from actors.dialog.call_parts import Early, Offer, Outcome
from actors.dialog.call_waiting import posed, text, waits
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.negotiation import agreed, answered, answering, awaited, fits, start
from actors.dialog.reply import description_in, shown
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError, Response
from actors.sip.headers import RSeq
from actors.sip.offer_answer import Carrier, Exchange
from actors.sip.offer_answer import State as Turn

MAX_EARLY = 16  # early dialogs that are remembered; a fork of more loses the oldest
MAX_REQUESTS = 16  # PRACKs and NOTIFYs of a call on their way: a peer that answers none gets no more of them


def progress(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A provisional response: an early dialog, perhaps early media; a reliable one gets its PRACK."""
    heard: Heard = given.what
    assert call.attempt is not None
    invite, effects = attempt_step(call.attempt, AttemptInput.PROVISIONAL, News(given.agent.names), now)
    call = replace(call, attempt=invite)
    if heard.status == 100 or heard.head is None or heard.response is None:
        return call, effects
    if heard.head.to_tag:
        rseq = rseq_of(heard.response)
        if rseq:
            return _reliable(call, rseq, given, now, effects)
        call, more = _unreliable(call, heard.head.to_tag, described(heard.response))
        effects += more
    return call, (*effects, *_told(call, heard, given))


def _told(call: Call, heard: Heard, given: Given) -> Effects:
    assert heard.response is not None
    progressed = CallProgressed(call.call, heard.status, heard.response.reason, given.wall, shown(heard.response))
    if call.media.outside and heard.head is not None:
        answer = described(heard.response) if call.media.exchange.offer else b""
        progressed = replace(progressed, sdp=text(answer) if fits(answer) else "", fork=heard.head.to_tag)
    return (*awaited(call, "ringing" if heard.status == 180 else "early"), tell(progressed))


def rseq_of(response: Response) -> int:
    """The number of a reliable response, 0 of any other, or of one that cannot be read."""
    if response.get("RSeq") is None:
        return 0
    try:
        number, required = response.header(RSeq), response.require
    except RemoteProtocolError:
        return 0
    return number.value if number is not None and "100rel" in required else 0


def described(response: Response) -> bytes:
    """The session description in a response; what cannot be understood there is none."""
    try:
        return description_in(response)
    except RemoteProtocolError:
        return b""


def early_of(call: Call, tag: str) -> Early:
    """The early dialog with the peer's `tag`, a new one where it is the first that is heard of it."""
    found = next((one for one in call.early if one.remote_tag == tag), None)
    return found or Early(tag, call.media.exchange)


def put(call: Call, early: Early) -> Call:
    """`call` with an early dialog as it is now, the last of them."""
    others = [one for one in call.early if one.remote_tag != early.remote_tag]
    return replace(call, early=(*others, early)[-MAX_EARLY:])


def _unreliable(call: Call, tag: str, body: bytes) -> tuple[Call, Effects]:
    """The answer in a response that may be lost is heard at once: the latest with media is (RFC 3960 s3.1)."""
    early = early_of(call, tag)
    if not body or early.exchange.state is not Turn.LOCAL_OFFER:
        return put(call, early), ()
    try:
        heard, _ = agreed(within(call, early.exchange), body, Carrier.PROVISIONAL)
    except RemoteProtocolError:  # a bad answer in an unreliable response is no answer: the 2xx will tell
        return put(call, early), ()
    return _heard(call, heard, early)


def _heard(call: Call, heard: Call, early: Early) -> tuple[Call, Effects]:
    """Media plays what an early dialog agreed on; that is kept with it."""
    call = put(call, replace(early, exchange=heard.media.exchange))
    media = heard.media
    if media.agreed is None or media.exchange == early.exchange:
        return call, ()
    call = replace(call, media=replace(call.media, agreed=media.agreed))
    return call, (start(media, media.agreed),) if media.open else ()


def within(call: Call, exchange: Exchange) -> Call:
    """`call` in the eyes of one of its early dialogs."""
    return replace(call, media=replace(call.media, exchange=exchange))


def _reliable(call: Call, rseq: int, given: Given, now: float, effects: Effects) -> tuple[Call, Effects]:
    """A reliable response: PRACK it once, in order (RFC 3262 s4). It may answer our offer, or make one."""
    heard: Heard = given.what
    assert heard.head is not None
    assert heard.response is not None
    assert call.attempt is not None
    early = early_of(call, heard.head.to_tag)
    if crowded(call) or thought_over(call, early.remote_tag) or (early.rseq and rseq != early.rseq + 1):
        return call, effects  # repeated, or one before it is missing or not acknowledged: it comes again
    dialog = early.dialog
    if dialog is None:
        path = Path.of_candidate(call.attempt.candidate)
        ends = dialog_state.ends_of(call.attempt.request)
        dialog = dialog_state.of_response(heard.response, heard.head, path, ends, call.attempt.uri)
    inside = within(call, early.exchange)
    body, bad = described(heard.response), ""
    reply = b""
    asks: Carrier | None = None  # what the application is to do before the PRACK
    try:
        if body and early.exchange.state is Turn.LOCAL_OFFER:
            inside, what = agreed(inside, body, Carrier.RELIABLE)
            asks = Carrier.PRACK if what is not None and _offers_in_prack(call) else None
        elif body and not early.exchange.sent and early.exchange.state is Turn.STABLE:
            inside = answered(inside, given.agent, body, Carrier.RELIABLE, offerless=True)
            if waits(inside) and call.offer is not None:
                return call, effects  # one at a time: it comes again
            asks = Carrier.RELIABLE if waits(inside) else None
            inside, reply = (inside, b"") if asks else answering(inside, Carrier.PRACK)
    except RemoteProtocolError as error:
        bad = error.reason
    if asks is not None:
        early = replace(early, dialog=dialog, rseq=rseq, exchange=inside.media.exchange)
        offer = Offer("", asks, heard.head.cseq, 0.0, early=early.remote_tag, rseq=rseq)
        theirs = body if asks is Carrier.RELIABLE else b""
        call, posing = posed(put(call, early), offer, theirs, "", given, now)
        return call, (*effects, *_told(call, heard, given), *posing)
    call, dialog, prack, more = pracked(call, dialog, Racked(heard.head.cseq, rseq, reply), given, now)
    early = replace(early, dialog=dialog, rseq=rseq)
    call, started = _heard(call, inside, early)
    call = replace(call, requests=(*call.requests, prack))
    effects = (*effects, *more, *started, *_told(call, heard, given))
    return (call, effects) if not bad else (replace(call, outcome=Outcome("failed", 488, bad, "error")), effects)


def crowded(call: Call) -> bool:
    """Whether so many requests of ours wait for an answer that no other goes out for what the peer sends."""
    return len(call.requests) >= MAX_REQUESTS


def thought_over(call: Call, tag: str = "") -> bool:
    """Whether the PRACK to a reliable response waits for the application: one after it is out of its turn."""
    offer = call.offer
    return offer is not None and offer.key is None and offer.early == tag


def _offers_in_prack(call: Call) -> bool:
    """Whether the application may make an offer in the PRACK of an answer, and nothing else is open."""
    order = call.order
    return order is not None and order.offer_in_prack and call.offer is None and call.change is None


class Racked(NamedTuple):
    """What a PRACK acknowledges: the CSeq number of the INVITE and the number of its response, and with which body.

    `again` says that another PRACK to it was refused for its offer.
    """

    invited: int
    rseq: int
    body: bytes = b""
    again: bool = False


def pracked(
    call: Call, dialog: Dialog, what: Racked, given: Given, now: float
) -> tuple[Call, Dialog, Attempt, Effects]:
    """The PRACK to a reliable response (RFC 3262 s4), in the dialog that has counted it, with our credentials."""
    invited, rseq, body, again = what
    agent, seq = given.agent, dialog.local_seq + 1
    dialog = replace(dialog, local_seq=seq)
    rack = (("RAck", f"{rseq} {invited} INVITE"),)
    raw = dialog_state.request(dialog, "PRACK", seq, body=body, headers=rack)
    if call.identity is not None:
        call, raw = call_account.proven(call, agent, "PRACK", raw, seq)  # counts as one with its INVITE
    name = f"prack {dialog.id.remote_tag} {invited} {rseq}{' again' if again else ''}"
    prack, hop = dialog_state.attempt(dialog, name, "PRACK", raw)
    prack, effects = begin(prack, hop, agent.names, now)
    return call, dialog, prack, effects


def proven_again(
    call: Call, given: Given, heard: Heard, attempt: Attempt, tag: str, now: float
) -> tuple[Call, Attempt, Effects] | None:
    """As that of `call_account`, of a request in the dialog, or in the early one with this tag of the peer's."""
    one = None if call.dialog is not None else early_of(call, tag)
    if one is None:
        return call_account.again(call, given.agent, heard, attempt, now)
    proven = call_account.again(replace(call, dialog=one.dialog), given.agent, heard, attempt, now)
    if proven is None:
        return None
    inside, sent, effects = proven
    return put(replace(inside, dialog=None), replace(one, dialog=inside.dialog)), sent, effects


def request_done(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A request of ours in the dialog has its final response, or none came."""
    heard: Heard = given.what
    news = News(given.agent.names, (), heard.status, heard.reason)
    left = []
    effects: Effects = ()
    for one in call.requests:
        sent = one
        if one.key == heard.key:
            proven = proven_again(call, given, heard, one, one.name.split(" ")[1], now)
            if proven is not None:
                call, sent, effects = proven
            else:
                sent, effects = advance(one, heard.attempt_input, news, now)
        if not sent.over:
            left.append(sent)
    call = replace(call, requests=tuple(left))
    if call.change is not None and call.change.attempt is None and not call.change.tries:  # it waits for a PRACK
        effects += (Arm(Input.OFFER_DUE, now),)
    return call, effects
