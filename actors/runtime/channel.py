"""Both ends of the SEQPACKET socketpair between a child and its supervisor: heartbeat, orders, descriptors."""

from __future__ import annotations

import os
import socket
import time
from array import array
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

MAX_DESCRIPTORS = 250  # in one message; the kernel takes 253 (SCM_MAX_FD)
MAX_NOTE = 1024  # bytes
MAX_WORDS = 4096  # characters of last words
_BUFFER = 131072  # bytes, more than any message of ours
_INT = array("i").itemsize


class Descriptor(NamedTuple):
    """A descriptor the store held, valid in this process, and the note deposited with it."""

    fd: int
    note: bytes


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What crosses a channel. One message is one packet, so there is no framing."""


class Hello(Message, frozen=True):
    """The child's first word: its pid, the threads it was born with, and what was not preloaded."""

    pid: int
    threads: int
    missing: tuple[str, ...]


class Ready(Message, frozen=True):
    """The child serves."""


Figures = tuple[tuple[str, str, str, float], ...]  # name, label, which of those it is, value


class Beat(Message, frozen=True):
    """The child's loop turns. `figures` are what it counts, for who watches the service."""

    figures: Figures = ()


class Deposit(Message, frozen=True):
    """Keep the descriptor that comes with this message."""

    token: str
    note: bytes


class Withdraw(Message, frozen=True):
    """Forget a descriptor."""

    token: str


class HandOver(Message, frozen=True):
    """Let another child have these descriptors of mine, from now on."""

    tokens: tuple[str, ...]
    to: str


class AskTree(Message, frozen=True):
    """Tell me the state of all children."""

    ref: str


class AskStop(Message, frozen=True):
    """Stop the whole service in order."""


class AskReload(Message, frozen=True):
    """Read the configuration again and start anew whom it changes."""

    ref: str


class LastWords(Message, frozen=True):
    """Why the child is about to end."""

    text: str


class ChildStatus(msgspec.Struct, frozen=True):
    """One child as the supervisor sees it.

    Attributes:
        name: the actor's name.
        pid: 0 while none runs; in thread placement the program's own.
        state: ``starting``, ``ready``, ``hung``, ``waiting`` (for its next start), ``stopping`` or ``stopped``.
        restarts: how often it was started again.
        epoch: of the last start.
        since: wall clock seconds at which it took this state.
        figures: what it has counted, as it told at its last heartbeat.
    """

    name: str
    pid: int
    state: str
    restarts: int
    epoch: int
    since: float
    figures: Figures = ()


class Stop(Message, frozen=True):
    """Order: end; with `drain`, once what is under way is done."""

    drain: bool


class Tree(Message, frozen=True):
    """The answer to ask_tree."""

    ref: str
    children: tuple[ChildStatus, ...]


class Reloaded(Message, frozen=True):
    """The answer to ask_reload: why nothing was changed, or who is started anew."""

    ref: str
    error: str
    children: tuple[str, ...]


class Stored(Message, frozen=True):
    """Descriptors of the store, in the order of `entries`: pairs of token and note."""

    entries: tuple[tuple[str, bytes], ...]


class Go(Message, frozen=True):
    """Only now may the child run its actor: it is known by its pidfd. With it comes the run directory's lock."""


Order = Stop | Tree | Reloaded | Stored
FromChild = Hello | Ready | Beat | Deposit | Withdraw | HandOver | AskTree | AskStop | AskReload | LastWords
ToChild = Order | Go

encode = msgspec.msgpack.Encoder().encode
_decode_to_child = msgspec.msgpack.Decoder(ToChild).decode


def _none() -> Figures:
    return ()


def receive_packet(end: socket.socket, limit: int, flags: int) -> tuple[bytes, list[int], bool]:
    """One packet, its descriptors (at most `limit`), and whether none of them was lost.

    Not socket.recv_fds: in Python 3.11 it drops its flags, and descriptors would leak into whatever is executed.
    """
    space = socket.CMSG_LEN(limit * _INT)
    data, ancillary, got, _ = end.recvmsg(_BUFFER, space, flags | socket.MSG_CMSG_CLOEXEC)
    fds = array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % _INT])
    return data, fds.tolist(), not got & socket.MSG_CTRUNC


class ChannelError(OSError):
    """The channel broke its own rules: descriptors were lost on the way, or the other end is gone."""


