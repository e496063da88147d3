"""How sound looks on the audio channel: a frame a map, or in one record those of many taps of a connection. Pure.

A tap that was opened with a `place`, a number of the client's own, is spoken of by it. A record holds an array a field,
as bytes: what belongs to a tap stands at the same index in all of them. One record takes the place of a map for each
tap: who has a hundred of them spends a tenth on it.
"""

from collections.abc import Iterator
from struct import unpack
from typing import NamedTuple

import msgpack

PLACES = 1 << 16
_HIGHEST = 0x40  # of a position's first byte: positions are below 2^62


class Writes(NamedTuple):
    """A Write for each of several taps, all of one length.

    Attributes:
        places: of the taps, 16 bits each, little-endian, as all that follows.
        at: the position of each one's first sample, 64 bits each.
        data: s16le mono, the first tap's sound, then the second's, and so on.
    """

    places: bytes
    at: bytes
    data: bytes

    @property
    def fits(self) -> bool:
        """The arrays are of the same number of taps, the positions in range."""
        count = len(self.places) // 2
        return (
            0 < count == len(self.places) / 2 == len(self.at) / 8
            and len(self.data) % (2 * count) == 0
            and max(self.at[7::8]) < _HIGHEST
        )

    def each(self) -> Iterator[tuple[int, int, bytes]]:
        """Place, position and sound of every tap."""
        count = len(self.places) // 2
        size = len(self.data) // count
        for index, (place, at) in enumerate(zip(_words(self.places, "H"), _words(self.at, "Q"), strict=True)):
            yield place, at, self.data[index * size : (index + 1) * size]


class Played(NamedTuple):
    """A Progress for each of several taps.

    Attributes:
        places: of the taps, 16 bits each, little-endian.
        at: how far what was written to each was played, 64 bits each.
    """

    places: bytes
    at: bytes

    @property
    def fits(self) -> bool:
        """Both arrays are of the same number of taps."""
        return len(self.places) % 2 == 0 and len(self.at) == 4 * len(self.places)

    def each(self) -> Iterator[tuple[int, int]]:
        """Place and position of every tap."""
        return zip(_words(self.places, "H"), _words(self.at, "Q"), strict=True)


class Frames(NamedTuple):
    """A Frame for each of several taps of one rate.

    Attributes:
        rate: samples a second; each frame has a fiftieth of it.
        seq: as in Frame, the same for all.
        places: of the taps, 16 bits each, little-endian, as all that follows.
        timestamps: as in Frame, 32 bits each.
        data: s16le mono, the first tap's frame, then the second's, and so on.
    """

    rate: int
    seq: int
    places: bytes
    timestamps: bytes
    data: bytes

    @property
    def fits(self) -> bool:
        """The arrays are of the same number of taps."""
        count = len(self.places) // 2
        return len(self.timestamps) == 4 * count == 2 * len(self.places) and (
            len(self.data) == count * 2 * (self.rate // 50)
        )

    def each(self) -> Iterator[tuple[int, int, bytes]]:
        """Place, timestamp and sound of every tap."""
        size = 2 * (self.rate // 50)
        for index, (place, stamp) in enumerate(
            zip(_words(self.places, "H"), _words(self.timestamps, "I"), strict=True)
        ):
            yield place, stamp, self.data[index * size : (index + 1) * size]

    def parts(self, most: int) -> Iterator["Frames"]:
        """The same in records of at most `most` taps."""
        size = 2 * (self.rate // 50)
        for begin in range(0, len(self.places) // 2, most):
            end = begin + most
            yield Frames(
                self.rate,
                self.seq,
                self.places[2 * begin : 2 * end],
                self.timestamps[4 * begin : 4 * end],
                self.data[size * begin : size * end],
            )

    def packed(self) -> tuple[bytes, ...]:
        """In msgpack, in pieces: the sound is copied when its message is put together, and only then."""
        return (
            b"\x85\xa4rate\xce%b\xa3seq\xcf%b" % (self.rate.to_bytes(4, "big"), self.seq.to_bytes(8, "big")),
            b"\xa6places\xc6" + len(self.places).to_bytes(4, "big"),
            self.places,
            b"\xaatimestamps\xc6" + len(self.timestamps).to_bytes(4, "big"),
            self.timestamps,
            b"\xa4data\xc6" + len(self.data).to_bytes(4, "big"),
            self.data,
        )


def frame_head(tap: str) -> bytes:
    """The beginning of every frame of a tap, for `packed_frame`."""
    text: bytes = msgpack.packb(tap)
    return b"\x84\xa3tap" + text


def packed_frame(head: bytes, seq: int, timestamp: int, data: bytes) -> bytes:
    """A Frame in msgpack, put together from what is the same for all frames: this is done for each of them."""
    return b"%b\xa3seq\xcf%b\xa9timestamp\xce%b\xa4data\xc5%b%b" % (
        head,
        seq.to_bytes(8, "big"),
        timestamp.to_bytes(4, "big"),
        len(data).to_bytes(2, "big"),
        data,
    )


def _words(data: bytes, kind: str) -> tuple[int, ...]:
    return unpack(f"<{len(data) // {'H': 2, 'I': 4, 'Q': 8}[kind]}{kind}", data)
