"""Commands that take effect once, however often they are sent: what is kept of each under its idempotency key. Pure.

A command's cell is Pending from its first arrival, in the same commit as the messages it sends to the dialog shards,
until all of them have answered; then it is Settled and holds the reply, until it is forgotten by age or by number.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from enum import Enum

import msgspec

from actors.control.protocol import pack, plain
from actors.control.records import Command

REMEMBER = 600.0  # seconds
MAX_REMEMBERED = 10_000


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What a command came to: `result` in msgpack where it was done (an empty `code`), else why not."""

    result: bytes = b"\x80"
    code: str = ""
    message: str = ""
    field: str = ""


class Pending(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A command on its way.

    Attributes:
        digest: of the command, to tell a repetition from another command under the same key.
        waiting: the dialog shards that have not answered.
        reply: what to say when all have; a failure stays a failure.
        deadline: until when it is waited for; later it is only remembered.
        begins: the call that it begins, empty where it begins none.
        overdue: whoever waited was told that it took too long.
    """

    digest: bytes
    waiting: tuple[str, ...]
    reply: Reply
    deadline: float
    begins: str = ""
    overdue: bool = False


class Settled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A command that has its reply."""

    digest: bytes
    reply: Reply


class Verdict(Enum):
    """What a command is, seen from what is kept under its key."""

    FRESH = "fresh"
    PENDING = "pending"
    SETTLED = "settled"
    CONFLICT = "conflict"


def digest_of(command: Command) -> bytes:
    """16 bytes that are the same for the same command."""
    return hashlib.blake2b(pack({type(command).__name__: plain(command)}), digest_size=16).digest()


def judge(kept: Pending | Settled | None, digest: bytes) -> Verdict:
    """Whether a command with `digest` is new, repeated while pending, repeated after its reply, or another one."""
    if kept is None:
        return Verdict.FRESH
    if kept.digest != digest:
        return Verdict.CONFLICT
    return Verdict.PENDING if isinstance(kept, Pending) else Verdict.SETTLED


def answered(pending: Pending, peer: str, failure: Reply | None) -> Pending | Settled:
    """`peer` has answered, with a failure or well: the cell after it."""
    reply = failure if failure is not None and not pending.reply.code else pending.reply
    waiting = tuple(name for name in pending.waiting if name != peer)
    if waiting:
        return msgspec.structs.replace(pending, waiting=waiting, reply=reply)
    return Settled(pending.digest, reply)


class Remembered:
    """Which keys are settled, oldest first, so that no more than `limit` are kept."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def add(self, key: bytes) -> list[bytes]:
        """Remember `key` as the youngest; returns those to forget for it."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        return [self._keys.popitem(last=False)[0] for _ in range(len(self._keys) - self._limit)]

    def discard(self, key: bytes) -> None:
        """Forget `key`."""
        self._keys.pop(key, None)
