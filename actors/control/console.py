"""The terminal while a call is followed: a line that is drawn over and over, and keys as they are pressed.

Whatever ends this program, but SIGKILL, leaves the terminal as it was; stopped (Ctrl-Z) it leaves it to the shell, and
takes it again when it is brought back. In the background it neither draws nor reads.

It draws through a descriptor of its own: sounddevice points stderr elsewhere while drivers are loaded, and the
service of a single call does that in a thread of this program.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from types import TracebackType
from typing import Any, Self, TextIO

from actors.control.render import printable

_WIDTH = 80  # columns of a terminal that does not know its size


class Console:
    """The terminal, while it is entered.

    Args:
        drawn: where the line is drawn, when that is a terminal.
        typed: where keys come from, when that is a terminal and the line is drawn.

    Attributes:
        drawing: the line is drawn.
        keyed: keys are read.
    """

    def __init__(self, drawn: TextIO, typed: TextIO) -> None:
        self.drawing = drawn.isatty()
        self.keyed = self.drawing and typed.isatty()
        self._drawn = drawn
        self._screen = -1
        self._fd = typed.fileno() if self.keyed else -1
        self._saved: list[Any] | None = None
        self._shown = ""
        self._kept: Any = None

    def __enter__(self) -> Self:
        if self.drawing:
            self._screen = os.dup(self._drawn.fileno())
        if self.keyed:
            self._kept = signal.signal(signal.SIGTSTP, self._stop)
            self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        if self.keyed:
            self._give_back()
            signal.signal(signal.SIGTSTP, self._kept)
        if self.drawing:
            os.close(self._screen)

    def _take(self) -> None:
        """Have keys come one by one and unseen, unless somebody else has the terminal."""
        if self._saved is None and not background(self._fd):
            self._saved = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd, termios.TCSANOW)

    def _give_back(self) -> None:
        if self._saved is not None:
            saved, self._saved = self._saved, None
            with contextlib.suppress(termios.error):  # it was closed: there is nothing to restore
                termios.tcsetattr(self._fd, termios.TCSANOW, saved)

    def _stop(self, _number: int, _frame: object) -> None:
        """Ctrl-Z: stop, with the terminal as it was, and go on from here."""
        self.clear()
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stop)
        self._take()

    @property
    def width(self) -> int:
        """How many columns a line may have: one less than the terminal, for the cursor."""
        try:
            columns = os.get_terminal_size(self._screen).columns
        except OSError:  # it was closed: SIGHUP says so
            columns = 0
        return (columns or _WIDTH) - 1

    def show(self, text: str) -> None:
        """Let the line say `text`, which fits in `width`."""
        if self.drawing and text != self._shown and not background(self._screen):
            self._write(f"\r\x1b[K{printable(text)}")
            self._shown = text

    def say(self, text: str) -> None:
        """Show a line that stays, above the one that is drawn over; on stderr where nothing is drawn."""
        self.clear()
        if self.drawing:
            self._write(f"{text}\n")
        else:
            print(text, file=self._drawn, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = ""
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed: SIGHUP says so
            os.write(self._screen, text.encode(self._drawn.encoding, "replace"))

    def keys(self) -> str:
        """What was typed since the last time."""
        if not self.keyed or background(self._fd):
            return ""
        self._take()  # it may have been brought back from the background
        if not select.select([self._fd], [], [], 0)[0]:
            return ""
        with contextlib.suppress(OSError):
            if data := os.read(self._fd, 1024):
                return data.decode(errors="ignore")
        self.keyed = False  # it was closed
        return ""


def background(fd: int) -> bool:
    """Whether the terminal is our own and another job has it: to draw or read would disturb it, or stop us."""
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:
        return False
