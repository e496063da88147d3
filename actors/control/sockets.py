"""The sockets of the control API, bound in the run directory, 0600: the ROUTER of commands and the feed of events."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import zmq

from actors.control.paths import FEED, SOCKET
from actors.control.protocol import MAX_FRAME, encode_frame
from actors.control.records import Ping

PING = encode_frame(Ping())
LINGER = 500  # milliseconds that the last frames of a service that stops may take
MAX_TOPIC = 256  # bytes of what a listener to the feed subscribes to
QUEUE = 1_000  # frames to one client that does not read; more are dropped, it asks again


def _bind(sock: zmq.Socket[bytes], path: Path) -> None:
    """Bind for our user alone. libzmq unlinks what a killed predecessor left at the path."""
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
    """A ROUTER socket that never waits and says when a client cannot be reached.

    Attributes:
        dropped: frames that were no message of an identity and one part.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # A send to a client that is gone or does not read fails then, instead of being dropped in silence.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # A client that comes back takes its identity, 128 random bits, from a dead connection not yet known to be so.
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE)
        self._socket.setsockopt(zmq.LINGER, LINGER)

    def fileno(self) -> int:
        """What to poll. It is edge-triggered: readable once for what came since `waiting` was last asked."""
        return int(self._socket.getsockopt(zmq.FD))

    def waiting(self) -> bool:
        """Whether there is a frame to receive. Ask after every send too: it may have taken the edge with it."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to a connection, without waiting; False when it is gone or its queue is full."""
        return self._sent(identity, frame) == 0

    def reaches(self, identity: bytes) -> bool:
        """Whether a client is connected; it is sent a Ping for it, as nothing else tells. A full queue has a reader."""
        return self._sent(identity, PING) != zmq.EHOSTUNREACH

    def _sent(self, identity: bytes, frame: bytes) -> int:
        try:
            self._socket.send_multipart((identity, frame), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return int(error.errno)
            raise
        return 0

    def close(self) -> None:
        """Close it, once what was sent has left or LINGER has passed."""
        self._socket.close()
        self._context.term()


class CommandSocket(Router):
    """The service's end of the API for its own user.

    Args:
        run_dir: the run directory, 0700.

    Raises:
        OSError: the socket cannot be bound there.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self._path = run_dir / SOCKET
        _bind(self._socket, self._path)

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


class Feed:
    """Events for the casual: published to whoever listens, dropped for who is slow, never sent again.

    A message has two parts: ``TYPE CALL`` to subscribe to by its beginning, and the event as in an Events frame.

    Args:
        run_dir: the run directory.

    Attributes:
        listened_to: somebody listens; else nothing need be sent.

    Raises:
        OSError: the socket cannot be bound there.
    """

    def __init__(self, run_dir: Path) -> None:
        self.listened_to = False
        self._topics: set[bytes] = set()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_TOPIC)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE)
        self._socket.setsockopt(zmq.LINGER, LINGER)
        self._path = run_dir / FEED
        _bind(self._socket, self._path)

    def fileno(self) -> int:
        """What to poll for those who come and go; edge-triggered."""
        return int(self._socket.getsockopt(zmq.FD))

    def hear(self) -> None:
        """Take note of who came and went: XPUB tells of the first to subscribe to a topic and of the last to leave."""
        while True:
            try:
                word = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if word[:1] == b"\x01":
                self._topics.add(word[1:])
            elif word[:1] == b"\x00":
                self._topics.discard(word[1:])
        self.listened_to = bool(self._topics)

    def publish(self, topic: bytes, event: bytes) -> None:
        """Send an event to those who listen to the topic."""
        self._socket.send_multipart((topic, event), zmq.NOBLOCK)
        if int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:  # the send may have taken the edge with it
            self.hear()

    def close(self) -> None:
        """Close it, once what was sent has left or LINGER has passed."""
        self._path.unlink(missing_ok=True)
        self._socket.close()
        self._context.term()
