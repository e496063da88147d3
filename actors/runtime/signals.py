"""The signals that a service heeds, as counts: a handler only counts and wakes the loop, which does the rest."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Signals:
    """How many came.

    Attributes:
        stops: SIGTERM and SIGINT.
        reloads: SIGHUP; whoever obeys sets it back.
    """

    stops: int = 0
    reloads: int = 0

    @contextlib.contextmanager
    def counted(self, wake: int) -> Iterator[None]:
        """Count them in this program, whose main thread this must be; each writes a byte to the descriptor `wake`.

        SIGHUP is left alone where stdin is a terminal: there it says that the terminal is gone.
        """

        def stop(_number: int, _frame: object) -> None:
            self.stops += 1

        def reload(_number: int, _frame: object) -> None:
            self.reloads += 1

        kept = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        if not os.isatty(0):
            kept[signal.SIGHUP] = signal.signal(signal.SIGHUP, reload)
        old = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in kept.items():
                signal.signal(number, handler)
