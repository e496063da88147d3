"""From a SIP URI to the next hops to try, in order (RFC 3263 section 4), pure.

Names are looked up in the hosts file alone: nothing here waits for a server. Targets that failed lately come last.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Protocol

from actors.sip import uri as sip_uri
from actors.sip.errors import RemoteProtocolError
from actors.sip.vocabulary import Candidate, Target

DEFAULT_PORT = 5060
_FAILED_LIMIT = 10_000
_TRANSPORTS = ("udp", "tcp")


class Reachable(Protocol):
    """What is asked of our listeners."""

    def sent_by(self, transport: str, host: str) -> str:
        """host:port for our Via towards `host`, empty where no listener can be reached."""


class LocationError(Exception):
    """There is no way to a URI; the text says why, for people."""


class Failed:
    """The targets that failed lately, shared by all who call.

    Args:
        keep: seconds a target stays behind the others.
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._until: dict[tuple[str, str, int], float] = {}

    def add(self, target: Target, now: float) -> None:
        """Note a failure (RFC 3263 section 4.3)."""
        key = target[:3]
        self._until.pop(key, None)
        self._until[key] = now + self._keep
        if len(self._until) > _FAILED_LIMIT:
            del self._until[next(iter(self._until))]

    def lately(self, target: Target, now: float) -> bool:
        """Whether it failed lately."""
        key = target[:3]
        until = self._until.get(key)
        if until is None:
            return False
        if until <= now:
            del self._until[key]
            return False
        return True


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Read a hosts file (hosts(5)): lower-case name -> its addresses in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if not is_numeric(address):
            continue
        for name in names:
            addresses = found.setdefault(name.lower(), [])
            if address not in addresses:
                addresses.append(address)
    local = found.setdefault("localhost", [])
    local += [address for address in ("127.0.0.1", "::1") if address not in local]  # RFC 6761 section 6.3
    return {name: tuple(addresses) for name, addresses in found.items()}


def is_numeric(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def locate(
    uri: str, hosts: Mapping[str, tuple[str, ...]], listeners: Reachable, failed: Failed, now: float
) -> tuple[Candidate, ...]:
    """The candidates for a SIP URI.

    Raises:
        LocationError: there is none.
    """
    transport, host, port = _parse(uri)
    name = host.rstrip(".").lower()
    addresses = (str(ipaddress.ip_address(host)),) if is_numeric(host) else hosts.get(name, ())
    if not addresses:
        raise LocationError(f"{host}: no such name in the hosts file")
    candidates = []
    for address in addresses:
        sent_by = listeners.sent_by(transport, address)
        if sent_by:
            candidates.append(Candidate(Target(transport, address, port), sent_by))
    if not candidates:
        raise LocationError(f"{addresses[0]}: no {transport} listener of ours can be reached from there")
    return tuple(sorted(candidates, key=lambda candidate: failed.lately(candidate.target, now)))


def _parse(text: str) -> tuple[str, str, int]:
    """Transport, TARGET and port (RFC 3263 sections 4, 4.1 and 4.2)."""
    try:
        uri = sip_uri.parse(text)
    except RemoteProtocolError as error:
        raise LocationError(f"{text}: {error.reason}") from error
    if uri.scheme == "sips":
        raise LocationError(f"{text}: sips needs TLS, which no listener offers")
    if uri.scheme != "sip":
        raise LocationError(f"{text}: {uri.scheme} is not sip")
    # "If the URI specifies a transport, it SHOULD be used"; a numeric target or an explicit port otherwise means UDP,
    # and so does a name without records of another kind (section 4.1).
    transport = (uri.params.get("transport") or "udp").lower()
    if transport not in _TRANSPORTS:
        raise LocationError(f"{text}: transport {transport} is not offered")
    # TARGET is maddr where there is one, else the host (section 4).
    host = uri.params.get("maddr") or uri.host
    port = DEFAULT_PORT if uri.port is None else uri.port
    if not 0 < port <= 65535:
        raise LocationError(f"{text}: {port} is no port")
    return transport, host.strip("[]"), port
