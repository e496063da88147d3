"""Subscriptions of ours: the table, and the actions of its rows (RFC 6665 s4.1)."""

from __future__ import annotations

from actors.dialog import dialog_state
from actors.dialog import errand as errands
from actors.dialog.call import Asked, Given
from actors.dialog.effects import Report
from actors.dialog.errand import CEILING, FLOOR, GONE, Desk, Errand, Led, retry_after, wanted_at_least
from actors.dialog.outgoing import body_of, first_hop
from actors.dialog.reply import answer
from actors.dialog.subscription import (
    LONGEST_RETRY,
    MAX_BRANCHES,
    RETRY,
    Branch,
    Input,
    Notice,
    State,
    Subscription,
    dialog_of,
    first,
    next_one,
    notice,
    replace,
    same_event,
)
from actors.dialog.subscription_events import NotifyReceived
from actors.runtime.machine import Arm, Disarm, Effects, Row, Table
from actors.sip import RemoteProtocolError, Response
from actors.sip.headers import Event

AGAIN = frozenset({"deactivated", "timeout"})  # reasons after which one subscribes anew at once (s4.1.3)
LATER = frozenset({"probation", "giveup"})  # and after a while
PART = 0.8  # of the granted time, after which it is refreshed


def _desk(subscription: Subscription, given: Given, now: float, branch: Branch | None = None) -> Desk:
    agent = given.agent
    account = agent.accounts.known(subscription.order.account)
    expires = 0 if subscription.state is State.ENDING else subscription.expires
    if branch is None:
        return Desk(agent.names, account, lambda hop, seq: bytes(first(subscription, agent, hop, seq)), now)
    return Desk(agent.names, account, lambda hop, seq: next_one(subscription, branch, agent, hop, seq, expires), now)


# To begin


def begin(subscription: Subscription, given: Given, now: float) -> tuple[Subscription, Effects]:
    """Send the SUBSCRIBE that begins it, under a Call-ID of its own."""
    number = subscription.round + 1
    call_id = given.agent.names.token("subscribe", subscription.order.subscription, str(number))
    subscription = replace(
        subscription, state=State.ASKING, call_id=call_id, round=number, heard=False, branches=(), raised=False
    )
    desk = _desk(subscription, given, now)
    where = first_hop(given.agent, desk.account, subscription.order.uri)
    seq = subscription.seq + 1
    errand, effects = errands.begin(desk, subscription.tag, "SUBSCRIBE", where, seq, subscription.proof)
    # Timer N; longer than that only where the first hops do not answer (s4.1.2.4).
    give_up = Arm(Input.GIVE_UP, now + 4 * given.agent.give_up)
    return replace(subscription, errand=errand, seq=seq), (*effects, give_up)


def progress(subscription: Subscription, given: Given, now: float) -> tuple[Subscription, Effects]:
    """The next hops of one of its requests, or a response to one of them, or none."""
    led = errands.lead(subscription.errand, given.what, _desk(subscription, given, now))
    if led is not None:
        return _led_first(subscription, given, now, led)
    for number, branch in enumerate(subscription.branches):
        led = errands.lead(branch.errand, given.what, _desk(subscription, given, now, branch))
        if led is not None:
            return _led_next(subscription, number, branch, now, led)
    return subscription, ()


def _led_first(subscription: Subscription, given: Given, now: float, led: Led) -> tuple[Subscription, Effects]:
    """The SUBSCRIBE that begins it came on."""
    errand, effects, outcome = led
    subscription = _proven(replace(subscription, errand=errand), errand)
    if outcome is None:
        return subscription, effects
    if outcome.success is not None:
        # The dialogs are begun by NOTIFYs, which may have come before (s4.1.2.4).
        subscription = replace(subscription, errand=None, heard=True)
        timer = () if subscription.branches else (Arm(Input.TIMER_N, now + given.agent.give_up),)
        return subscription, (*effects, *timer)
    at_least = wanted_at_least(outcome, subscription.expires)
    if at_least and not subscription.raised:
        subscription = replace(subscription, expires=at_least, raised=True)
        errand, more = errands.again(errand, _desk(subscription, given, now))
        return replace(subscription, errand=errand, seq=errand.seq), effects + more
    if subscription.branches:  # one of several that it forked to has answered by NOTIFY
        return replace(subscription, errand=None, heard=True), effects
    subscription, more = _ended(subscription, now, outcome.status, outcome.reason, retry_after(outcome.response))
    return subscription, effects + more


