"""The records of what is no call: requests of any method, subscriptions, publications, messages. See ``records``."""

from typing import NamedTuple

# Commands. A body is given line by line: on its way there is CR LF between them.


class Send(NamedTuple):
    """Send a request that begins no call; the result is Begun, and RequestAnswered tells its final response.

    Attributes:
        method: such as MESSAGE or OPTIONS.
        uri: the Request-URI.
        account: the address-of-record of the account to send it by, empty for none.
        headers: more header lines, (name, value).
        content_type: of the body; empty: text/plain.
        body: its lines; empty for none.
    """

    method: str
    uri: str
    account: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: tuple[str, ...] = ()


class InCall(NamedTuple):
    """Send a request in a call that is up; the result is Begun, and RequestAnswered tells its final response.

    Attributes:
        method: such as INFO; any but those that a call is made of, which have commands of their own.
        headers: more header lines, (name, value).
        content_type: of the body; empty: text/plain.
        body: its lines; empty for none.
    """

    call: str
    method: str
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: tuple[str, ...] = ()


class Respond(NamedTuple):
    """Answer a request that CallRequestReceived, CallTransferRequested or ReferReceived told of.

    Attributes:
        call: in which it came, empty for none.
        request: its id.
        status: 200 to 699.
        reason: in words; empty for the usual ones.
        headers: more header lines, (name, value).
        content_type: of the body; empty: text/plain.
        body: its lines; empty for none.
    """

    call: str
    request: str
    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: tuple[str, ...] = ()


class Watch(NamedTuple):
    """Subscribe to an event package; the result is Begun, and events tell the rest.

    Attributes:
        uri: the Request-URI.
        event: the package, such as message-summary, presence or dialog.
        account: the address-of-record of the account that subscribes, empty for none.
        expires: seconds to ask for; it is refreshed until Unwatch. 0 fetches the state once.
        accept: content types; empty: the package's own.
    """

    uri: str
    event: str
    account: str = ""
    expires: int = 3600
    accept: tuple[str, ...] = ()


class Unwatch(NamedTuple):
    """End a subscription; SubscriptionEnded follows."""

    subscription: str


class Publish(NamedTuple):
    """Publish a state; the result is Begun, and PublicationChanged tells the rest.

    Attributes:
        uri: of whom the state is.
        event: the package, such as presence.
        body: the state, line by line.
        content_type: of it.
        account: the address-of-record of the account that publishes, empty for none.
        expires: seconds to ask for; it is refreshed until Unpublish.
        publication: of a new state of what is published already, its id.
    """

    uri: str
    event: str
    body: tuple[str, ...]
    content_type: str = "application/pidf+xml"
    account: str = ""
    expires: int = 3600
    publication: str = ""


class Unpublish(NamedTuple):
    """Remove a publication."""

    publication: str


class Notify(NamedTuple):
    """Tell a subscriber to us a state; the first makes its subscription active.

    Attributes:
        subscription: its id, of SubscriptionReceived.
        body: the state, line by line; empty for none.
        content_type: of it.
        reason: where it is not empty the subscription ends with this: noresource, rejected, deactivated, ...
    """

    subscription: str
    body: tuple[str, ...] = ()
    content_type: str = "application/pidf+xml"
    reason: str = ""


class TellWaiting(NamedTuple):
    """Tell how many messages wait in the mailbox of an account: to its subscribers, now and later, and to `waiting_to`.

    Attributes:
        account: its address-of-record.
        waiting: whether there are new ones.
        counts: for each class of messages its name, such as voice-message, and ``new/old``.
        mailbox: its URI; empty for that of the account.
    """

    account: str
    waiting: bool
    counts: tuple[tuple[str, str], ...] = ()
    mailbox: str = ""


# Results.


class Begun(NamedTuple):
    """It is on its way; events name it by `id`."""

    id: str


# Events.


class RequestAnswered(NamedTuple):
    """The final response to a request that Send or InCall sent, exactly one each.

    Attributes:
        status: 408 where nobody answered, 503 where it could not be sent, 0 where there is no next hop, or its call
            ended before there was an answer.
        headers: of the response, but for those of every response.
        body: what is no UTF-8 in it shows as U+FFFD.
        call: in which it was sent, empty for none.
    """

    seq: int
    request: str
    method: str
    uri: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: str
    time: float
    call: str = ""


