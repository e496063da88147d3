"""The transport actor on free ports, and peers to talk to it over UDP and TCP."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors import sip
from actors.runtime.channel import Deposit, Descriptor, Withdraw
from actors.sip.vocabulary import TransactionKey
from actors.transport.actor import TransportActor
from actors.transport.events import Received, ToDialog, ToTransaction, TransmitResponse
from actors.transport.settings import TransportSettings
from tests.runtime.harness import Harness

SHARD, DIALOG = "transaction-0", "dialog-0"
KEY = TransactionKey("z9hG4bKours", "", "OPTIONS")


class Service:
    """The actor on free ports of one family, and peers to talk to it."""

    def __init__(
        self, tmp_path: Path, host: str = "127.0.0.1", *, transports: Sequence[str] = ("udp", "tcp"), **settings: Any
    ) -> None:
        self.tmp_path = tmp_path
        self.host = host
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.settings = TransportSettings(listen=(), **settings)
        self.descriptors: dict[str, Descriptor] = {}
        self.addresses: dict[str, tuple[str, int]] = {}
        for transport in transports:
            sock = socket.socket(self.family, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
            sock.bind((host, 0))
            if transport != "udp":
                sock.listen()
            self.addresses[transport] = sock.getsockname()[:2]
            sock.setblocking(False)
            shown = f"[{host}]" if ":" in host else host
            self.descriptors[f"{transport}:{shown}:0"] = Descriptor(sock.detach(), b"")

    def harness(self, epoch: int = 1) -> Harness:
        held = {token: Descriptor(os.dup(held.fd), held.note) for token, held in self.descriptors.items()}
        peers = {SHARD: ToTransaction, DIALOG: ToDialog}
        return Harness(
            TransportActor,
            "transport",
            self.settings,
            peers=peers,
            tmp_path=self.tmp_path,
            epoch=epoch,
            descriptors=held,
        )

    def store(self, it: Harness) -> None:
        """Take what the actor deposited and withdrew, as the supervisor does."""
        for report, fd in it.reports:
            if isinstance(report, Deposit):
                assert fd is not None
                self.descriptors[report.token] = Descriptor(fd, report.note)
            elif isinstance(report, Withdraw) and report.token in self.descriptors:
                os.close(self.descriptors.pop(report.token).fd)
        it.reports.clear()

    def close(self) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor.fd)

    def sent_by(self, transport: str) -> str:
        host, port = self.addresses[transport]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def udp(self) -> socket.socket:
        peer = socket.socket(self.family, socket.SOCK_DGRAM)
        peer.bind((self.host, 0))
        peer.connect(self.addresses["udp"])
        peer.settimeout(5)
        return peer

    def tcp(self) -> socket.socket:
        return socket.create_connection(self.addresses["tcp"], timeout=5)


def request(number: int = 1, method: str = "OPTIONS", *, via: str = "peer.example;rport", body: str = "") -> bytes:
    return (
        f"{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP {via};branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n"
        f"To: <sip:a@b>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def answer(received: Received) -> bytes:
    request = sip.parse(received.raw)
    assert isinstance(request, sip.Request)
    return bytes(request.response(200, to_tag="ours"))


def response(sent_by: str, branch: str = KEY.branch) -> bytes:
    return (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP {sent_by};branch={branch}\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def reply(it: Harness, received: Received, key: TransactionKey = KEY) -> bytes:
    raw = answer(received)
    it.send(SHARD, TransmitResponse(key, received.flow, raw))
    return raw


def read(it: Harness, peer: socket.socket, count: int) -> bytes:
    """Read `count` bytes from the actor, serving its pipes meanwhile."""
    data = b""
    while len(data) < count:
        it.wait_for(lambda: select.select([peer], [], [], 0)[0], "bytes")
        piece = peer.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def accepted(it: Harness, listener: socket.socket) -> socket.socket:
    it.wait_for(lambda: select.select([listener], [], [], 0)[0], "a connection")
    return listener.accept()[0]


def datagram(it: Harness, peer: socket.socket) -> bytes:
    it.wait_for(lambda: select.select([peer], [], [], 0)[0], "a datagram")
    return peer.recv(65536)


def ended(it: Harness, peer: socket.socket) -> bytes:
    """Read until the actor has ended the connection."""
    data = b""
    while True:
        it.wait_for(lambda: select.select([peer], [], [], 0)[0], "the end")
        try:
            piece = peer.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece
