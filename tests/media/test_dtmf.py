"""Keys: RFC 4733 read and sent, the captures of the corpora digit by digit, and keys in the sound itself."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media import rtp
from actors.media.dtmf import KEYS, KeyReader, KeySender, Pressed
from actors.media.tones import PAIRS, TONES, KeyDetector, Tone, parse_tone, samples_of
from tests.media.rig import corpus


def event(code: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack(">BBH", code, 0x80 * end | 10, duration)


def read(packets: list[tuple[int, bytes]], reader: KeyReader | None = None) -> list[Pressed]:
    reader = reader or KeyReader(8000)
    found = []
    for tick, (timestamp, payload) in enumerate(packets):
        found += reader.take(timestamp, payload, tick)
    return found


def packets_of(sender: KeySender, *, units: int = 160, start: int = 0xFFFFFF00) -> list[tuple[int, bool, int, bytes]]:
    found, tick = [], 0
    while sender.busy:
        packet = sender.tick((start + tick * units) & 0xFFFFFFFF)
        if packet is not None:
            found.append((tick, packet.marker, packet.timestamp, packet.payload))
        tick += 1
    return found


@pytest.mark.parametrize("key", "0123456789*#")
def test_the_captures_are_read_digit_by_digit(key: str) -> None:  # their three ends share one sequence number
    name = {"*": "star", "#": "pound"}.get(key, key)
    data = corpus("captures", f"dtmf_2833_{name}.pcap").read_bytes()
    packets, at = [], 24
    while at < len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        packets.append(rtp.parse(data[at + 16 + 42 : at + 16 + size]))
        at += 16 + size
    assert [found.key for found in read([(packet.timestamp, packet.payload) for packet in packets])] == [key]


def test_a_key_is_read_once_at_its_end_however_often_that_comes() -> None:
    packets = [(1000, event(5, 160 * n)) for n in range(1, 6)] + [(1000, event(5, 960, end=True))] * 3
    assert read(packets) == [Pressed("5", 120)]


def test_a_key_whose_ends_are_lost_ends_with_the_next_one_or_after_a_while() -> None:
    reader = KeyReader(8000)
    assert read([(1000, event(1, 320)), (3000, event(2, 160))], reader) == [Pressed("1", 40)]
    assert reader.down
    assert reader.expire(5) == []
    assert reader.expire(20) == [Pressed("2", 20)]
    assert reader.expire(99) == []
    assert reader.take(3000, event(2, 480, end=True), 21) == []  # its end comes after all


def test_a_long_key_goes_on_in_segments() -> None:  # RFC 4733 s2.5.1.3
    second = (1000 + 0xFFFF) & 0xFFFFFFFF
    packets = [(1000, event(7, 0x8000)), (1000, event(7, 0xFFFF)), (second, event(7, 160))]
    packets += [(1000, event(7, 0xFFFF)), (second, event(7, 8000 * 2)), (second, event(7, 8000 * 2, end=True))]
    (found,) = read(packets)
    assert found == Pressed("7", (0xFFFF + 16000) // 8)


def test_what_is_no_key_is_dropped_and_counted() -> None:
    reader = KeyReader(8000)
    assert read([(1, event(255, 160, end=True)), (2, b"\x01\x80"), (3, event(17, 1))], reader) == []
    assert reader.dropped == 3


def test_a_hundred_thousand_events_are_capped() -> None:  # FAULTS 59
    reader = KeyReader(8000)
    found = []
    for number in range(100_000):
        found += reader.take(number * 160, event(number % 12, 80, end=True), number // 1000)
    assert len(found) <= 25 * 3
    assert reader.dropped + len(found) == 100_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=8)), max_size=60))
def test_any_packets_give_no_more_keys_than_packets(packets: list[tuple[int, bytes]]) -> None:
    found = read(packets)
    assert len(found) <= len(packets)
    assert all(each.key in KEYS and each.duration >= 0 for each in found)


def test_a_key_is_sent_with_a_marker_rising_durations_and_three_ends() -> None:
    sender = KeySender(160)
    sender.press("5", 100)
    packets = packets_of(sender)
    assert [marker for _, marker, _, _ in packets] == [True] + [False] * 6
    assert {timestamp for _, _, timestamp, _ in packets} == {0xFFFFFF00}
    durations = [struct.unpack(">BBH", payload)[2] for _, _, _, payload in packets]
    assert durations == [160, 320, 480, 640, 800, 800, 800]
    assert [payload[1] >> 7 for _, _, _, payload in packets] == [0, 0, 0, 0, 1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.text("0123456789*#ABCD,", min_size=1, max_size=20),
    st.integers(40, 6000),
    st.sampled_from([160, 960]),
    st.sets(st.integers(0, 400)),
)
def test_what_is_sent_is_read_even_where_packets_are_lost(keys: str, duration: int, units: int, lost: set[int]) -> None:
    sender = KeySender(units)
    sender.press(keys, duration)
    reader = KeyReader(units * 50)
    found: list[Pressed] = []
    packets = packets_of(sender, units=units)
    ends = {at for at, packet in enumerate(packets) if packet[3][1] & 0x80}
    for at, (tick, _, timestamp, payload) in enumerate(packets):
        if at not in lost or at in ends:
            found += reader.take(timestamp, payload, tick)
    assert [each.key for each in found] == [key for key in keys if key != ","][: len(found)]
    if not lost:
        assert len(found) == len(keys) - keys.count(",")
        assert all(abs(each.duration - max(40, duration)) <= 20 for each in found)


def test_a_key_of_ten_seconds_is_sent_in_segments() -> None:
    sender = KeySender(160)
    sender.press("9", 10_000)
    packets = packets_of(sender)
    assert len({timestamp for _, _, timestamp, _ in packets}) == 2
    assert read([(timestamp, payload) for _, _, timestamp, payload in packets]) == [Pressed("9", 10_000)]


@pytest.mark.parametrize("killed", range(1, 30))
def test_a_successor_goes_on_with_the_key_that_was_down(killed: int) -> None:
    sender, reader, found = KeySender(160), KeyReader(8000), []
    sender.press("12", 100)
    tick = 0
    while sender.busy:
        if tick == killed:
            successor = KeySender(160)
            successor.press("12", 100)
            successor.resume(sender.pressed, sender.begun)
            sender = successor
        packet = sender.tick(tick * 160)
        if packet is not None:
            found += reader.take(packet.timestamp, packet.payload, tick)
        tick += 1
    assert [each.key for each in found] == ["1", "2"]


# In the sound.


def heard(samples: np.ndarray, block: int = 160) -> list[tuple[str, int]]:
    detector = KeyDetector()
    padded = np.concatenate((samples, np.zeros(800, np.int16)))
    return [found for at in range(0, len(padded), block) for found in detector.hear(padded[at : at + block])]


@pytest.mark.parametrize("key", PAIRS)
@pytest.mark.parametrize("offset", [0, 37, 80, 133])
def test_every_key_is_heard_wherever_it_begins(key: str, offset: int) -> None:
    pair = samples_of(Tone(PAIRS[key]), 0, 400, 8000)
    sound = np.concatenate((np.zeros(offset, np.int16), pair, np.zeros(400, np.int16), pair))
    assert [found for found, _ in heard(sound)] == [key, key]


@pytest.mark.parametrize(("shift", "expected"), [(0.0, True), (0.013, True), (-0.013, True), (0.05, False)])
def test_a_key_may_be_off_by_what_q24_allows_and_no_more(shift: float, expected: bool) -> None:
    low, high = PAIRS["6"]
    sound = samples_of(Tone((low * (1 + shift), high * (1 + shift))), 0, 800, 8000)
    assert bool(heard(sound)) is expected


def test_a_key_is_heard_in_noise_and_with_a_weaker_column() -> None:
    low, high = PAIRS["3"]
    time = np.arange(800) / 8000
    sound = 6000 * np.sin(2 * np.pi * low * time) + 3500 * np.sin(2 * np.pi * high * time)
    sound += np.random.default_rng(1).normal(0, 600, 800)
    assert [key for key, _ in heard(sound.astype(np.int16))] == ["3"]


def test_a_key_that_is_too_short_or_one_frequency_is_none() -> None:
    assert heard(samples_of(Tone(PAIRS["1"]), 0, 160, 8000)) == []
    assert heard(samples_of(Tone((697.0,)), 0, 1600, 8000)) == []
    assert heard(samples_of(TONES["dial"], 0, 1600, 8000)) == []


def test_speech_is_no_key() -> None:  # talk-off
    said = np.fromfile(corpus("vectors", "g722", "test_data", "inpsp.bin"), "<i2")
    for sound in (said[::2], said[::2] // 4, np.repeat(said[::2], 1)[::-1]):
        assert heard(np.ascontiguousarray(sound)) == []
    assert heard(np.random.default_rng(3).normal(0, 5000, 80_000).astype(np.int16)) == []


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_tone_is_the_same_whatever_its_blocks(rate: int) -> None:
    tone = parse_tone("440+480/0.2,0.1")
    whole = samples_of(tone, 0, rate, rate)
    parts = [samples_of(tone, at, rate // 50, rate) for at in range(0, rate, rate // 50)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not whole[int(0.21 * rate) : int(0.29 * rate)].any()


@pytest.mark.parametrize("text", ["", "loud", "5", "440/0", "440+480+1+2+3", "440/" + "1," * 20 + "1"])
def test_what_is_no_tone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"tone|frequencies|times"):
        parse_tone(text)
