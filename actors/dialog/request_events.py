"""What the user agent says about requests outside of calls and takes for them, as :mod:`actors.dialog.events` does."""

from __future__ import annotations

from actors.runtime.machine import Event


class SendRequest(Event, frozen=True):
    """Send a request of any method that begins no call: MESSAGE, OPTIONS, ... CommandDone means that it is on its way.

    Attributes:
        request: its id, by which RequestAnswered names it.
        method: such as ``MESSAGE``.
        uri: the Request-URI.
        account: the address-of-record of the account it is sent by, empty for none.
        headers: more header lines, (name, value).
        content_type: of the body.
        body: empty for none.
    """

    ref: str
    request: str
    method: str
    uri: str
    account: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes = b""


class RequestAnswered(Event, frozen=True):
    """The final response to a request that SendRequest sent, exactly one each.

    Attributes:
        request: its id.
        method: of it.
        uri: its Request-URI.
        status: 408 where nobody answered, 503 where it could not be sent, 0 where there is no next hop.
        reason: in words.
        headers: of the response, (name, value), but for those of every response.
        content_type, body: of the response; what is no UTF-8 in it shows as U+FFFD.
    """

    request: str
    method: str
    uri: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: str
    time: float


class MessageReceived(Event, frozen=True):
    """A MESSAGE came (RFC 3428) and was answered with 200.

    Attributes:
        remote, display_name: of its From.
        local: the URI of its To.
        account: it came for, empty where it is none of ours.
        call: in whose dialog it came, empty for none.
        content_type, body: what is no UTF-8 in it shows as U+FFFD.
    """

    remote: str
    display_name: str
    local: str
    account: str
    call: str
    content_type: str
    body: str
    time: float


RequestCommand = SendRequest
RequestEvent = RequestAnswered | MessageReceived
