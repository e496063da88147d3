"""Recording to disk beside the pacing loop: the loop hands over half seconds of codes, a helper thread writes them.

A recorder's place in its file follows from the tick alone (frame n of the file is tick `start` + n), so that gaps, a
pause of the loop and a restart of the process all become silence of the right length.
"""

from __future__ import annotations

import queue
from collections import deque
from itertools import groupby
from typing import NamedTuple

import numpy as np

from actors.media import ogg_file, wav
from actors.media.g711 import Law, Samples, decode
from actors.media.reading import confined
from actors.media.resample import Resampler
from actors.media.ring import Ring

BATCH = 25
# A recording whose file is named so is Opus in Ogg; every other is WAV.
OGG = (".ogg", ".opus")
# A disk that is this many frames behind has failed: 10 s.
_PATIENCE = 500


class Write(NamedTuple):
    """One job: put `frames` at the frame `position` of the recording `key`, padding up to there with silence.

    Each frame is its codes and their law, or linear samples and their kHz, or nothing and 0; `said` are as many of what
    we sent, where `sides` is mixed or stereo. `append` goes on with a file that is there, `last` closes it; `rate` is
    the file's.
    """

    key: str
    path: str
    append: bool
    position: int
    frames: tuple[tuple[bytes, int], ...] = ()
    last: bool = False
    rate: int = wav.RATE
    sides: str = "peer"
    said: tuple[tuple[bytes, int], ...] = ()

    @property
    def samples(self) -> Samples:
        """What is to be written: columns, where the file is stereo."""
        heard = linear(self.frames, self.rate)
        if self.sides == "peer":
            return heard
        said = linear(self.said, self.rate)
        if self.sides == "stereo":
            return np.column_stack((heard, said))
        mixed: Samples = np.clip(heard.astype(np.int32) + said, -32768, 32767).astype(np.int16)
        return mixed


class Outcome(NamedTuple):
    """What the thread says about a recording: it failed with `error`, or it is closed."""

    key: str
    error: str


