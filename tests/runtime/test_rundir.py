"""The run and state directories: private, for one service at a time, and counting its starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.runtime.rundir import STARTS_OF_A_CHILD, RunDirectory, RunDirectoryError, check_pipe_paths

HOLDER = """
import sys, signal
from pathlib import Path
from actors.runtime.rundir import RunDirectory
held = RunDirectory(Path(sys.argv[1]), Path(sys.argv[2]))
print("held", flush=True)
signal.pause()
"""


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "a" / "run", tmp_path / "b" / "state").close()
    for made in (tmp_path / "a" / "run", tmp_path / "a" / "run" / "pipes", tmp_path / "b" / "state"):
        assert made.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "run" / "lock").stat().st_mode & 0o777 == 0o600


def test_one_that_is_open_to_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    with pytest.raises(RunDirectoryError, match=r"is open to others \(mode 755\): chmod 700 it"):
        RunDirectory(tmp_path / "run", tmp_path / "state")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_one_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match=r"cannot make directory .*file/run: Not a directory"):
        RunDirectory(tmp_path / "file" / "run", tmp_path / "state")


def test_every_start_has_higher_epochs_also_when_either_directory_is_lost(tmp_path: Path) -> None:
    bases = []
    for lost in ("neither", "run", "state", "neither"):
        for file in (tmp_path / lost).glob("generation"):
            file.unlink()
        directory = RunDirectory(tmp_path / "run", tmp_path / "state")
        bases.append(directory.base_epoch)
        directory.close()
    assert bases == [number * STARTS_OF_A_CHILD for number in (1, 2, 3, 4)]


def test_a_second_service_is_refused_while_the_first_lives_and_not_after_its_kill(tmp_path: Path) -> None:
    directories = (tmp_path / "run", tmp_path / "state")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, *map(str, directories)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunDirectoryError, match=rf"in use by another service \(pid {holder.pid}\)"):
            RunDirectory(*directories)
        holder.send_signal(signal.SIGKILL)
        RunDirectory(*directories).close()  # at once, though its pid is still that of a zombie


def test_a_state_directory_serves_one_service_at_a_time(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "one", tmp_path / "state")
    with pytest.raises(RunDirectoryError, match=rf"state directory .*state is in use by .*\(pid {os.getpid()}\)"):
        RunDirectory(tmp_path / "two", tmp_path / "state")
    RunDirectory(tmp_path / "two", tmp_path / "another").close()
    first.close()
    RunDirectory(tmp_path / "two", tmp_path / "state").close()


def test_one_directory_may_be_both(tmp_path: Path) -> None:
    for _ in range(2):
        RunDirectory(tmp_path / "both", tmp_path / "both").close()


def test_it_is_not_free_while_a_child_of_a_killed_service_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.rundir._LOCK_PATIENCE", 0.05)
    directories = (tmp_path / "run", tmp_path / "state")
    directory = RunDirectory(*directories)
    of_a_child = os.dup(directory.lock)
    directory.close()
    os.pwrite(of_a_child, b"%-20d" % 2**22, 0)  # the pid of nobody
    with pytest.raises(RunDirectoryError, match="in use"):
        RunDirectory(*directories)
    os.close(of_a_child)
    RunDirectory(*directories).close()


@pytest.mark.parametrize(("excess", "allowed"), [(0, True), (1, False)])
def test_pipe_paths_may_have_107_bytes(excess: int, allowed: bool) -> None:
    run_dir = Path("/" + "r" * (107 - len("//pipes/b.a") + excess))
    if allowed:
        check_pipe_paths(run_dir, [("a", "b")])
        return
    with pytest.raises(RunDirectoryError, match="too long by 1 bytes"):
        check_pipe_paths(run_dir, [("a", "b")])
