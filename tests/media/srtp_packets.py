"""RTP and RTCP to protect: packets whose sequence number is that of an index."""

from __future__ import annotations

import struct

SSRC = 0xCAFEBABE


def packet(index: int, ssrc: int = SSRC) -> bytes:
    """An RTP packet of PCMU; its payload tells its index."""
    head = struct.pack("!BBHII", 0x80, 0, index & 0xFFFF, index * 160 & 0xFFFFFFFF, ssrc)
    return head + struct.pack("!Q", index) * 20


def control_packet(ssrc: int = SSRC) -> bytes:
    """A receiver report of nothing and a CNAME."""
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc) + struct.pack("!BBHIBB2s4x", 0x81, 202, 3, ssrc, 1, 2, b"me")
