"""The examples do what they say, against the running service."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.config import AnswerSection, Config, MediaSection, ServiceSection, SipSection
from actors.control.client import Client
from actors.control.records import CallEnded, CallPlaced, CallReceived
from actors.service import Service as Embedded
from tests.live.peer import Caller
from tests.live.service import ROOT, RTP_PORTS, Service, own_ports, running

pytestmark = pytest.mark.live

NODE = ROOT / "examples" / "node"


def uri(service: Service) -> str:
    host, port = service.addresses["udp"]
    return f"sip:echo@{host}:{port}"


@contextlib.contextmanager
def program(*words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, **more
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(*words: str) -> subprocess.CompletedProcess[str]:
    """What a program did, which must have gone well."""
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def output(*words: str) -> str:
    return ended(*words).stdout


@pytest.fixture(scope="module")
def echo() -> Iterator[Service]:
    with running("--answer", "echo") as service:
        yield service


@pytest.mark.parametrize(
    "name",
    [
        *("bridge_to_asyncio", "dialer", "echo_bot", "embed", "ivr", "media_in_pykka", "signalling_bridge"),
        *("transaction_only", "voicemail"),
    ],
)
def test_an_example_is_short(name: str) -> None:
    assert len((ROOT / "examples" / f"{name}.py").read_text("utf-8").splitlines()) < 80


@pytest.mark.parametrize("placement", ["process", "thread"])
def test_embed_calls_somebody_with_a_service_of_its_own(echo: Service, placement: str) -> None:
    with own_ports(RTP_PORTS) as first:
        words = ("--seconds", "1.5", "--ports", str(first), "--placement", placement)
        lines = output(sys.executable, "examples/embed.py", uri(echo), *words).splitlines()
    assert lines[-1].startswith("answered: "), lines
    assert int(lines[-1].split()[3]) > 10


def test_dialer_calls_a_hundred_so_many_at_once_by_trunk_and_caller_and_says_what_came_of_it(tmp_path: Path) -> None:
    trunk, caller_id, nobody = "sip:trunk@127.0.0.1", "sip:+4144@example.net", "sip:nobody@127.0.0.1:9"
    with (
        running("--answer", "echo", config=f'[[accounts]]\naor = "{trunk}"\nregister = false\n') as service,
        Client(service.run_dir, patience=30.0) as client,
    ):
        path = tmp_path / "calls.csv"
        rows = [f"{uri(service)},{caller_id},"] * 49 + [f"{uri(service)},,{trunk}"] * 49 + [f"{nobody},,", "no uri,,"]
        path.write_text("\n".join(["uri,caller,account", *rows, ""]))
        words = ("--max-cps", "40", "--concurrency", "10", "--duration", "0.1", "--run-dir", str(service.run_dir))
        done = ended(sys.executable, "examples/dialer.py", str(path), *words)
        with client.events(0) as events:
            told = [events.receive(30.0) for _ in range(events.last_at_start or 0)]
    outcomes = Counter((row["uri"], row["outcome"]) for row in csv.DictReader(io.StringIO(done.stdout)))
    assert outcomes == {(uri(service), "answered"): 98, (nobody, "unreachable"): 1, ("no uri", "refused"): 1}
    assert done.stderr.endswith(f"[{'#' * 40}] 100/100\n")
    callers = Counter(event.remote for event in told if isinstance(event, CallReceived))
    assert callers == {caller_id: 49, trunk: 49}
    calls: set[str] = set()
    for event in told:
        if isinstance(event, CallPlaced):
            calls.add(event.call)
            assert len(calls) <= 10
        elif isinstance(event, CallEnded):
            calls.discard(event.call)


def test_two_workers_in_asyncio_share_the_calls_and_one_that_dies_leaves_its_calls_to_the_other() -> None:
    with running("--answer", "workers") as service, Client(service.run_dir, patience=30.0) as client:
        words = (sys.executable, "examples/bridge_to_asyncio.py", "--run-dir", str(service.run_dir))
        with program(*words) as one, program(*words) as other, client.events() as events:
            for worker in (one, other):
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            with Caller(service.addresses["udp"]) as caller:
                caller.invite()
                assert caller.final() == 200
                kinds = []
                while "CallAnswered" not in kinds:
                    kinds.append(type(events.receive(30.0)).__name__)
                assert kinds.count("CallClaimed") == 1
                for worker in (one, other):
                    worker.send_signal(signal.SIGKILL)
                while "CallReleased" not in kinds:
                    kinds.append(type(events.receive(30.0)).__name__)
                assert [call.state for call in client.calls()] == ["confirmed"]  # it waits for another worker
                client.calls[client.calls()[0].call].claim(on_owner_lost="keep")


@contextlib.contextmanager
def caller(service: Service, **options: Any) -> Iterator[tuple[Client, str]]:
    """A call to the service from another one; its client and its id, once it is up."""
    with own_ports(RTP_PORTS) as first:
        config = Config(
            service=ServiceSection(placement="thread"),
            sip=SipSection(listen=("udp:127.0.0.1:0",)),
            answer=AnswerSection(mode="none"),
            media=MediaSection(ports=(first, first + 9)),
        )
        with Embedded(config) as ua, ua.client() as client, client.events(topics=["Call*"]) as events:
            call = client.calls.place(uri(service), **options)
            while type(events.receive(30.0)).__name__ != "CallAnswered":
                pass
            yield client, call.id
            while type(events.receive(30.0)).__name__ != "CallEnded":
                pass


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    path = tmp_path / "spoken.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00\x20\x00\xe0" * 4_000)
    return path


def test_voicemail_records_what_a_caller_says_until_the_hash(tmp_path: Path, spoken: Path) -> None:
    words = (sys.executable, "examples/voicemail.py", str(spoken), str(tmp_path / "messages"))
    with running("--answer", "ring") as service, program(*words, "--run-dir", str(service.run_dir)) as voicemail:
        assert voicemail.stdout is not None
        assert voicemail.stdout.readline() == "ready\n"
        with caller(service, play=str(spoken)) as (client, call):
            client.dtmf(call, ",,,#")
            line = voicemail.stdout.readline()
        name, _, said = line.partition(": ")
        assert "s from sip:" in said
        with wave.open(str(tmp_path / "messages" / name)) as message:
            assert message.getnframes() > 8_000
            assert any(message.readframes(8_000))


def test_a_menu_hears_keys_and_hangs_up_at_the_star(spoken: Path) -> None:
    words = (sys.executable, "examples/ivr.py", str(spoken), "--key", "1=sip:sales@127.0.0.1:9")
    with running("--answer", "workers") as service, program(*words, "--run-dir", str(service.run_dir)) as menu:
        assert menu.stdout is not None
        assert menu.stdout.readline() == "ready\n"
        with caller(service) as (client, call):
            client.dtmf(call, "7*")
            pressed = [menu.stdout.readline().split()[-1] for _ in range(3)]
        assert pressed == ["7", "*", "answered"]


def test_the_media_actor_alone_in_a_pykka_program_plays_to_an_rtp_peer(spoken: Path) -> None:
    with own_ports(RTP_PORTS) as first, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(30.0)
        words = (str(spoken), "127.0.0.1", str(peer.getsockname()[1]), "--ports", str(first))
        with program(sys.executable, "examples/media_in_pykka.py", *words) as player:
            heard = [peer.recv(2_000) for _ in range(40)]
            assert player.communicate(timeout=60.0)[0].splitlines()[-1] == "played"
    assert {(data[0] >> 6, data[1] & 0x7F, len(data)) for data in heard} == {(2, 0, 172)}
    assert any(len(set(data[12:])) > 1 for data in heard)


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules" / "zeromq").exists(),
    reason="needs Node with its packages: apt-get install nodejs npm; npm install in examples/node",
)
def test_node_and_python_drive_one_service_at_once(echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events(topics=["Call*"]) as events:
        last = events.last_at_start
        with program("node", "examples/node/client.js", str(echo.run_dir), "events", str(last)) as watching:
            lines = output("node", "examples/node/client.js", str(echo.run_dir), "place", uri(echo)).splitlines()
            told = [json.loads(line) for line in lines]
            assert told[0]["type"] == "Placed"
            assert told[-1]["type"] == "CallEnded"
            assert told[-1]["outcome"] == "answered"
            ours = []
            while sum(kind == "CallEnded" for _, kind in ours) < 2:  # its own, and the one that it called
                event = events.receive(30.0)
                assert event is not None
                ours.append((getattr(event, "seq", 0), type(event).__name__))
            assert watching.stdout is not None
            theirs = []
            while len(theirs) < len(ours):
                event_of_node = json.loads(watching.stdout.readline())
                theirs.append((event_of_node["seq"], event_of_node["type"]))
            assert theirs == ours
        wrong = subprocess.run(
            ["node", "examples/node/client.js", str(echo.run_dir), "place", "bob"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (1, "bad_uri")


def test_who_calls_the_bridge_speaks_with_whom_it_calls() -> None:
    with running("--answer", "ring") as service, running("--answer", "echo") as callee:
        words = (sys.executable, "examples/bridge.py", uri(callee), "--run-dir", str(service.run_dir))
        with program(*words) as bridge, Client(service.run_dir) as client, client.events() as events:
            assert bridge.stdout is not None
            assert bridge.stdout.readline() == "ready\n"
            call = client.place(uri(service), key="one")  # our own caller, answered by the example
            assert call
            spoken = bridge.stdout.readline()
            assert " speaks with " in spoken
            client.hangup(call)
            ended = 0
            while ended < 3:  # the caller's own, the one that was answered, and the one that was placed
                ended += isinstance(events.receive(20), CallEnded)
