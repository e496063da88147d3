"""Calls in, until they are answered or refused (RFC 3261 section 13.3)."""

from __future__ import annotations

from actors.dialog import call_account, call_reliable, dialog_state, session_timer, trunk
from actors.dialog.call import Agent, Asked, Call, Given, Input, State, replace, tell
from actors.dialog.call_commands import AnswerCall, RejectCall, Treatment
from actors.dialog.call_end import announced, ended
from actors.dialog.call_events import CallProgressed
from actors.dialog.call_parts import Invitation, Outcome
from actors.dialog.call_waiting import given_by
from actors.dialog.effects import Reply, TellShard
from actors.dialog.negotiation import answered, prepared, received_at, rung, unopened
from actors.dialog.numbers import written
from actors.dialog.policy import answer_after, outcome_of, route, treatment
from actors.dialog.reply import (
    SUPPORTED,
    answer,
    description_in,
    our_contact,
    refusal,
    refusing,
    retry_after,
    shown,
)
from actors.dialog.shard_events import ReplaceReserved, ReserveReplace
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS, RemoteProtocolError, uri
from actors.sip.headers import cut_name_addr
from actors.sip.offer_answer import Carrier

PROGRESS = 60.0  # RFC 3261 s13.3.1.1: a provisional response every minute, lest proxies cancel
HUNG_UP = 603  # what HangUp refuses a call in with


def new_call(agent: Agent, asked: Asked, tag: str, now: float) -> Call:
    """The call, named `tag`, that an INVITE outside of any dialog begins.

    Raises:
        RemoteProtocolError: a header it needs is missing or malformed.
    """
    invite = asked.request
    dialog = dialog_state.of_request(invite, asked.head, asked.flow, tag)
    if not dialog.remote_target:
        raise RemoteProtocolError(400, "Missing Contact")
    caller = invite.from_
    ringing = answer(agent, asked, 180, (our_contact(agent, asked), agent.allow, SUPPORTED), tag=tag).raw
    able = call_reliable.able(invite.get("Supported"), () if invite.look else invite.require)
    headers = shown(invite)
    after = answer_after(agent.settings.answer, asked.flow.host, headers)
    call = Call(
        State.NEW,
        (),
        tag,
        agent.names.id_of_call_in(tag),
        inbound=True,
        remote=str(caller.uri),
        local=_address(invite.get("To") or ""),
        begun=now,
        display_name=caller.display_name,
        headers=headers,
        invitation=Invitation(asked.key, asked.head.cseq, ringing, able=able, after=after),
        dialog=dialog,
        identity=call_account.of_asked(agent, asked) if agent.accounts else None,
    )
    if call.identity is not None:
        call = trunk.inward(agent, asked, call)
    return replace(call, route=_route(agent, asked, call)) if agent.settings.incoming else call


def _route(agent: Agent, asked: Asked, call: Call) -> str:
    """The route of the configuration that a call in takes: by user, number, account or trunk, and source."""
    account = None if call.identity is None else agent.accounts.get(call.identity.aor)
    user = uri.parse(asked.request.uri).user or ""
    if account is not None:
        user = written(user, account.incoming)
    return route(agent.settings.incoming, user, "" if account is None else account.aor, asked.flow.host)


def _address(value: str) -> str:
    """The URI in a To value as it stands; it is for people, and any URI is good in a To (s8.2.2.1)."""
    return value[1 : value.find(">")] if value.startswith("<") else cut_name_addr(value)[1]


