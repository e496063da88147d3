"""The ROUTER socket of the control API: bound in the run directory, 0600, fed frame by frame to the actor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import zmq

from actors.control.paths import SOCKET, SOCKET_PATH_LIMIT
from actors.control.protocol import MAX_FRAME

LINGER = 500  # milliseconds that the last frames of a service that stops may take
QUEUE = 1_000  # frames to one client that does not read; more are dropped, it asks again


class CommandSocket:
    """The service's end of the API.

    Args:
        run_dir: the run directory, 0700.

    Attributes:
        dropped: frames that were no message of an identity and one part.

    Raises:
        OSError: the socket cannot be bound there.
    """

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / SOCKET
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
            raise OSError(f"{path} is longer than the {SOCKET_PATH_LIMIT} bytes of a socket's path")
        self.dropped = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # A send to a client that is gone or does not read fails then, instead of being dropped in silence.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE)
        self._socket.setsockopt(zmq.LINGER, LINGER)
        self._path = path
        self._bind()

    def _bind(self) -> None:
        path = self._path
        # libzmq unlinks what a killed predecessor left at the path.
        before = os.umask(0o077)
        try:
            self._socket.bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OSError(f"{path}: {error}") from error
        finally:
            os.umask(before)
        path.chmod(0o600)

    def fileno(self) -> int:
        """What to poll. It is edge-triggered: readable once for what came since `waiting` was last asked."""
        return int(self._socket.getsockopt(zmq.FD))

    def waiting(self) -> bool:
        """Whether there is a frame to receive. Ask after every send too: it may have taken the edge with it."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

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

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to a connection, without waiting; False when it is gone or its queue is full."""
        try:
            self._socket.send_multipart((identity, frame), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True

    def close(self) -> None:
        """Close it, once what was sent has left or LINGER has passed; who comes now finds no service."""
        self._path.unlink(missing_ok=True)
        self._socket.close()
        self._context.term()
