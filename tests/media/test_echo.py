"""Echo cancellation in a simulated room: how much of the echo goes, what of a voice stays, and what is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from actors.media import echo, resample, sound
from actors.media.echo import DeskEcho, EchoCanceller, EchoError
from actors.media.filters import load
from tests.media.rig import corpus

Reals = npt.NDArray[np.float64]
ROOT = Path(__file__).parents[2]
SECONDS = 12


@pytest.fixture(autouse=True)
def _has_library() -> None:
    if resample.speexdsp() is None:
        pytest.skip("libspeexdsp is not installed: apt-get install libspeexdsp1")


def noise(rate: int, seed: int = 1) -> Reals:
    """Noise in syllables, as loud as speech and as full of pauses."""
    chance = np.random.default_rng(seed)
    count = SECONDS * rate
    loud = np.repeat(np.clip(2 * chance.random(8 * SECONDS) - 0.6, 0, 1), rate // 8)
    return np.convolve(4000 * chance.standard_normal(count), np.ones(4) / 4, "same") * loud


def room(rate: int, *, late: float = 0.04, lasts: float = 0.2) -> Reals:
    """The answer of a room to a click: after `late` seconds, then falling by 60 dB in `lasts`, 6 dB down in all."""
    length = int(0.6 * lasts * rate)
    fall = np.random.default_rng(7).standard_normal(length) * np.exp(-6.9 * np.arange(length) / (lasts * rate))
    return np.concatenate((np.zeros(int(late * rate)), 0.5 * fall / np.sqrt(np.sum(fall**2))))


def hear(far: Reals, rate: int, near: Reals | None = None, **shape: float) -> npt.NDArray[np.int16]:
    """What the microphone hears of it, a quiet hiss with it."""
    heard = np.convolve(far, room(rate, **shape))[: len(far)]
    heard += 3 * np.random.default_rng(9).standard_normal(len(far))
    return np.clip(heard if near is None else heard + near, -32768, 32767).astype(np.int16)


def cleaned(microphone: npt.NDArray[np.int16], far: Reals, rate: int) -> Reals:
    canceller, played = EchoCanceller(rate), far.astype(np.int16)
    size = canceller.frame
    blocks = [slice(at, at + size) for at in range(0, len(far) - size + 1, size)]
    return np.concatenate([canceller.process(microphone[each], played[each]) for each in blocks]).astype(float)


def decibels(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    return float(10 * np.log10(np.mean(one.astype(float) ** 2) / (np.mean(other.astype(float) ** 2) + 1e-9)))


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_echo_of_a_room_is_15_db_down_after_six_seconds(rate: int) -> None:
    far = noise(rate)
    microphone = hear(far, rate)
    after = slice(6 * rate, SECONDS * rate)
    assert decibels(microphone[after], cleaned(microphone, far, rate)[after]) >= 15


def test_the_echo_of_speech_goes_too() -> None:
    said = np.fromfile(corpus("vectors", "g722", "test_data", "inpsp.bin"), "<i2").astype(float)
    far = np.tile(said, -(-10 * 16_000 // len(said)))[: 10 * 16_000]
    microphone = hear(far, 16_000)
    last = slice(6 * 16_000, 10 * 16_000)
    assert decibels(microphone[last], cleaned(microphone, far, 16_000)[last]) >= 15


def test_a_voice_here_is_heard_while_the_other_speaks() -> None:
    rate = 8000
    far, times = noise(rate), np.arange(SECONDS * rate) / rate
    near = np.where(times > 8, 6000 * np.sin(2 * np.pi * 440 * times), 0.0)
    out = cleaned(hear(far, rate, near), far, rate)
    spoken = slice(9 * rate, 11 * rate)
    tone = np.exp(-2j * np.pi * 440 * times[spoken])
    level = 2 * abs(np.mean(out[spoken] * tone))
    assert 2000 < level < 7000, "what is said here goes through"
    before = slice(6 * rate, 8 * rate)
    assert np.sqrt(np.mean(out[before] ** 2)) < 200


def test_blocks_of_another_size_are_refused() -> None:
    canceller = EchoCanceller(8000)
    with pytest.raises(ValueError, match="they must be of 160"):
        canceller.process(np.zeros(160, np.int16), np.zeros(80, np.int16))


@pytest.mark.parametrize(("rate", "played_at"), [(8000, 8000), (16_000, 48_000)])
@pytest.mark.parametrize("late", [0.0, 0.08, 0.2])
def test_callbacks_that_come_in_bunches_and_a_speaker_that_stumbles_are_followed(
    rate: int, played_at: int, late: float
) -> None:
    chance, far = np.random.default_rng(3), noise(played_at)
    desk, size = DeskEcho(rate, played_at), rate // 100
    desk.delay = late
    near = resample.Resampler(played_at, rate).process(far.astype(np.int16)) if rate != played_at else far
    microphone = hear(near.astype(float), rate, late=late + 0.02)
    played, heard, out = 0, 0, []
    for tick in range(len(far) * 100 // played_at):
        bunch = int(chance.integers(0, 4)) if tick < 1190 else 3
        while played < min(tick + 1, 100 * SECONDS) and (bunch or tick - played > 3):
            desk.play(far[played * played_at // 100 : (played + 1) * played_at // 100].astype(np.int16))
            played += 1
        if tick % 2:
            for _ in range(2):
                block = microphone[heard * size : (heard + 1) * size]
                heard += 1
                if len(block) == size:
                    out.append(desk.clean(block))
    cleaned = np.concatenate(out)
    assert len(microphone) - len(cleaned) <= 11 * size, "little waits"
    after = slice(8 * rate, len(cleaned))
    assert decibels(microphone[after], cleaned[after]) >= 15


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "speexdsp", lambda: None)
    echo._library.cache_clear()
    with pytest.raises(EchoError, match="apt-get install libspeexdsp1"):
        EchoCanceller(8000)
    with pytest.raises(EchoError, match="apt-get install libspeexdsp1"):
        echo.check()
    echo._library.cache_clear()


def test_as_a_users_filter_it_cancels_what_a_hands_free_set_sends_back() -> None:
    process = load(str(ROOT / "examples" / "echo_filter.py"))
    rate = 8000
    far = noise(rate)
    microphone, played = hear(far, rate), far.astype(np.int16)
    state: dict[str, object] = {}
    out = []
    for at in range(0, len(far), 160):
        heard, said = process(played[at : at + 160], microphone[at : at + 160], rate, state)
        assert np.array_equal(heard, played[at : at + 160])
        out.append(said)
    after = slice(6 * rate, SECONDS * rate)
    assert decibels(microphone[after], np.concatenate(out)[after]) >= 15


class Desk:
    """A card of 48 kHz on a table, as PortAudio shows it: its microphone hears its loudspeaker. Time is the test's.

    Its clock is faster than ours by 300 millionths.
    """

    PortAudioError = RuntimeError
    LATENCY, RATE = 0.03, 48_000

    def __init__(self) -> None:
        self.streams: list[Desk.Stream] = []
        self.room = room(self.RATE, late=2 * self.LATENCY)
        self.air = np.zeros(len(self.room) + self.RATE // 100)
        self.now = self.due = 0.0

    class Stream:
        """One side."""

        latency, active = 0.03, True

        def __init__(self, callback: Callable[..., None]) -> None:
            self.callback = callback

        def start(self) -> None:
            """It runs."""

    def query_devices(self, _wanted: str | None, _way: str) -> dict[str, Any]:
        return {"name": "desk", "index": 0, "default_samplerate": float(self.RATE)}

    def _stream(self, *, callback: Callable[..., None], **_shape: object) -> Stream:
        self.streams.append(self.Stream(callback))
        return self.streams[-1]

    RawInputStream = RawOutputStream = _stream

    def wait(self, seconds: float) -> None:
        """Time passes; the card takes and gives 10 ms whenever it is time."""
        self.now += seconds
        size = self.RATE // 100
        while self.due <= self.now:
            self.due += 0.01 / 1.0003
            microphone, speaker = self.streams
            played = bytearray(2 * size)
            speaker.callback(memoryview(played), size, None, None)
            self.air = np.concatenate((self.air[size:], np.frombuffer(played, np.int16).astype(float)))
            heard = np.convolve(self.air, self.room, "valid")[-size:]
            microphone.callback(heard.astype(np.int16).tobytes(), size, None, None)


def back_from(monkeypatch: pytest.MonkeyPatch, *, cancel: bool) -> Reals:
    """What a card says of what it is given, a session of 8 kHz."""
    desk = Desk()
    monkeypatch.setattr(sound, "portaudio", lambda: desk)
    card, far, said = sound.Card("", "", cancel=cancel), noise(8000), []
    for at in range(0, len(far), 160):
        desk.wait(0.02)
        said.append(card.exchange(8, far[at : at + 160].astype("<i2").tobytes()))
    return np.frombuffer(b"".join(said), "<i2").astype(float)


def test_a_card_says_15_db_less_of_what_it_plays_where_echo_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = (back_from(monkeypatch, cancel=cancel)[9 * 8000 :] for cancel in (False, True))
    assert np.sqrt(np.mean(before**2)) > 300
    assert decibels(before, after) >= 15


def test_a_card_that_cannot_cancel_echo_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "portaudio", Desk)
    monkeypatch.setattr(echo, "speexdsp", lambda: None)
    echo._library.cache_clear()
    with pytest.raises(sound.SoundError, match="apt-get install libspeexdsp1"):
        sound.Card("", "", cancel=True)
    echo._library.cache_clear()


def test_a_service_that_is_to_cancel_echo_without_the_library_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "sipactors.toml"
    file.write_text("[sound]\necho_cancellation = true\n", encoding="utf-8")
    program = (
        "import sys\nfrom actors.media import echo\nfrom actors.service import main\necho.speexdsp = lambda: None\n"
        f"sys.argv = ['sipactors', 'config', 'check', '-c', {str(file)!r}]\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sipactors: sound.echo_cancellation: echo cancellation needs libspeexdsp: apt-get install libspeexdsp1"
    ]
