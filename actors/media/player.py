"""Playing a WAV file to the peer, a frame a tick, encoded a second at a time."""

from __future__ import annotations

from typing import Protocol

from actors.media.g711 import SILENCE, Law, encode
from actors.media.jitter import FRAME
from actors.media.tones import parse_tone, samples_of
from actors.media.wav import RATE, Reader

TONE = "tone:"


class Playing(Protocol):
    """What is being played: a file or a tone.

    Attributes:
        path: what it was asked for as.
        position: the sample it has come to, counted at 8 kHz.
    """

    path: str
    position: int

    def frame(self) -> bytes | None:
        """The next 20 ms; None after the end."""

    def use(self, form: int) -> None:
        """Go on in another law or rate."""

    def close(self) -> None:
        """Let go of it."""


def play(path: str, form: int, *, position: int = 0, loop: bool = False) -> Playing:
    """A file, or with ``tone:`` before it the name of a tone, being played.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no WAV that can be played, or no tone.
    """
    if path.startswith(TONE):
        return TonePlayer(path, form, position)
    return Player(path, form, position=position, loop=loop)


class TonePlayer:
    """A tone being played, until something else is.

    Args:
        path: ``tone:`` and what :func:`parse_tone` reads.
        form: a law to encode it in, else linear at so many kHz.
        position: the sample to begin with, counted at 8 kHz.

    Raises:
        ValueError: it is no tone.
    """

    def __init__(self, path: str, form: int, position: int = 0) -> None:
        self.path = path
        self.position = position
        self._tone = parse_tone(path.removeprefix(TONE))
        self._form = form

    def frame(self) -> bytes | None:
        """The next 20 ms; there is always one."""
        coded = self._form in tuple(Law)
        rate = RATE if coded else self._form * 1000
        samples = samples_of(self._tone, self.position * rate // RATE, rate // 50, rate)
        self.position += FRAME
        return encode(samples, self._form).tobytes() if coded else samples.tobytes()

    def use(self, form: int) -> None:
        """Go on in another law or rate, at the same place."""
        self._form = form

    def close(self) -> None:
        """Nothing is held."""


class Player:
    """A file being played.

    Args:
        path: a WAV file.
        form: a law to encode it in, else linear at so many kHz.
        position: the sample to begin with, counted at 8 kHz whatever the form.
        loop: begin again at the end.

    Raises:
        OSError: it cannot be read.
        WavError: it is no WAV that can be played.
    """

    def __init__(self, path: str, form: int, *, position: int = 0, loop: bool = False) -> None:
        self.path = path
        self.position = position
        self._loop = loop
        self._reader: Reader | None = None
        self._block = b""
        self._form = self._at = self._size = 0
        self._rate = RATE
        self._coded = False
        self._silence = b""
        self.use(form)

    def frame(self) -> bytes | None:
        """The next 20 ms, None after the end.

        Raises:
            OSError: the file cannot be read any more.
        """
        size = self._size
        frame = self._block[self._at : self._at + size]
        if len(frame) < size and not frame:
            frame = self._next_block()
            if not frame:
                return None
        self._at += size
        self.position += FRAME * len(frame) // size
        return frame if len(frame) == size else frame.ljust(size, self._silence)

    def _next_block(self) -> bytes:
        reader, rate = self._reader, self._rate
        if reader is None:
            return b""
        samples = reader.read(self.position * rate // RATE, rate)
        if not len(samples) and self._loop:
            self.position = 0
            samples = reader.read(0, rate)
        self._block = encode(samples, self._form).tobytes() if self._coded else samples.tobytes()
        self._at = 0
        return self._block[: self._size]

    def use(self, form: int) -> None:
        """Go on in another law or rate, at the same place.

        Raises:
            OSError, WavError: as at the beginning.
        """
        if self._reader is not None and form == self._form:
            return
        self._form = form
        self._coded = form in tuple(Law)
        self._rate = RATE if self._coded else form * 1000
        self._size = FRAME if self._coded else self._rate // 50 * 2
        self._silence = SILENCE[form].to_bytes() if self._coded else b"\0"
        self._block = b""
        self._at = 0
        reader = Reader(self.path, self._rate)
        self.close()
        self._reader = reader

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
