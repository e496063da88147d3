"""A request outside of any dialog that the application sends: the value of its cell, its table, the request itself."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from actors.dialog import errand as errands
from actors.dialog.accounts import Account
from actors.dialog.attempt import contact_value
from actors.dialog.call import Agent, Heard, Place
from actors.dialog.dialog_state import routed
from actors.dialog.effects import Report
from actors.dialog.errand import Desk, Errand
from actors.dialog.request_events import RequestAnswered, SendRequest
from actors.runtime.machine import Arm, Effects, Machine, Row, Table
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, Response, uri
from actors.sip.grammar import readable
from actors.sip.vocabulary import Candidate

replace = msgspec.structs.replace

OF_CALLS = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE"})
WITHOUT_CONTACT = frozenset({"MESSAGE", "PUBLISH", "REGISTER"})  # RFC 3428 s4, RFC 3903 s4; s10.2.3 asks for bindings
# Header lines that are never the application's to give; those of Contact and Route neither.
OURS = {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "max-forwards", "content-length"}
OURS |= {"l", "content-type", "c", "route", "record-route", "user-agent", "authorization", "proxy-authorization"}
COMMON = {"via", "from", "to", "call-id", "cseq", "content-length", "content-type", "record-route"}
SHOWN = 64  # header lines of a response that are handed on
TEXT = 8_192  # characters of a body that are handed on: as much as an event may hold


class State(IntEnum):
    """The states of a request."""

    PENDING = 0
    DONE = 1


class Input(IntEnum):
    """What happens to a request."""

    LOCATED = 0
    HEARD = 1
    LOST = 2  # the transaction shard lost all it held
    GIVE_UP = 3  # a timer: what should have ended by itself


class Outgoing(Machine, frozen=True, array_like=True, tag="outgoing"):
    """One request.

    Attributes:
        tag: its From tag, and the key of its cell.
        order: the command.
        errand: it, on its way.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    tag: str
    order: SendRequest
    errand: Errand


class Given(NamedTuple):
    """What an action is given beside the request and the time."""

    agent: Agent
    wall: float
    what: Any = None


def check(order: SendRequest, agent: Agent) -> None:
    """Check a command.

    Raises:
        LocalProtocolError: it cannot be sent, or is not the application's to send so.
    """
    if order.method in OF_CALLS:
        raise LocalProtocolError(f"{order.method} belongs to a call")
    if order.account and agent.accounts.get(order.account) is None:
        raise LocalProtocolError(f"there is no account {order.account}")
    for name, _ in order.headers:
        if name.lower() in OURS:
            raise LocalProtocolError(f"the header {name} is not yours to give")
    try:
        parsed = uri.parse(order.uri)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{order.uri!r} is no SIP URI") from error
    if not parsed.is_sip or parsed.headers:
        raise LocalProtocolError(f"{order.uri!r} is no SIP URI that a request can be sent to")
    # What may not be sent is refused before anything happens.
    Request.build(order.method, order.uri, (*order.headers, *_typed(order)), order.body)


def _typed(order: SendRequest) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", order.content_type or "text/plain"),) if order.body else ()


def build(agent: Agent, order: SendRequest, tag: str, candidate: Candidate, seq: int) -> Request:
    """The request but for its Via (RFC 3261 s8.1.1)."""
    account = agent.accounts.get(order.account) if order.account else None
    user = agent.settings.user if account is None else account.user
    target, preset = routed(order.uri, routes(agent, account))
    headers: list[tuple[str, str]] = [("Route", f"<{route}>") for route in preset]
    headers += [
        ("Max-Forwards", "70"),
        ("From", f"{sender(agent, account, candidate)};tag={tag}"),
        ("To", f"<{order.uri}>"),
        ("Call-ID", agent.names.token("request", order.request)),
        ("CSeq", f"{seq} {order.method}"),
    ]
    if order.method not in WITHOUT_CONTACT:
        headers.append(("Contact", contact_value(user, candidate.sent_by, candidate.target.transport)))
    headers += [("User-Agent", agent.settings.user_agent), *order.headers, *_typed(order)]
    return Request.build(order.method, target, headers, order.body)


def sender(agent: Agent, account: Account | None, candidate: Candidate) -> str:
    """The From of a request of an account, or of the service itself, but for its tag."""
    if account is None:
        return f"<sip:{agent.settings.user}@{candidate.sent_by}>"
    name = f'"{account.display_name}" ' if account.display_name else ""
    return f"{name}<{account.aor}>"


