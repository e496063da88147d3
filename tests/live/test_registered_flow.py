"""The connection that an account registered on is pinged, calls come in on it, and when it dies there is another."""

from __future__ import annotations

import socket

import pytest

from actors import sip
from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.service import running

pytestmark = pytest.mark.live

CONFIG = """
[[accounts]]
aor = "sip:alice@example.com"
registrar = "sip:127.0.0.1:{port};transport=tcp"
"""


class Registrar:
    """A registrar that takes one connection after the other."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)

    def registered(self) -> socket.socket:
        """Accept a connection and the REGISTER on it, whatever line ends come before."""
        peer, _ = self.listener.accept()
        peer.settimeout(20)
        data = b""
        while b"\r\n\r\n" not in data.lstrip(b"\r\n"):
            data += peer.recv(65536)
        request = sip.parse(data.lstrip(b"\r\n"))
        assert isinstance(request, sip.Request)
        assert request.method == "REGISTER"
        lines = [("Contact", f"{request.get('Contact')};expires=600"), ("Flow-Timer", "2")]
        peer.sendall(bytes(request.response(200, to_tag="registrar", headers=lines)))
        return peer


def invite(contact: str) -> bytes:
    return (
        f"INVITE {contact} SIP/2.0\r\nVia: SIP/2.0/TCP registrar.example;branch=z9hG4bKcall;rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag=bob\r\nTo: <sip:alice@example.com>\r\n"
        "Call-ID: on-the-flow\r\nCSeq: 1 INVITE\r\nContact: <sip:bob@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def test_the_flow_of_a_registration_is_pinged_used_and_replaced() -> None:
    registrar = Registrar()
    config = CONFIG.format(port=registrar.listener.getsockname()[1])
    with registrar.listener, running("--answer", "ring", config=config) as service, Client(service.run_dir) as client:
        with client.events() as stream, registrar.registered() as peer:
            assert peer.recv(4) == b"\r\n\r\n"
            peer.sendall(b"\r\n" + invite("sip:alice@127.0.0.1"))
            call = next_event(stream, "CallReceived", []).call
            client.reject(call)
            next_event(stream, "CallEnded", [])
        with registrar.registered() as peer:  # the first one is closed: here is the next
            assert peer.recv(4) == b"\r\n\r\n"
