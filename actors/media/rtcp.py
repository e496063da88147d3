"""RTCP: SR, RR, SDES, BYE and APP as bytes, compound rules, the interval (RFC 3550 section 6, appendix A.2, A.7)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

SR, RR, SDES, BYE, APP = 200, 201, 202, 203, 204
CNAME = 1

_COMMON = struct.Struct(">BBH")
_WORD = struct.Struct(">I")
_BLOCK = struct.Struct(">IB3sIIII")
_SENDER = struct.Struct(">QIII")
# Seconds from 1900, where NTP counts from, to 1970.
_NTP_EPOCH = 2_208_988_800

MIN_INTERVAL = 5.0
_COMPENSATION = 2.71828 - 1.5
_UDP_IP_OVERHEAD = 28


class RtcpError(ValueError):
    """A datagram that is no RTCP; it is dropped."""


class ReportBlock(NamedTuple):
    """What a receiver says about one source (section 6.4.1): `fraction` in 256ths, `jitter` in timestamp units."""

    ssrc: int
    fraction: int
    lost: int
    extended_sequence: int
    jitter: int
    lsr: int
    dlsr: int


class SenderReport(NamedTuple):
    """A sender report; `ntp` is the 64-bit NTP time that `timestamp` stands for."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    """A receiver report."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceDescription(NamedTuple):
    """Chunks of (SSRC, ((item type, text), ...)), section 6.5."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


class Bye(NamedTuple):
    """The sources that leave, and why (section 6.6)."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""


class Application(NamedTuple):
    """What an application of the peer's says (section 6.7): `subtype` below 32, `name` of four bytes, whole words."""

    subtype: int
    ssrc: int
    name: bytes
    data: bytes = b""


class Unread(NamedTuple):
    """A packet of a type that is not read here (feedback, XR); section 6.1 says to ignore it."""

    packet_type: int
    body: bytes


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye | Application | Unread


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    if at + 24 * count > len(body):
        raise RtcpError(f"{count} report blocks do not fit")
    found = []
    for index in range(count):
        ssrc, fraction, lost, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(body, at + 24 * index)
        found.append(ReportBlock(ssrc, fraction, int.from_bytes(lost, "big", signed=True), highest, jitter, lsr, dlsr))
    return tuple(found)


def _sender_report(count: int, body: bytes) -> SenderReport:
    if len(body) < 24:
        raise RtcpError("a sender report is cut")
    ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
    return SenderReport(_WORD.unpack_from(body)[0], ntp, timestamp, packets, octets, _blocks(body, 24, count))


def _receiver_report(count: int, body: bytes) -> ReceiverReport:
    if len(body) < 4:
        raise RtcpError("a receiver report is cut")
    return ReceiverReport(_WORD.unpack_from(body)[0], _blocks(body, 4, count))


