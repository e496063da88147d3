"""G.711 as look-up tables: PCMU and PCMA to 16-bit samples and back, for a whole matrix at once (ITU-T G.711)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Codes = npt.NDArray[np.uint8]


class Law(IntEnum):
    """A companding law. The numbers mark samples in a jitter buffer, where 0 is no sample."""

    PCMU = 1
    PCMA = 2


def _ulaw_decoded() -> Samples:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent = (codes >> 4) & 7
    magnitude = ((((codes & 0x0F) << 3) + 0x84) << exponent) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_decoded() -> Samples:
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (codes >> 4) & 7
    mantissa = (codes & 0x0F) << 4
    magnitude = np.where(exponent > 0, (mantissa + 0x108) << np.maximum(exponent - 1, 0), mantissa + 8)
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_encoded() -> Codes:
    """Codes by the 16 bits of a sample: 14 bits count, a negative sample by its one's complement, as ITU-T does."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum((np.where(samples < 0, ~samples, samples) >> 2) + 33, 0x1FFF)
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    codes = (exponent << 4) | ((magnitude >> (exponent + 1)) & 0x0F)
    complemented: Codes = (np.where(samples < 0, codes | 0x80, codes) ^ 0xFF).astype(np.uint8)
    return complemented


def _alaw_encoded() -> Codes:
    """Codes by the 16 bits of a sample: 12 bits and the sign count, a negative sample by its one's complement."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(samples < 0, ~samples, samples) >> 4
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    steps = magnitude >> np.maximum(exponent, 1) - 1
    codes = np.where(exponent > 0, (exponent << 4) | (steps & 0x0F), magnitude)
    return (np.where(samples < 0, codes, codes | 0x80) ^ 0x55).astype(np.uint8)


# Built once, when the module is preloaded. Indexed by Law, so that the first row of each is unused.
DECODED: tuple[Samples, Samples, Samples] = (np.zeros(256, np.int16), _ulaw_decoded(), _alaw_decoded())
ENCODED: tuple[Codes, Codes, Codes] = (np.zeros(65536, np.uint8), _ulaw_encoded(), _alaw_encoded())
SILENCE: tuple[int, int, int] = (0, 0xFF, 0xD5)


def decode(codes: Codes, law: int) -> Samples:
    """Decode codes of any shape into samples of the same shape."""
    return DECODED[law].take(codes)


def encode(samples: Samples, law: int) -> Codes:
    """Encode samples of any shape into codes of the same shape."""
    codes: Codes = np.take(ENCODED[law], samples.view(np.uint16))
    return codes


def _byte_table(law: int, samples: npt.NDArray[Any]) -> bytes:
    return encode(samples.astype(np.int16), law).tobytes()


# 256ths of full scale by code, for max(): how loud a frame is without its samples.
_LOUDNESS: tuple[bytes, bytes, bytes] = (
    bytes(256),
    (np.abs(DECODED[Law.PCMU].astype(np.int32)) >> 7).astype(np.uint8).tobytes(),
    (np.abs(DECODED[Law.PCMA].astype(np.int32)) >> 7).astype(np.uint8).tobytes(),
)
_QUIET = 4  # 36 dB below full scale


def is_quiet(codes: bytes, law: int) -> bool:
    """Whether a frame may be left out or doubled without anybody hearing it."""
    return max(codes.translate(_LOUDNESS[law]), default=0) <= _QUIET


TRANSCODED: dict[tuple[int, int], bytes] = {
    (Law.PCMU, Law.PCMA): _byte_table(Law.PCMA, DECODED[Law.PCMU]),
    (Law.PCMA, Law.PCMU): _byte_table(Law.PCMU, DECODED[Law.PCMA]),
}


def transcode(codes: bytes, law: int, wanted: int) -> bytes:
    """Codes of one law in another; the same law passes bit for bit."""
    return codes if law == wanted else codes.translate(TRANSCODED[law, wanted])


# What a sample of law 0 (missing), PCMU or PCMA is as PCMU.
_AS_PCMU: Codes = np.stack(
    (
        np.full(256, SILENCE[Law.PCMU], np.uint8),
        np.arange(256, dtype=np.uint8),
        np.frombuffer(TRANSCODED[Law.PCMA, Law.PCMU], np.uint8),
    )
)


def patch(codes: bytes | bytearray, laws: bytes | bytearray) -> tuple[bytes, int]:
    """Fill a frame of which samples are missing (law 0) with silence.

    Returns:
        The codes and their law: that of the samples, or PCMU where they are of both.
    """
    marks, values = np.frombuffer(laws, np.uint8), np.frombuffer(codes, np.uint8)
    for law in Law:
        if not (marks & ~np.uint8(law)).any():
            return np.where(marks == law, values, np.uint8(SILENCE[law])).tobytes(), int(law)
    return _AS_PCMU[marks, values].tobytes(), int(Law.PCMU)
