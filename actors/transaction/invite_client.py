"""The INVITE client transaction: figure 5 of RFC 3261 as RFC 6026 section 8.4 corrects it, with CANCEL of section 9.1.

Two states are split so that a CANCEL is part of the figure and not a flag beside it: CANCEL_HELD is Calling with a
CANCEL that waits for a provisional response, CANCELLING is Proceeding with the CANCEL sent. ABANDONED is added: the
target was silent for as long as its user had patience, another one is tried, and who answers late is sent away.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec.structs import replace

from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip.build import build_ack_failure
from actors.transaction.effects import BeginCancel, Transmit
from actors.transaction.events import CancelRequest, SendRequest
from actors.transaction.shared import Client, Received, deliver, failed, tell_transport_error, transmit
from actors.transaction.timers import Timers


class State(IntEnum):
    """From COMPLETED on the user has its final response and the machine only lingers."""

    INITIAL = 0
    CALLING = 1
    CANCEL_HELD = 2
    PROCEEDING = 3
    CANCELLING = 4
    COMPLETED = 10
    ACCEPTED = 11
    ABANDONED = 12
    TERMINATED = 20


class Input(IntEnum):
    """What the user, the network and the clock do to the machine."""

    SEND = 0
    PROVISIONAL = 1
    SUCCESS = 2
    FAILURE = 3
    CANCEL = 4
    TRANSPORT_ERROR = 5
    TIMER_A = 6
    TIMER_B = 7
    TIMER_D = 8
    TIMER_M = 9
    TIMER_CANCEL = 10
    IMPATIENT = 11


class InviteClient(Client, frozen=True, tag="invite-client"):
    """One INVITE on its way to one target.

    Attributes:
        ack: the ACK to a failure, in COMPLETED.
        interval: the current interval of Timer A, in seconds.
        flow: the token of the flow that carries it, as far as known; empty over UDP.
        reason: of a CANCEL, the value of its Reason header field (RFC 3326), empty for none.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    ack: bytes = b""
    interval: float = 0.0
    flow: str = ""
    reason: str = ""


Outcome = tuple[InviteClient, Effects]


def begin(command: SendRequest, timers: Timers) -> InviteClient:
    """A machine that waits for SEND."""
    return InviteClient(State.INITIAL, (), command.key, timers, command.target, command.raw, flow=command.target.flow)


def send_invite(machine: InviteClient, _argument: object, now: float) -> Outcome:
    """Send the INVITE, start Timer B and, over UDP, Timer A."""
    timers = machine.timers
    send = transmit(machine)
    arm_b = Arm(Input.TIMER_B, now + timers.timeout)
    if machine.target.reliable:
        return machine, (send, arm_b)
    effects: Effects = (send, Arm(Input.TIMER_A, now + timers.t1), arm_b)
    if 0 < machine.target.patience < timers.timeout:
        effects += (Arm(Input.IMPATIENT, now + machine.target.patience),)
    return replace(machine, interval=timers.t1), effects


def repeat_invite(machine: InviteClient, _argument: object, now: float) -> Outcome:
    """Send the INVITE again and double Timer A."""
    interval = 2 * machine.interval
    return replace(machine, interval=interval), (transmit(machine), Arm(Input.TIMER_A, now + interval))


def accept(machine: InviteClient, _response: Received, now: float) -> Outcome:
    """Start Timer M; the request is needed no more."""
    return replace(machine, request=b"", reason=""), (Arm(Input.TIMER_M, now + machine.timers.timeout),)


def acknowledge(machine: InviteClient, response: Received, now: float) -> Outcome:
    """Send the ACK to a failure (section 17.1.1.3); over UDP stay with it in Completed for Timer D."""
    ack = build_ack_failure(machine.request, response[2])
    send = Transmit(machine.key, machine.target, ack)
    if machine.target.reliable:
        return replace(machine, state=State.TERMINATED), (send,)
    arm_d = Arm(Input.TIMER_D, now + machine.timers.timer_d)
    return replace(machine, state=State.COMPLETED, request=b"", ack=ack, reason=""), (send, arm_d)


