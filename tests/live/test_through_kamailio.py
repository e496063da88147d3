"""A proxy in the middle: calls between two services through Kamailio, which stays in the route of every dialog.

Over UDP, TCP and TLS; where both sides differ it changes the transport and stands in the route twice (RFC 5658).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client
from actors.sip import parse
from actors.transaction.observing import observing, transitions
from actors.transaction.transitions import Transition
from tests.chaos.killing import next_event
from tests.live import kamailio
from tests.live.service import Service, running
from tests.transport.authority import believed, issue

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="needs the Debian package kamailio"),
    pytest.mark.skipif(
        not list(Path("/usr/lib").glob("**/kamailio/modules/tls.so")),
        reason="needs the Debian package kamailio-tls-modules",
    ),
]


@dataclass
class House:
    """Two services, `west` and `east`, and the proxy between them, which reaches `west-tcp` over TCP."""

    services: dict[str, Service]
    proxy: kamailio.Proxy


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("kamailio")
    listen = [f"{transport}:127.0.0.1:0" for transport in ("udp", "tcp", "tls")]
    secure = issue(folder, "127.0.0.1"), believed(folder)
    config = f'[tls]\ncertificate = "{secure[0]}"\nauthorities = "{secure[1]}"\n'
    with (
        running("--answer", "ring", listen=listen, config=config) as west,
        running("--answer", "ring", listen=listen, config=config) as east,
    ):
        services = {"west": west, "east": east}
        routes = {}
        for name, service in services.items():
            for transport, (host, port) in service.addresses.items():
                routes[f"{name}-{transport}"] = f"sip:{name}@{host}:{port};transport={transport}"
        with kamailio.proxy(folder, routes, tls=secure) as proxy:
            yield House(services, proxy)
        assert [service.stop() for service in services.values()] == [0, 0]


def first(socket: Any, method: str) -> Transition:
    """How the first request of `method` came to a service."""
    seen = []
    for observed in transitions(socket, timeout=30.0):
        step = observed.transition
        if step and step.event == "REQUEST" and step.key.method == method:
            return step
        seen.append((observed.number, step and (step.machine, step.key.method, step.event)))
    raise AssertionError(f"no {method} came: {seen}")


@pytest.mark.parametrize("ender", ["caller", "callee"])
@pytest.mark.parametrize(("caller", "callee"), [("west", "east"), ("east", "west")])
@pytest.mark.parametrize(
    ("transport", "onward"),
    [("udp", "udp"), ("udp", "tcp"), ("tcp", "udp"), ("tcp", "tcp"), ("tls", "tls"), ("tls", "udp"), ("tcp", "tls")],
)
def test_a_call_goes_through_the_proxy_and_is_hung_up(
    house: House, transport: str, onward: str, caller: str, callee: str, ender: str
) -> None:
    near, far = house.services[caller], house.services[callee]
    seen: dict[str, list[Any]] = {caller: [], callee: []}
    with (
        Client(near.run_dir) as calling,
        Client(far.run_dir) as called,
        calling.events() as here,
        called.events() as there,
        observing(far.run_dir) as steps,
        observing(near.run_dir) as own_steps,
    ):
        call = calling.place(house.proxy.uri(f"{callee}-{onward}", transport))
        incoming = next_event(there, "CallReceived", seen[callee]).call
        called.answer(incoming, echo=True)
        next_event(there, "CallAnswered", seen[callee])
        next_event(here, "CallAnswered", seen[caller])
        if ender == "caller":
            calling.hangup(call)
        else:
            called.hangup(incoming)
        ended = {
            "caller": next_event(here, "CallEnded", seen[caller]),
            "callee": next_event(there, "CallEnded", seen[callee]),
        }
        assert {side: (event.outcome, event.by) for side, event in ended.items()} == {
            side: ("answered", "local" if side == ender else "remote") for side in ended
        }
        invite = first(steps, "INVITE")
        bye = first(own_steps if ender == "callee" else steps, "BYE")
    port = f":{house.proxy.ports[onward]}"
    assert len(parse(invite.message).get_all("Record-Route")) == (1 if transport == onward else 2)
    assert invite.key.sent_by.endswith(port)
    port = f":{house.proxy.ports[onward if ender == 'caller' else transport]}"
    assert (bye.key.method, bye.key.sent_by.endswith(port)) == ("BYE", True), "the BYE took another way"


@pytest.mark.parametrize("onward", ["udp", "tcp", "tls"])
def test_a_ringing_call_is_cancelled_through_the_proxy(house: House, onward: str) -> None:
    near, far = house.services["west"], house.services["east"]
    with (
        Client(near.run_dir) as calling,
        Client(far.run_dir) as called,
        calling.events() as here,
        called.events() as there,
    ):
        call = calling.place(house.proxy.uri(f"east-{onward}"))
        next_event(there, "CallReceived", [])
        while next_event(here, "CallProgressed", []).status != 180:  # the proxy says 100 first
            pass
        calling.hangup(call)
        assert next_event(here, "CallEnded", []).outcome == "cancelled"
        assert next_event(there, "CallEnded", []).outcome == "cancelled"


def test_whom_the_proxy_does_not_know_is_rejected(house: House) -> None:
    with Client(house.services["west"].run_dir) as client, client.events() as stream:
        client.place(house.proxy.uri("nobody"))
        ended = next_event(stream, "CallEnded", [])
        assert (ended.outcome, ended.status) == ("rejected", 404)
