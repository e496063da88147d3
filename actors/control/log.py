"""The event log: numbered, bounded, contiguous but where something is lost. Pure: numbers and bytes in, bytes out.

Numbers rise for ever. Within one run each is the one before plus one; where that is not so, what lies between is lost,
and a reader is told (a Gap) before it gets what follows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from actors.control.protocol import pack

# How far numbers are reserved ahead on the disk: more than can be logged between two flushes. After a power failure the
# log goes on above them, so that no number is ever used twice.
RESERVED = 100_000
MAX_BYTES = 16 * 1024 * 1024
EVENT_BYTES = 8_192  # a longer event has its texts cut, but no session description: a part of it says another thing
LONGEST = 48 * 1024  # a still longer one loses its headers: a frame has to hold it
TEXT_CUT = 1_000  # characters, when it has to be


class Head(msgspec.Struct):
    """What a filter looks at in an encoded event."""

    type: str
    call: str = ""


_number = itemgetter(0)
head_of = msgspec.msgpack.Decoder(Head).decode
_encode = msgspec.msgpack.Encoder().encode


class Slice(NamedTuple):
    """Events for one reader.

    Attributes:
        lost_before: the number of the first event here (or the next to come) where some before it are lost, else None.
        events: encoded, in order.
        last: the position of a reader that has had them.
    """

    lost_before: int | None
    events: list[bytes]
    last: int


class EventLog:
    """The events that can still be read.

    Args:
        limit: how many are kept.
        max_bytes: how many bytes of them are kept.
    """

    def __init__(self, limit: int, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._entries: list[tuple[int, bytes]] = []
        self._start = 0  # what lies before it in the list is dropped; the list is cut now and then
        self._bytes = 0
        self.last = 0

    def __len__(self) -> int:
        return len(self._entries) - self._start

    @property
    def first(self) -> int:
        """The number of the oldest event kept; of the next to come when there is none."""
        return self._entries[self._start][0] if len(self) else self.last + 1

    def append(self, number: int, event: bytes) -> None:
        """Add an event. A number that is not above the last is one that was restored twice, and ignored."""
        if number <= self.last:
            return
        self._entries.append((number, event))
        self._bytes += len(event)
        self.last = number
        count = len(self._entries) - self._start
        while count > self._limit or (self._bytes > self._max_bytes and count > 1):
            self._bytes -= len(self._entries[self._start][1])
            self._start += 1
            count -= 1
        if self._start > self._limit:
            del self._entries[: self._start]
            self._start = 0

    def skip_to(self, number: int) -> None:
        """Let the next event have `number` or a higher one: what lies between is lost."""
        self.last = max(self.last, number - 1)

    def after(
        self, position: int, up_to: int, max_events: int, max_bytes: int, wanted: Callable[[Head], bool] | None = None
    ) -> Slice:
        """The events after `position`, none above `up_to`, at most so many and so long (but one at least).

        Those that are not `wanted` are read over, and count against `max_events` only.
        """
        at = bisect_right(self._entries, position, lo=self._start, key=_number)
        upcoming = self._entries[at][0] if at < len(self._entries) else self.last + 1
        if upcoming > position + 1:
            # Told on its own, whatever the reader's credit: it frees the reader of what it would wait for in vain.
            return Slice(upcoming, [], upcoming - 1)
        events: list[bytes] = []
        size = 0
        for number, event in self._entries[at : at + max_events]:
            if number > up_to or number != position + 1:
                break
            if wanted is None or wanted(head_of(event)):
                size += len(event)
                if size > max_bytes and events:
                    break
                events.append(event)
            position = number
        return Slice(None, events, position)


def encode_event(number: int, event: msgspec.Struct) -> bytes:
    """A layer's event as the API shows it: its fields with its number and the name of its type."""
    fields: dict[str, Any] = {"seq": number, "type": type(event).__name__, **msgspec.structs.asdict(event)}
    try:
        data = _encode(fields)
    except UnicodeEncodeError:  # a peer's text that is no Unicode
        data = pack(fields)
    if len(data) > EVENT_BYTES:
        fields = {name: _cut(value) if name != "sdp" else value for name, value in fields.items()}
        data = pack(fields)
    return data if len(data) <= LONGEST else pack({**fields, "headers": ()})


def _cut(value: Any) -> Any:  # noqa: ANN401
    return value[:TEXT_CUT] if type(value) is str else value
