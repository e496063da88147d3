"""Recordings as Opus in Ogg: what libsndfile hears in them while they grow, at their end, and after kills anywhere."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media import ogg
from actors.media.codecs import CodecMissingError, opus
from actors.media.disk import BATCH, Disk, Recorder
from actors.media.events import Record
from actors.media.g711 import Law, encode
from actors.media.ogg_file import SERIAL, Writer
from actors.media.pieces import FRAME
from tests.media.rig import Rig, no_file_beyond
from tests.media.test_disk import writing
from tests.media.test_restart import restart

soundfile = pytest.importorskip("soundfile", reason="pip install 'sipactors[files]'")

Sound = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(autouse=True)
def _has_opus() -> None:
    try:
        opus.library()
    except CodecMissingError as error:
        pytest.skip(str(error))


def tone(frequency: float, seconds: float, rate: int = 8000) -> np.ndarray[Any, np.dtype[np.int16]]:
    times = np.arange(round(seconds * rate)) / rate
    return (9000 * np.sin(2 * np.pi * frequency * times)).astype(np.int16)


def heard(path: Path, rate: int = 8000) -> Sound:
    """What is in the file, as columns."""
    samples, found = soundfile.read(path, dtype="float64", always_2d=True)
    assert found == rate
    return np.asarray(samples * 32768)


def likeness(samples: Sound, said: np.ndarray[Any, Any]) -> float:
    """How far what is heard is above its difference from what was said, dB."""
    whole = said.astype(float)
    noise = samples[: len(whole)] - whole[: len(samples)]
    return float(10 * np.log10(np.mean(whole**2) / np.mean(noise**2)))


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (8000, 2), (16000, 1), (16000, 2), (48000, 1), (48000, 2)])
def test_it_can_be_read_after_each_append_and_has_its_length_at_the_end(
    tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "a.ogg"
    said = np.column_stack([tone(frequency, 2.0, rate) for frequency in (700.0, 1150.0)[:channels]])
    writer = Writer(path, rate=rate, channels=channels)
    late = 312 * rate // 48_000  # samples that wait for the next packet
    for count in range(1, 5):
        writer.append(said[(count - 1) * rate // 2 : count * rate // 2])
        assert len(heard(path, rate)) == writer.length - late == count * rate // 2 - late
    writer.close()
    samples = heard(path, rate)
    assert samples.shape == said.shape
    for channel in range(channels):
        middle = slice(rate // 10, -rate // 10)
        assert likeness(samples[middle, channel], said[middle, channel]) > 20


def test_an_empty_recording_is_a_file_without_sound(tmp_path: Path) -> None:
    Writer(tmp_path / "a.ogg").close()
    assert len(heard(tmp_path / "a.ogg")) == 0


def test_silence_of_any_length_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    writer = Writer(path)
    writer.append(tone(700.0, 0.5))
    writer.pad(8000 * 100)
    writer.append(tone(700.0, 0.5))
    writer.close()
    samples = heard(path)[:, 0]
    assert len(samples) == 8000 * 100 + 4000
    assert np.abs(samples[8000:-4400]).max() < 50
    assert np.abs(samples[-2000:]).max() > 8000
    assert path.stat().st_size < 40_000


@settings(max_examples=30)
@given(st.integers(0, 20_000), st.booleans())
def test_a_kill_anywhere_keeps_all_whole_pages_and_what_comes_later_stands_in_its_place(cut: int, ended: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.ogg"
        first = Writer(path)
        for _ in range(4):
            first.append(tone(700.0, 0.5))
        if ended:
            first.close()
        os.truncate(path, min(cut, path.stat().st_size))
        again = Writer(path, append=True)
        kept = again.length
        assert kept % 4000 == 0
        if cut >= 20_000:
            assert kept == 16_000, "no page was cut"
        again.pad(16_000)
        again.append(tone(1150.0, 0.5))
        again.close()
        samples = heard(path)[:, 0]
        assert len(samples) == 20_000
        assert likeness(samples[16_400:19_600], tone(1150.0, 0.5)[400:3600]) > 15
        if kept:
            assert likeness(samples[400 : kept - 100], np.tile(tone(700.0, 0.5), 4)[400 : kept - 100]) > 15
        assert np.abs(samples[kept + 800 : 15_900]).max(initial=0) < 200
        data = path.read_bytes()
        found = list(ogg.pages(data, SERIAL))
        assert found[-1].end == len(data)
        assert [page.number for page in found] == list(range(len(found)))
        assert [bool(page.flags & ogg.LAST) for page in found] == [False] * (len(found) - 1) + [True]


def test_a_file_of_another_shape_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    for content in (b"", b"OggS", b"RIFF and so on" * 100):
        path.write_bytes(content)
        writer = Writer(path, append=True)
        assert writer.length == 0
        writer.append(tone(700.0, 0.5))
        writer.close()
        assert len(heard(path)) == 4000
    again = Writer(path, append=True, rate=16000, channels=2)
    assert again.length == 0
    again.close()


@given(st.lists(st.binary(max_size=600), max_size=60), st.integers(0, 1 << 40), st.data())
def test_a_page_is_read_as_it_was_made_and_never_when_a_bit_of_it_is_wrong(
    packets: list[bytes], granule: int, data: st.DataObject
) -> None:
    if sum(len(packet) // 255 + 1 for packet in packets) > 255:
        with pytest.raises(ValueError, match="do not go into one page"):
            ogg.page(packets, granule, 7, 3)
        return
    made = ogg.page(packets, granule, 7, 3)
    (page,) = ogg.pages(made + made[:20], 7)
    assert (page.start, page.end, page.granule, page.number, page.body) == (
        0,
        len(made),
        granule,
        3,
        b"".join(packets),
    )
    assert list(ogg.pages(made, 8)) == []
    bit = data.draw(st.integers(0, len(made) * 8 - 1))
    wrong = bytearray(made)
    wrong[bit // 8] ^= 1 << bit % 8
    assert list(ogg.pages(bytes(wrong), 7)) == []


def test_pages_carry_the_sum_that_others_compute(tmp_path: Path) -> None:
    path = tmp_path / "theirs.ogg"
    soundfile.write(path, tone(700.0, 1.0, 48_000), 48_000, format="OGG", subtype="VORBIS")
    data = path.read_bytes()
    serial = int.from_bytes(data[14:18], "little")
    found = list(ogg.pages(data, serial))
    assert found[-1].end == len(data)
    assert found[-1].granule == 48_000


@pytest.fixture
def small_disk() -> Iterator[None]:
    with no_file_beyond(4_000):
        yield


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_fails_the_recording_and_leaves_whole_pages(tmp_path: Path) -> None:  # FAULTS 71
    disk = Disk()
    voice = encode(tone(700.0, 0.02), Law.PCMU).tobytes()
    with writing(disk):
        recorder = Recorder(disk, "a", str(tmp_path / "a.ogg"), start=0, append=False)
        for tick in range(8 * BATCH):
            recorder.push(tick, voice, 1)
        recorder.close(8 * BATCH)
    assert "large" in disk.outcomes[0].error
    data = (tmp_path / "a.ogg").read_bytes()
    found = list(ogg.pages(data, SERIAL))
    assert found[-1].end == len(data) <= 4_000
    assert len(found) > 3
    assert len(heard(tmp_path / "a.ogg")) >= 4000


def test_without_libopus_the_recording_fails_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(name: str) -> None:
        raise OSError(name)

    opus.library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", nowhere)
    disk = Disk()
    with writing(disk):
        recorder = Recorder(disk, "a", str(tmp_path / "a.ogg"), start=0, append=False)
        recorder.close(0)
    opus.library.cache_clear()
    assert "apt-get install libopus0" in disk.outcomes[0].error
    assert not (tmp_path / "a.ogg").exists()


@pytest.mark.parametrize("sides", ["peer", "mixed", "stereo"])
def test_a_recording_in_a_call_goes_on_over_a_kill(tmp_path: Path, sides: str) -> None:
    path = tmp_path / "a.ogg"
    record = Record("a", str(path), sides)
    said = encode(np.tile(tone(500.0, 1.0), 4), Law.PCMU).tobytes()
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        thread = threading.Thread(target=rig.disk.run)
        thread.start()
        rig.engine.record("a", record, rig.now)
        recorder = rig.engine.sessions["a"].recorder
        assert recorder is not None
        while not recorder.made:
            thread.join(0.001)

        def talk(first: int, last: int) -> None:
            for tick in range(first, last):
                phone.say(said[tick * FRAME : (tick + 1) * FRAME], port)
                rig.step()

        talk(0, 90)
        rig.disk.stop()  # as far as the thread came; what the loop still holds is in the mapped ring
        thread.join()
        restart(rig, {"a": rig.facts("a", phone, record=record, echo=True)}, after=0.02)
        thread = threading.Thread(target=rig.disk.run)
        thread.start()
        talk(90, 180)
        rig.engine.close("a", rig.now, 0.0)
        rig.disk.stop()
        thread.join()
    samples = heard(path)
    assert samples.shape[1] == (2 if sides == "stereo" else 1)
    assert len(samples) >= 180 * FRAME
    for channel in samples.T:
        pieces = channel[800 : 175 * FRAME].reshape(-1, FRAME)[:-1]
        loud = np.sqrt(np.mean(pieces**2, axis=1)) > 3000
        assert loud[3:].mean() > 0.97, "sound was lost over the kill"
