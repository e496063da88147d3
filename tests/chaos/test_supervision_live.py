"""FAULTS 76, the whole service: fork server or supervisor killed, actors stopped, killed together and in a restore."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.chaos.killing import ACTORS
from tests.chaos.talking import talking
from tests.live.processes import Census, family, followed, fork_server, kill, newborn, process
from tests.live.service import Service, running

pytestmark = pytest.mark.chaos

LONG = 60.0  # seconds: no test judges how long anything takes, it only must not wait for ever


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for all cases of a worker: what one left behind would show in the next."""
    with running("--answer", "ring") as started:
        yield started
        assert started.stop() == 0, "\n".join(started.lines[-20:])


@contextmanager
def never_twice(service: Service) -> Iterator[Census]:
    """Watch that no two of one actor live at once."""
    with Census(service.process.pid, ACTORS) as census:
        yield census
    assert census.twice == []


def pids(service: Service) -> dict[str, int]:
    return {name: child["pid"] for name, child in service.tree().items()}


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop processes, and let those that still live go on at the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            if process(pid) is not None:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_children_outlive_the_fork_server_and_are_restarted_by_a_new_one(
    service: Service, tmp_path: Path, transport: str
) -> None:
    before = pids(service)
    with never_twice(service), talking(service, tmp_path, transport) as talk:
        old = fork_server(service.process.pid, ACTORS)
        kill(old)
        talk.rtp.wait_for(15)
        assert pids(service) == before, "children died with the fork server"
        for actor in ("dialog-0", "media-0", "transport"):
            kill(before[actor])
            talk.wait_again(actor)
        assert talk.restarts() == {"dialog-0": 1, "media-0": 1, "transport": 1}
        assert fork_server(service.process.pid, ACTORS) != old


def test_the_fork_server_and_an_actor_may_die_in_the_same_instant(service: Service, tmp_path: Path) -> None:
    before = pids(service)
    with never_twice(service), talking(service, tmp_path) as talk:
        server = fork_server(service.process.pid, ACTORS)
        with followed([server, before["transaction-0"]]) as wait:
            os.kill(before["transaction-0"], signal.SIGKILL)
            os.kill(server, signal.SIGKILL)
            assert wait(LONG) == []
        talk.wait_again("transaction-0")
        assert talk.restarts() == {"transaction-0": 1}


def test_all_actors_killed_at_once_come_back_and_the_call_goes_on(service: Service, tmp_path: Path) -> None:
    with never_twice(service), talking(service, tmp_path) as talk:
        before = pids(service)
        with followed(before.values()) as wait:
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            assert wait(LONG) == []
        talk.wait_again(*ACTORS)
        assert talk.restarts() == dict.fromkeys(ACTORS, 1)


@pytest.mark.parametrize("actor", ACTORS)
def test_a_call_survives_kills_in_the_middle_of_the_restore(service: Service, tmp_path: Path, actor: str) -> None:
    root = service.process.pid
    with never_twice(service), talking(service, tmp_path) as talk:
        fork_server(root, ACTORS)  # none is being made anew, which would look like a child
        known = {each.pid for each in family(root)}
        kill(service.pid(actor))
        for _ in range(2):
            pid = newborn(root, known, lambda: service.process.poll() is not None)
            known.add(pid)
            kill(pid)
        talk.wait_again(actor, timeout=LONG)
        assert set(talk.restarts()) == {actor}
        assert talk.restarts()[actor] >= 2


@pytest.mark.parametrize("actor", ["transport", "dialog-0", "media-0"])
def test_a_stopped_actor_is_killed_and_restarted_and_the_call_goes_on(
    service: Service, tmp_path: Path, actor: str
) -> None:
    pid = service.pid(actor)
    with never_twice(service) as census, talking(service, tmp_path) as talk:
        with followed([pid]) as wait, stopped(pid):
            assert wait(LONG) == [], f"{actor} was stopped and never killed"
        talk.wait_again(actor)
        assert talk.restarts() == {actor: 1}
    assert census.lives[actor] == {pid, service.pid(actor)}


def test_all_actors_stopped_at_once_are_restarted_and_the_call_goes_on(service: Service, tmp_path: Path) -> None:
    before = pids(service)
    with never_twice(service) as census, talking(service, tmp_path) as talk:
        with followed(before.values()) as wait, stopped(*before.values()):
            assert wait(LONG) == []
        talk.wait_again(*ACTORS)
        assert talk.restarts() == dict.fromkeys(ACTORS, 1)
    assert {name: len(census.lives[name]) for name in ACTORS} == dict.fromkeys(ACTORS, 2)


@pytest.mark.parametrize("first", ["the supervisor", "the children"])
def test_the_whole_service_stopped_for_five_seconds_goes_on_and_nothing_is_restarted(
    service: Service, tmp_path: Path, first: str
) -> None:
    everyone = [each.pid for each in family(service.process.pid)]
    order = everyone if first == "the supervisor" else everyone[::-1]
    assert (order[0] == service.process.pid) == (first == "the supervisor")
    with never_twice(service) as census, talking(service, tmp_path) as talk, followed(everyone) as wait:
        with stopped(*order):
            assert wait(5.0) == everyone  # the five seconds are the case itself; nobody may end in them
        talk.rtp.wait_for(50)
        assert talk.restarts() == {}
    assert all(len(lives) == 1 for lives in census.lives.values())


def test_nothing_outlives_the_supervisor_and_a_new_one_takes_its_ports_and_its_call(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sa-") as made, ExitStack() as services:
        base = Path(made)
        first = services.enter_context(running("--answer", "ring", base=base))
        with talking(first, tmp_path):
            everyone = [each.pid for each in family(first.process.pid)]
            assert len(everyone) > len(ACTORS) + 1
            with followed(everyone) as wait:
                first.process.kill()
                assert wait(LONG) == [], "they outlive the supervisor"
            listen = tuple(f"{transport}:{host}:{port}" for transport, (host, port) in first.addresses.items())
            second = services.enter_context(running("--answer", "ring", base=base, listen=listen))
            assert second.addresses == first.addresses
        for transport in ("udp", "tcp"):
            with talking(second, tmp_path / transport, transport):
                assert not {each["pid"] for each in second.tree().values()} & set(everyone)
        assert all(child["restarts"] == 0 for child in second.tree().values())
        assert second.stop() == 0
