"""A call that is up changes: re-INVITE and UPDATE of ours (RFC 3261 section 14.1, RFC 3311 section 5.1).

An offer of ours that is refused leaves the session as it was. One that meets theirs (491) is made again after a time
that depends on whose Call-ID it is.
"""

from __future__ import annotations

from actors.dialog import call_account, dialog_state, session_timer
from actors.dialog.attempt import News, advance, begin
from actors.dialog.call import Call, Given, Heard, Input, State, replace, tell
from actors.dialog.call_commands import HoldCall, OfferSession
from actors.dialog.call_early import Racked, crowded, described, pracked, proven_again, rseq_of, thought_over
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallHoldChanged, CallNoticed, CallOfferAnswered
from actors.dialog.call_parts import Change, Offer, Outcome
from actors.dialog.call_waiting import acknowledge, posed, text, waits, withdrawn
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.negotiation import abandoned, agreed, answered, answering, offered, started
from actors.dialog.reply import SUPPORTED, description_in
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError, Response
from actors.sip.offer_answer import Carrier
from actors.sip.vocabulary import Candidate

MAX_GLARES = 10  # changes that met a 491, one after another, until it is given up
LATER = 1.0  # seconds until what cannot be done now is tried again


MOVED = "moved"  # the name of the request that is located when our address has changed


def moved(call: Call, dialog: Dialog, candidate: Candidate) -> Call:
    """`call` with a change that waits for its turn: our address towards the peer is now that of `candidate`."""
    path = Path.of_candidate(candidate)
    media = replace(call.media, host=path.local_host, asked=path.local_host)
    change = call.change or Change(None, media.direction)
    return replace(call, dialog=replace(dialog, path=path), media=media, change=change)


def told(before: Call, after: Call, given: Given) -> Effects:
    """What control is told of hold, where it changed."""
    one, other = before.media, after.media
    if (one.held_by_us, one.held_by_peer) == (other.held_by_us, other.held_by_peer):
        return ()
    return (tell(CallHoldChanged(after.call, other.held_by_us, other.held_by_peer, given.wall)),)


def settled(before: Call, after: Call, given: Given) -> Effects:
    """The peer has answered an offer of ours: media does as was agreed, control is told of what is new."""
    if not after.media.outside:
        return started(after) + told(before, after, given)
    return (tell(CallOfferAnswered(after.call, 200, "OK", text(after.media.exchange.remote), given.wall)),)


# Ours.


