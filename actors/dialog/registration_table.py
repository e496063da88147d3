"""Registrations: the table, and the actions of its rows (RFC 3261 s10.2)."""

from __future__ import annotations

from actors.dialog import errand as errands
from actors.dialog.accounts import Account
from actors.dialog.call import Heard, Place
from actors.dialog.effects import KeepFlow, LetFlowGo
from actors.dialog.errand import (
    FIRST_WAIT,
    FLOOR,
    SPARE_WAIT,
    Desk,
    OfAccount,
    Outcome,
    backoff,
    retry_after,
    wanted_at_least,
)
from actors.dialog.registration import (
    ALL,
    Input,
    Registration,
    State,
    bindings_of,
    granted,
    register,
    replace,
    routes_of,
    seen_at,
)
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import RemoteProtocolError, Response
from actors.sip.headers import Path, ServiceRoute
from actors.sip.vocabulary import Target

SOONEST, LATEST = 0.5, 0.9  # the part of the granted time after which we refresh, by chance between them
LACKS_OUTBOUND = 439  # the first hop does (RFC 5626 s11.6)
PATIENCE = 2.0  # times 64*T1: how long one transaction and its location may take before they count as lost


def _chance(registration: Registration, given: OfAccount, what: str) -> float:
    return given.agent.names.chance(what, registration.tag, str(registration.seq))


def _desk(registration: Registration, given: OfAccount, now: float) -> Desk:
    agent, account = given.agent, given.account
    return Desk(
        agent.names,
        account,
        lambda candidate, seq: bytes(register(registration, account, agent, candidate, seq)),
        now,
    )


