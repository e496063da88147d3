"""What the user agent says about subscriptions and takes for them, as :mod:`actors.dialog.events` does (RFC 6665)."""

from __future__ import annotations

from actors.runtime.machine import Event


class Watch(Event, frozen=True):
    """Subscribe to an event package at a URI. CommandDone means that it is begun; the rest, events tell.

    Attributes:
        subscription: its id.
        uri: the Request-URI.
        event: the package, with its parameters if it has any, such as ``message-summary`` or ``dialog;id=1``.
        account: the address-of-record of the account that subscribes, empty for none.
        expires: seconds to ask for; it is refreshed until Unwatch. 0 fetches the state once (s4.4.3).
        accept: content types, empty for the package's own.
    """

    ref: str
    subscription: str
    uri: str
    event: str
    account: str = ""
    expires: int = 3600
    accept: tuple[str, ...] = ()


class Unwatch(Event, frozen=True):
    """End a subscription; SubscriptionEnded follows its last NOTIFY."""

    ref: str
    subscription: str


class SubscriptionChanged(Event, frozen=True):
    """A subscription is ``pending`` or ``active`` until `until`, or ``retrying`` because of `status` and `reason`."""

    subscription: str
    state: str
    until: float
    status: int
    reason: str
    time: float


class SubscriptionEnded(Event, frozen=True):
    """The last event of a subscription: refused with `status`, or ended for the `reason` of its last NOTIFY."""

    subscription: str
    status: int
    reason: str
    time: float


class NotifyReceived(Event, frozen=True):
    """A NOTIFY came.

    Attributes:
        subscription: its id; empty for one that nobody asked for, of a peer of an account.
        account: whose it is, empty where it is none of ours.
        remote: the URI of its From: which of several that were subscribed to by one request it is of.
        event: the package.
        state: active, pending or terminated.
        content_type, body: what is no UTF-8 in it shows as U+FFFD.
    """

    subscription: str
    account: str
    remote: str
    event: str
    state: str
    content_type: str
    body: str
    time: float


class MessagesWaiting(Event, frozen=True):
    """A mailbox told how many messages wait (RFC 3842), after the NotifyReceived that said it.

    Attributes:
        subscription, account: as in NotifyReceived.
        waiting: whether there are new ones.
        mailbox: its URI, empty where it is not told.
        counts: for each class of messages, such as ``voice-message``: its name, and ``new/old``.
    """

    subscription: str
    account: str
    waiting: bool
    mailbox: str
    counts: tuple[tuple[str, str], ...]
    time: float


SubscriptionCommand = Watch | Unwatch
SubscriptionEvent = SubscriptionChanged | SubscriptionEnded | NotifyReceived | MessagesWaiting
