"""A stream whose next request has no room above is not read; nothing waits for ever, nothing is lost or reordered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from actors.runtime import actor as runtime
from actors.runtime.channel import Deposit
from actors.transport.events import FlowDead, Lagging, Received
from tests.runtime.harness import Harness
from tests.transport.wired import SHARD, Service, ended, read, reply, request, response

BUSY, FREE = -1, 1000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, max_hold=60.0)
    yield made
    made.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, max_hold=0.02)
    yield made
    made.close()


def _in_dialog(number: int, method: str) -> bytes:
    return request(number, method).replace(b"To: <sip:a@b>", b"To: <sip:a@b>;tag=ours")


def _held(it: Harness) -> None:
    it.wait_for(lambda: it.actor._connections.inward._waiting, "a stream that waits")  # type: ignore[attr-defined]


def _call_ids(it: Harness, count: int) -> list[str]:
    return [it.expect(SHARD, Received).head.call_id for _ in range(count)]


def test_a_stream_is_not_read_while_its_shard_has_no_room_and_the_peer_has_to_wait(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        it.actor.soft_window = BUSY
        peer.sendall(request(0))
        _held(it)
        peer.setblocking(False)
        sent, body = 0, "x" * 60_000
        with suppress(BlockingIOError):
            while True:  # until our window and the peer's own buffer are full
                message = request(1, "OPTIONS", body=body)
                sent += peer.send(message)
        it.settle()
        assert not it.peers[SHARD].inbox
        whole = sent // len(message)
        it.actor.soft_window = FREE
        assert _call_ids(it, 1 + whole) == ["0"] + ["1"] * whole
        service.store(it)


def test_the_order_on_a_stream_is_kept_so_that_a_cancel_finds_its_invite(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        it.actor.soft_window = BUSY
        peer.sendall(_in_dialog(1, "BYE") + request(2, "INVITE") + request(2, "CANCEL") + _in_dialog(3, "BYE"))
        assert it.expect(SHARD, Received).head.method == "BYE"  # what stands before it does not wait
        _held(it)
        it.actor.soft_window = FREE
        assert [it.expect(SHARD, Received).head.method for _ in range(3)] == ["INVITE", "CANCEL", "BYE"]
        service.store(it)


def test_what_belongs_to_a_call_passes_in_time_though_the_shard_stays_busy_for_ever(hasty: Service) -> None:
    with hasty.harness() as it, hasty.tcp() as peer:
        it.actor.soft_window = BUSY
        peer.sendall(request(1, "INVITE") + _in_dialog(2, "BYE") + request(3, "INVITE") + _in_dialog(4, "ACK"))
        assert _call_ids(it, 2) == ["2", "4"]
        refusals = read(it, peer, 2 * 12)
        assert refusals.startswith(b"SIP/2.0 503 ")
        it.actor.soft_window = FREE
        peer.sendall(request(5, "INVITE"))
        assert _call_ids(it, 1) == ["5"]
        (connection,) = it.actor._connections._all  # type: ignore[attr-defined]
        assert connection.patience is None  # there was room, so the next one may wait again
        hasty.store(it)


def test_a_successor_takes_what_was_held_once(service: Service) -> None:
    with service.tcp() as peer:
        with service.harness() as it:
            it.actor.soft_window = BUSY
            peer.sendall(_in_dialog(1, "BYE") + request(2, "INVITE") + _in_dialog(3, "BYE"))
            assert _call_ids(it, 1) == ["1"]
            _held(it)
            it.wait_for(lambda: any(isinstance(report, Deposit) for report, _ in it.reports), "the deposit")
            it.stop()
            service.store(it)
        with service.harness(epoch=2) as it:
            assert _call_ids(it, 2) == ["2", "3"]
            service.store(it)


def test_a_stream_that_is_reset_while_it_is_held_ends_with_its_patience(hasty: Service) -> None:
    with hasty.harness() as it:
        it.actor.soft_window = BUSY
        with hasty.tcp() as peer:
            peer.sendall(_in_dialog(1, "BYE") + request(2, "INVITE"))
            assert _call_ids(it, 1) == ["1"]
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        it.expect(SHARD, FlowDead)
        it.wait_for(lambda: not it.actor._connections.inward._waiting, "nothing that waits")  # type: ignore[attr-defined]
        hasty.store(it)


# A shard that lags so far that nothing more may be put upon it

FAR_BEHIND = "dropped: the shard is far behind"


def test_datagrams_are_lost_while_their_shard_is_far_behind_and_no_sooner_or_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "OVERRUN", 32)
    with service.harness() as it, service.udp() as peer:
        it.actor.soft_window = BUSY
        shard = it.peers.pop(SHARD)  # it reads nothing
        for number in range(400):
            peer.send(_in_dialog(number, "BYE"))
        peer.send(response(service.sent_by("udp")))
        it.wait_for(lambda: it.actor._reception.dropped[FAR_BEHIND], "a datagram that is dropped")  # type: ignore[attr-defined]
        it.peers[SHARD] = shard
        it.settle()
        assert 32 <= len(shard.inbox) <= 200
        shard.inbox.clear()
        it.wait_for(lambda: not it.actor.overrun(SHARD), "an acknowledgement")
        peer.send(_in_dialog(1000, "BYE"))
        it.wait_for(lambda: any(each.head.call_id == "1000" for each in shard.inbox), "the BYE")
        service.store(it)


def test_a_stream_waits_while_its_shard_is_far_behind_and_loses_nothing(
    hasty: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "OVERRUN", 32)
    with hasty.harness() as it, hasty.tcp() as peer:
        it.actor.soft_window = BUSY
        shard = it.peers.pop(SHARD)
        message = request(1, "BYE", body="x" * 8000).replace(b"To: <sip:a@b>", b"To: <sip:a@b>;tag=ours")
        peer.setblocking(False)
        sent = 0

        def waits() -> bool:
            nonlocal sent
            with suppress(BlockingIOError):
                sent += peer.send(message[sent % len(message) :])
            return bool(it.actor._connections.inward._waiting)  # type: ignore[attr-defined]

        it.wait_for(waits, "a stream that waits")
        it.peers[SHARD] = shard
        assert _call_ids(it, sent // len(message)) == ["1"] * (sent // len(message))
        hasty.store(it)


def test_a_stream_waits_while_the_user_of_its_shard_is_far_behind_and_a_datagram_is_lost(hasty: Service) -> None:
    with hasty.harness() as it, hasty.tcp() as peer, hasty.udp() as other:
        it.send(SHARD, Lagging(60.0))
        it.settle()
        peer.sendall(_in_dialog(1, "ACK") + _in_dialog(2, "BYE"))
        other.send(_in_dialog(3, "BYE"))
        _held(it)
        it.wait_for(lambda: it.actor._reception.dropped[FAR_BEHIND], "the datagram that is dropped")  # type: ignore[attr-defined]
        assert not it.peers[SHARD].inbox
        it.send(SHARD, Lagging(0.0))
        assert _call_ids(it, 2) == ["1", "2"]
        other.send(_in_dialog(4, "BYE"))
        assert _call_ids(it, 1) == ["4"]
        hasty.store(it)


# Bytes that cannot be framed


def test_a_valid_request_before_broken_bytes_still_gets_its_answer(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + request(2).replace(b"Content-Length: 0\r\n", b"") + request(3))
        received = it.expect(SHARD, Received)
        peer.sendall(b"and more that nobody reads")
        raw = reply(it, received)
        said = ended(it, peer)
        assert raw in said
        assert said.replace(raw, b"").startswith(b"SIP/2.0 400 ")
        assert it.expect(SHARD, FlowDead).token == received.flow.token
        service.store(it)


def test_broken_bytes_that_may_not_be_answered_cost_a_request_before_them_no_answer_either(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + b"SIP/2.0 200 OK\r\n\r\n")
        raw = reply(it, it.expect(SHARD, Received))
        assert ended(it, peer) == raw
        service.store(it)


def test_an_answer_that_never_comes_is_not_waited_for_longer_than_a_message_may_take(tmp_path: Path) -> None:
    service = Service(tmp_path, message_timeout=0.05)
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + b"SIP/2.0 200 OK\r\n\r\n")
        it.expect(SHARD, Received)
        assert ended(it, peer) == b""
        service.store(it)
    service.close()


def test_rubbish_behind_broken_bytes_is_thrown_away_only_so_long(tmp_path: Path) -> None:
    service = Service(tmp_path, max_queue=200_000)
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + b"SIP/2.0 200 OK\r\n\r\n")
        it.expect(SHARD, Received)
        peer.setblocking(False)

        def closed() -> bool:
            with suppress(BlockingIOError, ConnectionResetError, BrokenPipeError):
                peer.send(b"x" * 60_000)
            return bool(it.peers[SHARD].inbox)

        it.wait_for(closed, "the end")
        it.expect(SHARD, FlowDead)
        service.store(it)
    service.close()
