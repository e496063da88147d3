"""An UPDATE of the peer's, in a confirmed or an early dialog (RFC 3311 section 5.2)."""

from __future__ import annotations

from actors.dialog import dialog_state, session_timer
from actors.dialog.call import Agent, Asked, Call, Given, State, replace
from actors.dialog.call_change import told
from actors.dialog.call_parts import Early, Media, SessionTimer
from actors.dialog.call_waiting import Asking, unique, waits
from actors.dialog.call_waiting import asked as posed
from actors.dialog.effects import Reply
from actors.dialog.negotiation import answered, answering, started
from actors.dialog.reply import SUPPORTED, answer, description_in, our_contact, refusal, retry_after
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError
from actors.sip.offer_answer import Carrier


def update(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """An UPDATE, in a confirmed or an early dialog: the target, the session and its timer as it asks (RFC 3311 s5.2).

    One with an offer is refused with 491 while ours is open, and with 500 while theirs is. Each is answered at once, or
    by the application: there is never a half-done one to roll back (RFC 6141 section 3).
    """
    asked: Asked = given.what
    agent = given.agent
    early = None if call.dialog is not None else _early(call, asked)
    base = call.media.exchange
    tag = "" if early is None else early.remote_tag
    if early is not None and early.dialog is not None and asked.head.cseq < early.dialog.remote_seq:
        return call, (answer(agent, asked, 500),)  # RFC 3261 s12.2.2: out of order
    if call.offer is not None and call.offer.carrier is Carrier.UPDATE and call.offer.early == tag:
        return call, (answer(agent, asked, 500, (retry_after(agent, asked),)),)  # offer or none
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
