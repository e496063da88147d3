"""The service inside another program: by process and by thread, several at once, and nothing left behind."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from actors.config import AnswerSection, Config, MediaSection, ServiceSection, SipSection
from actors.runtime.errors import StartupError
from actors.runtime.prctl import is_subreaper
from actors.service import Service
from tests.live.service import RTP_PORTS, own_ports

pytestmark = pytest.mark.live


def settings(placement: str, first: int, mode: str = "echo", listen: str = "udp:127.0.0.1:0") -> Config:
    return Config(
        service=ServiceSection(placement=placement),  # type: ignore[arg-type]  # of the parameters below
        sip=SipSection(listen=(listen,)),
        answer=AnswerSection(mode=mode),  # type: ignore[arg-type]  # as above
        media=MediaSection(ports=(first, first + 99)),
    )


@pytest.mark.parametrize("placement", ["process", "thread"])
def test_two_services_of_one_program_call_each_other(placement: str) -> None:
    before = is_subreaper()
    with own_ports(RTP_PORTS) as port:
        caller_settings, callee_settings = settings(placement, port), settings(placement, port + 100)
        with Service(caller_settings) as caller, Service(callee_settings) as callee:
            (address,) = (at.removeprefix("udp:") for at in callee.addresses)
            with caller.client() as client, client.events() as events:
                call = client.calls.place(f"sip:echo@{address}")
                names = []
                while "CallAnswered" not in names:
                    event = events.receive(30.0)
                    assert event is not None
                    names.append(type(event).__name__)
                with callee.client() as other:
                    assert [info.direction for info in other.calls()] == ["in"]
                call.hangup()
                while "CallEnded" not in names:
                    names.append(type(events.receive(30.0)).__name__)
            folders = [caller.run_dir, callee.run_dir]
        assert not any(folder.exists() for folder in folders)
    assert is_subreaper() == before, "the orphans of this program are its own affair again"


def test_its_folders_are_those_of_the_settings_where_the_program_names_none(tmp_path: Path) -> None:
    with own_ports(RTP_PORTS) as port:
        given = settings("thread", port)
        folders = ServiceSection(placement="thread", run_dir=str(tmp_path / "run"), state_dir=str(tmp_path / "state"))
        with Service(msgspec.structs.replace(given, service=folders)) as ua, ua.client() as client:
            assert ua.run_dir == tmp_path / "run"
            assert client.calls() == []
    assert (tmp_path / "state" / "generation").exists()
    assert (tmp_path / "run").exists()


def test_one_that_cannot_start_says_why_and_leaves_nothing() -> None:
    with own_ports(RTP_PORTS) as port, Service(settings("thread", port)) as first:
        (address,) = (at for token, at in first.supervisor.addresses.items() if token.startswith("udp:"))
        second = Service(settings("thread", port + 100, listen=f"udp:{address}"))
        with pytest.raises(StartupError, match=address), second:
            pass
        assert not second.run_dir.exists()


@pytest.mark.parametrize("placement", ["process", "thread"])
def test_a_socket_of_the_caller_serves_as_the_listener_of_its_address(placement: str) -> None:
    with own_ports(RTP_PORTS) as port, socket.socket(type=socket.SOCK_DGRAM) as given:
        given.bind(("127.0.0.1", 0))  # nobody else can take it from here on, the service neither
        host, number = given.getsockname()
        config = settings(placement, port, listen=f"udp:{host}:{number}")
        with Service(config, sockets=[given]) as ua, ua.client() as client, client.events() as events:
            client.calls.place(f"sip:echo@{host}:{number}")
            names: list[str] = []
            while "CallAnswered" not in names:
                names.append(type(events.receive(30.0)).__name__)
        assert given.fileno() >= 0
