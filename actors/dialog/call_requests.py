"""Requests in a call that are the application's: those it wants sent, and those of the peer that it answers.

Ours go one after another: by UDP one could overtake the one before it, and be refused for its CSeq (RFC 3261 s12.2.2).
Theirs are of the methods that the configuration names; the application has a few seconds for each, then a refusal goes.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.dialog import call_account, dialog_state
from actors.dialog.attempt import Attempt, News, advance, begin
from actors.dialog.call import Asked, Call, Given, Heard, Input, State, replace, tell
from actors.dialog.call_commands import PlaceCall, SendDigits
from actors.dialog.call_early import request_done
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallNoticed, CallTransferProgressed
from actors.dialog.call_parts import Inquiry, Outcome, Wanted
from actors.dialog.call_waiting import withdrawn
from actors.dialog.effects import Reply, Report
from actors.dialog.outgoing import OF_CALLS, OURS, body_of, headers_of
from actors.dialog.reply import Headers, answer, restated
from actors.dialog.request_events import AnswerRequest, CallRequestReceived, RequestAnswered, SendInCall
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS, LocalProtocolError, Request

MAX_WANTED = 256  # requests of one call that may wait, keys among them
MAX_INQUIRIES = 8  # requests of one peer that wait for the application; one more gets its refusal at once
ANSWER_WITHIN = 5.0  # seconds that the application has; the peer gives up after 32 (RFC 3261 s17.1.2.2, Timer F)
COMMA = 0.5  # seconds
WITH_CONTACT = frozenset({"REFER", "NOTIFY"})  # RFC 3515 s2.2, RFC 6665 s8.2.2; in an INFO there is none
KEYS = frozenset("0123456789ABCD*#,")
OF_THE_CALL = OF_CALLS | {"REFER", "SUBSCRIBE"}  # they begin what lasts
BODIES = {"relay": "application/dtmf-relay", "dtmf": "application/dtmf"}
GONE = Outcome("answered", 481, "the peer knows of no call", "error")


class Posed(NamedTuple):
    """A request of the peer that the application is asked about, and what it gets if nobody answers."""

    asked: Asked
    status: int
    headers: Headers = ()


def wanted_of(command: SendInCall | SendDigits) -> tuple[Wanted, ...]:
    """What a command wants sent: a request, or an INFO for each key."""
    if isinstance(command, SendInCall):
        kind = command.content_type or "text/plain"
        return (Wanted(command.request, command.method, command.headers, kind, command.body),)
    kind = BODIES[command.by]
    relay = f"Signal=%s\r\nDuration={command.duration}\r\n"
    return tuple(
        Wanted("", "", pause=COMMA)
        if key == ","
        else Wanted("", "INFO", (), kind, (relay % key if command.by == "relay" else key).encode())
        for key in command.digits.upper()
    )


def unfit(command: SendInCall | SendDigits) -> str:
    """What of a command may not be sent, in words; empty where all may."""
    if isinstance(command, SendDigits):
        fits = command.by in BODIES and set(command.digits.upper()) <= KEYS
        return "" if fits else "keys are 0-9, A-D, *, # and the comma, sent by rtp, relay or dtmf"
    if command.method in OF_THE_CALL:
        return f"{command.method} is sent by a command of its own"
    return _unfit_lines(command.method, command.headers, command.content_type, command.body)


def unfit_answer(command: AnswerRequest, *, refers: bool) -> str:
    """As :func:`unfit`, of an answer. A REFER is followed with 202 only, which not every client may say."""
    if refers and 200 <= command.status < 300 and command.status != 202:
        return "a REFER is followed with 202"
    if not 200 <= command.status <= 699 or not command.reason.isprintable():
        return "a status is 200 to 699, a reason one line"
    return _unfit_lines("INFO", command.headers, command.content_type, command.body)


def _unfit_lines(method: str, headers: Headers, content_type: str, body: bytes) -> str:
    lines = (*headers, ("Content-Type", content_type or "text/plain")) if body else tuple(headers)
    ours = [name for name, _ in headers if name.lower() in OURS]
    if ours:
        return f"the header {ours[0]} is not yours to give"
    try:
        Request.build(method, "sip:peer", lines, body)
    except LocalProtocolError as error:
        return str(error)
    return ""


# Ours.


def ask(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control wants requests sent."""
    more: tuple[Wanted, ...] = given.what
    waiting = bool(call.wanted)
    call = replace(call, wanted=(*call.wanted, *more))
    return (call, ()) if waiting else _next(call, given, now)