def _send(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Begin a REGISTER with the next CSeq number."""
    desk = _desk(registration, given, now)
    seq = registration.seq + 1
    where = registration.proxy(given.account) or registration.at(given.account)
    errand, effects = errands.begin(desk, registration.tag, "REGISTER", where, seq, registration.proof)
    registration = replace(registration, errand=errand, seq=seq, version=given.version)
    return registration, (*effects, _give_up(given, now))


def _give_up(given: OfAccount, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + PATIENCE * given.agent.give_up)


# To register


def begin(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Register, refresh or try again."""
    registration = replace(registration, removes="", wish="", raised=False, moved=False, tried=(), targets=(), passed=0)
    return _send(registration, given, now)


def progress(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Lead the REGISTER on its way, and conclude where it is over."""
    registration = _seen(registration, given.what)
    return errands.carry(registration, given, now, _desk, _concluded, _give_up(given, now))


def _concluded(
    registration: Registration, given: OfAccount, now: float, outcome: Outcome
) -> tuple[Registration, Effects]:
    if outcome.success is not None:
        return _succeeded(registration, given, now, outcome.success)
    return _refused(registration, given, now, outcome)


def _seen(registration: Registration, what: Heard | Place) -> Registration:
    """Note where the registrar saw this request come from: the one that follows a challenge says it already."""
    errand = registration.errand
    if isinstance(what, Place) or what.response is None or registration.removes:
        return registration
    if errand is None or errand.attempt.key != what.key:
        return registration
    return replace(registration, seen=seen_at(what.response, errand.attempt.candidate))


def _succeeded(
    registration: Registration, given: OfAccount, now: float, response: Response
) -> tuple[Registration, Effects]:
    """The registrar has done it."""
    if registration.removes:
        return _removed(registration, given, now)
    account = given.account
    errand = registration.errand
    assert errand is not None
    registration = replace(registration, contact=contact_sent(errand.attempt.request))
    seconds = granted(registration, account, response)
    if seconds <= 0:
        return _failed(registration, given, now, response.status, "the registrar did not bind our Contact")
    until = now + seconds
    registration = replace(
        registration,
        state=State.REGISTERED,
        bound=registration.contact,
        until=until,
        since=0.0,
        failures=0,
        status=0,
        reason="",
        service_route=routes_of(response, ServiceRoute),
        path=routes_of(response, Path),
        bindings=bindings_of(response),
        flow=registration.outbound(account) and _knows_flows(response),
    )
    if registration.wish:
        return _leave(registration, given, now, registration.wish)
    part = SOONEST + (LATEST - SOONEST) * _chance(registration, given, "refresh")
    due = now + max(FLOOR, part * seconds)
    lapsed = Arm(Input.LAPSED, until)
    if _elsewhere(registration, account) and not registration.moved:
        # Once a round: a NAT that gives each request another port would keep us at it for ever.
        registration, effects = _send(replace(registration, moved=True, state=State.REGISTERING), given, now)
        return registration, (*effects, lapsed)
    return registration, (Arm(Input.DUE, due), lapsed, *_keep_flow(registration, response))


def _flow(registration: Registration) -> Target | None:
    """What the last REGISTER was sent to."""
    errand = registration.errand
    return errand.attempt.candidate.target if errand is not None and errand.attempt.candidates else None


def _keep_flow(registration: Registration, response: Response) -> Effects:
    """Calls come by the way that the REGISTER went: its connection, or over UDP the hole that it made in a NAT.

    A next hop that says how often also answers: by Flow-Timer (RFC 5626 s4.4.1) or by a value of our Via's `keep` (RFC
    6223 s5), where 0 leaves it to us.
    """
    target = _flow(registration)
    if target is None or (target.transport == "udp" and not registration.seen and not registration.flow):
        return ()
    via = response.via
    timer = response.get("Flow-Timer") or (via.params.get("keep") if via is not None else "") or ""
    interval = float(timer) if timer.isascii() and timer.isdigit() and len(timer) <= 6 else 0.0
    return (KeepFlow(target, registration.tag, interval, registration.flow),)


def _knows_flows(response: Response) -> bool:
    """Whether the registrar, and all between, send our calls by the flow (RFC 5626 s4.2.1)."""
    try:
        return "outbound" in response.require
    except RemoteProtocolError:
        return False


def _elsewhere(registration: Registration, account: Account) -> bool:
    """Whether the registrar sees us elsewhere than our Contact says."""
    if account.contact or not registration.seen:
        return False
    return registration.contact.partition("@")[2].partition(";")[0] != registration.seen


def contact_sent(request: bytes) -> str:
    """The URI of the first Contact of a REGISTER of ours."""
    start = request.index(b"\r\nContact: <") + 12
    return request[start : request.index(b">", start)].decode()


def _refused(
    registration: Registration, given: OfAccount, now: float, outcome: Outcome
) -> tuple[Registration, Effects]:
    """The REGISTER failed: at once again elsewhere (3xx) or with a longer time (423), else later."""
    elsewhere = _redirected(registration, given, outcome)
    if elsewhere is not None:
        return _send(elsewhere, given, now)
    if registration.removes:
        return _not_removed(registration, given, now, outcome.status, outcome.reason)
    more = wanted_at_least(outcome, registration.expires)
    if more and not registration.raised:
        return _again(replace(registration, expires=more, raised=True), given, now)
    if outcome.status == LACKS_OUTBOUND and registration.outbound(given.account):
        return _again(replace(registration, plain=True, flow=False), given, now)
    return _failed(registration, given, now, outcome.status, outcome.reason, retry_after(outcome.response))


def _again(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Send it again at once, to whom refused it, in other words."""
    assert registration.errand is not None
    after, effects = errands.again(registration.errand, _desk(registration, given, now))
    registration = replace(registration, errand=after, seq=after.seq, proof=after.proof, state=State.REGISTERING)
    return registration, (*effects, _give_up(given, now))


def _redirected(registration: Registration, given: OfAccount, outcome: Outcome) -> Registration | None:
    """The registration as it goes on where a 3xx of this round named, None where there is nowhere left (s8.1.3.4).

    It goes there with all its headers; credentials it shows there only where the account names the host (`peers`).
    """
    targets, response = registration.targets, outcome.response
    if response is not None and 300 <= outcome.status < 400:
        known = (registration.registrar or given.account.registrar, *registration.tried, *targets)
        targets += tuple([uri for uri in errands.contacts_of(response) if uri not in known])
    if not targets or len(registration.tried) >= errands.MAX_REDIRECTS:
        return None
    state = State.LEAVING if registration.removes else State.REGISTERING
    return replace(registration, state=state, tried=(*registration.tried, targets[0]), targets=targets[1:])


def _failed(
    registration: Registration, given: OfAccount, now: float, status: int, reason: str, at_least: float = 0.0
) -> tuple[Registration, Effects]:
    """Try again later, each time later (RFC 5626 s4.5), and never before the registrar wants it (s20.33)."""
    following = _next_in_turn(registration, given.account)
    if following is not None:
        return _send(following, given, now)
    registration = replace(
        registration,
        state=State.FAILING,
        since=registration.since or now,
        failures=registration.failures + 1,
        status=status,
        reason=reason,
        turn=(registration.turn - registration.passed) % (1 + len(given.account.registrars)),  # who had it, if anybody
    )
    if registration.wish:
        return _leave(registration, given, now, registration.wish)
    base = SPARE_WAIT if given.spare else 2 * FIRST_WAIT if given.account.outbound else FIRST_WAIT
    wait = backoff(registration.failures, _chance(registration, given, "retry"), base)
    return registration, (Arm(Input.DUE, now + max(wait, at_least)),)


def _next_in_turn(registration: Registration, account: Account) -> Registration | None:
    """The registration as it goes to the next registrar at once, None where there is none left in this round.

    The one that has it then keeps it: refreshes go there until it fails itself.
    """
    registrars = 1 + len(account.registrars)
    if not account.in_turn or registration.wish or registration.passed + 1 >= registrars:
        return None
    turn, passed = (registration.turn + 1) % registrars, registration.passed + 1
    return replace(registration, state=State.REGISTERING, turn=turn, passed=passed, tried=(), targets=(), raised=False)


def lost(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """The transaction shard lost our REGISTER, or nothing was heard of it: as a failure."""
    return _failed(registration, given, now, 408, "no answer")


def lapsed(registration: Registration, _: OfAccount, __: float) -> tuple[Registration, Effects]:
    """The binding is over."""
    return replace(registration, until=0.0, bound="", bindings=()), ()


def wish_off(registration: Registration, given: OfAccount, _: float) -> tuple[Registration, Effects]:
    """To be removed once the REGISTER on its way is answered: two at once may overtake each other (s10.2)."""
    return replace(registration, wish=given.what or registration.bound or "own"), ()


def wish_on(registration: Registration, _: OfAccount, __: float) -> tuple[Registration, Effects]:
    """To be registered again once it is removed."""
    return replace(registration, wish="register"), ()


# To remove


def leave(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Remove our binding, or all (s10.2.2)."""
    return _leave(registration, given, now, given.what or "own")


def _leave(registration: Registration, given: OfAccount, now: float, what: str) -> tuple[Registration, Effects]:
    removes = ALL if what == ALL else registration.bound
    registration = replace(registration, wish="", removes=removes, since=0.0, tried=(), targets=())
    if not removes or (what != ALL and registration.until <= now):
        return replace(registration, state=State.IDLE, removes="", bound="", until=0.0), ()
    return _send(replace(registration, state=State.LEAVING), given, now)


def _removed(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    registration = replace(
        registration,
        state=State.IDLE,
        removes="",
        bound="",
        until=0.0,
        status=0,
        reason="",
        failures=0,
        bindings=(),
        service_route=(),
        path=(),
        flow=False,
        plain=False,
    )
    return _after_removal(registration, given, now)


def _not_removed(
    registration: Registration, given: OfAccount, now: float, status: int, reason: str
) -> tuple[Registration, Effects]:
    """The registrar holds the binding until it lapses; `until` says so."""
    registration = replace(registration, state=State.IDLE, removes="", status=status, reason=reason)
    return _after_removal(registration, given, now)


def _after_removal(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    target = _flow(registration)
    effects: Effects = () if target is None else (LetFlowGo(target, registration.tag),)
    if registration.wish != "register":
        return registration, effects
    registration, more = begin(replace(registration, state=State.REGISTERING), given, now)
    return registration, effects + more


def removal_lost(registration: Registration, given: OfAccount, now: float) -> tuple[Registration, Effects]:
    """Nothing was heard of the REGISTER that removes."""
    return _not_removed(registration, given, now, 408, "no answer")


S = State
I = Input  # noqa: E741 - as in the table's columns

REGISTRATION: Table[Registration] = Table(
    "registration",
    states=S,
    inputs=I,
    rows=(
        Row(S.IDLE, I.REGISTER, S.REGISTERING, (begin,)),
        Row(S.IDLE, I.UNREGISTER, (S.IDLE, S.LEAVING), (leave,)),
        Row(S.WAITING, I.REGISTER, S.REGISTERING, (begin,)),
        Row(S.WAITING, I.DUE, S.REGISTERING, (begin,)),
        Row(S.WAITING, I.UNREGISTER, (S.IDLE, S.LEAVING), (leave,)),
        Row(S.REGISTERING, I.LOCATED, (S.REGISTERING, S.FAILING, S.LEAVING, S.IDLE), (progress,)),
        Row(S.REGISTERING, I.HEARD, (S.REGISTERING, S.REGISTERED, S.FAILING, S.LEAVING, S.IDLE), (progress,)),
        Row(S.REGISTERING, I.LOST, (S.FAILING, S.LEAVING, S.IDLE, S.REGISTERING), (lost,)),
        Row(S.REGISTERING, I.GIVE_UP, (S.FAILING, S.LEAVING, S.IDLE, S.REGISTERING), (lost,)),
        Row(S.REGISTERING, I.LAPSED, None, (lapsed,)),
        Row(S.REGISTERING, I.UNREGISTER, None, (wish_off,)),
        Row(S.REGISTERED, I.REGISTER, S.REGISTERING, (begin,)),
        Row(S.REGISTERED, I.DUE, S.REGISTERING, (begin,)),
        Row(S.REGISTERED, I.LAPSED, S.WAITING, (lapsed,)),
        Row(S.REGISTERED, I.UNREGISTER, (S.IDLE, S.LEAVING), (leave,)),
        Row(S.FAILING, I.REGISTER, S.REGISTERING, (begin,)),
        Row(S.FAILING, I.DUE, S.REGISTERING, (begin,)),
        Row(S.FAILING, I.LAPSED, None, (lapsed,)),
        Row(S.FAILING, I.UNREGISTER, (S.IDLE, S.LEAVING), (leave,)),
        Row(S.LEAVING, I.LOCATED, (S.LEAVING, S.IDLE, S.REGISTERING), (progress,)),
        Row(S.LEAVING, I.HEARD, (S.LEAVING, S.IDLE, S.REGISTERING), (progress,)),
        Row(S.LEAVING, I.LOST, (S.IDLE, S.REGISTERING), (removal_lost,)),
        Row(S.LEAVING, I.GIVE_UP, (S.IDLE, S.REGISTERING), (removal_lost,)),
        Row(S.LEAVING, I.REGISTER, None, (wish_on,)),
    ),
    ignored={
        S.IDLE: {I.LOCATED, I.HEARD, I.LOST, I.DUE, I.LAPSED, I.GIVE_UP},
        S.WAITING: {I.LOCATED, I.HEARD, I.LOST, I.LAPSED, I.GIVE_UP},
        S.REGISTERING: {I.REGISTER, I.DUE},
        S.REGISTERED: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP},
        S.FAILING: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP},
        S.LEAVING: {I.UNREGISTER, I.DUE, I.LAPSED},
    },
    timers={
        S.WAITING: {I.DUE},
        S.REGISTERING: {I.LAPSED, I.GIVE_UP},
        S.REGISTERED: {I.DUE, I.LAPSED},
        S.FAILING: {I.DUE, I.LAPSED},
        S.LEAVING: {I.GIVE_UP},
    },
)

step = REGISTRATION.step
