"""How a service ends: in order, in time, or at once; and what keeps it from starting."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.chaos

UDP = ("udp:a", "udp", "127.0.0.1", 0)


def stops(service: Any) -> list[str]:
    return [event["name"] for event in service.seen if event["event"] == "stop"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_layers_in_reverse_order(start_service: Callable[..., Any], number: int) -> None:
    names = ["transport", "transaction-0", "transaction-1", "control"]
    service = start_service(*({"name": name} for name in names)).expect_ready()
    service.signal(number)
    assert service.wait() == 0
    order = stops(service)
    assert [name.partition("-")[0] for name in order] == ["control", "transaction", "transaction", "transport"]
    assert all(event["drain"] for event in service.seen if event["event"] == "stop")
    assert service.seen[-1] == {"event": "end", "code": 0, "failure": ""}


def test_a_child_can_ask_for_the_end_of_the_service(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "control", "sockets": [UDP]}).expect_ready()
    service.tell("udp:a", "do stop")
    assert service.wait() == 0
    assert stops(service) == ["control", "a"]


def test_what_is_not_yet_told_to_stop_is_still_started_again(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b", "settings": {"mode": "deaf"}, "shutdown": 30}).expect_ready()
    service.signal(signal.SIGTERM)
    service.expect("stop", name="b")
    service.kill("a")
    service.expect("born", name="a")
    service.kill("b")
    assert service.wait() == 0
    assert stops(service) == ["b", "a"]
    assert [event["event"] for event in service.seen].count("born") == 3


def test_a_child_that_does_not_stop_in_time_is_killed(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a"}, {"name": "b", "settings": {"mode": "deaf"}, "shutdown": 0.2}).expect_ready()
    service.signal(signal.SIGTERM)
    assert service.wait() == 0
    assert stops(service) == ["b", "a"]


def test_a_second_signal_ends_the_service_at_once(
    start_service: Callable[..., Any], death_of: Callable[[int], None]
) -> None:
    service = start_service({"name": "a"}, {"name": "b", "settings": {"mode": "deaf"}, "shutdown": 60}).expect_ready()
    service.signal(signal.SIGTERM)
    service.expect("stop", name="b")
    service.signal(signal.SIGTERM)
    assert service.wait() == 1
    assert stops(service) == ["b"]
    for pid in service.pids.values():
        death_of(pid)


def test_children_do_not_heed_the_signals_of_their_terminal(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}).expect_ready()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        service.kill("a", number)
    service.tell("udp:a", "do tree 1")
    assert service.expect("tree")["children"] == [["a", service.pids["a"], "ready"]]


def test_a_second_service_in_the_run_directory_is_refused_in_one_line(start_service: Callable[..., Any]) -> None:
    first = start_service({"name": "a", "sockets": [UDP]}).expect_ready()
    refused = start_service({"name": "a"}).expect("refused")
    assert refused["why"] == (
        f"run directory {first.run_dir} is in use by another service (pid {first.pid}): "
        "stop it, or choose another run directory"
    )
    first.tell("udp:a", "do tree 1")
    first.expect("tree")


def test_a_taken_address_is_refused_in_one_line_before_any_child_starts(start_service: Callable[..., Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        service = start_service({"name": "a"}, {"name": "b", "sockets": [("udp:b", "udp", "127.0.0.1", port)]})
        assert service.expect("refused")["why"].startswith(
            f"cannot listen on udp:127.0.0.1:{port}: address already in use"
        )
    assert [event["event"] for event in service.seen] == ["main", "refused"]


def test_a_run_directory_too_long_for_its_sockets_is_refused(start_service: Callable[..., Any], tmp_path: Path) -> None:
    service = start_service({"name": "a" * 60, "peers": ["b" * 60]})
    assert service.expect("refused")["why"].startswith(f"run directory {tmp_path / 'run'} is too long by ")
