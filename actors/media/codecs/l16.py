"""L16: linear samples, big-endian (RFC 3551 section 4.5.11), at 8, 16 and 44.1 kHz, mono."""

from __future__ import annotations

import numpy as np

from actors.media.codecs.base import Codec, Decoder, Encoder, Samples
from actors.media.resample import Resampler

CLOCK_RATES = (16000, 8000, 44100)
CHANNELS = 1


def _samples(payload: bytes) -> Samples:
    return np.frombuffer(payload, ">i2", len(payload) // 2).astype(np.int16)


class _Decoder(Decoder):
    def __init__(self, resampler: Resampler | None) -> None:
        self._resampler = resampler

    def decode(self, payload: bytes) -> Samples:
        samples = _samples(payload)
        return samples if self._resampler is None else self._resampler.process(samples)


class _Encoder(Encoder):
    def __init__(self, resampler: Resampler | None) -> None:
        self._resampler = resampler

    def encode(self, samples: Samples) -> bytes:
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        return samples.astype(">i2").tobytes()


class L16(Codec):
    """Linear samples; those of 44.1 kHz are made 48 kHz inside, of which a session is."""

    encoding = "L16"

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.rate = clock_rate if clock_rate != 44100 else 48000

    def _resampler(self, *, inward: bool) -> Resampler | None:
        if self.rate == self.clock_rate:
            return None
        return Resampler(self.clock_rate, self.rate) if inward else Resampler(self.rate, self.clock_rate)

    def duration(self, payload: bytes) -> int:
        """Two bytes a sample; an odd one is no packet."""
        return 0 if len(payload) % 2 else len(payload) // 2 * self.rate // self.clock_rate

    def decoder(self) -> Decoder:
        """Has the state of its resampler, where there is one."""
        return _Decoder(self._resampler(inward=True))

    def encoder(self, fmtp: str) -> Encoder:  # noqa: ARG002 - L16 has none that matter for mono
        """As the decoder."""
        return _Encoder(self._resampler(inward=False))


def make(clock_rate: int) -> Codec:
    """The codec at this clock rate."""
    return L16(clock_rate)
