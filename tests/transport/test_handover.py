"""Connections over kill -9: every message once, in order, and every answer to the byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.transport.events import FlowDead, Received
from tests.transport.shell import CRASHES, DIALLED, Store, answer_to


def _request(number: int, body: bytes = b"") -> bytes:
    return (
        b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:a@b>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nl: %d\r\n\r\n%b" % (number, number, len(body), body)
    )


pytestmark = pytest.mark.chaos

REQUESTS = [_request(1, b"body"), _request(2), _request(3, b"x" * 20)]
STREAM = b"".join(REQUESTS)
ANSWERS = b"".join(map(answer_to, REQUESTS))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "journal")
    yield made
    made.close()


def _connect(store: Store, host: str = "127.0.0.1") -> socket.socket:
    peer = socket.create_connection(store.listen(host), timeout=10)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def _received_call_ids(store: Store) -> list[str]:
    return [event.head.call_id for event in store.told() if isinstance(event, Received)]


def _read_exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = peer.recv(count - len(data))
        assert piece, f"closed after {data!r}"
        data += piece
    return data


@pytest.mark.parametrize(("host", "stride"), [("127.0.0.1", 5), ("::1", 17)])
def test_killed_again_and_again_within_three_requests_each_is_seen_once(store: Store, host: str, stride: int) -> None:
    with _connect(store, host) as peer:
        store.start()
        assert store.wait_turn()
        assert store.wait_turn()  # accepted and deposited
        store.kill()
        for number, offset in enumerate(range(0, len(STREAM), stride)):
            store.start()
            assert store.wait_turn()
            peer.sendall(STREAM[offset : offset + stride])
            if number % 2:
                assert store.wait_turn()  # half of the kills come before the byte is seen, or while it is
            store.kill()
        store.start()
        assert _read_exactly(peer, len(ANSWERS)) == ANSWERS
        store.kill()
        assert _received_call_ids(store) == ["1", "2", "3"]
        assert not any(isinstance(event, FlowDead) for event in store.told())
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(1)


@pytest.mark.parametrize("crash", CRASHES)
def test_killed_at_any_point_of_a_step_each_message_is_seen_once(store: Store, crash: str) -> None:
    with _connect(store) as peer:
        for request in REQUESTS:
            store.start(crash)
            peer.sendall(request)
            while store.wait_turn():
                pass
            store.buried()
        store.start()
        assert _read_exactly(peer, len(ANSWERS)) == ANSWERS
        store.kill()
        assert _received_call_ids(store) == ["1", "2", "3"]


@pytest.mark.parametrize("crash", CRASHES)
def test_pipelined_requests_and_a_half_one_survive_a_kill(store: Store, crash: str) -> None:
    with _connect(store) as peer:
        peer.sendall(STREAM[:-7])
        store.start(crash)
        while store.wait_turn():
            pass
        store.buried()
        peer.sendall(STREAM[-7:])
        store.start()
        assert _read_exactly(peer, len(ANSWERS)) == ANSWERS
        store.kill()
        assert _received_call_ids(store) == ["1", "2", "3"]


def test_what_a_slow_reader_has_not_read_is_written_on_to_the_byte(store: Store) -> None:
    with _connect(store) as peer:
        requests = [_request(number).replace(b"l: 0\r\n", b"Fill: 150000\r\nl: 0\r\n") for number in range(10, 16)]
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        expected = b"".join(map(answer_to, requests))
        received = b""
        for request in requests:
            store.start()
            peer.sendall(request)
            while f"{request.partition(b'Call-ID: ')[2][:2].decode()}" not in _received_call_ids(store):
                assert store.wait_turn()
            received += peer.recv(50_000)
            store.kill()
        assert len(received) < len(expected)
        store.start()
        received += _read_exactly(peer, len(expected) - len(received))
        assert received == expected
        store.kill()


@pytest.mark.parametrize("crash", CRASHES)
def test_a_request_on_a_connection_that_we_open_goes_out_once(store: Store, crash: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(10)
        store.start(crash, listener.getsockname())
        while store.wait_turn():
            pass
        store.buried()
        store.start("", listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            assert _read_exactly(peer, len(DIALLED)) == DIALLED
            assert store.wait_turn()
            store.kill()
            peer.setblocking(False)
            with pytest.raises(BlockingIOError):
                peer.recv(1)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_connection_whose_snapshot_is_spoiled_ends_and_is_reported(store: Store) -> None:
    import lmdb

    with _connect(store) as peer:
        store.start()
        peer.sendall(REQUESTS[0])
        _read_exactly(peer, len(answer_to(REQUESTS[0])))
        store.kill()
        with lmdb.open(str(store.path), subdir=False) as env, env.begin(write=True) as txn:
            key = b"ctcp:1.1"
            txn.put(key, (txn.get(key) or b"")[:-1])
        store.start()
        assert peer.recv(1) == b""
        while not any(isinstance(event, FlowDead) for event in store.told()):
            assert store.wait_turn()
        store.kill()
        assert list(store.held) == ["tcp:listener:0"]


def test_a_connection_that_ended_while_nobody_served_it_is_reported_dead(store: Store) -> None:
    with _connect(store) as peer:
        store.start()
        peer.sendall(REQUESTS[0])
        _read_exactly(peer, len(answer_to(REQUESTS[0])))
        store.kill()
    store.start()
    while not any(isinstance(event, FlowDead) for event in store.told()):
        assert store.wait_turn()
    store.kill()
    dead = [event for event in store.told() if isinstance(event, FlowDead)]
    assert [event.token for event in dead] == ["tcp:1.1"]
    assert list(store.held) == ["tcp:listener:0"]


def test_requests_before_a_fin_are_taken_by_a_successor(store: Store) -> None:
    with _connect(store) as peer:
        store.start()
        peer.sendall(STREAM[:40])
        for _ in range(3):
            assert store.wait_turn()
        store.kill()
        peer.sendall(STREAM[40:])
        peer.shutdown(socket.SHUT_WR)
        store.start()
        assert _read_exactly(peer, len(ANSWERS)) == ANSWERS
        assert peer.recv(1) == b""  # all that was owed is paid
        store.kill()
        assert _received_call_ids(store) == ["1", "2", "3"]