def _proven(subscription: Subscription, errand: Errand) -> Subscription:
    return replace(subscription, seq=max(subscription.seq, errand.seq), proof=errand.proof)


def _led_next(
    subscription: Subscription, number: int, branch: Branch, now: float, led: Led
) -> tuple[Subscription, Effects]:
    """A SUBSCRIBE that refreshes or ends it at one peer came on."""
    errand, effects, outcome = led
    subscription = _proven(subscription, errand)
    dialog = replace(branch.dialog, local_seq=errand.seq)
    if outcome is None:
        return _with(subscription, number, replace(branch, dialog=dialog, errand=errand)), effects
    branch = replace(branch, dialog=dialog, errand=None)
    if outcome.success is not None:
        if subscription.state is State.ENDING:
            return _with(subscription, number, branch), effects  # its last NOTIFY comes
        branch = _granted(branch, _expires(outcome.success, subscription.expires), now)
        return _armed(_with(subscription, number, branch), effects)
    if outcome.status in GONE or subscription.state is State.ENDING:
        subscription, more = _without(subscription, number, now, outcome.status, outcome.reason)
        return subscription, effects + more
    # It lives on until it lapses (s4.1.2.2): tried again before that, and not in a hurry.
    wait = max(FLOOR, (branch.until - now) / 2, retry_after(outcome.response))
    at_least = wanted_at_least(outcome, subscription.expires)
    if at_least:
        subscription, wait = replace(subscription, expires=at_least), FLOOR
    return _armed(_with(subscription, number, replace(branch, refresh=now + wait)), effects)


def _expires(response: Response, asked: int) -> int:
    try:
        told = response.expires
    except RemoteProtocolError:
        told = None
    return min(asked if told is None else told, CEILING)


def _granted(branch: Branch, seconds: int, now: float) -> Branch:
    return replace(branch, until=now + seconds, refresh=now + max(FLOOR, PART * seconds))


def _with(subscription: Subscription, number: int, branch: Branch) -> Subscription:
    branches = subscription.branches
    return replace(subscription, branches=(*branches[:number], branch, *branches[number + 1 :]))


def _armed(subscription: Subscription, effects: Effects) -> tuple[Subscription, Effects]:
    """Wake for the first refresh that is due; one that ends is refreshed no more."""
    if subscription.state is State.ENDING:
        return subscription, effects
    due = min((branch.refresh for branch in subscription.branches if branch.refresh), default=0.0)
    return subscription, (*effects, Arm(Input.REFRESH, due) if due else Disarm(Input.REFRESH))


# NOTIFY


def notified(subscription: Subscription, given: Given, now: float) -> tuple[Subscription, Effects]:
    """A NOTIFY: it may begin a dialog, and end one (s4.1.3)."""
    asked: Asked = given.what
    agent, head = given.agent, asked.head
    told = notice(asked.request)
    if head.call_id != subscription.call_id or not same_event(subscription.order, asked.request):
        return subscription, (answer(agent, asked, 481),)
    known = next(
        (n for n, each in enumerate(subscription.branches) if each.dialog.id.remote_tag == head.from_tag), None
    )
    if known is None:
        if len(subscription.branches) >= MAX_BRANCHES or subscription.state is State.ENDING:
            return subscription, (answer(agent, asked, 481),)
        branch = Branch(dialog_of(asked, subscription.tag, subscription.seq), now, 0.0)
        known = len(subscription.branches)
        subscription = replace(subscription, branches=(*subscription.branches, branch))
        if told.expires is None:
            told = told._replace(expires=subscription.expires)
    else:
        branch = subscription.branches[known]
        if head.cseq <= branch.dialog.remote_seq:
            return subscription, (answer(agent, asked, 500),)  # RFC 3261 s12.2.2
        target = dialog_state.target_of(asked.request) or branch.dialog.remote_target
        branch = replace(branch, dialog=replace(branch.dialog, remote_seq=head.cseq, remote_target=target))
    effects: Effects = (answer(agent, asked, 200), Report(_event(subscription, asked, told, given.wall)))
    if told.state == "terminated":
        subscription, more = _without(subscription, known, now, 0, told.reason, told.retry_after)
        return subscription, effects + more
    if told.expires is not None:
        branch = _granted(branch, min(told.expires, CEILING), now)
    subscription = replace(_with(subscription, known, branch), reason=told.state, status=0)
    if subscription.state is State.ENDING:
        return subscription, effects
    return _armed(replace(subscription, state=State.ACTIVE), effects)


