"""Datagrams of many sockets in one go: those of rows of a matrix, by the kernel's ring where it has one, else in turn.

Every row has a socket, an address that it sends to and hears from, a datagram to be sent and one that came.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from actors.media.uring import Uring, UringError

Address = tuple[Any, ...]
Indexes = npt.NDArray[np.intp]
Sizes = npt.NDArray[np.int32]

NAME = 32  # bytes kept of a socket address: that of IPv6 has 28
_V4, _V6 = struct.Struct("=H2s4s"), struct.Struct("=H2s4s16sI")
_FEW = 8  # rows, which cost less one by one than all that a batch needs
_SEND, _RECEIVE = 9, 10  # IORING_OP_SENDMSG, IORING_OP_RECVMSG
_MESSAGE = np.dtype([(name, np.uint64) for name in ("name", "size", "vectors", "count", "more", "length", "flags")])


class Wire(Protocol):
    """What rows are sent and received by.

    Attributes:
        inbox: what came, a datagram a row.
        outbox: what is to be sent, a datagram a row.
        eager: to ask a socket that has nothing costs next to nothing.
    """

    inbox: npt.NDArray[np.uint8]
    outbox: npt.NDArray[np.uint8]
    eager: bool

    def put(self, row: int, sock: socket.socket, heard: Address, destination: Address) -> None:
        """Give a row its socket, and the addresses it hears from and sends to."""

    def move(self, row: int, to: int) -> None:
        """Let what a row has be another's, datagram to be sent and all."""

    def receive(self, rows: Indexes | int) -> tuple[Sizes, npt.NDArray[np.bool_]]:
        """One datagram of each: how long they are, 0 or less for none, and whether they came from who is heard.

        Args:
            rows: which, or how many of the first ones.
        """

    def address(self, row: int) -> Address:
        """Where the datagram that a row received last came from."""

    def send(self, count: int) -> int:
        """Send what the first `count` rows have to send; how many the kernel refused."""

    def close(self) -> None:
        """Let go of it."""


def _name(address: Address, *, v6: bool) -> bytes:
    """A socket address as the kernel writes it."""
    port = struct.pack(">H", address[1])
    if not v6:
        return _V4.pack(socket.AF_INET, port, socket.inet_pton(socket.AF_INET, address[0]))
    flow, scope = address[2:] or (0, 0)
    host = socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])
    return _V6.pack(socket.AF_INET6, port, struct.pack(">I", flow), host, scope)


class SocketWire:
    """By system calls in turn. The arguments are those of :func:`open_wire`."""

    eager = False

    def __init__(self, rows: int, room: int, size: int) -> None:
        self.inbox = np.zeros((rows, room), np.uint8)
        self.outbox = np.zeros((rows, size), np.uint8)
        self._sockets: dict[int, tuple[socket.socket, Address, Address]] = {}
        self._addresses: dict[int, Address] = {}

    def put(self, row: int, sock: socket.socket, heard: Address, destination: Address) -> None:
        """As Wire.put."""
        self._sockets[row] = (sock, heard, destination)

    def move(self, row: int, to: int) -> None:
        """As Wire.move."""
        self._sockets[to] = self._sockets[row]
        self.outbox[to] = self.outbox[row]

    def receive(self, rows: Indexes | int) -> tuple[Sizes, npt.NDArray[np.bool_]]:
        """As Wire.receive."""
        if isinstance(rows, int):
            rows = np.arange(rows)
        sizes, same = np.zeros(len(rows), np.int32), np.zeros(len(rows), np.bool_)
        for at, row in enumerate(rows.tolist()):
            sock, heard, _ = self._sockets[row]
            try:
                sizes[at], address = sock.recvfrom_into(self.inbox[row].data)
            except OSError:
                continue  # nothing there, or an error of an earlier send, which is cleared by asking
            self._addresses[row] = address
            same[at] = address == heard
        return sizes, same

    def address(self, row: int) -> Address:
        """As Wire.address."""
        return self._addresses[row]

    def send(self, count: int) -> int:
        """As Wire.send."""
        refused = 0
        for row in range(count):
            sock, _, destination = self._sockets[row]
            try:
                sock.sendto(self.outbox[row].data, destination)
            except OSError:
                refused += 1
        return refused

    def close(self) -> None:
        """As Wire.close."""
        self._sockets.clear()


