"""The INVITE server transaction: figure 7 of RFC 3261 as RFC 6026 section 8.6 corrects it."""

from __future__ import annotations

from enum import IntEnum

from msgspec.structs import replace

from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import parse
from actors.sip.vocabulary import Flow, Head, TransactionKey
from actors.transaction.answers import to_tag_of
from actors.transaction.effects import Reply, Tell
from actors.transaction.events import AckReceived, CancelReceived, RequestReceived, Respond
from actors.transaction.keys import LEGACY
from actors.transaction.shared import Received, Server, failed, repeat_response, send_trying, tell_transport_error
from actors.transaction.timers import Timers


class State(IntEnum):
    """From COMPLETED on the final response is sent and the machine only lingers."""

    INITIAL = 0
    PROCEEDING = 1
    COMPLETED = 10
    CONFIRMED = 11
    ACCEPTED = 12
    TERMINATED = 20


class Input(IntEnum):
    """What the network, the user and the clock do to the machine. TIMER_TRYING is the 200 ms of section 17.2.1."""

    REQUEST = 0
    ACK = 1
    CANCEL = 2
    PROVISIONAL = 3
    SUCCESS = 4
    FAILURE = 5
    TRANSPORT_ERROR = 6
    TIMER_TRYING = 7
    TIMER_G = 8
    TIMER_H = 9
    TIMER_I = 10
    TIMER_L = 11


class InviteServer(Server, frozen=True, tag="invite-server"):
    """One INVITE that came to us.

    Attributes:
        interval: the current interval of Timer G, in seconds.
        merged: the key of the record that finds this transaction for a merged request, empty without one.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    interval: float = 0.0
    merged: bytes = b""


Outcome = tuple[InviteServer, Effects]


def begin(key: TransactionKey, flow: Flow, raw: bytes, timers: Timers, merged: bytes = b"") -> InviteServer:
    """A machine that waits for its REQUEST."""
    return InviteServer(State.INITIAL, (), key, timers, flow, raw, merged=merged)


def tell_request(machine: InviteServer, received: Received, now: float) -> Outcome:
    """Tell the user of the INVITE; it has 200 ms before 100 is sent for it."""
    flow, head, raw = received
    tell = Tell(RequestReceived(machine.key, flow, head, raw))
    return machine, (tell, Arm(Input.TIMER_TRYING, now + machine.timers.trying_after))


def send_provisional(machine: InviteServer, respond: Respond, _now: float) -> Outcome:
    """Send and remember the user's provisional response; 100 is needed no more."""
    send = Reply(machine.key, machine.flow, respond.raw)
    # Both timers of Proceeding end: the 100, and the wait for this answer after a transport error.
    return replace(machine, response=respond.raw, deadlines=()), (send,)


def send_success(machine: InviteServer, respond: Respond, _now: float) -> Outcome:
    """Send the user's 2xx; it is the user who repeats it (RFC 6026 section 7.1)."""
    return machine, (Reply(machine.key, machine.flow, respond.raw),)


def accept(machine: InviteServer, _respond: Respond, now: float) -> Outcome:
    """Start Timer L; neither the request nor a response is needed any more."""
    return replace(machine, request=b"", response=b""), (Arm(Input.TIMER_L, now + machine.timers.timeout),)


def send_failure(machine: InviteServer, respond: Respond, now: float) -> Outcome:
    """Send and remember the failure; start Timer H and, over UDP, Timer G."""
    timers = machine.timers
    send = Reply(machine.key, machine.flow, respond.raw)
    arm_h = Arm(Input.TIMER_H, now + timers.timeout)
    machine = replace(machine, request=b"", response=respond.raw, interval=timers.t1)
    if machine.flow.reliable:
        return machine, (send, arm_h)
    return machine, (send, Arm(Input.TIMER_G, now + timers.t1), arm_h)


def repeat_failure(machine: InviteServer, _argument: object, now: float) -> Outcome:
    """Send the failure again and double Timer G, up to T2."""
    interval = min(2 * machine.interval, machine.timers.t2)
    send = Reply(machine.key, machine.flow, machine.response)
    return replace(machine, interval=interval), (send, Arm(Input.TIMER_G, now + interval))


def confirm(machine: InviteServer, _received: Received, now: float) -> Outcome:
    """Stop repeating the failure; over UDP absorb further ACKs for Timer I."""
    if machine.flow.reliable:
        return replace(machine, state=State.TERMINATED), ()
    arm_i = Arm(Input.TIMER_I, now + machine.timers.t4)
    return replace(machine, state=State.CONFIRMED, response=b""), (arm_i,)


def tell_ack(machine: InviteServer, received: Received, _now: float) -> Outcome:
    """Pass the ACK to a 2xx up: it came with the branch of its INVITE (RFC 6026 sections 6 and 7.1)."""
    return machine, (Tell(AckReceived(*received)),)


