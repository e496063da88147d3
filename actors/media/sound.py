"""Sound cards by PortAudio: which there are, and the two streams of a line. `python -m actors.media.sound` lists them.

PortAudio is loaded when it is first needed, never by an import of this file. Its callbacks come in threads of its own.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import threading
from contextlib import suppress
from operator import ne
from typing import Any, NamedTuple

import numpy as np

from actors.media.device import Elastic
from actors.media.device_events import BELL, RING_BACK
from actors.media.echo import DeskEcho, EchoError
from actors.media.resample import Resampler
from actors.media.tones import TONES, Tone, samples_of

# Seconds of delay that a card is asked for.
_LATENCY = 0.04
_USUAL_RATE = 48_000
# Looks that a card may take to wake up: sound servers that slept, and wireless ones, take a first gulp and pause 2 s.
_WAKING = 10
# The bell has two frequencies, twice and a pause.
_SOUNDING = {BELL: Tone((440.0, 480.0), (0.4, 0.2, 0.4, 2.0)), RING_BACK: TONES["ringback"]}


class SoundError(Exception):
    """No sound can be had, in one line."""


class Device(NamedTuple):
    """A sound device.

    Attributes:
        number, name: either chooses it.
        inputs, outputs: channels.
        rate: samples a second that it likes best.
        default: of what it is the system's default: input, output, both joined by a comma, or nothing.
    """

    number: int
    name: str
    inputs: int
    outputs: int
    rate: int
    default: str


def portaudio() -> Any:  # noqa: ANN401 - the module
    """Load sounddevice, and with it PortAudio.

    Raises:
        SoundError: they are not installed, or PortAudio does not start.
    """
    try:
        library = importlib.import_module("sounddevice")
    except ImportError as error:
        raise SoundError("the Python package sounddevice is not installed: pip install sounddevice") from error
    except OSError as error:
        raise SoundError("PortAudio is not installed: apt-get install libportaudio2") from error
    except Exception as error:  # sounddevice.PortAudioError is not to be had here
        raise SoundError(f"PortAudio does not start: {_line(error)}") from error
    return library


def devices() -> list[Device]:
    """Every device there is; a list without any is no error.

    Raises:
        SoundError: as :func:`portaudio`.
    """
    library = portaudio()
    chosen = tuple(library.default.device)
    found = []
    for number, each in enumerate(library.query_devices()):
        default = ",".join(way for way, other in zip(("input", "output"), chosen, strict=True) if other == number)
        inputs, outputs = each["max_input_channels"], each["max_output_channels"]
        found.append(Device(number, each["name"], inputs, outputs, int(each["default_samplerate"]), default))
    return found


def anew() -> None:
    """Have PortAudio look for cards again; no stream may be open.

    Raises:
        SoundError: as :func:`portaudio`.
    """
    library = portaudio()
    with suppress(Exception):  # it had not been started
        library._terminate()  # noqa: SLF001 - sounddevice has no other way, and names this one in its answers
    try:
        library._initialize()  # noqa: SLF001
    except library.PortAudioError as error:
        raise SoundError(f"PortAudio does not start: {_line(error)}") from error


def hush() -> None:
    """Keep libasound from writing what it tries in vain to stderr."""
    with suppress(OSError):
        asound = ctypes.CDLL("libasound.so.2")
        asound.snd_lib_error_set_handler(_NOTHING)


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_NOTHING = _HANDLER(lambda *_: None)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


class _Side:
    """One direction: its ring, its lock, and what shows that the card lives."""

    def __init__(self, rate: int) -> None:
        self.ring = Elastic(rate)
        self.lock = threading.Lock()
        self.beats = 0


class _Streams:
    """Streams that run until they are closed.

    Attributes:
        name: of their devices, for people.
    """

    name = ""

    def __init__(self) -> None:
        self._library = portaudio()
        self._streams: list[Any] = []
        self._sides: list[_Side] = []
        self._beats: list[int] = []
        self._looks = 0

    def _find(self, wanted: str, way: str) -> Any:  # noqa: ANN401 - a dict of sounddevice's
        try:
            found = self._library.query_devices(int(wanted) if wanted.isdecimal() else wanted or None, way)
        except (ValueError, self._library.PortAudioError) as error:
            what = f"no {way} device {wanted!r}" if wanted else f"no {way} device"
            raise SoundError(f"{what}; sipactors devices lists them") from error
        return found

    def _start(self, kind: str, device: Any, callback: Any) -> _Side:  # noqa: ANN401
        """Open a device; `callback` is given what its side must be told of, too.

        Raises:
            SoundError: it cannot be opened; nothing is left open.
        """
        side = _Side(_rate(device))
        self._sides.append(side)
        try:
            stream = getattr(self._library, kind)(
                device=device["index"],
                samplerate=side.ring.rate,
                blocksize=side.ring.rate // 100,
                channels=1,
                dtype="int16",
                latency=_LATENCY,
                callback=lambda data, count, _time, _status: callback(side, data, count),
            )
            self._streams.append(stream)
            stream.start()
        except self._library.PortAudioError as error:
            self.close()
            raise SoundError(_line(error)) from error
        return side

    @property
    def alive(self) -> bool:
        """All run, and have been called back since this was last asked, but while they wake up."""
        before, self._beats = self._beats, [side.beats for side in self._sides]
        self._looks += 1
        moved = len(before) == len(self._beats) and all(map(ne, self._beats, before))
        return (moved or self._looks <= _WAKING) and all(stream.active for stream in self._streams)

    def close(self) -> None:
        """Stop at once."""
        for stream in self._streams:
            with suppress(Exception):  # a card that is gone has nothing to stop
                stream.abort()
            with suppress(Exception):
                stream.close()
        self._streams = []


class Ringer(_Streams):
    """A device that rings, or gives the ring-back tone.

    Args:
        wanted: its name or number; empty for the system's default.
        tone: BELL or RING_BACK.

    Raises:
        SoundError: it is not there or cannot be opened.
    """

    def __init__(self, wanted: str, tone: str) -> None:
        super().__init__()
        sink = self._find(wanted, "output")
        self.name = sink["name"]
        self._tone = _SOUNDING[tone]
        self._position = 0
        self._start("RawOutputStream", sink, self._ring)

    def _ring(self, side: _Side, data: Any, count: int) -> None:  # noqa: ANN401
        data[:] = samples_of(self._tone, self._position, count, side.ring.rate).tobytes()
        self._position += count
        side.beats += 1


class Card(_Streams):
    """What a line speaks and is heard through.

    Args:
        wanted_input: a name or number; empty for the system's default.
        wanted_output: the same.
        cancel: the echo of the output is taken out of the input.

    Raises:
        SoundError: one of them is not there or cannot be opened, or echo cannot be cancelled.
    """

    def __init__(self, wanted_input: str, wanted_output: str, *, cancel: bool = False) -> None:
        super().__init__()
        self._khz = 0
        source, sink = self._find(wanted_input, "input"), self._find(wanted_output, "output")
        self.name = f"{source['name']}, {sink['name']}"
        self._echo = _canceller(_rate(source), _rate(sink)) if cancel else None
        self._microphone = self._start("RawInputStream", source, self._captured)
        self._speaker = self._start("RawOutputStream", sink, self._wanted)
        if self._echo is not None:
            self._echo.delay = sum(stream.latency for stream in self._streams)

    # PortAudio's threads.

    def _captured(self, side: _Side, data: Any, _count: int) -> None:  # noqa: ANN401
        samples = np.frombuffer(data, np.int16).copy()
        if self._echo is not None:
            samples = self._echo.clean(samples)
        with side.lock:
            side.ring.push(samples)
            side.beats += 1

    def _wanted(self, side: _Side, data: Any, count: int) -> None:  # noqa: ANN401
        with side.lock:
            samples = side.ring.pull(count)
            side.beats += 1
        if self._echo is not None:
            self._echo.play(samples)
        data[:] = samples.tobytes()

    # The actor's.

    def exchange(self, khz: int, heard: bytes) -> bytes:
        """20 ms for the speaker, and 20 ms of the microphone.

        Args:
            khz: of both.
            heard: s16le; empty for silence.
        """
        if khz != self._khz:
            self._khz = khz
            self._out = _Way(1000 * khz, self._speaker.ring.rate)
            self._in = _Way(self._microphone.ring.rate, 1000 * khz)
        samples = self._out.convert(np.frombuffer(heard or bytes(40 * khz), np.int16))
        with self._speaker.lock:
            self._speaker.ring.push(samples)
        with self._microphone.lock:
            said = self._microphone.ring.pull(self._microphone.ring.rate // 50)
        return self._in.convert(said).tobytes()


def _canceller(rate: int, played_at: int) -> DeskEcho:
    """What takes the speaker's echo out of the microphone.

    Raises:
        SoundError: it cannot be had.
    """
    try:
        return DeskEcho(rate, played_at)
    except EchoError as error:
        raise SoundError(str(error)) from error


def _rate(device: Any) -> int:  # noqa: ANN401
    """A rate that the device has and whose 10 ms are whole samples."""
    rate = int(device["default_samplerate"])
    return rate if rate and rate % 100 == 0 else _USUAL_RATE


class _Way:
    """Samples from one rate to another."""

    def __init__(self, rate: int, wanted: int) -> None:
        self._count = wanted // 50
        self._resampler = None if rate == wanted else Resampler(rate, wanted)

    def convert(self, samples: np.ndarray[Any, np.dtype[np.int16]]) -> np.ndarray[Any, np.dtype[np.int16]]:
        """20 ms; exactly as many as make 20 ms there."""
        if self._resampler is None:
            return samples
        made = self._resampler.process(samples)
        return made if len(made) == self._count else np.resize(made, self._count)


def main() -> int:
    """Print the devices, or why there are none, as a line of JSON."""
    try:
        told: dict[str, Any] = {"devices": [each._asdict() for each in devices()]}
    except SoundError as error:
        told = {"error": str(error)}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
