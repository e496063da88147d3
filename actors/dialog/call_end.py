"""How a call ends: BYE, the session of media closed, exactly one CallEnded, and what may still come after."""

from __future__ import annotations

from actors.dialog import call_account, dialog_state
from actors.dialog.attempt import AttemptInput, News, advance, begin
from actors.dialog.call import Call, Given, Heard, Input, Place, State, replace, tell
from actors.dialog.call_events import CallEnded, CallReceived
from actors.dialog.call_parts import Fork, Outcome, Totals
from actors.dialog.call_waiting import text, withdrawn
from actors.dialog.effects import Reply, Report
from actors.dialog.negotiation import closed, unopened
from actors.dialog.policy import cause_of
from actors.dialog.reply import answer, restated
from actors.dialog.request_events import RequestAnswered
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS

CLOSE_WAIT = 2.0  # seconds until CallEnded is told without the totals of media
_UNTOLD = Totals()


def ended(call: Call, given: Given, now: float, outcome: Outcome, *, bye: bool = False) -> tuple[Call, Effects]:
    """End `call`: close its session, send a BYE where one is due, and settle in CLOSING or beyond."""
    effects = announced(call, given, now)
    if call.offer is not None:
        call, more = withdrawn(call, given, now)
        effects += more
    if call.wanted or call.inquiries:
        effects += unanswered(call, given)
        call = replace(call, wanted=(), inquiries=())
    call = replace(call, announced=True, outcome=outcome, ended=now, state=State.CLOSING, order=None, early=())
    if call.media.open:
        effects += (*closed(call), Arm(Input.MEDIA_LATE, now + CLOSE_WAIT))
    if bye and call.dialog is not None:
        call, more = _bye(call, given, now)
        effects += more
    return _settled(call, given, now, effects)


def announced(call: Call, given: Given, now: float) -> Effects:
    """Tell control that a call in came, unless it was told."""
    if call.announced:
        return ()
    begun = given.wall - (now - call.begun)
    account = "" if call.identity is None else call.identity.aor
    received = CallReceived(
        call.call, call.remote, call.local, call.display_name, begun, account, call.headers, call.route
    )
    if call.media.outside:
        received = replace(received, media="application", sdp=text(call.media.exchange.offer))
    return (tell(received),)


def unanswered(call: Call, given: Given) -> Effects:
    """What becomes of requests in the dialog that its end leaves open: 487 to theirs (s15.1.2), no status for ours."""
    effects: Effects = ()
    for one in call.inquiries:
        effects += (Reply(one.key, 487, restated(one.response, 487, REASONS[487])),)
    uri = "" if call.dialog is None else call.dialog.remote_target
    for wanted in call.wanted:
        if wanted.request:
            event = RequestAnswered(
                wanted.request, wanted.method, uri, 0, "the call has ended", (), "", "", given.wall, call.call
            )
            effects += (Report(event),)
    return effects


