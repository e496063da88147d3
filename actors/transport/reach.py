"""The address that a peer is told to reach us at, where it is not the one the kernel sends from: pure.

A rule says, for the peers of a network: ``local`` (the address by route, which is what holds without rules), an address
with or without a port (that of a NAT or a load balancer before us), or ``learnt``: what the peer itself has seen, as
`received` and `rport` of its responses say (RFC 3581). The rule of the smallest network counts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

from actors.transport.records import is_numeric

LOCAL, LEARNT = "local", "learnt"
LIMIT = 4096  # peers whose view of us is remembered

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Rule(NamedTuple):
    """What peers of a network are told. `port` 0: that of the listener."""

    network: Network
    how: str
    port: int = 0


class RuleError(ValueError):
    """A rule that cannot be read; the text says which and what it may be."""


def parse_rules(rules: Mapping[str, str]) -> tuple[Rule, ...]:
    """Read rules, network -> ``local``, ``learnt``, ``HOST`` or ``HOST:PORT``; those of small networks come first.

    Raises:
        RuleError: one of them is something else.
    """
    found = []
    for network, text in rules.items():
        try:
            found.append(_rule(ipaddress.ip_network(network), text))
        except ValueError:
            message = "is no rule; it may be NETWORK = 'local', 'learnt', 'ADDRESS' or 'ADDRESS:PORT'"
            raise RuleError(f"{network} = {text!r} {message}") from None
    return tuple(sorted(found, key=lambda rule: -rule.network.prefixlen))


def _rule(network: Network, text: str) -> Rule:
    if text in {LOCAL, LEARNT}:
        return Rule(network, text)
    if is_numeric(text.strip("[]")):
        return Rule(network, str(ipaddress.ip_address(text.strip("[]"))))
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 0 < number <= 65535:
        raise ValueError(text)
    return Rule(network, str(ipaddress.ip_address(host.strip("[]"))), number)


class Reach:
    """The rules, and what peers have told.

    Args:
        rules: as :func:`parse_rules` gives them.

    Attributes:
        learns: whether any rule wants to learn.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self._rules = rules
        self._public = {(rule.how, rule.port) for rule in rules if rule.how not in {LOCAL, LEARNT}}
        self._learnt: dict[tuple[str, str], tuple[str, int]] = {}
        self.learns = any(rule.how == LEARNT for rule in rules)

    def shown(self, token: str, local: str, port: int, peer: str) -> tuple[str, int]:
        """What the peer is told instead of `local` and `port`, our address and port on the listener `token`."""
        rule = self._rule_for(peer) if self._rules else None
        if rule is None or rule.how == LOCAL:
            return local, port
        if rule.how == LEARNT:
            return self._learnt.get((token, peer), (local, port))
        return rule.how, rule.port or port

    def learn(self, token: str, peer: str, received: str, rport: int) -> bool:
        """Take how a peer has seen what we sent from the listener `token`; whether that was new."""
        rule = self._rule_for(peer)
        if rule is None or rule.how != LEARNT or not rport or not is_numeric(received):
            return False
        if self._learnt.get((token, peer)) == (received, rport):
            return False
        if len(self._learnt) >= LIMIT:
            del self._learnt[next(iter(self._learnt))]
        self._learnt[token, peer] = (received, rport)
        return True

    def is_ours(self, host: str, port: int, ports: set[int]) -> bool:
        """Whether we may have told somebody this address; `ports` are those of our listeners."""
        if (host, port) in self._public or (port in ports and (host, 0) in self._public):
            return True
        return (host, port) in self._learnt.values()

    def forget(self) -> None:
        """The network is another one."""
        self._learnt.clear()

    def _rule_for(self, peer: str) -> Rule | None:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return None
        return next((rule for rule in self._rules if address in rule.network), None)
