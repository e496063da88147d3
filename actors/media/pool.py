"""The RTP ports of a service, cut among its media processes: whose a port is, and its place in every record. Pure."""

from __future__ import annotations

import msgspec


class Pool(msgspec.Struct, frozen=True, array_like=True):
    """All ports of the service. A session that moves to another process takes its ports along.

    Attributes:
        first, last: the range.
        processes: how many share it.
    """

    first: int
    last: int
    processes: int

    @property
    def size(self) -> int:
        """Ports of each process, an even number."""
        return (self.last + 1 - self.first) // self.processes // 2 * 2

    def ranges(self) -> list[tuple[int, int]]:
        """The first and the last port of each process."""
        return [(self.first + self.size * n, self.first + self.size * (n + 1) - 1) for n in range(self.processes)]

    @property
    def slots(self) -> int:
        """Pairs in all."""
        return (self.last + 1 - self.first) // 2

    def slot(self, port: int) -> int:
        """The number of a pair among all, the same in every process and after every restart."""
        return (port - self.first) // 2

    def home(self, port: int) -> int:
        """The number of the process whose port it is."""
        return min((port - self.first) // self.size, self.processes - 1)
