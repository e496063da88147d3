"""The comparison that the audio tests stand on: it forgives a clock that slips, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.live.sound import RATE, Samples
from tests.live.speech import FRAME, decoded, encoded, same, speech

SAID = speech(2.0)
HEARD = decoded(encoded(SAID, "PCMU"), "PCMU")
HOLE = np.zeros(5 * FRAME, np.int16)


def around(sound: Samples) -> Samples:
    return np.concatenate((np.zeros(777, np.int16), sound, np.zeros(1234, np.int16)))


def test_a_sound_in_silence_is_the_same() -> None:
    assert same(around(HEARD), SAID)


@pytest.mark.parametrize("places", [(5000,), (3210, 9999), (1000, 1160, 1480, 4000, 4160)])
def test_pauses_between_its_samples_are_forgiven(places: tuple[int, ...]) -> None:
    heard = HEARD
    for place in reversed(places):
        heard = np.concatenate((heard[:place], HOLE, heard[place:]))
    assert same(around(heard), SAID)


@pytest.mark.parametrize("frames", [1, 3, 10])
@pytest.mark.parametrize("at", [0, 4000, 9000, len(SAID) - 10 * FRAME])
def test_blanked_frames_are_not(frames: int, at: int) -> None:
    heard = HEARD.copy()
    heard[at : at + frames * FRAME] = 0
    assert not same(around(heard), SAID)


def test_frames_that_are_missing_faded_or_swapped_are_not() -> None:
    at, end = 4000, 4000 + FRAME
    missing = np.concatenate((HEARD[:at], HEARD[end:]))
    faded = HEARD.copy()
    faded[at:end] //= 2
    swapped = np.concatenate((HEARD[:at], HEARD[end : end + FRAME], HEARD[at:end], HEARD[end + FRAME :]))
    for heard in (missing, faded, swapped, HEARD[: -RATE // 10]):
        assert not same(around(heard), SAID)


def test_another_sound_is_not() -> None:
    assert not same(around(speech(2.0, seed=8)), SAID)
    assert not same(around(HOLE), SAID)
