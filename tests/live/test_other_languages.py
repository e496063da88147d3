"""Programs in Node and in C beside Python on one service: commands, events over kills, the sound of a call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.control.client import Client, EventStream, Lost
from actors.control.rights import Role
from tests.chaos.killing import kill, wait_restarted
from tests.live.exchange import exchange, in_two_processes
from tests.live.itself import PATIENCE, House, call_to_itself, loud
from tests.live.service import ROOT
from tests.live.sound import RATE, pitch, tone
from tests.live.speech import speech_and_codes

pytestmark = pytest.mark.live

NODE = ROOT / "examples" / "node"
NEEDED = ("gcc", "make", "pkg-config")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The client in C, built."""
    if (
        not all(map(shutil.which, NEEDED))
        or subprocess.run(["pkg-config", "--exists", "libzmq"], check=False).returncode
    ):
        pytest.skip("needs Debian's gcc, make, pkg-config, libzmq3-dev and libmsgpack-dev")
    folder = tmp_path_factory.mktemp("c")
    done = subprocess.run(
        ["make", "-s", "-C", str(ROOT / "examples" / "c"), f"BUILD={folder}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [str(folder / "client")]


@pytest.fixture(scope="module")
def node() -> str:
    if shutil.which("node") is None or not (NODE / "node_modules" / "zeromq").exists():
        pytest.skip("needs Node with its packages: apt-get install nodejs npm; npm install in examples/node")
    return "node"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with call_to_itself(tmp_path_factory.mktemp("house")) as made:
        yield made


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def program(*words: str, **more: Any) -> Iterator[subprocess.Popen[Any]]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def uri(house: House) -> str:
    host, port = house.service.addresses["udp"]
    return f"sip:echo@{host}:{port}"


def ours(events: EventStream, ends: int) -> list[tuple[int, str]]:
    """Numbers and types of our events up to that many ends of calls."""
    found = []
    while ends:
        event = events.receive(PATIENCE)
        assert event is not None
        assert not isinstance(event, Lost)
        found.append((event.seq, type(event).__name__))
        ends -= found[-1][1] == "CallEnded"
    return found


def test_c_and_python_place_calls_and_see_the_same_events_over_a_kill_of_control(
    house: House, compiled: list[str]
) -> None:
    run_dir = str(house.service.run_dir)
    with Client(run_dir, patience=PATIENCE) as client, client.events() as events:
        with program(*compiled, run_dir, "events", str(events.last_at_start), text=True) as watching:
            placed = subprocess.run(
                [*compiled, run_dir, "place", uri(house)], capture_output=True, text=True, check=False
            )
            assert placed.returncode == 0, placed.stderr
            assert placed.stdout.startswith("Placed ")
            assert placed.stdout.splitlines()[-1].endswith("CallEnded " + placed.stdout.split()[1] + " answered")
            found = ours(events, 2)  # its own, and the one that it called
            before, _ = kill(client, "control")
            wait_restarted(client, "control", before)
            client.place(uri(house), duration=0.5)
            found += ours(events, 2)
            assert watching.stdout is not None
            theirs = [watching.stdout.readline().split()[:2] for _ in found]
        assert [(int(number), kind) for number, kind in theirs] == found
        wrong = ran(*compiled, run_dir, "place", "bob")
        assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (1, "bad_uri")


def speaks(house: House, words: list[str], environment: dict[str, str] | None = None) -> str:
    """A program says a tone into the call over a kill of media; what it heard is that tone. What it says of itself."""
    file = house.folder / "said.raw"
    file.write_bytes(tone(600.0, 5.0).tobytes())
    with file.open("rb") as said, program(*words, stdin=said, env={**os.environ, **(environment or {})}) as process:
        assert process.stdout is not None
        heard = process.stdout.read(2 * RATE)  # a second of it
        before, _ = kill(house.owner, "media-0")
        wait_restarted(house.owner, "media-0", before)
        rest, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
    samples = loud(np.frombuffer((heard + rest)[: len(heard + rest) // 2 * 2], np.int16))
    assert len(samples) > 3 * RATE
    assert abs(pitch(samples[-RATE:]) - 600.0) < 5.0
    return str(told.decode())


def test_a_program_in_c_hears_and_speaks_in_a_call_over_a_kill_of_media(house: House, compiled: list[str]) -> None:
    told = speaks(house, [*compiled, str(house.service.run_dir), "audio", house.call])
    assert told == f"written {5 * RATE} played {5 * RATE}\n"


@pytest.mark.parametrize("language", ["c", "node"])
def test_a_program_goes_on_in_a_call_that_moves_to_another_media_process(
    tmp_path: Path, request: pytest.FixtureRequest, language: str
) -> None:
    program_of = request.getfixturevalue("compiled" if language == "c" else "node")
    samples, codes = speech_and_codes(3.0)
    file = tmp_path / "speech.raw"
    file.write_bytes(samples.tobytes())
    with exchange(tmp_path) as it:
        a, b = in_two_processes(it, level=0.0)
        where = str(it.service.run_dir)
        words = (
            [*program_of, where, "audio", a.call]
            if language == "c"
            else [program_of, str(NODE / "audio.js"), where, a.call, str(RATE)]
        )
        with file.open("rb") as said, program(*words, stdin=said) as process:
            assert process.stdout is not None
            process.stdout.read(RATE)
            it.client.bridge(a.call, b.call)  # the first one moves
            heard, told = process.communicate(timeout=60)
            assert process.returncode == 0, told
        a.rtp.wait_for(10)
        a.judge_heard(codes)
        samples = loud(np.frombuffer(heard[: len(heard) // 2 * 2], np.int16))
        assert abs(pitch(samples[-RATE // 2 :]) - a.hertz) < 5.0


def test_a_program_in_c_does_so_over_tcp_with_a_key_and_sees_all_events(house: House, compiled: list[str]) -> None:
    environment = {**os.environ, "SIPACTORS_KEY": str(house.key("c", Role.MEDIA))}
    told = speaks(house, [*compiled, house.address, "audio", house.call], environment)
    assert told == f"written {5 * RATE} played {5 * RATE}\n"
    with (
        house.owner.events(topics=["Call*"]) as events,
        program(*compiled, house.address, "events", str(events.last_at_start), env=environment, text=True) as watching,
    ):
        house.owner.place(uri(house), duration=0.5)
        found = ours(events, 2)
        assert watching.stdout is not None
        theirs = [watching.stdout.readline().split()[:2] for _ in found]
        assert [(int(number), kind) for number, kind in theirs] == found
    for key, said in ("", "SIPACTORS_KEY has to name"), (str(house.folder / "none.toml"), "SIPACTORS_KEY has to name"):
        refused = subprocess.run(
            [*compiled, house.address, "hello"],
            env={**os.environ, "SIPACTORS_KEY": key},
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert said in refused.stderr


def test_a_program_in_node_hears_and_speaks_in_a_call_over_a_kill_of_media(house: House, node: str) -> None:
    told = speaks(house, [node, str(NODE / "audio.js"), str(house.service.run_dir), house.call, str(RATE)])
    assert json.loads(told) == {"written": 5 * RATE, "played": 5 * RATE, "whole": True, "ended": ""}


def test_a_program_in_node_does_so_over_tcp_with_a_key_and_sees_all_events(house: House, node: str) -> None:
    environment = {**os.environ, "SIPACTORS_KEY": str(house.key("node", Role.MEDIA))}
    told = speaks(house, [node, str(NODE / "audio.js"), house.address, house.call, str(RATE)], environment)
    assert json.loads(told)["whole"] is True
    words = [node, str(NODE / "client.js"), house.address, "events"]
    with (
        house.owner.events(topics=["Call*"]) as events,
        program(*words, str(events.last_at_start), env=environment, text=True) as watching,
    ):
        house.owner.place(uri(house), duration=0.5)
        found = ours(events, 2)
        assert watching.stdout is not None
        theirs = [json.loads(watching.stdout.readline()) for _ in found]
        assert [(each["seq"], each["type"]) for each in theirs] == found
