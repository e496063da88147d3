"""Descriptors that outlive a child: sockets served by one killed child after another, with nothing lost."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.chaos

UDP = ("udp:a", "udp", "127.0.0.1", 0)
TCP = ("tcp:a", "tcp", "127.0.0.1", 0)
OFTEN = (1000, 10.0)


def connect(service: Any, token: str, kind: int) -> socket.socket:
    host, _, port = service.addresses[token].rpartition(":")
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(30)
    sock.connect((host, int(port)))
    return sock


def test_a_tcp_connection_is_served_by_successive_children(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [TCP]}, intensity=OFTEN).expect_ready()
    with connect(service, "tcp:a", socket.SOCK_STREAM) as peer, peer.makefile("rwb", buffering=0) as stream:
        stream.write(b"line 0\n")
        assert stream.readline() == b"line 0\n"  # so it was accepted, and deposited before it was read
        lines = [b"line %d\n" % turn for turn in range(1, 16)]
        for turn, line in enumerate(lines):
            service.kill("a")
            stream.write(line)
            # Children killed between an answer and its note leave lines that are answered again, but whole.
            answers = iter(stream.readline, line)
            assert all(answer in {b"line 0\n", *lines[:turn]} for answer in answers)
            service.expect("born")


def test_a_connection_waiting_to_be_accepted_is_accepted_by_the_successor(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [TCP]}).expect_ready()
    service.kill("a")
    with connect(service, "tcp:a", socket.SOCK_STREAM) as peer:
        peer.sendall(b"hello")
        assert peer.recv(100) == b"hello"


def test_datagrams_sent_while_no_child_lives_are_answered_by_the_next(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}, intensity=OFTEN).expect_ready()
    with connect(service, "udp:a", socket.SOCK_DGRAM) as peer:
        for turn in range(10):
            service.kill("a")
            expected = {b"%d.%d" % (turn, number) for number in range(20)}
            for datagram in sorted(expected):
                peer.send(datagram)
            while expected:
                expected.discard(peer.recv(100))
            service.expect("born")


def test_a_withdrawn_connection_that_is_closed_tells_its_peer_so(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP, TCP]}).expect_ready()
    with connect(service, "tcp:a", socket.SOCK_STREAM) as peer:
        peer.sendall(b"hello")
        assert peer.recv(100) == b"hello"
        peer.sendall(b"quit")
        assert peer.recv(100) == b""
    service.tell("udp:a", "do tree 1")
    service.expect("tree")  # the child has gone on beyond the withdrawal
    service.kill("a")
    assert list(service.expect("born")["descriptors"]) == ["udp:a", "tcp:a"]


def test_many_descriptors_are_handed_over_with_their_notes(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}).expect_ready()
    service.tell("udp:a", "do deposit 700")
    service.expect("deposited")
    service.kill("a")
    expected = {f"kept:{number}": f"note {number}" for number in range(700)}
    assert service.expect("born")["descriptors"] == {"udp:a": service.addresses["udp:a"], **expected}


def test_a_descriptor_deposited_in_the_last_instant_is_in_the_store(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [UDP]}).expect_ready()
    service.tell("udp:a", "do deposit 40")
    service.expect("deposited")
    service.tell("udp:a", "do withdraw kept:7")
    service.tell("udp:a", "do deposit-and-die")
    descriptors = service.expect("born")["descriptors"]
    assert "kept:7" not in descriptors
    assert descriptors["last"] == "in flight"


def test_descriptors_survive_the_fork_server_too(start_service: Callable[..., Any]) -> None:
    service = start_service({"name": "a", "sockets": [TCP]}).expect_ready()
    with connect(service, "tcp:a", socket.SOCK_STREAM) as peer:
        peer.sendall(b"1")
        assert peer.recv(100) == b"1"
        service.kill_fork_server()
        service.kill("a")
        peer.sendall(b"2")
        assert peer.recv(100) in {b"2", b"12"}
