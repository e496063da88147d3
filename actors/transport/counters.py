"""How often something was dropped or refused, by reason; written down in the run directory for who wants to read it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

DELAY = 1.0  # seconds until a change is written down, with all that followed it


class Counters(Counter[str]):
    """Counts by reason.

    Attributes:
        changed: called at each change.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: Callable[[], None] = _nobody

    def __setitem__(self, reason: str, count: int) -> None:
        super().__setitem__(reason, count)
        self.changed()

    def write(self, path: Path) -> None:
        """Write them as a JSON object; a reader sees the old ones or the new, never half of either.

        Raises:
            OSError: the disk is full.
        """
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(dict(sorted(self.items())), indent=1) + "\n", encoding="utf-8")
        os.replace(draft, path)  # noqa: PTH105 - as atomic as it is short

    def read(self, path: Path) -> None:
        """Go on from what a predecessor wrote; what cannot be read counts from 0."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if isinstance(found, dict):
            self.update({reason: count for reason, count in found.items() if isinstance(count, int)})


def _nobody() -> None:
    """Nobody is told."""
