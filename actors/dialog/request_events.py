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


class SendInCall(Event, frozen=True):
    """Send a request in a call that is up. CommandDone means that it is sent, or waits for the one before it.

    Attributes:
        call: the call's id.
        request: its id, by which RequestAnswered names it.
        method: such as ``INFO``; any but those that a call is made of, which have commands of their own.
        headers: more header lines, (name, value).
        content_type: of the body.
        body: empty for none.
    """

    ref: str
    call: str
    request: str
    method: str
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes = b""


class AnswerRequest(Event, frozen=True):
    """Answer a request that CallRequestReceived, CallTransferRequested or ReferReceived told of.

    Attributes:
        call: the call's id, empty for a request outside of calls.
        request: the request's.
        status: 200 to 699.
        reason: in words; empty for the usual ones.
        headers: more header lines, (name, value).
        content_type: of the body.
        body: empty for none.
    """

    ref: str
    call: str
    request: str
    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes = b""


class RequestAnswered(Event, frozen=True):
    """The final response to a request that SendRequest or SendInCall sent, exactly one each.

    Attributes:
        request: its id.
        method: of it.
        uri: its Request-URI.
        status: 408 where nobody answered, 503 where it could not be sent, 0 where there is no next hop, or its call
            ended before there was an answer.
        reason: in words.
        headers: of the response, (name, value), but for those of every response.
        content_type, body: of the response; what is no UTF-8 in it shows as U+FFFD.
        call: in which it was sent, empty for none.
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
    call: str = ""


class CallRequestReceived(Event, frozen=True):
    """A request in a call, of a method that the application answers, and soon: what nobody answers gets a refusal.

    Attributes:
        call: the call's id.
        request: its id, for AnswerRequest.
        method: such as ``INFO``.
        headers: (name, value), but for those of every request.
        content_type, body: what is no UTF-8 in it shows as U+FFFD.
    """

    call: str
    request: str
    method: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: str
    time: float


class ReferReceived(Event, frozen=True):
    """Somebody asked us, outside of calls, to call `target` (REFER, RFC 3515); one that is refused at once is not told.

    Attributes:
        request: where the application decides, its id: AnswerRequest with 202 follows it, with another status, and
            without an answer in 5 s, it is refused. Empty where nobody is asked.
        remote: the URI of its From.
        target: a SIP URI that the policy allows.
        referred_by: who wants it, as it says.
        call: the call of ours that it names (RFC 4538), empty for none.
        placed: the call that there is, or will be.
    """

    request: str
    remote: str
    target: str
    referred_by: str
    call: str
    placed: str
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


RequestCommand = SendRequest | SendInCall | AnswerRequest
RequestEvent = RequestAnswered | MessageReceived | CallRequestReceived | ReferReceived
