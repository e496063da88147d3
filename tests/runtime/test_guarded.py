"""The port of the door for other machines, where the configuration leaves it to the system."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actors.runtime.guarded import GuardedRouter
from actors.runtime.keyring import Keyring
from actors.runtime.mailbox import clock

FREE = "tcp://127.0.0.1:0"


def door(tmp_path: Path, address: str = FREE) -> GuardedRouter:
    keys = Keyring[str](tmp_path, lambda name, _: name)
    return GuardedRouter(address, tmp_path / "port", keys, clock, max_message=1000, queue=10, linger=0)


def port_of(router: GuardedRouter) -> str:
    return router.address.rpartition(":")[2]


def test_a_successor_is_found_at_the_port_of_its_predecessor(tmp_path: Path) -> None:
    first = door(tmp_path)
    port = port_of(first)
    first.close()
    second = door(tmp_path)
    assert port_of(second) == port == (tmp_path / "port").read_text("ascii")
    second.close()


@pytest.mark.parametrize("left", ["", "no port", "99999", "taken"])
def test_a_port_that_cannot_be_had_any_more_gives_way_to_a_free_one(tmp_path: Path, left: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        (tmp_path / "port").write_text(taken if left == "taken" else left, "ascii")
        router = door(tmp_path)
        assert port_of(router) not in {taken, "0"}
        assert port_of(router) == (tmp_path / "port").read_text("ascii")
        router.close()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        door(tmp_path, f"tcp://127.0.0.1:{other.getsockname()[1]}")