def modify(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control holds the peer or takes it off hold, which may be done already."""
    direction = _wanted(given)
    if call.change is not None:  # its time comes
        return replace(call, change=Change(None, direction, tries=call.change.tries)), ()
    return (call, ()) if direction == call.media.direction else _request(call, Change(None, direction), given, now)


def modify_later(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """As :func:`modify`, while our 2xx waits for its ACK, or another change for its answer: that comes first."""
    direction, change = _wanted(given), call.change
    if change is not None and change.attempt is not None:
        return replace(call, change=replace(change, then="" if direction == change.direction else direction)), ()
    if change is None and direction == call.media.direction:
        return call, ()
    return replace(call, change=Change(None, direction, tries=0 if change is None else change.tries)), ()


def offer(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control makes an offer of its own, or wants one of the peer's."""
    return _request(call, brought(call, given.what), given, now)


def offer_later(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """As :func:`offer`, while our 2xx waits for its ACK."""
    return replace(call, change=brought(call, given.what)), ()


def brought(call: Call, command: OfferSession, early: str = "") -> Change:
    """The change that an offer of the application's is, and its wish for one of the peer's."""
    asks = not command.sdp
    return Change(None, call.media.direction, update=command.update, sdp=command.sdp, asks=asks, early=early)


def _wanted(given: Given) -> str:
    return "sendonly" if isinstance(given.what, HoldCall) else "sendrecv"


def refresh(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Half of the session timer is over: refresh it, by UPDATE where the peer takes that (RFC 4028 s7.4)."""
    timer = call.timer
    assert timer is not None
    if call.change is not None or call.offer is not None:  # a change that waits for its turn refreshes as well
        return call, (Arm(Input.REFRESH, now + LATER),)
    change = Change(None, call.media.direction, refresh=True, update=timer.update)
    return _request(call, change, given, now)


def later(call: Call, _: Given, now: float) -> tuple[Call, Effects]:
    """It is not our turn: the ACK to our 2xx, or the answer to our request, is to come first."""
    return call, (Arm(Input.REFRESH, now + LATER),)


def retry(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The time after a 491 is over (s14.1)."""
    change = call.change
    if change is not None and call.offer is not None:  # theirs is answered first
        return retry_later(call, given, now)
    return (call, ()) if change is None else _request(call, change, given, now)


def retry_later(call: Call, _: Given, now: float) -> tuple[Call, Effects]:
    """The time after a 491 is over, but our 2xx waits for its ACK, or their offer for its answer."""
    return call, (Arm(Input.RETRY, now + LATER),)


def _request(call: Call, change: Change, given: Given, now: float) -> tuple[Call, Effects]:
    assert call.dialog is not None
    call, dialog, change, effects = sent(call, call.dialog, change, given, now)
    return replace(call, dialog=dialog, change=change, state=State.MODIFYING), effects


def sent(call: Call, dialog: Dialog, change: Change, given: Given, now: float) -> tuple[Call, Dialog, Change, Effects]:
    """Send the request of a change in `dialog`, which counts it; its offer is open in the call's exchange from then on.

    Raises:
        LocalProtocolError: it is not our turn to offer.
    """
    agent, timer = given.agent, call.timer
    seq = dialog.local_seq + 1
    dialog = replace(dialog, local_seq=seq)
    method = "UPDATE" if change.update else "INVITE"
    if change.offers:
        if change.sdp:
            call = replace(call, media=replace(call.media, draft=change.sdp))
        carrier = Carrier.UPDATE if change.update else Carrier.INVITE
        call = offered(call, agent, carrier, change.direction, unchanged=change.refresh)
    lines: tuple[tuple[str, str], ...] = (agent.allow, SUPPORTED)
    if timer is not None and call.state >= State.ANSWERED:
        lines += session_timer.wished(timer.interval, timer.least, "uac" if timer.ours else "uas")
    body = call.media.exchange.offer if change.offers else b""
    raw = dialog_state.request(dialog, method, seq, user_agent=agent.settings.user_agent, body=body, headers=lines)
    if call.identity is not None:
        call, raw = call_account.proven(call_account.settled(call), agent, method, raw, seq)
    name = f"change {seq}{change.early}"
    new, hop = dialog_state.attempt(dialog, name, method, raw, contact=agent.settings.user)
    attempt, effects = begin(new, hop, agent.names, now)
    return call, dialog, replace(change, attempt=attempt), effects


def led(call: Call, given: Given, now: float) -> tuple[Call, Change, bool, Effects]:
    """Lead the request of a change by a final response, or by none: the call, the change, and whether that was all.

    It is not where the request goes again, with credentials or to another next hop.
    """
    heard: Heard = given.what
    change = call.change
    assert change is not None
    assert change.attempt is not None
    proven = proven_again(call, given, heard, change.attempt, change.early, now)
    if proven is not None:
        call, again, effects = proven
        once_more = replace(change, attempt=again, rseq=0)
        return replace(call, change=once_more), once_more, False, effects
    news = News(given.agent.names, (), heard.status, heard.reason)
    again, effects = advance(change.attempt, heard.attempt_input, news, now)
    change = replace(change, attempt=again)
    return replace(call, change=change), change, again.over, effects


def modified(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Our re-INVITE or UPDATE has its final response, or none came."""
    heard: Heard = given.what
    call, change, over, effects = led(call, given, now)
    if not over:
        return call, effects
    call = replace(call, change=None, state=State.CONFIRMED)
    if heard.response is not None and heard.status < 300:
        call, effects = (_promised if change.asks else _taken)(call, change, heard, given, now)
    else:
        call, gone = _unanswered(call, given, now)
        call = abandoned(call) if change.offers else call
        call, effects = _refused(call, change, heard, given, now, effects + gone)
    if change.then and call.state is State.CONFIRMED and call.change is None and change.then != call.media.direction:
        return replace(call, change=change.waiting), (*effects, Arm(Input.RETRY, now))
    return call, effects


def progressed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A provisional response to our re-INVITE: a reliable one gets its PRACK, and its answer is final (RFC 3262 s5).

    What it agrees on stands even where the re-INVITE is refused after it (RFC 6141 s3.3). A bad answer is none: the
    2xx will tell. Where the re-INVITE held no offer it makes one, which the PRACK answers.
    """
    heard: Heard = given.what
    change, dialog = call.change, call.dialog
    assert change is not None
    assert dialog is not None
    assert heard.head is not None
    assert heard.response is not None
    rseq = rseq_of(heard.response)
    if not rseq or crowded(call) or thought_over(call) or (change.rseq and rseq != change.rseq + 1):
        return call, ()  # unreliable, repeated, or one before it is missing or not acknowledged
    before, reply = call, b""
    body = described(heard.response)
    try:
        if change.asks and body and not change.taken:
            call = answered(call, given.agent, body, Carrier.RELIABLE, offerless=True)
            change = replace(change, taken=True)
            if waits(call):
                offer = Offer("", Carrier.RELIABLE, heard.head.cseq, 0.0, rseq=rseq)
                return posed(replace(call, change=replace(change, rseq=rseq)), offer, body, "", given, now)
            call, reply = answering(call, Carrier.PRACK)
        call, what = agreed(call, body, Carrier.RELIABLE) if body and not change.asks else (call, None)
    except RemoteProtocolError as error:
        if error.status == 500:  # an offer of theirs waits: the response comes again
            return before, ()
        what = None
    call, dialog, prack, effects = pracked(call, dialog, Racked(heard.head.cseq, rseq, reply), given, now)
    if what is not None:
        call = replace(call, media=replace(call.media, direction=change.direction))
        effects += settled(before, call, given)
    change = replace(change, rseq=rseq)
    return replace(call, dialog=dialog, change=change, requests=(*call.requests, prack)), effects


def _taken(call: Call, change: Change, heard: Heard, given: Given, now: float) -> tuple[Call, Effects]:
    """The 2xx: ACK, the target, the answer, the session timer."""
    assert heard.response is not None
    assert heard.head is not None
    effects: Effects = ()
    before = call
    call = retargeted(call, heard.response)
    if not change.update:
        call, effects = acknowledged(call, heard.head.cseq, given, now)
    if change.offers:
        try:
            call, what = agreed(call, description_in(heard.response), change.answered_in)
        except RemoteProtocolError as error:
            call, more = ended(call, given, now, Outcome("failed", 488, error.reason, "error"), bye=True)
            return call, effects + more
        call = replace(call, media=replace(call.media, direction=change.direction))
        if what is not None and (change.sdp or call.media.exchange.remote != before.media.exchange.remote):
            effects += _news(call, given)
        effects += started(call)
    call, more = _refreshed(call, change, heard.response, now)
    return call, effects + more + told(before, call, given)


def _refreshed(call: Call, change: Change, response: Response, now: float) -> tuple[Call, Effects]:
    """The session timer after a 2xx to a request of ours that is a refresh; one of an early dialog is none."""
    if call.timer is None or change.early:
        return call, ()
    call = replace(call, timer=session_timer.agreed(response, call.timer, call.timer.least))
    return call, session_timer.armed(call, now)


def _promised(call: Call, change: Change, heard: Heard, given: Given, now: float) -> tuple[Call, Effects]:
    """The 2xx to a re-INVITE without a description: the peer's offer, which the ACK answers (s14.1, 13.2.2.4)."""
    assert heard.response is not None
    assert heard.head is not None
    call, effects = withdrawn(retargeted(call, heard.response), given, now, 500)
    seq, body, reply = heard.head.cseq, b"", b""
    wrong: RemoteProtocolError | None = None
    try:
        if not change.taken and (body := description_in(heard.response)):
            call = answered(call, given.agent, body, Carrier.SUCCESS, offerless=True)
            if not waits(call):
                call, reply = answering(call, Carrier.ACK)
    except RemoteProtocolError as error:
        wrong = error
    if waits(call):
        call, more = posed(call, Offer("", Carrier.SUCCESS, seq, 0.0), body, "", given, now)
    else:
        call, more = acknowledged(call, seq, given, now, reply)
    effects += more
    if wrong is not None:
        call, more = ended(call, given, now, Outcome("failed", 488, wrong.reason, "error"), bye=True)
        return call, effects + more
    if not body and not change.taken:
        effects += (tell(CallOfferAnswered(call.call, heard.status, heard.reason, "", given.wall)),)
    call, more = _refreshed(call, change, heard.response, now)
    return call, effects + more


def _unanswered(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The re-INVITE whose reliable response made an offer has come to nothing, and so has that."""
    offer = call.offer
    return (call, ()) if offer is None or offer.carrier is not Carrier.RELIABLE else withdrawn(call, given, now)


def _news(call: Call, given: Given) -> Effects:
    """What control is told of an answer to a signalling-only call's offer, where it asked or there is something new."""
    return settled(call, call, given) if call.media.outside else ()


def retargeted(call: Call, message: Response) -> Call:
    """A 2xx to a target refresh request names the peer's target (s12.2.1.2)."""
    dialog = call.dialog
    assert dialog is not None
    try:
        target = dialog_state.target_of(message)
    except RemoteProtocolError:
        target = ""
    return replace(call, dialog=replace(dialog, remote_target=target)) if target else call


def acknowledged(call: Call, seq: int, given: Given, now: float, body: bytes = b"") -> tuple[Call, Effects]:
    """The ACK to the 2xx of our INVITE with the CSeq number `seq`; kept, to be repeated."""
    dialog = call.dialog
    assert dialog is not None
    ack, effects = acknowledge(call, dialog, f"ack {seq}", seq, given, now, body)
    return replace(call, ack=ack), effects


def _refused(
    call: Call, change: Change, heard: Heard, given: Given, now: float, effects: Effects
) -> tuple[Call, Effects]:
    status = heard.status
    assert call.dialog is not None
    if status == 491 and change.tries < MAX_GLARES:
        waiting = replace(change, tries=change.tries + 1, early="").waiting
        return replace(call, change=waiting), (*effects, Arm(Input.RETRY, now + glare(call, call.dialog, given)))
    if status == 422 and call.timer is not None and heard.response is not None:
        least = session_timer.demanded(heard.response)
        if least > call.timer.interval:
            timer = replace(call.timer, interval=least, least=least)
            call, more = _request(replace(call, timer=timer), change.waiting, given, now)
            return call, effects + more
    # A PRACK may come too late; else the dialog is gone (s12.2.1.2).
    if not change.acknowledges and (heard.head is None or status in (408, 481)):
        outcome = Outcome("answered", status, heard.reason, "error")
        call, more = ended(call, given, now, outcome, bye=True)
        return call, effects + more
    if change.told:
        return call, (*effects, tell(CallOfferAnswered(call.call, status, heard.reason, "", given.wall)))
    notice = CallNoticed(call.call, "change_refused", f"{status} {heard.reason}", given.wall)
    return call, (*effects, tell(notice))


def glare(call: Call, dialog: Dialog, given: Given) -> float:
    """Seconds to wait after a 491 (s14.1): 2.1 to 4 where the Call-ID is ours, else 0 to 2, in steps of 10 ms."""
    chance = int(given.agent.names.token("glare", call.tag, str(dialog.local_seq))[:8], 16)
    return chance % 201 / 100 if call.inbound else 2.1 + chance % 191 / 100


def transactions_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost our re-INVITE or UPDATE: whether it took effect is not known, so it is made again."""
    change = call.change
    dialog = call.dialog
    assert change is not None
    assert dialog is not None
    call, effects = _unanswered(call, given, now)
    call = abandoned(call) if change.offers else call
    call = replace(call, change=replace(change, early="").waiting, state=State.CONFIRMED)
    return call, (*effects, Arm(Input.RETRY, now + glare(call, dialog, given)))


def modified_too_late(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Our re-INVITE is answered after our BYE: a 2xx still gets its ACK (s13.2.2.4)."""
    heard: Heard = given.what
    if heard.head is None or not 200 <= heard.status < 300 or heard.key.method != "INVITE":
        return replace(call, change=None), ()
    return acknowledged(replace(call, change=None), heard.head.cseq, given, now)
