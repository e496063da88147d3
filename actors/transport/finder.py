"""Locate in the actor: questions to DNS, its answers, and the searches that a journal keeps while they wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from actors.runtime.machine import Event
from actors.sip.vocabulary import Target
from actors.transport.events import Located
from actors.transport.failed_targets import FailedTargets
from actors.transport.kept import WANTED, WantedCell, wanted_key
from actors.transport.locate import Location, Policy, Result
from actors.transport.records import Static, parse_hosts, parse_static
from actors.transport.resolver import Resolver
from actors.transport.route import Listeners
from actors.transport.settings import TransportSettings

_HOSTS = Path("/etc/hosts")
_LOOK_UPS = 3  # NAPTR, SRV and addresses, one after the other


class Shell(Protocol):
    """What is needed of the actor."""

    cells: Any
    mailbox: Any

    def tell(self, peer: str, message: Event, *, journalled: bool = True) -> None:
        """Send to another actor after the commit."""


class Finder:
    """Finds next hops for the dialog shards.

    Args:
        shell: the actor.
        settings: how DNS is asked and targets are tried.
        listeners: our addresses.
        complain: told, for people, what is wrong with the hosts file.
    """

    def __init__(
        self, shell: Shell, settings: TransportSettings, listeners: Listeners, complain: Callable[[str], None]
    ) -> None:
        self._shell = shell
        self._timeout = settings.dns_timeout
        self._complain = complain
        self._static = parse_static(settings.dns_static)
        self._hosts_changed = 0
        self._failed = FailedTargets(settings.failed_for)
        self._resolver = Resolver(settings.dns_servers, settings.dns_timeout)
        policy = Policy(settings.failover_after, settings.udp_max, settings.udp_max_of)
        self._location = Location(self._resolver.ask, listeners, self._failed, policy)
        self._location.use(Static(self._static, parse_hosts("")))

    def start(self, now: float) -> None:
        """Listen to the resolver, and search again what a predecessor was searching."""
        self._shell.mailbox.watch(self._resolver.fileno(), self._resolved)
        for key in [key for key in self._shell.cells.keys() if key.startswith(WANTED)]:  # noqa: SIM118 - no mapping
            self._begin(key, self._shell.cells.get(key), now)

    def close(self) -> None:
        """Let the resolver go."""
        self._shell.mailbox.unwatch(self._resolver.fileno())
        self._resolver.close()

    def find(self, peer: str, ref: str, uri: str, now: float) -> None:
        """Find the next hops for a URI, and tell `peer`: at once, or when DNS has answered."""
        self._begin(wanted_key(peer, ref), WantedCell(peer, ref, uri), now)

    def failed(self, target: Target, seconds: float, now: float) -> None:
        """Note that a target failed, and for how long it wants to be left alone."""
        self._failed.add(target, now, seconds)

    def expire(self, key: bytes) -> None:
        """The answers for one search took too long."""
        self._end(key, self._location.give_up(key))

    def spoiled(self, wanted: WantedCell) -> None:
        """A step of ours broke on a search."""
        self._tell(wanted, Result(reason="our own fault"))

    def network_changed(self) -> None:
        """What was true of the old network is not believed any more."""
        self._location.network_changed()

    def _begin(self, key: bytes, wanted: WantedCell, now: float) -> None:
        self._read_hosts()
        result = self._location.begin(key, wanted.uri, secrets.randbits(32), now)
        if result is None:
            self._shell.cells.put(key, wanted, now + _LOOK_UPS * self._timeout)
        elif key in self._shell.cells:
            self._end(key, result)
        else:
            self._tell(wanted, result)

    def _resolved(self, now: float) -> bool:
        """Answers of DNS have come."""
        for question, answer, ttl in self._resolver.collect():
            for key, result in self._location.answered(question, answer, ttl, now):
                self._end(key, result)
        return False

    def _end(self, key: bytes, result: Result) -> None:
        wanted = self._shell.cells.get(key)
        if wanted is not None:
            self._shell.cells.delete(key)
            self._tell(wanted, result)

    def _tell(self, wanted: WantedCell, result: Result) -> None:
        self._shell.tell(wanted.peer, Located(wanted.ref, result.candidates, result.reason))

    def _read_hosts(self) -> None:
        """Read the hosts file again when it has changed."""
        try:
            changed = _HOSTS.stat().st_mtime_ns
            if changed != self._hosts_changed:
                hosts = parse_hosts(_HOSTS.read_text(encoding="utf-8", errors="replace"))
                self._location.use(Static(self._static, hosts))
                self._hosts_changed = changed
        except OSError as error:
            self._complain(f"the hosts file cannot be read: {error}")
