"""What the user agent tells its user (control) and accepts from it.

Every command carries a `ref`; each is answered by exactly one CommandDone or CommandFailed with that `ref`.
`call` is the id of a call: chosen by control for a call out (it makes it hash to the right shard), by the dialog for a
call in. It is also the Call-ID of the SIP dialog for a call out.
"""

from __future__ import annotations

from actors.dialog.account_events import AccountCommand, AccountEvent, AccountInfo
from actors.runtime.machine import Event


class Treatment(Event, frozen=True):
    """What is done with the audio of a call once it is up. Empty strings: nothing."""

    echo: bool = False
    play: str = ""
    loop: bool = False
    record: str = ""
    hang_up_after_play: bool = False


# Commands, from control.


class PlaceCall(Event, frozen=True):
    """Place a call. CommandDone means it is begun; what becomes of it, events tell.

    Attributes:
        uri: the SIP URI to call.
        caller: the From URI, empty for the service's own.
        ring_timeout: seconds until an unanswered call is cancelled.
        duration: seconds after the answer until we hang up, 0 for no limit.
        headers: more header lines for the INVITE, (name, value).
        account: the address-of-record of the account it is made by, empty for none.
    """

    ref: str
    call: str
    uri: str
    caller: str
    treatment: Treatment
    ring_timeout: float
    duration: float
    headers: tuple[tuple[str, str], ...]
    account: str = ""


class AnswerCall(Event, frozen=True):
    """Answer a ringing call in."""

    ref: str
    call: str
    treatment: Treatment
    duration: float


class RejectCall(Event, frozen=True):
    """Refuse a call in with a final status of 300 to 699."""

    ref: str
    call: str
    status: int
    reason: str


class HangUp(Event, frozen=True):
    """End a call in whatever state it is: BYE, CANCEL or a refusal."""

    ref: str
    call: str


class SendDigits(Event, frozen=True):
    """Press keys in a call that is up: 0-9, A-D, *, #; a comma waits half a second. Each lasts `duration` ms."""

    ref: str
    call: str
    digits: str
    duration: int


class ListCalls(Event, frozen=True):
    """Ask for every call of the shard; answered by CommandDone with ``calls``: a tuple of CallInfo."""

    ref: str


class Drain(Event, frozen=True):
    """Refuse new calls with 503 from now on (`on`), or take them again; calls in progress go on."""

    ref: str
    on: bool


class CallInfo(Event, frozen=True):
    """One line of a call list. Times are seconds since the Unix epoch, 0 when not yet."""

    call: str
    direction: str  # "in" or "out"
    state: str  # the state of the call's machine, lower case
    remote: str  # the peer's URI
    local: str
    since: float
    answered: float


class CommandDone(Event, frozen=True):
    """The command `ref` took effect."""

    ref: str
    calls: tuple[CallInfo, ...] = ()
    accounts: tuple[AccountInfo, ...] = ()


class CommandFailed(Event, frozen=True):
    """The command `ref` had no effect. `code` is one of no_such_call, bad_state, bad_uri, bad_value, busy, draining."""

    ref: str
    code: str
    message: str


# Events, to control.


class CallReceived(Event, frozen=True):
    """A call in: an INVITE that began a call."""

    call: str
    remote: str
    local: str
    display_name: str
    time: float
    account: str = ""  # that it came for, empty where it is none of ours


class CallProgressed(Event, frozen=True):
    """A provisional response came (call out) or was sent (call in); 180 is ringing, 183 with SDP early media."""

    call: str
    status: int
    reason: str
    time: float


class CallAnswered(Event, frozen=True):
    """The call is up: the 2xx came or was sent. Media flows as `encoding` at `clock_rate`."""

    call: str
    encoding: str
    clock_rate: int
    time: float


class CallEnded(Event, frozen=True):
    """The last event of a call, exactly one each.

    Attributes:
        outcome: answered, busy, no_answer, rejected, unreachable, cancelled or failed.
        status: the SIP status that decided it, 0 where none did.
        by: who ended it: local, remote or error.
        ringing, talking: seconds.
        packets_sent, packets_received, packets_lost: RTP totals, 0 before media.
    """

    call: str
    outcome: str
    status: int
    reason: str
    by: str
    ringing: float
    talking: float
    time: float
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0


class CallPlayFinished(Event, frozen=True):
    """A file was played to its end in a call, or could not be played."""

    call: str
    path: str
    error: str
    time: float


class CallRecordFailed(Event, frozen=True):
    """The recording of a call stopped before its end; the call goes on."""

    call: str
    path: str
    error: str
    time: float


class CallDigitReceived(Event, frozen=True):
    """The peer pressed a key for `duration` ms; `method` says how it came: rfc4733, inband or info."""

    call: str
    digit: str
    duration: int
    method: str
    time: float


class CallNoticed(Event, frozen=True):
    """Something about a call's audio that people should know; the call goes on. `kind` is one word."""

    call: str
    kind: str
    text: str
    time: float


FromControl = PlaceCall | AnswerCall | RejectCall | HangUp | SendDigits | ListCalls | Drain | AccountCommand
CallEvent = (
    CallReceived
    | CallProgressed
    | CallAnswered
    | CallEnded
    | CallPlayFinished
    | CallRecordFailed
    | CallDigitReceived
    | CallNoticed
)
ToControl = CommandDone | CommandFailed | CallEvent | AccountEvent
