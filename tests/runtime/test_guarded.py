"""The door for other machines: its port, and how many may stand in it without a key."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import zmq

from actors.runtime.guarded import BACKLOG, GuardedRouter
from actors.runtime.keyring import Keyring, write
from actors.runtime.mailbox import clock

PATIENCE = 30.0
FLOOD = 300  # connections
FREE = "tcp://127.0.0.1:0"


def door(tmp_path: Path, address: str = FREE) -> GuardedRouter:
    keys = Keyring[str](tmp_path, lambda name, _: name)
    return GuardedRouter(address, tmp_path / "port", keys, clock, max_message=1000, queue=10, linger=0)


class Guarded:
    """A door with few places that somebody serves, as an actor does: woken by news, and by them alone."""

    def __init__(self, folder: Path, most: int) -> None:
        self.server, self.client = zmq.curve_keypair(), zmq.curve_keypair()
        (folder / "clients").mkdir()
        write(folder / "server.toml", {"public": self.server[0].decode(), "secret": self.server[1].decode()})
        write(folder / "clients" / "bot.toml", {"public": self.client[0].decode()})
        keys = Keyring[str](folder, lambda name, _: name)
        self.router = GuardedRouter(FREE, folder / "port", keys, clock, most=most, max_message=1000, queue=10, linger=0)
        self.where = ("127.0.0.1", int(port_of(self.router)))
        self.most_seen = 0

    def serve(self, until: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < end, "it did not come to be"
            select.select([*self.router.filenos_of_comers(), self.router.fileno()], [], [], 0.01)
            self.look()

    def look(self) -> None:
        self.router.let_in()
        self.most_seen = max(self.most_seen, len(list(Path("/proc/self/fd").iterdir())))

    def says(self, context: zmq.Context[zmq.Socket[bytes]], word: bytes) -> int:
        """Somebody with a key connects and says a word, which comes; gives how many connections there were then."""
        with context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.curve_serverkey = self.server[0]
            dealer.curve_publickey, dealer.curve_secretkey = self.client
            dealer.connect(self.router.address)
            dealer.send(word)
            heard: list[tuple[bytes, bytes, bytes]] = []

            def came() -> list[tuple[bytes, bytes, bytes]]:
                heard.extend(self.router.receive(10))
                return heard

            self.serve(came)
            assert [(data, key) for _, data, key in heard] == [(word, self.client[0])]
            return len(self.router._connections)


@pytest.mark.parametrize("said", [b"", b"\xff" + bytes(8) + b"\x7f\x03", b"GET / HTTP/1.0\r\n\r\n" * 10])
def test_who_connects_and_shows_no_key_takes_few_places_and_those_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr("actors.runtime.guarded.HANDSHAKE", 500)
    guarded = Guarded(tmp_path, most=20)
    with zmq.Context() as context, ExitStack() as stack:
        guarded.says(context, b"before")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(FLOOD):
            half = stack.enter_context(socket.socket())
            half.setblocking(False)
            half.connect_ex(guarded.where)
            with suppress(BlockingIOError, ConnectionError):
                half.send(said)
            if number % 10 == 0:
                guarded.look()
        guarded.says(context, b"with a key")
        assert guarded.most_seen < before + FLOOD + 20 + 10 + BACKLOG + 16  # the last for what ZeroMQ needs itself
    guarded.router.close()


def test_a_key_that_left_gives_its_place_to_the_next(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, most=1)
    with zmq.Context() as context:
        assert [guarded.says(context, b"%d" % number) for number in range(5)] == [1] * 5
        guarded.serve(lambda: not guarded.router._connections)  # the last has left, too
        assert guarded.router.refused == 0
    guarded.router.close()


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
