"""What is not sent: pauses found at once and left at once, and what is said of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.media.comfort_noise import read
from actors.media.g711 import Law, encode
from actors.media.suppression import Suppressor

FRAME = 160
KHZ = 8


def noise(level: float, frames: int, seed: int = 1) -> list[bytes]:
    """Frames of white noise, dBov."""
    samples = np.random.default_rng(seed).standard_normal(frames * FRAME) * 32768 * 10 ** (level / 20)
    return cut(samples.round().astype(np.int16))


def tone(level: float, frames: int) -> list[bytes]:
    turns = np.sin(2 * np.pi * 440 / 8000 * np.arange(frames * FRAME)) * np.sqrt(2) * 32768 * 10 ** (level / 20)
    return cut(turns.round().astype(np.int16))


def cut(samples: NDArray[np.int16]) -> list[bytes]:
    return [samples[at : at + FRAME].tobytes() for at in range(0, len(samples), FRAME)]


def judged(
    suppressor: Suppressor, frames: list[bytes], tick: int = 0, *, form: int = KHZ, played: bool = False
) -> list[bytes | None]:
    return [suppressor.judge(frame, form, tick + at, played=played) for at, frame in enumerate(frames)]


def said(found: list[bytes | None]) -> list[int]:
    """The frames at which something was told of the pause."""
    return [at for at, each in enumerate(found) if each]


def test_half_a_second_of_nothing_is_a_pause_that_is_told_of_twice_a_second() -> None:
    """The frames up to then are sent: they prove the stream, and end words softly."""
    found = judged(Suppressor(13), [bytes(2 * FRAME)] * 150)
    assert found[:25] == [None] * 25
    assert None not in found[25:]
    assert said(found) == [25, 50, 75, 100, 125]
    assert found[25] == bytes((127,))


def test_a_loud_frame_ends_a_pause_at_once_and_half_a_second_of_noise_begins_it_again() -> None:
    """No beginning of a word is lost."""
    suppressor = Suppressor(13)
    judged(suppressor, noise(-60, 100))
    found = judged(suppressor, [*tone(-30, 3), *noise(-60, 60)], 100)
    assert found[: 3 + 24] == [None] * 27
    assert found[27]
    assert None not in found[27:]


def test_the_noise_around_a_voice_is_told_of_at_its_level() -> None:
    """A room at -55 dBov is a pause; a decibel more or less."""
    found = judged(Suppressor(13), noise(-55, 400))
    last = read(found[said(found)[-1]] or b"")
    assert last is not None
    assert abs(last.level + 55) <= 1
    assert len(said(found)) < 20


def test_a_change_of_the_noise_is_told_of_sooner_and_not_with_every_frame() -> None:
    """By 4 dB, which is no voice."""
    suppressor = Suppressor(13)
    judged(suppressor, noise(-60, 251))  # the last payload is of frame 250
    found = judged(suppressor, noise(-56, 100), 251)
    assert None not in found
    assert said(found)[0] < 20
    assert min(np.diff(said(found))) >= 5


def test_a_steady_tone_is_no_noise_however_long_it_is() -> None:
    """What is louder than a room is sent."""
    assert judged(Suppressor(13), tone(-30, 3000)) == [None] * 3000


def test_what_is_played_is_sent_however_quiet_and_steady_it_is() -> None:
    """A tone of -50 dBov from a file; of the silence in a file there is a pause all the same."""
    suppressor = Suppressor(13)
    assert judged(suppressor, tone(-50, 1500), played=True) == [None] * 1500
    found = judged(suppressor, [bytes(2 * FRAME)] * 60, 1500, played=True)
    assert said(found) == [24, 49]


def test_the_silence_of_either_law_is_a_pause() -> None:
    """PCMA has no zero: its silence is a constant, which nobody hears."""
    for law in Law:
        codes = encode(np.zeros(FRAME, np.int16), law).tobytes()
        found = judged(Suppressor(13), [codes] * 60, form=law)
        assert said(found) == [25, 50]
        assert found[25] == bytes((127,))


def test_a_pause_goes_on_in_a_successor_and_is_told_of_at_once() -> None:
    """A process that was killed sends no half second of noise."""
    suppressor = Suppressor(13)
    suppressor.pause()
    found = judged(suppressor, noise(-60, 30), 5000)
    assert None not in found
    assert said(found)[0] == 0
    suppressor = Suppressor(13)
    suppressor.pause()
    assert judged(suppressor, tone(-20, 1), 5000) == [None]


@given(st.lists(st.tuples(st.binary(min_size=2 * FRAME, max_size=2 * FRAME), st.integers(1, 60)), max_size=60))
def test_whatever_is_said_a_pause_is_never_told_of_later_than_half_a_second(frames: list[tuple[bytes, int]]) -> None:
    """Any frames, at any ticks: nothing is silent without a word."""
    suppressor = Suppressor(13)
    tick, told = 0, 0
    for frame, step in frames:
        tick += step
        found = suppressor.judge(frame, KHZ, tick, played=False)
        if found != b"":
            told = tick
        assert tick - told < 25
