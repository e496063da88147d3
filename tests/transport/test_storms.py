"""Peers that send much of what costs them little: line ends, and requests whose answers they do not read."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from actors.transport.events import Received
from tests.transport.wired import SHARD, Service, read, request

# Refused at once, with all its Vias: a long answer.
LONG = request(1, via="a;x=" + "y" * 8000).replace(
    b"\r\nFrom", b"".join(b"\r\nVia: SIP/2.0/TCP a%d;branch=z;x=%b" % (n, b"y" * 8000) for n in range(3)) + b"\r\nFrom"
)
LONG = LONG.replace(b"CSeq: 1 OPTIONS", b"CSeq: x")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, max_queue=60_000)
    yield made
    made.close()


def test_a_storm_of_pings_gets_few_pongs_and_what_is_behind_it_is_served(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        cells: Any = it.actor.cells
        put, written = cells.put, []

        def counted(key: bytes, value: Any, deadline: float | None) -> None:
            written.append(key)
            put(key, value, deadline)

        cells.put = counted
        peer.sendall(b"\r\n\r\n" * 50_000 + request(7))
        assert it.expect(SHARD, Received).head.call_id == "7"
        assert read(it, peer, 2) == b"\r\n"
        assert len(written) < 1000  # a pong or so for all that one read brought
        service.store(it)


def test_a_connection_that_ends_for_its_answers_leaves_nothing_in_the_journal(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        connections: Any = it.actor._connections  # type: ignore[attr-defined]
        it.wait_for(lambda: len(connections), "the connection")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        peer.setblocking(False)
        while len(connections):
            select.select([], [peer], [], 0.01)
            with suppress(BlockingIOError, ConnectionError):
                peer.send(LONG * 2 + b"\r\n\r\n" * 10_000)
            it.settle()
        cells = it.actor.cells
        it.wait_for(lambda: not any(key.startswith(b"tcp:") for key in cells.keys()), "nothing left")  # noqa: SIM118
        service.store(it)
