"""The state of one TCP connection, pure: how far it is read, the framer, and the bounded queue of what is to go out.

Offsets count bytes since the connection began, each direction for itself. They are what survives a kill: `read_offset`
and the queue's chunks are journalled, `consumed` and `written` are asked of the kernel, and the difference tells a
successor which bytes to drop and which to write.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import NamedTuple

from actors.sip.framing import Framed, Framer
from actors.sip.vocabulary import Flow, Head, TransactionKey

NOBODY = TransactionKey("", "", "")
_AWAITED = 4096


class Chunk(NamedTuple):
    """One message to be written.

    Attributes:
        offset: of its first byte in what we write on the connection.
        data: the message.
        peer: the actor that sent it to us, empty for what is our own.
        key: its transaction, with an empty branch for nobody's.
    """

    offset: int
    data: bytes
    peer: str
    key: TransactionKey

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + len(self.data)

    @property
    def is_request(self) -> bool:
        """Whether it is no response."""
        return not self.data.startswith(b"SIP/2.0 ")


class QueueFullError(Exception):
    """The peer reads too slowly: what waits for it is above the limit."""


class GapError(Exception):
    """The kernel's count and ours do not fit: bytes would be lost or repeated, so the connection must end."""


class Stream:
    """One connection.

    Args:
        flow: how it is known to the layers above.
        opened: we opened it, so it may be reused for requests to that address.
        limit: bytes that may wait to be written.
        read_offset: after the last message that was taken over.
        consumed: bytes received off the socket, at most `read_offset`.

    Raises:
        GapError: more was consumed than was taken over.
    """

    def __init__(self, flow: Flow, *, opened: bool, limit: int, read_offset: int = 0, consumed: int = 0) -> None:
        if consumed > read_offset:
            raise GapError(f"{flow.token}: {consumed} bytes consumed, {read_offset} taken over")
        self.flow = flow
        self.opened = opened
        self.read_offset = read_offset
        self.consumed = consumed
        self.written = 0
        self.owed = 0
        self._limit = limit
        self._fed = read_offset
        self._framer = Framer(read_offset)
        self._queue: deque[Chunk] = deque()
        self._end = 0
        self._awaited: OrderedDict[tuple[str, str], tuple[str, TransactionKey]] = OrderedDict()
        self._held: list[Framed] = []

    # In

    @property
    def partial(self) -> bool:
        """Whether the beginning of a message is waiting for its rest."""
        return self._fed > max(self._framer.offset, self.read_offset)

    @property
    def holding(self) -> bool:
        """Whether something whole waits until there is room above for it."""
        return bool(self._held)

    def hold(self, items: list[Framed], read_offset: int) -> None:
        """Put back what has no room above, and all that came behind it: it is not taken over.

        Args:
            items: the last of what was framed.
            read_offset: where the first of them begins.
        """
        self._held = items
        self.read_offset = read_offset

    def release(self) -> list[Framed]:
        """What was held, to be taken over now."""
        held, self._held = self._held, []
        if held:
            self.read_offset = held[-1].end
        return held

    def feed(self, peeked: bytes | memoryview) -> list[Framed]:
        """Frame what is new in `peeked`, the socket's bytes from `consumed` on, and advance `read_offset`.

        Raises:
            RemoteProtocolError: the bytes cannot be framed; the connection must end. What was whole before them is
                returned first, and the next call raises.
        """
        return self.take_in(bytes(peeked[self._fed - self.consumed :]))

    def take_in(self, new: bytes) -> list[Framed]:
        """Frame the next bytes, of which nobody keeps a copy; else as :meth:`feed`.

        Raises:
            RemoteProtocolError: as for :meth:`feed`.
        """
        self._fed += len(new)
        framed = self._framer.feed(new)
        if framed:
            self.read_offset = framed[-1].end
        return framed

    def refused(self) -> bytes:
        """The bytes that could not be framed, to find whom to answer; they count as taken over from now on."""
        self.read_offset = self._fed
        return self._framer.pending

    # Out

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._end - self.written

    def push(self, data: bytes, peer: str = "", key: TransactionKey = NOBODY) -> Chunk:
        """Put a message into the queue.

        Raises:
            QueueFullError: too much is waiting.
        """
        if self.waiting + len(data) > self._limit:
            raise QueueFullError(f"{self.waiting} bytes wait for a peer that does not read")
        chunk = Chunk(self._end, data, peer, key)
        self._queue.append(chunk)
        self._end = chunk.end
        return chunk

    def pending(self) -> memoryview:
        """The bytes of the first chunk that are to be written next; empty when there are none."""
        if not self._queue:
            return memoryview(b"")
        first = self._queue[0]
        return memoryview(first.data)[self.written - first.offset :]

    def wrote(self, count: int) -> list[Chunk]:
        """Note that the kernel took `count` bytes more; return the chunks that are done."""
        self.written += count
        done = []
        while self._queue and self._queue[0].end <= self.written:
            done.append(self._queue.popleft())
        return done

    @property
    def unsent(self) -> tuple[Chunk, ...]:
        """The chunks of which a byte is still to be written."""
        return tuple(self._queue)

    def resume(self, written: int, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Take over a predecessor's queue; return the chunks that the kernel had already taken.

        Args:
            written: the kernel's count.
            chunks: what was journalled, in any order.

        Raises:
            GapError: the chunks do not reach from `written` on without a hole.
        """
        done = []
        self.written = self._end = written
        for chunk in sorted(chunks):
            if chunk.end <= written:
                done.append(chunk)
                continue
            if chunk.offset > self._end:
                raise GapError(f"{self.flow.token}: nothing to write from {self._end} to {chunk.offset}")
            self._queue.append(chunk)
            self._end = chunk.end
        if done and not self._queue and done[-1].end < written:
            raise GapError(f"{self.flow.token}: {written} bytes written, {done[-1].end} known")
        return done

    # Who waits for what

    def sent_request(self, peer: str, key: TransactionKey) -> None:
        """Remember whose request went out, until a response to it comes."""
        if not key.branch:
            return
        self._awaited[key.branch, key.method] = (peer, key)
        if len(self._awaited) > _AWAITED:
            self._awaited.popitem(last=False)

    def saw(self, head: Head) -> None:
        """Note a message that came: a request is owed a response, a response has been awaited."""
        if head.status:
            self._awaited.pop((head.branch, head.method), None)
        elif head.method != "ACK":
            self.owed += 1

    def answered(self, response: bytes) -> None:
        """Note a response that goes out: after its final one a request is owed nothing."""
        if response[8:9] != b"1" and self.owed:
            self.owed -= 1

    def forsaken(self) -> list[tuple[str, TransactionKey]]:
        """Whose requests went out without any response: they fail with the connection, each once."""
        found = list(self._awaited.values())
        self._awaited.clear()
        return found