def resumed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The pause between two keys is over."""
    return _next(replace(call, wanted=call.wanted[1:]), given, now)


def _next(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the first request that waits, or pause."""
    if not call.wanted:
        return call, ()
    first, *rest = call.wanted
    if first.pause:
        return call, (Arm(Input.PAUSED, now + first.pause),)
    call, _, sent, effects = in_dialog(call, first.method, first.headers, first.body, first.content_type, given, now)
    return replace(call, wanted=(replace(first, attempt=sent), *rest)), effects


def in_dialog(
    call: Call, method: str, lines: Headers, body: bytes, content_type: str, given: Given, now: float
) -> tuple[Call, int, Attempt, Effects]:
    """Send a request in the dialog: the call after it, its CSeq number, and it on its way."""
    dialog, agent = call.dialog, given.agent
    assert dialog is not None
    seq = dialog.local_seq + 1
    dialog = replace(dialog, local_seq=seq)
    user_agent = agent.settings.user_agent
    raw = dialog_state.request(
        dialog, method, seq, user_agent=user_agent, body=body, headers=lines, content_type=content_type
    )
    if call.identity is not None:
        call, raw = call_account.proven(call_account.settled(call), agent, method, raw, seq)
    contact = agent.settings.user if method in WITH_CONTACT else None
    new, hop = dialog_state.attempt(dialog, f"{method.lower()} {seq}", method, raw, contact=contact)
    sent, effects = begin(new, hop, agent.names, now)
    return replace(call, dialog=dialog), seq, sent, effects


