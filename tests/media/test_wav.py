"""WAV files read and written, the odd ones among them."""

from __future__ import annotations

import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.media.g711 import Law, encode
from actors.media.wav import HEADER_SIZE, Reader, WavError, Writer, header


def tone(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    at = np.arange(int(rate * seconds)) / rate
    return (12000 * np.sin(2 * np.pi * frequency * at)).astype(np.int16)


def riff(tag: int, channels: int, rate: int, bits: int, data: bytes, *, size: int | None = None) -> bytes:
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", 16) + fmt
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read(path: Path, data: bytes, position: int = 0, count: int = 80_000) -> np.ndarray:
    path.write_bytes(data)
    reader = Reader(path)
    try:
        return reader.read(position, count)
    finally:
        reader.close()


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.astype(float), other.astype(float))[0, 1])


def test_eight_kilohertz_mono_is_read_sample_for_sample(tmp_path: Path) -> None:
    samples = tone(8000)
    assert np.array_equal(read(tmp_path / "a.wav", riff(1, 1, 8000, 16, samples.tobytes())), samples)
    assert np.array_equal(read(tmp_path / "a.wav", riff(1, 1, 8000, 16, samples.tobytes()), 100, 7), samples[100:107])


@pytest.mark.parametrize("rate", [6000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_any_rate_becomes_8_kilohertz(tmp_path: Path, rate: int) -> None:
    resampled = read(tmp_path / "a.wav", riff(1, 1, rate, 16, tone(rate).tobytes()))
    assert abs(len(resampled) - 8000) <= 2
    assert correlation(resampled[:7900], tone(8000)[:7900]) > 0.98


@pytest.mark.parametrize("rate", [6000, 8000, 44100])
def test_blocks_read_from_any_position_join_without_a_seam(tmp_path: Path, rate: int) -> None:
    data = riff(1, 1, rate, 16, tone(rate).tobytes())
    whole = read(tmp_path / "a.wav", data)
    reader = Reader(tmp_path / "a.wav")
    parts, at = [], 0
    while len(part := reader.read(at, 997)):
        parts.append(part)
        at += len(part)
    reader.close()
    joined = np.concatenate(parts)
    assert len(joined) == len(whole)
    assert np.max(np.abs(joined.astype(int) - whole)) <= 1


def test_two_channels_are_mixed(tmp_path: Path) -> None:
    both = np.stack([tone(8000), np.zeros(8000, np.int16)], axis=1)
    mixed = read(tmp_path / "a.wav", riff(1, 2, 8000, 16, both.tobytes()))
    assert np.max(np.abs(mixed - tone(8000) // 2)) <= 1


def test_eight_bits_and_both_laws_are_read(tmp_path: Path) -> None:
    samples = tone(8000)
    eight = read(tmp_path / "a.wav", riff(1, 1, 8000, 8, ((samples >> 8) + 128).astype(np.uint8).tobytes()))
    assert correlation(eight, samples) > 0.99
    for tag, law in ((6, Law.PCMA), (7, Law.PCMU)):
        assert (
            correlation(read(tmp_path / "a.wav", riff(tag, 1, 8000, 8, encode(samples, law).tobytes())), samples) > 0.99
        )


def test_the_extensible_format_is_read(tmp_path: Path) -> None:
    samples = tone(8000, 0.1)
    fmt = struct.pack("<HHIIHHHHIH14x", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4, 1)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", 1600)
    assert np.array_equal(read(tmp_path / "a.wav", data + samples.tobytes()), samples)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 1_000_000])
def test_a_size_that_is_not_known_or_lies_means_all_there_is(tmp_path: Path, size: int) -> None:
    samples = tone(8000, 0.1)
    assert np.array_equal(read(tmp_path / "a.wav", riff(1, 1, 8000, 16, samples.tobytes(), size=size)), samples)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "RIFF"),
        (b"RIFF\0\0\0\0WAVE", "data"),
        (riff(3, 1, 8000, 32, b"1234"), "format 3"),
        (riff(1, 0, 8000, 16, b"12"), "channels"),
        (riff(1, 1, 0, 16, b"12"), "Hz"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "before fmt"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd", "cut"),
    ],
)
def test_what_is_no_wav_says_why(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(WavError, match=why):
        read(tmp_path / "a.wav", data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_a_wav_or_a_wav_error(tmp_path: Path, noise: bytes, at: int) -> None:
    data = riff(1, 2, 16000, 16, tone(8000, 0.01).tobytes())
    for each in (noise, data[:at] + noise + data[at + len(noise) :], data[: at + len(noise)]):
        try:
            assert len(read(tmp_path / "a.wav", each)) <= 80_000
        except WavError:
            continue


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WavError, match="regular"):
        Reader(tmp_path / "pipe")
    with pytest.raises(OSError, match=r".+"):
        Reader(tmp_path / "missing")
    with pytest.raises(WavError, match="regular"):
        Writer("/dev/null")


def test_a_file_is_whole_after_every_append(tmp_path: Path) -> None:
    samples = tone(8000)
    writer = Writer(tmp_path / "a.wav")
    for end in (0, 3000, 8000):
        if end:
            writer.append(samples[writer.length : end])
        with wave.open(str(tmp_path / "a.wav")) as found:
            assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (8000, 1, 2)
            assert found.getnframes() == end
            assert found.readframes(8000) == samples[:end].tobytes()
    writer.close()


def test_a_successor_appends_and_pads_with_silence(tmp_path: Path) -> None:
    first = Writer(tmp_path / "a.wav")
    first.append(np.full(100, 7, np.int16))
    first.close()
    with (tmp_path / "a.wav").open("ab") as torn:
        torn.write(b"\x01")  # killed in the middle of a sample
    second = Writer(tmp_path / "a.wav", append=True)
    assert second.length == 100
    second.pad(150)
    second.pad(120)
    second.append(np.full(10, 9, np.int16))
    second.close()
    data = (tmp_path / "a.wav").read_bytes()
    assert data[:HEADER_SIZE] == header(320)
    assert np.frombuffer(data[HEADER_SIZE:], "<i2").tolist() == [7] * 100 + [0] * 50 + [9] * 10


def test_what_was_there_before_is_replaced_and_a_foreign_file_is_not_appended_to(tmp_path: Path) -> None:
    for append in (False, True):
        (tmp_path / "a.wav").write_bytes(riff(1, 2, 44100, 16, bytes(400)))
        writer = Writer(tmp_path / "a.wav", append=append)
        writer.close()
        assert (tmp_path / "a.wav").read_bytes() == header(0)
