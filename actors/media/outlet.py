"""What is to be sent to one client of the audio channel, and in which messages. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from actors.media.audio_events import MAX_MESSAGE, Told
from actors.media.audio_frame_events import Frames, Played

_RECORD = 640  # bytes of a record at most, without what Played holds
_HEAD = 128  # bytes of a message, and of a record of frames, without what they hold
_MOST = MAX_MESSAGE - 2 * _HEAD


class Parcel(NamedTuple):
    """A message; told and frames are as in the outlet."""

    told: list[Told]
    frames: list[bytes]
    blocks: list[Frames]

    @property
    def sounds(self) -> int:
        """How many frames it holds."""
        return len(self.frames) + sum(len(each.places) // 2 for each in self.blocks)


class Outlet:
    """What is to be sent to one client.

    Attributes:
        told: in order, never left out.
        frames: of this tick, packed; left out where the client does not keep up.
        blocks: the same, of taps with a place: by number and rate the places, timestamps and samples of some of them.
    """

    __slots__ = ("blocks", "frames", "told")

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.frames: list[bytes] = []
        self.blocks: dict[tuple[int, int], list[tuple[bytes, bytes, bytes]]] = {}

    def block(self, seq: int, rate: int, places: bytes, timestamps: bytes, samples: bytes) -> None:
        """Frames of some taps with a place."""
        self.blocks.setdefault((seq, rate), []).append((places, timestamps, samples))

    def played(self, places: npt.NDArray[np.int64], at: npt.NDArray[np.int64]) -> None:
        """How far some taps with a place were played."""
        self.told.append(Played(places.astype("<u2").tobytes(), at.astype("<u8").tobytes()))

    @property
    def empty(self) -> bool:
        """There is nothing."""
        return not (self.told or self.frames or self.blocks)

    def _taken(self) -> list[Frames]:
        """What stands in `blocks`, in the order of the numbers; it is taken out."""
        blocks, self.blocks = self.blocks, {}
        return [
            Frames(rate, seq, *(b"".join(each) for each in zip(*blocks[seq, rate], strict=True)))
            for seq, rate in sorted(blocks)
        ]

    def parcels(self) -> list[Parcel]:
        """Messages that are not too long for all there is, an empty one for nothing; the outlet is empty then."""
        told, frames = self.told, self.frames
        self.told, self.frames = [], []
        parcels = [Parcel([], [], [])]
        left = _MOST

        def room(size: int) -> Parcel:
            nonlocal left
            if size > left:
                parcels.append(Parcel([], [], []))
                left = _MOST
            left -= size
            return parcels[-1]

        for each in told:
            room(_size(each)).told.append(each)
        for frame in frames:
            room(len(frame)).frames.append(frame)
        for block in self._taken():
            size = 6 + 2 * (block.rate // 50)
            for part in block.parts((_MOST - _HEAD) // size):
                room(_HEAD + size * (len(part.places) // 2)).blocks.append(part)
        return parcels


def _size(told: Told) -> int:
    """Bytes that it has at most."""
    return _RECORD + (len(told.places) + len(told.at) if isinstance(told, Played) else 0)
