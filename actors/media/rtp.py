"""RTP: the header as bytes, and what a receiver keeps about one source (RFC 3550 sections 5, 6.4 and appendix A)."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct(">BBHII")
_EXTENSION = struct.Struct(">HH")

MASK = 0xFFFFFFFF  # timestamps and SSRCs are of 32 bits
SEQUENCE_MODULUS = 1 << 16
# RFC 3550 appendix A.1, typical values for 50 packets a second.
MAX_DROPOUT = 3000
MAX_MISORDER = 100
MIN_SEQUENTIAL = 2
_NEVER = SEQUENCE_MODULUS + 1


class RtpError(ValueError):
    """A datagram that is no RTP packet; it is dropped, never answered."""


class Packet(NamedTuple):
    """One RTP packet.

    Attributes:
        payload_type: 0 to 127.
        sequence_number: 16 bits.
        timestamp: 32 bits, in units of the clock rate.
        ssrc: 32 bits.
        payload: what follows header, CSRCs and extension, without padding.
        marker: the M bit.
        csrcs: contributing sources, at most 15.
        extension: profile word and data of the header extension (section 5.3.1), the data in whole 32-bit words.
    """

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None


def payload_span(data: bytes) -> tuple[int, int]:
    """Where the payload of `data` begins and ends, with every length in the header checked (RFC 3550 appendix A.1).

    Raises:
        RtpError: the version is not 2, or CSRC count, extension or padding say more than there is.
    """
    size = len(data)
    if size < 12:
        raise RtpError(f"{size} bytes are shorter than an RTP header")
    first = data[0]
    if first >> 6 != 2:
        raise RtpError(f"version {first >> 6}")
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if start + 4 > size:
            raise RtpError("the extension header is cut")
        start += 4 + 4 * _EXTENSION.unpack_from(data, start)[1]
    if start > size:
        raise RtpError("CSRCs or extension are longer than the packet")
    end = size
    if first & 0x20:
        padding = data[-1]
        if not 1 <= padding <= size - start:
            raise RtpError(f"padding of {padding} bytes in {size - start}")
        end -= padding
    return start, end


def payload_of(data: bytes) -> bytes | None:
    """The payload behind CSRCs and an extension, without padding; None when the header lies."""
    try:
        start, end = payload_span(data)
    except RtpError:
        return None
    return data[start:end]


def parse(data: bytes) -> Packet:
    """Read one datagram.

    Raises:
        RtpError: as :func:`payload_span`.
    """
    start, end = payload_span(data)
    first, second, sequence_number, timestamp, ssrc = HEADER.unpack_from(data)
    count = first & 0x0F
    extension = None
    if first & 0x10:
        profile, _ = _EXTENSION.unpack_from(data, 12 + 4 * count)
        extension = (profile, data[16 + 4 * count : start])
    return Packet(
        payload_type=second & 0x7F,
        sequence_number=sequence_number,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[start:end],
        marker=second >= 0x80,
        csrcs=struct.unpack_from(f">{count}I", data, 12),
        extension=extension,
    )


def build(packet: Packet) -> bytes:
    """Print `packet`, without padding.

    Raises:
        ValueError: more than 15 CSRCs, an extension that is not whole words, or a field out of range.
    """
    if not 0 <= packet.payload_type <= 127:
        raise ValueError(f"payload type {packet.payload_type}")
    if len(packet.csrcs) > 15:
        raise ValueError(f"{len(packet.csrcs)} CSRCs; the header counts to 15")
    first = 0x80 | len(packet.csrcs)
    extension = b""
    if packet.extension is not None:
        profile, content = packet.extension
        if len(content) % 4:
            raise ValueError(f"an extension of {len(content)} bytes is not whole words")
        first |= 0x10
        extension = _EXTENSION.pack(profile, len(content) // 4) + content
    try:
        header = HEADER.pack(
            first,
            packet.payload_type | (0x80 if packet.marker else 0),
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
        )
        csrcs = struct.pack(f">{len(packet.csrcs)}I", *packet.csrcs)
    except struct.error as error:
        raise ValueError(str(error)) from error
    return b"".join((header, csrcs, extension, packet.payload))


class Source:
    """One synchronisation source as its receiver sees it: `update` is appendix A.1, `lost` A.3, `arrived` A.8.

    Args:
        ssrc: its identifier.
        sequence_number: that of its first packet, which `update` has yet to be given.

    Attributes:
        gaps: how often the sequence numbers went on with some left out.
    """

    __slots__ = (
        "bad_seq",
        "base_seq",
        "cycles",
        "expected_prior",
        "gaps",
        "jitter",
        "max_seq",
        "probation",
        "received",
        "received_prior",
        "ssrc",
        "transit",
    )

    def __init__(self, ssrc: int, sequence_number: int) -> None:
        self.ssrc = ssrc
        self.gaps = 0
        self.transit: int | None = None
        self.jitter = 0.0
        self.restart(sequence_number)
        self.max_seq = (sequence_number - 1) % SEQUENCE_MODULUS
        self.probation = MIN_SEQUENTIAL

    def restart(self, sequence_number: int) -> None:
        """Count anew from `sequence_number` (init_seq of A.1)."""
        self.base_seq = sequence_number
        self.max_seq = sequence_number
        self.bad_seq = _NEVER
        self.cycles = 0
        self.received = 0
        self.received_prior = 0
        self.expected_prior = 0
        self.probation = 0

    def update(self, sequence_number: int) -> bool:
        """Take in a sequence number and say whether its packet is valid (update_seq of A.1)."""
        delta = (sequence_number - self.max_seq) & 0xFFFF
        if self.probation:
            return self._prove(sequence_number, delta)
        if delta < MAX_DROPOUT:
            self.gaps += delta > 1
            if sequence_number < self.max_seq:
                self.cycles += SEQUENCE_MODULUS
            self.max_seq = sequence_number
        elif delta <= SEQUENCE_MODULUS - MAX_MISORDER:
            if sequence_number != self.bad_seq:
                self.bad_seq = (sequence_number + 1) & 0xFFFF
                return False
            # Two in sequence after a jump: the peer restarted its numbers.
            self.restart(sequence_number)
            self.transit = None
        self.received += 1
        return True

    def _prove(self, sequence_number: int, delta: int) -> bool:
        """A source under probation is valid after MIN_SEQUENTIAL packets in sequence."""
        if delta != 1:
            self.probation = MIN_SEQUENTIAL - 1
            self.max_seq = sequence_number
            return False
        self.probation -= 1
        self.max_seq = sequence_number
        if self.probation:
            return False
        self.restart(sequence_number)
        self.received = 1
        return True

    def arrived(self, arrival: int, timestamp: int) -> None:
        """Estimate the interarrival jitter (A.8), kept in timestamp units.

        Args:
            arrival: the time of arrival in timestamp units, from any origin.
            timestamp: the packet's own.
        """
        transit = (arrival - timestamp) & 0xFFFFFFFF
        if self.transit is not None:
            difference = (transit - self.transit) & 0xFFFFFFFF
            if difference > 0x7FFFFFFF:
                difference = 0x100000000 - difference
            self.jitter += (difference - self.jitter) / 16.0
        self.transit = transit

    @property
    def extended_sequence(self) -> int:
        """The highest sequence number received, with its cycles (section 6.4.1)."""
        return self.cycles + self.max_seq

    @property
    def expected(self) -> int:
        """How many packets should have come (A.3)."""
        return self.cycles + self.max_seq - self.base_seq + 1

    @property
    def lost(self) -> int:
        """Packets lost, negative with duplicates, clamped to 24 bits (A.3)."""
        return max(-0x800000, min(0x7FFFFF, self.expected - self.received))

    def fraction_lost(self) -> int:
        """The loss since this was last asked, in 256ths (A.3); asking begins a new interval."""
        expected = self.expected
        expected_interval = expected - self.expected_prior
        self.expected_prior = expected
        received_interval = self.received - self.received_prior
        self.received_prior = self.received
        lost_interval = expected_interval - received_interval
        if expected_interval <= 0 or lost_interval <= 0:
            return 0
        return min(255, (lost_interval << 8) // expected_interval)
