"""What the control actor keeps besides commands and events: the calls there are, a timer, and the keys of it all."""

from __future__ import annotations

import hashlib

from actors.runtime.machine import Event

# The first byte of a cell's key; the chronicle has b"e".
PENDING, SETTLED, CALL, TIMER = b"p", b"k", b"c", b"t"


class Live(Event, frozen=True):
    """A call that has begun and not ended, and the shard that owns it."""

    call: str
    owner: str


class Tick(Event, frozen=True):
    """The timer's cell."""


def call_key(call: str) -> bytes:
    """The key of a call's cell, of bounded length whatever a peer chose for a Call-ID."""
    name = call.encode("utf-8", "surrogateescape")
    return CALL + (name if len(name) <= 64 else hashlib.blake2b(name, digest_size=32).digest())
