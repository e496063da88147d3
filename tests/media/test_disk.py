"""Recordings on their way to disk."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from actors.media.disk import BATCH, Disk, Outcome, Recorder, linear
from actors.media.g711 import Law, decode, encode
from tests.media.rig import no_file_beyond

VOICE = encode((3000 * np.sin(np.arange(160) / 5)).astype(np.int16), Law.PCMU).tobytes()
HEARD = decode(np.frombuffer(VOICE, np.uint8), Law.PCMU)
QUIET = np.zeros(160, np.int16)


@contextmanager
def writing(disk: Disk) -> Iterator[None]:
    """The helper thread; at the end everything queued is written."""
    thread = threading.Thread(target=disk.run)
    thread.start()
    try:
        yield
    finally:
        disk.stop()
        thread.join()


def frames(path: Path) -> list[bool]:
    """Of each frame in the file, whether it holds the voice; anything but voice and silence is a fault."""
    with wave.open(str(path)) as found:
        data = np.frombuffer(found.readframes(1 << 20), "<i2").reshape(-1, 160)
    assert all(np.array_equal(each, HEARD) or np.array_equal(each, QUIET) for each in data)
    return [bool(each.any()) for each in data]


def test_frames_of_both_laws_and_gaps_become_samples() -> None:
    other = encode(HEARD, Law.PCMA).tobytes()
    samples = linear(((VOICE, 1), (b"", 0), (b"", 0), (other, 2), (VOICE, 1)))
    assert np.array_equal(samples[:160], HEARD)
    assert not samples[160:480].any()
    assert np.array_equal(samples[480:640], decode(np.frombuffer(other, np.uint8), Law.PCMA))
    assert np.array_equal(samples[640:], HEARD)


def test_a_frame_stands_where_its_tick_says(tmp_path: Path) -> None:
    disk = Disk()
    with writing(disk):
        recorder = Recorder(disk, "a", str(tmp_path / "a.wav"), start=1000, append=False)
        for tick in (1000, 1001, 1004, 1005):
            assert recorder.push(tick, VOICE, 1)
        assert recorder.push(1006, b"", 0)
        assert recorder.close(1007)
    assert frames(tmp_path / "a.wav") == [True, True, False, False, True, True, False]
    assert list(disk.outcomes) == [Outcome("a", "")]


def test_a_long_recording_goes_in_batches_and_the_rest_at_the_end(tmp_path: Path) -> None:
    disk = Disk()
    with writing(disk):
        recorder = Recorder(disk, "a", str(tmp_path / "a.wav"), start=1, append=False)
        for tick in range(1, 3 * BATCH + 8):
            recorder.push(tick, VOICE, 1)
        recorder.close(3 * BATCH + 8)
    assert frames(tmp_path / "a.wav") == [True] * (3 * BATCH + 7)


def test_a_successor_fills_what_was_lost_with_silence(tmp_path: Path) -> None:
    for append, ticks in ((False, range(BATCH)), (True, range(40, 50))):
        disk = Disk()
        with writing(disk):
            recorder = Recorder(disk, "a", str(tmp_path / "a.wav"), start=0, append=append)
            for tick in ticks:
                recorder.push(tick, VOICE, 1)
            recorder.close(ticks.stop)
    assert frames(tmp_path / "a.wav") == [True] * BATCH + [False] * (40 - BATCH) + [True] * 10


def test_a_folder_that_is_not_there_is_told_and_harms_nobody_else(tmp_path: Path) -> None:
    disk = Disk()
    with writing(disk):
        lost = Recorder(disk, "lost", str(tmp_path / "no" / "a.wav"), start=0, append=False)
        kept = Recorder(disk, "kept", str(tmp_path / "b.wav"), start=0, append=False)
        for tick in range(2 * BATCH):
            assert lost.push(tick, VOICE, 1)
            assert kept.push(tick, VOICE, 1)
        lost.close(2 * BATCH)
        kept.close(2 * BATCH)
    failures = [outcome for outcome in disk.outcomes if outcome.error]
    assert [outcome.key for outcome in failures] == ["lost"]
    assert "No such file" in failures[0].error
    assert {outcome.key for outcome in disk.outcomes if not outcome.error} == {"lost", "kept"}
    assert frames(tmp_path / "b.wav") == [True] * 2 * BATCH


@pytest.fixture
def full_disk() -> Iterator[None]:
    with no_file_beyond(20_000):
        yield


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_fails_the_recording_and_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:  # FAULTS 71
    disk = Disk()
    with writing(disk):
        recorder = Recorder(disk, "a", str(tmp_path / "a.wav"), start=0, append=False)
        for tick in range(5 * BATCH):
            recorder.push(tick, VOICE, 1)
        recorder.close(5 * BATCH)
    assert "large" in disk.outcomes[0].error
    assert frames(tmp_path / "a.wav") == [True] * 2 * BATCH


def test_a_disk_that_does_not_keep_up_is_given_up_after_ten_seconds(tmp_path: Path) -> None:
    disk = Disk(limit=1)  # nobody takes from the queue
    recorder = Recorder(disk, "a", str(tmp_path / "a.wav"), start=0, append=False)
    pushed = [recorder.push(tick, VOICE, 1) for tick in range(500)]
    assert pushed == [True] * 499 + [False]
    assert not recorder.close(500)
