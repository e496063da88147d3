"""The jitter buffer and the concealment on a simulated bad network, measured."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.media.g711 import Law, decode, encode
from actors.media.jitter import FRAME, MAX_TARGET, TARGET, JitterBuffer
from actors.media.mend import Mender, bridge
from actors.media.network import Network
from actors.media.resample import Polyphase
from tests.media.rig import corpus


def numbered(number: int) -> bytes:
    return bytes(((number * 7) % 120 + 1,)) * FRAME


def through(network: Network, count: int, frames: list[bytes] | None = None, *, phase: float = 0.37) -> list[int]:
    """Play a stream through a network: which frame came out at each tick, -1 for none."""
    buffer = JitterBuffer()
    arrivals = network.arrivals(count)
    out: list[int] = []
    at = 0
    for tick in range(count + 30):
        while at < len(arrivals) and arrivals[at].time <= 20 * (tick + phase):
            number = arrivals[at].number
            buffer.put(number * FRAME, frames[number] if frames else numbered(number), Law.PCMU)
            at += 1
        before = buffer._cursor // FRAME
        out.append(before if buffer.take()[1] else -1)
    through.buffer = buffer  # type: ignore[attr-defined]
    return out


def test_the_same_seed_is_the_same_network() -> None:
    network = Network(0.1, 2, 30, 0.05, 0.02, 100, seed=3)
    assert network.arrivals(500) == network.arrivals(500)
    assert network.arrivals(500) != network._replace(seed=4).arrivals(500)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.4), st.floats(1, 6), st.integers(0, 999))
def test_losses_are_as_many_and_as_long_as_is_asked_for(loss: float, burst: float, seed: int) -> None:
    losses = Network(loss, burst, seed=seed).lost(60_000)
    assert abs(sum(losses) / 60_000 - loss) < 0.03
    runs = [len(run) for run in "".join("x" if lost else " " for lost in losses).split()]
    if len(runs) > 500 and burst > 1.2:
        assert abs(np.mean(runs) - burst) < 0.25 * burst


@settings(max_examples=20, deadline=None)
@example(0.0, 119.0, 0.0, 0.0, 1)  # the delay grows while a frame is on its way that another has overtaken
@given(st.floats(0, 0.1), st.floats(0, 120), st.floats(0, 0.1), st.floats(-300, 300), st.integers(0, 99))
def test_frames_come_out_in_order_and_none_twice(
    loss: float, jitter: float, reorder: float, drift: float, seed: int
) -> None:
    out = [n for n in through(Network(loss, 1.5, jitter, reorder, 0.02, drift, seed), 1500) if n >= 0]
    assert out == sorted(set(out))


@pytest.mark.parametrize("jitter", [60, 100, 140])
def test_the_delay_grows_to_what_the_jitter_needs_and_shrinks_when_it_is_over(jitter: int) -> None:
    out = through(Network(jitter=jitter), 6000)
    buffer: JitterBuffer = through.buffer  # type: ignore[attr-defined]
    late = sum(n < 0 for n in out[4000:6000])
    assert late < 0.03 * 2000
    assert TARGET < buffer.target <= MAX_TARGET
    assert buffer.target <= (jitter + 60) * 8


@pytest.mark.parametrize("drift", [-200, 200])
def test_a_clock_that_drifts_is_followed_in_silence(drift: int) -> None:
    # 200 millionths are a frame in 100 s; every third second is quiet.
    frames = [b"\xff" * FRAME if n % 150 < 50 else numbered(n) for n in range(30_000)]
    out = through(Network(jitter=15, drift=drift), 30_000, frames)
    buffer: JitterBuffer = through.buffer  # type: ignore[attr-defined]
    heard = [n for n in out if n >= 0]
    loud = [n for n in heard if n % 150 >= 50]
    missing = Counter(range(heard[0], 29_900)) - Counter(heard)
    assert sum(n % 150 >= 50 for n in missing) <= 20, "speech was cut"
    assert len(loud) > 19_000
    assert (buffer.skipped if drift > 0 else buffer.stretched + buffer.late) >= 1


# Concealment.


def speech() -> np.ndarray:
    """The ITU's speech sample at 8 kHz, as whole frames."""
    wide = np.fromfile(corpus("vectors", "g722", "test_data", "inpsp.bin"), "<i2")
    said = Polyphase(1, 2).process(wide)
    return said[: len(said) // FRAME * FRAME].reshape(-1, FRAME)


def segmental(reference: np.ndarray, heard: np.ndarray) -> float:
    """Signal over error of one frame, dB, within the usual -10 to 35."""
    error = float(np.sum((reference.astype(float) - heard) ** 2)) + 1
    return float(np.clip(10 * np.log10(float(np.sum(reference.astype(float) ** 2)) / error), -10, 35))


def gains(network: Network) -> list[float]:
    """What concealment gains over silence, in each frame that was lost and has speech in it."""
    said = np.concatenate([speech()] * 4)  # a talk of 24 s, in which the delay finds what it needs
    codes = [encode(frame, Law.PCMU).tobytes() for frame in said]
    buffer, mender = JitterBuffer(), Mender()
    arrivals = network.arrivals(len(said))
    at, found = 0, []
    for tick in range(len(said)):
        while at < len(arrivals) and arrivals[at].time <= 20 * (tick + 0.37):
            buffer.put(arrivals[at].number * FRAME, codes[arrivals[at].number], Law.PCMU)
            at += 1
        number = buffer._cursor // FRAME
        taken = buffer.take()
        heard, law = mender.mend(taken, buffer)
        if not taken[1] and 5 < number < len(said) and np.sqrt(np.mean(said[number].astype(float) ** 2)) > 100:
            made = decode(np.frombuffer(heard, np.uint8), law) if law else np.zeros(FRAME)
            found.append(segmental(said[number], made) - segmental(said[number], np.zeros(FRAME)))
    return found


def test_concealment_gains_three_decibels_over_silence_at_three_percent_loss_and_40_ms_jitter() -> None:
    found = [gain for seed in range(12) for gain in gains(Network(loss=0.03, jitter=40, seed=seed))]
    assert len(found) > 150
    assert np.mean(found) >= 3.0, np.mean(found)


def test_what_was_not_lost_is_heard_as_it_was_said() -> None:
    said = [encode(frame, Law.PCMU).tobytes() for frame in speech()[:200]]
    buffer, mender = JitterBuffer(), Mender()
    heard = []
    for frame, number in zip(said, range(200), strict=True):
        buffer.put(number * FRAME, frame, Law.PCMU)
        heard.append(mender.mend(buffer.take(), buffer)[0])
    assert heard[2:] == said[:-2]
    assert mender.made == 0


def test_a_tone_is_bridged_so_that_nobody_hears_it() -> None:
    tone = 8000 * np.sin(2 * np.pi * 200 * np.arange(1600) / 8000)
    bridged = bridge(tone[:480], tone[640:960], 160)
    assert segmental(tone[480:640], bridged) > 20


def test_a_long_loss_falls_silent_after_60_ms_and_joins_again() -> None:
    tone = (8000 * np.sin(2 * np.pi * 200 * np.arange(8000) / 8000)).astype(np.int16)
    frames = [encode(tone[at : at + FRAME], Law.PCMU).tobytes() for at in range(0, 8000, FRAME)]
    buffer, mender = JitterBuffer(), Mender()
    heard = []
    for number in range(40):
        if not 10 <= number < 20:
            buffer.put(number * FRAME, frames[number], Law.PCMU)
        heard.append(mender.mend(buffer.take(), buffer))
    laws = [law for _, law in heard]
    assert laws[12:15] == [1, 1, 1]
    assert laws[15:22] == [0] * 7
    assert laws[23:] == [1] * 17
    assert mender.made == 3


def test_the_example_draws_the_delay_and_the_loss(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    words = [sys.executable, "examples/bad_network.py", str(picture)]
    subprocess.run(words, cwd=Path(__file__).parents[2], check=True, capture_output=True, timeout=60)
    assert ET.parse(picture).getroot().tag.endswith("svg")
