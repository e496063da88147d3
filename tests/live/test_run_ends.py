"""How `sipactors run` ends: refused at its start in one line, or by a signal, with its calls hung up."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.control.client import Client
from tests.chaos.killing import calling, next_event
from tests.live.peer import Caller
from tests.live.processes import family, followed
from tests.live.programs import program
from tests.live.service import ROOT, running

pytestmark = pytest.mark.live


def refused(*words: str) -> str:
    """Run a service that does not start; the one line that says why."""
    command = [sys.executable, "supervisor.py", "run", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sipactors: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("sipactors: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("config", "key", "may_be"),
    [
        ("[sip]\nt1 = 'soon'", "sip.t1", "seconds above 0"),
        ("[sip]\nt3 = 1", "sip.t3", "t1, t2, t4"),
        ("[sip]\nlisten = ['tls:127.0.0.1:5061']", "tls.certificate", "the path of a PEM file"),
        ("[sip]\nlisten = ['sctp:127.0.0.1:5061']", "sip.listen", "udp:ADDRESS:PORT"),
        ("[sips]", "sips", "service, sip, answer, calls, media"),
        ("[answer]\nmode = 'sing'", "answer.mode", "'echo', 'play', 'record', 'ring', 'workers' or 'none'"),
        ("[answer]\nmode = 'play'", "answer.file", "the path of a WAV file"),
        ("[media]\nports = [20000, 20000]", "media.ports", "the second must be above the first"),
        ("[media]\ncodecs = ['mp3']", "media.codecs", "PCMU"),
        ("[service]\nshards = 0", "service.shards", "a number from 1 to 256"),
        ("service = 5", "service", "a table with run_dir"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_path_and_what_it_may_be(
    tmp_path: Path, config: str, key: str, may_be: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(config, encoding="utf-8")
    line = refused("-c", str(file), "--run-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state"))
    assert line.startswith(f"{file}: {key}: ")
    assert may_be in line
    assert not (tmp_path / "run").exists()


def test_a_configuration_that_is_none_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    assert refused("-c", str(file)) == f"{file}: No such file or directory"
    file.write_text("[sip", encoding="utf-8")
    assert refused("-c", str(file)).startswith(f"{file}: not TOML: ")


def test_what_the_first_service_has_a_second_one_cannot_take(tmp_path: Path) -> None:
    with running() as first:
        line = refused("--run-dir", str(first.run_dir), "--listen", "udp:127.0.0.1:0")
        assert line.startswith(f"run directory {first.run_dir} is in use by another service (pid {first.process.pid})")
        own = ("--run-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state"))
        for transport, (host, port) in first.addresses.items():
            address = f"{transport}:{host}:{port}"
            assert refused(*own, "--listen", address).startswith(f"cannot listen on {address}: address already in use")
        assert first.json("calls") == []
        assert first.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_hangs_up_and_ends_the_service_with_0(tmp_path: Path, number: signal.Signals) -> None:
    with running("--answer", "echo") as service, Client(service.run_dir) as client, client.events() as events:
        with calling(tmp_path, service, "udp", "call_and_wait", 9) as sipp:
            next_event(events, "CallAnswered", [])
            with followed([each.pid for each in family(service.process.pid)]) as wait:
                service.process.send_signal(number)
                assert sipp.wait(timeout=30) == 0  # it got its BYE
                ended = next_event(events, "CallEnded", [])
                assert (ended.outcome, ended.by) == ("answered", "local")
                assert wait(30.0) == []
        assert service.process.wait(timeout=30) == 0


def test_a_call_that_rings_when_the_service_ends_is_refused() -> None:
    with running("--answer", "ring") as service, Caller(service.addresses["udp"]) as caller:
        caller.invite()
        caller.receive("SIP/2.0 180 ")
        service.process.send_signal(signal.SIGTERM)
        assert caller.final() >= 480
        assert service.process.wait(timeout=60) == 0


def test_a_second_signal_ends_the_service_at_once() -> None:
    with running("--answer", "echo") as service, Caller(service.addresses["udp"]) as caller:
        caller.invite()
        assert caller.final() == 200
        everyone = [each.pid for each in family(service.process.pid)]
        assert len(everyone) > 5
        with followed(everyone) as wait:
            service.process.send_signal(signal.SIGTERM)
            caller.receive("BYE ")  # which is never answered: the service would wait for 32 s
            assert service.process.poll() is None
            service.process.send_signal(signal.SIGTERM)
            assert wait(10.0) == []
        assert service.process.wait(timeout=30) == 1


def test_a_call_followed_on_the_command_line_exits_with_0_when_the_service_stops() -> None:
    with running("--answer", "echo") as away, running() as service:
        host, port = away.addresses["udp"]
        with program(service, "call", f"sip:bob@{host}:{port}", "--json") as call:
            call.wait_for('"CallAnswered"')
            assert service.stop() == 0
            call.wait_for('"CallEnded"')
            assert call.end() == 0


def test_without_a_service_any_more_a_command_exits_with_3() -> None:
    with running() as service:
        everyone = [each.pid for each in family(service.process.pid)]
        with followed(everyone) as wait:
            service.process.kill()
            assert wait(30.0) == []
        done = service.command("ps")
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"sipactors: no service answers in {service.run_dir}; start one with: sipactors run\n"
