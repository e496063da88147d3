"""What observers are told of a machine: one line for each input it is given, with the states before and after."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from actors.sip.vocabulary import TransactionKey
from actors.transaction.effects import NOBODY
from actors.transaction.events import Respond
from actors.transaction.machines import TABLES


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One step of one machine; where `before` and `after` are the same, the input was absorbed or answered again.

    Attributes:
        machine: the figure: ``INVITE client transaction`` and so on; empty for a message that belongs to none, such as
            the ACK to a 2xx (RFC 3261 section 17.1.1.3): it was received (``RECEIVE``) or sent (``SEND``).
        key: of the transaction; `sent_by` is empty for a client's.
        before, after: states of the figure.
        event: the input, with the figure's name: ``PROVISIONAL``, ``TIMER_A``.
        message: the SIP message that was the input; empty for a timer, a transport error and a wish to cancel.
        time: seconds on the shell's clock.
    """

    machine: str
    key: TransactionKey
    before: str
    event: str
    after: str
    message: bytes
    time: float


Watcher = Callable[[Transition], None]


def transition(before: Any, event: Enum, after: Any, argument: object, now: float) -> Transition:  # noqa: ANN401 - any machine
    """What to publish of a step that made `after` of `before`."""
    name = TABLES[type(before)].name
    message = _message(before, event, argument)
    return Transition(name, before.key, before.state.name, event.name, after.state.name, message, now)


def apart(event: str, raw: bytes, now: float) -> Transition:
    """What to publish of a message that belongs to no machine: `event` is ``RECEIVE`` or ``SEND``."""
    return Transition("", NOBODY, "", event, "", raw, now)


def _message(machine: Any, event: Enum, argument: object) -> bytes:  # noqa: ANN401 - any machine
    if isinstance(argument, tuple):
        raw: bytes = argument[2]  # as it was received: flow, head, message
        return raw
    if isinstance(argument, Respond):
        return argument.raw
    request: bytes = machine.request if event.name == "SEND" else b""
    return request