def routes(agent: Agent, account: Account | None) -> tuple[str, ...]:
    """The URIs that a request of an account visits first."""
    return agent.settings.routes if account is None else agent.routes(account)


def first_hop(agent: Agent, account: Account | None, to: str) -> str:
    """The URI that a request to `to` is sent to."""
    preset = routes(agent, account)
    if preset:
        return preset[0]
    return to if account is None else account.outbound_proxy or to


def begin(order: SendRequest, tag: str, given: Given, now: float) -> tuple[Outgoing, Effects]:
    """Send a request."""
    account = given.agent.accounts.get(order.account) if order.account else None
    where = first_hop(given.agent, account, order.uri)
    errand, effects = errands.begin(_desk(order, tag, given, now), tag, order.method, where, 1, None)
    deadline = now + 4 * given.agent.give_up
    return Outgoing(State.PENDING, ((Input.GIVE_UP, deadline),), tag, order, errand), effects


def _desk(order: SendRequest, tag: str, given: Given, now: float) -> Desk:
    agent = given.agent
    account = agent.accounts.get(order.account) if order.account else None
    return Desk(agent.names, account, lambda candidate, seq: bytes(build(agent, order, tag, candidate, seq)), now)


def located(outgoing: Outgoing, given: Given, now: float) -> tuple[Outgoing, Effects]:
    """The next hops are known."""
    place: Place = given.what
    errand, effects = errands.located(outgoing.errand, place, _desk(outgoing.order, outgoing.tag, given, now))
    outgoing = replace(outgoing, errand=errand)
    if not errand.over:
        return outgoing, (*effects, _give_up(given, now))
    return replace(outgoing, state=State.DONE), (*effects, _failed(outgoing, given, 0, errand.attempt.reason))


def heard(outgoing: Outgoing, given: Given, now: float) -> tuple[Outgoing, Effects]:
    """A response, or none."""
    what: Heard = given.what
    if what.key != outgoing.errand.attempt.key:
        return outgoing, ()
    errand, effects = errands.heard(outgoing.errand, what, _desk(outgoing.order, outgoing.tag, given, now))
    outgoing = replace(outgoing, errand=errand)
    if not errand.over:
        return outgoing, (*effects, _give_up(given, now))
    order = outgoing.order
    if what.response is None:
        report = _failed(outgoing, given, what.status, what.reason)
    else:
        kind, text = body_of(what.response)
        lines = headers_of(what.response)
        answered = RequestAnswered(
            order.request, order.method, order.uri, what.status, what.reason, lines, kind, text, given.wall
        )
        report = Report(answered)
    return replace(outgoing, state=State.DONE), (*effects, report)


def lost(outgoing: Outgoing, given: Given, _: float) -> tuple[Outgoing, Effects]:
    """Nothing will be heard of it."""
    return outgoing, (_failed(outgoing, given, 408, "no answer"),)


def _give_up(given: Given, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + 4 * given.agent.give_up)


def _failed(outgoing: Outgoing, given: Given, status: int, reason: str) -> Report:
    order = outgoing.order
    reason = reason or "no next hop"
    return Report(RequestAnswered(order.request, order.method, order.uri, status, reason, (), "", "", given.wall))


def body_of(message: Request | Response) -> tuple[str, str]:
    """The type and the text of a body, as an event hands it on."""
    text = message.body.decode("utf-8", "replace")[:TEXT]
    return readable(message.get("Content-Type") or "") if message.body else "", text


def headers_of(message: Request | Response) -> tuple[tuple[str, str], ...]:
    """The header lines of a message that an event hands on, as they stand."""
    lines = [(name, readable(value)[:TEXT]) for name, value in message.items() if name.lower() not in COMMON]
    return tuple(lines[:SHOWN])


S = State
I = Input  # noqa: E741 - as in the table's columns

OUTGOING: Table[Outgoing] = Table(
    "outgoing",
    states=S,
    inputs=I,
    rows=(
        Row(S.PENDING, I.LOCATED, (S.PENDING, S.DONE), (located,)),
        Row(S.PENDING, I.HEARD, (S.PENDING, S.DONE), (heard,)),
        Row(S.PENDING, I.LOST, S.DONE, (lost,)),
        Row(S.PENDING, I.GIVE_UP, S.DONE, (lost,)),
    ),
    ignored={S.DONE: set(I)},
    timers={S.PENDING: {I.GIVE_UP}},
)

step = OUTGOING.step
