"""G.722 at 64 kbit/s (RFC 3551 section 4.5.2): 16 kHz sound whose clock rate says 8000, by an erratum kept for ever.

Needs the PyPI package `G722` (the extra `codecs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from actors.media.codecs.base import Codec, CodecMissingError, Decoder, Encoder, Samples

CLOCK_RATES = (8000,)
CHANNELS = 1


def _state() -> Any:  # noqa: ANN401 - of a library without types
    try:
        from G722 import G722 as State  # noqa: N811, PLC0415 - heavy, and only where it is used
    except ImportError as error:
        raise CodecMissingError("G.722 needs the package G722: pip install 'sipactors[codecs]'") from error
    return State(16000, 64000)


class _Decoder(Decoder):
    def __init__(self) -> None:
        self._state = _state()

    def decode(self, payload: bytes) -> Samples:
        return np.array(self._state.decode(payload), np.int16)


class _Encoder(Encoder):
    def __init__(self) -> None:
        self._state = _state()

    def encode(self, samples: Samples) -> bytes:
        payload: bytes = self._state.encode(samples)
        return payload


class G722(Codec):
    """G.722."""

    encoding = "G722"
    clock_rate = 8000
    rate = 16000

    def duration(self, payload: bytes) -> int:
        """One byte for two samples."""
        return 2 * len(payload)

    def decoder(self) -> Decoder:
        """Adapts with what it hears."""
        return _Decoder()

    def encoder(self, fmtp: str) -> Encoder:  # noqa: ARG002 - there are none
        """Adapts with what it says."""
        return _Encoder()


def make(clock_rate: int) -> Codec:  # noqa: ARG001 - the only one of CLOCK_RATES
    """The codec, if it can be had.

    Raises:
        CodecMissingError: the package is not installed.
    """
    _state()
    return G722()