class CallRequestReceived(NamedTuple):
    """A request in a call that waits for Respond, for 5 seconds; then it is refused.

    Attributes:
        request: its id.
        method: one of those in the configuration's ``calls.methods``.
        headers: but for those of every request.
        body: what is no UTF-8 in it shows as U+FFFD.
    """

    seq: int
    call: str
    request: str
    method: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: str
    time: float


class ReferReceived(NamedTuple):
    """Somebody asked us, outside of calls, to call `target` (REFER); one that is refused at once is not told.

    Attributes:
        request: where a client decides, its id for Respond: 202 follows it; anything else, or silence, refuses it.
            Empty where nobody is asked.
        remote: the URI of its From.
        referred_by: who wants it, as it says.
        call: the call of ours that it names in its Target-Dialog, empty for none.
        placed: the call that there is, or will be.
    """

    seq: int
    request: str
    remote: str
    target: str
    referred_by: str
    call: str
    placed: str
    time: float


class MessageReceived(NamedTuple):
    """A MESSAGE came and was answered with 200.

    Attributes:
        account: it came for, empty where it is none of ours.
        call: in whose dialog it came, empty for none.
        body: what is no UTF-8 in it shows as U+FFFD.
    """

    seq: int
    remote: str
    display_name: str
    local: str
    account: str
    call: str
    content_type: str
    body: str
    time: float


class SubscriptionChanged(NamedTuple):
    """A subscription is pending or active until `until`, or retrying because of `status` and `reason`."""

    seq: int
    subscription: str
    state: str
    until: float
    status: int
    reason: str
    time: float


class SubscriptionEnded(NamedTuple):
    """The last event of a subscription: refused with `status`, or ended for the `reason` of its last NOTIFY."""

    seq: int
    subscription: str
    status: int
    reason: str
    time: float


class NotifyReceived(NamedTuple):
    """A NOTIFY came.

    Attributes:
        subscription: its id; empty for one that nobody asked for, of a peer of an account.
        account: whose it is, empty where it is none of ours.
        remote: the URI of its From.
        event: the package.
        state: active, pending or terminated.
        body: what is no UTF-8 in it shows as U+FFFD.
    """

    seq: int
    subscription: str
    account: str
    remote: str
    event: str
    state: str
    content_type: str
    body: str
    time: float


class MessagesWaiting(NamedTuple):
    """A mailbox told how many messages wait, after the NotifyReceived that said it.

    Attributes:
        subscription, account: as in NotifyReceived.
        waiting: whether there are new ones.
        mailbox: its URI, empty where it is not told.
        counts: for each class of messages its name, and ``new/old``.
    """

    seq: int
    subscription: str
    account: str
    waiting: bool
    mailbox: str
    counts: tuple[tuple[str, str], ...]
    time: float


class SubscriptionReceived(NamedTuple):
    """Somebody subscribed to a package that the configuration names, and waits for a Notify.

    Attributes:
        subscription: its id.
        remote: the URI of its From.
        local: the Request-URI: whose state is asked for.
        account: it came for, empty where it is none of ours.
        event: the package, with its parameters.
        accept: what it can read.
        expires: seconds that it asked for.
    """

    seq: int
    subscription: str
    remote: str
    local: str
    account: str
    event: str
    accept: str
    expires: int
    time: float


class SubscriberLeft(NamedTuple):
    """The last event of a subscription to us: why it ended, and the status of the NOTIFY that failed, if one did."""

    seq: int
    subscription: str
    status: int
    reason: str
    time: float


class PublicationChanged(NamedTuple):
    """A publication is published until `until`, failing because of `status` and `reason`, or removed."""

    seq: int
    publication: str
    state: str
    until: float
    status: int
    reason: str
    time: float


Command = Send | InCall | Respond | Watch | Unwatch | Publish | Unpublish | Notify | TellWaiting
Event = (
    RequestAnswered
    | CallRequestReceived
    | ReferReceived
    | MessageReceived
    | SubscriptionChanged
    | SubscriptionEnded
    | NotifyReceived
    | MessagesWaiting
    | PublicationChanged
    | SubscriptionReceived
    | SubscriberLeft
)
EVENTS = (
    RequestAnswered,
    CallRequestReceived,
    ReferReceived,
    MessageReceived,
    SubscriptionChanged,
    SubscriptionEnded,
    NotifyReceived,
    MessagesWaiting,
    PublicationChanged,
    SubscriptionReceived,
    SubscriberLeft,
)
