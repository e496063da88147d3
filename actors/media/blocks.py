"""Frames for taps packed many at a time: all of one client that are equally long, as the rows of a matrix. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from actors.media.audio_frame_events import packed_frame

_SEQ, _TIMESTAMP, _DATA = len(b"\xa3seq\xcf"), len(b"\xa9timestamp\xce"), len(b"\xa4data\xc5") + 2


class Block:
    """The frames of several taps.

    Args:
        heads: how the frames of each tap begin, all equally long.
        samples: of a frame.
    """

    def __init__(self, heads: Sequence[bytes], samples: int) -> None:
        frames = [packed_frame(head, 0, 0, bytes(2 * samples)) for head in heads]
        self._size = len(frames[0])
        self._matrix = np.frombuffer(b"".join(frames), np.uint8).reshape(len(frames), self._size).copy()
        seq = len(heads[0]) + _SEQ
        timestamp = seq + 8 + _TIMESTAMP
        data = timestamp + 4 + _DATA
        self._seq = self._matrix[:, seq : seq + 8].view(">u8")[:, 0]
        self._timestamp = self._matrix[:, timestamp : timestamp + 4].view(">u4")[:, 0]
        self._samples = self._matrix[:, data:].view("<i2")

    def packed(self, seq: int, timestamps: npt.NDArray[np.int64], samples: npt.NDArray[np.int16]) -> list[bytes]:
        """The frames of a tick as `packed_frame` gives them: one number for all, a timestamp and samples for each."""
        self._seq[:] = seq
        self._timestamp[:] = timestamps
        self._samples[:] = samples
        data, size = self._matrix.tobytes(), self._size
        return [data[at : at + size] for at in range(0, len(data), size)]
