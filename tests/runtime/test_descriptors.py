"""Opening listeners and RTP ports, and the store that keeps descriptors over a child's death."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from actors.runtime.descriptors import (
    RECEIVE_BUFFER,
    BindError,
    SocketSpec,
    Store,
    descriptor_limit,
    open_sockets,
    rtp_pool,
)


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store()
    yield one
    one.close()


def fail(text: str) -> None:
    raise AssertionError(text)


def held(store: Store, token: str) -> socket.socket:
    return socket.socket(fileno=os.dup(store.held[token].fd))


def pair_base() -> int:
    """An even port that was free a moment ago, with three above it."""
    for port in range(20000, 30000, 4):
        opened = []
        try:
            for number in range(port, port + 4):
                opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                opened[-1].bind(("127.0.0.1", number))
        except OSError:
            continue
        else:
            return port
        finally:
            for sock in opened:
                sock.close()
    raise AssertionError("no free ports")


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
@pytest.mark.parametrize(("kind", "type_"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)])
def test_a_listener_is_open_and_its_note_is_its_address(
    store: Store, kind: str, type_: int, host: str, shown: str
) -> None:
    open_sockets(store, [SocketSpec("x", kind, host, 0)], lambda _text: None)
    with held(store, "x") as sock:
        assert sock.type == type_
        assert store.held["x"].note.decode() == f"{shown}:{sock.getsockname()[1]}"
        assert not sock.getblocking() or not os.get_blocking(sock.fileno())
        assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) == (kind == "tcp")
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_both_families_listen_on_one_port(store: Store, free_port: int) -> None:
    specs = [
        SocketSpec(f"{kind}:{host}", kind, host, free_port) for kind in ("udp", "tcp") for host in ("0.0.0.0", "::")
    ]
    open_sockets(store, specs, lambda _text: None)
    assert len(store.held) == 4


def test_a_small_receive_buffer_is_warned_of_and_a_large_one_is_not(store: Store) -> None:
    warnings: list[str] = []
    open_sockets(store, [SocketSpec("udp:x", "udp", "127.0.0.1", 0)], warnings.append)
    with held(store, "udp:x") as sock:
        got = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    if got >= RECEIVE_BUFFER:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith(f"udp:x: the kernel allows a receive buffer of {got} bytes, not {RECEIVE_BUFFER}")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (SocketSpec("x", "udp", "192.0.2.1", 5060), "cannot listen on udp:192.0.2.1:5060: cannot assign requested"),
        (SocketSpec("x", "tcp", "2001:db8::1", 5060), r"cannot listen on tcp:\[2001:db8::1\]:5060: "),
        (SocketSpec("x", "tcp", "127.0.0.1", 0), ""),
    ],
)
def test_an_address_that_cannot_be_bound_is_named(store: Store, spec: SocketSpec, line: str) -> None:
    if not line:
        open_sockets(store, [spec], fail)
        return
    with pytest.raises(BindError, match=line):
        open_sockets(store, [spec], fail)


def test_an_rtp_pool_has_pairs_of_an_even_and_the_next_port(store: Store) -> None:
    base = pair_base()
    open_sockets(store, rtp_pool("127.0.0.1", base, base + 3), fail)
    assert list(store.held) == [f"rtp:{port}" for port in range(base, base + 4)]
    assert [kept.note for kept in store.held.values()] == [b"127.0.0.1:%d" % port for port in range(base, base + 4)]


def test_an_odd_first_port_is_not_used() -> None:
    assert [spec.port for spec in rtp_pool("127.0.0.1", 16385, 16389)] == [16386, 16388]
    assert [spec.port for spec in rtp_pool("127.0.0.1", 16384, 16388)] == [16384, 16386]


def test_a_pair_of_which_one_port_is_taken_is_left_out_whole_with_a_warning(store: Store) -> None:
    base = pair_base()
    warnings: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", base + 1))
        open_sockets(store, rtp_pool("127.0.0.1", base, base + 3), warnings.append)
    assert list(store.held) == [f"rtp:{base + 2}", f"rtp:{base + 3}"]
    (warning,) = warnings
    assert warning.startswith("1 of 2 RTP port pairs are taken by others; the last one: cannot listen on udp:127.0.0.1")


def test_a_pool_with_no_pair_left_is_refused(store: Store) -> None:
    base = pair_base()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", base))
        with pytest.raises(BindError, match=r"no RTP port could be bound: give media\.ports another range"):
            open_sockets(store, rtp_pool("127.0.0.1", base, base + 1), fail)


def test_a_later_deposit_of_one_token_replaces_the_earlier(store: Store) -> None:
    first, second = os.pipe()
    store.put("a", first, b"1")
    store.put("a", second, b"2")
    assert store.held["a"] == (second, b"2")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)
    store.drop("a")
    store.drop("a")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(second)


def test_what_is_moved_is_in_the_other_store_alone(store: Store) -> None:
    first, second = os.pipe()
    other = Store()
    store.put("a", first, b"1")
    other.put("a", second, b"2")
    assert store.move(("a", "b"), other) == {"a": (first, b"1")}
    assert store.held == {}
    assert other.held == {"a": (first, b"1")}
    os.fstat(first)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(second)
    other.close()


def test_the_descriptor_limit_is_only_raised_where_it_is_ours() -> None:
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert descriptor_limit(raise_it=False) == soft
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
        assert descriptor_limit(raise_it=True) == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
