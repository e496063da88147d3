"""G.711 as a codec: one byte a sample, no state."""

from __future__ import annotations

import numpy as np

from actors.media.codecs.base import Codec, Decoder, Encoder, Samples
from actors.media.g711 import Law, decode, encode


class _Decoder(Decoder):
    def __init__(self, law: Law) -> None:
        self._law = law

    def decode(self, payload: bytes) -> Samples:
        return decode(np.frombuffer(payload, np.uint8), self._law)


class _Encoder(Encoder):
    def __init__(self, law: Law) -> None:
        self._law = law

    def encode(self, samples: Samples) -> bytes:
        return encode(samples, self._law).tobytes()


class Companded(Codec):
    """PCMU or PCMA."""

    clock_rate = rate = 8000

    def __init__(self, law: Law) -> None:
        self.encoding = law.name
        self._law = law

    def duration(self, payload: bytes) -> int:
        """One byte a sample."""
        return len(payload)

    def decoder(self) -> Decoder:
        """Has no state."""
        return _Decoder(self._law)

    def encoder(self, fmtp: str) -> Encoder:  # noqa: ARG002 - G.711 has no parameters
        """Has no state."""
        return _Encoder(self._law)
