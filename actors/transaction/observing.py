"""The stream of transitions: a shard's end of it, and an application's.

It is for looking on: a ZeroMQ PUB socket in the run directory. Nothing is kept for those who look on, so what they were
too slow to read is missing, and the numbers show it; a call never waits for them. The shard sees who subscribes, and
makes nothing while nobody does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zmq

from actors.transaction.transitions import Transition

QUEUE = 10_000  # transitions that one observer may lag behind; then it misses some


class Observed(msgspec.Struct, frozen=True):
    """What an observer gets.

    Attributes:
        shard: the actor's name.
        number: rises by one for each transition of this start of the shard; a gap says that some were missed.
        transition: None in the first of all, number 0: the shard has heard of an observer, and tells it all from here.
    """

    shard: str
    number: int
    transition: Transition | None


def stream_path(run_dir: Path, shard: str) -> Path:
    """Where the transitions of a shard can be had: shorter than the paths of its pipes, whose length is checked."""
    return run_dir / f"{shard}.transitions"


class Stream:
    """A shard's end.

    Args:
        run_dir: the run directory, 0700.
        shard: the actor's name.

    Attributes:
        observers: how many subscriptions there are.

    Raises:
        zmq.ZMQError: the socket cannot be bound there.
    """

    def __init__(self, run_dir: Path, shard: str) -> None:
        self.observers = 0
        self._shard = shard
        self._number = 0
        self._encode = msgspec.msgpack.Encoder().encode
        sockets: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._socket = sockets.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # each one's coming and going is told
        self._socket.setsockopt(zmq.SNDHWM, QUEUE)
        self._socket.setsockopt(zmq.LINGER, 0)
        before = os.umask(0o077)
        try:
            self._socket.bind(f"ipc://{stream_path(run_dir, shard)}")  # unlinks what a killed predecessor left there
        except zmq.ZMQError:
            self._socket.close()
            raise
        finally:
            os.umask(before)

    def fileno(self) -> int:
        """What to poll; `read` on news and after every `send`, which may take the news with it."""
        return int(self._socket.getsockopt(zmq.FD))

    def read(self) -> None:
        """See who came and who went; who came is told that it is heard."""
        while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            came = self._socket.recv(zmq.NOBLOCK)[:1] == b"\x01"
            self.observers += 1 if came else -1
            if came:
                self._socket.send(self._encode(Observed(self._shard, 0, None)), zmq.NOBLOCK)

    def send(self, transition: Transition) -> None:
        """Tell all observers, but those that are too slow for it."""
        self._number += 1
        self._socket.send(self._encode(Observed(self._shard, self._number, transition)), zmq.NOBLOCK)

    def close(self) -> None:
        """Close it; who observes waits for a successor."""
        self._socket.close()


@contextmanager
def observing(run_dir: Path, shards: Iterable[str] = ("transaction-0",)) -> Iterator[zmq.Socket[bytes]]:
    """An application's end: a socket that gets the transitions of these shards from now on; see `transitions`.

    Yields once every shard tells them.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    try:
        socket.setsockopt(zmq.RCVHWM, QUEUE)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        waiting = set(shards)
        for shard in waiting:
            socket.connect(f"ipc://{stream_path(run_dir, shard)}")
        decode = msgspec.msgpack.Decoder(Observed).decode
        while waiting:
            waiting.discard(decode(socket.recv()).shard)
        yield socket
    finally:
        socket.close(linger=0)
        context.term()


def transitions(socket: zmq.Socket[bytes], timeout: float | None = None) -> Iterator[Observed]:
    """What comes on the socket of `observing`, as it comes; ends when nothing came for `timeout` seconds."""
    decode = msgspec.msgpack.Decoder(Observed).decode
    while socket.poll(None if timeout is None else round(timeout * 1000)):
        observed = decode(socket.recv())
        if observed.transition is not None:
            yield observed