def _bye(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send BYE (RFC 3261 s15.1.1)."""
    dialog = call.dialog
    assert dialog is not None
    agent = given.agent
    dialog = replace(dialog, local_seq=dialog.local_seq + 1)
    user_agent, more = agent.settings.user_agent, call.farewell
    raw = dialog_state.request(dialog, "BYE", dialog.local_seq, user_agent=user_agent, headers=more)
    if call.identity is not None:
        call, raw = call_account.proven(call_account.settled(call), agent, "BYE", raw, dialog.local_seq)
    bye, hop = dialog_state.attempt(dialog, "bye", "BYE", raw)
    bye, effects = begin(bye, hop, agent.names, now)
    # The transaction ends by itself (Timer F) per candidate; this one holds should it be lost.
    give_up = Arm(Input.GIVE_UP, now + agent.give_up + agent.settings.t2)
    return replace(call, dialog=dialog, bye=bye), (*effects, give_up)


def _settled(call: Call, given: Given, now: float, effects: Effects = ()) -> tuple[Call, Effects]:
    """Tell CallEnded once media is done, and leave CLOSING once nothing is awaited."""
    if call.media.open:
        return call, effects
    if not call.told:
        call = replace(call, told=True)
        effects += (ending(call, given, now),)
    if call.bye is not None and not call.bye.over:
        return call, effects
    if call.linger > now:
        return replace(call, state=State.LINGERING), (*effects, Arm(Input.GIVE_UP, call.linger))
    return replace(call, state=State.TERMINATED), effects


def ending(call: Call, given: Given, now: float, totals: Totals = _UNTOLD) -> Report:
    """The one CallEnded of a call."""
    outcome = call.outcome
    assert outcome is not None
    answered = call.answered or call.ended
    return tell(
        CallEnded(
            call.call,
            outcome.outcome,
            outcome.status,
            outcome.reason,
            outcome.by,
            ringing=round(answered - call.begun, 3),
            talking=round(call.ended - answered, 3),
            time=given.wall - (now - call.ended),
            packets_sent=totals.sent,
            packets_received=totals.received,
            packets_lost=totals.lost,
            cause=outcome.cause or cause_of(outcome.outcome, outcome.status),
            headers=outcome.headers,
            contacts=outcome.contacts,
            jitter=round(totals.jitter, 3),
            round_trip=round(totals.round_trip, 6),
            burst=round(totals.burst, 3),
            mos=round(totals.mos, 3) or None,
        )
    )


# Actions while CLOSING


def media_closed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media gave the totals."""
    call = replace(call, media=unopened(call.media))
    effects: Effects = (Disarm(Input.MEDIA_LATE),)
    if not call.told:
        totals: Totals = given.what
        call = replace(call, told=True)
        effects += (ending(call, given, now, totals),)
    return _settled(call, given, now, effects)


def media_gone(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media will give no totals."""
    return _settled(replace(call, media=unopened(call.media)), given, now, (Disarm(Input.MEDIA_LATE),))


def bye_answered(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Our BYE (or that of another fork) was answered or failed; any final response ends it (RFC 3261 s15.1.1)."""
    heard: Heard = given.what
    event = heard.attempt_input
    news = News(given.agent.names, (), heard.status, heard.reason)
    effects: Effects = ()
    if call.bye is not None and call.bye.key == heard.key:
        if call.identity is not None and (again := _proven(call, heard, given, now)) is not None:
            return again
        bye, effects = advance(call.bye, event, news, now)
        call = replace(call, bye=bye)
    else:
        forks = []
        for fork in call.forks:
            if fork.bye.key == heard.key:
                bye, effects = advance(fork.bye, event, news, now)
                forks.append(Fork(fork.remote_tag, fork.ack, bye))
            else:
                forks.append(fork)
        call = replace(call, forks=tuple(forks))
    return _settled(call, given, now, effects) if call.state is State.CLOSING else (call, effects)


def _proven(call: Call, heard: Heard, given: Given, now: float) -> tuple[Call, Effects] | None:
    """The BYE again, with the credentials that a 401 or 407 asked for; None where there are none to show."""
    dialog = call.dialog
    assert dialog is not None
    assert call.bye is not None
    seq, hop = dialog.local_seq + 1, dialog_state.next_uri(dialog)
    proven = call_account.challenged(call, given.agent, heard, call.bye, hop, seq)
    if proven is None:
        return None
    call, bye = proven
    bye, effects = advance(bye, AttemptInput.SEND, News(given.agent.names), now)
    return replace(call, bye=bye, dialog=replace(dialog, local_seq=seq)), effects


def give_up(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """What was awaited did not come."""
    return _settled(replace(call, bye=None, media=unopened(call.media)), given, now)


def transactions_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost our BYE: the peer will find out by itself."""
    return _settled(replace(call, bye=None), given, now)


def bye_again(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Their BYE crosses ours, or comes again: 200 (RFC 5407 section 3.2.1)."""
    return call, (answer(given.agent, given.what, 200),)


def reinvited_too_late(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Their re-INVITE crosses our BYE: 481 (RFC 5407 section 3.2.2)."""
    return call, (answer(given.agent, given.what, 481),)


def lingered(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """No other fork will answer any more (RFC 3261 s13.2.2.4)."""
    return replace(call, bye=None), ()


def routed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The next hops of an ACK or a BYE were located."""
    located: Place = given.what
    news = News(given.agent.names, located.candidates, 0, located.reason)
    effects: Effects = ()
    if call.ack is not None and call.ack.ref == located.ref:
        ack, effects = advance(call.ack, AttemptInput.LOCATED, news, now)
        call = replace(call, ack=ack)
    elif call.bye is not None and call.bye.ref == located.ref:
        bye, effects = advance(call.bye, AttemptInput.LOCATED, news, now)
        call = replace(call, bye=bye)
    elif (found := _other(call, located, news, now)) is not None:
        call, effects = found
    else:
        forks = []
        for fork in call.forks:
            ack, bye = fork.ack, fork.bye
            more: Effects = ()
            if ack.ref == located.ref:
                ack, more = advance(ack, AttemptInput.LOCATED, news, now)
            elif bye.ref == located.ref:
                bye, more = advance(bye, AttemptInput.LOCATED, news, now)
            effects += more
            forks.append(Fork(fork.remote_tag, ack, bye))
        call = replace(call, forks=tuple(forks))
    return _settled(call, given, now, effects) if call.state is State.CLOSING else (call, effects)


def _other(call: Call, place: Place, news: News, now: float) -> tuple[Call, Effects] | None:
    """As :func:`routed`, for a re-INVITE or UPDATE of ours and for other requests; None where it is for none."""
    change = call.change
    if change is not None and change.attempt is not None and change.attempt.ref == place.ref:
        sent, effects = advance(change.attempt, AttemptInput.LOCATED, news, now)
        return replace(call, change=replace(change, attempt=sent)), effects
    first = call.wanted[0] if call.wanted else None
    if first is not None and first.attempt is not None and first.attempt.ref == place.ref:
        sent, effects = advance(first.attempt, AttemptInput.LOCATED, news, now)
        return replace(call, wanted=(replace(first, attempt=sent), *call.wanted[1:])), effects
    for number, one in enumerate(call.requests):
        if one.ref == place.ref:
            sent, effects = advance(one, AttemptInput.LOCATED, news, now)
            return replace(call, requests=(*call.requests[:number], sent, *call.requests[number + 1 :])), effects
    return None
