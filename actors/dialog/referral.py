"""A REFER outside of calls that is not decided yet: the value of its cell, and its table (RFC 3515, 4538).

It is decided once it is known whether its Target-Dialog names a call of ours, which another shard may have to say; and,
where the policy asks the application, once that answers.
"""

from __future__ import annotations

from enum import IntEnum

from actors.dialog.call import Given, replace
from actors.dialog.call_commands import PlaceCall
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Place, Reply, Report
from actors.dialog.reply import restated
from actors.dialog.request_events import AnswerRequest, ReferReceived
from actors.runtime.machine import Arm, Effects, Machine, Row, Table
from actors.sip import REASONS
from actors.sip.vocabulary import TransactionKey

WITHIN = 5.0  # seconds for either to answer; the peer gives up after 32 (RFC 3261 s17.1.2.2, Timer F)


class State(IntEnum):
    """The states of a REFER."""

    LOOKING = 0  # for the call that it names
    ASKED = 1  # the application is
    OVER = 2


class Input(IntEnum):
    """What happens to it."""

    NAMED = 0  # with the id of the call that its Target-Dialog names, empty where that is none of ours
    ANSWER = 1  # of the application
    LOST = 2  # the transaction shard lost all it held: nobody can be answered any more
    # timers
    LATE = 3


class Referral(Machine, frozen=True, array_like=True, tag="referral"):
    """One REFER.

    Attributes:
        tag: the key of its cell.
        transaction: to be answered.
        order: the call that it asks for.
        dialog: of the subscription to what becomes of it (RFC 3515 s2.4.4); None where no NOTIFY is wanted (RFC 4488).
        accepted, refused: our 202 and our 603.
        trusted: its sender is known, whatever it names.
        news: what the application is told of it.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    tag: str
    transaction: TransactionKey
    order: PlaceCall
    dialog: Dialog | None
    accepted: bytes
    refused: bytes
    trusted: bool
    news: ReferReceived

    @property
    def key(self) -> bytes:
        """The key of its cell."""
        return self.tag.encode()


def named(referral: Referral, given: Given, now: float) -> tuple[Referral, Effects]:
    """It is known which call of ours it names: whoever can name one was told of it, and is as good as its peer.

    RFC 4538 s4 leaves that to us where the call did not begin by a SIPS URI. A REFER in that call needs no more.
    """
    call: str = given.what or ""
    agent = given.agent
    if not call and not referral.trusted:
        return _refused(referral)
    news = replace(referral.news, call=call)
    if agent.settings.refer == "ask":
        after = replace(referral, state=State.ASKED)
        return after, (Report(replace(news, request=news.placed)), Arm(Input.LATE, now + WITHIN))
    referral, effects = _followed(referral)
    return referral, (Report(news), *effects)


def _followed(referral: Referral) -> tuple[Referral, Effects]:
    yes = Reply(referral.transaction, 202, referral.accepted)
    told = "" if referral.dialog is None else referral.dialog.id.local_tag
    return _over(referral), (yes, Place(told, referral.order))


def _over(referral: Referral) -> Referral:
    return replace(referral, state=State.OVER)


def answered(referral: Referral, given: Given, _: float) -> tuple[Referral, Effects]:
    """The application decides: 202 follows it."""
    command: AnswerRequest = given.what
    if command.status == 202:
        return _followed(referral)
    words = command.reason or REASONS.get(command.status, "Unknown")
    kind = command.content_type or "text/plain"
    raw = restated(referral.refused, command.status, words, command.headers, command.body, kind)
    return _over(referral), (Reply(referral.transaction, command.status, raw),)


def unanswered(referral: Referral, _: Given, __: float) -> tuple[Referral, Effects]:
    """The application did not decide."""
    return _refused(referral)


def _refused(referral: Referral) -> tuple[Referral, Effects]:
    return _over(referral), (Reply(referral.transaction, 603, referral.refused),)


S, I = State, Input  # noqa: E741 - as in the table's columns

REFERRAL: Table[Referral] = Table(
    "referral",
    states=S,
    inputs=I,
    rows=(
        Row(S.LOOKING, I.NAMED, (S.ASKED, S.OVER), (named,)),
        Row(S.LOOKING, I.LOST, S.OVER),
        Row(S.LOOKING, I.LATE, (S.ASKED, S.OVER), (named,)),  # of no call, as far as anybody says
        Row(S.ASKED, I.ANSWER, S.OVER, (answered,)),
        Row(S.ASKED, I.LOST, S.OVER),
        Row(S.ASKED, I.LATE, S.OVER, (unanswered,)),
    ),
    ignored={S.LOOKING: {I.ANSWER}, S.ASKED: {I.NAMED}, S.OVER: set(I)},
    timers={S.LOOKING: {I.LATE}, S.ASKED: {I.LATE}},
)
