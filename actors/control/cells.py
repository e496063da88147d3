"""What the control actor keeps besides commands and events: the calls there are, a timer, and the keys of it all."""

from __future__ import annotations

import hashlib

from actors.runtime.machine import Event

# The first byte of a cell's key; the chronicle has b"e".
PENDING, SETTLED, CALL, CLAIM, TIMER = b"p", b"k", b"c", b"w", b"t"


class Live(Event, frozen=True):
    """A call that has begun and not ended, the shard that owns it, and the key of the remote client that placed it."""

    call: str
    owner: str
    by: str = ""


class Claimed(Event, frozen=True):
    """A call that a worker has, or that waits for one.

    Attributes:
        worker: the identity of its connection; empty while the call waits for one.
        name: what the worker calls itself.
        policy: what happens when the worker is gone: ``hangup``, ``keep`` or seconds.
        ringing: it is a call in that nobody has answered.
    """

    call: str
    worker: bytes = b""
    name: str = ""
    policy: str = "hangup"
    ringing: bool = False


class Tick(Event, frozen=True):
    """The timer's cell."""


def call_key(call: str) -> bytes:
    """The key of a call's cell, of bounded length whatever a peer chose for a Call-ID."""
    return CALL + _bounded(call)


def claim_key(call: str) -> bytes:
    """The key of the cell of a call's claim."""
    return CLAIM + _bounded(call)


def _bounded(call: str) -> bytes:
    name = call.encode("utf-8", "surrogateescape")
    return name if len(name) <= 64 else hashlib.blake2b(name, digest_size=32).digest()