def repeat_ack(machine: InviteClient, _response: Received, _now: float) -> Outcome:
    """Send the ACK again."""
    return machine, (Transmit(machine.key, machine.target, machine.ack),)


def hold_cancel(machine: InviteClient, command: CancelRequest, _now: float) -> Outcome:
    """Keep the CANCEL back: nothing shows yet that the INVITE arrived (section 9.1)."""
    return replace(machine, reason=command.reason), ()


def _cancel(machine: InviteClient, reason: str, now: float) -> Outcome:
    begin_cancel = BeginCancel(machine.key, machine.target, machine.request, reason)
    return machine, (begin_cancel, Arm(Input.TIMER_CANCEL, now + machine.timers.timeout))


def send_cancel(machine: InviteClient, command: CancelRequest, now: float) -> Outcome:
    """Send the CANCEL and give the peer 64*T1 for its final response (section 9.1)."""
    return _cancel(machine, command.reason, now)


def send_held_cancel(machine: InviteClient, _response: Received, now: float) -> Outcome:
    """Send the CANCEL that was held back."""
    return _cancel(machine, machine.reason, now)


def tell_timeout(machine: InviteClient, _argument: object, _now: float) -> Outcome:
    """Tell the user that nobody answered."""
    return machine, failed(machine, 408, "no response within 64*T1")


def tell_silent(machine: InviteClient, _argument: object, _now: float) -> Outcome:
    """Tell the user that it may try another target: nothing came while it had patience (RFC 3263 section 4.3)."""
    return machine, failed(machine, 408, f"no response within {machine.target.patience:g} s")


def tell_cancelled(machine: InviteClient, _argument: object, _now: float) -> Outcome:
    """Tell the user that the INVITE counts as cancelled: an RFC 2543 peer sends no 487 (section 9.1)."""
    return machine, failed(machine, 408, "no final response within 64*T1 of the CANCEL")


def fail_stream(machine: InviteClient, reason: str, now: float) -> Outcome:
    """Fail where the connection is gone.

    Over UDP the peer has answered already, so that a late ICMP error says nothing about the INVITE.
    """
    if not machine.target.reliable:
        return machine, ()
    return tell_transport_error(replace(machine, state=State.TERMINATED), reason, now)


S, I = State, Input  # noqa: E741 - the table reads best with its two words short
FINISHING = (S.COMPLETED, S.TERMINATED)

