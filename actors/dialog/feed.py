"""A subscription to us (RFC 6665 s4.2): the value of its cell, its table, its NOTIFYs."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from actors.dialog import dialog_state
from actors.dialog import errand as errands
from actors.dialog.attempt import contact_value
from actors.dialog.call import Given
from actors.dialog.dialog_state import Dialog
from actors.dialog.errand import Desk, Errand, Sender
from actors.dialog.feed_events import Notify
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip.vocabulary import Candidate

replace = msgspec.structs.replace

LONGEST = 86_400  # seconds that are granted at most
SHORTEST = 60  # and at least (s4.2.1.1)


class State(IntEnum):
    """The states of a subscription to us."""

    PENDING = 0  # the application has told nothing yet
    ACTIVE = 1
    ENDING = 2  # the NOTIFY that ends it is on its way
    OVER = 3


class Input(IntEnum):
    """What happens to it."""

    SUBSCRIBED = 0  # begun or refreshed: every SUBSCRIBE is followed by a NOTIFY (s4.2.1.2)
    NOTIFY = 1
    LOCATED = 2
    HEARD = 3
    LOST = 4  # the transaction shard lost all it held
    # timers
    LAPSED = 5
    GIVE_UP = 6


class Feed(Sender, frozen=True, array_like=True, tag="feed"):
    """One subscription to us.

    Attributes:
        tag: its local tag.
        name: its id.
        event: the value of Event.
        dialog: with the subscriber.
        user: of our Contact.
        until: when it lapses.
        content_type, body: the state that was told last.
        reason: why it ends, empty while it does not.
        again: whether another NOTIFY is to follow the one on its way.
        errand: the NOTIFY on its way.
        status: of the NOTIFY that failed.
        account: that it came for, empty for none.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    name: str
    event: str
    dialog: Dialog
    user: str
    until: float = 0.0
    content_type: str = ""
    body: bytes = b""
    reason: str = ""
    again: bool = False
    errand: Errand | None = None
    status: int = 0
    account: str = ""


def _desk(feed: Feed, given: Given, now: float) -> Desk:
    agent = given.agent

    def make(candidate: Candidate, seq: int) -> bytes:
        left = max(0, int(feed.until - now))
        state = "pending" if feed.state is State.PENDING else "active"
        told = f"terminated;reason={feed.reason}" if feed.reason else f"{state};expires={left}"
        headers = [
            ("Contact", contact_value(feed.user, candidate.sent_by, candidate.target.transport)),
            ("Event", feed.event),
            ("Subscription-State", told),
        ]
        kind = {"content_type": feed.content_type} if feed.content_type else {}
        return dialog_state.request(
            feed.dialog,
            "NOTIFY",
            seq,
            user_agent=agent.settings.user_agent,
            body=feed.body,
            headers=headers,
            **kind,
        )

    return Desk(agent.names, None, make, now)


def _send(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """Send a NOTIFY, or note that another is to follow: they are not to overtake each other."""
    if feed.errand is not None:
        return replace(feed, again=True), ()
    seq = feed.dialog.local_seq + 1
    feed = replace(feed, dialog=replace(feed.dialog, local_seq=seq), again=False)
    hop, where = dialog_state.next_hop(feed.dialog), dialog_state.next_uri(feed.dialog)
    errand, effects = errands.begin(_desk(feed, given, now), feed.tag, "NOTIFY", where, seq, None, hop)
    return replace(feed, errand=errand), effects


def subscribed(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """A SUBSCRIBE was answered with 2xx: say how things stand; with Expires 0, that it is over."""
    seconds: int = given.what
    feed = replace(feed, until=now + seconds)
    if seconds == 0:
        return _end(feed, given, now, "timeout")
    feed, effects = _send(feed, given, now)
    return feed, (*effects, Arm(Input.LAPSED, feed.until))


def notify(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """The application tells a state."""
    order: Notify = given.what
    feed = replace(feed, content_type=order.content_type if order.body else "", body=order.body)
    if order.reason:
        return _end(feed, given, now, order.reason)
    return _send(replace(feed, state=State.ACTIVE), given, now)


def _end(feed: Feed, given: Given, now: float, reason: str) -> tuple[Feed, Effects]:
    feed, effects = _send(replace(feed, state=State.ENDING, reason=reason), given, now)
    return feed, (*effects, Arm(Input.GIVE_UP, now + given.agent.give_up))


def progress(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """Lead the NOTIFY on its way: a failure ends the subscription (s4.2.2)."""
    led = errands.lead(feed.errand, given.what, _desk(feed, given, now))
    if led is None:
        return feed, ()
    errand, effects, outcome = led
    if outcome is None:
        return replace(feed, errand=errand), effects
    feed = replace(feed, errand=None)
    if outcome.success is None:
        reason = feed.reason or (outcome.reason if outcome.status else "unreachable") or "no answer"
        return replace(feed, state=State.OVER, status=outcome.status, reason=reason), effects
    if feed.again:
        feed, more = _send(feed, given, now)
        return feed, effects + more
    return (replace(feed, state=State.OVER), effects) if feed.state is State.ENDING else (feed, effects)


def lost(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """The transaction shard lost our NOTIFY: it goes again."""
    return _send(replace(feed, errand=None), given, now) if feed.errand is not None else (feed, ())


def lapsed(feed: Feed, given: Given, now: float) -> tuple[Feed, Effects]:
    """It was not refreshed (s4.2.2)."""
    return _end(replace(feed, body=b"", content_type=""), given, now, "timeout")


S = State
I = Input  # noqa: E741 - as in the table's columns
_LIVE = tuple(
    row
    for state in (S.PENDING, S.ACTIVE)
    for row in (
        Row(state, I.SUBSCRIBED, (state, S.ENDING), (subscribed,)),
        Row(state, I.NOTIFY, (S.ACTIVE, S.ENDING), (notify,)),
        Row(state, I.LOCATED, (state, S.OVER), (progress,)),
        Row(state, I.HEARD, (state, S.OVER), (progress,)),
        Row(state, I.LOST, None, (lost,)),
        Row(state, I.LAPSED, S.ENDING, (lapsed,)),
    )
)

FEED: Table[Feed] = Table(
    "feed",
    states=S,
    inputs=I,
    rows=(
        *_LIVE,
        Row(S.ENDING, I.LOCATED, (S.ENDING, S.OVER), (progress,)),
        Row(S.ENDING, I.HEARD, (S.ENDING, S.OVER), (progress,)),
        Row(S.ENDING, I.LOST, None, (lost,)),
        Row(S.ENDING, I.GIVE_UP, S.OVER),
    ),
    ignored={
        S.PENDING: {I.GIVE_UP},
        S.ACTIVE: {I.GIVE_UP},
        S.ENDING: {I.SUBSCRIBED, I.NOTIFY, I.LAPSED},
        S.OVER: set(I),
    },
    timers={S.PENDING: {I.LAPSED}, S.ACTIVE: {I.LAPSED}, S.ENDING: {I.GIVE_UP}},
)

step = FEED.step
