"""The non-INVITE server transaction: figure 8 of RFC 3261 under the rules of RFC 4320.

The user sends no provisional response here: the one 100 that RFC 4320 section 4.1 allows and asks for is the machine's
own. A 408 is never sent (section 4.2), so a machine whose user does not answer ends by itself when the client has
given up.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec.structs import replace

from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip.vocabulary import Flow, TransactionKey
from actors.transaction.effects import Reply, Tell
from actors.transaction.events import RequestReceived, Respond
from actors.transaction.shared import Received, Server, failed, repeat_response, send_trying, tell_transport_error
from actors.transaction.timers import Timers


class State(IntEnum):
    """From COMPLETED on the final response is sent and the machine only lingers."""

    INITIAL = 0
    TRYING = 1
    PROCEEDING = 2
    COMPLETED = 10
    TERMINATED = 20


class Input(IntEnum):
    """What the network, the user and the clock do to the machine.

    FINAL without a REQUEST begins a transaction that the layer answers itself: that of a CANCEL. TIMER_TRYING is RFC
    4320's wait for a late 100; TIMER_GIVEN_UP fires when the client's Timer F has.
    """

    REQUEST = 0
    FINAL = 1
    TRANSPORT_ERROR = 2
    TIMER_TRYING = 3
    TIMER_GIVEN_UP = 4
    TIMER_J = 5


class NonInviteServer(Server, frozen=True, tag="server"):
    """One request that came to us.

    Attributes:
        merged: the key of the record that finds this transaction for a merged request, empty without one.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    merged: bytes = b""


Outcome = tuple[NonInviteServer, Effects]


def begin(key: TransactionKey, flow: Flow, raw: bytes, timers: Timers, merged: bytes = b"") -> NonInviteServer:
    """A machine that waits for its REQUEST."""
    return NonInviteServer(State.INITIAL, (), key, timers, flow, raw, merged=merged)


def tell_request(machine: NonInviteServer, received: Received, now: float) -> Outcome:
    """Tell the user of the request."""
    flow, head, raw = received
    timers = machine.timers
    tell = Tell(RequestReceived(machine.key, flow, head, raw))
    arm_trying = Arm(Input.TIMER_TRYING, now + timers.late_trying)
    return machine, (tell, arm_trying, Arm(Input.TIMER_GIVEN_UP, now + timers.timeout))


def send_final(machine: NonInviteServer, respond: Respond, now: float) -> Outcome:
    """Send and remember the final response; over UDP answer repeated requests with it for Timer J."""
    send = Reply(machine.key, machine.flow, respond.raw)
    if machine.flow.reliable:
        return replace(machine, state=State.TERMINATED), (send,)
    arm_j = Arm(Input.TIMER_J, now + machine.timers.timeout)
    return replace(machine, state=State.COMPLETED, request=b"", response=respond.raw), (send, arm_j)


def tell_given_up(machine: NonInviteServer, _argument: object, _now: float) -> Outcome:
    """Tell the user that it need not answer any more."""
    return machine, failed(machine, 408, "not answered within 64*T1")


S, I = State, Input  # noqa: E741 - the table reads best with its two words short
FINISHING = (S.COMPLETED, S.TERMINATED)

TABLE: Table[NonInviteServer] = Table(
    "non-INVITE server transaction",
    states=State,
    inputs=Input,
    rows=[
        Row(S.INITIAL, I.REQUEST, S.TRYING, (tell_request,)),
        Row(S.INITIAL, I.FINAL, FINISHING, (send_final,)),
        Row(S.TRYING, I.TIMER_TRYING, S.PROCEEDING, (send_trying,)),
        Row(S.TRYING, I.TIMER_GIVEN_UP, S.TERMINATED, (tell_given_up,)),
        Row(S.TRYING, I.FINAL, FINISHING, (send_final,)),
        Row(S.PROCEEDING, I.REQUEST, None, (repeat_response,)),
        Row(S.PROCEEDING, I.TIMER_GIVEN_UP, S.TERMINATED, (tell_given_up,)),
        Row(S.PROCEEDING, I.FINAL, FINISHING, (send_final,)),
        Row(S.PROCEEDING, I.TRANSPORT_ERROR, None, (tell_transport_error,)),
        Row(S.COMPLETED, I.REQUEST, None, (repeat_response,)),
        Row(S.COMPLETED, I.TRANSPORT_ERROR, None, (tell_transport_error,)),
        Row(S.COMPLETED, I.TIMER_J, S.TERMINATED),
    ],
    ignored={
        S.INITIAL: set(I) - {I.REQUEST, I.FINAL},
        # A repeated request is absorbed: no response may be sent yet.
        S.TRYING: {I.REQUEST, I.TRANSPORT_ERROR, I.TIMER_J},
        S.PROCEEDING: {I.TIMER_TRYING, I.TIMER_J},
        S.COMPLETED: {I.FINAL, I.TIMER_TRYING, I.TIMER_GIVEN_UP},
        S.TERMINATED: set(I),
    },
    timers={
        S.TRYING: {I.TIMER_TRYING, I.TIMER_GIVEN_UP},
        S.PROCEEDING: {I.TIMER_GIVEN_UP},
        S.COMPLETED: {I.TIMER_J},
    },
)
