"""The audit log: one line of JSON for each command that was refused for want of rights, or that is privileged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024  # then the file becomes NAME.1, and the one before that is gone
MAX_LINES = 100.0  # a second: what is beyond is counted
TEXT = 200  # characters of one value


class Audit:
    """An append-only file, for our user alone.

    Args:
        path: of the file; made when there is something to write.

    Attributes:
        left_out: lines that were too many and are not written yet as a number.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._room = MAX_LINES
        self._at = time.monotonic()
        self.left_out = 0

    def write(self, client: str, op: str, outcome: str, **fields: object) -> None:
        """Add a line, with the wall clock time; values are cut at 200 characters.

        Raises:
            OSError: the disk refuses.
        """
        now = time.monotonic()
        self._room = min(self._room + (now - self._at) * MAX_LINES, MAX_LINES)
        self._at = now
        if self._room < 1:
            self.left_out += 1
            return
        self._room -= 1
        entry: dict[str, object] = {"time": time.time(), "client": client or "local", "op": op, "outcome": outcome}
        entry |= {name: str(value)[:TEXT] for name, value in fields.items() if value != ""}
        if self.left_out:
            entry["left_out"] = self.left_out
        self._append(json.dumps(entry) + "\n")  # ASCII: no control character of a client gets into the file
        self.left_out = 0

    def _append(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(line)
            full = file.tell() > MAX_BYTES and os.path.samestat(os.fstat(descriptor), self._path.stat())
        if full:  # and no other process has put it away meanwhile
            self._path.rename(self._path.with_name(self._path.name + ".1"))
