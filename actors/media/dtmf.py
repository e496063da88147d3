"""Keys as RTP packets (RFC 4733): what the peer presses, read once each; what we press, packet by packet."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

from actors.sip.errors import SdpError
from actors.sip.sdp_attributes import TelephoneEvents

KEYS = "0123456789*#ABCDF"  # by event code; F is a hook flash, 16 (section 3.2)
_USUAL = "0-15"
_PAYLOAD = struct.Struct(">BBH")
_END = 0x80
_VOLUME = 10  # dBm0 below nothing: what telephones send
_LONGEST = 0xFFFF
# Ticks: an event of which nothing more comes has ended, its last packets were lost.
_LOST = 6
# Keys a second that are believed; a hand presses ten, a machine twelve.
_MOST = 25
_ENDS = 3  # section 2.5.1.4
_PAUSE = 3  # ticks between two keys, 60 ms; receivers want 40 (Q.24)
_COMMA = 25


class KeyFormat(NamedTuple):
    """How a peer takes keys: the payload type of its telephone events, and which of them it knows."""

    payload_type: int
    keys: str


def keys_of(fmtp: str) -> str:
    """The keys that a receiver takes by its parameters; what is sent is restricted to them (section 2.5.1.1).

    All that a telephone has where it names no events, or nothing that can be read (section 2.4.1).
    """
    try:
        events = TelephoneEvents.parse(fmtp or _USUAL).events
    except SdpError:
        return keys_of(_USUAL)
    return "".join([KEYS[event] for event in events if event < len(KEYS)])


class Pressed(NamedTuple):
    """A key that was pressed and let go, for `duration` milliseconds."""

    key: str
    duration: int


class KeyReader:
    """What a peer presses.

    Args:
        clock_rate: of its timestamps.

    Attributes:
        dropped: events that were no key, broken, or more than anybody presses.
    """

    __slots__ = ("_begun", "_code", "_counted", "_done", "_duration", "_heard", "_since", "clock_rate", "dropped")

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self._code: int | None = None
        self._begun = 0  # the timestamp of the event, or of the segment of it in hand
        self._since = 0  # what earlier segments of it lasted
        self._duration = 0
        self._heard = 0  # the tick of its last packet
        self._done: int | None = None  # the timestamp of the last event that ended
        self._counted = (0, 0)
        self.dropped = 0

    def take(self, timestamp: int, payload: bytes, tick: int) -> list[Pressed]:
        """Read a packet; the keys that ended with it. A repeated end ends nothing again."""
        if len(payload) < _PAYLOAD.size:
            self.dropped += 1
            return []
        code, flags, duration = _PAYLOAD.unpack_from(payload)
        if code >= len(KEYS):
            self.dropped += 1
            return []
        if self._done is not None and (timestamp - self._done) & 0x80000000:
            return []  # of an event before the last one that ended
        if timestamp == self._done:
            return []
        ended: list[Pressed] = []
        if self._code is None:
            self._begin(code, timestamp)
        elif timestamp != self._begun:
            if (timestamp - self._begun) & 0x80000000:
                return []  # a straggler of an earlier segment
            if code == self._code and timestamp == (self._begun + _LONGEST) & 0xFFFFFFFF:
                # Section 2.5.1.3: a long event goes on in another segment.
                self._since += _LONGEST
                self._begun, self._duration = timestamp, 0
            else:
                ended = self._end(tick)  # its end was lost
                self._begin(code, timestamp)
        self._heard = tick
        self._duration = max(self._duration, duration)
        if flags & _END:
            ended += self._end(tick)
        return ended

    def expire(self, tick: int) -> list[Pressed]:
        """Time has passed: a key of which nothing was heard for a while was let go."""
        return self._end(tick) if self._code is not None and tick - self._heard > _LOST else []

    @property
    def down(self) -> bool:
        """A key is down."""
        return self._code is not None

    def _begin(self, code: int, timestamp: int) -> None:
        self._code, self._begun, self._since, self._duration = code, timestamp, 0, 0

    def _end(self, tick: int) -> list[Pressed]:
        code = self._code
        if code is None:
            return []
        self._code, self._done = None, self._begun
        second, count = self._counted
        self._counted = (tick // 50, count + 1 if second == tick // 50 else 1)
        if self._counted[1] > _MOST:
            self.dropped += 1
            return []
        return [Pressed(KEYS[code], (self._since + self._duration) * 1000 // self.clock_rate)]


class EventPacket(NamedTuple):
    """One packet of a key: its timestamp stays for the whole event (or segment), the marker is of its first."""

    timestamp: int
    marker: bool
    payload: bytes


class KeySender:
    """Keys to press, one after the other, a packet a tick.

    Args:
        units: timestamp units of a tick.

    Attributes:
        pressed: keys that are over, for a successor to leave out.
        begun: the timestamp of the key that is down, None while none is.
    """

    __slots__ = ("_ends", "_pause", "_queue", "_segment", "begun", "pressed", "units")

    def __init__(self, units: int) -> None:
        self.units = units
        self._queue: deque[tuple[str, int]] = deque()
        self._pause = 0
        self._ends = 0
        self._segment = 0
        self.begun: int | None = None
        self.pressed = 0

    def press(self, keys: str, duration: int) -> None:
        """Press `keys` after those still to be pressed, each for `duration` milliseconds; a comma is a pause."""
        if not self._queue:
            self.pressed = 0
        ticks = max(2, round(duration / 20))
        self._queue.extend((key, ticks) for key in keys)

    def resume(self, pressed: int, begun: int | None) -> None:
        """A successor: leave out what was pressed, go on with the key that was down."""
        for _ in range(min(pressed, len(self._queue))):
            self._queue.popleft()
        self.pressed = pressed
        self.begun = begun if self._queue else None
        self._segment = self.begun or 0

    @property
    def key(self) -> str:
        """The key whose turn it is, empty for none."""
        return self._queue[0][0] if self._queue else ""

    @property
    def busy(self) -> bool:
        """There is something to press, or a pause to keep."""
        return bool(self._queue or self._pause)

    def tick(self, timestamp: int) -> EventPacket | None:
        """The packet of this tick; None in a pause, when audio is sent."""
        if self._pause or not self._queue:
            self._pause = max(0, self._pause - 1)
            return None
        key, ticks = self._queue[0]
        if key == ",":
            self._next(_COMMA - 1)
            return None
        first = self.begun is None
        if self.begun is None:
            self.begun = self._segment = timestamp
        lasts = ticks * self.units
        if self._ends:
            return self._ending(key, lasts)
        so_far = ((timestamp - self.begun) & 0xFFFFFFFF) + self.units
        if so_far >= lasts:
            return self._ending(key, lasts)
        duration = (self.begun + so_far - self._segment) & 0xFFFFFFFF
        if duration > _LONGEST:  # section 2.5.1.3
            self._segment = (self._segment + _LONGEST) & 0xFFFFFFFF
            duration -= _LONGEST
        return EventPacket(self._segment, first, _PAYLOAD.pack(KEYS.index(key), _VOLUME, duration))

    def _ending(self, key: str, lasts: int) -> EventPacket:
        """One of the three last packets, all of the same duration."""
        assert self.begun is not None
        duration = (self.begun + lasts - self._segment) & 0xFFFFFFFF
        if duration > _LONGEST:
            self._segment = (self._segment + _LONGEST) & 0xFFFFFFFF
            duration -= _LONGEST
        packet = EventPacket(self._segment, False, _PAYLOAD.pack(KEYS.index(key), _END | _VOLUME, duration))
        self._ends += 1
        if self._ends == _ENDS:
            self._next(_PAUSE)
        return packet

    def _next(self, pause: int) -> None:
        self._queue.popleft()
        self.pressed += 1
        self.begun = None
        self._ends = 0
        self._pause = pause