def _items(body: bytes, at: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """The items of one chunk and where the next chunk begins: items end by a null, padded to a word (section 6.5)."""
    items = []
    while at < len(body) and body[at]:
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise RtcpError("an SDES item is cut")
        end = at + 2 + body[at + 1]
        items.append((body[at], body[at + 2 : end]))
        at = end
    if at >= len(body):
        raise RtcpError("an SDES chunk does not end")
    return tuple(items), (at // 4 + 1) * 4


def _source_description(count: int, body: bytes) -> SourceDescription:
    chunks = []
    at = 0
    for _ in range(count):
        if at + 4 > len(body):
            raise RtcpError("an SDES chunk is cut")
        (ssrc,) = _WORD.unpack_from(body, at)
        items, at = _items(body, at + 4)
        chunks.append((ssrc, items))
    return SourceDescription(tuple(chunks))


def _bye(count: int, body: bytes) -> Bye:
    end = 4 * count
    if end > len(body):
        raise RtcpError(f"{count} sources of a BYE do not fit")
    reason = b""
    if len(body) > end:
        reason = body[end + 1 : end + 1 + body[end]]
        if len(reason) != body[end]:
            raise RtcpError("the reason of a BYE is cut")
    return Bye(struct.unpack_from(f">{count}I", body), reason)


def _application(subtype: int, body: bytes) -> Application:
    if len(body) < 8:
        raise RtcpError("an APP packet is cut")
    return Application(subtype, _WORD.unpack_from(body)[0], body[4:8], body[8:])


_READERS: dict[int, Callable[[int, bytes], RtcpPacket]] = {
    SR: _sender_report,
    RR: _receiver_report,
    SDES: _source_description,
    BYE: _bye,
    APP: _application,
}


def shares(data: bytes, formats: Container[int]) -> bool:
    """A datagram that came to a port that RTP and RTCP share is RTCP (RFC 5761 section 4).

    Args:
        data: the datagram.
        formats: the payload types agreed on, which RTCP's packet types may look like.
    """
    return len(data) > 1 and 192 <= data[1] < 224 and data[1] & 0x7F not in formats


def parse(data: bytes) -> tuple[RtcpPacket, ...]:
    """Read every RTCP packet in `data`, whichever comes first.

    Raises:
        RtcpError: a version that is not 2, lengths that do not add up, padding that lies or is not on the last packet,
            or a packet shorter than its counts say.
    """
    packets: list[RtcpPacket] = []
    at, size = 0, len(data)
    while at < size:
        if at + 4 > size:
            raise RtcpError("a header is cut")
        first, packet_type, words = _COMMON.unpack_from(data, at)
        if first >> 6 != 2:
            raise RtcpError(f"version {first >> 6}")
        end = at + 4 + 4 * words
        if end > size:
            raise RtcpError(f"{end - at} bytes announced, {size - at} there")
        body = data[at + 4 : end]
        if first & 0x20:
            if end != size or not body or body[-1] % 4 or not 4 <= body[-1] <= len(body):
                raise RtcpError("padding that lies")
            body = body[: -body[-1]]
        reader = _READERS.get(packet_type)
        packets.append(Unread(packet_type, body) if reader is None else reader(first & 0x1F, body))
        at = end
    return tuple(packets)


def parse_compound(data: bytes) -> tuple[RtcpPacket, ...]:
    """Read a compound packet by the strict rules of appendix A.2: it begins with SR or RR, without padding.

    Raises:
        RtcpError: it does not, or as :func:`parse`.
    """
    if len(data) < 8 or data[0] & 0x20 or data[1] not in (SR, RR):
        raise RtcpError("a compound packet begins with SR or RR")
    return parse(data)


def sender_of(packet: RtcpPacket) -> int | None:
    """The SSRC that a packet says it is from; None where it names none."""
    match packet:
        case SenderReport() | ReceiverReport() | Application():
            return packet.ssrc
        case SourceDescription():
            return packet.chunks[0][0] if packet.chunks else None
        case Bye():
            return packet.ssrcs[0] if packet.ssrcs else None
        case Unread():
            return _WORD.unpack_from(packet.body)[0] if len(packet.body) >= 4 else None


def _packet(count: int, packet_type: int, body: bytes) -> bytes:
    return _COMMON.pack(0x80 | count, packet_type, len(body) // 4) + body


def _print_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(_BLOCK.pack(b.ssrc, b.fraction, b.lost.to_bytes(3, "big", signed=True), *b[3:]) for b in blocks)


def _print_chunk(ssrc: int, items: tuple[tuple[int, bytes], ...]) -> bytes:
    chunk = _WORD.pack(ssrc) + b"".join(bytes((kind, len(text))) + text for kind, text in items)
    return chunk + bytes(4 - len(chunk) % 4)


def build(packets: Iterable[RtcpPacket]) -> bytes:
    """Print packets one after the other, as one compound packet.

    Raises:
        ValueError: a field is out of its range.
    """
    parts = []
    try:
        for packet in packets:
            match packet:
                case SenderReport():
                    body = _WORD.pack(packet.ssrc) + _SENDER.pack(*packet[1:5]) + _print_blocks(packet.blocks)
                    parts.append(_packet(len(packet.blocks), SR, body))
                case ReceiverReport():
                    body = _WORD.pack(packet.ssrc) + _print_blocks(packet.blocks)
                    parts.append(_packet(len(packet.blocks), RR, body))
                case SourceDescription():
                    body = b"".join(_print_chunk(ssrc, items) for ssrc, items in packet.chunks)
                    parts.append(_packet(len(packet.chunks), SDES, body))
                case Bye():
                    body = struct.pack(f">{len(packet.ssrcs)}I", *packet.ssrcs)
                    if packet.reason:
                        text = bytes((len(packet.reason),)) + packet.reason
                        body += text + bytes(-len(text) % 4)
                    parts.append(_packet(len(packet.ssrcs), BYE, body))
                case Application():
                    body = struct.pack(">I4s", packet.ssrc, packet.name) + packet.data
                    parts.append(_packet(packet.subtype, APP, body))
                case Unread():
                    parts.append(_packet(0, packet.packet_type, packet.body))
    except (struct.error, OverflowError) as error:
        raise ValueError(str(error)) from error
    return b"".join(parts)


def ntp_time(wall: float) -> int:
    """Seconds since 1970 as a 64-bit NTP time (section 4)."""
    seconds = int(wall)
    return ((seconds + _NTP_EPOCH) & 0xFFFFFFFF) << 32 | int((wall - seconds) * 0x100000000)


def interval(size: float, *, chance: float, initial: bool, bandwidth: float = 64_000 / 8 * 0.05) -> float:
    """Seconds until the next report of a session of two, both of whom may send (appendix A.7).

    Args:
        size: the average size of a compound packet in bytes, without UDP and IP.
        chance: uniform in [0, 1).
        initial: nothing has been sent yet, which halves the minimum.
        bandwidth: bytes a second for RTCP; by default 5 % of G.711.
    """
    least = MIN_INTERVAL / 2 if initial else MIN_INTERVAL
    # With two members senders are never a quarter or less, so that all share the whole bandwidth.
    wait = max(least, 2 * (size + _UDP_IP_OVERHEAD) / bandwidth)
    return wait * (chance + 0.5) / _COMPENSATION
