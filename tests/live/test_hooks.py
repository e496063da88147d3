"""Functions of the application that change what is sent and drop what comes, in a service whose actors are killed."""

from __future__ import annotations

import os
import signal

import pytest

from actors.config import AnswerSection, Config, ConfigError, HooksSection, MediaSection, ServiceSection, SipSection
from actors.control.client import Client, EventStream
from actors.service import Service
from tests.chaos.killing import next_event
from tests.live import message_hooks
from tests.live.service import RTP_PORTS, own_ports, running

pytestmark = pytest.mark.live
CONFIG = '[hooks]\noutgoing = "tests.live.message_hooks:mark"\nincoming = "tests.live.message_hooks:deaf"\n'


def received(client: Client, events: EventStream, uri: str, *headers: tuple[str, str]) -> dict[str, str]:
    """What the callee, the service itself, is shown of a call's header lines."""
    call = client.place(uri, headers=headers)
    shown = dict(next_event(events, "CallReceived", []).headers)
    next_event(events, "CallAnswered", [])
    client.hangup(call)
    for _ in range(2):
        next_event(events, "CallEnded", [])
    return shown


def test_messages_are_changed_and_dropped_over_kills_and_a_hook_that_misbehaves_is_passed_over() -> None:
    with running("--answer", "echo", config=CONFIG) as service, Client(service.run_dir) as client:
        host, port = service.addresses["udp"]
        uri = f"sip:echo@{host}:{port}"
        with client.events() as events:
            assert received(client, events, uri)["X-Hook"] == "seen"
            for actor in ("dialog-0", "transport"):
                os.kill(service.pid(actor), signal.SIGKILL)
            assert received(client, events, uri)["X-Hook"] == "seen"
            for fault in ("raise", "nonsense", "break"):
                shown = received(client, events, uri, ("Subject", fault))
                assert (shown["Subject"], "X-Hook" in shown) == (fault, False)
            client.place(uri, headers=(("X-Deaf", "yes"),), ring_timeout=0.2)
            seen: list[object] = []
            ended = next_event(events, "CallEnded", seen)
            assert ended.outcome == "no_answer"
            assert "CallReceived" not in [type(each).__name__ for each in seen]
        restarts = {name: child["restarts"] for name, child in service.tree().items()}
        assert {name: number for name, number in restarts.items() if number} == {"dialog-0": 1, "transport": 1}
        service.wait_for_line("a hook is passed over", count=2)


@pytest.mark.parametrize("placement", ["process", "thread"])
def test_an_embedding_program_gives_functions(placement: str) -> None:
    with own_ports(RTP_PORTS) as port:
        config = Config(
            service=ServiceSection(placement=placement),  # type: ignore[arg-type]  # of the parameters above
            sip=SipSection(listen=("udp:127.0.0.1:0",)),
            answer=AnswerSection(mode="echo"),
            media=MediaSection(ports=(port, port + 99)),
        )
        with (
            Service(config, outgoing=message_hooks.mark, incoming=message_hooks.deaf) as ua,
            ua.client() as client,
            client.events() as events,
        ):
            (address,) = (at for token, at in ua.supervisor.addresses.items() if token.startswith("udp:"))
            client.place(f"sip:echo@{address}")
            assert dict(next_event(events, "CallReceived", []).headers)["X-Hook"] == "seen"


def test_what_no_process_could_find_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="put it into a module"):
        Service(Config(), outgoing=lambda message: None)  # noqa: ARG005 - it is not called
    with pytest.raises(ConfigError, match=r"hooks\.incoming: tests\.live\.nowhere:f: ModuleNotFoundError"):
        Service(Config(hooks=HooksSection(incoming="tests.live.nowhere:f")))
