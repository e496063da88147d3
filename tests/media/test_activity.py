"""When somebody speaks: speech, noise and tones, and what a session tells of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.activity import STARTED, STOPPED, Activity
from actors.media.events import Noticed
from actors.media.g711 import Law, encode
from tests.media.rig import Rig, corpus

FRAME = 320  # samples at 16 kHz


def told(samples: np.ndarray) -> list[tuple[float, str]]:
    """What is told of sound at 16 kHz, and when, seconds."""
    activity, found = Activity(), []
    for at in range(0, len(samples) - FRAME + 1, FRAME):
        found += [(at / 16_000, kind) for kind, _ in activity.hear(samples[at : at + FRAME].tobytes(), 16)]
    return found


def hiss(seconds: float, level: float, seed: int = 1) -> np.ndarray:
    """Noise, `level` decibels against full scale."""
    loud = 32768 * 10 ** (level / 20)
    return (loud * np.random.default_rng(seed).standard_normal(int(seconds * 16_000))).astype(np.int16)


def speech() -> np.ndarray:
    return np.fromfile(corpus("vectors", "g722", "test_data", "inpsp.bin"), "<i2")


@pytest.mark.parametrize("level", [-90.0, -60.0, -50.0])
def test_speech_between_silences_begins_and_ends_whatever_noise_it_stands_on(level: float) -> None:
    said = speech()
    sound = np.concatenate((hiss(2, level), said + hiss(len(said) / 16_000, level)[: len(said)], hiss(2, level)))
    found = told(sound)
    assert [kind for _, kind in found] == [STARTED, STOPPED] * (len(found) // 2)
    assert found
    assert 2 <= found[0][0] < 2 + len(said) / 16_000
    assert found[-1][0] > 2.5


@pytest.mark.parametrize("level", [-70.0, -50.0, -40.0, -30.0])
def test_noise_alone_is_nobody_once_it_is_known(level: float) -> None:
    found = told(hiss(40, level))
    assert not [when for when, kind in found if kind == STARTED and when > 1]
    if level <= -50:
        assert found == []


def test_nothing_at_all_is_nobody() -> None:
    activity = Activity()
    assert all(activity.hear(b"", 0) == [] for _ in range(500))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 8, 16]), st.binary(min_size=2, max_size=640)), max_size=200))
def test_starts_and_stops_take_turns_whatever_is_heard(frames: list[tuple[int, bytes]]) -> None:
    activity, kinds = Activity(), []
    for form, data in frames:
        kinds += [kind for kind, _ in activity.hear(data[: len(data) // 2 * 2], form)]
    assert kinds == ([STARTED, STOPPED] * len(kinds))[: len(kinds)]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_session_tells_of_it_where_it_is_asked_for(tmp_path: Path, wanted: bool) -> None:
    loud = encode((6000 * np.sin(np.arange(160) / 3)).astype(np.int16), Law.PCMU).tobytes()
    with Rig(tmp_path, talk=wanted) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        events = []
        for tick in range(150):
            phone.say(loud if 30 <= tick < 90 else b"\xff" * 160, port)
            events += [event for _, event in rig.step() if isinstance(event, Noticed)]
    assert [event.kind for event in events] == ([STARTED, STOPPED] if wanted else [])
