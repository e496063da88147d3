"""The pages of an Ogg file (RFC 3533): made, and found again in a file that somebody was writing when he was killed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FIRST, LAST = 2, 4
_HEAD = struct.Struct("<4sBBqIIIB")
_CHECKSUM = slice(22, 26)
_MOST = 255  # segments of a page
_REVERSED = bytes(int(f"{number:08b}"[::-1], 2) for number in range(256))


class Page(NamedTuple):
    """A page in a file.

    Attributes:
        start, end: its place there, bytes.
        flags: FIRST, LAST, or none of them.
        granule: what its codec counts, up to its end.
        number: of the page in its stream.
        body: its packets, one behind the other.
    """

    start: int
    end: int
    flags: int
    granule: int
    number: int
    body: bytes


def checksum(page: bytes) -> int:
    """The CRC of section 6: zlib's polynomial, but each byte with its highest bit first, and no inversion."""
    found = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(found.to_bytes(4, "little").translate(_REVERSED), "big")


def page(packets: Sequence[bytes], granule: int, serial: int, number: int, flags: int = 0) -> bytes:
    """A page of whole packets.

    Args:
        packets: at most 255 segments: one for each 255 bytes begun, and one more where a packet fills its last.
        granule: what the codec counts, up to its end.
        serial: of the stream.
        number: of the page.
        flags: FIRST, LAST.

    Raises:
        ValueError: they are too many for one page.
    """
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    if len(lacing) > _MOST:
        raise ValueError(f"{len(lacing)} segments do not go into one page")
    head = _HEAD.pack(b"OggS", 0, flags, granule, serial, number, 0, len(lacing))
    whole = bytearray(head + lacing + b"".join(packets))
    whole[_CHECKSUM] = checksum(bytes(whole)).to_bytes(4, "little")
    return bytes(whole)


def pages(data: bytes, serial: int) -> Iterator[Page]:
    """The pages of a stream, from the start of a file on, up to the first that is cut, broken or another stream's."""
    at = 0
    while len(data) - at >= _HEAD.size:
        magic, version, flags, granule, number_of, number, crc, segments = _HEAD.unpack_from(data, at)
        body = at + _HEAD.size + segments
        end = body + sum(data[at + _HEAD.size : body])
        if (magic, version, number_of) != (b"OggS", 0, serial) or end > len(data):
            return
        blank = data[at : at + _CHECKSUM.start] + bytes(4) + data[at + _CHECKSUM.stop : end]
        if checksum(blank) != crc:
            return
        yield Page(at, end, flags, granule, number, data[body:end])
        at = end
