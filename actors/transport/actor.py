"""The transport actor: sockets on one side, the transaction and dialog shards on the other."""

from __future__ import annotations

import resource
import secrets
import socket
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from actors.runtime.actor import LayerActor, run
from actors.runtime.channel import Figures
from actors.runtime.context import Context
from actors.runtime.descriptors import mark
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from actors.runtime.plugins import load
from actors.runtime.slots import Slots
from actors.sip.hooks import Hook
from actors.transport import sockets
from actors.transport.admission import Admission
from actors.transport.beginning import Beginning
from actors.transport.certificates import Contexts
from actors.transport.connections import Connections
from actors.transport.counters import DELAY, Counters
from actors.transport.datagrams import UdpPort
from actors.transport.events import (
    FromDialog,
    FromTransaction,
    KeepAlive,
    Lagging,
    LetGo,
    Locate,
    NetworkChanged,
    TargetFailed,
    TransmitRequest,
    TransmitResponse,
)
from actors.transport.filtered import FilteredReception
from actors.transport.finder import Finder
from actors.transport.keeping import Keeping
from actors.transport.kept import (
    ALIVE,
    COUNTERS_KEY,
    HOLD_KEY,
    NETWORK_KEY,
    PAUSE_KEY,
    WANTED,
    CountersCell,
    Kept,
    WantedCell,
    token_of,
)
from actors.transport.network import Network
from actors.transport.reach import Reach, parse_rules
from actors.transport.reception import Reception
from actors.transport.route import Bound, Listeners
from actors.transport.sending import Sending, address_of
from actors.transport.settings import TransportSettings
from actors.transport.sips import Sips
from actors.transport.takeover import take_over

_SPARE = 128  # descriptors that the supervisor needs for itself, a new child among it


