"""A small shell for connections: real journal, mailbox, sockets and store, no pipes; killed where a test says."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.cells import Cells
from actors.runtime.channel import Beat, Channel, Deposit, Descriptor, Withdraw
from actors.runtime.journal import Changes, Journal
from actors.runtime.machine import Event
from actors.runtime.mailbox import Mailbox, clock
from actors.runtime.supervisor_end import SupervisorEnd, channel_pair
from actors.transport import sockets
from actors.transport.admission import Admission
from actors.transport.beginning import Beginning
from actors.transport.certificates import Contexts
from actors.transport.connections import Connections
from actors.transport.events import FlowDead, Received, TransmitFailed
from actors.transport.kept import Kept
from actors.transport.reception import Reception
from actors.transport.route import Address, Bound, Listeners
from actors.transport.settings import TransportSettings
from actors.transport.takeover import take_over

SHARD = "transaction-0"
DIALLED = b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"
CRASHES = ("before commit", "after commit", "between deferred", "after deferred")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Received | TransmitFailed | FlowDead).decode


class Shell:
    """Stands for the actor. Every request that comes up is answered in the same step, as a transaction would.

    Args:
        path: of the journal.
        channel: to the parent.
        epoch: of this start.
        crash: where to be killed (one of CRASHES), at the first message that comes or goes.
        dial: where a request waits to be sent, until a commit holds it.
    """

    def __init__(
        self, path: Path, channel: Channel, epoch: int, crash: str = "", dial: tuple[str, int] | None = None
    ) -> None:
        self.journal = Journal(path, epoch=epoch)
        self.changes = Changes()
        self.cells = Cells(self.journal, Kept)
        self.mailbox = Mailbox()
        self._deferred: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = max((sequence for sequence, _ in self.journal.outbox(SHARD)), default=0)
        self._crash = crash
        self._armed = False
        opened = []
        for token, descriptor in sorted(channel.descriptors.items()):
            if token.count(":") > 1:
                sock = sockets.adopt(descriptor.fd)
                opened.append((Bound("tcp:0", "tcp", *sockets.address(sock)), sock))
        listeners = Listeners([bound for bound, _ in opened], sockets.local_address, sockets.is_local)
        admission = Admission(50.0, secret=b"s" * 32)
        settings = TransportSettings(listen=())
        self.connections = Connections(
            self,
            channel,
            settings=settings,
            limit=100,
            beginning=Beginning(
                channel, epoch=epoch, settings=settings, listeners=listeners, contexts=Contexts(settings.tls, print)
            ),
            reception=Reception(admission, listeners, lambda _: SHARD, lambda _: False),
            admission=admission,
        )
        take_over(self, channel, self.connections, clock())
        self.commit()
        for bound, sock in opened:
            self.connections.acceptor.listen(sock, bound)
        if dial is not None and self.journal.meta(b"dialled") is None:
            self._armed = True
            where = Address("tcp", *dial)
            connection = self.connections.find("", where, response=False) or self.connections.open(where, clock())
            self.connections.write(connection, DIALLED)
            self.changes.meta[b"dialled"] = b"1"
            self.commit()

    def tell(self, peer: str, message: Event, *, journalled: bool = True) -> None:
        assert journalled
        self._sequence += 1
        self.changes.sent.append((peer, self._sequence, _encode(message)))
        if isinstance(message, Received) and not message.head.status:
            self._armed = True
            flow = message.flow
            connection = self.connections.find(flow.token, Address("tcp", flow.host, flow.port), response=True)
            assert connection is not None
            self.connections.write(connection, answer_to(message.raw), SHARD)

    def defer(self, function: Callable[..., None], *args: Any) -> None:
        self._deferred.append((function, args))

    def turn(self) -> None:
        """One turn of the loop: steps, commit, effects."""
        batch: Any = self.mailbox.get().message
        for fd, readable in batch.readable:
            if readable(batch.now):
                self.mailbox.again(fd)
        for writable in batch.writable:
            writable(batch.now)
        self.commit()

    def commit(self) -> None:
        while True:
            self._die_if("before commit")
            self.cells.settle()
            self.cells.collect(self.changes)
            if self.changes:
                self.journal.commit(self.changes)
            self._die_if("after commit")
            if not self._deferred:
                return
            deferred, self._deferred = self._deferred, []
            for function, args in deferred:
                function(*args)
                self._die_if("between deferred")
            self._die_if("after deferred")

    def _die_if(self, where: str) -> None:
        if self._armed and self._crash == where:
            os.kill(os.getpid(), signal.SIGKILL)


def answer_to(request: bytes) -> bytes:
    """The 200 to a request, named after its Call-ID."""
    call_id = request.partition(b"Call-ID: ")[2].partition(b"\r\n")[0]
    filler = request.partition(b"Fill: ")[2].partition(b"\r\n")[0] or b"0"
    return b"SIP/2.0 200 OK\r\nCall-ID: " + call_id + b"\r\n\r\n" + call_id * int(filler)


class Store:
    """Stands for the supervisor: keeps descriptors, forks children and kills them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: dict[str, Descriptor] = {}
        self.epoch = 0
        self.pid = 0
        self.end: SupervisorEnd | None = None
        self._turned = -1

    def listen(self, host: str = "127.0.0.1") -> tuple[str, int]:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.bind((host, 0))
        sock.listen()
        sock.setblocking(False)
        self.held["tcp:listener:0"] = Descriptor(sock.fileno(), b"")
        name = sock.getsockname()
        sock.detach()
        return str(name[0]), int(name[1])

    def start(self, crash: str = "", dial: tuple[str, int] | None = None) -> None:
        """Fork the next child; it takes over whatever is held."""
        self.epoch += 1
        end, theirs = channel_pair()
        turned, turn = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(turned)
            serve(self, theirs, turn, crash, dial)
        theirs.close()
        os.close(turn)
        self.end = end
        self._turned = turned

    def wait_turn(self) -> bool:
        """Wait until the child has done a turn; False when it is dead."""
        return os.read(self._turned, 1) != b""

    def kill(self) -> None:
        """SIGKILL the child and take what it deposited."""
        os.kill(self.pid, signal.SIGKILL)
        self.buried()

    def buried(self) -> None:
        """Wait for the child's death and take what it deposited."""
        os.waitpid(self.pid, 0)
        assert self.end is not None
        messages, _ = self.end.receive()
        for message, fd in messages:
            if isinstance(message, Deposit):
                assert fd is not None
                self.held[message.token] = Descriptor(fd, message.note)
            elif isinstance(message, Withdraw):
                os.close(self.held.pop(message.token).fd)
            else:
                assert isinstance(message, Beat)
        self.end.close()
        os.close(self._turned)

    def told(self) -> list[Any]:
        """All that children told the shard, in order."""
        journal = Journal(self.path, epoch=self.epoch)
        told = [_decode(data) for _, data in journal.outbox(SHARD)]
        journal.close()
        return told

    def close(self) -> None:
        for descriptor in self.held.values():
            os.close(descriptor.fd)


def serve(store: Store, theirs: socket.socket, turn: int, crash: str = "", dial: tuple[str, int] | None = None) -> None:
    """The child: serves until it is killed."""
    code = 70
    try:
        channel = Channel(theirs)
        channel.descriptors = {token: Descriptor(os.dup(held.fd), held.note) for token, held in store.held.items()}
        shell = Shell(store.path, channel, store.epoch, crash, dial)
        os.write(turn, b".")
        while True:
            shell.turn()
            os.write(turn, b".")
    except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
