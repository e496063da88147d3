"""The life and death of children, with real processes that are killed, stopped, and hang."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.chaos

UDP = ("udp:a", "udp", "127.0.0.1", 0)
QUICK = {"heartbeat": 2.0}  # what a busy machine lets nobody be silent for
EPOCHS = 1_000_000


def test_every_child_starts_once_with_its_name_epoch_and_descriptors(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "transport", "sockets": [UDP]}, {"name": "control", "peers": ["transport"]})
    service.expect_ready()
    births = sorted((event for event in service.seen if event["event"] == "born"), key=lambda event: str(event["name"]))
    assert [birth["name"] for birth in births] == ["control", "transport"]  # neither waits for the other
    assert {birth["epoch"] for birth in births} == {EPOCHS + 1}
    assert births[1]["descriptors"] == {"udp:a": service.addresses["udp:a"]}
    assert births[0]["descriptors"] == {}


def test_the_users_main_module_is_not_run_again_in_any_child(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b"}).expect_ready()
    service.kill("a")
    service.expect("born", name="a")
    assert [event["event"] for event in service.seen].count("main") == 1


def test_a_killed_child_is_started_again_and_no_other_is(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b"}).expect_ready()
    service.kill("a")
    assert service.expect("born")["name"] == "a"
    assert service.seen[-1]["last_death"] == "kill"
    assert service.seen[-1]["epoch"] == EPOCHS + 2


def test_two_of_one_child_never_live_at_once_however_often_it_is_killed(start_service: Callable[..., Any]) -> None:
    names = ["a", "b", "c"]
    service = start_service(*({"name": name} for name in names), intensity=(1000, 10.0)).expect_ready()
    for turn in range(30):
        name = names[turn % 3]
        if turn % 5 == 0:
            service.kill(name, signal.SIGSTOP)
        service.kill(name)
        service.expect("born", name=name)  # the harness fails on a second one alive


@pytest.mark.parametrize(
    ("command", "how"),
    [("signal 11", "signal:11"), ("exit 70", "exit:70"), ("exit 0", "exit:0"), ("raise x", "exit:70")],
)
def test_a_successor_is_told_how_its_predecessor_ended(
    start_service: Callable[..., Any], command: str, how: str
) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}).expect_ready()
    service.tell("udp:a", f"do {command}")
    assert service.expect("born")["last_death"] == how


def test_a_stopped_child_counts_as_hung_and_is_replaced(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", **QUICK}, {"name": "b", **QUICK}).expect_ready()
    service.kill("a", signal.SIGSTOP)
    assert service.expect("born")["last_death"] == "hang"
    assert service.seen[-1]["name"] == "a"


def test_a_child_that_loops_for_ever_is_replaced(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "settings": {"mode": "loops"}, **QUICK}).expect_ready()
    assert service.expect("born")["last_death"] == "hang"


def test_a_child_that_is_not_ready_in_time_counts_as_hung(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "start": "children:born_and_gone", "startup": 1.0}, intensity=(1, 30.0))
    service.expect("born", last_death="hang")
    assert service.expect("end")["code"] == 70


def test_no_child_is_blamed_when_the_supervisor_itself_was_stopped(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP], **QUICK}).expect_ready()
    service.kill("a", signal.SIGSTOP)
    os.kill(service.pid, signal.SIGSTOP)
    spend(4.0)  # the child's silence is far beyond its heartbeat, and the supervisor's own sleep beyond a second
    os.kill(service.pid, signal.SIGCONT)
    service.kill("a", signal.SIGCONT)
    service.tell("udp:a", "do tree 1")
    assert service.expect("tree")["children"] == [["a", service.pids["a"], "ready"]]
    assert [event["event"] for event in service.seen].count("born") == 1


def test_a_transient_child_may_end_and_a_temporary_one_may_fail(start_service: Callable[..., Any]) -> None:
    service = start_service(
        {"name": "a", "restart": "transient", "settings": {"mode": "ends"}},
        {"name": "b", "restart": "temporary", "sockets": [UDP]},
    ).expect_ready()
    service.tell("udp:a", "do exit 70")
    assert service.expect("end")["code"] == 0
    assert [event["event"] for event in service.seen].count("born") == 2


def test_a_service_that_never_becomes_ready_is_given_up_with_its_reason(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b", "settings": {"mode": "dies unready"}}, intensity=(3, 10.0))
    end = service.expect("end")
    assert end["code"] == 70
    assert end["failure"] == "b never became ready: RuntimeError: the configuration of this child is wrong"
    assert [event["name"] for event in service.seen if event["event"] == "born"].count("b") == 4


def test_a_child_that_was_ready_is_started_again_for_ever(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, intensity=(2, 10.0)).expect_ready()
    for _ in range(5):
        service.kill("a")
        service.expect("born", name="a")


def test_a_fork_server_with_threads_is_refused_loudly(start_service: Callable[..., Any]) -> None:
    end = start_service({"name": "a", "start": "threaded:main"}, intensity=(0, 10.0)).expect("end")
    assert end["code"] == 70
    assert "threads in the fork server: 2" in end["failure"]


def test_a_module_that_cannot_be_preloaded_is_refused_loudly(start_service: Callable[..., Any]) -> None:
    end = start_service({"name": "a", "start": "no_such_module:main"}, intensity=(0, 10.0)).expect("end")
    assert "not preloaded: no_such_module (ModuleNotFoundError: No module named 'no_such_module');" in end["failure"]


def test_children_live_on_without_the_fork_server_and_the_next_start_has_a_new_one(
    start_service: Callable[..., Any],
) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}, {"name": "b"}).expect_ready()
    old = service.fork_server()
    os.kill(old, signal.SIGKILL)
    service.tell("udp:a", "do signal 11")  # an orphan: its status comes from the kernel, not from the fork server
    assert service.expect("born")["last_death"] == "signal:11"
    assert service.fork_server() != old
    service.kill("b")
    assert service.expect("born")["name"] == "b"
    assert [event["event"] for event in service.seen].count("born") == 4


def test_the_fork_server_and_a_child_may_be_killed_at_once(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b"}, intensity=(1000, 10.0)).expect_ready()
    for turn in range(6):
        pids = [service.fork_server(), service.pids["a"]]
        for pid in pids if turn % 2 else reversed(pids):
            os.kill(pid, signal.SIGKILL)
        assert service.expect("born")["name"] == "a"


def test_a_stopped_fork_server_is_given_up_for_a_new_one_and_no_child_is_blamed(
    start_service: Callable[..., Any],
) -> None:
    service = start_service({"name": "a"}, {"name": "b"}).expect_ready()
    old = service.fork_server()
    os.kill(old, signal.SIGSTOP)
    service.kill("a")
    assert service.expect("born")["name"] == "a"
    assert service.fork_server() != old
    assert sorted(event["name"] for event in service.seen if event["event"] == "born") == ["a", "a", "b"]


def test_a_supervisor_without_descriptors_goes_on_and_starts_the_child_when_it_has_some_again(
    start_service: Callable[..., Any],
) -> None:
    service = start_service({"name": "a"}, {"name": "b"}).expect_ready()
    limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    held = {int(entry.name) for entry in Path(f"/proc/{service.pid}/fd").iterdir()}
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (len(held) + 1, limits[1]))
    service.kill_fork_server()
    service.kill("a")
    service.expect_error("Too many open files")
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, limits)
    assert service.expect("born")["name"] == "a"
    service.signal(signal.SIGTERM)
    assert service.wait() == 0


def test_nothing_outlives_the_supervisor_not_even_a_stopped_or_looping_child(
    start_service: Callable[..., Any], death_of: Callable[[int], None]
) -> None:
    loops = {"name": "loops", "settings": {"mode": "loops"}}
    service = start_service({"name": "a", "sockets": [UDP]}, {"name": "stopped"}, loops).expect_ready()
    service.kill("stopped", signal.SIGSTOP)
    helpers = service.helpers()
    assert service.fork_server() in helpers
    os.kill(service.pid, signal.SIGKILL)
    for pid in (*service.pids.values(), *helpers):
        death_of(pid)


def test_a_new_supervisor_takes_the_place_and_the_ports_of_a_killed_one_at_once(
    start_service: Callable[..., Any], free_port: int
) -> None:
    sockets = [(f"{kind}:a", kind, "127.0.0.1", free_port) for kind in ("udp", "tcp")]
    for generation in range(1, 5):
        service = start_service({"name": "a", "sockets": sockets}).expect_ready()
        assert service.seen[-2]["epoch"] == generation * EPOCHS + 1
        os.kill(service.pid, signal.SIGKILL)


def test_a_killed_supervisor_leaves_nothing_outside_of_its_directory_and_the_next_one_clears_that(
    start_service: Callable[..., Any], scratch: Path
) -> None:
    for _ in range(2):
        service = start_service({"name": "a"}).expect_ready()
        service.kill("a")
        service.expect("born", name="a")
        assert len([*(service.run_dir / "forks").glob("listener-*")]) == 1
        assert not [*scratch.iterdir()]
        os.kill(service.pid, signal.SIGKILL)


def test_the_tree_is_told_to_a_child_that_asks(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "control", "sockets": [UDP]}, {"name": "b"}).expect_ready()
    service.tell("udp:a", "do tree ref-7")
    tree = service.expect("tree")
    assert tree["ref"] == "ref-7"
    assert tree["children"] == [["control", service.pids["control"], "ready"], ["b", service.pids["b"], "ready"]]


def test_a_process_is_named_after_its_actor(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "transaction-0"}).expect_ready()
    assert Path(f"/proc/{service.pids['transaction-0']}/comm").read_text().strip() == "transaction-0"


def spend(seconds: float) -> None:
    """Let time pass: here the passing of time is what is tested."""
    signal.sigtimedwait([signal.SIGUSR2], seconds)
