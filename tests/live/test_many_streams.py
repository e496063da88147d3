"""A thousand TCP peers at once on the one poll loop: each is answered, none waits for another, and nothing stays."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from pathlib import Path

import pytest

from tests.live.service import running

pytestmark = pytest.mark.live

PEERS = 1000
PATIENCE = 60.0


def _options(number: int) -> bytes:
    return (
        f"OPTIONS sip:us@localhost SIP/2.0\r\nVia: SIP/2.0/TCP peer{number}.example;branch=z9hG4bK{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:peer@peer.example>;tag={number}\r\nTo: <sip:us@localhost>\r\n"
        f"Call-ID: many-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _answered(peers: list[socket.socket]) -> dict[int, bytes]:
    """What each peer heard, by its descriptor, once all have a whole answer."""
    heard = {peer.fileno(): b"" for peer in peers}
    waiting = {peer.fileno(): peer for peer in peers}
    end = time.monotonic() + PATIENCE
    with select.epoll() as poll:
        for fd in waiting:
            poll.register(fd, select.EPOLLIN)
        while waiting:
            assert time.monotonic() < end, f"{len(waiting)} of {len(peers)} have no answer"
            for fd, _ in poll.poll(1.0):
                piece = waiting[fd].recv(65536)
                assert piece, "closed without an answer"
                heard[fd] += piece
                if heard[fd].endswith(b"\r\n\r\n"):
                    poll.unregister(fd)
                    del waiting[fd]
    return heard


def test_a_thousand_connections_are_all_served() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < PEERS + 200:
        pytest.skip(f"only {soft} descriptors may be open: raise it with ulimit -n")
    with running("--answer", "echo") as service, contextlib.ExitStack() as held:
        host, port = service.addresses["udp"]
        # Once a call has gone all the way, every pipe of the transport's is connected.
        assert service.command("call", f"sip:us@{host}:{port}", "--duration", "0.1").returncode == 0
        descriptors = Path(f"/proc/{service.pid('transport')}/fd")
        before = sum(1 for _ in descriptors.iterdir())
        peers = [
            held.enter_context(socket.create_connection(service.addresses["tcp"], timeout=20)) for _ in range(PEERS)
        ]
        for turn in range(2):  # at first as they come, then all of them again
            for number, peer in enumerate(peers):
                peer.sendall(_options(turn * PEERS + number))
            heard = _answered(peers)
            for number, peer in enumerate(peers):
                assert heard[peer.fileno()].startswith(b"SIP/2.0 200 ")
                assert f"\r\nCall-ID: many-{turn * PEERS + number}\r\n".encode() in heard[peer.fileno()]
        assert sum(1 for _ in descriptors.iterdir()) >= before + PEERS
        held.close()
        end = time.monotonic() + PATIENCE
        while sum(1 for _ in descriptors.iterdir()) > before:
            assert time.monotonic() < end, "descriptors stay"
