"""The transport actor with real sockets, pipes and journal."""

from __future__ import annotations

import os
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import layers, sip
from actors.config import Config
from actors.runtime.channel import Deposit, Withdraw
from actors.sip.vocabulary import Candidate, Flow, Target
from actors.transport.actor import connection_limit
from actors.transport.events import (
    FlowDead,
    Locate,
    Located,
    Received,
    TargetFailed,
    TransmitFailed,
    TransmitRequest,
    TransmitResponse,
)
from tests.runtime.harness import Harness
from tests.transport.wired import (
    DIALOG,
    KEY,
    SHARD,
    Service,
    accepted,
    datagram,
    ended,
    read,
    reply,
    request,
    response,
)


@pytest.fixture(params=["127.0.0.1", "::1"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, request.param)
    yield made
    made.close()


# UDP


def test_a_datagram_goes_up_stamped_and_its_response_back_to_its_source(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        peer.send(request())
        received = it.expect(SHARD, Received)
        assert received.flow[3:] == (service.addresses["udp"][1], *peer.getsockname()[:2])
        assert f";rport={peer.getsockname()[1]}".encode() in received.raw
        raw = reply(it, received)
        assert datagram(it, peer) == raw


@pytest.mark.parametrize(("wildcard", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_a_flow_of_a_listener_on_all_addresses_names_the_one_the_peer_reaches(
    tmp_path: Path, wildcard: str, host: str
) -> None:
    service = Service(tmp_path, wildcard)
    with service.harness() as it:
        for transport in ("udp", "tcp"):
            service.addresses[transport] = (host, service.addresses[transport][1])
        with service.udp() as peer, service.tcp() as stream:
            peer.send(request(1))
            assert it.expect(SHARD, Received).flow.local_host == host
            stream.sendall(request(2))
            assert it.expect(SHARD, Received).flow.local_host == host
            shown = f"[{host}]" if ":" in host else host
            it.send(DIALOG, Locate("1", f"sip:a@{shown}"))
            assert it.expect(DIALOG, Located).candidates[0].sent_by == service.sent_by("udp")
        service.store(it)
    service.close()


def test_line_ends_and_rubbish_are_dropped_and_the_next_message_is_served(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        for rubbish in (
            b"",
            b"\r\n\r\n",
            b"\0\0\0\0",
            b"\x80junk",
            response("evil.example"),
            b"\r\n\r\n" + request(7),
        ):
            peer.send(rubbish)
        assert it.expect(SHARD, Received).head.call_id == "7"


def test_a_malformed_datagram_is_answered_without_the_transaction_layer(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        peer.send(request().replace(b"CSeq: 1", b"CSeq: one"))
        assert datagram(it, peer).startswith(b"SIP/2.0 400 ")
        peer.send(request(2))
        assert it.expect(SHARD, Received).head.call_id == "2"


def test_requests_go_out_from_the_listener_and_responses_come_in(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        target = Target("udp", *peer.getsockname()[:2])
        it.send(SHARD, TransmitRequest(KEY, target, request()))
        assert datagram(it, peer) == request()  # a connected socket hears its listener alone
        peer.send(response(service.sent_by("udp")))
        assert it.expect(SHARD, Received).head.status == 200


def test_a_datagram_that_is_too_large_fails_to_its_sender_alone(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        target = Target("udp", *peer.getsockname()[:2])
        it.send(SHARD, TransmitRequest(KEY, target, b"x" * 70_000))
        assert it.expect(SHARD, TransmitFailed) == TransmitFailed(KEY, "Message too long")
        it.send(SHARD, TransmitRequest(KEY._replace(branch=""), target, b"x" * 70_000))  # nobody's
        it.send(SHARD, TransmitRequest(KEY, Target("udp", "a.name", 5060), request()))
        assert it.expect(SHARD, TransmitFailed).key == KEY


def test_a_busy_shard_gets_nothing_new_but_what_belongs_to_a_call(service: Service) -> None:
    with service.harness() as it, service.udp() as peer:
        it.actor.soft_window = -1
        peer.send(request(1, "INVITE"))
        refusal = sip.parse(datagram(it, peer))
        assert isinstance(refusal, sip.Response)
        assert refusal.status == 503
        to = (refusal.get("to") or "").encode()
        peer.send(request(1, "ACK").replace(b"To: <sip:a@b>", b"To: " + to))  # known by its tag, dropped
        peer.send(request(2, "BYE").replace(b"To: <sip:a@b>", b"To: <sip:a@b>;tag=t"))
        assert it.expect(SHARD, Received).head.method == "BYE"


# Location


def test_a_uri_is_located_with_the_address_the_peer_reaches_us_by(service: Service) -> None:
    host = f"[{service.host}]" if ":" in service.host else service.host
    with service.harness() as it:
        it.send(DIALOG, Locate("1", f"sip:a@{host}:5099"))
        by_tcp = service.sent_by("tcp")
        found = Candidate(Target("udp", service.host, 5099), service.sent_by("udp"), 1300, by_tcp)
        assert it.expect(DIALOG, Located) == Located("1", (found,))
        it.send(DIALOG, Locate("2", "sip:a@localhost:5099;transport=tcp"))
        assert it.expect(DIALOG, Located).candidates[0].sent_by == service.sent_by("tcp")
        it.send(DIALOG, TargetFailed(found.target), Locate("3", "sips:a@b;transport=udp"))
        assert "sips never goes over udp" in it.expect(DIALOG, Located).reason


# TCP in


def test_a_request_on_a_connection_is_answered_on_it(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + request(2)[:50])
        first = it.expect(SHARD, Received)
        assert any(isinstance(report, Deposit) and report.token == first.flow.token for report, _ in it.reports)
        raw = reply(it, first)
        assert read(it, peer, len(raw)) == raw
        peer.sendall(request(2)[50:])
        assert it.expect(SHARD, Received).flow == first.flow
        service.store(it)


def test_a_byte_at_a_time_equals_one_chunk(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = request(1, body="x" * 30) + request(2)
        for offset in range(len(data)):
            peer.send(data[offset : offset + 1])
        assert [it.expect(SHARD, Received).head.call_id for _ in range(2)] == ["1", "2"]
        service.store(it)


def test_a_request_inside_a_body_is_never_run(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1, body=request(666).decode()) + request(2))
        assert [it.expect(SHARD, Received).head.call_id for _ in range(2)] == ["1", "2"]
        service.store(it)


def test_a_ping_is_answered_with_a_pong(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(b"\r\n\r\n")
        assert read(it, peer, 2) == b"\r\n"
        peer.sendall(request(1))
        assert it.expect(SHARD, Received).head.call_id == "1"
        service.store(it)


def test_the_largest_message_is_taken_in_and_a_larger_one_refused(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        body = "x" * (65_536 - len(request(1, body="x" * 60_000)) + 60_000)
        peer.sendall(request(1, body=body))
        received = it.expect(SHARD, Received)
        assert len(received.raw) >= 65_536
        it.send(SHARD, TransmitResponse(KEY, received.flow, b"SIP/2.0 200 OK\r\n\r\n"))
        assert read(it, peer, 18) == b"SIP/2.0 200 OK\r\n\r\n"
        peer.sendall(request(2, body=body + "x"))
        assert ended(it, peer).startswith(b"SIP/2.0 513 ")
        assert it.expect(SHARD, FlowDead).reason == "Message too large"
        service.store(it)


def test_what_is_whole_before_a_broken_message_is_served_then_the_connection_ends(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1) + request(2).replace(b"Content-Length: 0\r\n", b"") + request(3))
        received = it.expect(SHARD, Received)
        assert received.head.call_id == "1"
        raw = reply(it, received)  # else the connection waits for it
        assert ended(it, peer).replace(raw, b"").startswith(b"SIP/2.0 400 ")
        it.expect(SHARD, FlowDead)
        service.store(it)
        assert len(service.descriptors) == 2  # nothing is left in the store


def test_a_stream_ends_on_which_a_step_of_ours_breaks_and_no_other_does(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with service.harness() as it, service.tcp() as peer, service.tcp() as other:
        other.sendall(request(1))
        it.expect(SHARD, Received)
        with monkeypatch.context() as broken:
            broken.setattr(it.actor._reception, "take", break_down)  # type: ignore[attr-defined]
            peer.sendall(request(2))
            assert ended(it, peer) == b""
        other.sendall(request(3))
        assert _next_received(it).head.call_id == "3"
        service.store(it)


def test_a_message_that_takes_too_long_ends_its_connection(tmp_path: Path) -> None:
    service = Service(tmp_path, message_timeout=0.05)
    with service.harness() as it, service.tcp() as slow, service.tcp() as idle:
        slow.sendall(request(1) + request(3)[:-5])
        it.expect(SHARD, Received)
        assert ended(it, slow) == b""
        assert it.expect(SHARD, FlowDead).reason == "a message took too long"
        idle.sendall(request(2))
        assert it.expect(SHARD, Received).head.call_id == "2"
        service.store(it)
    service.close()


def test_a_peer_that_never_reads_is_closed_and_its_answers_fail(tmp_path: Path) -> None:
    service = Service(tmp_path, max_queue=200_000)
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1))
        flow = it.expect(SHARD, Received).flow
        inbox = it.peers[SHARD].inbox
        for number in range(2000):
            it.send(
                SHARD, TransmitResponse(KEY._replace(branch=f"z9hG4bK{number}"), flow, b"SIP/2.0 200 " + b"x" * 60_000)
            )
            if number % 20 == 0:
                it.settle()
            if inbox:
                break
        failed = it.expect(SHARD, TransmitFailed)
        assert "does not read" in failed.reason
        while not isinstance(event := it.expect(SHARD, object), FlowDead):
            assert isinstance(event, TransmitFailed)
        assert event.token == flow.token
        service.store(it)
    service.close()


def test_a_reset_after_many_requests_is_told_once(service: Service) -> None:
    with service.harness() as it:
        peer = service.tcp()
        peer.sendall(b"".join(request(number) for number in range(100)))
        flows = {it.expect(SHARD, Received).flow for _ in range(100)}
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert it.expect(SHARD, FlowDead).token == flows.pop().token
        service.store(it)


def test_a_stranger_may_open_so_many_connections_and_no_more(tmp_path: Path) -> None:
    service = Service(tmp_path, max_connections=2)
    with service.harness() as it:
        admission = it.actor._connections.acceptor._admission  # type: ignore[attr-defined]
        admission._loopback = admission._trusted = ()
        peers = [service.tcp() for _ in range(3)]
        assert ended(it, peers[2]) == b""
        peers[0].close()
        peers[1].sendall(request(1))
        it.expect(SHARD, Received)
        it.wait_for(lambda: any(isinstance(report, Withdraw) for report, _ in it.reports), "the withdrawal")
        with service.tcp() as fourth:
            fourth.sendall(request(4))
            assert _next_received(it).head.call_id == "4"
        peers[1].close()
        peers[2].close()
        it.settle()
        service.store(it)
    service.close()


def test_strangers_together_leave_a_fifth_of_the_room_to_the_trusted_and_to_ourselves(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service.harness() as it:
        acceptor = it.actor._connections.acceptor  # type: ignore[attr-defined]
        acceptor._limit = 10
        admission = acceptor._admission
        trusted, admission._trusted, admission._loopback = admission._trusted, (), ()
        strangers = [service.tcp() for _ in range(9)]
        assert ended(it, strangers[8]) == b""
        admission._trusted = trusted
        admission._classes.clear()
        with service.tcp() as trunk:
            trunk.sendall(request(1))
            assert it.expect(SHARD, Received).head.call_id == "1"
        for stranger in strangers:
            stranger.close()
        it.settle()
        service.store(it)
    service.close()


def _next_received(it: Harness) -> Received:
    """The next message, whatever flows died before it."""
    while not isinstance(event := it.expect(SHARD, object), Received):
        assert isinstance(event, FlowDead)
    return event


@pytest.mark.parametrize(
    ("held", "limit"), [(0, 1000), (1000, 872), (2002, 250)], ids=["nothing", "some ports", "more than there is"]
)
def test_connections_leave_the_supervisor_room_for_what_else_it_holds(held: int, limit: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, before[1]))
    try:
        assert connection_limit(held) == limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert layers.transport(Config()).held == 2002  # the ports of a thousand calls, and the listeners


def test_accepting_pauses_at_the_cap_and_goes_on(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service.harness() as it:
        it.actor._connections.acceptor._limit = 1  # type: ignore[attr-defined]
        with service.tcp() as first, service.tcp() as second:
            second.sendall(request(2))
            first.sendall(request(1))
            received = it.expect(SHARD, Received)
            assert received.head.call_id == "1"
            raw = reply(it, received)  # else its place is kept for as long as the answer may come
            assert read(it, first, len(raw)) == raw
            first.close()
            assert _next_received(it).head.call_id == "2"
        service.store(it)
    service.close()


# TCP out


@pytest.fixture
def listener(service: Service) -> Iterator[socket.socket]:
    with socket.socket(service.family) as made:
        made.bind((service.host, 0))
        made.listen()
        made.settimeout(5)
        yield made


def test_requests_to_one_address_share_a_connection_that_we_open(service: Service, listener: socket.socket) -> None:
    target = Target("tcp", *listener.getsockname()[:2])
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target, request(1)), TransmitRequest(KEY, target, request(2)))
        peer = accepted(it, listener)
        with peer:
            assert read(it, peer, 2 * len(request(1))) == request(1) + request(2)
            peer.sendall(response(service.sent_by("tcp")))
            received = it.expect(SHARD, Received)
            assert received.head.status == 200
            assert received.flow.local_port == service.addresses["tcp"][1]
            by_token = Target("tcp", "192.0.2.1", 5060, received.flow.token)
            it.send(SHARD, TransmitRequest(KEY, by_token, request(3)))
            assert read(it, peer, len(request(3))) == request(3)
        service.store(it)


def test_a_request_to_the_source_of_an_accepted_connection_goes_on_it(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1))
        it.expect(SHARD, Received)
        it.send(SHARD, TransmitRequest(KEY, Target("tcp", *peer.getsockname()[:2]), request(2, "BYE")))
        assert read(it, peer, len(request(2, "BYE"))) == request(2, "BYE")
        service.store(it)


def test_a_refused_connection_fails_what_waited_for_it(service: Service, listener: socket.socket) -> None:
    target = Target("tcp", *listener.getsockname()[:2])
    listener.close()
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target, request(1)))
        assert it.expect(SHARD, TransmitFailed) == TransmitFailed(KEY, "Connection refused")
        service.store(it)
        assert len(service.descriptors) == 2


def test_requests_without_any_response_fail_with_their_connection(service: Service, listener: socket.socket) -> None:
    target = Target("tcp", *listener.getsockname()[:2])
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target, request(1)))
        peer = accepted(it, listener)
        assert read(it, peer, len(request(1))) == request(1)
        peer.close()
        assert it.expect(SHARD, TransmitFailed).key == KEY
        it.expect(SHARD, FlowDead)
        it.send(SHARD, TransmitRequest(KEY, target, request(2)))  # the next one opens a connection of its own
        peer = accepted(it, listener)
        with peer:
            assert read(it, peer, len(request(2))) == request(2)
        service.store(it)


def test_a_response_whose_connection_is_gone_opens_another(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        with service.tcp() as peer:
            peer.sendall(request(1, via=f"peer.example:{listener.getsockname()[1]};rport"))
            received = it.expect(SHARD, Received)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        it.expect(SHARD, FlowDead)
        raw = reply(it, received)
        again = accepted(it, listener)
        with again:
            assert read(it, again, len(raw)) == raw
        service.store(it)


def test_a_half_closed_peer_still_gets_its_answer(service: Service) -> None:
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1))
        peer.shutdown(socket.SHUT_WR)
        raw = reply(it, it.expect(SHARD, Received))
        assert ended(it, peer) == raw
        it.expect(SHARD, FlowDead)
        service.store(it)


# A successor


def test_a_successor_goes_on_with_the_connection(service: Service) -> None:
    with service.tcp() as peer:
        with service.harness() as it:
            peer.sendall(request(1) + request(2)[:99])
            received = it.expect(SHARD, Received)
            it.settle()
            it.wait_for(lambda: any(isinstance(report, Deposit) for report, _ in it.reports), "the deposit")
            it.stop()
            service.store(it)
        with service.harness(epoch=2) as it:
            raw = reply(it, received)
            assert read(it, peer, len(raw)) == raw
            peer.sendall(request(2)[99:])
            assert it.expect(SHARD, Received).flow == received.flow
            service.store(it)


def test_a_request_that_a_predecessor_wrote_fails_with_its_connection_too(
    service: Service, listener: socket.socket
) -> None:
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, Target("tcp", *listener.getsockname()[:2]), request()))
        peer = accepted(it, listener)
        assert read(it, peer, len(request())) == request()
        it.settle()
        it.stop()
        service.store(it)
    with service.harness(epoch=2) as it:
        peer.close()
        assert it.expect(SHARD, TransmitFailed).key == KEY
        service.store(it)


def test_a_successor_without_the_store_tells_that_its_flows_are_dead(service: Service) -> None:
    with service.tcp() as peer, service.harness() as it:
        peer.sendall(request(1))
        flow: Flow = it.expect(SHARD, Received).flow
        it.settle()
        it.stop()
        service.store(it)
    for token in [token for token in service.descriptors if "." in token and token.startswith("tcp:1.")]:
        os.close(service.descriptors.pop(token).fd)
    with service.harness(epoch=2) as it:
        assert it.expect(SHARD, FlowDead).token == flow.token
