"""What the user agent says about those who subscribe to us and takes for them, as :mod:`actors.dialog.events` does."""

from __future__ import annotations

from actors.runtime.machine import Event


class Notify(Event, frozen=True):
    """Tell a subscriber a state; the first makes a pending subscription active.

    Attributes:
        subscription: its id.
        content_type, body: the state; empty for none.
        reason: where it is not empty the subscription ends with this NOTIFY, for this reason (RFC 6665 s4.1.3).
    """

    ref: str
    subscription: str
    content_type: str
    body: bytes
    reason: str


class TellWaiting(Event, frozen=True):
    """Tell how many messages wait in the mailbox of an account (RFC 3842).

    All who subscribed to its ``message-summary`` are told, now or later, and those that `waiting_to` names.

    Attributes:
        account: its address-of-record.
        waiting: whether there are new ones.
        counts: for each class of messages its name, such as ``voice-message``, and ``new/old``, the urgent ones perhaps
            behind it in parentheses.
        mailbox: its URI; empty for `account`.
    """

    ref: str
    account: str
    waiting: bool
    counts: tuple[tuple[str, str], ...] = ()
    mailbox: str = ""


class SubscriptionReceived(Event, frozen=True):
    """Somebody subscribed to a package that the configuration names, and waits for a Notify.

    Attributes:
        subscription: its id.
        remote: the URI of its From.
        local: the Request-URI: whose state is asked for.
        account: it came for, empty where it is none of ours.
        event: the package, with its parameters.
        accept: what it can read, as it stands.
        expires: seconds that it asked for.
    """

    subscription: str
    remote: str
    local: str
    account: str
    event: str
    accept: str
    expires: int
    time: float


class SubscriberLeft(Event, frozen=True):
    """The last event of a subscription to us: why it ended, and the status of the NOTIFY that failed, if one did."""

    subscription: str
    status: int
    reason: str
    time: float


FeedCommand = Notify | TellWaiting
FeedEvent = SubscriptionReceived | SubscriberLeft
