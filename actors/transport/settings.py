"""The settings of the transport layer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Listener(NamedTuple):
    """One address we listen on: ``udp`` or ``tcp``, a numeric host without brackets, a port (0 picks one)."""

    transport: str
    host: str
    port: int


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the transport actor is told at its start.

    Attributes:
        listen: the listeners; the supervisor opens them.
        shards: how many transaction shards there are.
        max_connections: of one stranger; the trusted have no limit.
        max_requests: state-creating requests a second of one stranger.
        message_timeout: seconds to complete a message on a stream.
        connect_timeout: seconds to open a connection.
        max_queue: bytes waiting for one slow reader before its connection is closed.
        trusted: networks without limits beside loopback, such as ``192.0.2.0/24``.
        known: networks with ten times the limits of strangers.
        max_hold: seconds a stream is not read while the shard of its next request has no room; then it gets 503.
        failed_for: seconds a failed target stays behind the others (RFC 3263 section 4.3).
        failover_after: seconds until a silent UDP target with others behind it is given up; 0 for Timers B and F.
        udp_max: bytes above which a request goes by TCP first (RFC 3261 section 18.1.1); 0 for no limit.
        udp_max_of: the same for single peers: address, bytes.
        dns_servers: ``ADDRESS`` or ``ADDRESS:PORT`` each; none for those of the system.
        dns_static: entries that go before DNS, such as ``pbx.example A 192.0.2.7``.
        dns_timeout: seconds for one look-up.
    """

    listen: tuple[Listener, ...]
    shards: int = 1
    max_connections: int = 64
    max_requests: float = 50.0
    message_timeout: float = 5.0
    connect_timeout: float = 5.0
    max_queue: int = 1_048_576
    max_hold: float = 0.5
    trusted: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    failed_for: float = 60.0
    failover_after: float = 0.0
    udp_max: int = 1300
    udp_max_of: tuple[tuple[str, int], ...] = ()
    dns_servers: tuple[str, ...] = ()
    dns_static: tuple[str, ...] = ()
    dns_timeout: float = 5.0
