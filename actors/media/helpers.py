"""The helper threads of a media process: what waits for a disk is theirs, and each lives from its first work on."""

from __future__ import annotations

import threading

from actors.media.disk import Disk
from actors.media.events import Play, Record
from actors.media.loader import Loader

# Seconds an ordered stop waits for the disk.
_FLUSH_TIMEOUT = 3.0


class Helpers:
    """One that writes recordings, and one that reads files.

    Args:
        name: of the process.
        disk, loader: their work.
    """

    def __init__(self, name: str, disk: Disk, loader: Loader) -> None:
        self._name = name
        self._disk = disk
        self._loader = loader
        self._writer: threading.Thread | None = None
        self._reader: threading.Thread | None = None

    def need(self, record: Record | None, play: Play | None) -> None:
        """These are to be carried out."""
        if record is not None and self._writer is None:
            self._writer = threading.Thread(target=self._disk.run, name=f"{self._name}-disk", daemon=True)
            self._writer.start()
        if play is not None and self._reader is None:
            self._reader = threading.Thread(target=self._loader.run, name=f"{self._name}-files", daemon=True)
            self._reader.start()

    def stop(self) -> None:
        """Let what was recorded reach the disk."""
        if self._writer is not None:
            self._disk.stop()
            self._writer.join(_FLUSH_TIMEOUT)
        if self._reader is not None:
            self._loader.stop()
