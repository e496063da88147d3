"""From a SIP URI and what DNS says to the next hops in order: RFC 3263 section 4 and RFC 2782, pure.

A search is a function of the URI, the answers so far and a seed: it either ends, or names the questions whose answers
it lacks. It is run again when they have come, so nothing here waits, and nothing is kept between two runs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple

from actors.sip import uri as sip_uri
from actors.sip.errors import RemoteProtocolError
from actors.transport.records import Answer, Naptr, Question, Srv, canonical, is_numeric

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
SERVERS = 16  # of a domain whose addresses are asked for; a thousand SRV records are a mistake or an attack
HOPS = 32

_SERVICES = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
_PREFIXES = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}

Look = Callable[[Question], Answer | None]


class LocationError(Exception):
    """There is no way to a URI; the text says why, for people."""


class Where(NamedTuple):
    """What of a URI decides where a request for it goes (RFC 3263 section 4).

    Attributes:
        secure: whether it is a SIPS URI.
        transport: udp, tcp or tls; empty where the URI leaves it open.
        host: TARGET, an address without brackets or a name in lower case.
        port: 0 where none is written.
        numeric: whether `host` is an address.
    """

    secure: bool
    transport: str
    host: str
    port: int
    numeric: bool


class Hop(NamedTuple):
    """One next hop: transport, address, port, and the domain that a certificate has to name (RFC 5922 section 4)."""

    transport: str
    host: str
    port: int
    name: str


class Found(NamedTuple):
    """How far a search came.

    Attributes:
        hops: in the order to try them; empty while questions are open, or when there is no way.
        needs: the questions that are open.
        reason: where there is no way, why.
    """

    hops: tuple[Hop, ...] = ()
    needs: tuple[Question, ...] = ()
    reason: str = ""


def where_of(text: str, offered: Iterable[str]) -> Where:
    """Read a URI.

    Args:
        text: the URI.
        offered: the transports that we have.

    Raises:
        LocationError: it is no SIP URI, or wants a transport that we have not.
    """
    try:
        uri = sip_uri.parse(text)
    except RemoteProtocolError as error:
        raise LocationError(f"{text}: {error.reason}") from error
    if uri.scheme not in {"sip", "sips"}:
        raise LocationError(f"{text}: {uri.scheme} is not sip")
    secure = uri.scheme == "sips"
    transport = (uri.params.get("transport") or "").lower()
    if secure:
        if transport not in {"", "tcp", "tls"}:
            raise LocationError(f"{text}: sips never goes over {transport}")
        if "tls" not in offered:
            raise LocationError(f"{text}: sips needs TLS, which no listener offers")
        transport = transport and "tls"  # RFC 5630 section 3.1.4: transport=tcp of a SIPS URI is TLS over TCP
    if transport and transport not in offered:
        raise LocationError(f"{text}: transport {transport} is not offered")
    # TARGET is maddr where there is one, else the host.
    host = (uri.params.get("maddr") or uri.host).strip("[]")
    port = uri.port or 0
    if is_numeric(host):
        return Where(secure, transport, str(ipaddress.ip_address(host)), port, numeric=True)
    return Where(secure, transport, canonical(host), port, numeric=False)


def search(where: Where, look: Look, offered: tuple[str, ...], families: tuple[str, ...], seed: int) -> Found:
    """Find the next hops, as far as what is known goes.

    Args:
        where: of the URI.
        look: the answer to a question, None where it is not known yet.
        offered: the transports that we have, the preferred first.
        families: ``A`` and ``AAAA`` as far as we have listeners for them, in the order to try them.
        seed: any number; the same one draws the same order of SRV records of one priority.
    """
    default = "tls" if where.secure else "udp"
    if default not in offered:
        default = offered[0]
    if where.numeric:
        transport = where.transport or default
        return Found((Hop(transport, where.host, where.port or PORTS[transport], where.host),))
    query = _Query(look, families, where.host)
    if where.port:
        return query.addresses([(where.transport or default, where.port, where.host)])
    if where.transport:
        services = [(where.transport, _PREFIXES[where.transport] + where.host)]
    else:
        services = query.services(where, offered)
        if query.needs:
            return query.open()
    servers = query.servers(services, seed)
    if query.needs:
        return query.open()
    if servers is None:  # no SRV record at all: the name itself, at the transport's own port
        transport = where.transport or default
        servers = [(transport, PORTS[transport], where.host)]
    return query.addresses(servers)


class _Query:
    """The steps of one search, and the questions they could not do without."""

    def __init__(self, look: Look, families: tuple[str, ...], host: str) -> None:
        self._look = look
        self._families = families
        self._host = host
        self._failures: dict[str, None] = {}
        self.needs: dict[Question, None] = {}

    def open(self) -> Found:
        return Found(needs=tuple(self.needs))

    def _ask(self, name: str, kind: str) -> tuple[object, ...]:
        question = Question(name, kind)
        answer = self._look(question)
        if answer is None:
            self.needs[question] = None
            return ()
        if answer.failure:
            self._failures[answer.failure] = None
        return answer.records

    def services(self, where: Where, offered: tuple[str, ...]) -> list[tuple[str, str]]:
        """Transports with the names of their SRV records, the preferred first (section 4.1)."""
        records = [record for record in self._ask(where.host, "NAPTR") if isinstance(record, Naptr)]
        found = []
        for record in sorted(records, key=lambda one: (one.order, one.preference)):
            transport = _SERVICES.get(record.service, "")
            fits = transport in offered and (transport == "tls" or not where.secure)
            if fits and record.flags == "s" and record.replacement:
                found.append((transport, record.replacement))
        if found:
            return found
        allowed = ("tls",) if where.secure else offered
        return [(transport, _PREFIXES[transport] + where.host) for transport in allowed]

    def servers(self, services: list[tuple[str, str]], seed: int) -> list[tuple[str, int, str]] | None:
        """Transport, port and name of each server of the first service that has any; None where none has a record."""
        answers = [(transport, self._ask(name, "SRV")) for transport, name in services]
        if self.needs:
            return None
        for transport, records in answers:
            found = [record for record in records if isinstance(record, Srv)]
            usable = order([one for one in found if one.target and one.port], seed)
            if usable:
                return [(transport, one.port, one.target) for one in usable]
        # A record with the root as its target says: decidedly no such service (RFC 2782).
        return [] if any(records for _, records in answers) else None

    def addresses(self, servers: list[tuple[str, int, str]]) -> Found:
        """The addresses of servers, each in the families that we speak."""
        hops = []
        for transport, port, name in servers:
            if is_numeric(name):  # which RFC 2782 forbids, and people write
                hops.append(Hop(transport, name, port, self._host))
            for kind in () if is_numeric(name) else self._families:
                hops += [Hop(transport, str(one), port, self._host) for one in self._ask(name, kind)]
        if self.needs:
            return self.open()
        if not hops:
            why = "; ".join(self._failures) if self._failures else "DNS knows no server and no address"
            return Found(reason=f"{self._host}: {why}")
        return Found(tuple(dict.fromkeys(hops))[:HOPS])


def order(records: Iterable[Srv], seed: int, limit: int = SERVERS) -> list[Srv]:
    """The first `limit` SRV records to try: by priority, of one priority by lot in proportion to weight (RFC 2782)."""
    ordered: list[Srv] = []
    by_priority: dict[int, list[Srv]] = {}
    for record in sorted(records):
        by_priority.setdefault(record.priority, []).append(record)
    for priority in sorted(by_priority):
        # Those of weight 0 first, so that they have a small chance; the sort has put them there.
        rest = by_priority[priority]
        while rest and len(ordered) < limit:
            number = _draw(seed, len(ordered), sum(record.weight for record in rest))
            chosen, running = 0, rest[0].weight
            while running < number:
                chosen += 1
                running += rest[chosen].weight
            ordered.append(rest.pop(chosen))
    return ordered


def _draw(seed: int, count: int, highest: int) -> int:
    """The `count`-th number of 0 to `highest` inclusive that `seed` stands for."""
    digest = blake2b(b"%d %d" % (seed, count), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (highest + 1)
