"""What figures have in common: what a client and a server are, sending the last message again, telling, failing."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from actors.runtime.machine import Effects, Machine
from actors.sip.vocabulary import Flow, Head, Target, TransactionKey
from actors.transaction.answers import trying
from actors.transaction.effects import Reply, Tell, Transmit
from actors.transaction.events import ResponseReceived, TransactionFailed
from actors.transaction.timers import Timers

Received = tuple[Flow, Head, bytes]
"""A message as it came: its flow, its routing head, the whole of it."""


class Client(Machine, frozen=True):
    """A request on its way to one target.

    Attributes:
        request: its bytes, until the final response.
    """

    key: TransactionKey
    timers: Timers
    target: Target
    request: bytes


class Server(Machine, frozen=True):
    """A request that came to us.

    Attributes:
        flow: the way it came, and its responses go.
        request: its bytes, until the final response.
        response: the bytes of the last response, where a repeated request is answered with them.
    """

    key: TransactionKey
    timers: Timers
    flow: Flow
    request: bytes
    response: bytes = b""


def transmit(machine: Client) -> Transmit:
    """The request of a client, on its way to the one target it ever has."""
    return Transmit(machine.key, machine.target, machine.request)


def deliver(machine: Any, response: Received, _now: float) -> tuple[Any, Effects]:  # noqa: ANN401 - either client
    """Tell the user of a response, but for a CANCEL's; over a stream remember the flow it came by."""
    flow, head, raw = response
    if machine.flow != flow.token and flow.reliable:
        machine = replace(machine, flow=flow.token)
    if machine.key.method == "CANCEL":
        return machine, ()
    return machine, (Tell(ResponseReceived(machine.key, head, raw)),)


def repeat_response(machine: Any, _argument: object, _now: float) -> tuple[Any, Effects]:  # noqa: ANN401 - either server
    """Send the last response again, byte for byte."""
    if not machine.response:
        return machine, ()
    return machine, (Reply(machine.key, machine.flow, machine.response),)


def send_trying(machine: Any, argument: object, now: float) -> tuple[Any, Effects]:  # noqa: ANN401 - either server
    """Send 100: to an INVITE so that it is not repeated, to another request late (RFC 4320 section 4.1)."""
    return repeat_response(replace(machine, response=trying(machine.request)), argument, now)


def failed(machine: Any, status: int, reason: str) -> Effects:  # noqa: ANN401 - any machine
    """The news that a transaction failed, but for a CANCEL's: the transaction of its INVITE tells what came of it."""
    key = machine.key
    if key.method == "CANCEL":
        return ()
    return (Tell(TransactionFailed(key, client=not key.sent_by, status=status, reason=reason)),)


def tell_transport_error(machine: Any, reason: str, _now: float) -> tuple[Any, Effects]:  # noqa: ANN401 - any machine
    """Tell the user that the transport failed (RFC 3261 sections 17.1.4 and 17.2.4).

    A client ends by it. A server stays to absorb repeated requests (RFC 6026 section 7.1).
    """
    return machine, failed(machine, 503, reason)
