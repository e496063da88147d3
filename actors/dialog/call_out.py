"""Calls out: the INVITE, its early dialogs, its 2xx of one or several forks (RFC 3261 sections 9.1 and 13.2)."""

from __future__ import annotations

from actors.dialog import call_account, dialog_state
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News, advance, begin
from actors.dialog.attempt import step as attempt_step
from actors.dialog.call import Agent, Call, Fork, Given, Heard, Input, Outcome, Place, State, replace, tell
from actors.dialog.call_end import ended
from actors.dialog.call_up import LOST, up
from actors.dialog.dialog_state import MAX_FORWARDS, Dialog, Path
from actors.dialog.effects import Start
from actors.dialog.events import CallProgressed, PlaceCall
from actors.dialog.names import Names
from actors.dialog.negotiation import agreed, closed, offered, prepared, received_at, unopened
from actors.dialog.policy import outcome_of
from actors.dialog.reply import ALLOW, description_in
from actors.runtime.machine import Arm, Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, Response, uri

MAX_EARLY = 16  # early dialogs that are remembered; a fork of more loses the oldest
SILENCE = 4  # times T1: how long an INVITE that nobody has answered at all holds up the end of its call
MAX_FORKS = 16  # other forks' 2xx that are acknowledged and hung up
# The header lines that are never the caller's to give, compact forms among them.
OURS = {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "allow"}
OURS |= {"user-agent", "route", "record-route", "require", "proxy-require", "v", "f", "t", "i", "m", "l", "c"}


def new_call(agent: Agent, command: PlaceCall, now: float) -> Call:
    """The call that a command places.

    Raises:
        LocalProtocolError: a header that may not be sent, an account that is none of ours.
    """
    if command.account and agent.accounts.get(command.account) is None:
        raise LocalProtocolError(f"there is no account {command.account}")
    for name, _ in command.headers:
        if name.lower() in OURS:
            raise LocalProtocolError(f"the header {name} is not yours to give")
    # What may not be sent is refused before anything happens.
    Request.build("INVITE", command.uri, (("Call-ID", command.call), *command.headers))
    return Call(
        State.NEW,
        (),
        agent.names.tag_of_call_out(command.call),
        command.call,
        inbound=False,
        remote=command.uri,
        local=command.caller,
        begun=now,
        treatment=command.treatment,
        duration=command.duration,
        order=command,
        announced=True,
        identity=call_account.of_order(agent, command.account) if command.account else None,
    )


def check_uris(command: PlaceCall) -> None:
    """Check the URIs of a command.

    Raises:
        LocalProtocolError: one of them is no SIP URI that may stand in an INVITE (RFC 3261 s19.1.1, table 1).
    """
    for text in (command.uri, command.caller or command.uri):
        try:
            parsed = uri.parse(text)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"{text!r} is no SIP URI") from error
        if parsed.scheme not in {"sip", "sips"} or parsed.headers or "method" in parsed.params:
            raise LocalProtocolError(f"{text!r} is no SIP URI that can be called")


def _invite(call: Call, agent: Agent, sent_by: str) -> bytes:
    """The INVITE but for Via and Contact (s8.1.1, 13.2.1)."""
    order = call.order
    assert order is not None
    sender, seq, routes = call_account.line(call, agent, order.caller or f"sip:{agent.settings.user}@{sent_by}")
    headers = (
        *routes,
        ("Max-Forwards", MAX_FORWARDS),
        ("From", sender),
        ("To", f"<{order.uri}>"),
        ("Call-ID", call.call),
        ("CSeq", f"{seq} INVITE"),
        ALLOW,
        ("User-Agent", agent.settings.user_agent),
        *order.headers,
        ("Content-Type", "application/sdp"),
    )
    request = Request.build("INVITE", order.uri, headers, call.media.local)
    return bytes(request)


# Actions: before the INVITE is sent


