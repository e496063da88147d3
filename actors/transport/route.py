"""Where a response goes, and which of our addresses a peer reaches us by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from actors.sip.vocabulary import Flow, host_port
from actors.transport.reach import Reach
from actors.transport.stamp import TopVia, first_value, read

DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound
_TOP_VIA = re.compile(rb"\r\n(?:via|v)[ \t]*:[ \t]*", re.IGNORECASE)
_USUAL_VIA = re.compile(
    rb"[^\r]*+\r\nVia: SIP/2\.0/UDP (?:\[[^\]\s]*+\]|[^\s:;,\[\]]++)(?::([0-9]{1,5}))?((?:;[^;,\"\s]++)*+)(?=[,\r])"
)
_COMMA = re.compile(rb"[ \t\r\n]*+,")
_MORE_VIA = re.compile(rb"\r\n(?:via|v)[ \t]*:", re.IGNORECASE)
_ALIAS = re.compile(rb";\s*alias\s*(?:[;=]|$)", re.IGNORECASE)
_OWN_LIMIT = 1024


class Bound(NamedTuple):
    """A listener as it is bound: `token` names it in flows (``udp:0``), `host` has no brackets."""

    token: str
    transport: str
    host: str
    port: int


class Address(NamedTuple):
    """What a connection is found by: where it leads, and over TLS the domain that its end has proved to be."""

    transport: str
    host: str
    port: int
    name: str = ""


def top_via_span(raw: bytes) -> tuple[int, int]:
    """Where the top Via value of a well-formed message stands; an empty span if there is none."""
    match = _TOP_VIA.search(raw)
    return (0, 0) if match is None else first_value(raw, match.end())


def top_via(raw: bytes) -> TopVia:
    """The top Via of a well-formed message."""
    start, end = top_via_span(raw)
    return read(raw[start:end])


def response_address(raw: bytes, flow: Flow) -> tuple[str, int]:
    """Where a response goes over UDP (RFC 3261 section 18.2.2, RFC 3581 section 4).

    To the host that the request came from, whatever its `maddr` says: that is for requests by multicast, which we do
    not take, and would have us send to anybody, and a failure to an INVITE eleven times over.

    Args:
        raw: the response; its top Via has our stamp.
        flow: the one its request came on.
    """
    usual = _USUAL_VIA.match(raw)
    if usual is not None:
        # As below, for the form that nearly all Vias have, our stamp among them.
        _, rport, rest = usual[2].partition(b";rport=")
        port = rest.partition(b";")[0] if rport else usual[1]
        return flow.host, int(port or DEFAULT_PORT)
    via = top_via(raw)
    # `received` is the flow's address as we stamped it; the flow has its zone as well. Without it sent-by was equal.
    return flow.host, via.rport or via.port or DEFAULT_PORT


def reconnect_address(raw: bytes, flow: Flow) -> Address:
    """Where to open a connection for a response whose own is gone (RFC 3261 section 18.2.2, first bullet)."""
    via = top_via(raw)
    if flow.transport == "tls":
        return Address("tls", flow.host, via.port or DEFAULT_TLS_PORT, via.host.lower())
    return Address(flow.transport, flow.host, via.port or DEFAULT_PORT)


def alias_port(raw: bytes) -> int:
    """The port at which the sender of a request can be called back on its connection, 0 where it does not offer that.

    RFC 5923 section 8.2: the `alias` parameter of the top Via, and the port of its sent-by.
    """
    start, end = top_via_span(raw)
    via = raw[start:end]
    return (read(via).port or DEFAULT_TLS_PORT) if _ALIAS.search(via) is not None else 0


def more_vias(raw: bytes, via_end: int, body_start: int) -> bool:
    """Whether a response has more than one Via: it went astray and is dropped (RFC 3261 section 8.1.3.3).

    Args:
        raw: the response.
        via_end: the end of its first Via value.
        body_start: the end of its head.
    """
    if _COMMA.match(raw, via_end) is not None:
        return True
    return _MORE_VIA.search(raw, via_end, body_start) is not None


class Listeners:
    """Our listeners, and the choice among them.

    Args:
        bound: the listeners.
        local_address: the address that the kernel would send from towards a host; empty where there is no way.
        is_local: whether an address is one of this machine's.
        tls: whether requests of ours may go over TLS though there is no listener for it.
        reach: what peers are told instead of an address of ours.
    """

    def __init__(
        self,
        bound: Iterable[Bound],
        local_address: Callable[[str], str],
        is_local: Callable[[str], bool],
        *,
        tls: bool = False,
        reach: Reach | None = None,
    ) -> None:
        self.bound = tuple(bound)
        self._local_address = local_address
        self._is_local = is_local
        self._more = {"tcp", "tls"} if tls else {"tcp"}
        self._ports = {listener.port for listener in self.bound}
        self._own: dict[str, bool] = {}
        self._reach = reach or Reach()
        self.learns = self._reach.learns

    def towards(self, transport: str, host: str) -> tuple[Bound, str] | None:
        """The listener of `transport` that a peer at `host` can reach, and our address there; None without one."""
        mine = [one for one in self.bound if one.transport == transport and _same_family(one.host, host)]
        if not mine:
            return None
        if len(mine) == 1 and mine[0].host not in WILDCARDS:
            local = mine[0].host  # no choice: spare the question
        else:
            local = self._local_address(host)
            if not local:
                return None
        for listener in mine:
            if listener.host == local and (is_loopback(host) or not is_loopback(local)):
                return listener, local
        for listener in mine:
            if listener.host in WILDCARDS:
                return listener, local
        for listener in mine:
            # The kernel may send from any of its addresses, but nothing from loopback leaves the machine.
            if is_loopback(host) or not is_loopback(listener.host):
                return listener, listener.host
        return None

    def offered(self) -> tuple[str, ...]:
        """The transports that a request of ours may take, the preferred first; TCP needs no listener."""
        kinds = {listener.transport for listener in self.bound} | self._more
        return tuple(transport for transport in ("udp", "tcp", "tls") if transport in kinds)

    def families(self) -> tuple[str, ...]:
        """The DNS records of the addresses that we can send to, IPv6 first (RFC 6724 section 2.1)."""
        six = {":" in listener.host for listener in self.bound}
        return tuple(kind for kind, wanted in (("AAAA", True), ("A", False)) if wanted in six)

    def sent_by(self, transport: str, host: str) -> str:
        """host:port for our Via and Contact towards `host`, empty where no listener can be reached.

        On a stream a response comes back on its connection, so that without a listener for it another one is named.
        """
        found = self.towards(transport, host)
        if found is None and transport == "tls":
            found = self.towards("tcp", host)
        if found is None and transport != "udp":
            found = self.towards("udp", host)
        if found is None:
            return ""
        sent_by = host_port(*self.shown(found[0], found[1], host))
        self._remember(sent_by, True)
        return sent_by

    def shown(self, listener: Bound, local: str, peer: str) -> tuple[str, int]:
        """The address and port that a peer is told to reach us at, who is reached from `local` on `listener`."""
        return self._reach.shown(listener.token, local, listener.port, peer)

    def learn(self, raw: bytes, via_start: int, via_end: int, flow: Flow) -> bool:
        """Take from a response how its sender sees us (RFC 3581 section 9); whether that was new."""
        if flow.transport != "udp":
            return False  # the port that a peer sees of a stream is that of one connection
        via = read(raw[via_start:via_end])
        if not self._reach.learn(flow.token, flow.host, via.received, via.rport):
            return False
        self._own.clear()
        return True

    def network_changed(self) -> None:
        """Nothing that was found out about the old network holds any more."""
        self._reach.forget()
        self._own.clear()

    def is_ours(self, sent_by: str) -> bool:
        """Whether a response's sent-by is one that we write (RFC 3261 section 18.1.2)."""
        known = self._own.get(sent_by)
        if known is None:
            known = self._could_be_ours(sent_by)
            self._remember(sent_by, known)
        return known

    def _could_be_ours(self, sent_by: str) -> bool:
        """A predecessor's choice is not remembered, so every local address with a listener's port counts."""
        host, _, port = sent_by.rpartition(":")
        if not host or port.endswith("]"):
            host, port = sent_by, str(DEFAULT_PORT)
        if not (port.isascii() and port.isdigit() and len(port) <= 5):
            return False
        host = host.strip("[]")
        if self._reach.is_ours(host, int(port), self._ports):
            return True
        if int(port) not in self._ports:
            return False
        return any(listener.host == host for listener in self.bound) or self._is_local(host)

    def _remember(self, sent_by: str, ours: bool) -> None:
        if len(self._own) >= _OWN_LIMIT:
            self._own.clear()
        self._own[sent_by] = ours


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this machine's own."""
    return host.startswith("127.") or host == "::1"


def _same_family(one: str, other: str) -> bool:
    return (":" in one) == (":" in other)
