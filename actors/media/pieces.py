"""What a jitter buffer holds: whole frames where it is calm, else frames in pieces and packets that cannot be cut."""

from __future__ import annotations

from typing import NamedTuple

from actors.media.g711 import Law

FRAME = 160  # samples of 8 kHz: 20 ms
MARKS = {int(law): bytes((law,)) * FRAME for law in Law}


class Partial:
    """A frame that came in pieces: its codes, and for each the law or 0 for missing."""

    __slots__ = ("codes", "laws")

    def __init__(self) -> None:
        self.codes = bytearray(FRAME)
        self.laws = bytearray(FRAME)

    def fill(self, start: int, piece: bytes, law: int) -> bool:
        """Put a piece in; False when all of it was there already."""
        end = start + len(piece)
        if self.laws.find(0, start, end) < 0:
            return False
        self.codes[start:end] = piece
        self.laws[start:end] = MARKS[law][: len(piece)]
        return True


class Several:
    """Packets of a codec whose payload cannot be cut, that begin within one frame: (samples into it, payload, kind)."""

    __slots__ = ("packets",)

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes, int]] = []


class Calm(NamedTuple):
    """A buffer in which nothing is out of the ordinary: all that it holds are whole frames on the grid.

    Attributes:
        cursor: the timestamp of the next sample to play, not wrapped.
        end: that after the newest sample held.
        first: that of the first sample since the cursor was set.
        dry: ticks in a row without anything held.
        missed: frames in a row of which nothing was there when they were taken.
        window: ticks since the delay was judged.
        least: what was held at least since then.
        in_time: a packet came since the last frame was taken.
        margins: how long before their time packets came since then.
        frames: position -> codes and their law.
    """

    cursor: int
    end: int
    first: int
    dry: int
    missed: int
    window: int
    least: int
    in_time: bool
    margins: list[int]
    frames: dict[int, tuple[bytes, int]]
