"""Asks DNS in threads of its own: the loop hands questions over and is woken by their answers.

With dnspython installed (``pip install 'sipactors[dns]'``) it asks for every kind of record, over UDP and, where an
answer is too long for it, TCP. Without, the system's own resolver gives addresses, and nobody knows of SRV and NAPTR.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from actors.transport.records import NONE, Answer, Naptr, Question, Srv, canonical, server_address

THREADS = 128  # at most, for each silent name holds one; they start as questions need them
WAITING = 4096  # questions; more fail at once
SYSTEM_TTL = 60.0  # seconds: the system's resolver tells none
MISSING = "SRV and NAPTR records need dnspython: pip install 'sipactors[dns]'"

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Came(NamedTuple):
    """An answer, and for how many seconds it may be kept."""

    question: Question
    answer: Answer
    ttl: float


class Resolver:
    """Threads that wait for DNS, so that nobody else does. They start with the first questions.

    Args:
        servers: ``ADDRESS`` or ``ADDRESS:PORT`` (IPv6 with a port in brackets); none for those of the system.
        timeout: seconds for one question, all servers and repetitions included.
    """

    def __init__(self, servers: tuple[str, ...] = (), timeout: float = 5.0) -> None:
        self._servers = servers
        self._timeout = timeout
        self._questions: queue.SimpleQueue[tuple[Question, float] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Came] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Lock()
        self._threads = 0
        self._open = 0

    def fileno(self) -> int:
        """The descriptor that can be read when answers have come."""
        return self._wake

    def ask(self, question: Question) -> None:
        """Send a question on its way. Every one is answered, if only with a failure."""
        self._open += 1
        if self._open > WAITING:
            self._answer(Came(question, Answer(failure="too many look-ups at once"), 0.0))
            return
        if self._threads < min(self._open, THREADS):
            try:
                threading.Thread(target=self._serve, name="resolver", daemon=True).start()
            except RuntimeError:  # the machine has none left: those that there are serve it, if any
                if not self._threads:
                    self._answer(Came(question, Answer(failure="DNS: no thread could be started"), 0.0))
                    return
            else:
                self._threads += 1
        self._questions.put((question, time.monotonic()))

    def collect(self) -> list[Came]:
        """The answers that have come."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        came = []
        while not self._answers.empty():
            came.append(self._answers.get())
        self._open -= len(came)
        return came

    def close(self) -> None:
        """Let the threads go; those that wait for DNS end when they have their answer."""
        for _ in range(self._threads):
            self._questions.put(None)
        with self._closing:
            os.close(self._wake)
            self._wake = -1

    def _serve(self) -> None:
        look_up = _look_up(self._servers, self._timeout)
        while (waiting := self._questions.get()) is not None:
            question, asked = waiting
            if time.monotonic() - asked > 2 * self._timeout:  # its search is about to be given up: on to younger ones
                self._answer(Came(question, Answer(failure="DNS: too many names without an answer"), 0.0))
                continue
            try:
                answer, ttl = look_up(question)
            except Exception as error:  # noqa: BLE001 - what a server or a library does must not end the thread
                answer, ttl = Answer(failure=f"DNS: {error or type(error).__name__}"), 0.0
            self._answer(Came(question, answer, ttl))

    def _answer(self, came: Came) -> None:
        with self._closing:
            self._answers.put(came)
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)


LookUp = Callable[[Question], tuple[Answer, float]]


def _look_up(servers: tuple[str, ...], timeout: float) -> LookUp:
    if importlib.util.find_spec("dns") is None:
        return ask_system
    return ask_dns(servers, timeout)


def ask_system(question: Question) -> tuple[Answer, float]:
    """Ask the system's resolver."""
    if question.kind not in {"A", "AAAA"}:
        return Answer(failure=MISSING), 0.0
    family = socket.AF_INET if question.kind == "A" else socket.AF_INET6
    try:
        found = socket.getaddrinfo(question.name, None, family, socket.SOCK_DGRAM)
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return NONE, SYSTEM_TTL
        return Answer(failure=f"DNS: {error.strerror}"), 0.0
    return Answer(tuple(dict.fromkeys(str(entry[4][0]) for entry in found))), SYSTEM_TTL


def ask_dns(servers: tuple[str, ...], timeout: float) -> LookUp:
    """The look-up by dnspython, which is imported here: in the thread that waits for it."""
    import dns.nameserver  # noqa: PLC0415 - an optional dependency
    import dns.resolver  # noqa: PLC0415

    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server_address(text)) for text in servers]
    resolver.lifetime = timeout
    resolver.timeout = max(timeout / 3, 0.5)  # to each server before the next is asked

    def look_up(question: Question) -> tuple[Answer, float]:
        try:
            found = resolver.resolve(question.name, question.kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
            return NONE, _negative_ttl(error)
        except dns.resolver.NoNameservers:
            return Answer(failure="DNS: every server failed"), 0.0
        except dns.resolver.LifetimeTimeout:
            return Answer(failure="DNS: no answer in time"), 0.0
        return Answer(tuple(_record(question.kind, one) for one in found)), float(found.rrset.ttl if found.rrset else 0)

    return look_up


def _record(kind: str, found: Any) -> str | Srv | Naptr:  # noqa: ANN401 - rdata of dnspython
    if kind == "SRV":
        return Srv(found.priority, found.weight, found.port, canonical(found.target.to_text()))
    if kind == "NAPTR":
        flags, service = found.flags.decode("latin-1").lower(), found.service.decode("latin-1").lower()
        return Naptr(found.order, found.preference, flags, service, canonical(found.replacement.to_text()))
    return str(found.address)


def _negative_ttl(error: Any) -> float:  # noqa: ANN401 - NXDOMAIN or NoAnswer
    """For how long *none* may be kept: the least of the SOA's TTL and its minimum (RFC 2308 section 5)."""
    import dns.rdatatype  # noqa: PLC0415

    responses = error.kwargs.get("responses", {}).values() or [error.kwargs.get("response")]
    ttls = [
        min(rrset.ttl, rdata.minimum)
        for response in responses
        if response is not None
        for rrset in response.authority
        if rrset.rdtype == dns.rdatatype.SOA
        for rdata in rrset
    ]
    return float(min(ttls, default=0))
