"""A bad network from a seed: what becomes of a stream of packets through loss, bursts, jitter, reordering and drift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Arrival(NamedTuple):
    """A packet that comes: when, in milliseconds, and its number."""

    time: float
    number: int


class Network(NamedTuple):
    """What a path does to packets.

    Attributes:
        loss: of all packets, 0 to 1.
        burst: how many are lost together in the mean (a Gilbert model); 1: each for itself.
        jitter: milliseconds, of a delay uniform between nothing and this.
        reorder: of all packets, so many come behind their follower.
        duplicate: of all packets, so many come twice.
        drift: how much faster the sender's clock runs than ours, in millionths.
        seed: the same gives the same.
    """

    loss: float = 0.0
    burst: float = 1.0
    jitter: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    drift: float = 0.0
    seed: int = 1

    def lost(self, count: int) -> list[bool]:
        """Which of `count` packets are lost."""
        chance = np.random.default_rng(self.seed)
        leave = 1 / max(1.0, self.burst)
        enter = self.loss * leave / max(1e-9, 1 - self.loss)
        losses, bad = [], False
        for draw in chance.random(count):
            bad = draw >= leave if bad else draw < enter
            losses.append(bool(bad))
        return losses

    def arrivals(self, count: int, ptime: float = 20.0) -> list[Arrival]:
        """When each packet of a stream comes, in the order of their coming."""
        chance = np.random.default_rng(self.seed + 1)
        step = ptime / (1 + self.drift / 1e6)
        found = []
        for number, lost in enumerate(self.lost(count)):
            time = number * step + float(chance.random()) * self.jitter
            late, twice = chance.random(2)
            if late < self.reorder:
                time += 1.5 * ptime
            if not lost:
                found.append(Arrival(time, number))
                if twice < self.duplicate:
                    found.append(Arrival(time + 0.1, number))
        return sorted(found)
