"""What is kept of a connection over a kill: its cells in the journal and the note beside its descriptor."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from actors.sip.vocabulary import Flow, Target, TransactionKey
from actors.transport.keepalive import Alive

_SEPARATOR = b"/"


class StreamCell(msgspec.Struct, frozen=True, array_like=True, tag="stream"):
    """The cell of a connection, by its token.

    Attributes:
        read_offset: after the last message that was taken over.
        base: the kernel's count of written bytes before our first, None while nothing can have been written.
        closing: why it ends once its queue is written, empty while it goes on.
    """

    read_offset: int
    base: int | None
    closing: str = ""


class ChunkCell(msgspec.Struct, frozen=True, array_like=True, tag="chunk"):
    """The cell of a message that is to be written, as in :class:`actors.transport.stream.Chunk`."""

    offset: int
    data: bytes
    peer: str
    key: TransactionKey


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What is deposited with a connection.

    Attributes:
        flow: what the connection is to the layers above.
        opened: by us.
        received: the kernel's count of consumed bytes at the deposit.
        base: its count of written bytes at the deposit, None where it was not connected yet.
    """

    flow: Flow
    opened: bool
    received: int
    base: int | None


class PauseCell(msgspec.Struct, frozen=True, array_like=True, tag="pause"):
    """Nothing is accepted until this cell's deadline: descriptors had run out."""


class WantedCell(msgspec.Struct, frozen=True, array_like=True, tag="wanted"):
    """Next hops that a dialog shard waits for while DNS is asked: a successor asks again."""

    peer: str
    ref: str
    uri: str


class HoldCell(msgspec.Struct, frozen=True, array_like=True, tag="hold"):
    """At this cell's deadline the connections that are not read for want of room above are looked at again."""


class NetworkCell(msgspec.Struct, frozen=True, array_like=True, tag="network"):
    """At this cell's deadline we look which addresses there are: the kernel had news, and more of them may come."""


class CountersCell(msgspec.Struct, frozen=True, array_like=True, tag="counters"):
    """At this cell's deadline the counters of what was dropped and refused are written down."""


class AliveCell(msgspec.Struct, frozen=True, array_like=True, tag="alive"):
    """A flow that is kept alive.

    Attributes:
        machine: its state.
        target: whom it leads to.
        token: of its connection, empty over UDP.
        owners: who needs it: the actor, and the name it gave.
        by: how it is pinged: ``crlf``, ``options`` or ``stun``.
        name: what answers are known by: 12 random bytes, in hexadecimal.
        uri: whom OPTIONS asks.
        seen: where STUN saw us, empty before it did.
    """

    machine: Alive
    target: Target
    token: str
    owners: tuple[tuple[str, str], ...]
    by: str
    name: str
    uri: str = ""
    seen: str = ""


Kept = AliveCell | StreamCell | ChunkCell | PauseCell | HoldCell | WantedCell | NetworkCell | CountersCell

PAUSE_KEY = b"accepting"
HOLD_KEY = b"holding"
NETWORK_KEY = b"network"
COUNTERS_KEY = b"counters"
WANTED = b"wanted/"
ALIVE = b"alive/"

encode_note = msgspec.msgpack.Encoder().encode
decode_note = msgspec.msgpack.Decoder(Note).decode


def stream_key(token: str) -> bytes:
    """The key of a connection's cell."""
    return token.encode()


def chunk_key(token: str, offset: int) -> bytes:
    """The key of a chunk's cell."""
    return b"%b/%d" % (token.encode(), offset)


def alive_key(target: Target, token: str) -> bytes:
    """The key of a flow's cell: its connection, or over UDP its two ends."""
    return ALIVE + (token or f"{target.flow or 'udp'} {target.host} {target.port}").encode()


def wanted_key(peer: str, ref: str) -> bytes:
    """The key of a cell of next hops that are wanted."""
    return WANTED + blake2b(f"{peer} {ref}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest().encode()


def token_of(key: bytes) -> str:
    """The connection that a cell belongs to."""
    return key.partition(_SEPARATOR)[0].decode()
