"""A subscription of ours (RFC 6665 s4.1): the value of its cell, its requests, and what a NOTIFY says of it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from actors.dialog import dialog_state
from actors.dialog.attempt import contact_value
from actors.dialog.authentication import Authenticator
from actors.dialog.call import Agent, Asked
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.errand import Errand, Sender
from actors.dialog.outgoing import beginning
from actors.dialog.subscription_events import Watch
from actors.sip import RemoteProtocolError, Request
from actors.sip.headers import Event, SubscriptionState
from actors.sip.vocabulary import Candidate, DialogId

replace = msgspec.structs.replace

MAX_BRANCHES = 8  # peers that one SUBSCRIBE may reach (s4.1.4); more are not accepted
RETRY = 60.0  # seconds until we subscribe again where nobody said when
LONGEST_RETRY = 3_600.0
PACKAGES = {"message-summary": "application/simple-message-summary", "dialog": "application/dialog-info+xml"}
PACKAGES |= {"presence": "application/pidf+xml", "reg": "application/reginfo+xml"}


class State(IntEnum):
    """The states of a subscription."""

    ASKING = 0  # a SUBSCRIBE that begins one is on its way, or its first NOTIFY is awaited
    ACTIVE = 1  # a NOTIFY came: there is a dialog at least
    WAITING = 2  # it ended in a way that asks for another, later
    ENDING = 3  # the last NOTIFY is awaited
    OVER = 4


class Input(IntEnum):
    """What happens to a subscription."""

    LOCATED = 0
    HEARD = 1  # a response, or the failure of a transaction
    NOTIFIED = 2
    LOST = 3  # the transaction shard lost all it held
    END = 4
    # timers
    TIMER_N = 5  # no NOTIFY in time (s4.1.2.4)
    REFRESH = 6
    RETRY = 7
    GIVE_UP = 8  # what should have ended by itself


class Branch(msgspec.Struct, frozen=True, array_like=True):
    """The subscription at one of the peers that the SUBSCRIBE reached.

    Attributes:
        dialog: with it; begun by its NOTIFY.
        until: when it lapses.
        refresh: when it is to be refreshed, 0 while that is under way.
        errand: the SUBSCRIBE in the dialog.
    """

    dialog: Dialog
    until: float
    refresh: float
    errand: Errand | None = None


class Subscription(Sender, frozen=True, array_like=True, tag="subscription"):
    """One subscription.

    Attributes:
        tag: its From tag.
        order: the command.
        call_id: of its dialogs.
        seq: the highest CSeq number used in any of them.
        expires: seconds to ask for: the order's, or what the notifier wants at least.
        raised: whether the notifier asked for more already (423).
        errand: the SUBSCRIBE that begins it.
        heard: whether that got its 2xx.
        branches: a peer each.
        proof: what is known of those that ask for credentials.
        round: how often it was begun: each has its own Call-ID.
        status, reason: why it ended or is to be begun again.
        told: the state and end that control was told last.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    order: Watch
    call_id: str
    seq: int = 0
    expires: int = 3600
    raised: bool = False
    errand: Errand | None = None
    heard: bool = False
    branches: tuple[Branch, ...] = ()
    proof: Authenticator | None = None
    round: int = 0
    status: int = 0
    reason: str = ""
    told: tuple[str, float] = ("", 0.0)

    @property
    def until(self) -> float:
        """When the first of its branches lapses, 0 where there is none."""
        return min((branch.until for branch in self.branches), default=0.0)


class Notice(NamedTuple):
    """What a NOTIFY says of its subscription (s4.1.3, 8.2.3).

    Attributes:
        state: active, pending or terminated.
        expires: seconds left, None where that is not told.
        reason: why it is terminated.
        retry_after: seconds to wait before another SUBSCRIBE, None where that is not told.
    """

    state: str
    expires: int | None
    reason: str
    retry_after: int | None


def notice(request: Request) -> Notice:
    """What a NOTIFY says of its subscription; one of before RFC 3265 that does not say is active.

    Raises:
        RemoteProtocolError: the header is malformed.
    """
    found = request.header(SubscriptionState)
    if found is None:
        return Notice("active", None, "", None)
    state = found.value.lower()
    return Notice(
        state if state in ("pending", "terminated") else "active", found.expires, found.reason, found.retry_after
    )


def same_event(order: Watch, request: Request) -> bool:
    """Whether a NOTIFY is of the package, and the id, that was subscribed to (s4.4.1, 8.2.1).

    Raises:
        RemoteProtocolError: the header is malformed.
    """
    told = request.header(Event)
    wanted = Event.parse(order.event)
    return told is not None and (told.package, told.id) == (wanted.package, wanted.id)


def dialog_of(asked: Asked, tag: str, seq: int) -> Dialog:
    """The dialog that a NOTIFY begins (s4.4.1).

    Raises:
        RemoteProtocolError: a header it needs is missing or malformed.
    """
    request, head = asked.request, asked.head
    record = tuple(str(route.uri) for route in request.record_route)
    target = dialog_state.target_of(request)
    if not target:
        raise RemoteProtocolError(400, "Missing Contact")
    direct = not record and len(request.get_all("Via")) == 1
    return Dialog(
        DialogId(head.call_id, tag, head.from_tag),
        request.get("To") or "",
        request.get("From") or "",
        record,
        target,
        seq,
        head.cseq,
        Path.of_flow(asked.flow, direct=direct),
    )


def accept_of(order: Watch) -> str:
    """The value of Accept, empty where the package's own default holds."""
    return ", ".join(order.accept) or PACKAGES.get(order.event.partition(";")[0].strip().lower(), "")


def first(subscription: Subscription, agent: Agent, candidate: Candidate, seq: int) -> Request:
    """The SUBSCRIBE that begins it, but for its Via (s4.1.2.1)."""
    order, tag = subscription.order, subscription.tag
    account = agent.accounts.known(order.account)
    headers = [
        *beginning(agent, account, candidate, tag, order.uri, subscription.call_id, f"{seq} SUBSCRIBE"),
        *common(subscription, agent, candidate, subscription.expires),
    ]
    return Request.build("SUBSCRIBE", order.uri, headers)


def next_one(
    subscription: Subscription, branch: Branch, agent: Agent, candidate: Candidate, seq: int, expires: int
) -> bytes:
    """The SUBSCRIBE that refreshes or ends it at one peer, but for its Via (s4.1.2.2, 4.1.2.3)."""
    headers = common(subscription, agent, candidate, expires)
    return dialog_state.request(branch.dialog, "SUBSCRIBE", seq, headers=headers)


def common(subscription: Subscription, agent: Agent, candidate: Candidate, expires: int) -> list[tuple[str, str]]:
    """The header lines of every SUBSCRIBE."""
    order = subscription.order
    account = agent.accounts.known(order.account)
    user = agent.settings.user if account is None else account.user
    ob = account is not None and account.outbound  # its NOTIFYs come by this flow (RFC 5626 s4.3)
    accept = accept_of(order)
    return [
        ("Contact", contact_value(user, candidate.sent_by, candidate.target.transport, ob=ob)),
        ("Event", order.event),
        ("Expires", str(expires)),
        *([("Accept", accept)] if accept else []),
        ("User-Agent", agent.settings.user_agent),
    ]
