"""Which shard a key belongs to: 256 slots by hash, slots to shards."""

from __future__ import annotations

import zlib

SLOTS = 256


def slot(key: str) -> int:
    """The slot of a Call-ID, an AOR or an idempotency key: the same in every process and on every host."""
    return zlib.crc32(key.encode("utf-8", "surrogateescape")) & (SLOTS - 1)


class Slots:
    """The slot-to-shard table of one layer.

    Raises:
        ValueError: `shards` is not 1 to 256.
    """

    def __init__(self, shards: int) -> None:
        if not 1 <= shards <= SLOTS:
            raise ValueError(f"shards: {shards} is not between 1 and {SLOTS}")
        self.shards = shards

    def shard(self, key: str) -> int:
        """The number of the shard that owns `key`."""
        return slot(key) % self.shards
