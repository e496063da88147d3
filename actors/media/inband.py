"""Keys that a peer presses as sound, sought in what it says, whatever form that has."""

from __future__ import annotations

import numpy as np

from actors.media.g711 import Law, decode
from actors.media.pieces import FRAME
from actors.media.resample import Resampler
from actors.media.tones import KeyDetector

_NO_SOUND = np.zeros(FRAME, np.int16)


class InbandKeys:
    """One peer's."""

    def __init__(self) -> None:
        self._detector = KeyDetector()
        self._narrow: Resampler | None = None

    def hear(self, codes: bytes, form: int) -> list[tuple[str, int]]:
        """The keys that ended in a frame, and for how many milliseconds each sounded.

        Args:
            codes: of a law, linear samples at so many kHz, or nothing.
            form: which law or kHz, 0 for nothing.
        """
        if not form:
            return self._detector.hear(_NO_SOUND)
        if form in tuple(Law):
            return self._detector.hear(decode(np.frombuffer(codes, np.uint8), form))
        samples = np.frombuffer(codes, np.int16)
        if form != 8:
            if self._narrow is None:
                self._narrow = Resampler(form * 1000, 8000)
            samples = self._narrow.process(samples)
        return self._detector.hear(samples)
