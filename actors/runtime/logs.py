"""Where log lines go and how they look: one line an event on stderr, control characters escaped."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import NamedTuple, TextIO, cast

import structlog


class Logs(NamedTuple):
    """What is written: `level` as in logging, `json` for an object a line."""

    level: int = logging.INFO
    json: bool = False


PLAIN = Logs()


class Lossy:
    """A stream that cannot fail its writer: lines that a full disk does not take, or nobody reads, are lost.

    Args:
        file: where it goes.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Write a line, or lose it."""
        with suppress(OSError):
            self._file.write(line)
            self._file.flush()
        return len(line)

    def flush(self) -> None:
        """Nothing is held."""


def configure_logs(logs: Logs = PLAIN) -> None:
    """Set structlog up for this process. Values are printed as by repr, or in JSON: no peer can forge a line."""
    renderer = (
        structlog.processors.JSONRenderer(default=repr)
        if logs.json
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logs.level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
