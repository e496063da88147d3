"""What comes to a session through a simulated bad network: datagrams go in as they come, and out late, or never. Pure.

The same model as :class:`actors.media.network.Network`, packet by packet. A clock that drifts is a delay that grows or
shrinks by so much, up to a second.
"""

from __future__ import annotations

import heapq

import numpy as np

from actors.media.network import Losses, Network
from actors.media.peer import Address

# Seconds by which a packet is behind the next one but a half where it is reordered: packets of 20 ms.
_BEHIND = 0.030
# The farthest that a drifting clock takes a stream, seconds.
_DRIFTED = 1.0
# Datagrams under way at most: what a flood adds is lost.
_MOST = 1000


class Crossing:
    """One session's way through the network.

    Args:
        network: what the way does.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._chance = np.random.default_rng(network.seed)
        self._losses = Losses(network.loss, network.burst)
        self._under_way: list[tuple[float, int, bytes, Address]] = []
        self._count = 0
        self._begun: float | None = None

    def enter(self, data: bytes, address: Address, now: float) -> None:
        """A datagram comes; what becomes of it is settled here.

        Args:
            data: the datagram.
            address: where it came from.
            now: seconds.
        """
        network = self._network
        lost, delay, late, twice = self._chance.random(4)
        if self._losses.lost(lost) or len(self._under_way) >= _MOST:
            return
        if self._begun is None:
            self._begun = now
        due = now + delay * network.jitter / 1000 + self._drift(now - self._begun)
        if late < network.reorder:
            due += _BEHIND
        for _ in range(1 + (twice < network.duplicate)):
            self._count += 1
            heapq.heappush(self._under_way, (due, self._count, data, address))

    def _drift(self, passed: float) -> float:
        """How late a clock that drifts makes what is sent now; a faster one begins late and comes nearer."""
        moved = min(_DRIFTED, passed * abs(self._network.drift) / 1e6)
        return _DRIFTED - moved if self._network.drift > 0 else moved

    def leave(self, now: float) -> list[tuple[bytes, Address]]:
        """The datagrams that have come through by `now`, in the order in which they did."""
        out = []
        while self._under_way and self._under_way[0][0] <= now:
            _, _, data, address = heapq.heappop(self._under_way)
            out.append((data, address))
        return out
