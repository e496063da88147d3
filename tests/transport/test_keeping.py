"""Flows kept alive by the actor: who is told, what goes over the wire, and what a restart leaves."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from actors.sip.vocabulary import Target
from actors.transport.events import FlowDead, KeepAlive, LetGo, Received, TransmitRequest
from actors.transport.kept import ALIVE, AliveCell
from tests.runtime.harness import Harness
from tests.transport.wired import DIALOG, KEY, SHARD, Service, accepted, datagram, ended, read, request

OFTEN = 1.0  # the shortest interval there is: a ping after 0.8 to 1 s


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def _cells(it: Harness) -> list[AliveCell]:
    it.settle()
    return [it.actor.cells.get(key) for key in it.actor.cells.keys() if key.startswith(ALIVE)]  # noqa: SIM118


def _opened(it: Harness, listener: socket.socket) -> tuple[Target, socket.socket]:
    """A connection that a request of ours has opened."""
    target = Target("tcp", *listener.getsockname()[:2])
    it.send(SHARD, TransmitRequest(KEY, target, request(1)))
    peer = accepted(it, listener)
    assert read(it, peer, len(request(1))) == request(1)
    return target, peer


def _overdue(it: Harness) -> None:
    """Let the time of the only flow's next timer come: nobody waits ten seconds for a test."""
    (key,) = [key for key in it.actor.cells.keys() if key.startswith(ALIVE)]  # noqa: SIM118
    cell: AliveCell = it.actor.cells.get(key)
    (early,) = [((timer, 0.0),) for timer, _ in cell.machine.deadlines][:1]
    moved = msgspec.structs.replace(cell, machine=msgspec.structs.replace(cell.machine, deadlines=early))
    it.actor.defer(it.actor.cells.put, key, moved, 0.0)