class TransportActor(LayerActor):
    """Carries messages between the network and the transaction shards, and locates next hops for the dialog shards."""

    accepts: ClassVar = {"transaction": FromTransaction, "dialog": FromDialog}
    cell_type: ClassVar = Kept

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._settings: TransportSettings = context.settings
        self._lagging: dict[str, float] = {}  # shards whose users are far behind, and until when that is believed
        self._shards = tuple(f"transaction-{shard}" for shard in range(self._settings.shards))

    # Life

    def started(self) -> None:
        """Take the sockets over and serve."""
        now = clock()
        self._opened = self._open_listeners()
        settings = self._settings
        self._listeners = Listeners(
            [bound for bound, _ in self._opened],
            sockets.local_address,
            sockets.is_local,
            tls=settings.tls.outgoing,
            reach=Reach(parse_rules(settings.reach)),
        )
        admission = self._admission()
        self._reception = self._receive(admission)
        self._connections = self._connect(admission)
        self._sending = Sending(self, self._connections, self._listeners, self._reception.strayed)
        self._reception.learnt = self._sending.forget_flows
        take_over(self, self.context.channel, self._connections, now)
        self._finder = Finder(self, settings, self._listeners, self.log.warning)
        self._finder.start(now)
        self._keep_alive()
        self._network = Network(self, self._network_changed)
        try:
            self._network.start(now)
        except OSError as error:
            self.log.warning("changes of the network will not be seen", error=str(error))
        self._listen()

    def _admission(self) -> Admission:
        settings = self._settings
        return Admission(
            settings.max_requests,
            secret=self._secret(),
            trusted=settings.trusted,
            known=settings.known,
            allow=settings.allow,
            deny=settings.deny,
            rates=settings.rates,
            scanners=settings.scanners,
        )

    def _receive(self, admission: Admission) -> Reception:
        """What takes messages in, and counts what it refuses."""
        slots, names = Slots(self._settings.shards), self._shards
        sips = Sips(any(bound.transport == "tls" for bound in self._listeners.bound), self._settings.tls.sips)
        parts = (admission, self._listeners, lambda call_id: names[slots.shard(call_id)], self.busy, sips)
        name = self._settings.hook
        filtered = FilteredReception(Hook(name, load(name), self.log.warning), *parts) if name else None
        reception = filtered or Reception(*parts)
        reception.overrun = self._far_behind
        reception.dropped = counters = Counters()
        counters.read(self._counters_path)
        counters.changed = self._note_counters
        self._counters = counters
        return reception

    def _connect(self, admission: Admission) -> Connections:
        """What has the connections, still none."""
        context, settings = self.context, self._settings
        contexts = Contexts(settings.tls, lambda reason: self.log.warning("old certificates stay", reason=reason))
        return Connections(
            self,
            context.channel,
            settings=settings,
            limit=connection_limit(settings.held),
            beginning=Beginning(
                context.channel, epoch=context.epoch, settings=settings, listeners=self._listeners, contexts=contexts
            ),
            reception=self._reception,
            admission=admission,
        )

    def _listen(self) -> None:
        """Take in what comes to the listeners."""
        for bound, sock in self._opened:
            if bound.transport == "udp":
                port = self._sending.ports[bound.token] = UdpPort(
                    bound, sock, self._reception, self._listeners, self.tell, self._shards
                )
                port.stunned = self._stunned
                self.mailbox.watch(sock.fileno(), port.readable)
            else:
                self._connections.acceptor.listen(sock, bound)

    def _keep_alive(self) -> None:
        """Go on keeping flows alive."""
        sent_by = partial(self._listeners.sent_by, "udp")
        self._keeping = keeping = Keeping(self, self._connections, address_of, self._sending.ping, sent_by)
        self._connections.inward.ponged, self._connections.lost = keeping.ponged, keeping.lost
        self._reception.pings, self._reception.answered = keeping.awaited, keeping.answered
        keeping.restore(clock())

    def _stunned(self, data: bytes) -> None:
        self._keeping.stunned(data, clock())

    @property
    def _counters_path(self) -> Path:
        return self.context.run_dir / "counters" / "transport.json"

    def figures(self) -> Figures:
        """What every actor counts, and what was refused or dropped."""
        return *super().figures(), *(("refusals_total", "reason", *each) for each in sorted(self._counters.items()))

    def _note_counters(self) -> None:
        if COUNTERS_KEY not in self.cells:  # asked each time: a step that fails takes the cell back
            self.cells.put(COUNTERS_KEY, CountersCell(), clock() + DELAY)

    def _write_counters(self) -> None:
        try:
            self._counters.write(self._counters_path)
        except OSError as error:
            self.log.warning("the counters cannot be written", error=str(error))

    def _open_listeners(self) -> list[tuple[Bound, socket.socket]]:
        """Our listeners, named in the order of their tokens: a successor gives the same names."""
        opened: list[tuple[Bound, socket.socket]] = []
        for token, descriptor in sorted(self.context.channel.descriptors.items()):
            transport, _, where = token.partition(":")
            if transport not in {"udp", "tcp", "tls"} or ":" not in where:
                continue
            sock = sockets.adopt(descriptor.fd)
            sockets.bind_to_device(sock, self._settings.device)
            mark(sock, self._settings.dscp)
            host, port = sockets.address(sock)
            opened.append((Bound(f"{transport}:{len(opened)}", transport, host, port), sock))
        return opened

    def _secret(self) -> bytes:
        """The key of our refusals' To tags, the same over a restart."""
        secret = self.kept(b"secret")
        if secret is None:
            secret = secrets.token_bytes(32)
            self.keep(b"secret", secret)
        return secret

    def stopping(self, drain: bool, now: float) -> None:
        """Close our descriptors: by now the layers above have said all they had to say."""
        self.log.info("transport stops", connections=len(self._connections), dropped=dict(self._reception.dropped))
        self._connections.stop()
        self._write_counters()
        self._network.close()
        self._finder.close()
        for port in self._sending.ports.values():
            port.sock.close()
        super().stopping(drain, now)

    def expire(self, key: bytes, now: float) -> None:
        """Accept again after a pause, or end a connection that waited too long."""
        if key == PAUSE_KEY:
            self._connections.acceptor.resume()
        elif key == HOLD_KEY:
            self._connections.inward.look_again()
        elif key == COUNTERS_KEY:
            self.cells.delete(COUNTERS_KEY)
            self._write_counters()
        elif key == NETWORK_KEY:
            self._network.look()
        elif key.startswith(ALIVE):
            self._keeping.expire(key, now)
        elif key.startswith(WANTED):
            self._finder.expire(key)
        else:
            self._connections.expire(token_of(key))

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ANN401, ARG002
        """A step broke in the middle of a connection: what it has in memory is no longer what is journalled."""
        if isinstance(cell, WantedCell):
            self._finder.spoiled(cell)
            return
        self._connections.abandon(token_of(key), "our own fault")

    def _network_changed(self, gone: frozenset[str], come: frozenset[str]) -> None:
        """Forget what was found out about the network; end what stood on addresses that are gone."""
        self._sending.forget_routes()
        self._bind_again()
        if not gone and not come:
            return
        self.log.info("addresses changed", gone=sorted(gone), come=sorted(come))
        for bound in self._listeners.bound:
            if bound.host in gone:
                self.log.warning("a listener has lost its address", listener=bound)
        self._finder.network_changed()
        self._listeners.network_changed()
        self._connections.addresses_gone(gone)
        for peer in self.context.peers:
            if peer.startswith("dialog-"):
                self.tell(peer, NetworkChanged(tuple(sorted(gone)), tuple(sorted(come))))

    def _bind_again(self) -> None:
        """A device that went and came back has another number, to which the sockets have to be bound afresh."""
        device = self._settings.device
        for bound, sock in self._opened:
            if sockets.bound_device(sock) == device:
                continue
            try:
                sockets.bind_to_device(sock, device)
            except OSError as error:
                self.log.warning("a listener has lost its device", listener=bound, error=str(error))

    # From the shards

    def handle(self, peer: str, message: Event, now: float) -> None:
        """Send a message, or locate a next hop."""
        kind = type(message)
        if kind is TransmitResponse:
            self._sending.response(peer, message, now)  # type: ignore[arg-type]
        elif kind is TransmitRequest:
            self._sending.request(peer, message, now)  # type: ignore[arg-type]
        elif kind is Locate:
            self._finder.find(peer, message.ref, message.uri, now)  # type: ignore[attr-defined]
        elif kind is KeepAlive:
            self._keeping.begin(peer, message, now)  # type: ignore[arg-type]
        elif kind is LetGo:
            self._keeping.let_go(peer, message)  # type: ignore[arg-type]
        elif kind is TargetFailed:
            self._finder.failed(message.target, message.seconds, now)  # type: ignore[attr-defined]
        elif kind is Lagging:
            self._lagging[peer] = now + message.seconds  # type: ignore[attr-defined]

    def _far_behind(self, shard: str) -> bool:
        """Whether a shard lags so far, or its user behind it, that nothing more may be put upon it."""
        return self.overrun(shard) or (bool(self._lagging) and self._lags(shard))

    def _lags(self, shard: str) -> bool:
        if self._lagging.get(shard, 0.0) > clock():
            return True
        self._lagging.pop(shard, None)
        return False


def connection_limit(held: int) -> int:
    """Connections in all: half of the descriptors that a process may have, or what the supervisor has left for them.

    Each needs one there beside its own here. Without any to spare it could start no successor of a child that died.

    Args:
        held: descriptors that the supervisor has for others.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft // 8, min(soft // 2, soft - held - _SPARE))


def main(context: Context) -> None:
    """The entry of the transport process."""
    run(TransportActor, context)
