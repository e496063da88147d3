"""Keeping a flow alive: when to ping, and when silence means that it is dead (RFC 5626 section 4.4, RFC 6223), pure."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from actors.runtime.machine import Arm, Effect, Effects, Machine, Row, Table

replace = msgspec.structs.replace

PONG_TIMEOUT = 10.0  # seconds; RFC 5626 section 4.4.1
REPEAT = 2.0  # seconds after which a datagram that should be answered is sent again
# Seconds between two pings where the peer recommends nothing (RFC 5626 sections 4.4.1 and 4.4.2).
STREAM = (95.0, 120.0)
DATAGRAM = (24.0, 29.0)
LEAST = 1.0  # seconds; no word of a peer makes us ping more often


class AliveState(IntEnum):
    """The states of the figure."""

    NEW = 0
    WAITING = 1  # for the time of the next ping
    ASKED = 2  # a ping went out whose pong must come
    DEAD = 3


class AliveInput(IntEnum):
    """What happens to a flow."""

    BEGIN = 0
    PING_DUE = 1
    PONG = 2
    OVERDUE = 3
    TERMS = 4  # somebody else needs the flow, or the peer said something new
    LOST = 5  # the connection is gone
    AGAIN = 6  # a datagram may have been lost


class Ping(Effect, frozen=True):
    """Send a ping."""


class Dead(Effect, frozen=True):
    """Tell all who need the flow."""

    reason: str


class Terms(NamedTuple):
    """How a flow is kept alive.

    Attributes:
        low, high: seconds between two pings at the least and at the most.
        counts: a missing pong means that the flow is dead.
        stream: over TCP or TLS, where nothing need be repeated.
    """

    low: float
    high: float
    counts: bool
    stream: bool = True


class News(NamedTuple):
    """What an input brings with it: the terms, a random number from 0 to 1 for the jitter, or why the flow is lost."""

    chance: float = 0.0
    terms: Terms | None = None
    reason: str = ""


class Alive(Machine, frozen=True, array_like=True):
    """One flow that is kept alive.

    Attributes:
        low, high: as in :class:`Terms`.
        counts: a missing pong means that the flow is dead: the peer agreed to send them, or has sent one.
        stream: over TCP or TLS.
    """

    state: AliveState = AliveState.NEW
    deadlines: tuple[tuple[AliveInput, float], ...] = ()
    low: float = 0.0
    high: float = 0.0
    counts: bool = False
    stream: bool = True


def terms(*, stream: bool, interval: float, agreed: bool) -> Terms:
    """The terms for a flow.

    Args:
        stream: over TCP or TLS.
        interval: the seconds that the peer recommends, by Flow-Timer or `keep`; 0 for none. Pings go out after 80 to
            100 per cent of it (RFC 5626 section 4.4.1, RFC 6223 section 5).
        agreed: the peer said that it answers pings.
    """
    if interval:
        return Terms(max(LEAST, 0.8 * interval), max(LEAST, interval), agreed, stream)
    return Terms(*(STREAM if stream else DATAGRAM), agreed, stream)


S = AliveState
I = AliveInput  # noqa: E741 - as in the table's columns


def _take(alive: Alive, news: News, _: float) -> tuple[Alive, Effects]:
    """Take terms; of two it is the more frequent, and one who agreed is enough."""
    if news.terms is None:
        return alive, ()
    low, high, counts, stream = news.terms
    if alive.high:
        low, high = min(low, alive.low), min(high, alive.high)
    return replace(alive, low=low, high=high, counts=counts or alive.counts, stream=stream), ()


def _wait(alive: Alive, news: News, now: float) -> tuple[Alive, Effects]:
    return alive, (Arm(I.PING_DUE, now + alive.low + news.chance * (alive.high - alive.low)),)


def _ping(alive: Alive, news: News, now: float) -> tuple[Alive, Effects]:
    if alive.counts:
        again = () if alive.stream else (Arm(I.AGAIN, now + REPEAT),)
        return replace(alive, state=S.ASKED), (Ping(), Arm(I.OVERDUE, now + PONG_TIMEOUT), *again)
    alive, effects = _wait(alive, news, now)
    return alive, (Ping(), *effects)


def _repeat(alive: Alive, _: News, now: float) -> tuple[Alive, Effects]:
    return alive, (Ping(), Arm(I.AGAIN, now + REPEAT))


def _believe(alive: Alive, _: News, __: float) -> tuple[Alive, Effects]:
    """It has answered once, so it will again."""
    return replace(alive, counts=True), ()


def _silent(alive: Alive, _: News, __: float) -> tuple[Alive, Effects]:
    return alive, (Dead("no pong came"),)


def _lost(alive: Alive, news: News, _: float) -> tuple[Alive, Effects]:
    return alive, (Dead(news.reason),)


KEEP_ALIVE: Table[Alive] = Table(
    "keep_alive",
    states=S,
    inputs=I,
    rows=(
        Row(S.NEW, I.BEGIN, S.WAITING, (_take, _wait)),
        Row(S.WAITING, I.PING_DUE, (S.WAITING, S.ASKED), (_ping,)),
        Row(S.WAITING, I.PONG, None, (_believe,)),
        Row(S.WAITING, I.TERMS, None, (_take, _wait)),
        Row(S.WAITING, I.LOST, S.DEAD, (_lost,)),
        Row(S.ASKED, I.PONG, S.WAITING, (_wait,)),
        Row(S.ASKED, I.AGAIN, None, (_repeat,)),
        Row(S.ASKED, I.OVERDUE, S.DEAD, (_silent,)),
        Row(S.ASKED, I.TERMS, None, (_take,)),
        Row(S.ASKED, I.LOST, S.DEAD, (_lost,)),
    ),
    ignored={
        S.NEW: set(I) - {I.BEGIN},
        S.WAITING: {I.BEGIN, I.OVERDUE, I.AGAIN},
        S.ASKED: {I.BEGIN, I.PING_DUE},
        S.DEAD: set(I),
    },
    timers={S.WAITING: {I.PING_DUE}, S.ASKED: {I.OVERDUE, I.AGAIN}},
)


def step(alive: Alive, event: AliveInput, news: News, now: float) -> tuple[Alive, Effects]:
    """Give an input to a flow."""
    return KEEP_ALIVE.step(alive, event, news, now)


def expire(alive: Alive, news: News, now: float) -> tuple[Alive, Effects]:
    """Fire the timer that is due."""
    return KEEP_ALIVE.expire(alive, now, news)
