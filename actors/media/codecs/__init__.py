"""The codecs: a file each, found by the name of its encoding. A new codec is one more file here.

Each file has CLOCK_RATES, CHANNELS (of its description) and `make`; its line of :data:`actors.sip.sdp_codecs.NAMED`
says how it is offered.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

from actors.media.codecs.base import Codec, CodecMissingError

__all__ = ["Codec", "CodecMissingError", "find"]

_NOT_CODECS = {"base", "companded"}


@lru_cache(maxsize=256)
def find(encoding: str, clock_rate: int, channels: int = 1) -> Codec | None:
    """The codec of an encoding (RFC 3551 name, in any case); None when there is none of this name and shape.

    Raises:
        CodecMissingError: there is, but what it needs is not installed.
    """
    name = encoding.lower().replace("-", "_")
    if not name.isidentifier() or name in _NOT_CODECS or find_spec(f"{__name__}.{name}") is None:
        return None
    module = import_module(f"{__name__}.{name}")
    if clock_rate not in module.CLOCK_RATES or channels not in (1, module.CHANNELS):
        return None
    made: Codec = module.make(clock_rate)
    return made
