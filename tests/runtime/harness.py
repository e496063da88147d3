"""Run one layer's actor with its real mailbox, pipes and journal, and play its peers: no supervisor, one process.

    with Harness(DialogActor, "dialog-0", settings, peers={"transaction-0": ToUser, ...}, tmp_path=tmp_path) as it:
        it.send("transaction-0", RequestReceived(...))
        event = it.expect("control", CallReceived)

Each peer is a real Pipe with a journal of its own, served whenever the test waits for something.
"""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq

from actors.runtime.actor import LayerActor
from actors.runtime.channel import Channel, Descriptor, FromChild, LastWords, Ready, Stop
from actors.runtime.context import PIPES, Context
from actors.runtime.envelope import encode_body
from actors.runtime.journal import Changes, Journal
from actors.runtime.link import Deliver
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from actors.runtime.pipe import Pipe
from actors.runtime.supervisor_end import SupervisorEnd, channel_pair

PATIENCE = 5.0
E = TypeVar("E")


def context_for(  # a context without a supervisor
    name: str,
    peers: tuple[str, ...],
    tmp_path: Path,
    *,
    settings: Any = None,
    epoch: int = 1,
    placement: str = "thread",
    last_death: str = "",
    descriptors: Mapping[str, Descriptor] | None = None,
) -> tuple[Context, SupervisorEnd, socket.socket]:
    """A context, the supervisor's end of its channel, and the socket below the context's end."""
    for folder in (tmp_path / "run" / PIPES, tmp_path / "state"):
        folder.mkdir(parents=True, exist_ok=True)
    end, theirs = channel_pair()
    channel = Channel(theirs)
    channel.descriptors.update(descriptors or {})
    context = Context(
        name=name,
        epoch=epoch,
        run_dir=tmp_path / "run",
        state_dir=tmp_path / "state",
        settings=settings,
        peers=peers,
        channel=channel,
        placement=placement,
        last_death=last_death,
    )
    return context, end, theirs


class Peer:
    """One fake peer: a real pipe end that keeps what it is told."""

    def __init__(self, name: str, context: Context, accepted: Any) -> None:
        self.name = name
        self.inbox: deque[Any] = deque()
        self.resets = 0
        self._changes = Changes()
        self._journal = Journal(context.run_dir / "peers" / f"{name}.mdb", epoch=context.epoch)
        self.pipe = Pipe.restore(
            zmq.Context.instance(),
            self._journal,
            peer=context.name,
            epoch=context.epoch,
            inward=context.address(context.name, name),
            outward=context.address(name, context.name),
            accepted=accepted,
        )
        self.pipe.start(clock())

    def send(self, event: Event, *, journalled: bool = True) -> None:
        body = encode_body(event)
        seq = self.pipe.tell(body, journalled=journalled)
        if journalled:
            self._changes.sent.append((self.pipe.peer, seq, body))
        self.turn()

    def turn(self) -> None:
        """Read, commit, send: one turn of a well-behaved neighbour."""
        more = True
        while more:
            more = self.pipe.pump(256)
        now = clock()
        for effect in self.pipe.take(now):
            if isinstance(effect, Deliver):
                self.inbox += [self.pipe.decode(body) for body in effect.bodies]
            else:
                self.resets += 1
        self.pipe.collect(self._changes)
        self._journal.commit(self._changes)
        self.pipe.flush(now)

    def close(self) -> None:
        self.pipe.close()
        self._journal.close()


class Harness:
    """One actor in a thread, its peers played by the test.

    Args:
        actor_class: the layer's actor.
        name: such as ``dialog-0``.
        settings: its settings struct.
        peers: name of each peer -> the union of events that our actor sends it (what the peer accepts).
        tmp_path: where the run and state directories are made; use the same again for a successor.
        epoch: must rise for a successor on the same `tmp_path`.
        last_death, descriptors: as in Context and Channel.

    Attributes:
        actor: the running actor; look into it only between messages.
        peers: the fake peers by name.
        supervisor: the other end of the actor's channel.
        reports: what the actor said on it.
        exit_code: None while it runs.
    """

    def __init__(
        self,
        actor_class: type[LayerActor],
        name: str,
        settings: Any = None,
        *,
        peers: Mapping[str, Any],
        tmp_path: Path,
        epoch: int = 1,
        last_death: str = "",
        descriptors: Mapping[str, Descriptor] | None = None,
    ) -> None:
        self.context, self.supervisor, self._theirs = context_for(
            name,
            tuple(peers),
            tmp_path,
            settings=settings,
            epoch=epoch,
            last_death=last_death,
            descriptors=descriptors,
        )
        self.reports: list[tuple[FromChild, int | None]] = []
        self.exit_code: int | None = None
        self.peers = {peer: Peer(peer, self.context, accepted) for peer, accepted in peers.items()}
        self.actor = actor_class(self.context)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(lambda: any(isinstance(report, Ready) for report, _ in self.reports), "ready")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self.actor._start_actor_loop()
            self.exit_code = 0
        except SystemExit as error:
            self.exit_code = int(error.code or 0)

    def send(self, peer: str, *events: Event, journalled: bool = True) -> None:
        """Tell the actor something as `peer`."""
        for event in events:
            self.peers[peer].send(event, journalled=journalled)

    def expect(self, peer: str, kind: type[E], *, timeout: float = PATIENCE) -> E:
        """The next thing that `peer` was told, which must be of this kind."""
        inbox = self.peers[peer].inbox
        self.wait_for(lambda: bool(inbox), f"{kind.__name__} to {peer}", timeout)
        event = inbox.popleft()
        assert isinstance(event, kind), f"{peer} was told {event}, not {kind.__name__}"
        return event

    def settle(self) -> None:
        """Wait until everything sent to the actor has been handled and committed."""
        self.wait_for(lambda: not any(peer.pipe.waiting for peer in self.peers.values()), "acknowledgements")

    def wait_for(self, condition: Any, what: str, timeout: float = PATIENCE) -> None:
        """Serve the peers until `condition()`; AssertionError when it does not come, or the actor ends."""
        until = clock() + timeout
        while True:
            for peer in self.peers.values():
                peer.turn()
            self.reports += self.supervisor.receive()[0]
            if condition():
                return
            words = [report.text for report, _ in self.reports if isinstance(report, LastWords)]
            assert not words, f"waiting for {what}, the actor failed: {words[0]}"
            assert clock() < until, f"no {what} within {timeout} s"
            ready = [peer.pipe.fd for peer in self.peers.values()]
            deadline = min((peer.pipe.deadline for peer in self.peers.values()), default=until)
            select.select([*ready, self.supervisor.fileno()], [], [], min(max(deadline - clock(), 0), 0.05))

    def stop(self, *, drain: bool = False) -> int | None:
        """Have it stop in order, wait for its end and free everything; returns its exit code. Once is enough."""
        if self._theirs.fileno() < 0:
            return self.exit_code
        if self._thread.is_alive():
            self.supervisor.send(Stop(drain=drain))
        self.join()
        for peer in self.peers.values():
            peer.close()
        self.reports += self.supervisor.receive()[0]
        self.supervisor.close()
        self.context.channel.close()
        return self.exit_code

    def join(self) -> None:
        """Wait for the actor's end, serving its peers."""
        until = clock() + PATIENCE
        while self._thread.is_alive():
            assert clock() < until, "the actor does not stop"
            for peer in self.peers.values():
                peer.turn()
            self._thread.join(0.01)
