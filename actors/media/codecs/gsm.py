"""GSM full rate (RFC 3551 section 4.5.8), 33 bytes for 20 ms, by libgsm."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from actors.media.codecs.base import Codec, CodecMissingError, Decoder, Encoder, Samples
from actors.media.libraries import load

CLOCK_RATES = (8000,)
CHANNELS = 1
_FRAME = 160
_SIZE = 33


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Libgsm, with the types of what is called.

    Raises:
        CodecMissingError: it is not installed.
    """
    library = load("libgsm", 1)
    if library is None:
        raise CodecMissingError("GSM needs libgsm: apt-get install libgsm1")
    pointer = ctypes.c_void_p
    library.gsm_create.restype = pointer
    library.gsm_destroy.argtypes = [pointer]
    library.gsm_encode.argtypes = [pointer, pointer, ctypes.c_char_p]
    library.gsm_encode.restype = None
    library.gsm_decode.argtypes = [pointer, ctypes.c_char_p, pointer]
    return library


class _State:
    def __init__(self) -> None:
        self.library = library()
        self.handle = self.library.gsm_create()

    def __del__(self) -> None:
        self.library.gsm_destroy(self.handle)


class _Decoder(_State, Decoder):
    def decode(self, payload: bytes) -> Samples:
        frames = len(payload) // _SIZE
        out = np.zeros(frames * _FRAME, np.int16)
        for n in range(frames):
            frame = payload[n * _SIZE : (n + 1) * _SIZE]
            self.library.gsm_decode(self.handle, frame, out[n * _FRAME :].ctypes.data)
        return out


class _Encoder(_State, Encoder):
    def encode(self, samples: Samples) -> bytes:
        out = ctypes.create_string_buffer(_SIZE)
        parts = []
        for at in range(0, len(samples) - _FRAME + 1, _FRAME):
            frame = np.ascontiguousarray(samples[at : at + _FRAME])
            self.library.gsm_encode(self.handle, frame.ctypes.data, out)
            parts.append(out.raw)
        return b"".join(parts)


class Gsm(Codec):
    """GSM 06.10."""

    encoding = "GSM"
    clock_rate = rate = 8000

    def duration(self, payload: bytes) -> int:
        """Frames of 33 bytes; anything else is no packet."""
        return 0 if len(payload) % _SIZE else len(payload) // _SIZE * _FRAME

    def decoder(self) -> Decoder:
        """Predicts from what it heard."""
        return _Decoder()

    def encoder(self, fmtp: str) -> Encoder:  # noqa: ARG002 - there are none
        """Predicts from what it said."""
        return _Encoder()


def make(clock_rate: int) -> Codec:  # noqa: ARG001 - the only one of CLOCK_RATES
    """The codec, if it can be had.

    Raises:
        CodecMissingError: the library is not installed.
    """
    library()
    return Gsm()
