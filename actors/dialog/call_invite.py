"""The INVITE of a call out: where it goes, what is in it, and that it is sent again (RFC 3261 sections 8.1, 13.2.1)."""

from __future__ import annotations

from actors.dialog import call_account, dialog_state, session_timer, trunk
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News, begin
from actors.dialog.attempt import step as attempt_step
from actors.dialog.call import Agent, Call, Given, Heard, Input, Place, State, replace, tell
from actors.dialog.call_commands import PlaceCall, Treatment
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallPlaced
from actors.dialog.call_parts import Media, Outcome
from actors.dialog.call_waiting import given_by
from actors.dialog.dialog_state import MAX_FORWARDS
from actors.dialog.errand import contacts_of
from actors.dialog.negotiation import (
    abandoned,
    closed,
    offered,
    prepared,
    received_at,
    trusted,
    unopened,
)
from actors.dialog.reply import SUPPORTED
from actors.runtime.machine import Arm, Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, uri
from actors.sip.bodies import SDP
from actors.sip.offer_answer import Carrier
from actors.sip.offer_answer import State as Turn
from actors.sip.sdp import MAX_BYTES
from actors.sip.sdp_codecs import offered as offered_formats
from actors.sip.vocabulary import Candidate

MAX_TRIES = 5  # INVITEs beyond the first that a call may send, by 3xx and 422
# The header lines that are never the caller's to give, compact forms among them.
OURS = {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "allow"}
OURS |= {"user-agent", "route", "record-route", "require", "proxy-require", "v", "f", "t", "i", "m", "l", "c"}


def new_call(agent: Agent, command: PlaceCall, now: float) -> Call:
    """The call that a command places.

    Raises:
        LocalProtocolError: a header that may not be sent, an account that is none of ours, a codec that nobody knows.
    """
    offered_formats(command.codecs)
    if command.account and agent.accounts.get(command.account) is None:
        raise LocalProtocolError(f"there is no account {command.account}")
    for name, _ in command.headers:
        check_name(name)
    _check_session(command)
    # What may not be sent is refused before anything happens.
    Request.build("INVITE", command.uri, (("Call-ID", command.call), *command.headers))
    return Call(
        State.NEW,
        (),
        agent.names.tag_of_call_out(command.call),
        command.call,
        inbound=False,
        remote=command.uri,
        local=command.caller or command.account,
        begun=now,
        treatment=command.treatment,
        duration=command.duration,
        order=trunk.outward(agent, command) if command.account else command,
        announced=True,
        identity=call_account.of_order(agent, command.account) if command.account else None,
        interval=command.session_expires or agent.settings.session_expires,
        media=Media(outside=command.media == "application", codecs=command.codecs),
    )


def _check_session(command: PlaceCall) -> None:
    """Check who brings the SDP.

    Raises:
        LocalProtocolError: it is said twice or not at all, or media of ours is wanted where there is none.
    """
    if command.media not in ("service", "application"):
        raise LocalProtocolError(f"media is service or application, not {command.media!r}")
    if command.offer_in_prack and not command.sdp:
        raise LocalProtocolError("an offer in the PRACK comes after that of a signalling-only call's INVITE")
    if command.media == "service":
        if command.sdp:
            raise LocalProtocolError("sdp is given where media is the service's")
        return
    if command.late_offer is bool(command.sdp):
        raise LocalProtocolError("a signalling-only call has an sdp, or a late_offer")
    if len(command.sdp) > MAX_BYTES:
        raise LocalProtocolError(f"the session description is longer than {MAX_BYTES} bytes")
    if command.treatment != Treatment():
        raise LocalProtocolError("the service has no media in a signalling-only call: there is nothing to treat")


def check_name(name: str) -> None:
    """Check the name of a header that an application gives.

    Raises:
        LocalProtocolError: it is ours.
    """
    if name.lower() in OURS:
        raise LocalProtocolError(f"the header {name} is not yours to give")


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


def ours(agent: Agent, sent_by: str) -> str:
    """Our own URI, where the peer reaches us at `sent_by`."""
    return f"sip:{agent.settings.user}@{sent_by}"


def _invite(call: Call, agent: Agent, sent_by: str) -> bytes:
    """The INVITE but for Via and Contact (s8.1.1, 13.2.1)."""
    order = call.order
    assert order is not None
    sender, seq, routes = call_account.line(call, agent, order.caller or ours(agent, sent_by))
    target, preset = dialog_state.routed(call.target or order.uri, _preset(call, agent))
    headers = (
        *routes,
        *[("Route", f"<{route}>") for route in preset],
        ("Max-Forwards", MAX_FORWARDS),
        ("From", sender),
        ("To", f"<{order.uri}>"),
        ("Call-ID", call.call),
        ("CSeq", f"{seq} INVITE"),
        agent.allow,
        SUPPORTED,
        ("User-Agent", agent.settings.user_agent),
        *session_timer.wished(call.interval, call.least),
        *order.headers,
    )
    offer = call.media.exchange.offer
    if offer:
        headers = (*headers, ("Content-Type", SDP))
    return bytes(Request.build("INVITE", target, headers, offer))


def _preset(call: Call, agent: Agent) -> tuple[str, ...]:
    """The routes that a call of no account takes first (s8.1.2); one that was sent elsewhere goes there straight."""
    return agent.settings.routes if call.identity is None and not call.target else ()


# Actions: before the INVITE is sent