class RingWire(SocketWire):
    """By io_uring: one system call for all rows, and no object for a datagram; a few are asked in turn.

    The arguments are those of :func:`open_wire`.

    Raises:
        UringError: the kernel has none for us.
    """

    eager = True

    def __init__(self, rows: int, room: int, size: int) -> None:
        self._ring = Uring()
        super().__init__(rows, room, size)
        self._heard = np.zeros((rows, NAME), np.uint8)
        self._came = np.zeros((rows, NAME), np.uint8)
        self._came_words, self._heard_words = self._came.view(np.uint64), self._heard.view(np.uint64)
        self._names = np.zeros((rows, NAME), np.uint8)
        self._receipts, self._receiving = self._messages(self.inbox, self._came, _RECEIVE)
        self._dispatches, self._sending = self._messages(self.outbox, self._names, _SEND)
        self._receipts["size"] = NAME
        self._v6 = np.zeros(rows, np.bool_)

    def _messages(
        self, content: npt.NDArray[np.uint8], names: npt.NDArray[np.uint8], operation: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """For each row a message header, and the request that names it."""
        rows, room = content.shape
        steps = np.arange(rows, dtype=np.uint64)
        vectors = np.empty((rows, 2), np.uint64)
        vectors[:, 0] = content.ctypes.data + steps * np.uint64(room)
        vectors[:, 1] = room
        messages = np.zeros(rows, _MESSAGE)
        messages["name"] = names.ctypes.data + steps * np.uint64(NAME)
        messages["vectors"] = vectors.ctypes.data + steps * np.uint64(vectors.itemsize * 2)
        messages["count"] = 1
        requests = self._ring.requests(rows)
        requests["operation"] = operation
        requests["address"] = messages.ctypes.data + steps * np.uint64(_MESSAGE.itemsize)
        requests["length"] = 1
        requests["message_flags"] = int(socket.MSG_DONTWAIT)
        requests["token"] = steps
        self._ring.keep(vectors)  # named by their addresses alone
        return messages, requests

    def put(self, row: int, sock: socket.socket, heard: Address, destination: Address) -> None:
        """As Wire.put."""
        super().put(row, sock, heard, destination)
        v6 = sock.family == socket.AF_INET6
        self._v6[row] = v6
        self._receiving["descriptor"][row] = self._sending["descriptor"][row] = sock.fileno()
        for names, address in ((self._heard, heard), (self._names, destination)):
            name = _name(address, v6=v6)
            names[row] = 0
            names[row, : len(name)] = np.frombuffer(name, np.uint8)
        self._came[row] = 0
        self._receipts["size"][row] = NAME
        self._dispatches["size"][row] = _V6.size if v6 else 16

    def move(self, row: int, to: int) -> None:
        """As Wire.move."""
        super().move(row, to)
        self._receiving["descriptor"][to] = self._sending["descriptor"][to] = self._sending["descriptor"][row]
        self._dispatches["size"][to] = self._dispatches["size"][row]
        self._receipts["size"][to] = NAME
        self._v6[to] = self._v6[row]
        for each in (self._heard, self._names):
            each[to] = each[row]
        self._came[to] = 0

    def receive(self, rows: Indexes | int) -> tuple[Sizes, npt.NDArray[np.bool_]]:
        """As Wire.receive."""
        self._addresses.clear()
        if isinstance(rows, int):
            sizes = self._ring.run(self._receiving[:rows])
            return sizes, (self._came_words[:rows] == self._heard_words[:rows]).all(axis=1)
        if len(rows) <= _FEW:
            return super().receive(rows)
        sizes = self._ring.run(self._receiving[rows], rows)
        return sizes, (self._came_words[rows] == self._heard_words[rows]).all(axis=1)

    def address(self, row: int) -> Address:
        """As Wire.address."""
        if row in self._addresses:
            return super().address(row)
        name = self._came[row].tobytes()
        if not self._v6[row]:
            _, port, host = _V4.unpack_from(name)
            return socket.inet_ntop(socket.AF_INET, host), int.from_bytes(port, "big")
        _, port, flow, host, scope = _V6.unpack_from(name)
        return (
            socket.inet_ntop(socket.AF_INET6, host),
            int.from_bytes(port, "big"),
            int.from_bytes(flow, "big"),
            int(scope),
        )

    def send(self, count: int) -> int:
        """As Wire.send."""
        return int(np.count_nonzero(self._ring.run(self._sending[:count]) < 0))

    def close(self) -> None:
        """As Wire.close."""
        super().close()
        self._ring.close()


def open_wire(rows: int, room: int, size: int) -> Wire:
    """The wire of this machine.

    Args:
        rows: how many.
        room: bytes of a datagram that is received; what is longer is cut.
        size: bytes of every datagram that is sent.
    """
    try:
        return RingWire(rows, room, size)
    except UringError:
        return SocketWire(rows, room, size)
