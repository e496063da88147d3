"""A request outside of any dialog that the application sends: the value of its cell, its table, the request itself."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from actors.dialog import errand as errands
from actors.dialog.accounts import Account
from actors.dialog.attempt import contact_value
from actors.dialog.call import Agent, Asked, Given
from actors.dialog.dialog_state import routed
from actors.dialog.effects import Report
from actors.dialog.errand import CEILING, Desk, Errand, Outcome, Sender
from actors.dialog.reply import answer
from actors.dialog.request_events import RequestAnswered, SendRequest
from actors.dialog.subscription_events import NotifyReceived
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, Response, uri
from actors.sip.grammar import readable
from actors.sip.headers import Event, ReferSub, SubscriptionState
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
    REFERRED = 2  # a REFER that was accepted: NOTIFYs tell what becomes of it (RFC 3515 s2.4.4)


class Input(IntEnum):
    """What happens to a request."""

    LOCATED = 0
    HEARD = 1
    LOST = 2  # the transaction shard lost all it held
    GIVE_UP = 3  # a timer: what should have ended by itself
    NOTIFIED = 4


class Outgoing(Sender, frozen=True, array_like=True, tag="outgoing"):
    """One request.

    Attributes:
        tag: its From tag.
        order: the command.
        errand: it, on its way.
        notifier: of a REFER, the tag of the peer whose NOTIFYs tell of it, once one has come; and
        heard: the CSeq number of the last.
        over: whether that was the last one.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    order: SendRequest
    errand: Errand
    notifier: str = ""
    heard: int = 0
    over: bool = False


def check(order: SendRequest, agent: Agent) -> None:
    """Check a command.

    Raises:
        LocalProtocolError: it cannot be sent, or is not the application's to send so.
    """
    if order.method in OF_CALLS:
        raise LocalProtocolError(f"{order.method} belongs to a call")
    for name, _ in order.headers:
        if name.lower() in OURS:
            raise LocalProtocolError(f"the header {name} is not yours to give")
    check_target(agent, order.account, order.uri)
    if order.method == "REFER" and [name.lower() in {"refer-to", "r"} for name, _ in order.headers].count(True) != 1:
        raise LocalProtocolError("a REFER has one Refer-To (RFC 3515 s2.4.1)")
    # What may not be sent is refused before anything happens.
    Request.build(order.method, order.uri, (*order.headers, *_typed(order)), order.body)


def check_target(agent: Agent, account: str, to: str, event: str | None = None) -> None:
    """Check what a command says of whom a request goes to, by which account, and of its event package if it has one.

    Raises:
        LocalProtocolError: there is no such account, or the URI or the event cannot be sent.
    """
    if account and agent.accounts.get(account) is None:
        raise LocalProtocolError(f"there is no account {account}")
    try:
        parsed = uri.parse(to)
        package = "-" if event is None else Event.parse(event).package
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{to!r} or {event or ''!r} cannot be read") from error
    if not parsed.is_sip or parsed.headers or not package:
        raise LocalProtocolError(f"{to!r} is no SIP URI that a request can be sent to, or there is no event package")


def _typed(order: SendRequest) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", order.content_type or "text/plain"),) if order.body else ()


def build(agent: Agent, order: SendRequest, tag: str, candidate: Candidate, seq: int) -> Request:
    """The request but for its Via (RFC 3261 s8.1.1)."""
    account = agent.accounts.get(order.account)
    user = agent.settings.user if account is None else account.user
    target, preset = routed(order.uri, routes(agent, account))
    headers = beginning(
        agent, account, candidate, tag, order.uri, _call_id(agent, order), f"{seq} {order.method}", preset
    )
    if order.method not in WITHOUT_CONTACT:
        headers.append(("Contact", contact_value(user, candidate.sent_by, candidate.target.transport)))
    headers += [("User-Agent", agent.settings.user_agent), *order.headers, *_typed(order)]
    return Request.build(order.method, target, headers, order.body)


def beginning(
    agent: Agent,
    account: Account | None,
    candidate: Candidate,
    tag: str,
    to: str,
    call_id: str,
    cseq: str,
    preset: tuple[str, ...] | None = None,
) -> list[tuple[str, str]]:
    """The header lines that every request outside of a dialog begins with (RFC 3261 s8.1.1).

    Args:
        agent: what all usages share.
        account: that sends it, None for the service itself.
        candidate: where it goes.
        tag: of its From.
        to: the URI of its To.
        call_id: of it.
        cseq: the value of CSeq.
        preset: the URIs it visits first; None for those of the account.
    """
    return [
        *[("Route", f"<{route}>") for route in (routes(agent, account) if preset is None else preset)],
        ("Max-Forwards", "70"),
        ("From", f"{sender(agent, account, candidate)};tag={tag}"),
        ("To", f"<{to}>"),
        ("Call-ID", call_id),
        ("CSeq", cseq),
    ]


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
    desk = _desk(order, tag, given, now)
    where = first_hop(given.agent, desk.account, order.uri)
    errand, effects = errands.begin(desk, tag, order.method, where, 1, None)
    deadline = now + 4 * given.agent.give_up
    return Outgoing(State.PENDING, ((Input.GIVE_UP, deadline),), tag, order, errand), effects


def _desk(order: SendRequest, tag: str, given: Given, now: float) -> Desk:
    agent = given.agent
    account = agent.accounts.get(order.account)
    return Desk(agent.names, account, lambda candidate, seq: bytes(build(agent, order, tag, candidate, seq)), now)


