"""Transfer: the REFERs that we send and those that we get, with what NOTIFYs tell of them (RFC 3515, 3891, 4488, 5589).

A REFER of the peer is followed only where the policy says so: it makes a call of its own, whose progress comes back
here as REFERRED.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from actors.dialog.call import Agent, Asked, Call, Given, Heard, Input, State, replace, tell
from actors.dialog.call_commands import PlaceCall, TransferCall, Treatment
from actors.dialog.call_early import crowded
from actors.dialog.call_end import ended
from actors.dialog.call_events import CallTransferProgressed, CallTransferRequested
from actors.dialog.call_parts import Transfer
from actors.dialog.call_requests import Posed, in_dialog, inquired, inquiry_of
from actors.dialog.call_requests import heard as response_heard
from actors.dialog.call_requests import replied as request_replied
from actors.dialog.call_up import HUNG_UP
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Place, Reply
from actors.dialog.errand import CEILING
from actors.dialog.reply import answer, lines_of, our_contact
from actors.dialog.request_events import AnswerRequest
from actors.dialog.settings import DialogSettings
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import REASONS, RemoteProtocolError, Uri, sipfrag
from actors.sip import uri as uris
from actors.sip.headers import Event as EventHeader
from actors.sip.headers import ReferredBy, ReferSub, ReferTo, SubscriptionState

NO_MORE = "the peer tells no more how it goes"
REFER_EXPIRES = 180  # seconds that the implicit subscription of a REFER is said to last


class Progress(NamedTuple):
    """How the call goes that we placed because the peer referred us."""

    status: int
    reason: str


# The REFER that we send.


def target_of(command: TransferCall, other: Dialog | None) -> str:
    """The URI of the Refer-To: the target, or the peer of another call with the Replaces that takes its place.

    Raises:
        RemoteProtocolError: there is no URI in it.
    """
    if other is None:
        return str(uris.parse(command.target))
    replaces = f"{other.id.call_id};to-tag={other.id.remote_tag};from-tag={other.id.local_tag}"
    target = uris.parse(command.target or other.remote_target)
    return str(dataclasses.replace(target, headers=(("Replaces", replaces),)))


def send(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Send the REFER. `what` is the command with its whole target."""
    command: TransferCall = given.what
    ours = call.dialog.local.partition(";tag=")[0] if call.dialog is not None else ""
    lines: tuple[tuple[str, str], ...] = (("Refer-To", f"<{command.target}>"), ("Referred-By", ours))
    if not command.follow:
        lines += (("Refer-Sub", "false"),)
    call, seq, effects = _request(call, "REFER", lines, b"", given, now)
    transfer = Transfer(ours=True, seq=seq, target=command.target, silent=not command.follow)
    return replace(call, transfer=transfer), (*effects, Disarm(Input.UNTOLD))  # of the transfer before


def _request(
    call: Call, method: str, lines: tuple[tuple[str, str], ...], body: bytes, given: Given, now: float
) -> tuple[Call, int, Effects]:
    kind = f"{sipfrag.CONTENT_TYPE};version=2.0"
    call, seq, sent, effects = in_dialog(call, method, lines, body, kind, given, now)
    return replace(call, requests=(*call.requests, sent)), seq, effects


