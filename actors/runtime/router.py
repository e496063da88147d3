"""A ROUTER socket that never waits and says when a client cannot be reached; and one in the run directory, 0600."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import zmq


def bind_privately(sock: zmq.Socket[bytes], path: Path) -> None:
    """Bind for our user alone. libzmq unlinks what a killed predecessor left at the path.

    Raises:
        OSError: it cannot be bound there; the socket's context is gone then.
    """
    before = os.umask(0o077)
    try:
        sock.bind(f"ipc://{path}")  # libzmq refuses a path that is too long
    except zmq.ZMQError as error:
        sock.context.destroy(linger=0)
        raise OSError(f"{path}: {error}") from error
    finally:
        os.umask(before)
    path.chmod(0o600)


class Router:
    """A ROUTER socket, not bound yet.

    Args:
        max_message: bytes of a frame that is taken.
        queue: frames to one client that does not read; more are refused.
        linger: milliseconds that the last frames may take when it is closed.
        buffer: bytes of the kernel's to send from, 0 for the system's default.

    Attributes:
        dropped: messages that were not an identity and one part.
    """

    def __init__(self, *, max_message: int, queue: int, linger: int, buffer: int = 0) -> None:
        self.dropped = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # A send to a client that is gone or does not read fails then, instead of being dropped in silence.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # A client that comes back takes its identity, 128 random bits, from a dead connection not yet known to be so.
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, max_message)
        self._socket.setsockopt(zmq.SNDHWM, queue)
        self._socket.setsockopt(zmq.LINGER, linger)
        if buffer:
            self._socket.setsockopt(zmq.SNDBUF, buffer)

    def fileno(self) -> int:
        """What to poll. It is edge-triggered: readable once for what came since `waiting` was last asked."""
        return int(self._socket.getsockopt(zmq.FD))

    def waiting(self) -> bool:
        """Whether there is a frame to receive. Ask after every send too: it may have taken the edge with it."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def send(self, identity: bytes, frame: bytes) -> int:
        """Send to a connection, without waiting: 0, EHOSTUNREACH where it is gone, EAGAIN where its queue is full."""
        try:
            self._socket.send_multipart((identity, frame), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return int(error.errno)
            raise
        return 0

    def close(self) -> None:
        """Close it, once what was sent has left or the time to linger has passed."""
        self._socket.close()
        self._context.term()


class LocalRouter(Router):
    """For programs of our own user on this machine.

    Args:
        path: of the socket, in a directory that is 0700.
        options: those of Router.

    Raises:
        OSError: the socket cannot be bound there.
    """

    def __init__(self, path: Path, **options: int) -> None:
        super().__init__(**options)
        self._path = path
        bind_privately(self._socket, path)

    def receive(self, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """At most `limit` frames that have come, each with the identity of its connection."""
        for _ in range(limit):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == 2:
                yield parts[0], parts[1]
            else:
                self.dropped += 1

    def close(self) -> None:
        """Close it; who comes now finds no service."""
        self._path.unlink(missing_ok=True)
        super().close()
