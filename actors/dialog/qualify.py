"""Whether the peer of an account is there: OPTIONS now and then, and any answer but 408 and 503 says that it is."""

from __future__ import annotations

from enum import IntEnum

from actors.dialog import errand as errands
from actors.dialog.account_events import PeerChanged
from actors.dialog.attempt import contact_value
from actors.dialog.authentication import Authenticator
from actors.dialog.effects import Report
from actors.dialog.errand import Desk, Errand, OfAccount, Outcome, Sender
from actors.dialog.outgoing import beginning, first_hop, replace
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import Request
from actors.sip.vocabulary import Candidate

AWAY = frozenset({0, 408, 503})  # nobody there, or nobody who works (RFC 3261 s8.1.3.1)
JITTER = 0.2  # of the interval, by chance: many accounts do not ask at once


class State(IntEnum):
    """The states."""

    WAITING = 0
    ASKING = 1


class Input(IntEnum):
    """What happens."""

    LOCATED = 0
    HEARD = 1
    LOST = 2  # the transaction shard lost all it held
    # timers
    DUE = 3
    GIVE_UP = 4  # what should have ended by itself


class Qualify(Sender, frozen=True, array_like=True, tag="qualify"):
    """The peer of one account.

    Attributes:
        tag: its From tag.
        aor: the account.
        seq: the CSeq number of the last OPTIONS.
        asked: when that was sent.
        errand: it, on its way.
        proof: what is known of those that ask for credentials.
        there: what was told last: 1 there, -1 not there, 0 nothing yet.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    aor: str
    seq: int = 0
    asked: float = 0.0
    errand: Errand | None = None
    proof: Authenticator | None = None
    there: int = 0


def _desk(qualify: Qualify, given: OfAccount, now: float) -> Desk:
    agent, account = given.agent, given.account

    def make(candidate: Candidate, seq: int) -> bytes:
        call_id = agent.names.token("qualify", account.aor)
        headers = [
            *beginning(agent, account, candidate, qualify.tag, account.registrar, call_id, f"{seq} OPTIONS"),
            ("Contact", contact_value(account.user, candidate.sent_by, candidate.target.transport)),
            ("User-Agent", agent.settings.user_agent),
        ]
        return bytes(Request.build("OPTIONS", account.registrar, headers))

    return Desk(agent.names, account, make, now)


def ask(qualify: Qualify, given: OfAccount, now: float) -> tuple[Qualify, Effects]:
    """Send an OPTIONS (RFC 3261 s11)."""
    where = first_hop(given.agent, given.account, given.account.registrar)
    seq = qualify.seq + 1
    errand, effects = errands.begin(_desk(qualify, given, now), qualify.tag, "OPTIONS", where, seq, qualify.proof)
    return replace(qualify, errand=errand, seq=seq, asked=now), (*effects, _give_up(given, now))


def _give_up(given: OfAccount, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + 2 * given.agent.give_up)


def progress(qualify: Qualify, given: OfAccount, now: float) -> tuple[Qualify, Effects]:
    """Lead the OPTIONS on its way, and conclude where it is over."""
    return errands.carry(qualify, given, now, _desk, _known, _give_up(given, now))


def lost(qualify: Qualify, given: OfAccount, now: float) -> tuple[Qualify, Effects]:
    """Nothing was heard, for a reason of our own: ask again when it is time."""
    return replace(qualify, state=State.WAITING, errand=None), (Arm(Input.DUE, now + interval(qualify, given)),)


def _known(qualify: Qualify, given: OfAccount, now: float, outcome: Outcome) -> tuple[Qualify, Effects]:
    there = -1 if outcome.status in AWAY else 1
    effects: Effects = (Arm(Input.DUE, now + interval(qualify, given)),)
    if there != qualify.there:
        seconds = round(now - qualify.asked, 3)
        told = PeerChanged(qualify.aor, there > 0, outcome.status, outcome.reason, seconds, given.wall)
        effects += (Report(told),)
    return replace(qualify, state=State.WAITING, errand=None, there=there), effects


def interval(qualify: Qualify, given: OfAccount) -> float:
    """Seconds to the next OPTIONS."""
    chance = given.agent.names.chance("qualify", qualify.tag, str(qualify.seq))
    return given.account.qualify * (1 - JITTER * chance)


S = State
I = Input  # noqa: E741 - as in the table's columns

QUALIFY: Table[Qualify] = Table(
    "qualify",
    states=S,
    inputs=I,
    rows=(
        Row(S.WAITING, I.DUE, S.ASKING, (ask,)),
        Row(S.ASKING, I.LOCATED, (S.ASKING, S.WAITING), (progress,)),
        Row(S.ASKING, I.HEARD, (S.ASKING, S.WAITING), (progress,)),
        Row(S.ASKING, I.LOST, S.WAITING, (lost,)),
        Row(S.ASKING, I.GIVE_UP, S.WAITING, (lost,)),
    ),
    ignored={S.WAITING: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP}, S.ASKING: {I.DUE}},
    timers={S.WAITING: {I.DUE}, S.ASKING: {I.GIVE_UP}},
)

step = QUALIFY.step
