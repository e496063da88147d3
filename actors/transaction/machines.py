"""The four machines as one kind: their tables, what is kept of one that only lingers, and until when."""

from __future__ import annotations

from math import ceil
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.runtime.machine import Table
from actors.transaction import invite_client, invite_server, non_invite_client, non_invite_server
from actors.transaction.cells import Merged
from actors.transaction.index import FINISHED
from actors.transaction.invite_client import InviteClient
from actors.transaction.invite_server import InviteServer
from actors.transaction.non_invite_client import NonInviteClient
from actors.transaction.non_invite_server import NonInviteServer

Transaction = InviteClient | NonInviteClient | InviteServer | NonInviteServer

TABLES: dict[Any, Table[Any]] = {
    InviteClient: invite_client.TABLE,
    NonInviteClient: non_invite_client.TABLE,
    InviteServer: invite_server.TABLE,
    NonInviteServer: non_invite_server.TABLE,
}
TRANSPORT_ERROR: dict[Any, Any] = {
    InviteClient: invite_client.Input.TRANSPORT_ERROR,
    NonInviteClient: non_invite_client.Input.TRANSPORT_ERROR,
    InviteServer: invite_server.Input.TRANSPORT_ERROR,
    NonInviteServer: non_invite_server.Input.TRANSPORT_ERROR,
}

# Lingering machines end together, at the next multiple of this many seconds: one turn of the actor for hundreds of
# them. RFC 3261 says how long one must stay at least; that it stays a moment longer, nobody sees.
GRAIN = 0.25


class Lingering(msgspec.Struct, frozen=True, array_like=True, tag="lingering", gc=False):
    """A finished machine that only waits for its last timer: a row of bytes, read again if its peer repeats itself.

    Attributes:
        merged: of the machine, so that its end needs no reading.
        packed: the rest of it in msgpack.
    """

    merged: bytes
    packed: bytes


Cell = Transaction | Merged | Lingering

_MERGING = (InviteServer, NonInviteServer)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transaction).decode


def lingers(machine: Any) -> bool:  # noqa: ANN401 - any machine
    """Whether nothing but its one last timer will happen to it by itself.

    Of the finished states only that of an INVITE server that still repeats its failure (timers G and H) is otherwise.
    """
    return bool(machine.state > FINISHED or (machine.state == FINISHED and type(machine) is not InviteServer))


def pack(machine: Any) -> Lingering:  # noqa: ANN401 - any machine
    """The row that a lingering machine is kept as."""
    merged = machine.merged if type(machine) in _MERGING else b""
    return Lingering(merged, _encode(replace(machine, merged=b"") if merged else machine))


def unpack(row: Lingering) -> Any:  # noqa: ANN401 - any machine
    """The machine that a row was made of."""
    machine: Any = _decode(row.packed)
    return replace(machine, merged=row.merged) if row.merged else machine


def deadline_of(machine: Any) -> float | None:  # noqa: ANN401 - any machine
    """As `Machine.next_deadline`, at half its price for the usual one timer."""
    deadlines: tuple[tuple[Any, float], ...] = machine.deadlines
    if not deadlines:
        return None
    return deadlines[0][1] if len(deadlines) == 1 else min(pair[1] for pair in deadlines)


def end_of(machine: Any) -> float:  # noqa: ANN401 - any machine
    """When a lingering machine ends: its deadline, in company."""
    deadline: float = machine.deadlines[0][1]
    return ceil(deadline / GRAIN) * GRAIN
