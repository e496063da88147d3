"""What a codec is: one payload format, its decoders and encoders, and what a packet of it lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

# Sessions hear and speak at one of these, samples a second.
RATES = (8000, 16000, 48000)


class CodecMissingError(Exception):
    """A codec that is known cannot be used here; the text says what to install."""


class Decoder(ABC):
    """One stream's decoder."""

    @abstractmethod
    def decode(self, payload: bytes) -> Samples:
        """The samples of a packet, at the codec's rate. What is broken gives silence of the packet's length."""

    def conceal(self, count: int, following: bytes | None) -> Samples | None:  # noqa: ARG002 - a codec may use both
        """`count` samples in place of what was lost; `following` is the next packet where it is there (for FEC).

        None: the codec has no concealment of its own.
        """
        return None


class Encoder(ABC):
    """One stream's encoder."""

    @abstractmethod
    def encode(self, samples: Samples) -> bytes:
        """The payload of a packet; empty when there is nothing to be sent (discontinuous transmission)."""


class Codec(ABC):
    """One payload format as it was negotiated.

    Attributes:
        encoding: RFC 3551 name in upper case.
        clock_rate: of its timestamps, Hz.
        rate: of the samples it takes and gives, one of RATES.
    """

    encoding: str
    clock_rate: int
    rate: int

    @abstractmethod
    def duration(self, payload: bytes) -> int:
        """Samples at `rate` that a packet lasts; 0 for what is no packet of this format."""

    @abstractmethod
    def decoder(self) -> Decoder:
        """A decoder for one stream."""

    @abstractmethod
    def encoder(self, fmtp: str) -> Encoder:
        """An encoder for one stream; `fmtp` are the receiver's parameters."""
