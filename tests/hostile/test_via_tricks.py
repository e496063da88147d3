"""Vias that lie about where responses are to go: nobody else is aimed at, and nothing breaks."""

from __future__ import annotations

import socket

import pytest

from tests.hostile.conftest import Connect
from tests.hostile.wire import Dialog, Wire, branch_of
from tests.live.service import Service

pytestmark = pytest.mark.live


@pytest.fixture
def wire(connect: Connect) -> Wire:
    return connect()


def with_via(request: bytes, sent_by: str, params: str = "") -> bytes:
    """The request with another sent-by and further parameters on its Via."""
    line = request.partition(b"Via: ")[2].partition(b"\r\n")[0]
    transport, branch = line.partition(b" ")[0], line.partition(b"branch=")[2]
    return request.replace(line, transport + f" {sent_by};branch=".encode() + branch + params.encode(), 1)


@pytest.mark.parametrize("port", [0, 65536, 99999])
@pytest.mark.parametrize("broken", [False, True])
def test_a_port_that_is_none_costs_its_sender_the_answer_and_nobody_else_anything(
    wire: Wire, port: int, broken: bool
) -> None:
    request = with_via(Dialog(wire).write("OPTIONS"), f"127.0.0.1:{port}")
    wire.send(request.replace(b"CSeq: 1 OPTIONS", b"CSeq: x") if broken else request)
    wire.send(with_via(Dialog(wire).write("INVITE"), f"127.0.0.1:{port}"))
    wire.send(with_via(Dialog(wire).write("BYE", to_tag="nobody"), f"127.0.0.1:{port}"))
    assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_is_none_is_not_connected_to_when_the_connection_of_a_request_is_gone(
    service: Service, connect: Connect, port: int
) -> None:
    with Wire(service.addresses["tcp"], "tcp") as gone:
        gone.send(with_via(Dialog(gone).write("INVITE"), f"127.0.0.1:{port}"))
        gone.reset()
    wire = connect("tcp")
    assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200


@pytest.mark.parametrize("lie", ["maddr={0};rport", "maddr={0}", "received={0};rport={1}", "RPORT={1};Received={0}"])
@pytest.mark.parametrize("kind", ["pinged", "refused", "broken"])
def test_nobody_can_aim_our_responses_at_another(wire: Wire, lie: str, kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.2", 0))
        host, port = victim.getsockname()
        method = "BYE" if kind == "refused" else "OPTIONS"
        request = Dialog(wire).write(method, to_tag="nobody" if kind == "refused" else "")
        if kind == "broken":
            request = request.replace(b"CSeq: 1 OPTIONS", b"CSeq: x OPTIONS")
        lied = with_via(request, f"127.0.0.1:{port if 'maddr' in lie else wire.sent_by.rpartition(':')[2]}")
        branch = branch_of(lied)
        lied = lied.replace(b"branch=" + branch.encode(), f"branch={branch};{lie.format(host, port)}".encode())
        wire.send(lied)
        if "rport" in lie.lower():  # else the answer goes to the port of sent-by, where nobody is
            assert wire.final(branch).status in {200, 400, 481}
        else:
            assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200
        victim.setblocking(False)
        with pytest.raises(BlockingIOError):
            victim.recv(65_535)
