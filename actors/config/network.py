"""The sections of SIP on the network: addresses, timers, peers, DNS, TLS."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from actors.config.kinds import Bytes, Dscp, Seconds, Section


class SipSection(Section, frozen=True, kw_only=True):
    """[sip]: addresses, timers and limits.

    Attributes:
        listen: ``TRANSPORT:ADDRESS:PORT`` each, IPv6 in brackets.
        user: the user part of the service's own URI.
        user_agent: the User-Agent and Server header.
        packages: the event packages that others may subscribe to, such as presence; a client tells their state.
        t1, t2, t4: RFC 3261 table 4.
        trying_after: how long an INVITE waits for a first answer before it gets 100.
        timeout: timers B, F, H, J, L and M; 0 for 64*T1.
        timer_d: how long a refused INVITE of ours answers repeated refusals over UDP; 0 for what RFC 3261 says.
        max_transactions: live transactions of a shard; beyond, what would begin a new one gets 503.
        ring_timeout: how long a call in may ring.
        max_calls: calls at once; one more gets 486.
        max_requests: state-creating requests a second of one stranger.
        max_connections: connections of one stranger.
        routes: the URIs that requests of no account visit first, such as ``sip:proxy.example;lr``: an outbound proxy.
        udp_max: bytes above which a request goes by TCP first (RFC 3261 section 18.1.1); 0 for no limit.
        dscp: of all SIP that is sent (RFC 2474); 26 is AF31, 0 none.
        device: the network device that SIP is bound to, such as eth1; empty for any.
    """

    listen: tuple[str, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    user: str = "sipactors"
    user_agent: str = "sipactors"
    packages: tuple[str, ...] = ()
    t1: Seconds = 0.5
    t2: Seconds = 4.0
    t4: Seconds = 5.0
    trying_after: Seconds = 0.2
    timeout: Annotated[float, Meta(ge=0, description="seconds, 0 for 64*T1")] = 0.0
    timer_d: Annotated[float, Meta(ge=0, description="seconds, 0 for the standard")] = 0.0
    max_transactions: Annotated[int, Meta(ge=1, description="a number of transactions from 1")] = 100_000
    ring_timeout: Seconds = 180.0
    max_calls: Annotated[int, Meta(ge=1, description="a number of calls from 1")] = 10_000
    max_requests: Annotated[float, Meta(gt=0, description="requests a second above 0")] = 50.0
    max_connections: Annotated[int, Meta(ge=1, description="a number of connections from 1")] = 64
    routes: tuple[str, ...] = ()
    udp_max: Bytes = 1300
    dscp: Dscp = 0
    device: str = ""


class PeersSection(Section, frozen=True, kw_only=True):
    """[peers]: who may do what. Networks are such as ``192.0.2.0/24``, one host is a network of its own.

    Attributes:
        trusted: without limits, as loopback is: trunks and proxies of ours.
        known: with ten times the limits of strangers.
        allow: networks that may begin something beside those two; none for all.
        deny: networks of which nothing is read.
        rates: networks with a rate of their own: state-creating requests a second.
        scanners: words in a User-Agent whose requests are dropped unanswered, but for the trusted.
        udp_max: addresses of peers with a limit of their own for requests by UDP: bytes, 0 for none.
        reach: networks, and what their peers are told to reach us at: ``local`` (the address by route), ``learnt`` (the
            one that they have seen), an address, or an address with a port. The smallest network counts.
    """

    trusted: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rates: dict[str, Annotated[float, Meta(gt=0, description="requests a second above 0")]] = {}  # noqa: RUF012 - msgspec copies it
    scanners: tuple[str, ...] = ()
    udp_max: dict[str, Bytes] = {}  # noqa: RUF012 - msgspec copies it
    reach: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it


class DnsSection(Section, frozen=True, kw_only=True):
    """[dns]: how next hops are found (RFC 3263).

    Attributes:
        servers: ``ADDRESS`` or ``ADDRESS:PORT`` each; none for those of the system.
        static: entries that go before DNS, as zone files have them: ``pbx.example A 192.0.2.7``.
        timeout: seconds for one look-up.
        failed_for: seconds a target that failed stays behind the others.
        failover_after: seconds until a silent UDP target with others behind it is given up; 0 for 64*T1 (RFC 3263).
    """

    servers: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    timeout: Seconds = 5.0
    failed_for: Seconds = 60.0
    failover_after: Annotated[float, Meta(ge=0, description="seconds from 0")] = 0.0


class NameSection(Section, frozen=True, kw_only=True):
    """[[tls.names]]: the certificate that is shown to clients that ask for one domain (SNI).

    Attributes:
        name: the domain.
        certificate: its certificate, and what stands between it and its authority.
        key: its private key, not encrypted; empty where it stands in the same file.
    """

    name: str
    certificate: str
    key: str = ""


class TlsSection(Section, frozen=True, kw_only=True):
    """[tls]: certificates and rules of TLS. Files are PEM; they are read again when they have changed.

    Attributes:
        certificate: our certificate, and what stands between it and its authority; ``tls:`` listeners need one.
        key: its private key, not encrypted; empty where it stands in the same file.
        names: certificates for single domains, where one does not serve all.
        authorities: whom we believe; empty for the authorities of the system.
        outgoing: whether requests of ours may go over TLS without a listener for it: a phone behind a NAT.
        verify: whether a server has to prove its name (RFC 5922).
        clients: whether those who call us show a certificate.
        minimum: the lowest version of TLS.
        key_log: where session keys are written for a network analyser; empty for nowhere.
        handshake_timeout: how long a handshake may take.
        max_handshakes: handshakes a second of one stranger.
        sips: what becomes of requests to a ``sips:`` URI, and of others (RFC 5630).
    """

    certificate: str = ""
    key: str = ""
    names: tuple[NameSection, ...] = ()
    authorities: str = ""
    outgoing: bool = False
    verify: bool = True
    clients: Literal["none", "optional", "required"] = "none"
    minimum: Literal["1.2", "1.3"] = "1.2"
    key_log: str = ""
    handshake_timeout: Seconds = 5.0
    max_handshakes: Annotated[float, Meta(gt=0, description="handshakes a second above 0")] = 20.0
    sips: Literal["allowed", "refused", "required"] = "allowed"
