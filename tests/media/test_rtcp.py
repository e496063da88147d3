"""RTCP packets, their compound rules and the interval."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media import rtcp
from actors.media.rtcp import Application, Bye, ReceiverReport, ReportBlock, RtcpError, SenderReport, SourceDescription
from tests.media.rig import corpus

word = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(ReportBlock, word, st.integers(0, 255), st.integers(-(1 << 23), (1 << 23) - 1), word, word, word, word),
    max_size=31,
).map(tuple)
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple)
packets = st.one_of(
    st.builds(SenderReport, word, st.integers(0, (1 << 64) - 1), word, word, word, blocks),
    st.builds(ReceiverReport, word, blocks),
    st.builds(SourceDescription, st.lists(st.tuples(word, items), max_size=31).map(tuple)),
    st.builds(Bye, st.lists(word, max_size=31).map(tuple), st.binary(max_size=255)),
    st.builds(
        Application,
        st.integers(0, 31),
        word,
        st.binary(min_size=4, max_size=4),
        st.integers(0, 20).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words)),
    ),
)


@given(st.lists(packets, max_size=4).map(tuple))
def test_printing_then_parsing_is_the_identity(compound: tuple[rtcp.RtcpPacket, ...]) -> None:
    assert rtcp.parse(rtcp.build(compound)) == compound


def packets_in(
    parse: Callable[[bytes], tuple[rtcp.RtcpPacket, ...]], data: bytes
) -> tuple[rtcp.RtcpPacket, ...] | None:
    """What is read; None for what is none, and for nothing else."""
    try:
        return parse(data)
    except RtcpError:
        return None


@given(st.binary(max_size=120), st.sampled_from([200, 201, 202, 203, 204, 205, 207]), st.integers(0, 0x3F))
def test_any_bytes_are_packets_or_an_rtcp_error(data: bytes, kind: int, bits: int) -> None:  # FAULTS 54
    head = struct.pack(">BBH", 0x80 | bits, kind, len(data) // 4)
    for each in (data, head + data, head + data + bytes(-len(data) % 4)):
        read, strictly = packets_in(rtcp.parse, each), packets_in(rtcp.parse_compound, each)
        assert all(isinstance(packet, rtcp.RtcpPacket) for packet in read or ())
        assert strictly is None or (strictly == read and isinstance(strictly[0], SenderReport | ReceiverReport))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtcp_bye.bin", Bye((2924645187,))),
        ("rtcp_bye_no_sources.bin", Bye(())),
        ("rtcp_bye_padding.bin", Bye(())),
        ("rtcp_rr.bin", ReceiverReport(817267719, (ReportBlock(1200895919, 0, 0, 630, 1906, 0, 0),))),
        (
            "rtcp_sr.bin",
            SenderReport(
                1831097322,
                16016567581311369308,
                1722342718,
                269,
                13557,
                (ReportBlock(2398654957, 0, 0, 246, 127, 0, 0),),
            ),
        ),
        (
            "rtcp_sdes.bin",
            SourceDescription(((1831097322, ((1, b"{63f459ea-41fe-4474-9d33-9707c9ee79d1}"),)),)),
        ),
    ],
)
def test_packets_of_the_corpus_are_read(name: str, expected: rtcp.RtcpPacket) -> None:
    assert rtcp.parse(corpus("vectors", "rtp", name).read_bytes()) == (expected,)


@pytest.mark.parametrize(
    "name",
    [
        "rtcp_bye_invalid.bin",
        "rtcp_rr_invalid.bin",
        "rtcp_sr_invalid.bin",
        "rtcp_sdes_item_truncated.bin",
        "rtcp_sdes_source_truncated.bin",
    ],
)
def test_bad_packets_of_the_corpus_are_refused_where_a_compound_packet_is_due(name: str) -> None:
    with pytest.raises(RtcpError):
        rtcp.parse_compound(corpus("vectors", "rtp", name).read_bytes())


def test_feedback_is_left_unread() -> None:
    data = corpus("vectors", "rtp", "rtcp_psfb_pli.bin").read_bytes()
    assert rtcp.parse(data) == (rtcp.Unread(206, data[4:]),)


REPORT = rtcp.build([ReceiverReport(7)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REPORT[:4],
        rtcp.build([Bye((7,))]),
        b"\xa0" + REPORT[1:],
        REPORT + b"\x80",
        REPORT + b"\x41\xcb\0\0",
        REPORT + b"\x80\xcb\xff\xff",
        REPORT + b"\x81\xcb\0\0",
        REPORT + b"\xa0\xcb\0\1\0\0\0\x08",
        REPORT + b"\x80\xcb\0\1\xff\0\0\0",
        REPORT + b"\x80\xcc\0\1\0\0\0\7",
    ],
    ids=[
        "empty",
        "cut",
        "bye-first",
        "padded",
        "tail",
        "version",
        "length",
        "count",
        "padding",
        "reason",
        "application",
    ],
)
def test_a_compound_packet_that_lies_is_refused(data: bytes) -> None:  # FAULTS 54
    with pytest.raises(RtcpError):
        rtcp.parse_compound(data)


def test_what_does_not_fit_is_not_printed() -> None:
    with pytest.raises(ValueError, match=r".+"):
        rtcp.build([ReceiverReport(7, (ReportBlock(1, 0, 1 << 23, 0, 0, 0, 0),))])
    with pytest.raises(ValueError, match=r".+"):
        rtcp.build([ReceiverReport(1 << 32)])


def test_ntp_counts_from_1900_in_fractions_of_a_second() -> None:
    assert rtcp.ntp_time(0.5) == (2_208_988_800 << 32) + (1 << 31)


@given(st.floats(0, 1, exclude_max=True), st.floats(40, 1500))
def test_the_interval_is_random_around_five_seconds(chance: float, size: float) -> None:
    wait = rtcp.interval(size, chance=chance, initial=False)
    least = 2.5 / 1.21828
    assert least <= wait
    assert size > 900 or wait <= 3 * least
    assert rtcp.interval(size, chance=chance, initial=True) <= wait
