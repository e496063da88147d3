"""A bad network from a seed: what becomes of a stream of packets through loss, bursts, jitter, reordering and drift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Arrival(NamedTuple):
    """A packet that comes: when, in milliseconds, and its number."""

    time: float
    number: int


class Losses:
    """Losses one by one: a network that is good or bad (Gilbert), and loses everything while it is bad.

    Args:
        loss: of all packets, 0 to 1.
        burst: how many are lost together in the mean.
    """

    def __init__(self, loss: float, burst: float) -> None:
        self._leave = 1 / max(1.0, burst)
        self._enter = loss * self._leave / max(1e-9, 1 - loss)
        self._bad = False

    def lost(self, draw: float) -> bool:
        """Whether the next packet is lost, by a random number from 0 to 1."""
        self._bad = bool(draw >= self._leave if self._bad else draw < self._enter)
        return self._bad


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
        losses = Losses(self.loss, self.burst)
        return [losses.lost(draw) for draw in chance.random(count)]

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
