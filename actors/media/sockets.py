"""The RTP ports of a media process: socket pairs of the supervisor's pool, taken, given back, asked who is ready."""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Mapping

from actors.media.pool import Pool
from actors.runtime.descriptors import mark

# What is thrown away when a pair is taken; more than this is a flood, which the source rules stand against.
_MAX_STALE = 256
_PREFIX = "rtp:"


class Pair:
    """An even port for RTP and the odd one after it for RTCP.

    Attributes:
        port: the even one.
        slot: its number in the pool, the same after every restart.
        v6: the sockets are of the IPv6 family, which takes IPv4 in mapped addresses.
    """

    __slots__ = ("port", "rtcp", "rtp", "slot", "v6")

    def __init__(self, port: int, slot: int, rtp: socket.socket, rtcp: socket.socket) -> None:
        self.port = port
        self.slot = slot
        self.rtp = rtp
        self.rtcp = rtcp
        self.v6 = rtp.family == socket.AF_INET6


def _empty(sock: socket.socket) -> None:
    """Throw away what was sent to an earlier user of a port."""
    try:
        for _ in range(_MAX_STALE):
            sock.recv(1)
    except BlockingIOError:
        pass  # empty: the way this ends
    except OSError:
        return  # a pending ICMP error, which reading it has cleared


def _pairs_of(descriptors: Mapping[str, int]) -> dict[int, tuple[int, int]]:
    """The descriptors of RTP and RTCP, by port."""
    fds = {int(token[len(_PREFIX) :]): fd for token, fd in descriptors.items() if token.startswith(_PREFIX)}
    return {port: (fds[port], fds[port + 1]) for port in sorted(fds) if port % 2 == 0 and port + 1 in fds}


class Ports:
    """The pool. Sockets become objects when they are first used, so that a start does not depend on the pool's size.

    Args:
        descriptors: token -> descriptor, non-blocking UDP sockets; those of "rtp:<port>" are taken, the rest left
            alone.
        pool: all ports, where several processes share them and sessions move; None where there is one.
        number: of this process.
        dscp: of all that is sent (RFC 2474).

    Attributes:
        pairs: how many there were at the start.
        leaving: ports of other processes that are not in use any more.
    """

    def __init__(
        self, descriptors: Mapping[str, int], pool: Pool | None = None, number: int = 0, dscp: int = 0
    ) -> None:
        self._fds = _pairs_of(descriptors)
        self.pairs = len(self._fds)
        self.leaving: list[int] = []
        self._pool, self._number, self._dscp = pool, number, dscp
        self._slots = {port: slot if pool is None else pool.slot(port) for slot, port in enumerate(self._fds)}
        self._pairs: dict[int, Pair] = {}
        self._free = deque([port for port in self._fds if self.home(port) == number])
        self._busy: set[int] = set()
        # Taken out of turn; their place in the queue is passed over when it comes.
        self._claimed: set[int] = set()
        self._epoll = select.epoll()

    def __len__(self) -> int:
        """How many slots there are: pairs that this process may ever have."""
        return len(self._slots) if self._pool is None else self._pool.slots

    def home(self, port: int) -> int:
        """The number of the process that a port is of."""
        return self._number if self._pool is None else self._pool.home(port)

    @property
    def v6(self) -> bool:
        """The pool is of the IPv6 family."""
        return any(self._pair(port).v6 for port in tuple(self._fds)[:1])

    def take(self) -> Pair | None:
        """A free pair, the one that rested longest, watched from now on; None when all are in use."""
        while self._free:
            port = self._free.popleft()
            if port in self._claimed:
                self._claimed.discard(port)
                continue
            pair = self._pair(port)
            self._begin(pair)
            # One question finds stale datagrams of both; that there are any is rare.
            for fd, _ in self._epoll.poll(0):
                if fd == pair.rtp.fileno():
                    _empty(pair.rtp)
                elif fd == pair.rtcp.fileno():
                    _empty(pair.rtcp)
            return pair
        return None

    def claim(self, port: int) -> Pair | None:
        """The pair of `port` for a session that had it before a restart; None when the pool has it no more."""
        if port not in self._fds or port in self._busy:
            return None
        if self.home(port) == self._number:
            self._claimed.add(port)
        pair = self._pair(port)
        self._begin(pair)
        return pair

    def _begin(self, pair: Pair) -> None:
        self._busy.add(pair.port)
        self._epoll.register(pair.rtp.fileno(), select.EPOLLIN)
        self._epoll.register(pair.rtcp.fileno(), select.EPOLLIN)

    def _pair(self, port: int) -> Pair:
        pair = self._pairs.get(port)
        if pair is None:
            rtp, rtcp = (socket.socket(fileno=fd) for fd in self._fds[port])
            for sock in (rtp, rtcp):
                sock.setblocking(False)
                mark(sock, self._dscp)
            pair = self._pairs[port] = Pair(port, self._slots[port], rtp, rtcp)
        return pair

    def release(self, pair: Pair) -> None:
        """Give a pair back, to rest behind all that are free, so that a late stream finds nobody."""
        self.detach(pair)
        self._busy.discard(pair.port)
        (self._free if self.home(pair.port) == self._number else self.leaving).append(pair.port)

    def detach(self, pair: Pair) -> None:
        """Read a pair no more, which stays in use until it is given away."""
        self._epoll.unregister(pair.rtp.fileno())
        self._epoll.unregister(pair.rtcp.fileno())

    # Pairs that go to other processes and come from them.

    def add(self, descriptors: Mapping[str, int]) -> list[int]:
        """Take pairs in, ours to be used again; the ports of those that are another's."""
        came = _pairs_of(descriptors)
        for port, fds in came.items():
            self._fds[port] = fds
            self._slots[port] = self._slots.get(port, 0) if self._pool is None else self._pool.slot(port)
        ours = [port for port in came if self.home(port) == self._number]
        self._free.extend(ours)
        return [port for port in came if port not in ours]

    def idle(self, port: int) -> bool:
        """It is another's, is here, and no session has it."""
        return port in self._fds and port not in self._busy and self.home(port) != self._number

    def strangers(self) -> list[int]:
        """The ports of other processes that are here and that no session has."""
        return [port for port in self._fds if self.idle(port)]

    def give(self, port: int) -> tuple[str, str]:
        """Close our ends of a detached or idle pair; the tokens that its sockets have in the supervisor's store."""
        fds = self._fds.pop(port, None)
        pair = self._pairs.pop(port, None)
        self._busy.discard(port)
        if port in self._free:
            self._free.remove(port)
        if pair is not None:
            pair.rtp.close()
            pair.rtcp.close()
        elif fds is not None:
            for fd in fds:
                os.close(fd)
        return f"{_PREFIX}{port}", f"{_PREFIX}{port + 1}"

    def ready(self) -> list[tuple[int, int]]:
        """Descriptors of pairs in use that have a datagram, asked without waiting."""
        return self._epoll.poll(0)

    def close(self) -> None:
        """Close every socket of the pool."""
        self._epoll.close()
        for port, fds in self._fds.items():
            pair = self._pairs.get(port)
            if pair is None:
                for fd in fds:
                    os.close(fd)
            else:
                pair.rtp.close()
                pair.rtcp.close()
