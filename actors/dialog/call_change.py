"""A call that is up changes: re-INVITE and UPDATE of ours and of the peer (RFC 3261 section 14, RFC 3311, RFC 6141).

An offer of ours that is refused leaves the session as it was. One that meets theirs (491) is made again after a time
that depends on whose Call-ID it is. Of theirs each is answered at once, so there is never a half-done one to roll
back (RFC 6141 section 3).
"""

from __future__ import annotations

from actors.dialog import call_account, dialog_state, session_timer
from actors.dialog.attempt import News, advance, begin
from actors.dialog.call import Agent, Asked, Call, Given, Heard, Input, State, replace, tell
from actors.dialog.call_commands import HoldCall, OfferSession
from actors.dialog.call_early import described, pracked, rseq_of
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallHoldChanged, CallNoticed, CallOfferAnswered
from actors.dialog.call_parts import Change, Early, Media, Outcome, SessionTimer
from actors.dialog.call_waiting import Asking, acknowledge, text, unique, waits
from actors.dialog.call_waiting import asked as posed
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.effects import Reply
from actors.dialog.negotiation import abandoned, agreed, answered, answering, offered, started
from actors.dialog.reply import SUPPORTED, answer, description_in, our_contact, refusal
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
    """Control holds the peer or takes it off hold, which may be done already; or it makes an offer of its own."""
    if isinstance(given.what, OfferSession):
        return _request(call, _brought(call, given.what), given, now)
    direction = _wanted(given)
    if call.change is not None:  # its time comes
        return replace(call, change=Change(None, direction, tries=call.change.tries)), ()
    return (call, ()) if direction == call.media.direction else _request(call, Change(None, direction), given, now)


