"""A module whose import ends the process: a fork server that preloads it cannot live."""

from __future__ import annotations

import os
import sys

if "multiprocessing.forkserver" in sys.modules:
    os._exit(3)
