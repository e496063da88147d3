"""The commands about requests beside the calls: MESSAGE and any other, SUBSCRIBE, NOTIFY, PUBLISH. See `verbs`."""

from collections.abc import Iterable

from actors.control import messaging
from actors.control.asking import Wish, none
from actors.control.records import Nothing


def request(
    call: str,
    method: str,
    body: str = "",
    *,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    key: str = "",
) -> Wish[str]:
    """Send a request in a call that is up, and return its id; RequestAnswered tells its final response.

    Args:
        call: the call's id.
        method: such as INFO; hold, transfer and other commands send those that a call is made of.
        body: text; each end of a line becomes CR LF.
        headers: more header lines, (name, value).
        content_type: of the body; empty: text/plain.
        key: the idempotency key.
    """
    lines = tuple(body.splitlines())
    return Wish(messaging.InCall(call, method, tuple(headers), content_type, lines), messaging.Begun, _id, key)


def respond(
    call: str,
    request: str,
    status: int = 200,
    reason: str = "",
    *,
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    body: str = "",
    key: str = "",
) -> Wish[None]:
    """Answer a request that CallRequestReceived, CallTransferRequested or ReferReceived told of.

    After 5 seconds the service has refused it. A REFER is followed with 202. One outside of calls has no `call`: "".
    """
    lines = tuple(body.splitlines())
    command = messaging.Respond(call, request, status, reason, tuple(headers), content_type, lines)
    return Wish(command, Nothing, none, key)


def send(
    method: str,
    uri: str,
    body: str = "",
    *,
    account: str = "",
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "",
    key: str = "",
) -> Wish[str]:
    """Send a request of any method that begins no call, and return its id; RequestAnswered tells its final response.

    Args:
        method: such as MESSAGE or OPTIONS.
        uri: the Request-URI.
        body: text; each end of a line becomes CR LF.
        account: the address-of-record of the account to send it by; empty: none.
        headers: more header lines, (name, value).
        content_type: of the body; empty: text/plain.
        key: the idempotency key.
    """
    lines = tuple(body.splitlines())
    command = messaging.Send(method, uri, account, tuple(headers), content_type, lines)
    return Wish(command, messaging.Begun, _id, key)


def _id(parts: list[messaging.Begun]) -> str:
    return parts[0].id


def watch(
    uri: str, event: str, *, account: str = "", expires: int = 3600, accept: Iterable[str] = (), key: str = ""
) -> Wish[str]:
    """Subscribe to an event package and return the id of the subscription; NotifyReceived and others tell the rest.

    Args:
        uri: the Request-URI.
        event: the package, such as message-summary.
        account: the address-of-record of the account that subscribes; empty: none.
        expires: seconds to ask for; it is refreshed until `unwatch`. 0 fetches the state once.
        accept: content types; empty: the package's own.
        key: the idempotency key.
    """
    command = messaging.Watch(uri, event, account, expires, tuple(accept))
    return Wish(command, messaging.Begun, _id, key)


def unwatch(subscription: str, *, key: str = "") -> Wish[None]:
    """End a subscription; SubscriptionEnded follows."""
    return Wish(messaging.Unwatch(subscription), Nothing, none, key)


def publish(
    uri: str,
    event: str,
    body: str,
    *,
    content_type: str = "application/pidf+xml",
    account: str = "",
    expires: int = 3600,
    publication: str = "",
    key: str = "",
) -> Wish[str]:
    """Publish a state, or with `publication` a new one of what is published, and return the id of the publication.

    Args:
        uri: of whom the state is.
        event: the package, such as presence.
        body: the state; each end of a line becomes CR LF.
        content_type: of it.
        account: the address-of-record of the account that publishes; empty: none.
        expires: seconds to ask for; it is refreshed until `unpublish`.
        publication: the id of one that is there.
        key: the idempotency key.
    """
    lines = tuple(body.splitlines())
    command = messaging.Publish(uri, event, lines, content_type, account, expires, publication)
    return Wish(command, messaging.Begun, _id, key)


def notify(
    subscription: str,
    body: str = "",
    *,
    content_type: str = "application/pidf+xml",
    reason: str = "",
    key: str = "",
) -> Wish[None]:
    """Tell a subscriber to us a state; the first makes its subscription active, a `reason` ends it."""
    lines = tuple(body.splitlines())
    return Wish(messaging.Notify(subscription, lines, content_type, reason), Nothing, none, key)


def tell_waiting(
    account: str, new: int = 0, old: int = 0, *, kind: str = "voice-message", mailbox: str = "", key: str = ""
) -> Wish[None]:
    """Tell how many messages wait in the mailbox of an account (RFC 3842), to its subscribers and its `waiting_to`.

    Args:
        account: its address-of-record.
        new: how many were not heard yet.
        old: how many were.
        kind: of what, such as ``fax-message``.
        mailbox: its URI; empty for that of the account.
        key: the idempotency key.
    """
    command = messaging.TellWaiting(account, new > 0, ((kind, f"{new}/{old}"),), mailbox)
    return Wish(command, Nothing, none, key)


def unpublish(publication: str, *, key: str = "") -> Wish[None]:
    """Remove a publication."""
    return Wish(messaging.Unpublish(publication), Nothing, none, key)
