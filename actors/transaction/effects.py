"""What the transaction machines ask their shell to do: send down, tell up."""

from __future__ import annotations

from actors.runtime.machine import Effect
from actors.sip.vocabulary import Flow, Target, TransactionKey
from actors.transaction.events import ToUser

# The key of what belongs to no machine: stateless answers and the ACK to a 2xx. Nobody hears when it cannot be sent.
NOBODY = TransactionKey("", "", "")


class Transmit(Effect, frozen=True):
    """Send a request to `target`."""

    key: TransactionKey
    target: Target
    raw: bytes


class Reply(Effect, frozen=True):
    """Send a response on `flow`, the way its request came (RFC 3261 section 18.2.2)."""

    key: TransactionKey
    flow: Flow
    raw: bytes


class Tell(Effect, frozen=True):
    """Tell the transaction user."""

    event: ToUser


class BeginCancel(Effect, frozen=True):
    """Begin the client transaction of a CANCEL for `invite` (RFC 3261 section 9.1). The layer carries it out itself."""

    key: TransactionKey
    target: Target
    invite: bytes
    reason: str
