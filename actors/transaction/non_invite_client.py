"""The non-INVITE client transaction: figure 6 of RFC 3261. A CANCEL runs on it too, and its outcome stays here."""

from __future__ import annotations

from enum import IntEnum

from msgspec.structs import replace

from actors.runtime.machine import Arm, Effects, Row, Table
from actors.transaction.events import SendRequest
from actors.transaction.shared import Client, Received, deliver, failed, tell_transport_error, transmit
from actors.transaction.timers import Timers


class State(IntEnum):
    """From COMPLETED on the user has its final response and the machine only lingers."""

    INITIAL = 0
    TRYING = 1
    PROCEEDING = 2
    COMPLETED = 10
    TERMINATED = 20


class Input(IntEnum):
    """What the user, the network and the clock do to the machine."""

    SEND = 0
    PROVISIONAL = 1
    FINAL = 2
    TRANSPORT_ERROR = 3
    TIMER_E = 4
    TIMER_F = 5
    TIMER_K = 6


class NonInviteClient(Client, frozen=True, tag="client"):
    """One request on its way to one target.

    Attributes:
        interval: the current interval of Timer E, in seconds.
        flow: the token of the flow that carries it, as far as known; empty over UDP.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    interval: float = 0.0
    flow: str = ""


Outcome = tuple[NonInviteClient, Effects]


def begin(command: SendRequest, timers: Timers) -> NonInviteClient:
    """A machine that waits for SEND."""
    return NonInviteClient(
        State.INITIAL, (), command.key, timers, command.target, command.raw, flow=command.target.flow
    )


def send_request(machine: NonInviteClient, _argument: object, now: float) -> Outcome:
    """Send the request, start Timer F and, over UDP, Timer E. Of a target with a patience Timer F is that short."""
    timers = machine.timers
    send = transmit(machine)
    arm_f = Arm(Input.TIMER_F, now + timers.timeout)
    if machine.target.reliable:
        return machine, (send, arm_f)
    if 0 < machine.target.patience < timers.timeout and machine.key.method != "CANCEL":  # its INVITE was answered
        arm_f = Arm(Input.TIMER_F, now + machine.target.patience)
    return replace(machine, interval=timers.t1), (send, Arm(Input.TIMER_E, now + timers.t1), arm_f)


def _repeat(machine: NonInviteClient, interval: float, now: float) -> Outcome:
    return replace(machine, interval=interval), (transmit(machine), Arm(Input.TIMER_E, now + interval))


def repeat_request(machine: NonInviteClient, _argument: object, now: float) -> Outcome:
    """Send the request again and double Timer E, up to T2."""
    return _repeat(machine, min(2 * machine.interval, machine.timers.t2), now)


def repeat_request_slowly(machine: NonInviteClient, _argument: object, now: float) -> Outcome:
    """Send the request again each T2: the peer has it, its final response may be lost."""
    return _repeat(machine, machine.timers.t2, now)


def complete(machine: NonInviteClient, _response: Received, now: float) -> Outcome:
    """Absorb repeated responses for Timer K over UDP; a stream repeats nothing."""
    if machine.target.reliable:
        return replace(machine, state=State.TERMINATED), ()
    return replace(machine, state=State.COMPLETED, request=b""), (Arm(Input.TIMER_K, now + machine.timers.t4),)


def wait_on(machine: NonInviteClient, _response: Received, now: float) -> Outcome:
    """The target has shown that it is there: it has all of Timer F."""
    if machine.target.reliable or not machine.target.patience:
        return machine, ()
    return machine, (Arm(Input.TIMER_F, now + machine.timers.timeout),)


def tell_timeout(machine: NonInviteClient, _argument: object, _now: float) -> Outcome:
    """Tell the user that nobody answered."""
    return machine, failed(machine, 408, "no final response in time")


S, I = State, Input  # noqa: E741 - the table reads best with its two words short
FINISHING = (S.COMPLETED, S.TERMINATED)

TABLE: Table[NonInviteClient] = Table(
    "non-INVITE client transaction",
    states=State,
    inputs=Input,
    rows=[
        Row(S.INITIAL, I.SEND, S.TRYING, (send_request,)),
        Row(S.TRYING, I.TIMER_E, None, (repeat_request,)),
        Row(S.TRYING, I.TIMER_F, S.TERMINATED, (tell_timeout,)),
        Row(S.TRYING, I.TRANSPORT_ERROR, S.TERMINATED, (tell_transport_error,)),
        Row(S.TRYING, I.PROVISIONAL, S.PROCEEDING, (deliver, wait_on)),
        Row(S.TRYING, I.FINAL, FINISHING, (deliver, complete)),
        Row(S.PROCEEDING, I.TIMER_E, None, (repeat_request_slowly,)),
        Row(S.PROCEEDING, I.TIMER_F, S.TERMINATED, (tell_timeout,)),
        Row(S.PROCEEDING, I.TRANSPORT_ERROR, S.TERMINATED, (tell_transport_error,)),
        Row(S.PROCEEDING, I.PROVISIONAL, None, (deliver,)),
        Row(S.PROCEEDING, I.FINAL, FINISHING, (deliver, complete)),
        Row(S.COMPLETED, I.TIMER_K, S.TERMINATED),
    ],
    ignored={
        S.INITIAL: set(I) - {I.SEND},
        S.TRYING: {I.SEND, I.TIMER_K},
        S.PROCEEDING: {I.SEND, I.TIMER_K},
        S.COMPLETED: set(I) - {I.TIMER_K},
        S.TERMINATED: set(I),
    },
    timers={
        S.TRYING: {I.TIMER_E, I.TIMER_F},
        S.PROCEEDING: {I.TIMER_E, I.TIMER_F},
        S.COMPLETED: {I.TIMER_K},
    },
)
