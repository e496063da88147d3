"""The jitter buffer: order, timing, loss, and what a clean stream must be spared."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.g711 import Law
from actors.media.jitter import FRAME, MAX_TARGET, REACH, TARGET, JitterBuffer

BASE = 0xFFFFFF00  # the numbers wrap soon


def frame(number: int) -> bytes:
    return bytes(((number * 7 + 1) % 255 + 1,)) * FRAME


def timestamp(number: int) -> int:
    return (BASE + number * FRAME) & 0xFFFFFFFF


def put(buffer: JitterBuffer, number: int, law: int = Law.PCMU) -> None:
    buffer.put(timestamp(number), frame(number), law)


def test_a_clean_stream_comes_out_whole_after_the_target_delay() -> None:
    buffer = JitterBuffer()
    out = []
    for number in range(200):
        put(buffer, number)
        out.append(buffer.take())
    delay = TARGET // FRAME
    assert out[:delay] == [(b"", 0)] * delay
    assert out[delay:] == [(frame(number), Law.PCMU) for number in range(200 - delay)]
    assert (buffer.late, buffer.concealed, buffer.skipped, buffer.duplicates) == (0, 0, 0, 0)


@pytest.mark.parametrize("phase", [0.1, 5.0, 10.0, 19.9])
@pytest.mark.parametrize("spread", [0.0, 4.0, 12.0])
def test_ordinary_scheduling_jitter_neither_drops_nor_inserts(phase: float, spread: float) -> None:
    chance = random.Random(phase + spread)
    arrivals = [(20.0 * number + phase + chance.uniform(-spread, spread), number) for number in range(3000)]
    arrivals.sort()
    buffer = JitterBuffer()
    out = []
    for tick in range(3000):
        while arrivals and arrivals[0][0] <= 20.0 * tick:
            put(buffer, arrivals.pop(0)[1])
        out.append(buffer.take()[0])
    first = next(index for index, codes in enumerate(out) if codes)
    played = out[first:]
    assert played == [frame(number) for number in range(len(played))]
    assert len(played) > 2990


def test_reordered_packets_are_put_in_order_and_repeated_ones_counted() -> None:
    buffer = JitterBuffer()
    for number in (0, 2, 1, 1, 3):
        put(buffer, number)
    out = [buffer.take()[0] for _ in range(6)]
    assert out == [b"", b"", frame(0), frame(1), frame(2), frame(3)]
    assert buffer.duplicates == 1


def test_a_lost_packet_is_a_gap_of_its_length() -> None:
    buffer = JitterBuffer()
    for number in (0, 1, 3):
        put(buffer, number)
    out = [buffer.take() for _ in range(6)]
    assert [law for _, law in out] == [0, 0, 1, 1, 0, 1]
    assert buffer.concealed == 1


def test_a_packet_whose_time_is_past_is_late() -> None:
    buffer = JitterBuffer()
    put(buffer, 0)
    for number in range(1, 6):
        buffer.take()
        if number != 2:
            put(buffer, number)
    put(buffer, 2)
    assert buffer.late == 1
    assert buffer.take()[0] == frame(3)


def test_a_delay_that_rose_for_good_is_taken_up_with_a_longer_target() -> None:
    buffer = JitterBuffer()
    sent = 0
    out = []
    for tick in range(100):
        if not 20 <= tick < 25:  # the path is 100 ms longer from here on
            put(buffer, sent)
            sent += 1
        out.append(buffer.take()[0])
    assert buffer.target == TARGET + FRAME
    assert buffer.late <= 5
    tail = out[40:]
    assert tail == [frame(sent - len(tail) - buffer.target // FRAME + n) for n in range(len(tail))]


def test_a_burst_after_a_stall_loses_what_is_late_and_keeps_the_time() -> None:
    buffer = JitterBuffer()
    out = []
    for tick in range(60):
        if tick < 20 or tick > 26:
            put(buffer, tick)
        elif tick == 26:
            for number in range(20, 27):
                put(buffer, number)
        out.append(buffer.take()[0])
    assert out[28:] == [frame(tick - 2) for tick in range(28, 60)]
    assert buffer.target == TARGET


def test_a_new_talkspurt_plays_after_the_target_delay() -> None:
    buffer = JitterBuffer()
    for number in range(5):
        put(buffer, number)
        buffer.take()
    for _ in range(50):
        buffer.take()
    put(buffer, 1_000_000)
    assert [buffer.take()[0] for _ in range(3)] == [b"", b"", frame(1_000_000)]


def test_silence_suppression_that_keeps_its_clock_is_not_moved() -> None:
    buffer = JitterBuffer()
    out = []
    for tick in range(200):
        if tick < 50 or tick >= 150:
            put(buffer, tick)
        out.append(buffer.take()[0])
    assert out[152:] == [frame(tick) for tick in range(150, 198)]


def test_one_wild_timestamp_is_dropped_and_a_second_in_its_wake_is_a_restart() -> None:  # FAULTS 52
    buffer = JitterBuffer()
    for number in range(10):
        put(buffer, number)
        buffer.take()
    put(buffer, 500_000)
    assert buffer.wild == 1
    put(buffer, 10)
    assert buffer.take()[0] == frame(8)
    put(buffer, 700_000)
    put(buffer, 700_001)
    assert [buffer.take()[0] for _ in range(3)] == [b"", b"", frame(700_001)]


def test_a_faster_clock_is_followed_by_skipping_single_frames() -> None:
    buffer = JitterBuffer()
    number = 0
    for tick in range(6000):
        put(buffer, number)
        number += 1
        if tick % 250 == 0:
            put(buffer, number)
            number += 1
        buffer.take()
    assert buffer.skipped >= 15
    assert 160 <= (timestamp(number) - (buffer.cursor or 0)) & 0xFFFFFFFF <= 10 * FRAME


@pytest.mark.parametrize("size", [80, 240, 320, 480, 100, 37])
def test_packets_of_any_length_come_out_in_frames(size: int) -> None:
    samples = bytes(random.Random(size).randrange(256) for _ in range(size * 60))
    buffer = JitterBuffer()
    out = b""
    sent = 0
    for tick in range(size * 60 // FRAME):
        while sent + size <= (tick + 1) * FRAME + size and sent < len(samples):
            buffer.put((BASE + sent) & 0xFFFFFFFF, samples[sent : sent + size], Law.PCMA)
            sent += size
        codes, law = buffer.take()
        if tick >= TARGET // FRAME:
            assert law == Law.PCMA
            out += codes
    assert samples.startswith(out)
    assert len(out) > 30 * size
    assert buffer.duplicates == 0


def test_half_a_frame_is_completed_with_silence() -> None:
    buffer = JitterBuffer()
    buffer.put(0, b"\x11" * 80, Law.PCMU)
    buffer.put(160, frame(1), Law.PCMU)
    out = [buffer.take() for _ in range(4)]
    assert out[2] == (b"\x11" * 80 + b"\xff" * 80, Law.PCMU)
    assert buffer.concealed == 1


def test_a_payload_longer_than_the_buffer_is_dropped() -> None:  # FAULTS 61
    buffer = JitterBuffer()
    buffer.put(0, bytes(REACH), Law.PCMU)
    assert buffer.wild == 1
    buffer.put(0, b"", Law.PCMU)
    assert buffer.take() == (b"", 0)


def test_skipped_time_is_over_and_a_successor_keeps_the_delay() -> None:
    buffer = JitterBuffer()
    for number in range(4):
        put(buffer, number)
    buffer.skip(4)
    assert buffer.take()[0] == frame(2)
    successor = JitterBuffer(buffer.target)
    assert buffer.cursor is not None
    successor.resume(buffer.cursor)
    put(successor, 3)
    assert successor.take()[0] == frame(3)


moves = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 80)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("wild"), st.integers(0, 0xFFFFFFFF)),
    ),
    max_size=300,
)


@settings(max_examples=200)
@given(moves, st.sampled_from([1, 80, 160, 240, 333, 1400]))
def test_any_loss_reorder_and_duplication_gives_a_frame_a_take(steps: list[tuple[str, int]], size: int) -> None:
    buffer = JitterBuffer()
    for what, number in steps:
        if what == "put":
            buffer.put((BASE + number * size) & 0xFFFFFFFF, bytes(size), Law.PCMU)
        elif what == "wild":
            buffer.put(number, bytes(size), Law.PCMA)
        else:
            codes, law = buffer.take()
            assert (len(codes), law) in ((0, 0), (FRAME, 1), (FRAME, 2))
        assert len(buffer._frames) <= REACH // FRAME + 2
        assert TARGET <= buffer.target <= MAX_TARGET


fates = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 2)), min_size=1, max_size=120)


@settings(max_examples=200)
@given(fates)
def test_what_is_lost_reordered_or_repeated_within_the_delay_comes_out_in_order_and_once(
    fates: list[tuple[bool, int, int]],
) -> None:
    arriving: dict[int, list[int]] = {}
    for number, (lost, delay, copies) in enumerate(fates):
        if not lost:
            arriving.setdefault(number + delay, []).extend([number] * copies)
    buffer = JitterBuffer()
    out = []
    for tick in range(len(fates) + 20):
        for number in arriving.get(tick, ()):
            buffer.put(timestamp(number), number.to_bytes(2, "big") * (FRAME // 2), Law.PCMU)
        codes, _ = buffer.take()
        if codes:
            out.append(int.from_bytes(codes[:2], "big"))
    assert out == sorted({number for numbers in arriving.values() for number in numbers})


def test_a_packet_in_time_among_late_ones_leaves_the_delay_as_it_is() -> None:
    buffer = JitterBuffer()
    for number in range(10):
        put(buffer, number)
        buffer.take()
    for tick in range(10, 13):  # three ticks of packets whose time is past, which would be a longer delay for good
        if tick == 12:
            put(buffer, tick)
        put(buffer, tick - 6)
        buffer.take()
    assert buffer.target == TARGET
    assert buffer.late == 3


@pytest.mark.parametrize(("quiet_from", "when"), [(0, 251), (270, 272), (1000, 400)])
def test_a_frame_is_added_in_the_first_quiet_one_or_when_that_is_long_overdue(quiet_from: int, when: int) -> None:
    """Two ticks without a packet leave all that follow just in time, which the measure of a window tells."""
    buffer = JitterBuffer()
    at = 0
    for tick in range(500):
        if not 10 <= tick < 12:
            silent = at >= quiet_from
            buffer.put(timestamp(at), b"\xff" * FRAME if silent else bytes(range(at % 50, at % 50 + FRAME)), Law.PCMU)
            at += 1
        buffer.take()
        if buffer.stretched:
            break
    assert abs(tick - when) <= 3
