"""A filter for `[media] filter`: takes out of what we say the echo of what the peer says, as a hands-free set does.

sipactors run -c FILE, where FILE has:   [media]
                                         filter = "examples/echo_filter.py"
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from actors.media.echo import EchoCanceller

Samples = npt.NDArray[np.int16]


def process(heard: Samples, said: Samples, rate: int, state: dict[str, Any]) -> tuple[Samples, Samples]:
    """20 ms of both sides; `state` is the call's own."""
    if "canceller" not in state:
        state["canceller"] = EchoCanceller(rate)
    return heard, state["canceller"].process(said, heard)
