"""Real-time priority for the pacing loop: its tick comes before whatever else the machine does."""

from __future__ import annotations

import os

_PRIORITY = 10


def hurry() -> str:
    """Give the calling thread real-time priority, and none to threads and processes that it starts.

    Returns:
        Why it cannot be had, in one line; empty where it was.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError as error:
        return f"{error.strerror}: the service needs CAP_SYS_NICE, or a limit of rtprio above {_PRIORITY - 1}"
    return ""
