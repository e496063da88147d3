"""A DNS server in this process (dnslib): answers from a zone, or not at all, or badly, as a test says."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Self

import dnslib


class NameServer:
    """Answers over UDP and TCP on one port of the loopback.

    Args:
        zone: records as zone file lines; a name is absolute with its last dot.

    Attributes:
        mute: names (with their last dot) that get no answer.
        broken: names that get SERVFAIL.
        asked: how often each "name TYPE" was asked for.
    """

    def __init__(self, zone: str) -> None:
        self._records = dnslib.RR.fromZone(zone)
        self.mute: set[str] = set()
        self.broken: set[str] = set()
        self.asked: Counter[str] = Counter()
        self._udp, self._tcp = _one_port()
        self._tcp.listen()
        self.address = "{}:{}".format(*self._udp.getsockname())
        self._threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.sendto(b"", self._udp.getsockname())  # wakes the threads, which see that it is over
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while True:
            query, source = self._udp.recvfrom(4096)
            if not query:
                return
            answer = self._answer(query)
            if answer is None:
                continue
            packed = answer.pack()
            if len(packed) > 1232:
                short = dnslib.DNSRecord.parse(query).reply()
                short.header.tc = 1
                packed = short.pack()
            self._udp.sendto(packed, source)

    def _serve_tcp(self) -> None:
        while True:
            try:
                peer, _ = self._tcp.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as stream:
                size = int.from_bytes(stream.read(2), "big")
                answer = self._answer(stream.read(size))
                if answer is not None:
                    packed = answer.pack()
                    peer.sendall(len(packed).to_bytes(2, "big") + packed)

    def _answer(self, query: bytes) -> dnslib.DNSRecord | None:
        question = dnslib.DNSRecord.parse(query)
        name, kind = str(question.q.qname).lower(), dnslib.QTYPE[question.q.qtype]
        self.asked[f"{name} {kind}"] += 1
        if name in self.mute:
            return None
        reply = question.reply()
        if name in self.broken:
            reply.header.rcode = dnslib.RCODE.SERVFAIL
            return reply
        self._fill(reply, name, kind)
        return reply

    def _fill(self, reply: dnslib.DNSRecord, name: str, kind: str) -> None:
        known = False
        for _ in range(20):  # a chain of aliases, or a loop of them
            mine = [one for one in self._records if str(one.rname).lower() == name]
            known = known or bool(mine)
            for record in mine:
                if dnslib.QTYPE[record.rtype] in {kind, "CNAME"}:
                    reply.add_answer(record)
            alias = [record for record in mine if dnslib.QTYPE[record.rtype] == "CNAME"]
            if not alias or kind == "CNAME":
                break
            name = str(alias[0].rdata).lower()
        if not reply.rr:
            if not known:
                reply.header.rcode = dnslib.RCODE.NXDOMAIN
            reply.add_auth(*dnslib.RR.fromZone("example. 40 IN SOA ns.example. host.example. 1 2 3 4 30"))


def _one_port() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port: what is free for UDP may be taken for TCP, by any other test."""
    while True:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            return udp, tcp
