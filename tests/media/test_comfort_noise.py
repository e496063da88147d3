"""Comfort noise as RFC 3389 writes it, heard and made: levels, spectra, and any bytes at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.media.comfort_noise import MOST, Hiss, Listener, Noise, read, spectrum, write

RATES = st.sampled_from([8000, 16000, 48000])
REFLECTIONS = st.lists(st.floats(-0.8, 0.8), max_size=8).map(tuple)


def level(samples: NDArray[np.int16]) -> float:
    """DBov: against the square wave of full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / 32768**2))


def made(payload: bytes, rate: int, seconds: float = 1.0, *, model: int = 0) -> NDArray[np.int16]:
    hiss = Hiss(rate, 7)
    hiss.follow(payload, model or rate)
    return hiss.take(int(rate * seconds))


def heard(samples: NDArray[np.int16], rate: int) -> Noise:
    listener = Listener()
    for at in range(0, len(samples), rate // 50):
        listener.hear(samples[at : at + rate // 50])
    return listener.describe()


def shaped(noise: Noise, count: int) -> NDArray[np.int16]:
    """White noise through the all-pole filter of the model, a sample after the other as a decoder of old does it."""
    polynomial = np.ones(1)
    for reflection in noise.reflections:
        wide = np.append(polynomial, 0.0)
        polynomial = wide + reflection * wide[::-1]
    order = len(polynomial) - 1
    source = np.random.default_rng(3).standard_normal(count + 500)
    out = np.zeros(count + 500 + order)
    for at, each in enumerate(source):
        out[at + order] = each - np.dot(polynomial[1:], out[at : at + order][::-1])
    out = out[500 + order :]
    scale = 32768 * 10 ** (noise.level / 20) / np.sqrt(np.mean(out**2))
    samples: NDArray[np.int16] = (out * scale).round().astype(np.int16)
    return samples


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How far the shapes of two spectra are from one another in the mean, dB; what is below 100 Hz nobody hears."""
    return float(np.std(10 * np.log10(one[4:] / other[4:])))


def test_a_payload_is_the_level_and_then_the_coefficients_of_the_model() -> None:
    """Sections 3.1 to 3.3: k = 258 * (N - 127) / 32768."""
    noise = read(bytes((40, 127, 254, 0)))
    assert noise == Noise(-40, (0.0, 258 * 127 / 32768, -258 * 127 / 32768))
    assert write(noise) == bytes((40, 127, 254, 0))


def test_the_level_alone_is_white_noise_and_its_unused_bit_says_nothing() -> None:
    """As the format was before RFC 3389."""
    assert read(bytes((0x80 | 50,))) == Noise(-50)
    assert np.allclose(spectrum(Noise(-50), 81), 1)


def test_a_reserved_coefficient_ends_the_model_and_so_does_an_order_beyond_ours() -> None:
    """Section 3.2: 255 is for future use; section 3.3: a decoder may reduce the order."""
    assert read(bytes((30, 127, 255, 254))) == Noise(-30, (0.0,))
    noise = read(bytes((30, *[200] * 1000)))
    assert noise is not None
    assert len(noise.reflections) == MOST


@given(st.binary(max_size=40), RATES, RATES)
def test_any_payload_gives_noise_of_its_level_and_never_raises(payload: bytes, rate: int, model: int) -> None:
    """Whatever the coefficients are: there is no filter to run away."""
    noise = read(payload)
    assert (noise is None) == (not payload)
    if noise is None:
        return
    samples = made(payload, rate, 0.1, model=model)
    assert len(samples) == rate // 10
    if -80 <= noise.level <= -15 and model <= rate:
        assert abs(level(made(payload, rate, 1.0, model=model)) - noise.level) < 1.5


@given(st.integers(-75, -15), REFLECTIONS, RATES)
def test_the_level_is_kept_within_a_decibel(wanted: int, reflections: tuple[float, ...], rate: int) -> None:
    """From the payload to the samples, and from the samples to the next payload."""
    samples = made(write(Noise(wanted, reflections)), rate, 2.0)
    assert abs(level(samples) - wanted) < 1
    assert abs(heard(samples, rate).level - wanted) <= 1.5  # of the last frames alone, and rounded


@given(st.integers(-127, 0), REFLECTIONS)
def test_what_is_written_is_read(wanted: int, reflections: tuple[float, ...]) -> None:
    """A coefficient is off by half a step at most."""
    noise = read(write(Noise(wanted, reflections)))
    assert noise is not None
    assert noise.level == wanted
    assert np.allclose(noise.reflections, reflections, atol=258 / 32768 / 2 + 1e-9)


@settings(max_examples=20)
@given(st.lists(st.floats(-0.7, 0.7), max_size=4).map(tuple))
def test_the_spectrum_is_kept_within_a_few_decibels(reflections: tuple[float, ...]) -> None:
    """Noise of a model, through a filter; described, sent, and made again without one."""
    before = Noise(-35, reflections)
    after = read(write(heard(shaped(before, 8000), 8000)))
    assert after is not None
    assert apart(spectrum(after, 81), spectrum(before, 81)) < 3
    again = heard(made(write(after), 8000, 2.0), 8000)
    assert apart(spectrum(again, 81), spectrum(after, 81)) < 3


@pytest.mark.parametrize(
    ("model", "payload"),
    [
        (Noise(-50), "337088787a787d8176807c"),
        (Noise(-45, (-0.7,)), "2d1e88717d7c807d77837b"),
        (Noise(-55, (0.5, -0.3)), "38a95983747c7883797b80"),
        (Noise(-40, (-0.6, 0.4, -0.2)), "292fb555827a7f797a837b"),
    ],
)
def test_payloads_of_ffmpeg_say_what_it_heard(model: Noise, payload: str) -> None:
    """What its encoder `comfortnoise` made of 80 ms of `shaped(model, 24000)`: the same level and signs as ours."""
    theirs = read(bytes.fromhex(payload))
    ours = heard(shaped(model, 24_000), 8000)
    assert theirs is not None
    assert abs(theirs.level - model.level) <= 1
    assert abs(ours.level - model.level) <= 1
    wanted = (*model.reflections, *[0.0] * 8)
    for each in (theirs, ours):
        assert all(abs(one - other) < 0.2 for one, other in zip(each.reflections, wanted, strict=False))


def test_noise_with_its_power_below_has_a_negative_first_coefficient() -> None:
    """As G.729's coefficients, FFmpeg and WebRTC have it: k1 = -r1 / r0."""
    low = heard(np.cumsum(np.random.default_rng(1).normal(0, 30, 8000)).astype(np.int16), 8000)
    assert low.reflections[0] < -0.9
    power = spectrum(low, 81)
    assert power[:20].mean() > 10 * power[60:].mean()


@given(st.lists(st.integers(-32768, 32767), min_size=9, max_size=400))
def test_any_sound_can_be_described(samples: list[int]) -> None:
    """A tone, a click, full scale: every description is a payload that is read."""
    listener = Listener()
    listener.hear(np.array(samples, np.int16))
    noise = listener.describe()
    assert read(write(noise)) is not None
    assert all(-1 < each < 1 for each in noise.reflections)


def test_silence_is_described_as_the_quietest_noise() -> None:
    """It has no spectrum."""
    assert heard(np.zeros(800, np.int16), 8000) == Noise(-127)
    assert Listener().describe() == Noise(-127)


def test_noise_of_a_lower_rate_has_nothing_above_it_and_the_same_level() -> None:
    """A peer that speaks G.711 to a session that speaks G.722."""
    samples = made(bytes((30,)), 16000, 2.0, model=8000)
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    assert abs(level(samples) + 30) < 0.5
    assert power[len(power) * 5 // 8 :].sum() < power.sum() / 1000


def test_noise_of_a_higher_rate_keeps_what_is_below_as_it_is() -> None:
    """Half of white noise is half of its power."""
    assert abs(level(made(bytes((30,)), 8000, 2.0, model=16000)) + 33) < 0.5


def test_noise_begins_at_once_and_has_no_holes() -> None:
    """Each 10 ms of it are as loud as the next."""
    samples = made(bytes((30,)), 8000, 2.0)
    assert all(abs(level(samples[at : at + 80]) + 30) < 3 for at in range(0, len(samples), 80))


def test_a_newer_payload_is_come_to_by_and_by_and_in_the_next_pause_at_once() -> None:
    """From -60 to -30 dBov: no step of a frame is as large as the whole."""
    hiss = Hiss(8000, 1)
    hiss.follow(bytes((60,)), 8000)
    hiss.take(1600)
    hiss.follow(bytes((30,)), 8000)
    levels = [level(hiss.take(160)) for _ in range(50)]
    steps = np.diff([-60.0, *levels])
    assert steps.max() < 9
    assert steps[:8].min() > 0
    assert abs(np.mean(levels[-20:]) + 30) < 1
    hiss.over()
    hiss.follow(bytes((50,)), 8000)
    assert abs(level(hiss.take(160)) + 50) < 2