def place(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Locate the next hops."""
    order: PlaceCall = given.what
    agent, identity = given.agent, call.identity
    user, uri = agent.settings.user, order.uri
    if identity is not None:
        user, uri = call_account.user(identity, agent), call_account.first_hop(identity, agent, uri)
    invite = Attempt(AttemptState.NEW, (), call.tag, "invite", "INVITE", b"", user, uri)
    invite, effects = begin(invite, None, given.agent.names, now)
    if order.ring_timeout > 0:
        effects += (Arm(Input.RUNG_OUT, now + order.ring_timeout),)
    return replace(call, attempt=invite), effects


def located(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The next hops are known, in order."""
    place: Place = given.what
    assert call.attempt is not None
    news = News(given.agent.names, place.candidates, 0, place.reason)
    invite, effects = attempt_step(call.attempt, AttemptInput.LOCATED, news, now)
    call, more = _onward(replace(call, attempt=invite), given, now)
    return call, effects + more


def _onward(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the INVITE to the chosen candidate, once media receives where that candidate reaches us; or give up."""
    invite = call.attempt
    assert invite is not None
    if invite.state is not AttemptState.CHOSEN:
        reason = invite.reason or "no answer"
        return ended(call, given, now, Outcome("unreachable", invite.status, reason, "error"))
    host = _host(invite.candidate.sent_by)
    media = call.media
    if media.open and media.port and media.asked == host:
        return _send(call, given, now)
    effects = closed(call)
    call, more = prepared(call, given.agent, host)
    late = Arm(Input.MEDIA_LATE, now + given.agent.media_wait)
    return replace(call, state=State.PREPARING), (*effects, *more, late)


def _host(sent_by: str) -> str:
    return sent_by[1 : sent_by.index("]")] if sent_by.startswith("[") else sent_by.partition(":")[0]


def _send(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    invite = call.attempt
    assert invite is not None
    request = _invite(call, given.agent, invite.candidate.sent_by)
    if call.identity is not None:
        call = call_account.located(call, invite)
        call, request = call_account.proven(call, given.agent, "INVITE", request, call_account.seq(call))
    invite, effects = attempt_step(replace(invite, request=request), AttemptInput.SEND, News(given.agent.names), now)
    return replace(call, attempt=invite, state=State.INVITING), effects


def ready(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media receives: our offer can be made, and sent."""
    host, port = given.what
    call = received_at(call, given.agent, host, port)
    return _send(offered(call, given.agent), given, now)


def no_media(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media has no ports, or does not answer."""
    if given.what is not None:
        call = replace(call, media=unopened(call.media))
    return ended(call, given, now, Outcome("failed", 0, "no media", "error"))


def give_up_early(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """We hang up before an INVITE was sent."""
    return ended(call, given, now, Outcome("cancelled", 0, "", "local"))


def rung_out_early(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The time to ring is over before an INVITE was sent."""
    return ended(call, given, now, Outcome("no_answer", 0, "ring timeout", "local"))


# Actions: the INVITE is sent


def progress(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A provisional response: an early dialog, perhaps early media (s13.2.2.1)."""
    heard: Heard = given.what
    assert call.attempt is not None
    invite, effects = attempt_step(call.attempt, AttemptInput.PROVISIONAL, News(given.agent.names), now)
    call = replace(call, attempt=invite)
    if heard.status == 100 or heard.head is None or heard.response is None:
        return call, effects
    tag = heard.head.to_tag
    if tag:
        body = _described(heard.response)
        call, more = _early(call, tag, body)
        effects += more
    event = CallProgressed(call.call, heard.status, heard.response.reason, given.wall)
    return call, (*effects, tell(event))


def _described(response: Response) -> bytes:
    """The session description in a response; what cannot be understood there is none."""
    try:
        return description_in(response)
    except RemoteProtocolError:
        return b""


def _early(call: Call, tag: str, body: bytes) -> tuple[Call, Effects]:
    """Remember an early dialog; the answer in it is heard at once: the latest with media is (RFC 3960 s3.1)."""
    known = dict(call.early)
    before = known.pop(tag, b"")
    known[tag] = body or before
    early = tuple(known.items())[-MAX_EARLY:]
    if not body or body == before:
        return replace(call, early=early), ()
    try:
        heard = agreed(call, body).media
    except RemoteProtocolError:  # a bad answer in an unreliable response is no answer: the 2xx will tell
        return replace(call, early=tuple({**known, tag: before}.items())[-MAX_EARLY:]), ()
    assert heard.agreed is not None
    start = (Start(heard.process, heard.session, heard.agreed),) if heard.open else ()
    return replace(call, early=early), start


def accepted(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The first 2xx: ACK, and the call is up (s13.2.2.4). An answer that cannot be taken: ACK, then BYE.

    One of a candidate that was given up comes too late: it gets ACK and BYE, and the candidate in hand is waited for.
    """
    assert call.attempt is not None
    if call.attempt.key != given.what.key:
        return accepted_again(call, given, now)
    call, effects, body = _confirmed(call, given, now)
    try:
        call = agreed(call, body)
    except RemoteProtocolError as error:
        call, more = ended(call, given, now, Outcome("failed", 488, error.reason, "error"), bye=True)
        return call, effects + more
    if call.duration:
        effects += (Arm(Input.TIME_UP, now + call.duration),)
    return replace(call, state=State.CONFIRMED, early=(), order=None), effects + up(call, given)


def accepted_too_late(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A 2xx crosses our CANCEL: ACK, then BYE (s15, RFC 5407 section 3.1.2)."""
    call, effects, _ = _confirmed(call, given, now)
    assert call.outcome is not None
    call, more = ended(replace(call, answered=0.0), given, now, call.outcome, bye=True)
    return call, effects + more


def _confirmed(call: Call, given: Given, now: float) -> tuple[Call, Effects, bytes]:
    """The dialog of the first 2xx, its ACK on the way, and the SDP that counts as its answer."""
    heard: Heard = given.what
    assert call.attempt is not None
    assert heard.head is not None
    assert heard.response is not None
    invite, effects = attempt_step(call.attempt, AttemptInput.FINAL, News(given.agent.names), now)
    dialog = _dialog(heard, invite, given.agent.names)
    ack, more = _acknowledge(call, dialog, "ack", given, now)
    body = _described(heard.response) or dict(call.early).get(heard.head.to_tag, b"")
    call = replace(
        call,
        attempt=replace(invite, request=b""),
        dialog=dialog,
        ack=ack,
        answered=now,
        linger=now + given.agent.give_up,
    )
    return call, effects + more, body


def _dialog(heard: Heard, invite: Attempt, names: Names) -> Dialog:
    assert heard.head is not None
    assert heard.response is not None
    path = Path.of_candidate(invite.candidate_of(heard.key, names))
    return dialog_state.of_response(heard.response, heard.head, path, invite.uri)


def _acknowledge(call: Call, dialog: Dialog, name: str, given: Given, now: float) -> tuple[Attempt, Effects]:
    raw = dialog_state.request(dialog, "ACK", dialog.local_seq)
    if call.identity is not None:
        raw = call_account.acknowledging(call, raw, dialog.local_seq)
    ack, hop = dialog_state.attempt(dialog, name, "ACK", raw)
    return begin(ack, hop, given.agent.names, now)


def accepted_again(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A 2xx after the first: repeated, it gets the same ACK; of another fork, ACK and BYE (s13.2.2.4)."""
    heard: Heard = given.what
    assert heard.head is not None
    names = given.agent.names
    tag = heard.head.to_tag
    if call.dialog is not None and tag == call.dialog.id.remote_tag:
        if call.ack is None:
            return call, ()
        ack, effects = advance(call.ack, AttemptInput.SEND, News(names), now)
        return replace(call, ack=ack), effects
    forks = call.forks
    for number, fork in enumerate(forks):
        if fork.remote_tag == tag:
            ack, effects = advance(fork.ack, AttemptInput.SEND, News(names), now)
            forks = (*forks[:number], replace(fork, ack=ack), *forks[number + 1 :])
            return replace(call, forks=forks), effects
    if call.attempt is None or len(forks) >= MAX_FORKS:
        return call, ()
    fork, effects = _fork(call, call.attempt, heard, given, now)
    return replace(call, forks=(*forks, fork)), effects


def _fork(call: Call, invite: Attempt, heard: Heard, given: Given, now: float) -> tuple[Fork, Effects]:
    dialog = _dialog(heard, invite, given.agent.names)
    tag = dialog.id.remote_tag
    ack, effects = _acknowledge(call, dialog, f"ack {tag}", given, now)
    user_agent = given.agent.settings.user_agent
    raw = dialog_state.request(dialog, "BYE", dialog.local_seq + 1, user_agent=user_agent)
    bye, hop = dialog_state.attempt(dialog, f"bye {tag}", "BYE", raw)
    bye, more = begin(bye, hop, given.agent.names, now)
    return Fork(tag, ack, bye), effects + more


def refused(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The INVITE failed at this candidate: on to the next, or the call ends (s8.1.3, RFC 3263 s4.3)."""
    heard: Heard = given.what
    assert call.attempt is not None
    if call.identity is not None and (again := _proven(call, heard, given, now)) is not None:
        return again
    news = News(given.agent.names, (), heard.status, heard.reason)
    invite, effects = attempt_step(call.attempt, heard.attempt_input, news, now)
    call = replace(call, attempt=invite, early=())
    if invite.state is AttemptState.CHOSEN:
        call, more = _onward(call, given, now)
    else:
        if invite.index:  # a candidate that was given up may yet answer, and wants to be told (s13.2.2.4)
            call = replace(call, linger=now + given.agent.give_up)
        call, more = ended(call, given, now, _outcome(heard))
    return call, effects + more


def _proven(call: Call, heard: Heard, given: Given, now: float) -> tuple[Call, Effects] | None:
    """The INVITE again, with the credentials that a 401 or 407 asked for; None where there are none to show."""
    assert call.attempt is not None
    seq, hop = call_account.seq(call) + 1, call.attempt.uri
    proven = call_account.challenged(call, given.agent, heard, call.attempt, hop, seq)
    if proven is None:
        return None
    call, invite = proven
    invite, effects = attempt_step(invite, AttemptInput.SEND, News(given.agent.names), now)
    return replace(call, attempt=invite, early=(), state=State.INVITING), effects


def _outcome(heard: Heard) -> Outcome:
    if heard.head is None:
        return Outcome("unreachable", heard.status, heard.reason, "error")
    return Outcome(outcome_of(heard.status), heard.status, heard.reason, "remote")


def cancel(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """We hang up: CANCEL (s9.1)."""
    return _cancel(call, given, now, Outcome("cancelled", 487, "", "local"))


def rung_out(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Nobody answered in time: CANCEL."""
    return _cancel(call, given, now, Outcome("no_answer", 408, "ring timeout", "local"))


def cancel_without_media(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media lost the session of our offer: CANCEL."""
    return _cancel(replace(call, media=unopened(call.media)), given, now, LOST)


def _cancel(call: Call, given: Given, now: float, outcome: Outcome) -> tuple[Call, Effects]:
    assert call.attempt is not None
    # A CANCEL waits for the first provisional (s9.1). Where none came, there may be nobody to send one: the user is not
    # kept waiting for Timer B. Who answers later is met as after any cancelled INVITE that had no final response.
    silent = call.attempt.state is AttemptState.TRYING
    patience = SILENCE * given.agent.settings.t1 if silent else 2 * given.agent.give_up
    invite, effects = attempt_step(call.attempt, AttemptInput.CANCEL, News(given.agent.names), now)
    return replace(call, attempt=invite, outcome=outcome), (*effects, Arm(Input.GIVE_UP, now + patience))


def refused_after_cancel(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The cancelled INVITE has its final response: 487 or what crossed the CANCEL."""
    assert call.outcome is not None
    return ended(call, given, now, call.outcome)


def no_final(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No final response to the cancelled INVITE: it counts as cancelled (s9.1); a late 2xx still gets ACK and BYE."""
    assert call.outcome is not None
    return ended(replace(call, linger=now + given.agent.give_up), given, now, call.outcome)


def transactions_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost our INVITE."""
    outcome = call.outcome or Outcome("failed", 0, "the INVITE's transaction was lost", "error")
    return ended(replace(call, linger=now + given.agent.give_up), given, now, outcome)


def media_lost_early(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """Media lost the session of a call that is being cancelled."""
    return replace(call, media=unopened(call.media)), ()
