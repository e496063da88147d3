"""Fault 74: ICMP errors that somebody made up end no call."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.hostile.conftest import judge
from tests.live.peer import Callee
from tests.live.service import Service, running

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service whose timers are short, so that what is repeated comes soon."""
    with running("--answer", "echo", config="[sip]\nt1 = 0.1\n") as started:
        yield started
        judge(started)


@pytest.fixture
def forger() -> Iterator[socket.socket]:
    try:
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        pytest.skip("raw sockets need CAP_NET_RAW")
    with made:
        yield made


def checksum(data: bytes) -> int:
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def unreachable(port: int, to: int, payload: bytes) -> bytes:
    """Port unreachable, quoting a datagram from `port` of loopback to port `to`."""
    loopback = socket.inet_aton("127.0.0.1")
    udp = struct.pack("!HHHH", port, to, 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, loopback, loopback)
    body = ip + udp
    head = struct.pack("!BBHI", 3, 3, 0, 0)
    return struct.pack("!BBHI", 3, 3, checksum(head + body), 0) + body


def test_fault_74_forged_icmp_errors_end_no_call(service: Service, forger: socket.socket) -> None:
    port = service.addresses["udp"][1]
    with Callee() as callee, Client(service.run_dir) as client, client.events() as stream:
        to = int(callee.uri.rpartition(":")[2])
        call = client.place(callee.uri)
        invite = callee.receive("INVITE ")
        lies = (
            re.sub("branch=[^;\r]*", "branch=z9hG4bKguessed", invite),
            invite.replace("INVITE", "OPTIONS", 1),
            invite[:60] + "X" + invite[61:],
            "",
            "SIP/2.0 200 OK\r\n",
        )
        for lie in lies:
            forger.sendto(unreachable(port, to, lie.encode()[:500]), ("127.0.0.1", 0))
        forger.sendto(unreachable(port, to ^ 1, invite.encode()[:500]), ("127.0.0.1", 0))  # of another port
        callee.receive_again(invite)  # it is repeated, so it has not failed
        callee.reply(invite, 180, "Ringing")
        next_event(stream, "CallProgressed", [])
        # From here on even the truth says nothing: somebody has answered.
        forger.sendto(unreachable(port, to, invite.encode()[:500]), ("127.0.0.1", 0))
        client.hangup(call)
        cancel = callee.receive("CANCEL ")
        callee.reply(cancel, 200, "OK")
        callee.reply(invite, 487, "Request Terminated")
        callee.receive("ACK ")
        assert next_event(stream, "CallEnded", []).outcome == "cancelled"
