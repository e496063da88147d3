"""The fork server and the life of a process: what multiprocessing must go on to do, and what is done when it fails."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.runtime.prologue import resolve

pytestmark = pytest.mark.chaos

ROOT = Path(__file__).parents[2]
SUPERVISED = Path(__file__).parent / "supervised"

BEGINNING = """
import os, signal, select, sys
from pathlib import Path
from actors.runtime.errors import LaunchError
from actors.runtime.forkserver import ForkServer
from actors.runtime.prctl import be_subreaper
from actors.runtime.prologue import Birth
from actors.runtime.runner import start_process

run_dir = Path(sys.argv[1])
be_subreaper(on=True)
server = ForkServer(("children",), run_dir / "forks", patience=5.0)
lock = os.open("/dev/null", os.O_RDONLY)

def birth(**more):
    given = dict(name="a", epoch=1, run_dir=run_dir, state_dir=run_dir, settings=None, peers=(), last_death="",
                 start="children:main", preload=server.preload, interval=1.0)
    return Birth(**{**given, **more})

def await_death(run):
    select.select([run.death], [], [])
    how = run.how_it_ended()
    run.close()
    return how
"""


@pytest.fixture(autouse=True)
def _own_scratch(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(scratch))


def run_script(tmp_path: Path, script: str) -> list[str]:
    """Run a script in a program of its own, for a fork server lives as long as its program."""
    path = os.pathsep.join([str(ROOT), str(SUPERVISED)])
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("{")]


def test_a_stopped_fork_server_is_replaced_rather_than_waited_for(tmp_path: Path) -> None:
    script = """
first = start_process(birth(), {}, lock, server)
old = server.pid
os.kill(old, signal.SIGSTOP)
second = start_process(birth(name="b"), {}, lock, server)
print(server.pid != old)
for run in (first, second):
    run.kill()
    print(await_death(run))
server.close()
"""
    assert run_script(tmp_path, script) == ["True", "kill", "kill"]


def test_how_a_child_ended_is_known_before_and_after_the_fork_servers_death(tmp_path: Path) -> None:
    script = """
for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT):
    for dead in (False, True):
        run = start_process(birth(), {}, lock, server)
        if dead:
            os.kill(server.pid, signal.SIGKILL)
            select.select([server.death], [], [])
        os.kill(run.pid, number)
        print(await_death(run), flush=True)
server.close()
"""
    assert run_script(tmp_path, script) == ["signal:11", "signal:11", "kill", "kill", "signal:6", "signal:6"]


def test_a_child_that_is_dead_before_it_is_looked_at_counts_as_dead(tmp_path: Path) -> None:
    script = """
real = os.pidfd_open
def late(pid):
    # Let it die first, and be reaped by the fork server: its pid may be anyone's then.
    before = real(pid)
    signal.pidfd_send_signal(before, signal.SIGKILL)
    while True:
        try:
            signal.pidfd_send_signal(before, 0)
        except ProcessLookupError:
            break
    os.close(before)
    return real(answer(pid))
for answer in (lambda pid: pid, lambda pid: os.getpid()):
    server.launch()
    os.pidfd_open = late
    run = start_process(birth(), {}, lock, server)
    os.pidfd_open = real
    print(select.select([run.death], [], [], 0)[0] == [run.death], await_death(run))
server.close()
"""
    assert run_script(tmp_path, script) == ["True kill", "True kill"]


def test_a_child_without_its_order_to_go_runs_nothing_and_dies_with_its_pipe(tmp_path: Path) -> None:
    script = """
from actors.runtime.runner import _try_start
run = _try_start(birth(), server)
hello = []
while not hello:
    select.select([run.end], [], [])
    hello, _ = run.end.receive()
os.kill(run.pid, signal.SIGSTOP)
run._alive.close()
select.select([run.death], [], [])
print(run.how_it_ended())
server.close()
"""
    assert run_script(tmp_path, script) == ["kill"]
    assert not (tmp_path / "alive.a").exists()


def test_a_fork_server_whose_folder_is_too_long_for_a_socket_has_its_own(tmp_path: Path, scratch: Path) -> None:
    script = """