def linear(frames: tuple[tuple[bytes, int], ...], rate: int = wav.RATE) -> Samples:
    """Frames as samples at `rate`, those of nothing as silence."""
    parts = []
    for kind, run in groupby(frames, key=lambda frame: frame[1]):
        data = [frame[0] for frame in run]
        if not kind:
            parts.append(np.zeros(rate // 50 * len(data), np.int16))
            continue
        coded = kind in tuple(Law)
        samples = decode(np.frombuffer(b"".join(data), np.uint8), kind) if coded else _joined(data)
        came = wav.RATE if coded else kind * 1000
        if came != rate:  # the codec was changed in the middle of the call
            samples = Resampler(came, rate).process(samples)
            samples = np.pad(samples, (0, max(0, rate // 50 * len(data) - len(samples))))[: rate // 50 * len(data)]
        parts.append(samples)
    return np.concatenate(parts)


def _joined(data: list[bytes]) -> Samples:
    return np.frombuffer(b"".join(data), np.int16)


class Disk:
    """The bounded queue between loop and thread. :meth:`run` is the thread's body; the rest is the loop's.

    Args:
        limit: jobs in the queue.
        folder: where recordings must be; empty for anywhere.

    Attributes:
        made: recordings whose file is open; the thread alone changes it.
        outcomes: recordings that failed or were closed, for the loop to take from the left.
    """

    def __init__(self, limit: int = 1024, folder: str = "") -> None:
        self._folder = folder
        self._jobs: queue.Queue[Write | None] = queue.Queue(limit)
        self.outcomes: deque[Outcome] = deque()
        self._writers: dict[str, wav.Writer | ogg_file.Writer] = {}
        self._failed: set[str] = set()
        self.made: set[str] = set()

    def submit(self, job: Write) -> bool:
        """Hand a job over; False when the queue is full."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def stop(self) -> None:
        """Let the thread write what is queued, close all files and end."""
        self._jobs.put(None)

    def run(self) -> None:
        """Write jobs until :meth:`stop`."""
        while (job := self._jobs.get()) is not None:
            self._serve(job)
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _serve(self, job: Write) -> None:
        if job.key not in self._failed:
            try:
                self._write(job)
            except (OSError, ValueError) as error:
                self._failed.add(job.key)
                self._close(job.key)
                self.outcomes.append(Outcome(job.key, str(error)))
        if job.last:
            self._close(job.key)
            self._failed.discard(job.key)
            self.outcomes.append(Outcome(job.key, ""))

    def _write(self, job: Write) -> None:
        writer = self._writers.get(job.key)
        if writer is None:
            channels = 2 if job.sides == "stereo" else 1
            path = confined(job.path, self._folder)
            kind = ogg_file.Writer if path.lower().endswith(OGG) else wav.Writer
            writer = self._writers[job.key] = kind(path, append=job.append, rate=job.rate, channels=channels)
            self.made.add(job.key)
        position = job.position * (job.rate // 50)
        writer.pad(position)
        if job.frames:
            # What a predecessor wrote before it was killed is not written again.
            writer.append(job.samples[writer.length - position :])

    def _close(self, key: str) -> None:
        self.made.discard(key)
        writer = self._writers.pop(key, None)
        if writer is not None:
            writer.close()


class Recorder:
    """A session's recording as the loop sees it.

    Args:
        disk: where it goes.
        key: its name there, unique.
        path: the file.
        start: the tick of the file's first frame.
        append: the file is a predecessor's; go on with it.
        ring: keeps the frames that are not handed over yet; a predecessor's are taken up.
        rate: samples a second of the file.
        sides: peer, mixed or stereo.

    Attributes:
        start: the tick of the file's first frame.
        sides: as above.
    """

    def __init__(
        self,
        disk: Disk,
        key: str,
        path: str,
        *,
        start: int,
        append: bool,
        ring: Ring | None = None,
        rate: int = wav.RATE,
        sides: str = "peer",
    ) -> None:
        self.path = path
        self.rate = rate
        self.key = key
        self.start = start
        self._disk = disk
        self._append = append
        self.sides = sides
        self._frames: list[tuple[bytes, int]] = []
        self._said: list[tuple[bytes, int]] = []
        self._first = start  # tick of the oldest frame held
        self._ring = None
        # The file is made now, so that a folder that is not there is told at once.
        disk.submit(Write(key, path, append, 0, rate=rate, sides=sides))
        for entry in ring.read() if ring is not None else ():
            if entry.number >= start:
                heard, form = entry.stamp >> 8, entry.stamp & 0xFF
                self.push(entry.number, entry.content[:heard], entry.kind, entry.content[heard:], form)
        self._ring = ring

    @property
    def made(self) -> bool:
        """The file is this recording's: a successor goes on with it."""
        return self.key in self._disk.made

    def push(self, tick: int, codes: bytes, law: int, said: bytes = b"", form: int = 0) -> bool:
        """Take in the frame of `tick`, of what was heard and of what we said.

        Returns:
            False when the disk has fallen so far behind that the recording is given up.
        """
        frames = self._frames
        if self._ring is not None:
            self._ring.write(tick, len(codes) << 8 | form, law, codes + said)
        if not frames:
            self._first = tick
        elif tick != self._first + len(frames):
            # The loop overslept: what it missed is silence.
            missed = [(b"", 0)] * min(tick - self._first - len(frames), _PATIENCE)
            frames.extend(missed)
            self._said.extend(missed)
        frames.append((codes, law))
        self._said.append((said, form))
        return len(frames) < BATCH or self._flush(last=False) or len(frames) < _PATIENCE

    def _flush(self, *, last: bool) -> bool:
        position = max(self._first - self.start, 0)
        frames, said = tuple(self._frames), tuple(self._said)
        job = Write(self.key, self.path, self._append, position, frames, last, self.rate, self.sides, said)
        if not self._disk.submit(job):
            return False
        self._frames.clear()
        self._said.clear()
        return True

    def close(self, tick: int) -> bool:
        """Hand over the rest, up to `tick`, to be closed; False when the queue is full, to be asked again."""
        if not self._frames:
            self._first = max(tick, self.start)
        if not self._flush(last=True):
            return False
        if self._ring is not None:
            self._ring.remove()
            self._ring = None
        return True
