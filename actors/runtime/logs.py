"""Where log lines go and how they look: one line an event on stderr, control characters escaped."""

from __future__ import annotations

import logging
import sys
from typing import NamedTuple

import structlog


class Logs(NamedTuple):
    """What is written: `level` as in logging, `json` for an object a line."""

    level: int = logging.INFO
    json: bool = False


PLAIN = Logs()


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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