def tell_cancel(machine: InviteServer, received: Received, _now: float) -> Outcome:
    """Tell the user that the client wants no answer any more (section 9.2)."""
    _, head, raw = received
    return machine, (Tell(CancelReceived(machine.key, head, raw)),)


def tell_no_ack(machine: InviteServer, _argument: object, _now: float) -> Outcome:
    """Tell the user that its failure was never acknowledged."""
    return machine, failed(machine, 408, "no ACK within 64*T1")


def abandon_later(machine: InviteServer, _reason: str, now: float) -> Outcome:
    """End in 64*T1 unless the user answers all the same: RFC 6026 leaves Proceeding without a timer."""
    return machine, (Arm(Input.TIMER_L, now + machine.timers.timeout),)


S, I = State, Input  # noqa: E741 - the table reads best with its two words short

TABLE: Table[InviteServer] = Table(
    "INVITE server transaction",
    states=State,
    inputs=Input,
    rows=[
        Row(S.INITIAL, I.REQUEST, S.PROCEEDING, (tell_request,)),
        Row(S.PROCEEDING, I.REQUEST, None, (repeat_response,)),
        Row(S.PROCEEDING, I.TIMER_TRYING, None, (send_trying,)),
        Row(S.PROCEEDING, I.PROVISIONAL, None, (send_provisional,)),
        Row(S.PROCEEDING, I.SUCCESS, S.ACCEPTED, (send_success, accept)),
        Row(S.PROCEEDING, I.FAILURE, S.COMPLETED, (send_failure,)),
        Row(S.PROCEEDING, I.CANCEL, None, (tell_cancel,)),
        Row(S.PROCEEDING, I.TRANSPORT_ERROR, None, (tell_transport_error, abandon_later)),
        Row(S.PROCEEDING, I.TIMER_L, S.TERMINATED),
        Row(S.COMPLETED, I.REQUEST, None, (repeat_response,)),
        Row(S.COMPLETED, I.ACK, (S.CONFIRMED, S.TERMINATED), (confirm,)),
        Row(S.COMPLETED, I.TIMER_G, None, (repeat_failure,)),
        Row(S.COMPLETED, I.TIMER_H, S.TERMINATED, (tell_no_ack,)),
        Row(S.COMPLETED, I.TRANSPORT_ERROR, None, (tell_transport_error,)),
        Row(S.CONFIRMED, I.TIMER_I, S.TERMINATED),
        Row(S.ACCEPTED, I.ACK, None, (tell_ack,)),
        Row(S.ACCEPTED, I.SUCCESS, None, (send_success,)),
        Row(S.ACCEPTED, I.TRANSPORT_ERROR, None, (tell_transport_error,)),
        Row(S.ACCEPTED, I.TIMER_L, S.TERMINATED),
    ],
    ignored={
        S.INITIAL: set(I) - {I.REQUEST},
        S.PROCEEDING: {I.ACK, I.TIMER_G, I.TIMER_H, I.TIMER_I},
        # A final response is sent: a CANCEL has no effect (section 9.2), nor has another response of the user.
        S.COMPLETED: {I.CANCEL, I.PROVISIONAL, I.SUCCESS, I.FAILURE, I.TIMER_TRYING, I.TIMER_I, I.TIMER_L},
        S.CONFIRMED: set(I) - {I.TIMER_I},
        # A repeated INVITE is absorbed.
        S.ACCEPTED: {
            *(I.REQUEST, I.CANCEL, I.PROVISIONAL, I.FAILURE),
            *(I.TIMER_TRYING, I.TIMER_G, I.TIMER_H, I.TIMER_I),
        },
        S.TERMINATED: set(I),
    },
    timers={
        S.PROCEEDING: {I.TIMER_TRYING, I.TIMER_L},
        S.COMPLETED: {I.TIMER_G, I.TIMER_H},
        S.CONFIRMED: {I.TIMER_I},
        S.ACCEPTED: {I.TIMER_L},
    },
)


def acknowledges(machine: InviteServer, head: Head) -> bool:
    """Whether an ACK is one to this machine. A branch of RFC 3261 says so; before it the To tag does (s17.2.3)."""
    if not machine.key.branch.startswith(LEGACY) or machine.state != State.COMPLETED:
        return True
    return to_tag_of(machine.response) == head.to_tag


def is_cancelled_by(machine: InviteServer, head: Head) -> bool:
    """Whether a CANCEL has the Call-ID, CSeq and From tag of the INVITE: the branch alone may be guessed."""
    if not machine.request:
        return True  # it has its final response, and the CANCEL no effect
    of = parse(machine.request).head
    return (of.call_id, of.cseq, of.from_tag) == (head.call_id, head.cseq, head.from_tag)