class Channel:
    """The child's end. It belongs to one thread.

    Args:
        end: a connected SEQPACKET socket, in blocking mode.
        interval: the seconds between two heartbeats.
    """

    def __init__(self, end: socket.socket, *, interval: float = 1.0) -> None:
        self.descriptors: dict[str, Descriptor] = {}
        self._end = end
        self._interval = interval
        self._next_beat = 0.0
        self._closed_by_supervisor = False

    def fileno(self) -> int:
        """The descriptor to poll for orders: readable when receive() has something."""
        return self._end.fileno()

    def ready(self) -> None:
        """Tell the supervisor that this child serves.

        Raises:
            OSError: the supervisor is gone.
        """
        self._end.send(encode(Ready()))

    def beat(self, figures: Callable[[], Figures] = _none) -> None:
        """Tell the supervisor that the loop turns. Call it each turn: all but one call in an interval do nothing.

        Args:
            figures: gives what was counted, few enough for a packet; called when it is told.
        """
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + self._interval
        try:
            self._end.send(encode(Beat(figures())), socket.MSG_DONTWAIT)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            # A full queue means that the supervisor sleeps: on waking it counts all heartbeats afresh. A closed one
            # is reported by receive(), where the actor waits for orders anyway.
            return

    def deposit(self, token: str, fd: int, note: bytes = b"") -> None:
        """Put a duplicate of `fd` into the supervisor's store under `token`; an older one of that token is replaced.

        It is safe once this returns, even if this process dies in the next instruction: the kernel holds a reference
        to the open file in the supervisor's receive queue, and the supervisor empties the queue of a dead child
        before it starts the successor. So no answer is waited for.

        Raises:
            ValueError: `note` is longer than 1,024 bytes.
            OSError: the kernel refuses more descriptors in flight (ETOOMANYREFS), or the supervisor is gone.
        """
        if len(note) > MAX_NOTE:
            raise ValueError(f"a note has at most {MAX_NOTE} bytes, not {len(note)}")
        socket.send_fds(self._end, [encode(Deposit(token, note))], [fd])

    def withdraw(self, token: str) -> None:
        """Have the supervisor close its duplicate; do it before your own close, else the peer sees no FIN."""
        self._end.send(encode(Withdraw(token)))

    def hand_over(self, tokens: Iterable[str], to: str) -> None:
        """Let the child `to` have what the store keeps for us under these tokens; our own descriptors stay open.

        It is safe once this returns, as a deposit is; what the store does not hold for us stays where it is.
        """
        for token in (names := tuple(tokens)):
            self.descriptors.pop(token, None)
        self._end.send(encode(HandOver(names, to)))

    def receive(self) -> list[Order]:
        """The orders that have come, without waiting; a supervisor that is gone reads once as ``Stop(drain=False)``.

        Descriptors that another child handed over are in `descriptors` when their ``Stored`` is returned.

        Raises:
            ChannelError: some of them were lost on their way.
        """
        orders: list[Order] = []
        while not self._closed_by_supervisor:
            try:
                data, fds, whole = receive_packet(self._end, MAX_DESCRIPTORS, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data, fds, whole = b"", [], True
            if not data:
                self._closed_by_supervisor = True
                orders.append(Stop(drain=False))
                break
            message = _decode_to_child(data)
            if isinstance(message, Stored):
                self._store(message, fds, whole=whole)
            if isinstance(message, Order):
                orders.append(message)
        return orders

    def ask_tree(self, ref: str) -> None:
        """Have ``Tree(ref, children)`` come back as an order."""
        self._end.send(encode(AskTree(ref)))

    def ask_stop(self) -> None:
        """Have the service shut down in order: every child is drained in its turn, this one too."""
        self._end.send(encode(AskStop()))

    def ask_reload(self, ref: str) -> None:
        """Have the configuration read again; ``Reloaded(ref, error, children)`` comes back as an order."""
        self._end.send(encode(AskReload(ref)))

    def last_words(self, text: str) -> None:
        """Leave the reason of an end for the supervisor's log. A supervisor that is gone needs none."""
        try:
            self._end.send(encode(LastWords(text[-MAX_WORDS:])), socket.MSG_DONTWAIT)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        """Close this end. Descriptors are left alone: they belong to the actor that took them."""
        self._end.close()

    def hello(self, threads: int, missing: tuple[str, ...]) -> None:
        """Say who was born: the runner's first message."""
        self._end.send(encode(Hello(os.getpid(), threads, missing)))

    def await_go(self) -> list[int]:
        """Wait for the order to go, filling `descriptors` on the way; the runner calls it before the actor runs.

        Returns:
            The descriptors that came with the order itself.

        Raises:
            ChannelError: the supervisor went away first, or this process may not hold so many descriptors.
        """
        while True:
            data, fds, whole = receive_packet(self._end, MAX_DESCRIPTORS, 0)
            if not data:
                raise ChannelError("the supervisor went away before it said go")
            message = _decode_to_child(data)
            if isinstance(message, Go):
                return fds
            if isinstance(message, Stored):
                self._store(message, fds, whole=whole)

    def _store(self, message: Stored, fds: list[int], *, whole: bool) -> None:
        if not whole or len(fds) != len(message.entries):
            raise ChannelError(f"{len(message.entries) - len(fds)} descriptors were lost: raise NOFILE")
        for (token, note), fd in zip(message.entries, fds, strict=True):
            self.descriptors[token] = Descriptor(fd, note)