def _event(subscription: Subscription, asked: Asked, told: Notice, wall: float) -> NotifyReceived:
    kind, text = body_of(asked.request)
    package = asked.request.header(Event)
    order = subscription.order
    return NotifyReceived(
        order.subscription,
        order.account,
        str(asked.request.from_.uri),
        "" if package is None else package.package,
        told.state,
        kind,
        text,
        wall,
    )


def _without(
    subscription: Subscription, number: int, now: float, status: int, reason: str, retry: int | None = None
) -> tuple[Subscription, Effects]:
    """One peer is done with it; the last one decides what follows."""
    branches = subscription.branches
    subscription = replace(subscription, branches=(*branches[:number], *branches[number + 1 :]))
    if subscription.branches:
        return _armed(subscription, ())
    if subscription.state is State.ENDING or subscription.order.expires == 0:
        return replace(subscription, state=State.OVER, status=status, reason=reason), ()
    after = float(retry or 0)
    if reason in AGAIN or status == 481:
        return _later(subscription, now, max(after, FLOOR), status, reason)
    if reason in LATER:
        return _later(subscription, now, after or RETRY, status, reason)
    return replace(subscription, state=State.OVER, status=status, reason=reason), ()


# To end, and trouble


def _ended(
    subscription: Subscription, now: float, status: int, reason: str, after: float = 0.0
) -> tuple[Subscription, Effects]:
    """The SUBSCRIBE that begins it was refused or not answered: again later, if that may help (s4.1.2.1)."""
    again = status in (0, 408, 480, 500, 503, 504) or after
    if subscription.state is State.ENDING or not again or subscription.order.expires == 0:
        return replace(subscription, state=State.OVER, status=status, reason=reason, errand=None), ()
    return _later(subscription, now, after or RETRY, status, reason)


def _later(
    subscription: Subscription, now: float, wait: float, status: int, reason: str
) -> tuple[Subscription, Effects]:
    subscription = replace(subscription, state=State.WAITING, status=status, reason=reason, errand=None, branches=())
    return subscription, (Arm(Input.RETRY, now + min(wait, LONGEST_RETRY)),)


def unnoticed(subscription: Subscription, _: Given, now: float) -> tuple[Subscription, Effects]:
    """A 2xx, and no NOTIFY in 64*T1: as if it had been refused (s4.1.2.4)."""
    return _ended(subscription, now, 408, "no NOTIFY")


def lost(subscription: Subscription, _: Given, now: float) -> tuple[Subscription, Effects]:
    """The transaction shard lost our SUBSCRIBE, or nothing was heard of it."""
    return _ended(subscription, now, 408, "no answer")


def refresh(subscription: Subscription, given: Given, now: float) -> tuple[Subscription, Effects]:
    """Refresh at every peer where it is due; what has lapsed is begun anew."""
    effects: Effects = ()
    for number, branch in enumerate(subscription.branches):
        if branch.refresh and branch.refresh <= now:
            if branch.until <= now:
                return _later(subscription, now, FLOOR, 0, "timeout")
            subscription, more = _renew(subscription, number, branch, given, now)
            effects += more
    return _armed(subscription, effects)


def _renew(
    subscription: Subscription, number: int, branch: Branch, given: Given, now: float
) -> tuple[Subscription, Effects]:
    seq = max(subscription.seq, branch.dialog.local_seq) + 1
    hop = dialog_state.next_hop(branch.dialog)
    where = dialog_state.next_uri(branch.dialog)
    desk = _desk(subscription, given, now, branch)
    errand, effects = errands.begin(desk, subscription.tag, "SUBSCRIBE", where, seq, subscription.proof, hop)
    branch = replace(branch, errand=errand, refresh=0.0, dialog=replace(branch.dialog, local_seq=seq))
    return replace(_with(subscription, number, branch), seq=seq), effects


