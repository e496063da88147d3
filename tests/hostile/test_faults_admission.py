"""Faults 1 to 4, 37, 62 and 73: floods, callers who never acknowledge, loops, and what there is no room for."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.hostile.conftest import Connect, judge
from tests.hostile.wire import PATIENCE, Dialog, Wire, new_branch, sdp
from tests.live.peer import Callee
from tests.live.rtp import SAMPLES, RtpPeer
from tests.live.service import RTP_PORTS, Service, own_ports, running
from tests.transport.nameserver import NameServer

SOUND = b"\x55" * SAMPLES
RATE = 5
T1 = 0.05
SOURCES = 20
CONFIG = f"""
[sip]
t1 = {T1}
[peers]
rates = {{ "127.0.1.0/24" = {RATE} }}
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service that lets each address of 127.0.1.0/24 begin five things a second, and answers every call."""
    with running("--answer", "echo", config=CONFIG) as started:
        yield started
        judge(started)


class Flood:
    """One source of requests."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.connect(target)
        self._sent_by = "{}:{}".format(*self.socket.getsockname())
        self._uri = "sip:x@{}:{}".format(*target)

    def send(self, method: str, number: int, to_tag: str = "") -> None:
        body = sdp(9) if method == "INVITE" else b""
        tag = f";tag={to_tag}" if to_tag else ""
        lines = [
            f"{method} {self._uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._sent_by};branch={new_branch()}",
            "Max-Forwards: 70",
            f"From: <sip:a@{self._sent_by}>;tag=f{number}",
            f"To: <{self._uri}>{tag}",
            f"Call-ID: {number}-{new_branch()}@{self._sent_by}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:a@{self._sent_by}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.socket.send("\r\n".join([*lines, "", ""]).encode() + body)

    def heard(self) -> list[bytes]:
        """Everything up to the 481 to a last request, which is never refused for load.

        It is sent again where nothing comes: the flood may have filled the buffer that it was to wait in.
        """
        self.send("BYE", 0, to_tag="nobody")
        heard, end = [], time.monotonic() + PATIENCE
        while True:
            if not select.select([self.socket], [], [], 1.0)[0]:
                assert time.monotonic() < end, "no answer came"
                self.send("BYE", 0, to_tag="nobody")
                continue
            data = self.socket.recv(65_535)
            if data.startswith(b"SIP/2.0 481 "):
                return heard
            heard.append(data)


def _counted(service: Service, reason: str) -> int:
    """What the service has written down of a counter; it writes now and then."""
    path = service.run_dir / "counters" / "transport.json"
    counts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return int(counts.get(reason, 0))


def _wait_counted(service: Service, reason: str, least: int) -> None:
    """Wait until the service has written down that it counted so many."""
    with Client(service.run_dir) as client, client.events() as stream:
        end = time.monotonic() + PATIENCE
        while _counted(service, reason) < least:
            assert time.monotonic() < end, f"{reason!r} was counted {_counted(service, reason)} times, not {least}"
            stream.receive(0.1)


METHODS = ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE"]
TOO_FAST = "refused: too many from one source"


@pytest.mark.parametrize("method", METHODS)
def test_faults_1_and_2_a_flood_from_many_sources_is_refused_with_503_and_a_call_goes_on(
    service: Service, connect: Connect, method: str
) -> None:
    first = 1 + 40 * METHODS.index(method)
    began, before = time.monotonic(), _counted(service, TOO_FAST)
    with ExitStack() as stack:
        rtp = stack.enter_context(RtpPeer(SOUND))
        call = Dialog(connect())
        call.call(sdp(rtp.port))
        rtp.target = call.rtp
        rtp.wait_heard()
        floods = [Flood(f"127.0.1.{first + n}", service.addresses["udp"]) for n in range(SOURCES)]
        for flood in floods:
            stack.callback(flood.socket.close)
        for number in range(60):
            for flood in floods:
                flood.send(method, number)
        heard = [flood.heard() for flood in floods]
        rtp.wait_heard()
        call.hang_up()
    numbers = [packet.sequence for packet in rtp.packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "the call in progress lost audio"
    refused = [data for said in heard for data in said if data.startswith(b"SIP/2.0 503 ")]
    assert refused
    assert all(b"\r\nRetry-After: " in data for data in refused)
    for said in heard:
        admitted = {data.partition(b"branch=")[2][:30] for data in said if not data.startswith(b"SIP/2.0 503 ")}
        assert len(admitted) <= RATE * (1 + time.monotonic() - began)
    _wait_counted(service, TOO_FAST, before + len(refused))


def test_fault_3_a_burst_of_a_trusted_peer_is_not_refused(connect: Connect) -> None:
    wire = connect()
    for _ in range(10):  # as many at once as the smallest receive buffer holds
        requests = [Dialog(wire).write("OPTIONS") for _ in range(50)]
        for request in requests:
            wire.send(request)
        answers = [wire.receive() for _ in requests]
        assert all(answer.startswith(b"SIP/2.0 200 ") for answer in answers)


def test_fault_4_a_call_that_is_never_acknowledged_ends_with_a_bye(connect: Connect) -> None:
    wire = connect()
    call = Dialog(wire)
    invite = call.write("INVITE", body=sdp(9))
    answer = wire.ask(invite)
    assert answer.status == 200
    bye = wire.request("BYE")
    wire.send(bytes(bye.response(200)))


@pytest.mark.parametrize("contacts", [1, 100])
def test_fault_37_a_redirection_that_leads_back_is_not_followed_for_ever(service: Service, contacts: int) -> None:
    with Callee() as callee, Client(service.run_dir) as client, client.events() as stream:
        client.place(callee.uri)
        own = callee.uri.replace("sip:", "sip:n{}-")
        lines = [f"Contact: <{callee.uri}>", *(f"Contact: <{own.format(n)}>" for n in range(contacts - 1))]
        invites = 0
        seen: list[Any] = []
        while not any(type(event).__name__ == "CallEnded" for event in seen):
            if (invite := callee.glance("INVITE ")) is not None:
                callee.reply(invite, 302, "Moved Temporarily", *lines)
                invites += 1
                assert invites <= 6  # so many tries has a call in all
                callee.receive("ACK ")
            seen.append(stream.receive(0.05))


def test_fault_62_names_that_dns_fails_for_end_in_503_and_hold_up_nobody() -> None:
    zone = "loop.example. 60 IN CNAME loop2.example.\nloop2.example. 60 IN CNAME loop.example."
    pytest.importorskip("dns", reason="dnspython is not installed")
    with NameServer(zone) as server:
        server.broken.add("broken.example.")
        server.mute.add("mute.example.")
        config = f'[dns]\nservers = ["{server.address}"]\ntimeout = 1.0\n'
        with running("--answer", "echo", config=config) as service, Client(service.run_dir) as client:
            with client.events() as stream:
                calls = {client.place(f"sip:x@{name}.example:5060") for name in ("mute", "broken", "loop", "none")}
                with Wire(service.addresses["udp"]) as wire:
                    call = Dialog(wire)
                    call.call()
                    call.hang_up()
                seen: list[Any] = []
                ended = [next_event(stream, "CallEnded", seen) for _ in range(5)]
            failed = {event.call: (event.outcome, event.status) for event in ended if event.call in calls}
            assert failed == dict.fromkeys(calls, ("unreachable", 503))
            judge(service)


def test_fault_73_a_call_for_which_no_rtp_port_is_left_gets_503() -> None:
    with (
        own_ports(RTP_PORTS) as first,
        running("--answer", "echo", config=f"[media]\nports = [{first}, {first + 3}]\n") as service,
    ):
        with Wire(service.addresses["udp"]) as wire:
            calls = [Dialog(wire) for _ in range(3)]
            for call in calls[:2]:
                call.call()
            assert wire.ask(calls[2].write("INVITE", body=sdp(9))).status == 503
            calls[0].hang_up()
            calls[1].hang_up()
            last = Dialog(wire)
            last.call()
            last.hang_up()
        judge(service)
