"""What the transaction layer tells its user (the dialog shard) and accepts from it."""

from __future__ import annotations

from actors.runtime.machine import Event
from actors.sip.vocabulary import Flow, Head, Target, TransactionKey

STATELESS = frozenset({"OPTIONS"})
"""The methods whose requests outside of any dialog get no server transaction: pings leave no trace in a shard."""

# To the transaction user.


class RequestReceived(Event, frozen=True):
    """A server transaction began: answer it with Respond. An ACK never comes so.

    One of STATELESS without a To tag has no transaction: answer it with RespondDirect, each time it comes alike.
    """

    key: TransactionKey
    flow: Flow
    head: Head
    raw: bytes


class CancelReceived(Event, frozen=True):
    """The INVITE of the server transaction `key` was cancelled; the CANCEL itself has its 200 (RFC 3261 s9.2)."""

    key: TransactionKey
    head: Head
    raw: bytes


class AckReceived(Event, frozen=True):
    """An ACK for a 2xx: match it by its dialog (RFC 3261 s13.3.1.4)."""

    flow: Flow
    head: Head
    raw: bytes


class ResponseReceived(Event, frozen=True):
    """A response to the client transaction `key`; each repeated or forked 2xx comes again (RFC 6026 s7.2).

    A 2xx to an INVITE whose transaction is gone also comes so (RFC 3261 s13.2.2.4, stray 2xx).
    """

    key: TransactionKey
    head: Head
    raw: bytes


class TransactionFailed(Event, frozen=True):
    """A transaction ended without a final response from the peer (client), or without its ACK or way back (server).

    Attributes:
        status: 408 timed out (Timers B, F, H; 64*T1 after a CANCEL; our user left a request unanswered for 64*T1), 503
            the transport failed (RFC 3261 s8.1.3.1), 500 with `spoiled`. A server transaction that cannot reach its
            client stays for now (RFC 6026 s7.1), and a later response is tried.
        spoiled: the machine itself broke and was quarantined.
    """

    key: TransactionKey
    client: bool
    status: int
    reason: str
    spoiled: bool = False


# From the transaction user.


class SendRequest(Event, frozen=True):
    """Begin a client transaction: `raw` is the whole request with its Via, whose branch is the key's."""

    key: TransactionKey
    target: Target
    raw: bytes


class CancelRequest(Event, frozen=True):
    """Cancel the client INVITE transaction `key`: held back until a provisional came, nothing after a final (s9.1).

    `reason` is the value of the CANCEL's Reason header field (RFC 3326), empty for none.
    """

    key: TransactionKey
    reason: str = ""


class Respond(Event, frozen=True):
    """Send a response on the server transaction `key`: `raw` whole, Via and all. Final responses are remembered.

    A repeated 2xx to an INVITE is another Respond: the machine in Accepted passes it down (RFC 6026 s7.1).
    """

    key: TransactionKey
    status: int
    raw: bytes


class RespondDirect(Event, frozen=True):
    """Answer a request that got no machine, on the flow it came by: `raw` whole, the same for a repeated request.

    RFC 3261 section 8.2.7: a stateless UAS; its To tag follows from the request.
    """

    flow: Flow
    raw: bytes


class SendDirect(Event, frozen=True):
    """Send without a machine: the ACK to a 2xx (RFC 3261 s13.2.2.4)."""

    target: Target
    raw: bytes


ToUser = RequestReceived | CancelReceived | AckReceived | ResponseReceived | TransactionFailed
FromUser = SendRequest | CancelRequest | Respond | RespondDirect | SendDirect
