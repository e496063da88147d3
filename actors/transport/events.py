"""What the transport layer sends and accepts. Its users: transaction shards and, for location, dialog shards."""

from __future__ import annotations

from actors.runtime.machine import Event
from actors.sip.vocabulary import Candidate, Flow, Head, Target, TransactionKey

# To a transaction shard.


class Received(Event, frozen=True):
    """A message arrived, framed, with `received` and `rport` stamped on its top Via. Not journalled over UDP."""

    flow: Flow
    head: Head
    raw: bytes


class TransmitFailed(Event, frozen=True):
    """What was to be sent for the transaction `key` could not be: no connection, no route, refused."""

    key: TransactionKey
    reason: str


class FlowDead(Event, frozen=True):
    """The flow `token` is gone; its transactions fail at once, and who had it kept alive is told as `owner`.

    The token is empty where there was none to be kept alive.
    """

    token: str
    reason: str
    owner: str = ""


class Unreachable(Event, frozen=True):
    """An ICMP error says that a datagram did not arrive (RFC 3261 section 18.4). It may be forged.

    It concerns the client transaction `key` only if that one's target is UDP, `host` and `port`, and its request
    begins with `quoted`.
    """

    key: TransactionKey
    host: str
    port: int
    quoted: bytes
    reason: str


# From a transaction shard.


class TransmitRequest(Event, frozen=True):
    """Send a request whose Via is already written to `target`. An empty branch in `key`: nobody's."""

    key: TransactionKey
    target: Target
    raw: bytes


class TransmitResponse(Event, frozen=True):
    """Send a response on the flow its request came from, else by its top Via (RFC 3261 s18.2.2, RFC 3581)."""

    key: TransactionKey
    flow: Flow
    raw: bytes


class Lagging(Event, frozen=True):
    """For so many seconds take in nothing more for this shard, whatever it is: its user is far behind.

    Streams are not read meanwhile. Said again while it is so, and believed no longer than that: a shard that is killed
    takes nothing back.
    """

    seconds: float


# From a dialog shard, and back.


class Locate(Event, frozen=True):
    """Find the next hops for a SIP URI (RFC 3263). `ref` comes back with the answer."""

    ref: str
    uri: str


class Located(Event, frozen=True):
    """The candidates in the order to try them; empty, with a reason, when there is none."""

    ref: str
    candidates: tuple[Candidate, ...]
    reason: str = ""


class NetworkChanged(Event, frozen=True):
    """Addresses of this machine are gone, others have come: what was told to peers of the first reaches us no more.

    Connections from them are dead already. Next hops and our addresses towards them are found afresh.
    """

    gone: tuple[str, ...]
    come: tuple[str, ...]


class TargetFailed(Event, frozen=True):
    """An attempt at this target failed (503, no answer): put it behind the others for a while (RFC 3263 s4.3).

    `seconds` is what its Retry-After asks for at least (RFC 3261 section 21.5.4).
    """

    target: Target
    seconds: float = 0.0


class KeepAlive(Event, frozen=True):
    """Keep the flow to `target` alive for `owner`, until `LetGo` or `FlowDead` (RFC 5626 section 4.4, RFC 6223).

    Asked again it takes the new words and tells of nothing. On a stream the flow is the connection that a request to
    `target` would take; where there is none the flow is dead at once.

    Attributes:
        target: where the request went whose way back is needed.
        owner: comes back with `FlowDead`.
        interval: seconds between pings that the peer recommends (Flow-Timer, `keep`); 0 for none.
        agreed: the peer said that it answers pings.
        by: over UDP, ``crlf``, ``options`` or, only where the peer says so, ``stun``. A stream has its double CRLF.
        uri: whom OPTIONS asks.
    """

    target: Target
    owner: str
    interval: float = 0.0
    agreed: bool = False
    by: str = "crlf"
    uri: str = ""


class LetGo(Event, frozen=True):
    """`owner` needs the flow to `target` no more."""

    target: Target
    owner: str


ToTransaction = Received | TransmitFailed | FlowDead | Unreachable
FromTransaction = TransmitRequest | TransmitResponse | Lagging
FromDialog = Locate | TargetFailed | KeepAlive | LetGo
ToDialog = Located | NetworkChanged | FlowDead
