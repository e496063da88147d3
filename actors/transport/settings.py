"""The settings of the transport layer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Listener(NamedTuple):
    """One address we listen on: ``udp``, ``tcp`` or ``tls``, a numeric host without brackets, a port (0 picks one)."""

    transport: str
    host: str
    port: int


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """TLS, as server and as client. Paths are absolute, files are PEM; they are read again when they have changed.

    Attributes:
        certificate: our certificate and what stands between it and its authority; empty for none.
        key: its private key, not encrypted; empty where it stands in the same file.
        names: certificates for single domains that clients ask for: domain, file, file of the key or nothing.
        authorities: whom we believe; empty for the authorities of the system.
        outgoing: whether requests of ours may go over TLS without a listener for it: a phone behind a NAT.
        verify: whether a server has to prove its name (RFC 5922 section 7.3).
        clients: whether those who call us show a certificate: ``none``, ``optional`` or ``required``.
        minimum: the lowest version, ``1.2`` or ``1.3``.
        key_log: where session keys are written for a network analyser; empty for nowhere.
        handshake_timeout: seconds a handshake may take.
        max_handshakes: a second, of one stranger.
        sips: ``allowed``; ``refused``: a request to a SIPS URI gets 480; ``required``: every other one does (RFC 5630
            section 5.1.2).
    """

    certificate: str = ""
    key: str = ""
    names: tuple[tuple[str, str, str], ...] = ()
    authorities: str = ""
    outgoing: bool = False
    verify: bool = True
    clients: str = "none"
    minimum: str = "1.2"
    key_log: str = ""
    handshake_timeout: float = 5.0
    max_handshakes: float = 20.0
    sips: str = "allowed"


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the transport actor is told at its start.

    Attributes:
        listen: the listeners; the supervisor opens them.
        shards: how many transaction shards there are.
        max_connections: of one stranger; the trusted have no limit.
        held: descriptors that the supervisor has beside those of the connections: RTP ports and listeners.
        max_requests: state-creating requests a second of one stranger.
        message_timeout: seconds to complete a message on a stream.
        connect_timeout: seconds to open a connection.
        max_queue: bytes waiting for one slow reader before its connection is closed.
        trusted: networks without limits beside loopback, such as ``192.0.2.0/24``.
        known: networks with ten times the limits of strangers.
        allow: networks that may begin something beside those two; none for all.
        deny: networks of which nothing is read.
        rates: networks with a rate of their own: state-creating requests a second.
        scanners: words in a User-Agent whose requests are dropped, but for the trusted.
        max_hold: seconds a stream is not read while the shard of its next request has no room; then it gets 503.
        failed_for: seconds a failed target stays behind the others (RFC 3263 section 4.3).
        failover_after: seconds until a silent UDP target with others behind it is given up; 0 for Timers B and F.
        udp_max: bytes above which a request goes by TCP first (RFC 3261 section 18.1.1); 0 for no limit.
        udp_max_of: the same for single peers: address, bytes.
        dns_servers: ``ADDRESS`` or ``ADDRESS:PORT`` each; none for those of the system.
        dns_static: entries that go before DNS, such as ``pbx.example A 192.0.2.7``.
        dns_timeout: seconds for one look-up.
        reach: network -> what its peers are told to reach us at: ``local``, ``learnt``, an address, or one with a port.
        dscp: of all that we send, such as 26 for AF31 (RFC 2474); 0 for none.
        device: the network device that sockets are bound to (SO_BINDTODEVICE), empty for any.
        tls: certificates and rules of TLS.
        hook: ``module:function`` of the application that may drop what comes, empty for none: see actors.sip.hooks.
    """

    listen: tuple[Listener, ...]
    shards: int = 1
    max_connections: int = 64
    held: int = 0
    max_requests: float = 50.0
    message_timeout: float = 5.0
    connect_timeout: float = 5.0
    max_queue: int = 1_048_576
    max_hold: float = 0.5
    trusted: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rates: dict[str, float] = {}
    scanners: tuple[str, ...] = ()
    failed_for: float = 60.0
    failover_after: float = 0.0
    udp_max: int = 1300
    udp_max_of: tuple[tuple[str, int], ...] = ()
    dns_servers: tuple[str, ...] = ()
    dns_static: tuple[str, ...] = ()
    dns_timeout: float = 5.0
    reach: dict[str, str] = {}
    dscp: int = 0
    device: str = ""
    tls: TlsSettings = TlsSettings()
    hook: str = ""