def modify_later(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """As :func:`modify`, while our 2xx waits for its ACK, or another change for its answer: that comes first."""
    if isinstance(given.what, OfferSession):
        return replace(call, change=_brought(call, given.what)), ()
    direction, change = _wanted(given), call.change
    if change is not None and change.attempt is not None:
        return replace(call, change=replace(change, then="" if direction == change.direction else direction)), ()
    if change is None and direction == call.media.direction:
        return call, ()
    return replace(call, change=Change(None, direction, tries=0 if change is None else change.tries)), ()


def _brought(call: Call, command: OfferSession) -> Change:
    """The change that an offer of the application's is."""
    return Change(None, call.media.direction, update=command.update, sdp=command.sdp)


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
    agent, dialog, timer = given.agent, call.dialog, call.timer
    assert dialog is not None
    seq = dialog.local_seq + 1
    dialog = replace(dialog, local_seq=seq)
    method = "UPDATE" if change.update else "INVITE"
    if change.offers:
        if change.sdp:
            call = replace(call, media=replace(call.media, draft=change.sdp))
        carrier = Carrier.UPDATE if change.update else Carrier.INVITE
        call = offered(call, agent, carrier, change.direction, unchanged=change.refresh)
    lines: tuple[tuple[str, str], ...] = (agent.allow, SUPPORTED)
    if timer is not None:
        lines += session_timer.wished(timer.interval, timer.least, "uac" if timer.ours else "uas")
    body = call.media.exchange.offer if change.offers else b""
    raw = dialog_state.request(dialog, method, seq, user_agent=agent.settings.user_agent, body=body, headers=lines)
    if call.identity is not None:
        call, raw = call_account.proven(call_account.settled(call), agent, method, raw, seq)
    new, hop = dialog_state.attempt(dialog, f"change {seq}", method, raw, contact=agent.settings.user)
    sent, effects = begin(new, hop, agent.names, now)
    return replace(call, dialog=dialog, change=replace(change, attempt=sent), state=State.MODIFYING), effects


def modified(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Our re-INVITE or UPDATE has its final response, or none came."""
    heard: Heard = given.what
    change = call.change
    assert change is not None
    assert change.attempt is not None
    proven = call_account.again(call, given.agent, heard, change.attempt, now)
    if proven is not None:
        call, sent, effects = proven
        return replace(call, change=replace(change, attempt=sent)), effects
    news = News(given.agent.names, (), heard.status, heard.reason)
    sent, effects = advance(change.attempt, heard.attempt_input, news, now)
    change = replace(change, attempt=sent)
    if not sent.over:
        return replace(call, change=change), effects
    call = replace(call, change=None, state=State.CONFIRMED)
    if heard.response is not None and heard.status < 300:
        call, effects = _taken(call, change, heard, given, now)
    else:
        call = abandoned(call) if change.offers else call
        call, effects = _refused(call, change, heard, given, now, effects)
    if change.then and call.state is State.CONFIRMED and call.change is None and change.then != call.media.direction:
        return replace(call, change=change.waiting), (*effects, Arm(Input.RETRY, now))
    return call, effects


def progressed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A provisional response to our re-INVITE: a reliable one gets its PRACK, and its answer is final (RFC 3262 s5).

    What it agrees on stands even where the re-INVITE is refused after it (RFC 6141 s3.3). A bad answer is none: the
    2xx will tell.
    """
    heard: Heard = given.what
    change, dialog = call.change, call.dialog
    assert change is not None
    assert dialog is not None
    assert heard.head is not None
    assert heard.response is not None
    rseq = rseq_of(heard.response)
    if not rseq or (change.rseq and rseq != change.rseq + 1):
        return call, ()  # unreliable, repeated, or one before it is missing
    before = call
    body = described(heard.response)
    dialog, prack, effects = pracked(dialog, heard.head.cseq, rseq, b"", given.agent.names, now)
    try:
        call, what = agreed(call, body, Carrier.RELIABLE) if body else (call, None)
    except RemoteProtocolError:
        what = None
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
            carrier = Carrier.UPDATE_SUCCESS if change.update else Carrier.SUCCESS
            call, what = agreed(call, description_in(heard.response), carrier)
        except RemoteProtocolError as error:
            call, more = ended(call, given, now, Outcome("failed", 488, error.reason, "error"), bye=True)
            return call, effects + more
        call = replace(call, media=replace(call.media, direction=change.direction))
        if what is not None and (change.sdp or call.media.exchange.remote != before.media.exchange.remote):
            effects += _news(call, given)
        effects += started(call)
    if call.timer is not None:
        timer = session_timer.agreed(heard.response, call.timer, call.timer.least)
        call = replace(call, timer=timer)
        effects += session_timer.armed(call, now)
    return call, effects + told(before, call, given)


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


def acknowledged(call: Call, seq: int, given: Given, now: float) -> tuple[Call, Effects]:
    """The ACK to the 2xx of our INVITE with the CSeq number `seq`; kept, to be repeated."""
    dialog = call.dialog
    assert dialog is not None
    ack, effects = acknowledge(call, dialog, f"ack {seq}", seq, given, now)
    return replace(call, ack=ack), effects


def _refused(
    call: Call, change: Change, heard: Heard, given: Given, now: float, effects: Effects
) -> tuple[Call, Effects]:
    status = heard.status
    if status == 491 and change.tries < MAX_GLARES:
        waiting = replace(change, tries=change.tries + 1).waiting
        return replace(call, change=waiting), (*effects, Arm(Input.RETRY, now + _glare(call, given)))
    if status == 422 and call.timer is not None and heard.response is not None:
        least = session_timer.demanded(heard.response)
        if least > call.timer.interval:
            timer = replace(call.timer, interval=least, least=least)
            call, more = _request(replace(call, timer=timer), change, given, now)
            return call, effects + more
    if heard.head is None or status in (408, 481):  # s12.2.1.2: the dialog is gone
        outcome = Outcome("answered", status, heard.reason, "error")
        call, more = ended(call, given, now, outcome, bye=True)
        return call, effects + more
    if change.sdp:
        return call, (*effects, tell(CallOfferAnswered(call.call, status, heard.reason, "", given.wall)))
    notice = CallNoticed(call.call, "change_refused", f"{status} {heard.reason}", given.wall)
    return call, (*effects, tell(notice))


def _glare(call: Call, given: Given) -> float:
    """Seconds to wait after a 491 (s14.1): 2.1 to 4 where the Call-ID is ours, else 0 to 2, in steps of 10 ms."""
    assert call.dialog is not None
    chance = int(given.agent.names.token("glare", call.tag, str(call.dialog.local_seq))[:8], 16)
    return chance % 201 / 100 if call.inbound else 2.1 + chance % 191 / 100


def transactions_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost our re-INVITE or UPDATE: whether it took effect is not known, so it is made again."""
    change = call.change
    assert change is not None
    call = abandoned(call) if change.offers else call
    call = replace(call, change=change.waiting, state=State.CONFIRMED)
    return call, (Arm(Input.RETRY, now + _glare(call, given)),)


def modified_too_late(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Our re-INVITE is answered after our BYE: a 2xx still gets its ACK (s13.2.2.4)."""
    heard: Heard = given.what
    if heard.head is None or not 200 <= heard.status < 300 or heard.key.method != "INVITE":
        return replace(call, change=None), ()
    return acknowledged(replace(call, change=None), heard.head.cseq, given, now)


# Theirs.


def update(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """An UPDATE, in a confirmed or an early dialog: the target, the session and its timer as it asks (RFC 3311 s5.2).

    One with an offer is refused with 491 while ours is open, and with 500 while theirs is.
    """
    asked: Asked = given.what
    agent = given.agent
    early = None if call.dialog is not None else _early(call, asked)
    base = call.media.exchange
    least = session_timer.check(asked.request)
    if least:
        return call, (answer(agent, asked, 422, (("Min-SE", str(least)),)),)
    try:
        target = dialog_state.target_of(asked.request)
        offer, after, body = _updated(call, agent, asked, early)
    except RemoteProtocolError as error:
        return call, (refusal(agent, asked, error),)
    lines: tuple[tuple[str, str], ...] = (our_contact(agent, asked), agent.allow, SUPPORTED)
    timer = call.timer
    if call.state in (State.ANSWERED, State.CONFIRMED, State.MODIFYING):
        timer, more = session_timer.granted(asked.request, before=call.timer)
        lines += more
    reply: Reply = answer(agent, asked, 200, lines, body=body)
    if offer and not body:  # the application's to give
        tag = "" if early is None else early.remote_tag
        after = after if early is None else kept(after, early, "", asked.head.cseq, base)
        what = Asking(asked, Carrier.UPDATE, reply.raw, offer, target, timer, tag)
        return posed(after, what, given, now)
    effects: Effects = ()
    if early is not None:
        after = kept(after, early, target, asked.head.cseq, base)
    else:
        after, effects = refreshed(after, target, timer, now)
    effects = (reply, *effects)
    if offer:
        effects += started(after)
    return after, effects + told(call, after, given)


def _updated(call: Call, agent: Agent, asked: Asked, early: Early | None) -> tuple[bytes, Call, bytes]:
    """The offer in an UPDATE, the call that has taken it, and our answer: empty while the application is to give it.

    Raises:
        RemoteProtocolError: the body is malformed, or the offer cannot be taken, or not now.
    """
    offer = description_in(asked.request)
    after = call if early is None else _within(call, early.exchange)
    if not offer:
        return b"", after, b""
    unique(call)
    after = answered(after, agent, offer, Carrier.UPDATE)
    return (offer, after, b"") if waits(after) else (offer, *answering(after, Carrier.UPDATE_SUCCESS))


def refreshed(call: Call, target: str, timer: SessionTimer | None, now: float) -> tuple[Call, Effects]:
    """`call` after an UPDATE of theirs: its target, and its session timer where it has or had one."""
    if target and call.dialog is not None:
        call = replace(call, dialog=replace(call.dialog, remote_target=target))
    if call.state < State.ANSWERED or (timer is None and call.timer is None):
        return call, ()
    call = replace(call, timer=timer)
    return call, session_timer.armed(call, now)


def _early(call: Call, asked: Asked) -> Early:
    return next(one for one in call.early if one.remote_tag == asked.head.from_tag)


def _within(call: Call, exchange: object) -> Call:
    return replace(call, media=replace(call.media, exchange=exchange))


def kept(call: Call, early: Early, target: str, seq: int, base: object) -> Call:
    """`call` after an early dialog of it was updated."""
    dialog = early.dialog
    if dialog is not None:
        dialog = replace(dialog, remote_target=target or dialog.remote_target, remote_seq=seq)
    after = replace(early, exchange=call.media.exchange, dialog=dialog)
    others = tuple([one for one in call.early if one.remote_tag != early.remote_tag])
    media: Media = replace(call.media, exchange=base)
    return replace(call, media=media, early=(*others, after))
