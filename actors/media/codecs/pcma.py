"""PCMA (RFC 3551 section 4.5.14)."""

from __future__ import annotations

from actors.media.codecs.base import Codec
from actors.media.codecs.companded import Companded
from actors.media.g711 import Law

PAYLOAD_TYPE = 8
CLOCK_RATES = (8000,)
CHANNELS = 1


def make(clock_rate: int, channels: int) -> Codec:  # noqa: ARG001 - one of CLOCK_RATES and CHANNELS
    """The codec."""
    return Companded(Law.PCMA)
