"""Pages of bytes that all dialog shards share: a file each in the run directory, mapped, locked while it is held.

The kernel takes the lock of a process that dies away, so a kill leaves no page locked.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from actors.dialog.limits import SIZE

PATIENCE = 0.2  # seconds that a page is waited for: who has it holds it for some microseconds, unless it was stopped
NAP = 0.0002


class SharedPages:
    """The pages of one folder.

    Args:
        folder: where they are; made when the first is asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[int, mmap.mmap, memoryview]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[memoryview | None]:
        """Hold the page of a name; None where it cannot be made, or another holds it and does not let it go."""
        try:
            descriptor, _, page = self._open.get(name) or self._opened(name)
        except OSError:  # a full disk: whoever asks takes no call that it cannot count
            yield None
            return
        if not _locked(descriptor):
            yield None
            return
        try:
            yield page
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of all of them; the next that is asked for is opened again."""
        while self._open:
            _, (descriptor, mapped, page) = self._open.popitem()
            page.release()
            mapped.close()
            os.close(descriptor)

    def _opened(self, name: str) -> tuple[int, mmap.mmap, memoryview]:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._folder / blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)  # a full disk is an error here, and no SIGBUS later
            mapped = mmap.mmap(descriptor, SIZE)
        except OSError:
            os.close(descriptor)
            raise
        self._open[name] = descriptor, mapped, memoryview(mapped)
        return self._open[name]


def _locked(descriptor: int) -> bool:
    end = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            end = end or time.monotonic() + PATIENCE
            if time.monotonic() > end:
                return False
            time.sleep(NAP)
        else:
            return True
