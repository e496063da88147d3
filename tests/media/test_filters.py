"""A user's filter: what it makes of both sides of a session, and what becomes of one that fails."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from actors.media.events import Noticed, Record
from actors.media.filters import Filter, FilterError, load
from actors.media.g711 import Law, decode, encode
from actors.media.jitter import FRAME
from tests.media.rig import PCMA, PCMU, Format, Phone, Rig

LOUD = encode((8000 * np.sin(np.arange(FRAME) / 5)).astype(np.int16), Law.PCMU).tobytes()


def written(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def talk(rig: Rig, phone: Phone, port: int, ticks: int) -> list[np.ndarray]:
    heard = []
    for _ in range(ticks):
        phone.say(LOUD, port)
        rig.step()
        heard += [
            decode(np.frombuffer(packet.payload, np.uint8), Law(1 + (packet.payload_type == 8)))
            for packet in phone.heard()
        ]
    return heard


@pytest.mark.parametrize("form", [PCMU, PCMA])
def test_both_sides_go_through_it(tmp_path: Path, form: Format) -> None:
    process = load(
        written(
            tmp_path,
            "def process(heard, said, rate, state):\n"
            "    state['frames'] = state.get('frames', 0) + 1\n"
            "    assert len(heard) == len(said) == rate // 50\n"
            "    return heard, said // 2 if state['frames'] > 50 else said\n",
        )
    )
    with Rig(tmp_path, process=process) as rig:
        phone = rig.phone()
        port = rig.call("a", phone, form)
        rig.engine.echo("a")
        heard = [np.abs(samples).max() for samples in talk(rig, phone, port, 100)]
    assert min(heard[20:45]) > 7500
    assert 3500 < min(heard[60:]) <= max(heard[60:]) < 4500


def test_who_records_hears_what_the_filter_made(tmp_path: Path) -> None:
    process = load(written(tmp_path, "def process(heard, said, rate, state):\n    return 0 * heard, said\n"))
    with Rig(tmp_path, process=process) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.record("a", Record("a", str(tmp_path / "a.wav")), rig.now)
        talk(rig, phone, port, 60)
        rig.engine.close("a", rig.now, 0.0)
        thread = threading.Thread(target=rig.disk.run)
        thread.start()
        rig.disk.stop()
        thread.join()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert not np.frombuffer(file.readframes(1 << 20), "<i2")[: 50 * FRAME].any()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return heard[:10], said", "and not two times 160"),
        ("return heard", "and not two times 160"),
        ("return 1 / 0", "ZeroDivisionError"),
        ("return None", "TypeError"),
    ],
)
def test_one_that_fails_is_told_of_once_and_the_call_goes_on_without(tmp_path: Path, body: str, why: str) -> None:
    process = load(written(tmp_path, f"def process(heard, said, rate, state):\n    {body}\n"))
    with Rig(tmp_path, process=process) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        told = []
        for _ in range(40):
            phone.say(LOUD, port)
            told += [event for _, event in rig.step() if isinstance(event, Noticed)]
        assert [event.kind for event in told] == ["filter_failed"]
        assert why in told[0].text
        assert max(np.abs(samples).max() for samples in talk(rig, phone, port, 20)) > 7500


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def process(:", "SyntaxError"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("process = 3", "no function process"),
        ("", "no function process"),
    ],
)
def test_a_file_that_is_no_filter_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(FilterError, match=why):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("none.py", "none"):
        with pytest.raises(FilterError):
            load(str(tmp_path / name))


def test_samples_out_of_range_are_clipped(tmp_path: Path) -> None:
    process: Filter = lambda heard, said, rate, state: (heard, said.astype(np.int64) * 100)  # noqa: ARG005, E731
    with Rig(tmp_path, process=process) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        heard = talk(rig, phone, port, 40)
    assert max(np.abs(samples.astype(int)).max() for samples in heard) > 31_000