def heard(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A request in the dialog has its final response, or failed: where it is the application's, tell it.

    A 481 says that the dialog is gone: so is the call (s12.2.1.2). That nobody answered, the session timer judges.
    """
    what: Heard = given.what
    first = call.wanted[0] if call.wanted else None
    if first is None or first.attempt is None or first.attempt.key != what.key:
        return request_done(call, given, now)
    proven = call_account.again(call, given.agent, what, first.attempt, now)
    if proven is not None:
        call, sent, effects = proven
    else:
        news = News(given.agent.names, (), what.status, what.reason)
        sent, effects = advance(first.attempt, what.attempt_input, news, now)
    if not sent.over:
        return replace(call, wanted=(replace(first, attempt=sent), *call.wanted[1:])), effects
    call = replace(call, wanted=call.wanted[1:])
    effects += (_told(call, first, what, given.wall),) if first.request or what.status >= 300 else ()
    if what.head is not None and what.status == 481:
        call, more = _gone(call, given, now)
        return call, effects + more
    if not first.request and what.status >= 300:
        call = replace(call, wanted=tuple([one for one in call.wanted if one.request]))  # nor are the keys behind it
    call, more = _next(call, given, now)
    return call, effects + more


def _told(call: Call, wanted: Wanted, what: Heard, wall: float) -> Report:
    """What is told of a final response: of a key pressed, that it was refused."""
    if not wanted.request:
        return tell(CallNoticed(call.call, "key_refused", f"{what.status} {what.reason}".rstrip(), wall))
    assert call.dialog is not None
    response, uri = what.response, call.dialog.remote_target
    lines = () if response is None else headers_of(response)
    kind, text = ("", "") if response is None else body_of(response)
    event = RequestAnswered(
        wanted.request, wanted.method, uri, what.status, what.reason, lines, kind, text, wall, call.call
    )
    return Report(event)


def _gone(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The peer has no such dialog: hang up, after the ACK where one is due."""
    if call.state is State.ANSWERED:
        return replace(call, state=State.LEAVING, outcome=GONE), ()
    return ended(call, given, now, GONE, bye=True)


def lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost what was on its way: nobody will answer that, and what waits goes on."""
    effects: Effects = ()
    if call.offer is not None and call.offer.key is not None:
        call, effects = withdrawn(call, given, now)
    transfer = call.transfer
    if transfer is not None and transfer.ours and any(one.method == "REFER" for one in call.requests):
        effects += (tell(CallTransferProgressed(call.call, 503, "the REFER was lost", given.wall)),)
        call = replace(call, transfer=None)
    first = call.wanted[0] if call.wanted else None
    call = replace(call, requests=())
    if first is None or first.attempt is None or first.attempt.key is None:
        return call, effects
    effects += (_told(call, first, Heard(first.attempt.key, 408, "no answer"), given.wall),)
    call, more = _next(replace(call, wanted=call.wanted[1:]), given, now)
    return call, effects + more


# Theirs.


def asked(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A request that the application answers."""
    posed: Posed = given.what
    request = posed.asked
    call, name, effects = inquired(call, posed, answer(given.agent, request, 200).raw, given, now)
    if not name:
        return call, effects
    lines, (kind, text) = headers_of(request.request), body_of(request.request)
    event = CallRequestReceived(call.call, name, request.head.method, lines, kind, text, given.wall)
    return call, (Report(event), *effects)


def inquired(
    call: Call,
    posed: Posed,
    response: bytes,
    given: Given,
    now: float,
    *,
    order: PlaceCall | None = None,
    silent: bool = False,
) -> tuple[Call, str, Effects]:
    """Keep a request for the application: the id it has, empty for one that is known already, or is one too many.

    One that comes again, its transaction lost, is the same.
    """
    agent, (key, _, head, _) = given.agent, posed.asked
    refusal = answer(agent, posed.asked, posed.status, posed.headers)
    known = [one for one in call.inquiries if one.seq == head.cseq]
    if known:
        rest = [one for one in call.inquiries if one.seq != head.cseq]
        return replace(call, inquiries=(*rest, replace(known[0], key=key))), "", ()
    if len(call.inquiries) >= MAX_INQUIRIES:
        return call, "", (refusal,)
    name = agent.names.token("asked", call.tag, str(head.cseq))
    deadline = now + ANSWER_WITHIN
    inquiry = Inquiry(name, key, head.cseq, response, refusal.raw, posed.status, deadline, order, silent)
    call = replace(call, inquiries=(*call.inquiries, inquiry))
    return call, name, (Arm(Input.UNREPLIED, min(one.deadline for one in call.inquiries)),)


def inquiry_of(call: Call, command: AnswerRequest) -> Inquiry:
    """The request that a command answers; that there is one was seen to."""
    return next(one for one in call.inquiries if one.request == command.request)


def replied(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """Control answers one of them."""
    command: AnswerRequest = given.what
    inquiry = inquiry_of(call, command)
    reason = command.reason or REASONS.get(command.status, "Unknown")
    kind = command.content_type or "text/plain"
    raw = restated(inquiry.response, command.status, reason, command.headers, command.body, kind)
    call, timer = _without(call, inquiry)
    return call, (Reply(inquiry.key, command.status, raw), timer)


def unreplied(call: Call, _: Given, now: float) -> tuple[Call, Effects]:
    """The application did not answer in time."""
    due = [one for one in call.inquiries if one.deadline <= now]
    effects: Effects = ()
    for one in due:
        call, timer = _without(call, one)
        effects += (Reply(one.key, one.status, one.refusal), timer)
    return call, effects


def _without(call: Call, inquiry: Inquiry) -> tuple[Call, Arm | Disarm]:
    left = tuple([one for one in call.inquiries if one is not inquiry])
    call = replace(call, inquiries=left)
    return call, Arm(Input.UNREPLIED, min(one.deadline for one in left)) if left else Disarm(Input.UNREPLIED)
