"""The kernel's counters, which the byte-exact hand-over of connections stands on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from actors.transport import sockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A connection: the side that opened it and the side that accepted it."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((request.param, 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]) as opened:
            accepted, _ = listener.accept()
            with accepted:
                yield opened, accepted


def _await_bytes(sock: socket.socket, count: int) -> None:
    """Wait until `count` bytes have arrived."""
    assert len(sock.recv(count, socket.MSG_PEEK | socket.MSG_WAITALL)) == count


def _await_end(sock: socket.socket) -> None:
    """Wait until the peer's FIN has arrived."""
    import select

    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    assert poll.poll(5000)


def test_a_fresh_connection_has_consumed_nothing(pair: Pair) -> None:
    assert [sockets.counters(sock).consumed for sock in pair] == [0, 0]


def test_peeked_bytes_are_not_consumed(pair: Pair) -> None:
    opened, accepted = pair
    opened.sendall(b"x" * 100)
    _await_bytes(accepted, 100)
    assert sockets.counters(accepted).consumed == 0
    sockets.discard(accepted, 60)
    assert sockets.counters(accepted).consumed == 60


def test_a_fin_is_not_counted_as_a_byte(pair: Pair) -> None:
    opened, accepted = pair
    opened.sendall(b"x" * 100)
    _await_bytes(accepted, 100)
    sockets.discard(accepted, 60)
    opened.shutdown(socket.SHUT_WR)
    _await_end(accepted)
    assert sockets.counters(accepted).consumed == 60
    sockets.discard(accepted, 40)
    assert sockets.counters(accepted).consumed == 100
    assert accepted.recv(1) == b""
    assert sockets.counters(accepted).consumed == 100


@pytest.mark.parametrize("side", [0, 1])
def test_written_counts_what_the_kernel_took_whether_or_not_it_was_acknowledged(pair: Pair, side: int) -> None:
    writer, reader = pair[side], pair[1 - side]
    base = sockets.counters(writer).written
    writer.setblocking(False)
    total = 0
    try:
        while True:
            total += writer.send(b"y" * 10_000)
    except BlockingIOError:
        pass
    assert sockets.counters(writer).written - base == total
    taker = threading.Thread(target=lambda: reader.recv(total, socket.MSG_WAITALL))
    taker.start()
    taker.join()
    assert sockets.counters(writer).written - base == total


def test_written_goes_on_after_the_peer_has_half_closed(pair: Pair) -> None:
    opened, accepted = pair
    base = sockets.counters(accepted).written
    opened.shutdown(socket.SHUT_WR)
    _await_end(accepted)
    accepted.sendall(b"z" * 77)
    _await_bytes(opened, 77)
    assert sockets.counters(accepted).written - base == 77


def test_the_side_that_opens_is_calibrated_only_once_it_is_connected() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with sockets.open_connection(*listener.getsockname()) as opened:
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"1")
                opened.setblocking(True)
                _await_bytes(opened, 1)
                assert sockets.counters(opened) == (sockets.ESTABLISHED, 0, 1)
                assert sockets.counters(accepted).written == 1


def test_a_refused_connection_says_why() -> None:
    import select

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with sockets.open_connection("127.0.0.1", port) as sock:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            assert poll.poll(5000)
            assert sockets.connect_error(sock) == "Connection refused"


def test_the_largest_message_fits_while_it_is_only_peeked_at(pair: Pair) -> None:
    opened, accepted = pair
    sockets.tune(accepted)
    size = 65_536 + 16_384
    sender = threading.Thread(target=lambda: [opened.sendall(b"m" * 512) for _ in range(size // 512)])
    sender.start()
    sender.join()
    accepted.setblocking(True)
    _await_bytes(accepted, size)
    assert sockets.peek(accepted, bytearray(sockets.PEEK)) == size


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_local_address_towards_loopback_is_loopback(host: str) -> None:
    assert sockets.local_address(host) == host
    assert sockets.is_local(host)


def test_a_foreign_address_is_not_local() -> None:
    assert not sockets.is_local("192.0.2.1")
    assert not sockets.is_local("not-an-address")