TABLE: Table[InviteClient] = Table(
    "INVITE client transaction",
    states=State,
    inputs=Input,
    rows=[
        Row(S.INITIAL, I.SEND, S.CALLING, (send_invite,)),
        Row(S.CALLING, I.TIMER_A, None, (repeat_invite,)),
        Row(S.CALLING, I.TIMER_B, S.TERMINATED, (tell_timeout,)),
        Row(S.CALLING, I.TRANSPORT_ERROR, S.TERMINATED, (tell_transport_error,)),
        Row(S.CALLING, I.PROVISIONAL, S.PROCEEDING, (deliver,)),
        Row(S.CALLING, I.SUCCESS, S.ACCEPTED, (deliver, accept)),
        Row(S.CALLING, I.FAILURE, FINISHING, (acknowledge, deliver)),
        Row(S.CALLING, I.CANCEL, S.CANCEL_HELD, (hold_cancel,)),
        Row(S.CALLING, I.IMPATIENT, S.ABANDONED, (tell_silent,)),
        Row(S.CANCEL_HELD, I.TIMER_A, None, (repeat_invite,)),
        Row(S.CANCEL_HELD, I.TIMER_B, S.TERMINATED, (tell_timeout,)),
        Row(S.CANCEL_HELD, I.TRANSPORT_ERROR, S.TERMINATED, (tell_transport_error,)),
        Row(S.CANCEL_HELD, I.PROVISIONAL, S.CANCELLING, (deliver, send_held_cancel)),
        Row(S.CANCEL_HELD, I.SUCCESS, S.ACCEPTED, (deliver, accept)),
        Row(S.CANCEL_HELD, I.FAILURE, FINISHING, (acknowledge, deliver)),
        Row(S.PROCEEDING, I.PROVISIONAL, None, (deliver,)),
        Row(S.PROCEEDING, I.SUCCESS, S.ACCEPTED, (deliver, accept)),
        Row(S.PROCEEDING, I.FAILURE, FINISHING, (acknowledge, deliver)),
        Row(S.PROCEEDING, I.TRANSPORT_ERROR, (S.PROCEEDING, S.TERMINATED), (fail_stream,)),
        Row(S.PROCEEDING, I.CANCEL, S.CANCELLING, (send_cancel,)),
        Row(S.CANCELLING, I.PROVISIONAL, None, (deliver,)),
        Row(S.CANCELLING, I.SUCCESS, S.ACCEPTED, (deliver, accept)),
        Row(S.CANCELLING, I.FAILURE, FINISHING, (acknowledge, deliver)),
        Row(S.CANCELLING, I.TRANSPORT_ERROR, (S.CANCELLING, S.TERMINATED), (fail_stream,)),
        Row(S.CANCELLING, I.TIMER_CANCEL, S.TERMINATED, (tell_cancelled,)),
        Row(S.COMPLETED, I.FAILURE, None, (repeat_ack,)),
        # A proxy forwards a 2xx of another fork even after a failure (section 16.7 step 5): somebody has to end it.
        Row(S.COMPLETED, I.SUCCESS, None, (deliver,)),
        # The user has its final response; that the ACK could not be sent is nothing to it.
        Row(S.COMPLETED, I.TRANSPORT_ERROR, S.TERMINATED),
        Row(S.COMPLETED, I.TIMER_D, S.TERMINATED),
        Row(S.ACCEPTED, I.SUCCESS, None, (deliver,)),
        Row(S.ACCEPTED, I.TIMER_M, S.TERMINATED),
        # It is not repeated any more; whoever got it and answers while Timer B runs is told that it is over.
        Row(S.ABANDONED, I.PROVISIONAL, S.CANCELLING, (send_held_cancel,)),
        Row(S.ABANDONED, I.SUCCESS, S.ACCEPTED, (deliver, accept)),
        Row(S.ABANDONED, I.FAILURE, FINISHING, (acknowledge,)),
        Row(S.ABANDONED, I.TRANSPORT_ERROR, S.TERMINATED),
        Row(S.ABANDONED, I.TIMER_B, S.TERMINATED),
    ],
    ignored={
        S.INITIAL: set(I) - {I.SEND},
        S.CALLING: {I.SEND, I.TIMER_D, I.TIMER_M, I.TIMER_CANCEL},
        S.CANCEL_HELD: {I.SEND, I.CANCEL, I.TIMER_D, I.TIMER_M, I.TIMER_CANCEL, I.IMPATIENT},
        S.PROCEEDING: {I.SEND, I.TIMER_A, I.TIMER_B, I.TIMER_D, I.TIMER_M, I.TIMER_CANCEL, I.IMPATIENT},
        S.CANCELLING: {I.SEND, I.CANCEL, I.TIMER_A, I.TIMER_B, I.TIMER_D, I.TIMER_M, I.IMPATIENT},
        # Timer M bounds what may still come; a CANCEL after a final response is no-op (section 9.1).
        S.COMPLETED: {I.SEND, I.PROVISIONAL, I.CANCEL, I.TIMER_A, I.TIMER_B, I.TIMER_M, I.TIMER_CANCEL, I.IMPATIENT},
        S.ACCEPTED: set(I) - {I.SUCCESS, I.TIMER_M},
        S.ABANDONED: {I.SEND, I.CANCEL, I.TIMER_A, I.TIMER_D, I.TIMER_M, I.TIMER_CANCEL, I.IMPATIENT},
        S.TERMINATED: set(I),
    },
    timers={
        S.CALLING: {I.TIMER_A, I.TIMER_B, I.IMPATIENT},
        S.CANCEL_HELD: {I.TIMER_A, I.TIMER_B},
        S.CANCELLING: {I.TIMER_CANCEL},
        S.COMPLETED: {I.TIMER_D},
        S.ACCEPTED: {I.TIMER_M},
        S.ABANDONED: {I.TIMER_B},
    },
)
