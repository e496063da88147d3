"""Files played and recorded: formats, queue, pause, seek, both sides in one file, kills, and where they may be."""

from __future__ import annotations

import os
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.media import reading
from actors.media.events import Play, PlayFinished, Record, RecordFailed
from actors.media.facts import Facts
from actors.media.g711 import Law, decode, encode
from actors.media.loader import Loader, Reading
from actors.media.pieces import FRAME
from actors.media.reading import open_sound
from tests.media.rig import Phone, Rig

SILENCE = b"\xff" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def level(path: Path, value: int, frames: int) -> str:
    """A WAV file of one value that lasts so many frames."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.full(frames * FRAME, value, "<i2").tobytes())
    return str(path)


def code(value: int) -> bytes:
    return encode(np.array([value], np.int16), Law.PCMU).tobytes() * FRAME


def heard(phone: Phone) -> list[bytes]:
    return [packet.payload for packet in phone.heard()]


def tone(rate: int, seconds: float = 2.5) -> np.ndarray:
    return (np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate) * 8000).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "rate", "subtype"),
    [
        ("a.flac", 16000, None),
        ("a.ogg", 44100, None),
        ("a.opus", 48000, None),
        ("a.mp3", 44100, None),
        ("deep.wav", 8000, "PCM_24"),
        ("real.wav", 48000, "FLOAT"),
    ],
)
@pytest.mark.parametrize("wanted", [8000, 48000])
def test_a_file_of_any_format_is_heard_from_any_place(
    tmp_path: Path, name: str, rate: int, subtype: str | None, wanted: int
) -> None:
    soundfile = pytest.importorskip("soundfile", reason="pip install 'sipactors[files]'")
    both = np.column_stack((tone(rate), tone(rate))) / 32768
    kind = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {"subtype": subtype}
    soundfile.write(tmp_path / name, both, rate, **kind)
    sound = open_sound(str(tmp_path / name), wanted)
    whole = sound.read(wanted // 2, wanted)
    assert len(whole) == wanted
    spectrum = np.abs(np.fft.rfft(whole))
    assert np.argmax(spectrum) == 440
    assert 7000 < np.max(np.abs(whole.astype(float))) < 9000
    again = np.concatenate([sound.read(at, wanted // 10) for at in range(wanted // 2, wanted * 3 // 2, wanted // 10)])
    assert np.max(np.abs(again.astype(float) - whole)) < 200  # no seam is heard
    assert not len(sound.read(10 * wanted, wanted))
    sound.close()


def test_what_is_no_sound_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing that sounds" * 10)
    pytest.importorskip("soundfile", reason="pip install 'sipactors[files]'")
    with pytest.raises(ValueError, match=r"a\.txt"):
        open_sound(str(tmp_path / "a.txt"), 8000)


def test_without_libsndfile_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    reading._stream.cache_clear()
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(ValueError, match=r"pip install 'sipactors\[files\]'"):
        open_sound(str(tmp_path / "a.flac"), 8000)


def test_a_pipe_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        open_sound(str(tmp_path / "pipe"), 8000)


def test_a_slow_disk_is_silence_and_nothing_of_the_file_is_lost(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.engine.play("a", Play("a", level(tmp_path / "a.wav", 5000, 3)))
    rig.now += 0.02
    rig.engine.tick(rig.now, 0.0)  # the helper thread has not come to it
    rig.step(5)
    assert heard(phone)[:4] == [SILENCE, *[code(5000)] * 3]


def test_files_play_one_behind_the_other_and_each_end_is_told(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    names = [level(tmp_path / f"{value}.wav", value, 2) for value in (3000, 5000)]
    for name in (names[0], str(tmp_path / "none.wav"), "tone:none", names[1]):
        rig.engine.play("a", Play("a", name, queue=True))
    told = [event for _, event in rig.step(9)]
    assert [(event.path, bool(event.error)) for event in told if isinstance(event, PlayFinished)] == [
        (names[0], False),
        (str(tmp_path / "none.wav"), True),
        ("tone:none", True),
        (names[1], False),
    ]
    spoken = [payload for payload in heard(phone) if payload != SILENCE]
    assert spoken == [code(3000)] * 2 + [code(5000)] * 2


def test_what_is_played_pauses_goes_on_elsewhere_and_stops(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    path = tmp_path / "a.wav"
    level(path, 0, 0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.repeat(np.arange(100, dtype="<i2") * 300, FRAME).tobytes())
    steps = [encode(np.full(FRAME, number * 300, np.int16), Law.PCMU).tobytes() for number in range(100)]
    rig.engine.play("a", Play("a", str(path)))
    rig.step(5)
    rig.engine.pause("a", paused=True)
    rig.step(3)
    rig.engine.pause("a", paused=False)
    rig.step(2)
    assert heard(phone) == [*steps[:5], *[SILENCE] * 3, *steps[5:7]]
    rig.engine.seek("a", 1.0)
    rig.step(3)
    assert heard(phone) == steps[50:53]
    rig.engine.stop("a")
    assert rig.step(2) == []
    assert set(heard(phone)) == {SILENCE}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(1, 11), told=st.booleans())
def test_a_queue_goes_on_where_it_was_killed(tmp_path: Path, before: int, told: bool) -> None:
    """The journal may be a file behind the row; every frame is heard once all the same."""
    names = [level(tmp_path / f"{value}.wav", value, 4) for value in (1000, 3000, 5000)]
    plays = tuple(Play("a", name, queue=True) for name in names)
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        rig.call("a", phone)
        for play in plays:
            rig.engine.play("a", play)
        ended = len(rig.step(before)) if told else 0
        facts = rig.facts("a", phone, play=plays[ended], queued=plays[ended + 1 :], plays=1 + ended)
        rig.kill()
        rig.begin()
        assert rig.engine.restore({"a": facts}, rig.now) == {}
        again = [event for _, event in rig.step(16)]
        assert [event.path for event in again if isinstance(event, PlayFinished)] == names[ended:]
        spoken = [payload for payload in heard(phone) if payload != SILENCE]
        assert spoken == [code(value) for value in (1000, 3000, 5000) for _ in range(4)]


def test_a_pause_outlives_a_kill(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    play = Play("a", level(tmp_path / "a.wav", 5000, 9))
    rig.engine.play("a", play)
    rig.step(4)
    rig.engine.pause("a", paused=True)
    rig.step()
    facts: Facts = rig.facts("a", phone, play=play, plays=1, paused=True)
    rig.kill()
    rig.begin()
    rig.engine.restore({"a": facts}, rig.now)
    rig.step(3)
    assert heard(phone)[4:] == [SILENCE] * 4
    rig.engine.pause("a", paused=False)
    rig.step(7)
    assert [payload for payload in heard(phone) if payload != SILENCE] == [code(5000)] * 5


def test_files_elsewhere_are_neither_played_nor_recorded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    outside = level(tmp_path / "out.wav", 5000, 4)
    (tmp_path / "in" / "link.wav").symlink_to(outside)
    inside = level(tmp_path / "in" / "a.wav", 5000, 4)
    loader = Loader(str(tmp_path / "in"))
    for path, allowed in (
        (inside, True),
        (outside, False),
        (f"{tmp_path}/in/link.wav", False),
        (f"{tmp_path}/in/../out.wav", False),
    ):
        file = Reading(path, Law.PCMU, position=0, loop=False, folder=loader.folder)
        file.serve()
        assert bool(file.blocks[0].data) is allowed
        assert ("is not in" in file.blocks[0].error) is not allowed
    with Rig(tmp_path, folder=str(tmp_path / "in")) as rig:
        rig.call("a", rig.phone())
        rig.engine.record("a", Record("a", str(tmp_path / "mine.wav")), rig.now)
        rig.disk.stop()
        rig.disk.run()
        ((_, event),) = rig.step()
        assert isinstance(event, RecordFailed)
        assert "is not in" in event.error
        assert not (tmp_path / "mine.wav").exists()


def recorded(path: Path) -> np.ndarray:
    with wave.open(str(path)) as found:
        return np.frombuffer(found.readframes(1 << 24), "<i2").reshape(-1, found.getnchannels())


@pytest.mark.parametrize("sides", ["mixed", "stereo"])
@pytest.mark.parametrize("killed", [False, True])
def test_both_sides_are_recorded_and_stay_in_step_over_a_kill(
    rig: Rig, tmp_path: Path, sides: str, *, killed: bool
) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    play = Play("a", level(tmp_path / "ours.wav", 2000, 90))
    record = Record("a", str(tmp_path / "both.wav"), sides)
    rig.engine.play("a", play)
    rig.engine.record("a", record, rig.now)
    for number in range(60):
        phone.say(code(-6000), port)
        if killed and number == 33:
            while rig.disk._jobs.qsize():
                rig.disk._serve(rig.disk._jobs.get())  # the thread has written what it was given
            rig.engine.tick(rig.now, 0.0)
            facts = rig.facts("a", phone, play=play, plays=1, record=record)
            rig.kill()
            rig.begin()
            rig.engine.restore({"a": facts}, rig.now)
        rig.step()
    rig.engine.close("a", rig.now, 0.0)
    thread = threading.Thread(target=rig.disk.run)
    thread.start()
    rig.disk.stop()
    thread.join()
    samples = recorded(tmp_path / "both.wav")
    theirs, ours = (decode(np.frombuffer(code(value), np.uint8), Law.PCMU)[0] for value in (-6000, 2000))
    middle = samples[10 * FRAME : 55 * FRAME]
    if sides == "stereo":
        assert set(middle[:, 0]) == {theirs}
        assert set(middle[:, 1]) == {ours}
    else:
        assert set(middle[:, 0]) == {theirs + ours}
