"""Registrations: the table, and the actions of its rows (RFC 3261 s10.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.dialog import errand as errands
from actors.dialog.accounts import Account
from actors.dialog.call import Agent, Heard, Place
from actors.dialog.effects import KeepFlow, LetFlowGo
from actors.dialog.errand import Desk
from actors.dialog.registration import (
    ALL,
    FIRST_WAIT,
    FLOOR,
    LONGEST_WAIT,
    Input,
    Registration,
    State,
    bindings_of,
    granted,
    register,
    replace,
    retry_after,
    routes_of,
    seen_at,
    wanted_at_least,
)
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import Response
from actors.sip.headers import Path, ServiceRoute
from actors.sip.vocabulary import Target

SOONEST, LATEST = 0.5, 0.9  # the part of the granted time after which we refresh, by chance between them
PATIENCE = 2.0  # times 64*T1: how long one transaction and its location may take before they count as lost


class Given(NamedTuple):
    """What an action is given beside the registration and the time.

    Attributes:
        agent: what all usages share.
        account: as it is configured.
        what: what the input brought: Heard, Place, or what is to be removed.
    """

    agent: Agent
    account: Account
    what: Any = None


def chance(registration: Registration, agent: Agent, what: str) -> float:
    """A number from 0 to 1 by chance, the same when a step is repeated after a kill."""
    token = agent.names.token(what, registration.tag, str(registration.seq))
    return int(token[:8], 16) / 0xFFFFFFFF


def _desk(registration: Registration, given: Given, now: float) -> Desk:
    agent, account = given.agent, given.account
    return Desk(
        agent.names,
        account,
        lambda candidate, seq: bytes(register(registration, account, agent, candidate, seq)),
        now,
    )


def _send(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """Begin a REGISTER with the next CSeq number."""
    desk = _desk(registration, given, now)
    seq = registration.seq + 1
    errand, effects = errands.begin(desk, registration.tag, "REGISTER", given.account.next_hop, seq, registration.proof)
    return replace(registration, errand=errand, seq=seq), (*effects, _give_up(given, now))


def _give_up(given: Given, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + PATIENCE * given.agent.give_up)


# To register


def begin(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """Register, refresh or try again."""
    return _send(replace(registration, removes="", wish="", raised=False, moved=False), given, now)


def located(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """The next hops are known."""
    place: Place = given.what
    return _progress(registration, given, now, place)


def heard(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """A response, or none."""
    what: Heard = given.what
    return _progress(registration, given, now, what)


def _progress(
    registration: Registration, given: Given, now: float, what: Heard | Place
) -> tuple[Registration, Effects]:
    """Lead the REGISTER on its way, and conclude where it is over."""
    errand = registration.errand
    if errand is None or (isinstance(what, Heard) and errand.attempt.key != what.key):
        return registration, ()
    if isinstance(what, Heard) and what.response is not None and not registration.removes:
        registration = _seen(registration, what.response)
    desk = _desk(registration, given, now)
    if isinstance(what, Heard):
        after, effects = errands.heard(errand, what, desk)
    else:
        after, effects = errands.located(errand, what, desk)
    registration = replace(registration, errand=after, seq=after.seq, proof=after.proof)
    if not after.over:
        return registration, (*effects, _give_up(given, now))
    response = what.response if isinstance(what, Heard) else None
    if response is not None and response.status < 300:
        registration, more = _succeeded(registration, given, now, response)
    else:
        status, reason = _cause(registration, what)
        registration, more = _refused(registration, given, now, status, reason, response)
    return registration, effects + more


def _cause(registration: Registration, what: Heard | Place) -> tuple[int, str]:
    if isinstance(what, Heard):
        return what.status, what.reason
    attempt = registration.errand.attempt if registration.errand is not None else None
    return 0, (attempt.reason if attempt is not None else "") or "no next hop"


def _seen(registration: Registration, response: Response) -> Registration:
    """Note where the registrar saw this request come from."""
    errand = registration.errand
    if errand is None or not errand.attempt.candidates:
        return registration
    return replace(registration, seen=seen_at(response, errand.attempt.candidate))


def _succeeded(
    registration: Registration, given: Given, now: float, response: Response
) -> tuple[Registration, Effects]:
    if registration.removes:
        return _removed(registration, given, now)
    account = given.account
    errand = registration.errand
    assert errand is not None
    registration = replace(registration, contact=contact_sent(errand.attempt.request))
    seconds = granted(registration, account, response)
    if seconds <= 0:
        return _refused(registration, given, now, response.status, "the registrar did not bind our Contact", None)
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
    )
    if registration.wish:
        return _leave(registration, given, now, registration.wish)
    part = SOONEST + (LATEST - SOONEST) * chance(registration, given.agent, "refresh")
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
    if target is None or (target.transport == "udp" and not registration.seen):
        return ()
    via = response.via
    timer = response.get("Flow-Timer") or (via.params.get("keep") if via is not None else "") or ""
    interval = float(timer) if timer.isascii() and timer.isdigit() and len(timer) <= 6 else 0.0
    return (KeepFlow(target, registration.tag, interval),)


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
    registration: Registration, given: Given, now: float, status: int, reason: str, response: Response | None
) -> tuple[Registration, Effects]:
    """The REGISTER failed: at once again with a longer time (423), else later."""
    if registration.removes:
        return _not_removed(registration, given, now, status, reason)
    more = wanted_at_least(response, registration.expires) if status == 423 and response is not None else 0
    if more and not registration.raised:
        registration = replace(registration, expires=more, raised=True)
        assert registration.errand is not None
        after, effects = errands.again(registration.errand, _desk(registration, given, now))
        registration = replace(registration, errand=after, seq=after.seq, proof=after.proof, state=State.REGISTERING)
        return registration, (*effects, _give_up(given, now))
    return _failed(registration, given, now, status, reason, retry_after(response))


def _failed(
    registration: Registration, given: Given, now: float, status: int, reason: str, at_least: float = 0.0
) -> tuple[Registration, Effects]:
    """Try again later, each time later (RFC 5626 s4.5), and never before the registrar wants it (s20.33)."""
    registration = replace(
        registration,
        state=State.FAILING,
        since=registration.since or now,
        failures=registration.failures + 1,
        status=status,
        reason=reason,
    )
    if registration.wish:
        return _leave(registration, given, now, registration.wish)
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(registration.failures - 1, 10))
    wait = longest * (0.5 + 0.5 * chance(registration, given.agent, "retry"))
    return registration, (Arm(Input.DUE, now + max(wait, at_least)),)


def lost(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """The transaction shard lost our REGISTER, or nothing was heard of it: as a failure."""
    return _failed(registration, given, now, 408, "no answer")


def lapsed(registration: Registration, _: Given, __: float) -> tuple[Registration, Effects]:
    """The binding is over."""
    return replace(registration, until=0.0, bound="", bindings=()), ()


def wish_off(registration: Registration, given: Given, _: float) -> tuple[Registration, Effects]:
    """To be removed once the REGISTER on its way is answered: two at once may overtake each other (s10.2)."""
    return replace(registration, wish=given.what or registration.bound or "own"), ()


def wish_on(registration: Registration, _: Given, __: float) -> tuple[Registration, Effects]:
    """To be registered again once it is removed."""
    return replace(registration, wish="register"), ()


# To remove


def leave(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    """Remove our binding, or all (s10.2.2)."""
    return _leave(registration, given, now, given.what or "own")


def _leave(registration: Registration, given: Given, now: float, what: str) -> tuple[Registration, Effects]:
    removes = ALL if what == ALL else registration.bound
    registration = replace(registration, wish="", removes=removes, since=0.0)
    if not removes or (what != ALL and registration.until <= now):
        return replace(registration, state=State.IDLE, removes="", bound="", until=0.0), ()
    return _send(replace(registration, state=State.LEAVING), given, now)


def _removed(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
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
    )
    return _after_removal(registration, given, now)


def _not_removed(
    registration: Registration, given: Given, now: float, status: int, reason: str
) -> tuple[Registration, Effects]:
    """The registrar holds the binding until it lapses; `until` says so."""
    registration = replace(registration, state=State.IDLE, removes="", status=status, reason=reason)
    return _after_removal(registration, given, now)


def _after_removal(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
    target = _flow(registration)
    effects: Effects = () if target is None else (LetFlowGo(target, registration.tag),)
    if registration.wish != "register":
        return registration, effects
    registration, more = begin(replace(registration, state=State.REGISTERING), given, now)
    return registration, effects + more


def removal_lost(registration: Registration, given: Given, now: float) -> tuple[Registration, Effects]:
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
        Row(S.REGISTERING, I.LOCATED, (S.REGISTERING, S.FAILING, S.LEAVING, S.IDLE), (located,)),
        Row(S.REGISTERING, I.HEARD, (S.REGISTERING, S.REGISTERED, S.FAILING, S.LEAVING, S.IDLE), (heard,)),
        Row(S.REGISTERING, I.LOST, (S.FAILING, S.LEAVING, S.IDLE), (lost,)),
        Row(S.REGISTERING, I.GIVE_UP, (S.FAILING, S.LEAVING, S.IDLE), (lost,)),
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
        Row(S.LEAVING, I.LOCATED, (S.LEAVING, S.IDLE, S.REGISTERING), (located,)),
        Row(S.LEAVING, I.HEARD, (S.LEAVING, S.IDLE, S.REGISTERING), (heard,)),
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
