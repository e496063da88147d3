"""RFC 3263 for real: a service, a DNS server, and targets of which some refuse, fail or keep silent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live import sipp
from tests.live.peer import Callee
from tests.live.service import Service, running
from tests.transport.nameserver import NameServer

pytestmark = pytest.mark.live
pytest.importorskip("dns", reason="dnspython is not installed")


class Unwilling:
    """A server that answers every INVITE with 503, over UDP or TCP.

    Attributes:
        invites: how many came; one that is sent again counts once.
    """

    def __init__(self, transport: str) -> None:
        self._stream = transport == "tcp"
        self._socket = socket.socket(socket.AF_INET, sipp.kind(transport))
        self._socket.bind(("127.0.0.1", 0))
        if self._stream:
            self._socket.listen()
        self.port = self._socket.getsockname()[1]
        self._branches: set[str] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            self._socket.shutdown(socket.SHUT_RDWR)
        else:
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(20)
        self._socket.close()

    @property
    def invites(self) -> int:
        return len(self._branches)

    def _serve(self) -> None:
        while not self._stream:
            data, source = self._socket.recvfrom(65536)
            if not data:
                return
            self._socket.sendto(self._answer(data.decode()), source)
        with suppress(OSError):  # at the end
            while True:
                peer, _ = self._socket.accept()
                with peer:
                    while data := peer.recv(65536):
                        peer.sendall(self._answer(data.decode()))

    def _answer(self, text: str) -> bytes:
        if not text.startswith("INVITE "):
            return b"\r\n"  # an ACK gets no answer; a line end is none
        self._branches.add(text.partition("branch=")[2].partition("\r\n")[0])
        kept = [line for line in text.split("\r\n") if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
        kept = [f"{line};tag=no" if line.startswith("To:") else line for line in kept]
        return "\r\n".join(["SIP/2.0 503 Service Unavailable", *kept, "Content-Length: 0", "", ""]).encode()


def _zone(transport: str, *ports: int) -> str:
    records = [f"_sip._{transport}.pbx.example. 60 IN SRV {n} 0 {port} one.example." for n, port in enumerate(ports)]
    return "\n".join([*records, "one.example. 60 IN A 127.0.0.1"])


@contextmanager
def _service(zone: str, more: str = "") -> Iterator[tuple[Service, NameServer]]:
    with NameServer(zone) as server, running(config=f'[dns]\nservers = ["{server.address}"]\n{more}') as service:
        yield service, server


def _call(client: Client) -> float:
    """Call the domain and hang up; the seconds from the command to the answer."""
    with client.events() as stream:
        seen: list[Any] = []
        began = time.time()
        call = client.place("sip:bob@pbx.example")
        answered = next_event(stream, "CallAnswered", seen)
        client.hangup(call)
        next_event(stream, "CallEnded", seen)
        return float(answered.time) - began


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_of_three_targets_one_refuses_one_answers_503_and_the_next_call_goes_to_the_good_one_first(
    tmp_path: Path, transport: str, record_property: Any
) -> None:
    closed = sipp.free_port(sipp.kind(transport))
    with (
        Unwilling(transport) as unwilling,
        sipp.answering(tmp_path / "uas", transport=transport) as (_, good),
        _service(_zone(transport, closed, unwilling.port, good)) as (service, server),
        Client(service.run_dir) as client,
    ):
        first = _call(client)
        assert unwilling.invites == 1
        second = _call(client)
        assert unwilling.invites == 1, "it failed lately, so it comes last"
        assert server.asked[f"_sip._{transport}.pbx.example. SRV"] == 1
        record_property("seconds", (first, second))
        assert sipp.finished(tmp_path / "uas", 2).failed == 0


def test_a_silent_target_costs_failover_after_and_its_late_ringing_is_cancelled(
    tmp_path: Path, record_property: Any
) -> None:
    with (
        Callee() as silent,
        sipp.answering(tmp_path / "uas") as (_, good),
        _service(_zone("udp", int(silent.uri.rpartition(":")[2]), good), "failover_after = 3\n") as (service, _),
        Client(service.run_dir) as client,
    ):
        record_property("seconds", _call(client))
        invite = silent.receive("INVITE ")
        silent.reply(invite, 180, "Ringing")
        cancel = silent.receive("CANCEL ")
        branch = invite.partition("branch=")[2].partition("\r\n")[0]
        assert branch in cancel
        silent.reply(cancel, 200, "OK")
        silent.reply(invite, 487, "Request Terminated")
        silent.receive("ACK ")
        assert client.calls() == []


def test_a_silent_target_that_answers_late_gets_ack_and_bye(tmp_path: Path) -> None:
    with (
        Callee() as silent,
        sipp.answering(tmp_path / "uas") as (_, good),
        _service(_zone("udp", int(silent.uri.rpartition(":")[2]), good), "failover_after = 0.5\n") as (service, _),
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        seen: list[Any] = []
        call = client.place("sip:bob@pbx.example")
        next_event(stream, "CallAnswered", seen)
        invite = silent.receive("INVITE ")
        silent.reply(invite, 200, "OK", f"Contact: <{silent.uri}>")
        silent.receive("ACK ")
        silent.reply(silent.receive("BYE "), 200, "OK")
        assert [info.call for info in client.calls()] == [call], (seen, service.lines)
        client.hangup(call)
        next_event(stream, "CallEnded", seen)


def test_fault_74_a_call_to_a_closed_port_fails_at_once() -> None:
    with running() as service:
        done = service.command("call", f"sip:x@127.0.0.1:{sipp.free_port()}", "--json")
        assert '"unreachable"' in done.stdout, done.stdout + done.stderr
        assert "Connection refused" in done.stdout


def test_a_large_request_goes_by_tcp_and_where_nobody_listens_by_udp() -> None:
    long = "x" * 1400
    with Callee() as callee, running() as service, Client(service.run_dir) as client:
        call = client.place(callee.uri, headers=(("X-Long", long),))
        invite = callee.receive("INVITE ")
        assert "Via: SIP/2.0/UDP " in invite
        callee.reply(invite, 486, "Busy Here")
        callee.receive("ACK ")
        port = int(callee.uri.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(20)
            # It failed lately, so that UDP is used at once and costs nothing.
            client.place(callee.uri, headers=(("X-Long", long),))
            assert "Via: SIP/2.0/UDP " in callee.receive("INVITE ")
        assert call
    with Callee() as callee, running() as service, Client(service.run_dir) as client:
        port = int(callee.uri.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(20)
            client.place(callee.uri, headers=(("X-Long", long),))
            peer, _ = server.accept()
            with peer:
                text = peer.recv(65536).decode()
                assert text.startswith("INVITE ")
                assert "Via: SIP/2.0/TCP " in text
                assert ";transport=tcp>" in text.partition("Contact: ")[2].partition("\r\n")[0]
