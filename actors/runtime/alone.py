"""One actor of ours on its own in another program: in a thread, with a link to that program in place of its neighbour.

    with Alone(MediaActor, "media-0", "dialog-0", ToDialog, settings=MediaSettings(), sockets=rtp_pool(...)) as media:
        media.tell(PrepareSession("s1", "127.0.0.1"))
        prepared = media.receive(1.0)

The program speaks the language of the layer above: the events of the layer's `events.py`. The link is a pipe as
between our own actors, so nothing is lost or doubled. An `Alone` belongs to one thread, or one Pykka actor.
"""

from __future__ import annotations

import select
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
import zmq

from actors.runtime.actor import LayerActor
from actors.runtime.channel import Channel, LastWords, Ready, Stop
from actors.runtime.context import PIPES, Context
from actors.runtime.descriptors import SocketSpec, Store, open_sockets
from actors.runtime.envelope import encode_body
from actors.runtime.errors import StartupError
from actors.runtime.journal import Changes, Journal
from actors.runtime.link import Deliver
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from actors.runtime.pipe import Pipe
from actors.runtime.supervisor_end import channel_pair

PATIENCE = 10.0  # seconds for it to start, and to stop
LOOK = 0.05  # seconds between two looks at the pipe's own deadlines


class Alone:
    """An actor in a thread.

    Args:
        kind: its class.
        name: as in the tree, such as ``media-0``.
        peer: the name of the neighbour that this program stands for, such as ``dialog-0``.
        accepted: the union of events that it tells that neighbour.
        settings: the layer's.
        sockets: what the supervisor would open for it.
    """

    def __init__(
        self,
        kind: type[LayerActor],
        name: str,
        peer: str,
        accepted: Any,  # noqa: ANN401 - a union of types
        *,
        settings: Any,  # noqa: ANN401 - each layer has its own
        sockets: Iterable[SocketSpec] = (),
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sipactors-"))
        self._sockets = tuple(sockets)
        self._store = Store()
        self._end, theirs = channel_pair()
        self._channel = Channel(theirs)
        for part in (Path("run") / PIPES, Path("state")):
            (self._folder / part).mkdir(parents=True)
        run_dir = self._folder / "run"
        self._context = Context(
            name, 1, run_dir, self._folder / "state", settings, (peer,), self._channel, "thread", ""
        )
        self._journal = Journal(run_dir / "host.mdb", epoch=1)
        self._changes = Changes()
        self._inbox: deque[Any] = deque()
        self._pipe = Pipe.restore(
            zmq.Context.instance(),
            self._journal,
            peer=name,
            epoch=1,
            inward=self._context.address(name, peer),
            outward=self._context.address(peer, name),
            accepted=accepted,
        )
        self._news = select.poll()  # select(2) knows no descriptor above 1,023
        for source in (self._pipe.fd, self._end.fileno()):
            self._news.register(source, select.POLLIN)
        self._kind = kind
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._words = ""
        self._is_ready = False

    def _run(self) -> None:
        try:
            self._kind.start(self._context)
        except SystemExit as error:
            structlog.get_logger().error("an actor alone has ended", actor=self._context.name, code=error.code)

    def __enter__(self) -> Self:
        """Start it; returns once it serves.

        Raises:
            StartupError: it cannot start.
        """
        open_sockets(self._store, self._sockets, structlog.get_logger().warning)
        self._channel.descriptors.update(self._store.held)
        self._pipe.start(clock())
        self._thread.start()
        until = clock() + PATIENCE
        while not self._is_ready:
            over = not self._thread.is_alive() or clock() > until  # seen before its last words are read
            self._turn(LOOK)
            if self._words or (over and not self._is_ready):
                words = self._words.strip().rpartition("\n")[2]
                if words:
                    self._thread.join(PATIENCE)  # it is about to end
                self._close()
                raise StartupError(f"{self._context.name}: {words or 'it does not start'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.send(Stop(drain=False))
        self._thread.join(PATIENCE)
        self._close()

    def _close(self) -> None:
        self._pipe.close()
        self._journal.close()
        self._end.close()
        self._channel.close()
        self._store.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def tell(self, event: Event) -> None:
        """Send it an event; it takes effect once."""
        body = encode_body(event)
        self._changes.sent.append((self._pipe.peer, self._pipe.tell(body, journalled=True), body))
        self._turn(0.0)

    def receive(self, timeout: float) -> Any:  # noqa: ANN401 - one of what it tells
        """The next event that it tells, None when none comes within `timeout` seconds. Call it regularly."""
        until = clock() + timeout
        while not self._inbox and clock() < until:
            self._turn(min(LOOK, max(until - clock(), 0.0)))
        return self._inbox.popleft() if self._inbox else None

    def _turn(self, patience: float) -> None:
        """Wait for news, read, commit, send."""
        self._news.poll(patience * 1000)
        for said, _ in self._end.receive()[0]:
            self._is_ready = self._is_ready or isinstance(said, Ready)
            if isinstance(said, LastWords):
                self._words = said.text
        while self._pipe.pump(256):
            pass
        now = clock()
        for effect in self._pipe.take(now):
            if isinstance(effect, Deliver):
                self._inbox += [self._pipe.decode(body) for body in effect.bodies]
        self._pipe.collect(self._changes)
        self._journal.commit(self._changes)
        self._pipe.flush(now)
