"""Playing a WAV file to the peer, a frame a tick, encoded a second at a time."""

from __future__ import annotations

from actors.media.g711 import SILENCE, encode
from actors.media.jitter import FRAME
from actors.media.wav import RATE, Reader


class Player:
    """A file being played.

    Args:
        path: a WAV file.
        law: what to encode it in.
        position: the sample to begin with, at 8 kHz.
        loop: begin again at the end.

    Raises:
        OSError: it cannot be read.
        WavError: it is no WAV that can be played.
    """

    def __init__(self, path: str, law: int, *, position: int = 0, loop: bool = False) -> None:
        self.path = path
        self.position = position
        self._law = law
        self._loop = loop
        self._block = b""
        self._at = 0
        self._reader = Reader(path)

    def frame(self) -> bytes | None:
        """The next 20 ms, None after the end.

        Raises:
            OSError: the file cannot be read any more.
        """
        codes = self._block[self._at : self._at + FRAME]
        if len(codes) < FRAME and not codes:
            codes = self._next_block()
            if not codes:
                return None
        self._at += FRAME
        self.position += len(codes)
        return codes if len(codes) == FRAME else codes.ljust(FRAME, SILENCE[self._law].to_bytes())

    def _next_block(self) -> bytes:
        samples = self._reader.read(self.position, RATE)
        if not len(samples) and self._loop:
            self.position = 0
            samples = self._reader.read(0, RATE)
        self._block = encode(samples, self._law).tobytes()
        self._at = 0
        return self._block[:FRAME]

    def use(self, law: int) -> None:
        """Go on in another law, at the same place."""
        if law != self._law:
            self._law = law
            self._block = b""
            self._at = 0

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