def test_a_stream_is_pinged_and_its_pong_is_counted_on(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        target, peer = _opened(it, listener)
        with peer:
            it.send(DIALOG, KeepAlive(target, "registration", OFTEN))
            assert read(it, peer, 4) == b"\r\n\r\n"
            assert not _cells(it)[0].machine.counts
            peer.sendall(b"\r\n")
            it.wait_for(lambda: _cells(it)[0].machine.counts, "the pong")
        service.store(it)


def test_who_needs_a_flow_is_told_when_its_connection_ends(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        target, peer = _opened(it, listener)
        it.send(DIALOG, KeepAlive(target, "one"), KeepAlive(target, "two"), KeepAlive(target, "two", 30.0))
        it.send(DIALOG, KeepAlive(target, "three"), LetGo(target, "three"), LetGo(target, "nobody"))
        assert [owner for _, owner in _cells(it)[0].owners] == ["one", "two"]
        peer.close()
        assert {it.expect(DIALOG, FlowDead).owner for _ in range(2)} == {"one", "two"}
        assert not _cells(it)
        service.store(it)


def test_a_flow_that_nobody_needs_is_not_pinged_any_more(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        target, peer = _opened(it, listener)
        with peer:
            it.send(DIALOG, KeepAlive(target, "one"), LetGo(target, "one"), LetGo(target, "one"))
            assert not _cells(it)
        service.store(it)


def test_a_flow_without_a_connection_is_dead_at_once(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        it.send(DIALOG, KeepAlive(Target("tcp", *listener.getsockname()[:2]), "one"))
        assert it.expect(DIALOG, FlowDead) == FlowDead("", "there is no connection", "one")
        service.store(it)


def test_an_agreed_pong_that_does_not_come_ends_the_connection(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1))
        flow = it.expect(SHARD, Received).flow
        target = Target("tcp", flow.host, flow.port, flow.token)
        it.send(DIALOG, KeepAlive(target, "one", OFTEN, agreed=True))
        assert read(it, peer, 4) == b"\r\n\r\n"
        _overdue(it)
        it.send(DIALOG, LetGo(target, "nobody"))  # a turn
        assert it.expect(DIALOG, FlowDead) == FlowDead(flow.token, "no pong came", "one")
        assert it.expect(SHARD, FlowDead).token == flow.token
        service.store(it)
        assert ended(it, peer) == b""


def test_a_successor_goes_on_and_knows_which_flows_are_dead(service: Service) -> None:
    with service.tcp() as stays, service.tcp() as goes:
        with service.harness() as it:
            for peer, owner in ((stays, "stays"), (goes, "goes")):
                peer.sendall(request(1))
                flow = it.expect(SHARD, Received).flow
                it.send(DIALOG, KeepAlive(Target("tcp", flow.host, flow.port, flow.token), owner, OFTEN))
            _cells(it)
            it.stop()
            service.store(it)
        goes.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        goes.close()
        with service.harness(epoch=2) as it:
            dead = it.expect(DIALOG, FlowDead)
            assert (dead.owner, dead.token) == ("goes", flow.token)
            assert read(it, stays, 4) == b"\r\n\r\n"
            service.store(it)


# Datagrams


def _udp_target(peer: socket.socket) -> Target:
    return Target("udp", *peer.getsockname()[:2])


def test_over_udp_a_double_crlf_keeps_the_way_open_and_nobody_answers_it(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        it.send(DIALOG, KeepAlive(_udp_target(peer), "one", OFTEN, agreed=True))
        assert datagram(it, peer) == b"\r\n\r\n"
        assert datagram(it, peer) == b"\r\n\r\n"  # no answer is waited for


def test_over_udp_options_are_answered_by_whatever_response_and_go_no_further(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        it.send(DIALOG, KeepAlive(_udp_target(peer), "one", OFTEN, by="options", uri="sip:them@example.com"))
        ping = datagram(it, peer)
        assert ping.startswith(b"OPTIONS sip:them@example.com SIP/2.0\r\nVia: SIP/2.0/UDP ")
        answer = ping.replace(b"OPTIONS sip:them@example.com SIP/2.0", b"SIP/2.0 404 Not Found", 1)
        peer.send(answer)
        it.wait_for(lambda: _cells(it)[0].machine.counts, "the answer")
        assert not it.peers[SHARD].inbox
        assert datagram(it, peer) == ping
        it.send(DIALOG, LetGo(_udp_target(peer), "one"))
        it.settle()
        peer.send(answer)  # of nobody now: it is a stray, as any other
        assert it.expect(SHARD, Received).head.status == 404


def test_stun_is_spoken_only_where_the_peer_said_so_and_a_new_address_is_a_new_flow(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        it.send(DIALOG, KeepAlive(_udp_target(peer), "one", OFTEN, agreed=True, by="stun"))
        ping = datagram(it, peer)
        assert ping[:8] == bytes.fromhex("000100002112a442")

        def answer(port: int) -> bytes:
            xored = struct.pack("!BBH4s", 0, 1, port ^ 0x2112, bytes.fromhex("e112a643"))
            return b"\x01\x01\x00\x0c" + ping[4:] + b"\x00\x20\x00\x08" + xored

        peer.send(answer(5060)[:-1])
        forged = answer(6666)
        peer.send(forged[:8] + bytes(12) + forged[20:])  # of a transaction that nobody began
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(bytes.fromhex("000100002112a442") + bytes(12), service.addresses["udp"])
        peer.send(answer(5060))
        it.wait_for(lambda: _cells(it)[0].seen == "192.0.2.1:5060", "the answer")
        assert datagram(it, peer) == ping
        peer.send(answer(5061))
        dead = it.expect(DIALOG, FlowDead)
        assert (dead.owner, dead.reason) == ("one", "we are seen at 192.0.2.1:5061, not at 192.0.2.1:5060")


def test_a_ping_that_cannot_be_sent_is_nobody_s_fault(service: Service) -> None:
    with service.harness() as it:
        it.send(DIALOG, KeepAlive(Target("udp", "255.255.255.255", 9), "one", OFTEN))
        (before,) = _cells(it)
        it.wait_for(lambda: _cells(it)[0].machine != before.machine, "the ping")
        assert not it.peers[DIALOG].inbox
