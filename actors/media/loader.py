"""Reading files beside the pacing loop: a helper thread reads and encodes a block ahead of what is played.

The loop asks for one block more whenever it begins one, so that of each file at most AHEAD are held. To wake the thread
costs more than what it then does, so a block is not short.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import NamedTuple

from actors.media.g711 import Law, encode
from actors.media.reading import confined, open_sound
from actors.media.wav import RATE, Sound

AHEAD = 2
BLOCK = 3  # seconds


class Block(NamedTuple):
    """BLOCK seconds of a file, less at its end; nothing behind it.

    Attributes:
        position: its first sample, counted at 8 kHz.
        data: codes or linear samples.
        error: why there is nothing more.
    """

    position: int
    data: bytes
    error: str = ""


class Reading:
    """A file being read ahead. The loop takes from `blocks`; all else is the thread's.

    Args:
        path: the file.
        form: a law to encode it in, else linear at so many kHz.
        position: the sample to begin with, counted at 8 kHz whatever the form.
        loop: begin again at the end.
        folder: where it must be; empty for anywhere.

    Attributes:
        blocks: what was read, the oldest first.
        closed: nothing more is wanted.
    """

    def __init__(self, path: str, form: int, *, position: int, loop: bool, folder: str) -> None:
        self.blocks: deque[Block] = deque()
        self.closed = False
        self._path, self._form, self._folder = path, form, folder
        self._rate = RATE if form in tuple(Law) else form * 1000
        self._at = position
        self._loop = loop
        self._sound: Sound | None = None
        self._over = False

    def serve(self) -> None:
        """Read one block more, or close the file."""
        if self.closed or self._over:
            self._close()
            return
        try:
            block = self._read()
        except (OSError, ValueError, RuntimeError) as error:  # the last one is libsndfile's
            block = Block(self._at, b"", str(error) or type(error).__name__)
        self._over = not block.data
        self.blocks.append(block)

    def _read(self) -> Block:
        sound, rate = self._sound, self._rate
        if sound is None:
            sound = self._sound = open_sound(confined(self._path, self._folder), rate)
        samples = sound.read(self._at * rate // RATE, BLOCK * rate)
        if not len(samples) and self._loop:
            self._at = 0
            samples = sound.read(0, BLOCK * rate)
        position = self._at
        self._at += len(samples) * RATE // rate
        coded = self._form in tuple(Law)
        return Block(position, encode(samples, self._form).tobytes() if coded else samples.tobytes())

    def _close(self) -> None:
        if self._sound is not None:
            self._sound.close()
            self._sound = None


class Loader:
    """The queue between the loop and the thread. :meth:`run` is the thread's body; the rest is the loop's.

    Args:
        folder: where files must be; empty for anywhere.

    Attributes:
        folder: as above.
    """

    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        self._jobs: SimpleQueue[Reading | None] = SimpleQueue()

    def ask(self, reading: Reading) -> None:
        """Have a block more of a file read, or what is closed let go of."""
        self._jobs.put(reading)

    def stop(self) -> None:
        """Let the thread do what is queued and end."""
        self._jobs.put(None)

    def run(self) -> None:
        """Serve until :meth:`stop`."""
        while (reading := self._jobs.get()) is not None:
            reading.serve()
