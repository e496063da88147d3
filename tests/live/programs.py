"""Commands of the command line as running programs: what they show is awaited, on a pipe or on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.live.service import ROOT, Service

PATIENCE = 30.0  # seconds; nothing is judged by it, it only ends a test that hangs
CTRL_C = b"\x03"
CTRL_Z = b"\x1a"


class Program:
    """A command that runs; its output, and on a terminal its errors too, is what it `shows`."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._read_to = 0

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it shows what matches, after the last match."""
        end = time.monotonic() + PATIENCE
        while (match := re.compile(pattern).search(self.shown, self._read_to)) is None:
            assert self._more(end - time.monotonic()), f"no {pattern!r} in {self.shown!r}"
        self._read_to = match.end()
        return match

    @property
    def settings(self) -> list[Any]:
        """How its terminal is set, as termios has it."""
        return termios.tcgetattr(self._screen)

    def type(self, keys: bytes) -> None:
        """Type on its terminal."""
        os.write(self._screen, keys)

    def end(self) -> int:
        """Wait for its end; its exit code. All it showed is in `shown`. One that does not end says where it is."""
        try:
            code = self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired as hung:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            status = Path(f"/proc/{os.getpid()}/status").read_text(encoding="ascii")
            raise AssertionError(f"it hung after {self.shown!r}; its stack is on stderr; ours: {status}") from hung
        while self._more(0.0):
            pass
        return code

    def _more(self, timeout: float) -> bool:
        if not select.select([self._screen], [], [], max(0.0, timeout))[0]:
            return False
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # what a terminal says when its last user is gone
            return False
        self.shown += data.decode()
        return bool(data)


@contextmanager
def program(service: Service | None, *words: str, terminal: bool = False, shell: str = "") -> Iterator[Program]:
    """Run `sipactors words` against a service, or none; killed at the end. On a terminal it can be typed to.

    `shell` is a script that runs it, as its ``"$@"``.
    """
    command = [sys.executable, "-m", "actors.service", *words]
    if service is not None:
        command += ["--run-dir", str(service.run_dir)]
    if shell:
        command = ["bash", "-c", shell, "bash", *command]
    with ExitStack() as held:
        screen, inside = pty.openpty() if terminal else os.pipe()
        held.callback(os.close, screen)
        try:
            process = subprocess.Popen(
                ["setsid", "--ctty", *command] if terminal else command,
                cwd=ROOT,
                stdin=inside if terminal else subprocess.DEVNULL,
                stdout=inside,
                stderr=inside if terminal else None,
                env={**os.environ, "TERM": "xterm", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
            )
        finally:
            os.close(inside)
        held.callback(process.wait, PATIENCE)
        held.callback(process.kill)
        yield Program(process, screen)
