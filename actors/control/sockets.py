"""The sockets of the control API: the ROUTERs of commands and, in the run directory, the feed of events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import zmq

from actors.control.keys import Keys
from actors.control.paths import FEED, SOCKET
from actors.control.protocol import MAX_FRAME, encode_frame
from actors.control.records import Ping
from actors.control.rights import LOCAL, Grant
from actors.runtime.doors import Doors
from actors.runtime.guarded import GuardedRouter
from actors.runtime.router import LocalRouter, bind_privately

PING = encode_frame(Ping())
LINGER = 500  # milliseconds that the last frames of a service that stops may take
MAX_TOPIC = 256  # bytes of what a listener to the feed subscribes to
QUEUE = 1_000  # frames to one client that does not read; more are dropped, it asks again


def audio_ports(run_dir: Path) -> tuple[int, ...]:
    """The ports on which the media processes listen for programs on other machines, as they wrote them down."""
    return tuple(sorted(int(path.read_text("ascii")) for path in run_dir.glob("port-of-audio-*[0-9]")))


class CommandDoors(Doors[Grant]):
    """All sockets on which commands come.

    Args:
        run_dir: where the local one is.
        listen: ``tcp://ADDRESS:PORT``, empty for none.
        keys: those of remote clients.
        clock: gives the time.

    Raises:
        OSError: a socket cannot be bound.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(self, run_dir: Path, listen: str, keys: Keys, clock: Callable[[], float]) -> None:
        options = {"max_message": MAX_FRAME, "queue": QUEUE, "linger": LINGER}
        port = run_dir / f"port-of-{SOCKET}"
        remote = partial(GuardedRouter, listen, port, keys, clock, **options) if listen else None
        super().__init__(LocalRouter(run_dir / SOCKET, **options), remote, port, keys, LOCAL, clock)

    def reaches(self, identity: bytes) -> bool:
        """Whether a client is connected; it is sent a Ping for it, as nothing else tells. A full queue has a reader."""
        return self.send(identity, PING) != zmq.EHOSTUNREACH


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
        bind_privately(self._socket, self._path)

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
