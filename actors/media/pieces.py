"""What a jitter buffer holds that is no whole frame: one that came in pieces, and packets that cannot be cut."""

from __future__ import annotations

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