def refresh_lost(subscription: Subscription, _: Given, now: float) -> tuple[Subscription, Effects]:
    """The transaction shard lost our refreshes: they go again."""
    branches = [
        each if each.errand is None else replace(each, errand=None, refresh=now + FLOOR)
        for each in subscription.branches
    ]
    return _armed(replace(subscription, branches=tuple(branches)), ())


def end(subscription: Subscription, given: Given, now: float) -> tuple[Subscription, Effects]:
    """Ask every peer to end it (s4.1.2.3)."""
    subscription = replace(subscription, state=State.ENDING)
    effects: Effects = (Arm(Input.GIVE_UP, now + given.agent.give_up),)
    for number, branch in enumerate(subscription.branches):
        subscription, more = _renew(subscription, number, branch, given, now)
        effects += more
    return subscription, effects


def end_early(subscription: Subscription, _: Given, __: float) -> tuple[Subscription, Effects]:
    """Nobody has it yet: a NOTIFY that comes is met with 481, which ends it there (s4.1.2.4)."""
    return replace(subscription, reason="ended", status=0), ()


def over(subscription: Subscription, _: Given, __: float) -> tuple[Subscription, Effects]:
    """The last NOTIFY did not come."""
    return replace(subscription, reason="timeout", status=0), ()


S = State
I = Input  # noqa: E741 - as in the table's columns
_LATER = (S.WAITING, S.OVER)

SUBSCRIPTION: Table[Subscription] = Table(
    "subscription",
    states=S,
    inputs=I,
    rows=(
        Row(S.ASKING, I.LOCATED, (S.ASKING, *_LATER), (progress,)),
        Row(S.ASKING, I.HEARD, (S.ASKING, *_LATER), (progress,)),
        Row(S.ASKING, I.NOTIFIED, (S.ASKING, S.ACTIVE, *_LATER), (notified,)),
        Row(S.ASKING, I.LOST, _LATER, (lost,)),
        Row(S.ASKING, I.TIMER_N, _LATER, (unnoticed,)),
        Row(S.ASKING, I.GIVE_UP, _LATER, (lost,)),
        Row(S.ASKING, I.END, S.OVER, (end_early,)),
        Row(S.ACTIVE, I.LOCATED, (S.ACTIVE, *_LATER), (progress,)),
        Row(S.ACTIVE, I.HEARD, (S.ACTIVE, *_LATER), (progress,)),
        Row(S.ACTIVE, I.NOTIFIED, (S.ACTIVE, *_LATER), (notified,)),
        Row(S.ACTIVE, I.LOST, None, (refresh_lost,)),
        Row(S.ACTIVE, I.REFRESH, (S.ACTIVE, S.WAITING), (refresh,)),
        Row(S.ACTIVE, I.END, S.ENDING, (end,)),
        Row(S.WAITING, I.RETRY, S.ASKING, (begin,)),
        Row(S.WAITING, I.END, S.OVER, (end_early,)),
        Row(S.ENDING, I.LOCATED, (S.ENDING, S.OVER), (progress,)),
        Row(S.ENDING, I.HEARD, (S.ENDING, S.OVER), (progress,)),
        Row(S.ENDING, I.NOTIFIED, (S.ENDING, S.OVER), (notified,)),
        Row(S.ENDING, I.LOST, S.OVER, (over,)),
        Row(S.ENDING, I.GIVE_UP, S.OVER, (over,)),
    ),
    ignored={
        S.ASKING: {I.REFRESH, I.RETRY},
        S.ACTIVE: {I.TIMER_N, I.RETRY, I.GIVE_UP},
        S.WAITING: {I.LOCATED, I.HEARD, I.NOTIFIED, I.LOST, I.TIMER_N, I.REFRESH, I.GIVE_UP},
        S.ENDING: {I.END, I.TIMER_N, I.REFRESH, I.RETRY},
        S.OVER: set(I),
    },
    timers={
        S.ASKING: {I.TIMER_N, I.GIVE_UP},
        S.ACTIVE: {I.REFRESH},
        S.WAITING: {I.RETRY},
        S.ENDING: {I.GIVE_UP},
    },
)

step = SUBSCRIPTION.step