server = ForkServer(("children",), run_dir / ("long" * 25), patience=5.0)
server.launch()
print([*run_dir.glob("long*/*")], [path.name[:5] for path in Path(os.environ["TMPDIR"]).iterdir()])
server.close()
"""
    assert run_script(tmp_path, script) == ["[] ['pymp-']"]
    assert not [*scratch.iterdir()]


def test_a_fork_server_that_two_services_share_is_ended_by_the_last_of_them(tmp_path: Path) -> None:
    script = """
server.launch()
other = ForkServer(("children",), run_dir / "other", patience=5.0)
other.launch()
print(other.pid == server.pid)
other.close()
run = start_process(birth(), {}, lock, server)
print(select.select([server.death], [], [], 0)[0])
run.kill()
await_death(run)
death = os.dup(server.death)
server.close()
print(select.select([death], [], [], 0)[0] == [death], [*run_dir.glob("*/listener-*")])
"""
    assert run_script(tmp_path, script) == ["True", "[]", "True []"]


def test_a_fork_server_that_another_launched_without_our_modules_is_made_anew_with_those_of_both(
    tmp_path: Path,
) -> None:
    script = """
server.launch()
other = ForkServer(("children", "wave"), run_dir / "other", patience=5.0)
for _ in range(2):
    for its in (other, server):
        run = start_process(birth(preload=its.preload, settings={"mode": "dies unready"}), {}, lock, its)
        print(await_death(run), its.pid == other.pid, flush=True)
other.close()
server.close()
"""
    assert run_script(tmp_path, script) == ["exit:70 True"] * 4, "78 is that of a child whose modules are not there"


def test_a_fork_server_goes_with_the_folder_of_its_socket(tmp_path: Path) -> None:
    script = """
server.launch()
other = ForkServer(("children",), run_dir / "other", patience=5.0)
other.launch()
server.close()
print(select.select([other.death], [], [], 0)[0] == [other.death])
other.relaunch(eagerly=False)
run = start_process(birth(), {}, lock, other)
run.kill()
print(await_death(run))
other.close()
"""
    assert run_script(tmp_path, script) == ["True", "kill"]


def test_a_fork_server_that_dies_as_soon_as_it_is_made_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    script = """
server = ForkServer(("children", "suicidal"), run_dir / "forks", patience=5.0)
try:
    start_process(birth(), {}, lock, server)
except LaunchError as error:
    print("failed")
server.close()
"""
    assert run_script(tmp_path, script) == ["failed"]


def test_neither_the_environment_nor_main_is_changed_for_good(tmp_path: Path) -> None:
    script = """
before = dict(os.environ), sys.modules["__main__"]
server.launch()
run = start_process(birth(), {}, lock, server)
print(before == (dict(os.environ), sys.modules["__main__"]))
run.kill()
await_death(run)
server.close()
"""
    assert run_script(tmp_path, script) == ["True"]


def test_a_supervisor_of_processes_can_run_beside_other_code(tmp_path: Path) -> None:
    script = """
from actors.runtime.errors import StartupError
from actors.runtime.supervision import ChildSpec, Supervisor
for mode, turn in (("", 1), ("", 2), ("dies unready", 3)):
    spec = ChildSpec(name="a", start="children:main", settings={"mode": mode})
    supervisor = Supervisor([spec], run_dir / "run", run_dir / "state")
    try:
        supervisor.start()
    except StartupError as error:
        print(error)
        continue
    (child,) = supervisor.children()
    print(child.name, child.state, child.pid != os.getpid(), child.epoch, supervisor.stop())
"""
    lines = [line for line in run_script(tmp_path, script) if " [" not in line and "\t" not in line]
    assert [line for line in lines if line.startswith("a ")] == [
        "a ready True 1000001 0",
        "a ready True 2000001 0",
        "a never became ready: RuntimeError: the configuration of this child is wrong",
    ]


def test_multiprocessing_still_keeps_what_is_read_of_its_private_state() -> None:
    server = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    assert server._forkserver_pid is None or server._forkserver_pid > 0
    assert server._forkserver_alive_fd is None or server._forkserver_alive_fd > 0


def test_a_start_is_found_by_its_name() -> None:
    assert resolve("os:path.join") is os.path.join
    with pytest.raises(AttributeError):
        resolve("os:no_such_thing")
