"""PCMA (RFC 3551 section 4.5.14)."""

from __future__ import annotations

from actors.media.codecs.base import Codec
from actors.media.codecs.companded import Companded
from actors.media.g711 import Law

CLOCK_RATES = (8000,)
CHANNELS = 1


def make(clock_rate: int) -> Codec:  # noqa: ARG001 - the only one of CLOCK_RATES
    """The codec."""
    return Companded(Law.PCMA)
