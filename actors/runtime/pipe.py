"""The ZeroMQ shell of a link: a PUSH socket that connects to the peer and a PULL socket that binds for it."""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import zmq

from actors.runtime import poison
from actors.runtime.envelope import FRAME_LIMIT, Data, Frame, body_decoder, decode_frame, encode_frames
from actors.runtime.journal import Changes, Journal
from actors.runtime.link import NEVER, Deliver, Link, Memory, PeerReset, Reopen

ACK_DELAY = 0.01  # seconds an Ack waits for an envelope to ride with: alone it costs both ends a wake-up
ACK_LIMIT = 64  # envelopes after which it waits no longer
CLOSING_LINGER = 200  # milliseconds for the last words of an actor that stops in order
# as plain ints: the enums cost a microsecond an operation
_EVENTS, _POLLIN, _NOBLOCK = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.NOBLOCK)
_MEMORY = b"link:"
_NUMBERS = struct.Struct(">qQ")  # mark, reserved; the peer's journal id follows


class Pipe:
    """One end of the pipe between two actors.

    Args:
        context: the process's ZeroMQ context.
        peer: the name of the actor at the other end.
        link: our end of the link.
        inward: the address to bind.
        outward: the address to connect to.
        accepted: the union of events that the peer may send.

    Attributes:
        deadline: the second at which :meth:`flush` has something to do.
        stirred: whether it may have something to do now.
        malformed: how many frames and bodies could not be read and were dropped.
        source: names the peer in the poison slot.
        unsent: how many frames had no connection to go to; the link repeats what they held.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        peer: str,
        link: Link,
        inward: str,
        outward: str,
        accepted: Any,  # noqa: ANN401
    ) -> None:
        self.peer = peer
        self.link = link
        self.malformed = 0
        self.unsent = 0
        self.source = poison.source(peer)
        self.deadline = NEVER
        self.stirred = True  # something may have to be committed or sent
        self._context = context
        self._inward = inward
        self._outward = outward
        self._reopen = False
        self._ack_at = NEVER
        self._memory = link.memory
        self._backlog: deque[Frame] = deque()
        self.decode = body_decoder(accepted).decode
        self._pull = _configured(context.socket(zmq.PULL))
        _bind(self._pull, inward)
        self._push = self._connected()
        self._recv = self._pull.recv
        self._events: Callable[[int], Any] = self._pull.getsockopt
        self.fd: int = self._pull.FD

    @classmethod
    def restore(
        cls,
        context: zmq.Context[zmq.Socket[bytes]],
        journal: Journal,
        *,
        peer: str,
        epoch: int,
        inward: str,
        outward: str,
        accepted: Any,  # noqa: ANN401
    ) -> Pipe:
        """A pipe that goes on where the journal says the last one of its owner stopped."""
        kept = journal.meta(_MEMORY + peer.encode())
        memory = Memory()
        if kept is not None:
            mark, reserved = _NUMBERS.unpack_from(kept)
            memory = Memory(kept[_NUMBERS.size :].decode(), mark, reserved)
        outbox = [(seq, msgspec.Raw(body)) for seq, body in journal.outbox(peer)]
        link = Link(epoch=epoch, journal_id=journal.journal_id, memory=memory, outbox=outbox)
        return cls(context, peer, link, inward, outward, accepted)

    def collect(self, changes: Changes) -> None:
        """Put what the link has to remember into the next commit."""
        link = self.link
        known = self._memory
        if (
            link.receiver.mark != known.mark
            or link.sender.reserved != known.reserved
            or link.peer_journal != known.peer_journal
        ):
            memory = self._memory = link.memory
            kept = _NUMBERS.pack(memory.mark, memory.reserved) + memory.peer_journal.encode()
            changes.meta[_MEMORY + self.peer.encode()] = kept
        if link.sender.dropped:
            changes.acked[self.peer] = link.sender.dropped
            link.sender.dropped = 0

    def start(self, now: float) -> None:
        """Begin the handshake; it leaves with the first flush."""
        self.link.start(now)
        self.deadline = self.link.sender.due

    @property
    def waiting(self) -> int:
        """How many envelopes the peer has not acknowledged."""
        return len(self.link.sender.held)

    def pump(self, limit: int) -> bool:
        """Read frames until none is left or `limit` envelopes have come; True means that more may be there."""
        recv, events, backlog = self._recv, self._events, self._backlog
        self.stirred = True
        count = 0
        while count < limit:
            if not events(_EVENTS) & _POLLIN:  # cheaper than the exception of a recv in vain
                return False
            data = recv(_NOBLOCK)
            frame = decode_frame(data)
            if frame is None:
                self.malformed += 1
                continue
            backlog.append(frame)
            for item in frame.items:
                count += len(item.bodies) if type(item) is Data else 1
        return True

    def take(self, now: float, *, one_by_one: bool = False) -> Iterator[Deliver | PeerReset]:
        """What has been read and is for the owner. The link's mark moves with each, so handle it before the next.

        Args:
            now: seconds.
            one_by_one: give each envelope by itself, so that a commit may follow each.
        """
        backlog, link = self._backlog, self.link
        while backlog:
            frame = backlog.popleft()
            readable, effects = link.heard(frame.epoch, frame.to, now)
            self._reopen = self._reopen or any(type(effect) is Reopen for effect in effects)
            if not readable:
                continue
            for item in frame.items:
                if one_by_one and type(item) is Data:
                    for at, body in enumerate(item.bodies):
                        yield from link.receive(Data(item.seq + at, (body,)), frame.to, now)  # type: ignore[misc]
                else:
                    yield from link.receive(item, frame.to, now)  # type: ignore[misc]

    def tell(self, body: bytes, *, journalled: bool) -> int:
        """Number an envelope and hold it; it leaves with the flush after its commit."""
        self.stirred = True
        return self.link.sender.send(msgspec.Raw(body), journalled)

    def flush(self, now: float) -> None:
        """Send what is due. Everything taken and told must be committed by now."""
        self.stirred = False
        link = self.link
        if now >= link.sender.due:
            link.sender.tick(now)
        if self._reopen:
            self._reopen = False
            self._push.close(linger=0)
            self._push = self._connected()
        owed = link.receiver.owes
        items = link.flush(now, ack=now >= self._ack_at or owed >= ACK_LIMIT)
        if items:
            for data in encode_frames(link.epoch, link.peer_epoch, items):
                self._send(data)
            self._ack_at = NEVER
        elif owed and self._ack_at == NEVER:
            self._ack_at = now + ACK_DELAY
        due = link.sender.due
        self.deadline = min(self._ack_at, due)

    def _send(self, data: bytes) -> None:
        try:
            self._push.send(data, _NOBLOCK)
        except zmq.Again:  # an inproc peer that ended; its successor's Hello has this socket reopened
            self.unsent += 1

    def _connected(self) -> zmq.Socket[bytes]:
        push = _configured(self._context.socket(zmq.PUSH))
        push.connect(self._outward)
        return push

    def close(self, *, in_order: bool = False) -> None:
        """Close both sockets; in order, what was sent last still gets a moment to leave."""
        self._push.close(linger=CLOSING_LINGER if in_order else 0)
        if self._inward.startswith("inproc:"):
            self._pull.unbind(self._inward)  # a close alone frees the name some time later, in the way of a successor
        self._pull.close(linger=0)


def _configured(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    for option, value in (
        (zmq.RECONNECT_IVL, 1),  # the default finds a restarted peer only after 140 ms and more
        (zmq.LINGER, 0),
        (zmq.SNDHWM, 0),  # bounded by what the owner holds, never by blocking or dropping here
        (zmq.RCVHWM, 0),
        (zmq.IMMEDIATE, 0),
        (zmq.MAXMSGSIZE, FRAME_LIMIT),
    ):
        socket.set(option, value)
    return socket


def _bind(socket: zmq.Socket[bytes], address: str) -> None:
    before = os.umask(0o077)
    try:
        socket.bind(address)
    finally:
        os.umask(before)