def place(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Tell control that there is a call, and locate the next hops."""
    order: PlaceCall = given.what
    agent, identity = given.agent, call.identity
    preset = _preset(call, agent)
    if identity is None:
        hop = preset[0] if preset else order.uri
    else:
        hop = call_account.first_hop(identity, agent, order.uri)
    invite, effects = begin(_invitation(call, given, hop), None, agent.names, now)
    if order.ring_timeout > 0:
        effects += (Arm(Input.RUNG_OUT, now + order.ring_timeout),)
    placed = tell(CallPlaced(call.call, call.remote, call.local, order.account, given.wall))
    return replace(call, attempt=invite), (placed, *effects)


def located(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The next hops are known, in order."""
    place: Place = given.what
    assert call.attempt is not None
    candidates, reason = trusted(call, place.candidates, given.agent), place.reason
    if place.candidates and not candidates:
        reason = "no way to it on which the keys of SRTP are secret"
    news = News(given.agent.names, candidates, 0, reason)
    invite, effects = attempt_step(call.attempt, AttemptInput.LOCATED, news, now)
    call, more = onward(replace(call, attempt=invite), given, now)
    return call, effects + more


def onward(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the INVITE to the chosen candidate, once media receives where that candidate reaches us; or give up."""
    invite = call.attempt
    assert invite is not None
    if invite.state is not AttemptState.CHOSEN:
        reason = invite.reason or "no answer"
        return ended(call, given, now, Outcome("unreachable", invite.status, reason, "error"))
    media = call.media
    if media.outside:
        return _send(_offering(call, given), given, now)
    host = _host(invite.candidate.sent_by)
    if media.open and media.port and media.asked == host:
        return _send(call, given, now)
    effects = closed(call)
    call, more = prepared(call, given.agent, host)
    late = Arm(Input.MEDIA_LATE, now + given.agent.media_wait)
    return replace(call, state=State.PREPARING), (*effects, *more, late)


def _offering(call: Call, given: Given) -> Call:
    """A signalling-only call with its offer open; one that was sent before stays as it is."""
    order = call.order
    assert order is not None
    if order.late_offer or call.media.exchange.state is not Turn.STABLE:
        return call
    return offered(given_by(call, order.sdp), given.agent, Carrier.INVITE)


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
    local = call.local or ours(given.agent, invite.candidate.sent_by)
    return replace(call, attempt=invite, state=State.INVITING, local=local), effects


def ready(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media receives: our offer can be made, and sent."""
    host, port = given.what
    call = received_at(call, given.agent, host, port)
    assert call.order is not None
    if call.order.late_offer:
        return _send(call, given, now)
    if call.media.exchange.state is not Turn.STABLE:  # that of a candidate which reached us elsewhere
        call = abandoned(call)
    return _send(offered(call, given.agent, Carrier.INVITE), given, now)


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


def proven_again(call: Call, heard: Heard, given: Given, now: float) -> tuple[Call, Effects] | None:
    """The INVITE again, with the credentials that a 401 or 407 asked for; None where there are none to show."""
    assert call.attempt is not None
    seq, hop = call_account.seq(call) + 1, call.attempt.uri
    proven = call_account.challenged(call, given.agent, heard, call.attempt, hop, seq)
    if proven is None:
        return None
    call, invite = proven
    invite, effects = attempt_step(invite, AttemptInput.SEND, News(given.agent.names), now)
    return replace(call, attempt=invite, early=(), state=State.INVITING), effects


def again(call: Call, heard: Heard, given: Given, now: float) -> tuple[Call, Effects] | None:
    """The INVITE anew, with a CSeq number of its own, where its final response says how; None where it does not.

    A 3xx names where else to go (s8.1.3.4, 21.3), a 422 how long a session has to be (RFC 4028 s7.3).
    """
    order, invite = call.order, call.attempt
    assert order is not None
    assert invite is not None
    if heard.response is None or call.tries >= MAX_TRIES:
        return None
    if heard.status == 422 and call.interval:
        least = session_timer.demanded(heard.response)
        if least <= call.least:
            return None
        call = replace(_counted(call), least=least, interval=max(call.interval, least))
        return _send(replace(call, attempt=_invitation(call, given, invite.uri, invite.candidates)), given, now)
    targets = call.targets
    if 300 <= heard.status < 400 and order.follow:
        tried = (*targets, call.target or order.uri)
        targets += tuple([one for one in contacts_of(heard.response) if one not in tried])
    if not targets:
        return None
    call = replace(_counted(call), target=targets[0], targets=targets[1:])
    sought, effects = begin(_invitation(call, given, targets[0]), None, given.agent.names, now)
    return replace(call, attempt=sought, state=State.LOCATING), effects


def _counted(call: Call) -> Call:
    """The call before one more INVITE, whose CSeq number is higher."""
    identity = call.identity
    if identity is not None:
        identity = replace(identity, seq=identity.seq + 1)
    return replace(call, tries=call.tries + 1, identity=identity)


def _invitation(call: Call, given: Given, hop: str, candidates: tuple[Candidate, ...] = ()) -> Attempt:
    """The attempt of the call's next INVITE; a chosen one where its candidates are known."""
    agent, identity = given.agent, call.identity
    user = agent.settings.user if identity is None else call_account.user(identity, agent)
    name = f"invite {call.tries}" if call.tries else "invite"
    state = AttemptState.CHOSEN if candidates else AttemptState.NEW
    ob = identity is not None and call_account.by_flow(identity, agent)
    return Attempt(state, (), call.tag, name, "INVITE", b"", user, hop, candidates, ob=ob)
