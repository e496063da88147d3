"""A virtual sound card: PulseAudio with two null sinks, what is played and what is said into the microphone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.live.service import ROOT
from tests.live.sound import Samples, pitch

SCRIPT = ROOT.parent / "shared" / "tools" / "vsnd.sh"
RATE = 48_000
PATIENCE = 40.0  # seconds; nothing is judged by it, it only ends a test that hangs
PROGRAMS = {"pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils", "parec": "pulseaudio-utils"}
PLUGINS = "/usr/lib/*-linux-gnu/alsa-lib/libasound_module_pcm_pulse.so"


def skip_without_card() -> None:
    """Skip the test where a virtual card cannot be made."""
    if not SCRIPT.exists():
        pytest.skip(f"{SCRIPT}, which makes the virtual card, is not there")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    if not list(Path("/").glob(PLUGINS.lstrip("/"))):
        pytest.skip("the ALSA plugin for PulseAudio is not installed: apt-get install libasound2-plugins")
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("PortAudio is not installed: apt-get install libportaudio2")


class SoundCard:
    """The card; programs started with its `environment` have it as their only one.

    Args:
        folder: for its sockets; short, for they are Unix sockets.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {
            "VSND_DIR": str(folder),
            "PULSE_SERVER": f"unix:{folder}/run/pa.sock",
            "ALSA_CONFIG_PATH": f"{folder}/asound.conf",
            "PULSE_LATENCY_MSEC": "40",
        }
        self._pid = 0
        self.plug_in()

    def plug_in(self) -> None:
        """Start it; returns when it serves."""
        # Its children must not hold the pipe that is read here, so it is told by a file.
        number = self._folder / "pid"
        tell = f'pactl info >/dev/null && echo $VSND_PID > "{number}.new" && mv "{number}.new" "{number}"'
        self._shell = subprocess.Popen(
            ["sh", "-c", f'. "{SCRIPT}"; {tell}; wait'],
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while not number.exists():
            assert self._shell.poll() is None, "the virtual card ended"
            assert time.monotonic() < end, "the virtual card does not start"
            self._shell_wait(0.05)
        self._pid = int(number.read_text(encoding="ascii"))
        number.unlink()

    def _shell_wait(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._shell.wait(seconds)

    def pull_out(self) -> None:
        """Take it away, as a plug that is pulled."""
        os.kill(self._pid, signal.SIGKILL)
        self._shell.wait(30)

    def hear(self, seconds: float) -> Samples:
        """What is played on it from now on, 48 kHz."""
        size = int(seconds * RATE) * 2
        with subprocess.Popen(
            ["parec", "--device=spk.monitor", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=40"],
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
        ) as program:
            assert program.stdout is not None
            data = program.stdout.read(size)
            program.kill()
        return np.frombuffer(data, np.int16)

    @contextmanager
    def speaking(self, samples: Samples) -> Iterator[None]:
        """Say `samples` (48 kHz) into its microphone, again and again."""
        over = threading.Event()
        with subprocess.Popen(
            ["pacat", "--device=mic", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=100"],
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
        ) as program:
            pipe = program.stdin
            assert pipe is not None

            def speak() -> None:
                with suppress(BrokenPipeError):
                    while not over.is_set():
                        pipe.write(samples.tobytes())

            thread = threading.Thread(target=speak)
            thread.start()
            try:
                yield
            finally:
                over.set()
                program.kill()
                thread.join(30)
                with suppress(BrokenPipeError):  # what it did not take
                    pipe.close()


@contextmanager
def plugged_in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[SoundCard]:
    """A card for a test, the only one of the programs that it starts; skips where it cannot be made."""
    skip_without_card()
    card = SoundCard(folder)
    try:
        for name, value in card.environment.items():
            patch.setenv(name, value)
        yield card
    finally:
        card.pull_out()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"no {what}"


def sounds(samples: Samples, rate: int, frequency: float) -> bool:
    """Its strongest tone is of this frequency, within half a per cent and what so short a time can tell."""
    return (
        len(samples) >= rate // 4
        and samples.std() > 500
        and abs(pitch(samples, rate) - frequency) < frequency / 200 + 2
    )
