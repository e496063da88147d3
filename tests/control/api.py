"""A control actor with dialog shards played by the test and a client of its API in a thread of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from actors.control.actor import ControlActor
from actors.control.client import Client, EventStream
from actors.control.settings import ControlSettings
from actors.dialog.events import FromControl
from actors.runtime.channel import Ready
from actors.runtime.mailbox import clock
from actors.runtime.supervisor_end import SupervisorEnd, channel_pair
from tests.runtime.harness import Harness, Peer, context_for

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds after which a test that waits for something is lost
T = TypeVar("T")


class ControlProcess:
    """The control actor in a process of its own, which can be killed and started again; its peers live on.

    Args:
        tmp_path: a short one: there are sockets in it.
        shards: how many dialog shards the test plays.
    """

    def __init__(self, tmp_path: Path, shards: int = 1) -> None:
        names = tuple(f"dialog-{number}" for number in range(shards))
        self._tmp_path = tmp_path
        self.context, self._unused, self._theirs = context_for("control", names, tmp_path, placement="process")
        self.peers = {name: Peer(name, self.context, FromControl) for name in names}
        self.epoch = 0
        self.start()

    def start(self) -> None:
        """Start it (again) and wait until it serves."""
        self.epoch += 1
        self.supervisor: SupervisorEnd
        self.supervisor, theirs = channel_pair()
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parent / "child.py"),
                str(self._tmp_path),
                str(self.epoch),
                str(theirs.fileno()),
                *self.peers,
            ],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        theirs.close()
        reports: list[Any] = []

        def ready() -> bool:
            reports.extend(report for report, _ in self.supervisor.receive()[0])
            return any(isinstance(report, Ready) for report in reports)

        self.wait_for(ready)

    def kill(self) -> None:
        """`kill -9`, and wait for its death."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.supervisor.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Serve the peers until `condition()`."""
        until = clock() + PATIENCE
        while not condition():
            assert self.process.poll() is None, "control has ended"
            assert clock() < until, "it does not come"
            self.turn()

    def turn(self) -> None:
        """Serve the peers once, after a moment."""
        import select

        select.select([peer.pipe.fd for peer in self.peers.values()], [], [], 0.01)
        for peer in self.peers.values():
            peer.turn()

    def close(self) -> None:
        """Kill it and free everything."""
        self.kill()
        for peer in self.peers.values():
            peer.close()
        self._unused.close()
        self._theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Caller:
    """A client in a thread of its own, so that the test can play the service's other parts meanwhile."""

    def __init__(self, house: Harness | ControlProcess, run_dir: Path) -> None:
        self._house = house
        self._pool = ThreadPoolExecutor(1)
        self.client: Client = self.wait(self._pool.submit(Client, run_dir, patience=PATIENCE))

    def ask(self, function: Callable[[Client], T]) -> Future[T]:
        """Begin something with the client; the next is begun when it is done."""
        return self._pool.submit(function, self.client)

    def wait(self, future: Future[T]) -> T:
        """The result of what was begun; the house is served meanwhile."""
        if isinstance(self._house, Harness):
            self._house.wait_for(future.done, "the client", PATIENCE)
        else:
            self._house.wait_for(future.done)
        return future.result()

    def do(self, function: Callable[[Client], T]) -> T:
        """Something with the client, from begin to end."""
        return self.wait(self.ask(function))

    def events(self, stream: EventStream, count: int) -> list[Any]:
        """The next so many events of a stream."""
        return self.do(lambda _: [stream.receive(PATIENCE) for _ in range(count)])

    def close(self) -> None:
        """Close the client."""
        self._pool.submit(self.client.close).result()
        self._pool.shutdown()


@contextmanager
def control(tmp_path: Path, shards: int = 1, epoch: int = 1, **settings: Any) -> Iterator[Harness]:
    """The actor in a thread."""
    peers = dict.fromkeys((f"dialog-{number}" for number in range(shards)), FromControl)
    with Harness(
        ControlActor,
        "control",
        ControlSettings(shards=shards, **settings),
        peers=peers,
        tmp_path=tmp_path,
        epoch=epoch,
    ) as house:
        yield house


@contextmanager
def calling(house: Harness | ControlProcess) -> Iterator[Caller]:
    """A client of it."""
    caller = Caller(house, house.context.run_dir)
    try:
        yield caller
    finally:
        caller.close()


def raw_connection(path: Path) -> socket.socket:
    """A connection to the socket that speaks no ZeroMQ."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection
