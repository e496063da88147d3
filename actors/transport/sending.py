"""What goes out: the socket or the connection that a message is sent by, and who hears where there is none."""

from __future__ import annotations

from collections.abc import Callable

from actors.sip.vocabulary import Flow, Target, TransactionKey
from actors.transport.connection import Shell
from actors.transport.connections import Connections
from actors.transport.datagrams import UdpPort
from actors.transport.events import TransmitFailed, TransmitRequest, TransmitResponse
from actors.transport.identity import plain
from actors.transport.route import Address, Listeners, reconnect_address, response_address
from actors.transport.stream import NOBODY

_ROUTES = 4096
_NO_DIALOG = b"SIP/2.0 481 "


class Sending:
    """Sends what the shards have.

    Args:
        shell: the actor.
        connections: those that there are.
        listeners: know which of them a host is reached from.
        strayed: told of each flow on which somebody is answered that there is no such dialog.

    Attributes:
        ports: the UDP sockets by their tokens.
    """

    def __init__(
        self,
        shell: Shell,
        connections: Connections,
        listeners: Listeners,
        strayed: Callable[[Flow, float], None],
    ) -> None:
        self._shell = shell
        self._connections = connections
        self._listeners = listeners
        self._strayed = strayed
        self.ports: dict[str, UdpPort] = {}
        self._routes: dict[str, UdpPort] = {}

    def forget_routes(self) -> None:
        """The network has changed: other hosts may be reached from other sockets."""
        self._routes.clear()
        self.forget_flows()

    def forget_flows(self) -> None:
        """What the sockets have learnt of their peers holds no more."""
        for port in self.ports.values():
            port.forget()

    def ping(self, target: Target, data: bytes) -> None:
        """Keep a flow over UDP alive."""
        port = self.ports.get(target.flow) or self._towards(target.host)
        self._datagram(port, data, (target.host, target.port), "", NOBODY)

    def response(self, peer: str, message: TransmitResponse, now: float) -> None:
        """Send a response on the flow of its request (RFC 3261 section 18.2.2)."""
        flow, raw = message.flow, message.raw
        if raw.startswith(_NO_DIALOG):
            self._strayed(flow, now)
        if flow.transport == "udp":
            host, where = response_address(raw, flow)
            self._datagram(self._port_of(flow, host), raw, (host, where), peer, message.key)
            return
        self._stream(flow.token, reconnect_address(raw, flow), peer, message, now)

    def request(self, peer: str, message: TransmitRequest, now: float) -> None:
        """Send a request to its target (RFC 3261 section 18.1.1)."""
        target = message.target
        if target.transport == "udp":
            port = self.ports.get(target.flow) or self._towards(target.host)
            self._datagram(port, message.raw, (target.host, target.port), peer, message.key)
        else:
            self._stream(target.flow, address_of(target), peer, message, now)

    def _datagram(
        self, port: UdpPort | None, raw: bytes, where: tuple[str, int], peer: str, key: TransactionKey
    ) -> None:
        """Send at once, not after the commit: a datagram that goes twice is a retransmission."""
        if port is None:
            self._fail(peer, key, "no UDP listener can reach it")
            return
        try:
            port.send(raw, *where)
        except OSError as error:
            self._fail(peer, key, error.strerror or str(error))

    def _stream(
        self, token: str, where: Address, peer: str, message: TransmitRequest | TransmitResponse, now: float
    ) -> None:
        try:
            response = type(message) is TransmitResponse
            connection = self._connections.find(token, where, response=response)
            if connection is None:
                connection = self._connections.open(where, now)
        except OSError as error:
            self._fail(peer, message.key, error.strerror or str(error))
            return
        if isinstance(message, TransmitRequest) and message.target.patience:
            self._connections.hurry(connection, now + message.target.patience)
        self._connections.write(connection, message.raw, peer, message.key)

    def _fail(self, peer: str, key: TransactionKey, reason: str) -> None:
        if key.branch:
            self._shell.tell(peer, TransmitFailed(key, reason))

    def _port_of(self, flow: Flow, host: str) -> UdpPort | None:
        """The socket a request came by; where the listeners have changed since, one that reaches its peer."""
        return self.ports.get(flow.token) or self._towards(host)

    def _towards(self, host: str) -> UdpPort | None:
        """The UDP socket to send from to a host: the one that its Via names as ours."""
        if host in self._routes:
            return self._routes[host]
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        found = self._listeners.towards("udp", host)
        if found is None:
            return None
        port = self._routes[host] = self.ports[found[0].token]
        return port


def address_of(target: Target) -> Address:
    """What the connection to a target is found by."""
    name = (target.name or target.host) if target.transport == "tls" else ""
    return Address(target.transport, target.host, target.port, plain(name))
