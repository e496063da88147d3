"""The cases of FAULTS.md that need a stream: lengths that lie, smuggling, slow, dying and deaf peers."""

from __future__ import annotations

import resource
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from actors.control.client import Client, CommandRefused
from tests.chaos.killing import next_event
from tests.hostile.conftest import Connect, wait_for_no_calls
from tests.hostile.wire import PATIENCE, Dialog, Wire, branch_of, sdp
from tests.live.service import Service

pytestmark = pytest.mark.live

MIB = 1 << 20


@pytest.fixture
def wire(connect: Connect) -> Wire:
    return connect("tcp")


BOMBS = {
    "a line of 70 KB": (b"Subject: " + b"x" * 70_000 + b"\r\n", 513),
    "10,000 headers": (b"X: y\r\n" * 10_000, 400),
    "10,000 Vias": (b"v:SIP/2.0/TCP a;branch=z\r\n" * 10_000, 513),
    "20,000 folds": (b"Subject: x\r\n" + b" \r\n" * 20_000, 400),
    "a head without an end": (b"X: y\r\n" * 20_000, 513),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_fault_14_a_header_bomb_on_a_stream_is_refused(wire: Wire, bomb: str) -> None:
    lines, status = BOMBS[bomb]
    request = Dialog(wire).write("OPTIONS").replace(b"Max-Forwards: 70\r\n", lines)
    assert wire.ask(request).status == status


def test_fault_17_a_length_that_is_too_long_meets_a_deadline_and_the_connection_is_closed(wire: Wire) -> None:
    dialog = Dialog(wire)
    assert wire.ask(dialog.write("OPTIONS")).status == 200
    request = dialog.write("OPTIONS", body=b"short", length=500)
    wire.send(request)
    assert not [said for said in wire.wait_closed() if branch_of(request).encode() in said]


def test_fault_17_a_length_that_is_too_short_is_answered_and_the_rest_closes_the_connection(wire: Wire) -> None:
    request = Dialog(wire).write("OPTIONS", body=b"twelve bytes\r\n\r\n", length=4)
    wire.send(request)
    statuses = [int(said[8:11]) for said in wire.wait_closed() if said.startswith(b"SIP/2.0 ")]
    assert statuses in ([200], [200, 400])  # what follows may be refused with an answer or without one


@pytest.mark.parametrize("length", ["", "x", "-1", "4\r\nl: 4", 1 << 64])
def test_fault_17_no_length_or_a_wrong_one_gets_400_and_the_connection_is_closed(wire: Wire, length: str | int) -> None:
    request = Dialog(wire).write("OPTIONS", body=b"twelve bytes", length=length)
    wire.send(request)
    assert [int(said[8:11]) for said in wire.wait_closed()] == [400]


def test_fault_18_a_request_inside_a_declared_body_is_never_run(wire: Wire, service: Service) -> None:
    with Client(service.run_dir) as client, client.events() as stream:
        inner = Dialog(wire).write("INVITE", body=sdp(9))
        outer, after = Dialog(wire), Dialog(wire)
        request = outer.write("OPTIONS", body=b"\r\n\r\n" + inner)
        follows = after.write("OPTIONS")
        wire.send(request + follows)
        answers = [wire.final(branch_of(request)), wire.final(branch_of(follows))]
        assert [answer.status for answer in answers] == [200, 200]
        assert branch_of(inner).encode() not in answers[0].data + answers[1].data
        after.call()
        after.hang_up()
        assert next_event(stream, "CallReceived", []).remote == f"sip:peer@{wire.sent_by}"
        seen: list[object] = []
        next_event(stream, "CallEnded", seen)
        assert [event for event in seen if type(event).__name__ == "CallReceived"] == [], "the inner INVITE was run"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process may have thousands."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_descriptors")
def test_fault_21_two_thousand_slow_connections_are_closed_and_others_are_served_meanwhile(connect: Connect) -> None:
    slow = [connect("tcp") for _ in range(min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200))]
    for wire in slow:
        wire.send(b"O")
    for transport in ("udp", "tcp"):
        dialog = Dialog(connect(transport))
        dialog.call()
        dialog.hang_up()
    for wire in slow:
        assert wire.wait_closed() == []


@pytest.mark.parametrize("answered", [True, False])
def test_fault_23_a_hundred_invites_and_a_reset_leave_nothing_behind(ringing: Service, answered: bool) -> None:
    with Client(ringing.run_dir) as client, client.events() as stream:
        wire = Wire(ringing.addresses["tcp"], "tcp")
        dialogs = [Dialog(wire) for _ in range(100)]
        wire.send(b"".join(dialog.write("INVITE", body=sdp(9)) for dialog in dialogs))
        seen: list[object] = []
        calls = [next_event(stream, "CallReceived", seen).call for _ in dialogs]
        if answered:  # the transactions have something on its way when the connection breaks
            for call in calls[:50]:
                client.reject(call)
        wire.reset()
        for call in calls:
            with suppress(CommandRefused):  # it has ended: its 180 could not be written any more
                client.reject(call)
        wait_for_no_calls(ringing)
        ended = {event.call for event in seen if type(event).__name__ == "CallEnded"}
        while len(ended) < len(calls):
            ended.add(next_event(stream, "CallEnded", []).call)
        assert ended == set(calls)


def flood(dialog: Dialog, long: bytes, limit: int) -> None:
    """Send requests whose answers are long, up to `limit` bytes."""
    for _ in range(limit // len(long)):
        dialog.wire.send(dialog.write("OPTIONS").replace(b"\r\nMax-Forwards", long + b"\r\nMax-Forwards", 1))


def test_fault_24_a_peer_that_never_reads_is_closed(service: Service, connect: Connect) -> None:
    long = "".join(f"\r\nVia: SIP/2.0/TCP a{n};branch=z9hG4bK{n};x={'y' * 8000}" for n in range(6)).encode()
    with Wire(service.addresses["tcp"], "tcp", receive_buffer=4096) as deaf:
        deaf.socket.settimeout(PATIENCE)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            flood(Dialog(deaf), long, limit=1024 * MIB)
    # While the flood is worked off others may be asked to come again (503); nothing else is said, and not for ever.
    wire = connect()
    end = time.monotonic() + PATIENCE
    while (status := wire.ask(Dialog(wire).write("OPTIONS")).status) == 503 and time.monotonic() < end:
        pass
    assert status == 200


def test_fault_73_without_descriptors_accepting_pauses_and_all_else_goes_on(service: Service, connect: Connect) -> None:
    pid = service.pid("transport")
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 4, limits[1]))
    try:
        wires = [connect("tcp") for _ in range(12)]
        asked = [Dialog(wire).write("OPTIONS") for wire in wires]
        for wire, request in zip(wires, asked, strict=True):
            wire.send(request)
        dialog = Dialog(connect())
        dialog.call()
        dialog.hang_up()
        ready, _, _ = select.select([wires[-1].socket], [], [], 0)
        assert not ready, "it was accepted though there was no descriptor for it"
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for wire, request in zip(wires, asked, strict=True):
        assert wire.final(branch_of(request)).status == 200
