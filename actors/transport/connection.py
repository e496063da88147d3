"""One TCP connection in the actor: its socket, its pure state, and what is journalled of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.machine import Event
from actors.transport.kept import StreamCell, stream_key
from actors.transport.stream import Stream


class Shell(Protocol):
    """What connections need of the actor that they live in."""

    cells: Any
    mailbox: Any

    def tell(self, peer: str, message: Event, *, journalled: bool = True) -> None:
        """Send to another actor after the commit."""

    def defer(self, function: Callable[..., object], *args: object) -> None:
        """Call after the commit, as a step of its own."""


class Connection:
    """One connection.

    Attributes:
        sock: its socket, non-blocking.
        stream: its state.
        base: the kernel's count of written bytes before our first; None until it is connected.
        connecting: it is not connected yet.
        closing: why it ends once what it owes is written; nothing that comes is looked at any more.
        ended: the peer will send nothing more.
        deadline: the second at which it ends if what it waits for has not come, None if it waits for nothing.
        done: the keys of chunks that are written and still journalled.
        patience: the second until which a request may wait unread for room above; None while none has to.
        spilled: bytes thrown away since it is closing.
    """

    __slots__ = (
        "base",
        "closing",
        "connecting",
        "deadline",
        "done",
        "ended",
        "key",
        "patience",
        "sock",
        "spilled",
        "stream",
    )

    def __init__(self, sock: socket.socket, stream: Stream, base: int | None) -> None:
        self.sock = sock
        self.stream = stream
        self.base = base
        self.connecting = base is None
        self.key = stream_key(stream.flow.token)
        self.done: list[bytes] = []
        self.closing = ""
        self.ended = False
        self.deadline: float | None = None
        self.patience: float | None = None
        self.spilled = 0

    @property
    def token(self) -> str:
        """Its name."""
        return self.stream.flow.token

    def cell(self) -> StreamCell:
        """What is to be journalled of it now."""
        return StreamCell(self.stream.read_offset, self.base, self.closing)
