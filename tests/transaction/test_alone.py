"""The layer over a plain socket, without actors, pipes or a journal."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from typing import Any

from actors.sip.scan import scan
from actors.sip.vocabulary import Flow, Target
from actors.transaction.effects import Reply, Tell, Transmit
from actors.transaction.events import AckReceived, RequestReceived, Respond, ResponseReceived, SendDirect, SendRequest
from actors.transaction.layer import Layer
from tests.transaction.messages import client_key, request, response


class Endpoint:
    """A layer, a UDP socket, and a user that is a function."""

    def __init__(self, user: Any) -> None:
        self.layer = Layer(b"sixteen bytes ok")
        self.user = user
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def carry_out(self, effects: Any) -> None:
        for effect in effects:
            if isinstance(effect, Tell):
                self.user(effect.event)
            else:
                assert isinstance(effect, Transmit | Reply)
                to = effect.target if isinstance(effect, Transmit) else effect.flow
                self.socket.sendto(effect.raw, (to.host, to.port))

    def send(self, command: Any) -> None:
        self.carry_out(self.layer.send(command, time.monotonic()))

    def read(self) -> None:
        raw, (host, port) = self.socket.recvfrom(65536)
        flow = Flow("udp:0", "udp", "127.0.0.1", self.port, host, port)
        self.carry_out(self.layer.receive(flow, scan(raw).head, raw, time.monotonic()))


def test_a_call_over_two_plain_sockets() -> None:
    heard: list[str] = []

    def callee(event: Any) -> None:
        heard.append(type(event).__name__)
        if isinstance(event, RequestReceived):
            for status in (180, 200):
                bob.send(Respond(event.key, status, response(event.raw, status)))

    def caller(event: Any) -> None:
        assert isinstance(event, ResponseReceived)
        heard.append(str(event.head.status))
        if event.head.status == 200:
            alice.send(SendDirect(target, request("ACK", branch="z9hG4bKack", to_tag="to-1")))

    alice, bob = Endpoint(caller), Endpoint(callee)
    with alice.socket, bob.socket:
        target = Target("udp", "127.0.0.1", bob.port)
        invite = request(sent_by=f"127.0.0.1:{alice.port}")
        alice.send(SendRequest(client_key(invite), target, invite))
        while AckReceived.__name__ not in heard:
            ready, _, _ = select.select([alice.socket, bob.socket], [], [], 5.0)
            assert ready, f"nothing comes any more after {heard}"
            for endpoint in (alice, bob):
                if endpoint.socket in ready:
                    endpoint.read()
    assert sorted(heard) == ["180", "200", "AckReceived", "RequestReceived"]
    assert alice.layer.next_deadline() is not None


def test_the_layer_needs_neither_pipes_nor_actors() -> None:
    code = "import sys, actors.transaction.layer; print({'zmq', 'pykka', 'lmdb', 'socket'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
