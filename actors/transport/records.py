"""What DNS answers about a name, and the entries that need no DNS: the hosts file and those of the configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

_SYNTAX = {
    "A": "NAME A ADDRESS",
    "AAAA": "NAME AAAA ADDRESS",
    "SRV": "NAME SRV PRIORITY WEIGHT PORT TARGET",
    "NAPTR": "NAME NAPTR ORDER PREFERENCE FLAGS SERVICE REPLACEMENT",
}


class Question(NamedTuple):
    """One look-up: a name in lower case without its last dot, and ``A``, ``AAAA``, ``SRV`` or ``NAPTR``."""

    name: str
    kind: str


class Srv(NamedTuple):
    """RFC 2782. `target` is lower case without its last dot; empty for the root, which says: no such service."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(NamedTuple):
    """RFC 3403 section 4.1, as far as RFC 3263 uses it: names and services in lower case."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Answer(NamedTuple):
    """What came of a question.

    Attributes:
        records: addresses as text, :class:`Srv` or :class:`Naptr`; empty where there are none.
        failure: why nothing is known, for people; empty where the answer, be it *none*, is certain.
    """

    records: tuple[str | Srv | Naptr, ...] = ()
    failure: str = ""


NONE = Answer()


class StaticError(ValueError):
    """A static entry that cannot be read; the text says which and how it should look."""


def canonical(name: str) -> str:
    """A domain name as it is compared: lower case, without the last dot."""
    return name.rstrip(".").lower()


def is_numeric(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
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
            addresses = found.setdefault(canonical(name), [])
            if address not in addresses:
                addresses.append(address)
    local = found.setdefault("localhost", [])
    local += [address for address in ("127.0.0.1", "::1") if address not in local]  # RFC 6761 section 6.3
    return {name: tuple(addresses) for name, addresses in found.items()}


def parse_static(lines: Iterable[str]) -> dict[Question, Answer]:
    """Read static entries, written as in a zone file without class and TTL: ``pbx.example A 192.0.2.7``.

    Raises:
        StaticError: a line is something else.
    """
    found: dict[Question, Answer] = {}
    for line in lines:
        words = line.split()
        name, kind, data = "".join(words[:1]), "".join(words[1:2]).upper(), words[2:]
        try:
            record = _READERS[kind](*data)
        except (KeyError, TypeError, ValueError):
            ways = _SYNTAX.get(kind) or ", ".join(_SYNTAX.values())
            raise StaticError(f"{line!r} is no entry; it may be {ways}") from None
        question = Question(canonical(name), kind)
        before = found.get(question, NONE)
        found[question] = Answer((*before.records, record))
    return found


def server_address(text: str) -> tuple[str, int]:
    """Address and port of a DNS server.

    Raises:
        ValueError: it is no numeric address.
    """
    host, bracket, port = text.rpartition("]:") if text.startswith("[") else text.rpartition(":")
    if not host or (":" in host and not bracket.startswith("]")):
        host, port = text, "53"
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def _number(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError(text)
    return value


def _srv(priority: str, weight: str, port: str, target: str) -> Srv:
    return Srv(_number(priority), _number(weight), _number(port), canonical(target))


def _naptr(order: str, preference: str, flags: str, service: str, replacement: str) -> Naptr:
    return Naptr(_number(order), _number(preference), flags.lower(), service.lower(), canonical(replacement))


def _four(text: str) -> str:
    return str(ipaddress.IPv4Address(text))


def _six(text: str) -> str:
    return str(ipaddress.IPv6Address(text))


_READERS: dict[str, Callable[..., str | Srv | Naptr]] = {"A": _four, "AAAA": _six, "SRV": _srv, "NAPTR": _naptr}


class Static:
    """Entries that go before DNS. Of a name that has some, DNS is asked nothing more.

    Args:
        entries: those of the configuration.
        hosts: those of the hosts file.
    """

    def __init__(self, entries: Mapping[Question, Answer], hosts: Mapping[str, tuple[str, ...]]) -> None:
        self._entries = entries
        self._hosts = hosts
        self._names = {_domain(question.name) for question in entries} | set(hosts)

    def look(self, question: Question) -> Answer | None:
        """The answer; None where DNS has to be asked."""
        found = self._entries.get(question)
        if found is not None:
            return found
        addresses = self._hosts.get(question.name, ())
        if question.kind in {"A", "AAAA"}:
            mine = tuple(one for one in addresses if (":" in one) == (question.kind == "AAAA"))
            if mine:
                return Answer(mine)
        return NONE if _domain(question.name) in self._names else None


def _domain(name: str) -> str:
    """The name without the labels of a service: ``_sip._udp.example.com`` belongs to ``example.com``."""
    while name.startswith("_") and "." in name:
        name = name.partition(".")[2]
    return name
