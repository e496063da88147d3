"""Cutting a stream into messages (RFC 3261 sections 7.5 and 18.3) and keep-alives (RFC 5626 section 4.4.1).

Whatever the chunks, the same comes out. No byte is looked at twice: what is unfinished remembers how far it was read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.sip.errors import RemoteProtocolError
from actors.sip.usual import MAX_MESSAGE

_CR = 13
_END = b"\r\n\r\n"
# Every line that gives a Content-Length, in whatever spelling; its value may be folded.
_lengths = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:([^\r]*+(?:\r\n[ \t][^\r]*+)*+)", re.IGNORECASE).findall
_line_ends = re.compile(rb"(?:\r\n)*+").match
_number = re.compile(rb"[0-9]{1,10}").fullmatch


class Frame(NamedTuple):
    """A whole message; `end` is the offset in the stream at which it ends."""

    data: bytes
    end: int


class Ping(NamedTuple):
    """The second of two line ends: a double CRLF, to be answered by one (RFC 5626 s4.4.1)."""

    end: int


class Pong(NamedTuple):
    """A line end: the answer to a ping, or the first half of one; what it is only its receiver can tell."""

    end: int


Framed = Frame | Ping | Pong


class Framer:
    """Cuts one direction of one connection.

    Args:
        offset: where in the stream the first chunk begins, after a hand-over.
    """

    def __init__(self, offset: int = 0) -> None:
        self._buffer = bytearray()
        self._offset = offset  # of the buffer's first byte
        self._searched = 0  # up to here there is no end of a head
        self._length = 0  # of the message whose head is complete, 0 before
        self._line_ends = 0  # how many in a row came just now
        self._error: RemoteProtocolError | None = None

    @property
    def buffered(self) -> int:
        """How many bytes wait for the rest of their message."""
        return len(self._buffer)

    @property
    def offset(self) -> int:
        """The offset in the stream at which the last whole message ended: a successor goes on here."""
        return self._offset

    @property
    def pending(self) -> bytes:
        """The bytes that wait; after an error, those of the message that is wrong, to answer it."""
        return bytes(self._buffer)

    def feed(self, chunk: bytes | memoryview) -> list[Framed]:
        """Take the next bytes of the stream and give what they complete, in order.

        Raises:
            RemoteProtocolError: the stream cannot be cut any further; answer `pending` with the status, then close.
                What was complete before comes first: the error is raised by the next call.
        """
        if self._error is not None:
            raise self._error
        self._buffer += chunk
        out: list[Framed] = []
        try:
            while True:
                if not self._length and self._buffer[:1] == b"\r":
                    self._take_line_ends(out)
                frame = self._next()
                if frame is None:
                    return out
                out.append(frame)
        except RemoteProtocolError as error:
            self._error = error
            if not out:
                raise
        return out

    def _next(self) -> Frame | None:
        buffer = self._buffer
        if not self._length:
            if not buffer or buffer == b"\r":
                return None
            self._line_ends = 0
            end = buffer.find(_END, self._searched, MAX_MESSAGE)
            if end < 0:
                if len(buffer) > MAX_MESSAGE:
                    raise RemoteProtocolError(513, "Message too large")
                self._searched = max(0, len(buffer) - 3)
                return None
            self._length = _whole_length(bytes(buffer[: end + 2]))
        if len(buffer) < self._length:
            return None
        data = bytes(buffer[: self._length])
        self._advance(self._length)
        return Frame(data, self._offset)

    def _take_line_ends(self, out: list[Framed]) -> None:
        """Take every line end that the buffer begins with; a CR that no LF follows is none (s7.5)."""
        size = _line_ends(self._buffer).end()  # type: ignore[union-attr] # it always matches
        first, ends = self._line_ends + 1, self._offset
        for turn in range(first, first + size // 2):
            ends += 2
            out.append(Pong(ends) if turn % 2 else Ping(ends))
        self._line_ends += size // 2
        self._advance(size)
        if len(self._buffer) > 1 and self._buffer[0] == _CR:
            raise RemoteProtocolError(400, "Bare CR or LF")

    def _advance(self, count: int) -> None:
        del self._buffer[:count]
        self._offset += count
        self._searched = self._length = 0


def frame_length(buffer: bytes) -> int | None:
    """The length of the message that `buffer` begins with, None while its head is incomplete.

    Raises:
        RemoteProtocolError: as :meth:`Framer.feed`.
    """
    end = buffer.find(_END, 0, MAX_MESSAGE)
    if end >= 0:
        return _whole_length(buffer[: end + 2])
    if len(buffer) > MAX_MESSAGE:
        raise RemoteProtocolError(513, "Message too large")
    return None


def _whole_length(head: bytes) -> int:
    """The length of a message from its head (with the line end of its last line)."""
    lengths = _lengths(head)
    if len(lengths) != 1:
        raise RemoteProtocolError(400, "Content-Length missing or repeated")
    value = lengths[0].strip(b" \t\r\n")
    if _number(value) is None:
        raise RemoteProtocolError(400, "Malformed Content-Length")
    length = len(head) + 2 + int(value)
    if length > MAX_MESSAGE:
        raise RemoteProtocolError(513, "Message too large")
    return length