def answered(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A request of ours in the dialog has its final response; that of a REFER says whether the peer goes."""
    heard: Heard = given.what
    call, effects = response_heard(call, given, now)
    transfer = call.transfer
    if heard.key.method != "REFER" or transfer is None or any(one.method == "REFER" for one in call.requests):
        return call, effects
    if not 200 <= heard.status < 300:
        event = CallTransferProgressed(call.call, heard.status or 503, heard.reason, given.wall)
        return replace(call, transfer=None), (*effects, tell(event))
    silent = transfer.silent
    event = CallTransferProgressed(call.call, 202 if silent else 100, "Accepted" if silent else "Trying", given.wall)
    effects += (tell(event),)
    if silent:
        return _gone(call, given, now, effects)
    if transfer.told:  # a NOTIFY was faster
        return call, effects
    return call, (*effects, Arm(Input.UNTOLD, now + given.agent.give_up))  # RFC 6665 s4.1.2.4, Timer N


def _gone(call: Call, given: Given, now: float, effects: Effects) -> tuple[Call, Effects]:
    """The peer is where we sent it: hang up, after the ACK where one is due."""
    call = replace(call, transfer=None)
    if call.state is State.ANSWERED:
        return replace(call, state=State.LEAVING, outcome=HUNG_UP), effects
    call, more = ended(call, given, now, HUNG_UP, bye=True)
    return call, effects + more


def notified(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A NOTIFY of our REFER: the status that the peer has had (RFC 3515 s2.4.5)."""
    asked: Asked = given.what
    agent, transfer = given.agent, call.transfer
    event = asked.request.header(EventHeader)
    about = event is not None and event.package == "refer"
    if not about or transfer is None or not transfer.ours:
        return call, (answer(agent, asked, 481 if about else 489),)
    # Its first line is all that matters. Some end it with a bare LF, such as baresip.
    told = sipfrag.parse(asked.request.body.partition(b"\n")[0].rstrip(b"\r"))
    status = told.status
    if status is None:
        raise RemoteProtocolError(400, "No status in the fragment")
    effects: Effects = (answer(agent, asked, 200),)
    state = asked.request.header(SubscriptionState)
    if status < 200:
        if state is not None and state.value.lower() == "terminated":  # it gave up, or lost it (RFC 6665 s4.1.3)
            call, more = untold(call, given, now)
            return call, effects + more
        left = CEILING if state is None or state.expires is None else min(state.expires, CEILING)
        effects += (Arm(Input.UNTOLD, now + left + agent.give_up),)
    if status == transfer.told:
        return call, effects
    effects += (tell(CallTransferProgressed(call.call, status, told.reason, given.wall)),)
    if status < 200:
        return replace(call, transfer=replace(transfer, told=status)), effects
    if status < 300:
        return _gone(call, given, now, effects)
    return replace(call, transfer=None), effects


def untold(call: Call, given: Given, _: float) -> tuple[Call, Effects]:
    """More is never told of our transfer: for all that we know it failed, and another may be tried."""
    if call.transfer is None or not call.transfer.ours:
        return call, ()
    return replace(call, transfer=None), (tell(CallTransferProgressed(call.call, 408, NO_MORE, given.wall)),)


# The REFER that we get.


def judged(asked: Asked, settings: DialogSettings) -> tuple[Uri, int]:
    """Where a REFER wants us, and the status it is refused with, 0 where it may be followed (FAULTS 45).

    Raises:
        RemoteProtocolError: 400, it has none or several Refer-To, or one that is malformed.
    """
    where = asked.request.header(ReferTo)
    if where is None:
        raise RemoteProtocolError(400, "REFER without a Refer-To")
    target = where.uri
    if not target.is_sip:
        return target, 416
    if settings.refer == "refuse":
        return target, 603
    into = settings.refer_replaces and len(target.headers) == 1 and target.headers[0][0].lower() == "replaces"
    if target.scheme != "sip" or (target.headers and not into) or "method" in target.params:
        return target, 403
    allowed = "*" in settings.refer_hosts or target.host.lower() in settings.refer_hosts
    return target, 0 if allowed else 403


def accepting(agent: Agent, asked: Asked) -> tuple[bool, tuple[tuple[str, str], ...]]:
    """Whether the sender of a REFER wants no NOTIFY (RFC 4488 s4), and the header lines of our 202.

    Raises:
        RemoteProtocolError: 400, its Refer-Sub is malformed.
    """
    sub = asked.request.header(ReferSub)
    silent = sub is not None and not sub.wanted
    return silent, (our_contact(agent, asked), *((("Refer-Sub", "false"),) if silent else ()))


def fragment(status: int, reason: str) -> bytes:
    """The status line of a call as the body of a NOTIFY (RFC 3515 s2.4.5)."""
    words = reason if reason.isprintable() else ""
    return bytes(sipfrag.Fragment(f"SIP/2.0 {status} {words or REASONS.get(status, 'Unknown')}"))


def refer(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The peer asks us to call somebody: the policy decides."""
    asked: Asked = given.what
    agent = given.agent
    target, status = judged(asked, agent.settings)
    by = (lines_of(asked.request, "Referred-By") or [call.remote])[0]
    if not status and call.transfer is not None:
        status = 491
    if status:
        event = CallTransferRequested(call.call, str(target), by, "", given.wall)
        return call, (answer(agent, asked, status), tell(event))
    silent, lines = accepting(agent, asked)
    placed = agent.names.id_of_call_in(agent.names.token("refer", call.tag, str(asked.head.cseq)))
    order = order_of(asked, target, placed, agent.settings.ring_timeout)
    event = CallTransferRequested(call.call, str(target), by, placed, given.wall)
    if agent.settings.refer == "ask":
        raw, posed = answer(agent, asked, 202, lines).raw, Posed(asked, 603)
        call, name, waiting = inquired(call, posed, raw, given, now, order=order, silent=silent)
        return call, (tell(replace(event, request=name)), *waiting) if name else waiting
    reply: Reply = answer(agent, asked, 202, lines)
    call, effects = _follow(call, order, asked.head.cseq, silent, given, now)
    return call, (reply, tell(event), *effects)


def replied(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Control answers a request of the peer. A REFER that it accepts is followed; a second one waits for the first."""
    command: AnswerRequest = given.what
    inquiry = inquiry_of(call, command)
    if inquiry.order is None or command.status >= 300:
        return request_replied(call, given, now)
    status = 202 if call.transfer is None else 491
    call, effects = request_replied(call, given._replace(what=replace(command, status=status, reason="")), now)
    if status == 491:
        return call, effects
    call, more = _follow(call, inquiry.order, inquiry.seq, inquiry.silent, given, now)
    return call, effects + more


def _follow(call: Call, order: PlaceCall, seq: int, silent: bool, given: Given, now: float) -> tuple[Call, Effects]:
    """Go where the peer sends us, and tell it how that goes."""
    call = replace(call, transfer=Transfer(ours=False, seq=seq, target=order.uri, silent=silent))
    call, effects = _notify(call, Progress(100, "Trying"), given, now)
    return call, (*effects, Place(call.tag, order))


def order_of(asked: Asked, target: Uri, placed: str, ring_timeout: float) -> PlaceCall:
    """The call that a REFER asks for; its Replaces, where it may have one, goes into the INVITE (RFC 3891 s3, s6.1)."""
    into = tuple([("Replaces", value) for _, value in target.headers])
    uri = str(dataclasses.replace(target, headers=()))
    return PlaceCall("", placed, uri, "", Treatment(), ring_timeout, 0.0, (*into, *_referred_by(asked)))


def _referred_by(asked: Asked) -> tuple[tuple[str, str], ...]:
    """The Referred-By goes over into the INVITE (RFC 3892 s3)."""
    by = asked.request.header(ReferredBy)
    return () if by is None else (("Referred-By", str(by)),)


def referred(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The call that the peer asked for came on: NOTIFY, once a status."""
    progress: Progress = given.what
    transfer = call.transfer
    if transfer is None or transfer.ours or transfer.told == progress.status:
        return call, ()
    if progress.status < 200 and crowded(call):
        return call, ()
    return _notify(call, progress, given, now)


def _notify(call: Call, progress: Progress, given: Given, now: float) -> tuple[Call, Effects]:
    """NOTIFY with the status line as a fragment (RFC 3515 s2.4.5); a final one ends the subscription."""
    transfer = call.transfer
    assert transfer is not None
    status = progress.status
    over = status >= 200
    call = replace(call, transfer=None if over else replace(transfer, told=status))
    if transfer.silent:
        return call, ()
    state = "terminated;reason=noresource" if over else f"active;expires={REFER_EXPIRES}"
    body = fragment(status, progress.reason)
    call, _, effects = _request(call, "NOTIFY", (("Event", "refer"), ("Subscription-State", state)), body, given, now)
    return call, effects
