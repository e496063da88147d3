"""Playing a file or a tone to the peer, a frame a tick."""

from __future__ import annotations

from typing import Protocol

from actors.media.g711 import SILENCE, Law, encode
from actors.media.loader import AHEAD, Block, Loader, Reading
from actors.media.pieces import FRAME
from actors.media.tones import parse_tone, samples_of
from actors.media.wav import RATE

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

    def ahead(self) -> bytes:
        """Whole frames that come next and are at hand; empty where :meth:`frame` is to be asked."""

    def passed(self, frames: int) -> None:
        """So many of them were played."""

    def use(self, form: int) -> None:
        """Go on in another law or rate."""

    def seek(self, position: int) -> None:
        """Go on at another place."""

    def close(self) -> None:
        """Let go of it."""


def play(path: str, form: int, loader: Loader, *, position: int = 0, loop: bool = False) -> Playing:
    """A file, or with ``tone:`` before it the name of a tone, being played.

    Raises:
        ValueError: it is no tone.
    """
    if path.startswith(TONE):
        return TonePlayer(path, form, position)
    return Player(path, form, loader, position=position, loop=loop)


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

    def ahead(self) -> bytes:
        """A second of it."""
        if self._form not in tuple(Law):
            return b""
        return encode(samples_of(self._tone, self.position, RATE, RATE), self._form).tobytes()

    def passed(self, frames: int) -> None:
        """So many of them were played."""
        self.position += FRAME * frames

    def use(self, form: int) -> None:
        """Go on in another law or rate, at the same place."""
        self._form = form

    def seek(self, position: int) -> None:
        """Go on at another place."""
        self.position = position

    def close(self) -> None:
        """Nothing is held."""


class Player:
    """A file being played. What the helper thread has not read yet is silence; the position waits.

    Args:
        path: the file.
        form: a law to encode it in, else linear at so many kHz.
        loader: reads it.
        position: the sample to begin with, counted at 8 kHz whatever the form.
        loop: begin again at the end.
    """

    def __init__(self, path: str, form: int, loader: Loader, *, position: int = 0, loop: bool = False) -> None:
        self.path = path
        self.position = position
        self._loader = loader
        self._loop = loop
        self._reading: Reading | None = None
        self._form = form
        self._block = b""
        self._at = self._size = 0
        self._silence = b""
        self._begin()

    def frame(self) -> bytes | None:
        """The next 20 ms, None after the end.

        Raises:
            OSError: the file cannot be read, or not any more.
        """
        size = self._size
        frame = self._block[self._at : self._at + size]
        if not frame:
            block = self._next()
            if block is None:
                return self._silence * size
            if not block.data:
                return None
            self.position = block.position
            self._block, self._at = block.data, 0
            frame = block.data[:size]
        self._at += size
        self.position += FRAME * len(frame) // size
        return frame if len(frame) == size else frame.ljust(size, self._silence)

    def ahead(self) -> bytes:
        """What is left of the block in hand, or the next one."""
        size, reading = self._size, self._reading
        if self._at >= len(self._block) and reading is not None and reading.blocks and reading.blocks[0].data:
            block = reading.blocks.popleft()
            self._loader.ask(reading)
            self.position = block.position
            self._block, self._at = block.data, 0
        return self._block[self._at : len(self._block) - (len(self._block) - self._at) % size]

    def passed(self, frames: int) -> None:
        """So many of them were played."""
        self._at += frames * self._size
        self.position += frames * FRAME

    def _next(self) -> Block | None:
        reading = self._reading
        if reading is None or not reading.blocks:
            return None
        block = reading.blocks.popleft()
        if block.error:
            raise OSError(block.error)
        self._loader.ask(reading)
        return block

    def use(self, form: int) -> None:
        """Go on in another law or rate, at the same place."""
        if form != self._form:
            self._form = form
            self._begin()

    def seek(self, position: int) -> None:
        """Go on at another place."""
        self.position = position
        self._begin()

    def _begin(self) -> None:
        """Have it read from `position` on."""
        self.close()
        form = self._form
        coded = form in tuple(Law)
        self._size = FRAME if coded else form * 20 * 2
        self._silence = SILENCE[form].to_bytes() if coded else b"\0"
        self._block, self._at = b"", 0
        reading = Reading(self.path, form, position=self.position, loop=self._loop, folder=self._loader.folder)
        self._reading = reading
        for _ in range(AHEAD):
            self._loader.ask(reading)

    def close(self) -> None:
        """Have the file closed."""
        if self._reading is not None:
            self._reading.closed = True
            self._loader.ask(self._reading)
            self._reading = None
