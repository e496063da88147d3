"""Both ends of the SEQPACKET socketpair between a child and its supervisor: heartbeat, orders, descriptors."""

from __future__ import annotations

import errno
import os
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

MAX_DESCRIPTORS = 250  # in one message; the kernel takes 253 (SCM_MAX_FD)
MAX_NOTE = 1024  # bytes
MAX_WORDS = 4096  # characters of last words
_BATCH_BYTES = 32768  # of tokens and notes in one Stored message
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

_encode = msgspec.msgpack.Encoder().encode
_decode_from_child = msgspec.msgpack.Decoder(FromChild).decode
_decode_to_child = msgspec.msgpack.Decoder(ToChild).decode


def _none() -> Figures:
    return ()


def _receive(end: socket.socket, limit: int, flags: int) -> tuple[bytes, list[int], bool]:
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
        self._end.send(_encode(Ready()))

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
            self._end.send(_encode(Beat(figures())), socket.MSG_DONTWAIT)
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
        socket.send_fds(self._end, [_encode(Deposit(token, note))], [fd])

    def withdraw(self, token: str) -> None:
        """Have the supervisor close its duplicate; do it before your own close, else the peer sees no FIN."""
        self._end.send(_encode(Withdraw(token)))

    def hand_over(self, tokens: Iterable[str], to: str) -> None:
        """Let the child `to` have what the store keeps for us under these tokens; our own descriptors stay open.

        It is safe once this returns, as a deposit is; what the store does not hold for us stays where it is.
        """
        for token in (names := tuple(tokens)):
            self.descriptors.pop(token, None)
        self._end.send(_encode(HandOver(names, to)))

    def receive(self) -> list[Order]:
        """The orders that have come, without waiting; a supervisor that is gone reads once as ``Stop(drain=False)``.

        Descriptors that another child handed over are in `descriptors` when their ``Stored`` is returned.

        Raises:
            ChannelError: some of them were lost on their way.
        """
        orders: list[Order] = []
        while not self._closed_by_supervisor:
            try:
                data, fds, whole = _receive(self._end, MAX_DESCRIPTORS, socket.MSG_DONTWAIT)
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
        self._end.send(_encode(AskTree(ref)))

    def ask_stop(self) -> None:
        """Have the service shut down in order: every child is drained in its turn, this one too."""
        self._end.send(_encode(AskStop()))

    def ask_reload(self, ref: str) -> None:
        """Have the configuration read again; ``Reloaded(ref, error, children)`` comes back as an order."""
        self._end.send(_encode(AskReload(ref)))

    def last_words(self, text: str) -> None:
        """Leave the reason of an end for the supervisor's log. A supervisor that is gone needs none."""
        try:
            self._end.send(_encode(LastWords(text[-MAX_WORDS:])), socket.MSG_DONTWAIT)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        """Close this end. Descriptors are left alone: they belong to the actor that took them."""
        self._end.close()

    def hello(self, threads: int, missing: tuple[str, ...]) -> None:
        """Say who was born: the runner's first message."""
        self._end.send(_encode(Hello(os.getpid(), threads, missing)))

    def await_go(self) -> list[int]:
        """Wait for the order to go, filling `descriptors` on the way; the runner calls it before the actor runs.

        Returns:
            The descriptors that came with the order itself.

        Raises:
            ChannelError: the supervisor went away first, or this process may not hold so many descriptors.
        """
        while True:
            data, fds, whole = _receive(self._end, MAX_DESCRIPTORS, 0)
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


class SupervisorEnd:
    """The supervisor's end. It never blocks: what a child does not read yet waits here.

    Args:
        end: the other socket of the pair.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._end.setblocking(False)
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._end.fileno()

    @property
    def pending(self) -> bool:
        """Whether something waits for the child to read: then poll for writing too and call flush()."""
        return bool(self._waiting)

    def send(self, message: ToChild, descriptors: Iterable[int] = ()) -> None:
        """Send or queue a message. Its descriptors must stay open until `pending` is False or the child is dead."""
        self._waiting.append((_encode(message), tuple(descriptors)))
        self.flush()

    def hand_over(self, descriptors: Mapping[str, Descriptor]) -> None:
        """Send what the store holds, in messages of at most 250 descriptors."""
        batch: list[tuple[str, bytes]] = []
        fds: list[int] = []
        size = 0
        for token, (fd, note) in descriptors.items():
            if len(fds) == MAX_DESCRIPTORS or size > _BATCH_BYTES:
                self.send(Stored(tuple(batch)), fds)
                batch, fds, size = [], [], 0
            batch.append((token, note))
            fds.append(fd)
            size += len(token) + len(note)
        if fds:
            self.send(Stored(tuple(batch)), fds)

    def flush(self) -> None:
        """Send what waits, as far as the child has room. What is left of a child that has gone is dropped."""
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                socket.send_fds(self._end, [data], fds)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                # It has died: its pidfd tells so, and its successor gets all this anew.
                self._waiting.clear()
                return
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    raise
                return  # more descriptors are under way than the kernel lets be: the rest goes when some have arrived
            self._waiting.popleft()

    def receive(self) -> tuple[list[tuple[FromChild, int | None]], bool]:
        """What has come, each message with its descriptor (None where it carries none), and whether the end was met.

        A deposit whose descriptor is None could not be taken: this process has no room for it.
        """
        messages: list[tuple[FromChild, int | None]] = []
        while True:
            try:
                data, fds, _ = _receive(self._end, 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return messages, False
            except ConnectionResetError:
                return messages, True
            if not data:
                return messages, True
            messages.append((_decode_from_child(data), fds[0] if fds else None))

    def close(self) -> None:
        """Close this end and drop what waits."""
        self._waiting.clear()
        self._end.close()


def channel_pair() -> tuple[SupervisorEnd, socket.socket]:
    """A fresh pair: the supervisor's end, and the socket to make the child's Channel of."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return SupervisorEnd(ours), theirs
