"""The indexes of an SRTP session: which were used and seen, how they are kept, and the way back to them (RFC 3711).

A packet's index is 65,536 times its rollover counter plus its sequence number; the counter is never sent. An index used
twice with one key gives the plaintext away, so a row with the next one is written before a packet is sent.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

WINDOW = 64  # the least that RFC 3711 s3.3.2 allows; a reordering of more than a second is of no use to a listener
STREAMS = 4  # of one key that are kept, the newest
NO_KEY = bytes(8)
STEP = 0x7000  # below half of the sequence numbers, so that the counter is guessed right
_MASK = (1 << WINDOW) - 1
_HALF = 0x8000

# identity, fingerprints of our key, the one before it and the peer's; our ssrc, next index, SRTCP packets sent
_HEAD = struct.Struct("<Q8s8s8sIQI")
# ssrc, highest index, those seen; the same of SRTCP
_STREAM = struct.Struct("<IqQqQ")
SIZE = _HEAD.size + STREAMS * _STREAM.size


class Window:
    """Which indexes of a stream have come (s3.3.2).

    Attributes:
        highest: the highest index, -1 before any.
        seen: bit n is set when ``highest - n`` has come.
    """

    __slots__ = ("highest", "seen")

    def __init__(self, highest: int = -1, seen: int = 0) -> None:
        self.highest = highest
        self.seen = seen

    def guess(self, sequence_number: int) -> int:
        """The index of a packet that has this sequence number (s3.3.1); there is no counter below 0."""
        highest = self.highest
        if highest <= _HALF:
            return sequence_number
        ahead = (sequence_number - highest) & 0xFFFF
        # Exactly half is ambiguous; the sum is then the one with the same counter.
        if ahead < _HALF or (ahead == _HALF and highest & 0xFFFF < _HALF):
            return highest + ahead
        return highest + ahead - 0x10000

    def fresh(self, index: int) -> bool:
        """Whether a packet of this index may be taken: it has not come, and is not too old to tell."""
        behind = self.highest - index
        return behind < 0 or (behind < WINDOW and not self.seen >> behind & 1)

    def add(self, index: int) -> None:
        """A packet of this index came and was genuine."""
        ahead = index - self.highest
        if ahead > 0:
            self.seen = (self.seen << ahead | 1) & _MASK if ahead < WINDOW else 1
            self.highest = index
        elif -ahead < WINDOW:
            self.seen |= 1 << -ahead

    def indexes(self) -> list[int]:
        """Those that have come and are still told apart, in order."""
        return [self.highest - behind for behind in range(WINDOW - 1, -1, -1) if self.seen >> behind & 1]


class Row(NamedTuple):
    """What is kept of a session's indexes.

    Attributes:
        identity: of the session.
        send, former, receive: fingerprints of our key, of the one before it and of the peer's; zeros for none.
        ssrc: ours.
        following: the next index to be sent with.
        control: how many SRTCP packets were sent.
        streams: (ssrc, highest, seen, highest of SRTCP, seen of SRTCP) of the peer's, the newest last.
    """

    identity: int
    send: bytes = NO_KEY
    former: bytes = NO_KEY
    receive: bytes = NO_KEY
    ssrc: int = 0
    following: int = 0
    control: int = 0
    streams: tuple[tuple[int, int, int, int, int], ...] = ()

    def pack(self) -> bytes:
        """The row as SIZE bytes."""
        head = _HEAD.pack(self.identity, self.send, self.former, self.receive, self.ssrc, self.following, self.control)
        return head + b"".join([_STREAM.pack(*stream) for stream in self.streams[-STREAMS:]]).ljust(
            SIZE - len(head), b"\0"
        )


def unpack(data: bytes) -> Row:
    """The row that was packed. A stream that saw nothing is none."""
    streams = [_STREAM.unpack_from(data, _HEAD.size + at * _STREAM.size) for at in range(STREAMS)]
    known = tuple([stream for stream in streams if stream[2] or stream[4]])
    return Row._make((*_HEAD.unpack_from(data), known))


def fingerprint(suite: str, key: bytes) -> bytes:
    """Eight bytes that tell a key from another, and from which nothing of it follows."""
    return hashlib.blake2b(
        key, digest_size=8, person=b"srtp key", salt=hashlib.blake2b(suite.encode(), digest_size=16).digest()
    ).digest()


def way(target: int) -> Iterator[int]:
    """The indexes below `target`, the last one next to it, that lead a fresh context to where it is guessed right."""
    yield from range(STEP, target - 1, STEP)
    if target > 0:
        yield target - 1
