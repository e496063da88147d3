"""A mailbox of ours (RFC 3842): how many messages wait there, and whoever is told of it without having subscribed.

Desk phones light a lamp by a NOTIFY that they never asked for (as Asterisk sends). The last state is what counts: one
NOTIFY at a time, a newer state after it, and a phone that does not answer is told later.
"""

from __future__ import annotations

from enum import IntEnum

from actors.dialog import errand as errands
from actors.dialog.attempt import contact_value
from actors.dialog.authentication import Authenticator
from actors.dialog.errand import GONE, Desk, Errand, OfAccount, Outcome, Sender, backoff, retry_after
from actors.dialog.outgoing import beginning, first_hop, replace
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import Request
from actors.sip.message_summary import CONTENT_TYPE
from actors.sip.vocabulary import Candidate

PACKAGE = "message-summary"


class State(IntEnum):
    """The states."""

    TOLD = 0
    TELLING = 1  # a NOTIFY is on its way
    FAILING = 2  # another is planned


class Input(IntEnum):
    """What happens."""

    TELL = 0  # another number of messages
    LOCATED = 1
    HEARD = 2
    LOST = 3  # the transaction shard lost all it held
    # timers
    DUE = 4  # to try again
    GIVE_UP = 5  # what should have ended by itself


class Mailbox(Sender, frozen=True, array_like=True, tag="mailbox"):
    """A mailbox, or one of those that are told of it.

    Attributes:
        tag: its From tag.
        aor: the account whose mailbox it is.
        uri: who is told; empty for the mailbox itself, which remembers the state for those who subscribe.
        body: the state.
        seq: the CSeq number of the last NOTIFY.
        again: whether there is a newer state than when the one on its way was begun.
        failures: in a row.
        errand: the NOTIFY on its way.
        proof: what is known of those that ask for credentials.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    tag: str
    aor: str
    uri: str = ""
    body: bytes = b""
    seq: int = 0
    again: bool = False
    failures: int = 0
    errand: Errand | None = None
    proof: Authenticator | None = None


def _desk(mailbox: Mailbox, given: OfAccount, now: float) -> Desk:
    agent, account = given.agent, given.account

    def make(candidate: Candidate, seq: int) -> bytes:
        call_id = agent.names.token("mailbox", mailbox.aor, mailbox.uri)
        headers = [
            *beginning(agent, account, candidate, mailbox.tag, mailbox.uri, call_id, f"{seq} NOTIFY"),
            ("Contact", contact_value(account.user, candidate.sent_by, candidate.target.transport)),
            ("Event", PACKAGE),
            ("Subscription-State", "terminated"),  # there is none, and none begins
            ("User-Agent", agent.settings.user_agent),
            ("Content-Type", CONTENT_TYPE),
        ]
        return bytes(Request.build("NOTIFY", mailbox.uri, headers, mailbox.body))

    return Desk(agent.names, account, make, now)


def _give_up(given: OfAccount, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + 4 * given.agent.give_up)


def tell(mailbox: Mailbox, given: OfAccount, now: float) -> tuple[Mailbox, Effects]:
    """Another state: it is told at once, where there is somebody to be told."""
    mailbox = replace(mailbox, body=given.what, failures=0)
    return _send(mailbox, given, now) if mailbox.uri else (mailbox, ())


def note(mailbox: Mailbox, given: OfAccount, _: float) -> tuple[Mailbox, Effects]:
    """Another state while a NOTIFY is on its way: after it, so that none overtakes another."""
    return replace(mailbox, body=given.what, again=True), ()


def _send(mailbox: Mailbox, given: OfAccount, now: float) -> tuple[Mailbox, Effects]:
    desk, seq = _desk(mailbox, given, now), mailbox.seq + 1
    where = first_hop(given.agent, given.account, mailbox.uri)
    errand, effects = errands.begin(desk, mailbox.tag, "NOTIFY", where, seq, mailbox.proof)
    mailbox = replace(mailbox, state=State.TELLING, errand=errand, seq=seq, again=False)
    return mailbox, (*effects, _give_up(given, now))


def due(mailbox: Mailbox, given: OfAccount, now: float) -> tuple[Mailbox, Effects]:
    """It is time to try again."""
    return _send(mailbox, given, now)


def progress(mailbox: Mailbox, given: OfAccount, now: float) -> tuple[Mailbox, Effects]:
    """Lead the NOTIFY on its way, and conclude where it is over."""
    return errands.carry(mailbox, given, now, _desk, _concluded, _give_up(given, now))


def lost(mailbox: Mailbox, given: OfAccount, now: float) -> tuple[Mailbox, Effects]:
    """Nothing will be heard of the NOTIFY on its way."""
    return _concluded(mailbox, given, now, Outcome(408, "no answer"))


def _concluded(mailbox: Mailbox, given: OfAccount, now: float, outcome: Outcome) -> tuple[Mailbox, Effects]:
    """It is told, or who does not want to know it is left alone, or it is told later; a newer state at once."""
    sent = b"" if mailbox.errand is None else mailbox.errand.attempt.request
    if mailbox.again and not sent.endswith(mailbox.body):  # it is written once its next hop is known
        return _send(mailbox, given, now)
    if outcome.success is not None or outcome.status in GONE:
        return replace(mailbox, state=State.TOLD, errand=None, failures=0), ()
    mailbox = replace(mailbox, state=State.FAILING, errand=None, failures=mailbox.failures + 1)
    wait = backoff(mailbox.failures, given.agent.names.chance("mailbox", mailbox.tag, str(mailbox.seq)))
    return mailbox, (Arm(Input.DUE, now + max(wait, retry_after(outcome.response))),)


S = State
I = Input  # noqa: E741 - as in the table's columns
_ANY = (S.TOLD, S.TELLING, S.FAILING)

MAILBOX: Table[Mailbox] = Table(
    "mailbox",
    states=S,
    inputs=I,
    rows=(
        Row(S.TOLD, I.TELL, (S.TOLD, S.TELLING), (tell,)),
        Row(S.TELLING, I.TELL, None, (note,)),
        Row(S.TELLING, I.LOCATED, _ANY, (progress,)),
        Row(S.TELLING, I.HEARD, _ANY, (progress,)),
        Row(S.TELLING, I.LOST, _ANY, (lost,)),
        Row(S.TELLING, I.GIVE_UP, _ANY, (lost,)),
        Row(S.FAILING, I.TELL, S.TELLING, (tell,)),
        Row(S.FAILING, I.DUE, S.TELLING, (due,)),
    ),
    ignored={
        S.TOLD: {I.LOCATED, I.HEARD, I.LOST, I.DUE, I.GIVE_UP},
        S.TELLING: {I.DUE},
        S.FAILING: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP},
    },
    timers={S.TELLING: {I.GIVE_UP}, S.FAILING: {I.DUE}},
)
