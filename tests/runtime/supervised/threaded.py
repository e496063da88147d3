"""A module that starts a thread when it is imported: it must not be preloaded."""

from __future__ import annotations

import threading

from children import main

threading.Thread(target=threading.Event().wait, daemon=True).start()

__all__ = ["main"]
