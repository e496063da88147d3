"""The last module the fork server preloads; importing it makes that process ready to be forked from.

It ends the fork server with its supervisor, even when it is stopped (the signal is for the fork server alone: fork
clears it, so children outlive the fork server). It has the fork server, and each child from its first instruction,
ignore what a terminal or service manager sends to the whole group: while calls drain both are still needed. And it
keeps the collector off the preloaded objects, so that their pages stay shared by all children. Import it nowhere else.
"""

from __future__ import annotations

import gc
import signal
from pathlib import Path

from actors.runtime.prctl import set_parent_death_signal

THREADS = len(list(Path("/proc/self/task").iterdir()))  # must be 1: what a thread holds at a fork is held for ever

set_parent_death_signal(signal.SIGKILL)
for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.SIG_IGN)
gc.collect()
gc.freeze()