def progress(outgoing: Outgoing, given: Given, now: float) -> tuple[Outgoing, Effects]:
    """Lead the request on its way, and tell its outcome."""
    led = errands.lead(outgoing.errand, given.what, _desk(outgoing.order, outgoing.tag, given, now))
    if led is None:
        return outgoing, ()
    outgoing = replace(outgoing, errand=led.errand)
    if led.outcome is None:
        return outgoing, (*led.effects, _give_up(given, now))
    effects = (*led.effects, _answered(outgoing, given, led.outcome))
    response = led.outcome.success
    if outgoing.order.method != "REFER" or response is None or outgoing.over or _unwatched(response):
        return replace(outgoing, state=State.DONE), effects
    return replace(outgoing, state=State.REFERRED), (*effects, _lapse(outgoing, given, now))


def _unwatched(response: Response) -> bool:
    """Whether who accepts a REFER says that no NOTIFY will come (RFC 4488 s4)."""
    try:
        found = response.header(ReferSub)
    except RemoteProtocolError:
        return False
    return found is not None and not found.wanted


# What NOTIFYs tell of a REFER


def _lapse(outgoing: Outgoing, given: Given, now: float, seconds: float | None = None) -> Arm:
    """Until when a NOTIFY is waited for: the first one 64*T1 (RFC 6665, Timer N), another while it is subscribed."""
    left = given.agent.give_up if seconds is None and not outgoing.notifier else CEILING if seconds is None else seconds
    return Arm(Input.GIVE_UP, now + min(left, CEILING) + (given.agent.give_up if outgoing.notifier else 0.0))


def notified(outgoing: Outgoing, given: Given, now: float) -> tuple[Outgoing, Effects]:
    """A NOTIFY of the REFER; it may come before the 2xx (RFC 6665 s4.1.2.4). Another peer's gets 481.

    Raises:
        RemoteProtocolError: 400, it does not say what it is about or how it stands.
    """
    asked: Asked = given.what
    agent, order, request, head = given.agent, outgoing.order, asked.request, asked.head
    status = _disowned(outgoing, asked, agent)
    if status:
        return outgoing, (answer(agent, asked, status),)
    stands = request.header(SubscriptionState)
    if stands is None:
        raise RemoteProtocolError(400, "Missing Subscription-State")
    outgoing = replace(outgoing, notifier=head.from_tag, heard=head.cseq, over=stands.value == "terminated")
    kind, text = body_of(request)
    remote = str(request.from_.uri)
    told = NotifyReceived(order.request, order.account, remote, "refer", stands.value, kind, text, given.wall)
    effects: Effects = (answer(agent, asked, 200), Report(told))
    if outgoing.state is State.PENDING:
        return outgoing, effects
    if outgoing.over:
        return replace(outgoing, state=State.DONE), effects
    return outgoing, (*effects, _lapse(outgoing, given, now, stands.expires))


def _disowned(outgoing: Outgoing, asked: Asked, agent: Agent) -> int:
    """The status that a NOTIFY is refused with, 0 for one that tells of the REFER."""
    head, about = asked.head, asked.request.header(Event)
    ours = outgoing.order.method == "REFER" and head.call_id == _call_id(agent, outgoing.order)
    if not ours or outgoing.notifier not in ("", head.from_tag):
        return 481
    if about is None or about.package != "refer":
        return 489
    return 500 if head.cseq <= outgoing.heard else 0


def lapsed(outgoing: Outgoing, given: Given, _: float) -> tuple[Outgoing, Effects]:
    """No more NOTIFYs come: nobody knows what became of it."""
    order = outgoing.order
    told = NotifyReceived(order.request, order.account, order.uri, "refer", "terminated", "", "", given.wall)
    return outgoing, (Report(told),)


def _call_id(agent: Agent, order: SendRequest) -> str:
    return agent.names.token("request", order.request)


def lost(outgoing: Outgoing, given: Given, _: float) -> tuple[Outgoing, Effects]:
    """Nothing will be heard of it."""
    return outgoing, (_answered(outgoing, given, Outcome(408, "no answer")),)


def _give_up(given: Given, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + 4 * given.agent.give_up)


def _answered(outgoing: Outgoing, given: Given, outcome: Outcome) -> Report:
    order, response = outgoing.order, outcome.response
    kind, text = ("", "") if response is None else body_of(response)
    lines = () if response is None else headers_of(response)
    return Report(
        RequestAnswered(
            order.request, order.method, order.uri, outcome.status, outcome.reason, lines, kind, text, given.wall
        )
    )


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
        Row(S.PENDING, I.LOCATED, (S.PENDING, S.DONE), (progress,)),
        Row(S.PENDING, I.HEARD, (S.PENDING, S.DONE, S.REFERRED), (progress,)),
        Row(S.PENDING, I.NOTIFIED, S.PENDING, (notified,)),
        Row(S.PENDING, I.LOST, S.DONE, (lost,)),
        Row(S.PENDING, I.GIVE_UP, S.DONE, (lost,)),
        Row(S.REFERRED, I.NOTIFIED, (S.REFERRED, S.DONE), (notified,)),
        Row(S.REFERRED, I.GIVE_UP, S.DONE, (lapsed,)),
    ),
    ignored={S.DONE: set(I), S.REFERRED: {I.LOCATED, I.HEARD, I.LOST}},
    timers={S.PENDING: {I.GIVE_UP}, S.REFERRED: {I.GIVE_UP}},
)

step = OUTGOING.step
