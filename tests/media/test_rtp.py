"""RTP headers and the rules of appendix A of RFC 3550."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.rtp import Packet, RtpError, Source, build, parse
from tests.media.rig import corpus

packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=10).map(lambda data: data * 4)),
)


@given(packets)
def test_printing_then_parsing_is_the_identity(packet: Packet) -> None:
    assert parse(build(packet)) == packet


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda data: b"\xb5" + data))
def test_any_bytes_are_a_packet_or_an_rtp_error(data: bytes) -> None:
    try:
        parse(data)
    except RtpError:
        return


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "shorter"),
        (b"\x80" * 11, "shorter"),
        (b"\x40" + bytes(11), "version"),
        (b"\xc0" + bytes(11), "version"),
        (b"\x8f" + bytes(20), "CSRC"),
        (b"\x90" + bytes(11), "cut"),
        (b"\x90" + bytes(13) + b"\xff\xff", "longer"),
        (b"\xa0" + bytes(11), "padding"),
        (b"\xa0" + bytes(11) + b"\x02", "padding"),
        (b"\xa0" + bytes(11) + b"\x00", "padding"),
    ],
)
def test_a_header_that_lies_is_refused(data: bytes, why: str) -> None:  # FAULTS 53
    with pytest.raises(RtpError, match=why):
        parse(data)


def test_padding_is_not_payload() -> None:
    data = struct.pack(">BBHII", 0xA0, 0, 1, 2, 3) + b"abc" + b"\0\0\x03"
    assert parse(data).payload == b"abc"


@pytest.mark.parametrize(
    "packet",
    [
        Packet(128, 0, 0, 0, b"", marker=True),
        Packet(0, 65536, 0, 0, b""),
        Packet(0, 0, -1, 0, b""),
        Packet(0, 0, 0, 0, b"", csrcs=(1,) * 16),
        Packet(0, 0, 0, 0, b"", extension=(1, b"abc")),
    ],
)
def test_what_does_not_fit_the_header_is_not_printed(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r".+"):
        build(packet)


@pytest.mark.parametrize(
    ("name", "payload_type", "sequence_number", "csrcs", "size"),
    [
        ("rtp.bin", 0, 15743, (), 160),
        ("rtp_dtmf.bin", 101, 24152, (), 4),
        ("rtp_with_csrc.bin", 0, 16082, (2882400001, 3735928559), 160),
        ("rtp_only_padding.bin", 120, 27759, (), 0),
        ("rtp_only_padding_with_header_extensions.bin", 98, 22138, (), 0),
        ("rtp_with_sdes_mid.bin", 111, 14156, (), 54),
    ],
)
def test_packets_of_the_corpus_are_read(
    name: str, payload_type: int, sequence_number: int, csrcs: tuple[int, ...], size: int
) -> None:
    packet = parse(corpus("vectors", "rtp", name).read_bytes())
    assert (packet.payload_type, packet.sequence_number, packet.csrcs) == (payload_type, sequence_number, csrcs)
    assert len(packet.payload) == size


def heard(*sequence_numbers: int) -> Source:
    source = Source(1, sequence_numbers[0])
    for each in sequence_numbers:
        source.update(each)
    return source


def test_a_source_is_valid_after_two_packets_in_sequence() -> None:
    source = Source(1, 10)
    assert [source.update(n) for n in (10, 12, 13, 14)] == [False, False, True, True]
    assert (source.base_seq, source.received, source.lost) == (13, 2, 0)


def test_the_sequence_number_is_extended_over_its_wrap() -> None:
    source = heard(65533, 65534, 65535, 0, 1)
    assert source.extended_sequence == 65536 + 1
    assert (source.expected, source.lost) == (4, 0)


def test_a_late_packet_counts_and_does_not_turn_the_cycle() -> None:
    source = heard(65534, 65535, 0, 1)
    assert source.update(65533)
    assert source.extended_sequence == 65536 + 1


def test_one_wild_sequence_number_is_refused_and_two_in_sequence_restart() -> None:  # FAULTS 52
    source = heard(100, 101, 102)
    assert not source.update(30_000)
    assert source.update(103)
    assert not source.update(40_000)
    assert source.update(40_001)
    assert (source.base_seq, source.received, source.lost) == (40_001, 1, 0)


def test_loss_is_counted_and_its_fraction_is_of_the_interval() -> None:
    source = heard(9, 10, 11, 12, 15, 16, 17)
    assert source.lost == 2
    assert source.fraction_lost() == (2 << 8) // 8
    assert source.fraction_lost() == 0
    for again in (17, 17, 17):
        source.update(again)
    assert source.lost == -1
    assert source.fraction_lost() == 0


@given(st.lists(st.integers(0, 0xFFFF), max_size=200))
def test_any_sequence_numbers_keep_the_report_in_its_ranges(numbers: list[int]) -> None:
    source = Source(1, 0)
    for number in numbers:
        source.update(number)
    assert -0x800000 <= source.lost <= 0x7FFFFF
    assert 0 <= source.fraction_lost() <= 255


def test_jitter_is_a_sixteenth_of_each_difference() -> None:
    source = Source(1, 0)
    source.arrived(1000, 0xFFFFFFF0)
    source.arrived(1160, 0x90)
    assert source.jitter == 0
    source.arrived(1480, 0x130)
    assert source.jitter == 10
    source.arrived(1480, 0x1D0)
    assert source.jitter == 10 + (160 - 10) / 16
