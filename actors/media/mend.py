"""What is missing from a G.711 stream made up from both sides: what was heard before and what is held already.

A jitter buffer holds what comes after a loss before the loss is due, so the gap is bridged: the pitch period before it
goes on into it, that after it goes back into it, each as far as the sound there repeats itself at all, blended over its
length. Where nothing is held yet, the sound before goes on alone and falls, as in G.711 Appendix I, and what comes then
is blended in.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from actors.media.g711 import Law, decode, encode
from actors.media.jitter import JitterBuffer
from actors.media.pieces import FRAME

_Reals = npt.NDArray[np.float64]
_MATCH = 80  # samples that are compared: 10 ms
_SHORTEST, _LONGEST = 32, 130  # pitch of 250 to 61 Hz
_FALL = (np.linspace(1.0, 0.8, FRAME), np.linspace(0.8, 0.6, FRAME), np.linspace(0.6, 0.0, FRAME))
_BLEND = 40  # samples: 5 ms
# Frames that are made up at most in one gap: 60 ms, as Appendix I.
MOST = 3


def _repetition(history: _Reals, count: int) -> _Reals:
    """`count` samples that go on with the last pitch period, as loud as the sound repeats itself."""
    now = history[-_MATCH:]
    past = history[-_MATCH - _LONGEST : -_SHORTEST]
    products = np.correlate(past, now, "valid")
    sums = np.concatenate((np.zeros(1), np.cumsum(past**2)))
    scores = products / np.sqrt(np.maximum(sums[_MATCH:] - sums[:-_MATCH], 1000.0))
    best = int(np.argmax(scores))
    likeness = max(0.0, float(scores[best]) / (float(np.linalg.norm(now)) + 1))
    period = _LONGEST - best
    repeated: _Reals = np.resize(history[-period:], count) * min(1.0, likeness) ** 2
    return repeated


def bridge(past: _Reals, future: _Reals, count: int) -> _Reals:
    """`count` samples between `past` (at least 210 of them) and `future` (at least 160)."""
    back = future[::-1]
    if len(back) < _MATCH + _LONGEST:
        back = np.concatenate((back, np.zeros(_MATCH + _LONGEST - len(back))))
    ramp = np.linspace(1.0, 0.0, count)
    bridged: _Reals = _repetition(past, count) * ramp + _repetition(back, count)[::-1] * (1 - ramp)
    return bridged


class Mender:
    """One stream's concealment, frame by frame: codes in, codes out.

    Attributes:
        made: frames made up.
    """

    __slots__ = ("_alone", "_bridge", "_gap", "_history", "_law", "made")

    def __init__(self) -> None:
        self._history: deque[tuple[bytes, int]] = deque(maxlen=3)
        self._alone = False
        self._bridge: _Reals = np.zeros(0)
        self._gap = 0
        self._law = int(Law.PCMU)
        self.made = 0

    def mend(self, found: tuple[bytes, int], buffer: JitterBuffer) -> tuple[bytes, int]:
        """What is heard in place of what the buffer gave; nothing where the peer is silent.

        Args:
            found: codes and law, or nothing and 0.
            buffer: which gave it, with what is held.
        """
        codes, law = found
        if law:
            if self._gap:
                codes = self._rejoin(codes, law)
            self.remember(codes, law)
            return codes, law
        if self._gap >= MOST or len(self._history) < 3:
            self._gap = MOST
            return found
        samples = self._bridged(buffer)
        self._gap += 1
        self.made += 1
        codes = encode(np.clip(np.rint(samples), -32768, 32767).astype(np.int16), self._law).tobytes()
        self._history.append((codes, self._law))
        return codes, self._law

    @property
    def calm(self) -> bool:
        """Nothing is being made up."""
        return not self._gap

    def remember(self, codes: bytes, law: int) -> None:
        """A frame was heard, and passed on as it is."""
        self._law = law
        self._history.append((codes, law))

    def _past(self) -> _Reals:
        return np.concatenate([decode(np.frombuffer(codes, np.uint8), law) for codes, law in self._history]).astype(
            np.float64
        )

    def _bridged(self, buffer: JitterBuffer) -> _Reals:
        """The next frame of the gap."""
        if len(self._bridge):
            frame, self._bridge = self._bridge[:FRAME], self._bridge[FRAME:]
            return frame
        missing, after = buffer.ahead(2)
        if after and missing + 1 + self._gap <= MOST and not self._alone:
            future = np.concatenate([decode(np.frombuffer(codes, np.uint8), law) for codes, law in after])
            whole = bridge(self._past(), future.astype(np.float64), (missing + 1) * FRAME)
            frame, self._bridge = whole[:FRAME], whole[FRAME:]
            return frame
        self._alone = True
        return _repetition(self._past(), FRAME) * _FALL[self._gap]

    def _rejoin(self, codes: bytes, law: int) -> bytes:
        """The first good frame after a gap, blended where the gap was not bridged to it."""
        blends = self._alone and self._gap < MOST
        self._bridge, self._gap, self._alone = np.zeros(0), 0, False
        if not blends:
            return codes
        samples = decode(np.frombuffer(codes, np.uint8), law).astype(np.float64)
        ramp = np.linspace(0.0, 1.0, min(_BLEND, len(samples)))
        samples[: len(ramp)] = samples[: len(ramp)] * ramp + _repetition(self._past(), len(ramp)) * (1 - ramp)
        return encode(np.rint(samples).astype(np.int16), law).tobytes()
