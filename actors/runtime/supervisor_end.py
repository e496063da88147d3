"""The supervisor's end of a channel, which never waits for a child; and a channel's two ends as they are made."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from actors.runtime.channel import MAX_DESCRIPTORS, Descriptor, FromChild, Stored, ToChild, encode, receive_packet

_BATCH_BYTES = 32768  # of tokens and notes in one Stored message

_decode_from_child = msgspec.msgpack.Decoder(FromChild).decode


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
        self._waiting.append((encode(message), tuple(descriptors)))
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
                data, fds, _ = receive_packet(self._end, 1, socket.MSG_DONTWAIT)
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