def _refused(call: Call, status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Effects:
    """The final response to the INVITE in hand; the server transaction repeats it until its ACK."""
    invitation = call.invitation
    assert invitation is not None
    return (Reply(invitation.key, status, refusing(invitation.ringing, status, reason, headers)),)


def _end(
    call: Call,
    given: Given,
    now: float,
    status: int,
    by: str,
    reason: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> tuple[Call, Effects]:
    """Refuse the INVITE with `status` and end."""
    outcome = Outcome(outcome_of(status), status, reason or REASONS.get(status, ""), by)
    refused = _refused(call, status, reason, headers)
    call, effects = ended(replace(call, invitation=None), given, now, outcome)
    return call, refused + effects


def _failed(call: Call, given: Given, now: float, status: int, why: str) -> tuple[Call, Effects]:
    """Refuse the INVITE with `status` and end, because something of ours or of the way did not work."""
    refused = _refused(call, status)
    call, effects = ended(replace(call, invitation=None), given, now, Outcome("failed", status, why, "error"))
    return call, refused + effects


# Actions


def receive(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Check the offer, before any port is taken, and have media prepare."""
    asked: Asked = given.what
    agent = given.agent
    if agent.answer(call).mode == "none":
        call, effects = ended(call, given, now, Outcome("rejected", 480, REASONS[480], "local"))
        return call, (answer(agent, asked, 480), *effects)
    host = asked.flow.local_host
    outside = agent.answer(call).media == "application"
    call = replace(call, media=replace(call.media, host=host, outside=outside))
    least = session_timer.check(asked.request)
    if least:  # RFC 4028 s9
        return replace(call, state=State.TERMINATED), (answer(agent, asked, 422, (("Min-SE", str(least)),)),)
    try:
        offer = description_in(asked.request)
        if offer:
            call = answered(call, agent, offer, Carrier.INVITE)
        timer, lines = session_timer.granted(asked.request, mine=agent.settings.session_expires)
    except RemoteProtocolError as error:  # s13.3.1.3
        return replace(call, state=State.TERMINATED), (refusal(agent, asked, error),)
    if timer is not None and call.invitation is not None:
        call = replace(call, timer=timer, invitation=replace(call.invitation, extra=lines))
    call = replace(call, state=State.RECEIVED)
    if outside:
        call, effects = _onward(call, given, now)
    else:
        call, effects = prepared(call, agent, host)
        effects += (Arm(Input.MEDIA_LATE, now + agent.media_wait),)
    expires = None if asked.request.look else asked.request.expires
    if expires:  # s13.3.1
        effects += (Arm(Input.EXPIRED, now + expires),)
    return call, effects


def ready(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media is ready: ring, or first have the call kept whose place this one wants, where another shard holds it."""
    host, port = given.what
    return _onward(received_at(call, given.agent, host, port), given, now)


def _onward(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    agent, claim = given.agent, call.claim
    if claim is None:
        return _ring(call, given, now)
    ask = ReserveReplace(
        agent.shard, call.tag, claim.call_id, call.replaces, claim.from_tag, early_only=claim.early_only
    )
    wait = Arm(Input.UNRESERVED, now + agent.media_wait)
    return call, (TellShard(claim.shard, ask), Disarm(Input.MEDIA_LATE), wait)


def reserved(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The other shard keeps the call for this one: answer as it was treated. Or it refuses, and so do we."""
    told: ReplaceReserved = given.what
    if told.status:
        return _end(call, given, now, told.status, "local")
    return _ring(replace(call, treatment=told.treatment), given, now)


def unreserved(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The other shard does not answer: another try may find it (503)."""
    return _failed(call, given, now, 503, "no word of the call to replace")


def _ring(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """180, and 200 at once where the policy says so, or the call takes the place of one that is up (RFC 3891 s3)."""
    agent = given.agent
    effects = announced(call, given, now)
    call, more = _progress(call, given, now)
    effects += more
    assert call.invitation is not None
    at_once, after = None, -1.0
    if not call.media.outside:  # else nobody but the application can answer
        at_once = call.treatment if call.replaces else treatment(agent.answer(call), call.call)
        after = call.invitation.after
    if at_once is None and after == 0:
        at_once = call.treatment
    if at_once is None:
        effects += rung(call) if agent.settings.ring else ()
        if after > 0:
            effects += (Arm(Input.ANSWER_ASKED, now + after),)
        effects += (Arm(Input.RUNG_OUT, now + agent.settings.ring_timeout), Arm(Input.STILL_RINGING, now + PROGRESS))
        return replace(call, state=State.RINGING), effects
    call, more = call_reliable.take(replace(call, treatment=at_once), given, now)
    return call, effects + more


def _progress(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the 180; control was told of the call before."""
    call, effects = call_reliable.sent(replace(call, announced=True), given, now, 180)
    if not effects:
        return call, ()  # the application is to make an offer first
    return call, (*effects, tell(CallProgressed(call.call, 180, REASONS[180], given.wall)))


def still_ringing(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Repeat the 180 (s13.3.1.1)."""
    invitation = call.invitation
    assert invitation is not None
    effects: Effects = ()
    if invitation.reliable is None:
        call, effects = call_reliable.sent(call, given, now, 180)
    return call, (*effects, Arm(Input.STILL_RINGING, now + PROGRESS))


def asked_to_answer(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """It has rung as long as the caller, whom the policy obeys, wanted it to: answer."""
    return call_reliable.take(call, given, now)


def unpracked(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No PRACK within 64*T1: the INVITE is refused with a 5xx (RFC 3262 s3)."""
    return _failed(call, given, now, 504, "no PRACK")


def take(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control answers the call."""
    command: AnswerCall = given.what
    invitation = call.invitation
    assert invitation is not None
    if command.headers:
        call = replace(call, invitation=replace(invitation, extra=(*invitation.extra, *command.headers)))
    call = given_by(call, command.sdp)
    wanted = call.treatment if command.treatment == Treatment() else command.treatment
    return call_reliable.take(replace(call, treatment=wanted, duration=command.duration), given, now)


def reject(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control refuses the call, or sends it elsewhere."""
    command: RejectCall = given.what
    contacts = tuple([("Contact", f"<{uri}>") for uri in command.contacts])
    return _end(call, given, now, command.status, "local", command.reason, (*contacts, *command.headers))


def hang_up(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control ends a call that rings."""
    return _end(call, given, now, HUNG_UP, "local")


def cancelled(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The caller gave up: 487 (s9.2)."""
    return _end(call, given, now, 487, "remote")


def bye_early(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The caller ends the early dialog: 200, and 487 to the INVITE (s15.1.2)."""
    call, effects = _end(call, given, now, 487, "remote")
    return call, (answer(given.agent, given.what, 200), *effects)


def rung_out(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Nobody answered."""
    return _end(call, given, now, 480, "local")


def expired(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The time that the INVITE's Expires gave is over (s13.3.1)."""
    return _end(call, given, now, 487, "remote")


def no_media(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media has no ports, does not answer or lost the session: another try may do better (503)."""
    if given.what is not None:  # media said so itself; a late one may still open the session
        call = replace(call, media=unopened(call.media))
    return _failed(call, given, now, 503, "no media")


def transaction_broken(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The INVITE can no longer be answered."""
    outcome = Outcome("failed", 0, "the INVITE's transaction failed", "error")
    return ended(replace(call, invitation=None), given, now, outcome)


def invited_again(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """The INVITE came again after its server transaction was lost: the last response answers it."""
    asked: Asked = given.what
    invitation = call.invitation
    if invitation is None or not invitation.response:
        return call, ()
    status = int(invitation.response[8:11])
    return call, (Reply(asked.key, status, invitation.response),)


def reinvited_too_early(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """A second INVITE before the first has its answer: 500 with Retry-After (s14.2)."""
    return call, (answer(given.agent, given.what, 500, (retry_after(given.agent, given.what),)),)
