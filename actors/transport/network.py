"""News of the kernel about links, addresses and routes, on a socket of the poll loop; and which addresses there are."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from actors.transport.kept import NETWORK_KEY, NetworkCell
from actors.transport.netlink import GROUPS, LIST_ADDRESSES, read_addresses

_PART = 65_536
_PATIENCE = 1.0  # seconds for the kernel, which needs microseconds
_SETTLE = 0.25  # seconds: a change comes as many news
_ADDRESSES = b"addresses"

Changed = Callable[[frozenset[str], frozenset[str]], None]


class Shell(Protocol):
    """What is needed of the actor."""

    cells: Any
    mailbox: Any

    def keep(self, name: bytes, value: bytes) -> None:
        """Keep a value beside the cells."""

    def kept(self, name: bytes) -> bytes | None:
        """What was kept."""


class Network:
    """The addresses of this machine, compared with those of before whenever the kernel has news.

    Args:
        shell: the actor, which keeps them: a change while nobody was there is seen too.
        changed: told which addresses are gone and which have come; both empty where only routes or links changed.
    """

    def __init__(self, shell: Shell, changed: Changed) -> None:
        self._shell = shell
        self._changed = changed
        self._socket: socket.socket | None = None

    def start(self, now: float) -> None:
        """Watch, and look at once whether they are still those that a predecessor knew.

        Raises:
            OSError: there is no netlink here; nothing is watched then.
        """
        found = addresses()
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket = sock
        sock.setblocking(False)
        sock.bind((0, GROUPS))
        self._shell.mailbox.watch(sock.fileno(), self._news)
        if self._shell.kept(_ADDRESSES) is None:
            self._shell.keep(_ADDRESSES, _encode(found))
        else:
            self._plan(now)

    def _news(self, now: float) -> bool:
        """Take the news off the socket; what has changed, the list of addresses tells better."""
        assert self._socket is not None
        try:
            while self._socket.recv(_PART):
                pass
        except BlockingIOError:
            pass
        except OSError:
            pass  # more news than the socket holds (ENOBUFS): some are lost, which is news too
        self._plan(now)
        return False

    def _plan(self, now: float) -> None:
        if NETWORK_KEY not in self._shell.cells:
            self._shell.cells.put(NETWORK_KEY, NetworkCell(), now + _SETTLE)

    def look(self) -> None:
        """See what is there now."""
        self._shell.cells.delete(NETWORK_KEY)
        kept = self._shell.kept(_ADDRESSES)
        before = frozenset(msgspec.msgpack.decode(kept, type=tuple[str, ...])) if kept else frozenset()
        try:
            current = addresses()
        except OSError:
            current = before  # the next news give another chance
        if current != before:
            self._shell.keep(_ADDRESSES, _encode(current))
        self._changed(before - current, current - before)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._shell.mailbox.unwatch(self._socket.fileno())
            self._socket.close()


def _encode(found: frozenset[str]) -> bytes:
    return msgspec.msgpack.encode(sorted(found))


def addresses() -> frozenset[str]:
    """The addresses of this machine; the kernel answers at once.

    Raises:
        OSError: it cannot be asked.
    """
    found: frozenset[str] = frozenset()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(_PATIENCE)
        asking.sendto(LIST_ADDRESSES, (0, 0))
        done = False
        while not done:
            part, done = read_addresses(asking.recv(_PART))
            found |= part
    return found
