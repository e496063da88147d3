"""One connection in the actor: its socket, its pure state, and what is journalled of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.machine import Event
from actors.sip.framing import Framed
from actors.transport import sockets
from actors.transport.kept import StreamCell, stream_key
from actors.transport.route import Address
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
    """One TCP connection; :class:`actors.transport.secure.SecureConnection` puts TLS on it.

    Attributes:
        sock: its socket, non-blocking.
        stream: its state.
        base: the kernel's count of written bytes before our first; None until it is connected.
        connecting: it is not connected yet.
        shaking: it is connected, but nothing can be written yet.
        closing: why it ends once what it owes is written; nothing that comes is looked at any more.
        ended: the peer will send nothing more.
        deadline: the second at which it ends if what it waits for has not come, None if it waits for nothing.
        done: the keys of chunks that are written and still journalled.
        patience: the second until which a request may wait unread for room above; None while none has to.
        spilled: bytes thrown away since it is closing.
        addresses: what it can be found by.
        kept: whether it survives a kill, bytes that were looked at and not taken over included.
    """

    __slots__ = (
        "addresses",
        "base",
        "closing",
        "connecting",
        "deadline",
        "done",
        "ended",
        "key",
        "patience",
        "shaking",
        "sock",
        "spilled",
        "stream",
    )

    kept = True

    def __init__(self, sock: socket.socket, stream: Stream, base: int | None) -> None:
        self.sock = sock
        self.stream = stream
        self.base = base
        self.connecting = base is None
        self.shaking = False
        self.key = stream_key(stream.flow.token)
        self.done: list[bytes] = []
        self.closing = ""
        self.ended = False
        self.deadline: float | None = None
        self.patience: float | None = None
        self.spilled = 0
        self.addresses: list[Address] = []

    @property
    def token(self) -> str:
        """Its name."""
        return self.stream.flow.token

    def cell(self) -> StreamCell:
        """What is to be journalled of it now."""
        return StreamCell(self.stream.read_offset, self.base, self.closing)

    def arm(self, cells: Any, deadline: float | None) -> None:  # noqa: ANN401 - of the actor
        """Journal it with the second at which it ends if what it waits for has not come."""
        self.deadline = deadline
        cells.put(self.key, self.cell(), deadline)

    def read(self, buffer: memoryview) -> list[Framed] | None:
        """Frame what has come; None at the end of the stream.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection broke.
            RemoteProtocolError: the bytes cannot be framed.
        """
        size = sockets.peek(self.sock, buffer)
        return self.stream.feed(buffer[:size]) if size else None

    def is_drained(self) -> bool:
        """Whether, after a read, only news of the socket can bring more."""
        return self.stream.read_offset == self.stream.consumed

    def consume(self) -> None:
        """Receive off the socket what is taken over: after the commit.

        Raises:
            OSError: the connection broke.
        """
        stream = self.stream
        count, stream.consumed = stream.read_offset - stream.consumed, stream.read_offset
        sockets.discard(self.sock, count)

    def is_cut_off(self) -> bool:
        """Whether half a message has come and the rest will not: no edge would tell so."""
        return sockets.counters(self.sock).state not in sockets.OPEN_INWARD

    def write(self, data: memoryview) -> int:
        """Give the kernel some of `data`; how many bytes it took.

        Raises:
            BlockingIOError: it takes nothing now.
            OSError: the connection broke.
        """
        return self.sock.send(data)

    def push(self) -> None:
        """Give the kernel what is not of a message: of which a plain connection has none."""

    def end(self) -> None:
        """Say that nothing more will come."""
        sockets.end(self.sock)
