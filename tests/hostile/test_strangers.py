"""Peers that are no loopback: scanners, too many connections, too many requests, networks that are denied."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from actors.control.client import Client
from tests.hostile.conftest import judge
from tests.hostile.wire import PATIENCE, Closed, Dialog, Wire, sdp
from tests.live.service import Service, running

pytestmark = pytest.mark.live


def own_address() -> str:
    """An address of this machine that is not loopback, empty without one: whoever sends from it is a stranger."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return ""


HOST = own_address()
if not HOST or HOST.startswith("127."):
    pytest.skip("this machine has no address but loopback", allow_module_level=True)


RATE = 5  # things a second that a stranger may begin


class Stranger(Wire):
    """A wire from the machine's own address."""

    def __init__(self, service: Service, transport: str = "udp") -> None:
        super().__init__(service.listening(transport, HOST), transport)
        if transport == "udp":
            self.socket.close()
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((HOST, 0))
            self.socket.connect(self.address)
            self.sent_by = "{}:{}".format(*self.socket.getsockname())


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service that strangers may ask five things a second over two connections."""
    listen = ("udp:127.0.0.1:0", f"udp:{HOST}:0", f"tcp:{HOST}:0")
    config = f'[peers]\nscanners = ["friendly"]\n[sip]\nmax_requests = {RATE}\nmax_connections = 2\n'
    with running("--answer", "echo", listen=listen, config=config) as started:
        yield started
        judge(started)


def wait_counted(service: Service, reason: str, count: int) -> None:
    """Wait until the service has written down that it refused so many for this reason."""
    path = service.run_dir / "counters" / "transport.json"
    end, counts = time.monotonic() + PATIENCE, {}
    with Client(service.run_dir) as client, client.events() as stream:
        while counts.get(reason) != count:
            assert time.monotonic() < end, counts
            stream.receive(0.1)
            counts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def test_a_scanner_hears_nothing_and_others_do(service: Service) -> None:
    with Stranger(service) as wire:
        wire.send(Dialog(wire).write("OPTIONS", "User-Agent: friendly-scanner"))
        wait_counted(service, "dropped: from a scanner", 1)
        assert wire.ask(Dialog(wire).write("OPTIONS", "User-Agent: a friend")).status == 200


def test_a_stranger_that_asks_too_often_is_told_to_come_again(service: Service) -> None:
    with Stranger(service) as wire:
        statuses = [wire.ask(Dialog(wire).write("OPTIONS")).status for _ in range(60)]
        assert 503 in statuses
        bye = Dialog(wire, to_tag="nobody").write("BYE")
        assert wire.ask(bye).status == 481, "what says that it belongs to a call is never refused"
    wait_counted(service, "refused: too many from one source", statuses.count(503))


def test_made_up_to_tags_pass_no_limit_and_a_call_is_hung_up_meanwhile(service: Service) -> None:
    """RFC 3261 s12.2.2: 481 as often as the stranger may begin something, 503 beyond; BYE and ACK always pass."""
    with Stranger(service) as wire:
        call = Dialog(wire)
        while (answer := wire.ask(call.write("INVITE", body=sdp(9)))).status == 503:  # of the test before
            pass
        call.accepted(answer)
        began = time.monotonic()
        statuses = [wire.ask(Dialog(wire, to_tag=f"made-up-{n}").write("INFO")).status for n in range(60)]
        assert set(statuses) == {481, 503}
        assert statuses.count(481) <= RATE * (1 + time.monotonic() - began)
        assert wire.ask(Dialog(wire, to_tag="made-up").write("BYE")).status == 481
        call.hang_up()
    wait_counted(service, "refused: too many in dialogs that are not there", statuses.count(503))


def served(service: Service) -> bool:
    """Whether a connection of a stranger is."""
    with Stranger(service, "tcp") as wire:
        try:
            return wire.ask(Dialog(wire, to_tag="x").write("BYE")).status == 481
        except (Closed, ConnectionError):
            return False


def test_the_third_connection_of_a_stranger_is_closed_and_its_place_is_free_again(service: Service) -> None:
    with Stranger(service, "tcp") as first, Stranger(service, "tcp") as second:
        for wire in (first, second):
            assert wire.ask(Dialog(wire, to_tag="x").write("BYE")).status == 481
        with Stranger(service, "tcp") as third:
            assert third.wait_closed() == []
    while not served(service):  # until the ends of the two are seen
        pass


def test_of_a_denied_network_nothing_is_read_and_no_connection_kept() -> None:
    listen = ("udp:127.0.0.1:0", f"udp:{HOST}:0", f"tcp:{HOST}:0")
    config = f'[peers]\ndeny = ["{HOST}/32"]\n'
    with running("--answer", "echo", listen=listen, config=config) as closed:
        with Stranger(closed) as wire, Stranger(closed, "tcp") as stream:
            wire.send(Dialog(wire).write("OPTIONS"))
            wait_counted(closed, "dropped: from a denied network", 1)
            assert stream.wait_closed() == []
        with Wire(closed.addresses["udp"]) as wire:
            assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200
        judge(closed)
