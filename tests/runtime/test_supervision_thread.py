"""The same tree with its children as threads of the embedding program."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.runtime.channel import Stop
from actors.runtime.context import Context
from actors.runtime.descriptors import SocketSpec
from actors.runtime.errors import StartupError
from actors.runtime.restart import Intensity
from actors.runtime.supervision import ChildSpec, Supervisor

THIS = "thread_actors_of_the_test"


class Stage:
    """What the actors of a test do and say; they run in this very process."""

    def __init__(self) -> None:
        self.born: list[Context] = []
        self.stopped: list[str] = []
        self.happened = threading.Condition()
        self.fail = threading.Event()  # set: the next actor that looks raises
        self.hang = threading.Event()
        self.go_on = threading.Event()
        self.deaf = False

    def main(self, context: Context) -> None:
        with self.happened:
            self.born.append(context)
            self.happened.notify_all()
        if self.deaf:
            context.channel.ready()
            self.go_on.wait()
            return
        context.channel.ready()
        while True:
            one_turn(context)
            if self.fail.is_set():
                self.fail.clear()
                raise RuntimeError("a fault of the test")
            if self.hang.is_set():
                self.hang.clear()
                self.go_on.wait()
            if any(isinstance(order, Stop) for order in context.channel.receive()):
                self.stopped.append(context.name)
                return

    def wait_for(self, what: Callable[[], bool]) -> None:
        with self.happened:
            assert self.happened.wait_for(what, 30)


def one_turn(context: Context) -> None:
    select.select([context.channel], [], [], 0.02)
    context.channel.beat()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    one = Stage()
    monkeypatch.setitem(sys.modules, THIS, one)  # type: ignore[arg-type]
    yield one
    one.go_on.set()


def tree(tmp_path: Path, *names: str, heartbeat: float = 5.0, shutdown: float = 30.0, **more: object) -> Supervisor:
    specs = [
        ChildSpec(
            name=name,
            start=f"{THIS}:main",
            heartbeat=heartbeat,
            shutdown=shutdown,
            sockets=(SocketSpec("udp:a", "udp", "127.0.0.1", 0),) if name == "a" else (),
        )
        for name in names
    ]
    return Supervisor(specs, tmp_path / "run", tmp_path / "state", "thread", **more)  # type: ignore[arg-type]


def states(supervisor: Supervisor) -> list[str]:
    return [child.state for child in supervisor.children()]


def test_children_start_as_threads_and_stop_in_reverse_order(tmp_path: Path, stage: Stage) -> None:
    ready: list[Supervisor] = []
    supervisor = tree(tmp_path, "a", "b-0", "c", on_ready=ready.append)
    supervisor.start()
    assert ready == [supervisor]
    assert states(supervisor) == ["ready"] * 3
    assert {child.pid for child in supervisor.children()} == {os.getpid()}
    assert {context.placement for context in stage.born} == {"thread"}
    assert stage.born[0].address("a", "b-0") == f"inproc://{tmp_path}/run/pipes/b-0.a"
    assert supervisor.stop() == 0
    assert stage.stopped == ["c", "b-0", "a"]
    assert states(supervisor) == ["stopped"] * 3


def test_an_exception_starts_the_actor_again_with_its_descriptors(tmp_path: Path, stage: Stage) -> None:
    supervisor = tree(tmp_path, "a")
    supervisor.start()
    stage.fail.set()
    stage.wait_for(lambda: len(stage.born) == 2)
    assert stage.born[1].last_death == "exit:70"
    assert stage.born[1].epoch == stage.born[0].epoch + 1
    for context in stage.born:
        with socket.socket(fileno=context.channel.descriptors["udp:a"].fd) as sock:
            assert "{}:{}".format(*sock.getsockname()) == supervisor.addresses["udp:a"]
    supervisor.stop()


def test_a_hang_is_reported_and_taken_back_when_the_thread_goes_on(tmp_path: Path, stage: Stage) -> None:
    supervisor = tree(tmp_path, "b", heartbeat=0.2)
    supervisor.start()
    stage.hang.set()
    await_state(supervisor, "hung")
    stage.go_on.set()
    await_state(supervisor, "ready")
    assert len(stage.born) == 1
    assert supervisor.stop() == 0
    assert stage.stopped == ["b"]


def test_a_thread_that_does_not_stop_is_left_behind(tmp_path: Path, stage: Stage) -> None:
    stage.deaf = True
    supervisor = tree(tmp_path, "b", shutdown=0.2)
    supervisor.start()
    assert supervisor.stop() == 0


def test_a_start_that_is_interrupted_leaves_nothing_running(
    tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = tree(tmp_path, "a")

    def interrupted() -> None:
        stage.wait_for(lambda: len(stage.born) == 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor._settled, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        supervisor.start()
    assert states(supervisor) == ["stopped"]


def test_a_reload_takes_how_long_a_child_is_waited_for(tmp_path: Path, stage: Stage) -> None:
    del stage
    spec = ChildSpec(name="b", start=f"{THIS}:main", shutdown=61.0, heartbeat=62.0, startup=63.0)
    supervisor = tree(tmp_path, "b", reread=lambda: [spec])
    supervisor.start()
    assert supervisor._reload() == ("", ("b",))
    (child,) = supervisor._children
    assert (child.shutdown, child.heartbeat, child.startup) == (61.0, 62.0, 63.0)
    supervisor.stop()


def test_an_actor_that_never_becomes_ready_makes_start_fail(tmp_path: Path, stage: Stage) -> None:
    del stage
    spec = ChildSpec(name="x", start="no.such.module:main")
    supervisor = Supervisor([spec], tmp_path / "run", tmp_path / "state", "thread", intensity=Intensity(1, 10.0))
    with pytest.raises(StartupError, match="x never became ready: ModuleNotFoundError: No module named 'no'"):
        supervisor.start()


def test_nothing_of_the_host_process_is_changed(tmp_path: Path, stage: Stage) -> None:
    del stage
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    descriptors = set(Path("/proc/self/fd").iterdir())
    supervisor = tree(tmp_path, "b", "c")
    supervisor.start()
    supervisor.stop()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert set(Path("/proc/self/fd").iterdir()) == descriptors


@pytest.mark.parametrize("start", ["__main__:main", "no_colon", lambda _context: None])
def test_a_start_that_no_process_could_import_is_refused(tmp_path: Path, start: object) -> None:
    with pytest.raises(ValueError, match="is not a function of an importable module"):
        Supervisor([ChildSpec(name="a", start=start)], tmp_path, tmp_path)  # type: ignore[arg-type]


def test_two_children_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two children have the same name"):
        tree(tmp_path, "a", "a")


def await_state(supervisor: Supervisor, state: str) -> None:
    """States show only by asking, so ask, without keeping the processor busy."""
    asked = threading.Event()
    for _ in range(3000):
        if states(supervisor) == [state]:
            return
        asked.wait(0.01)
    raise AssertionError(states(supervisor))
