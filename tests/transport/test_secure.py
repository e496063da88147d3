"""The transport actor over TLS, with Python's own client and server at the other end."""

from __future__ import annotations

import gc
import select
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.channel import Deposit
from actors.sip.vocabulary import Target
from actors.transport.events import FlowDead, Received, TransmitFailed, TransmitRequest, TransmitResponse
from tests.runtime.harness import Harness
from tests.transport.authority import issue, stranger, tls_settings
from tests.transport.wired import KEY, SHARD, Service, answer, request, response

OURS, THEIRS = "ours.example", "theirs.example"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = secure_service(tmp_path)
    yield made
    made.close()


def secure_service(tmp_path: Path, **more: Any) -> Service:
    tls = tls_settings(tmp_path / "ours", OURS, **more.pop("tls", {}))
    return Service(tmp_path, transports=("udp", "tcp", "tls"), tls=tls, **more)


def client_context(folder: Path, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls_settings(folder).authorities)
    if names:
        context.load_cert_chain(issue(folder, *names, called="client"))
    return context


def _served(it: Harness, sock: ssl.SSLSocket, what: Any, *arguments: Any) -> Any:
    """Do something with a non-blocking TLS socket, serving the actor's pipes meanwhile."""
    done: list[Any] = []

    def tried() -> bool:
        try:
            done.append(what(*arguments))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            select.select([sock], [], [], 0.01)
        return bool(done)

    it.wait_for(tried, "TLS")
    return done[0]


@contextmanager
def calling(it: Harness, service: Service, context: ssl.SSLContext, name: str = OURS) -> Iterator[ssl.SSLSocket]:
    """A client of the actor, its handshake done."""
    plain = socket.create_connection(service.addresses["tls"], timeout=5)
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as peer:
        peer.setblocking(False)
        _served(it, peer, peer.do_handshake)
        yield peer


@contextmanager
def called(it: Harness, listener: socket.socket, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """The server that the actor calls."""
    it.wait_for(lambda: select.select([listener], [], [], 0)[0], "a connection")
    plain, _ = listener.accept()
    with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as peer:
        peer.setblocking(False)
        _served(it, peer, peer.do_handshake)
        yield peer


def read(it: Harness, peer: ssl.SSLSocket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = _served(it, peer, peer.recv, count - len(data))
        if not piece:
            break
        data += piece
    return data


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def server_context(folder: Path, *names: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issue(folder, *names, called="server", **more))
    return context


def target(listener: socket.socket, name: str = THEIRS) -> Target:
    return Target("tls", *listener.getsockname()[:2], name=name)


# In


def test_a_request_over_tls_goes_up_and_its_answer_back(service: Service, tmp_path: Path) -> None:
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c")) as peer:
        peer.send(request(1) + request(2)[:30])
        received = it.expect(SHARD, Received)
        assert received.flow.transport == "tls"
        assert received.flow.local_port == service.addresses["tls"][1]
        raw = answer(received)
        it.send(SHARD, TransmitResponse(KEY, received.flow, raw))
        assert read(it, peer, len(raw)) == raw
        peer.send(request(2)[30:])
        assert it.expect(SHARD, Received).head.call_id == "2"
        peer.send(b"\r\n\r\n")
        assert read(it, peer, 2) == b"\r\n"
        assert not any(isinstance(report, Deposit) for report, _ in it.reports)  # it cannot outlive us
        service.store(it)


def test_large_messages_pass_both_ways(service: Service, tmp_path: Path) -> None:
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c")) as peer:
        body, sent = "x" * 60_000, 0
        data = request(1, body=body)
        while sent < len(data):
            sent += _served(it, peer, peer.send, data[sent:])
        received = it.expect(SHARD, Received)
        raw = answer(received).replace(b"Content-Length: 0", b"X: " + b"y" * 200_000)
        it.send(SHARD, TransmitResponse(KEY, received.flow, raw))
        assert read(it, peer, len(raw)) == raw
        service.store(it)


def test_the_end_of_a_client_is_the_end_of_its_flow(service: Service, tmp_path: Path) -> None:
    with service.harness() as it:
        with calling(it, service, client_context(tmp_path / "c")) as peer:
            peer.send(request(1))
            flow = it.expect(SHARD, Received).flow
            it.send(SHARD, TransmitResponse(KEY, flow, b"SIP/2.0 200 OK\r\n\r\n"))
            read(it, peer, 18)
        assert it.expect(SHARD, FlowDead).token == flow.token
        service.store(it)


def test_fault_17_bytes_that_cannot_be_framed_are_refused_within_tls(service: Service, tmp_path: Path) -> None:
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c")) as peer:
        peer.send(request(1).replace(b"Content-Length: 0\r\n", b""))
        assert read(it, peer, 12) == b"SIP/2.0 400 "
        while read(it, peer, 1000):
            pass
        it.expect(SHARD, FlowDead)
        service.store(it)


def test_fault_22_half_a_client_hello_is_closed_in_time_and_accepting_goes_on(tmp_path: Path) -> None:
    service = secure_service(tmp_path, tls={"handshake_timeout": 0.2})
    with service.harness() as it:
        stalled = [socket.create_connection(service.addresses["tls"], timeout=5) for _ in range(20)]
        for number, peer in enumerate(stalled):
            peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[: number + 1])
        with calling(it, service, client_context(tmp_path / "c")) as peer:
            peer.send(request(1))
            assert it.expect(SHARD, Received).head.call_id == "1"
        for peer in stalled:
            it.wait_for(lambda peer=peer: select.select([peer], [], [], 0)[0], "the end")
            assert peer.recv(1) == b""
            peer.close()
        assert it.actor._reception.dropped["the TLS handshake took too long"] == 20  # type: ignore[attr-defined]
        service.store(it)
    service.close()


def test_a_stranger_s_handshakes_are_limited_and_those_of_others_are_not(tmp_path: Path) -> None:
    service = secure_service(tmp_path)
    with service.harness() as it:
        acceptor = it.actor._connections.acceptor  # type: ignore[attr-defined]
        loopback, acceptor._admission._loopback = acceptor._admission._loopback, ()
        trusted, acceptor._admission._trusted = acceptor._admission._trusted, ()
        acceptor._handshake_rate = 1e-6  # one, and then none for a fortnight
        first, second = (socket.create_connection(service.addresses["tls"], timeout=5) for _ in range(2))
        with first, second:
            it.wait_for(lambda: select.select([second], [], [], 0)[0], "the end")
            assert second.recv(1) == b""
            assert acceptor.refused == 1
            acceptor._admission._classes.clear()
            acceptor._admission._loopback, acceptor._admission._trusted = loopback, trusted
            with calling(it, service, client_context(tmp_path / "c")) as peer:
                peer.send(request(1))
                assert it.expect(SHARD, Received).head.call_id == "1"
        service.store(it)
    service.close()


@pytest.mark.parametrize("rubbish", [b"OPTIONS sip:a SIP/2.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 500])
def test_what_is_no_tls_is_closed(service: Service, rubbish: bytes) -> None:
    with service.harness() as it, socket.create_connection(service.addresses["tls"], timeout=5) as peer:
        peer.sendall(rubbish)
        it.wait_for(lambda: not len(it.actor._connections), "the end")  # type: ignore[attr-defined]
        service.store(it)


def test_fault_24_a_peer_that_never_reads_is_closed_over_tls_too(tmp_path: Path) -> None:
    service = secure_service(tmp_path, max_queue=200_000)
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c")) as peer:
        peer.send(request(1))
        flow = it.expect(SHARD, Received).flow
        inbox = it.peers[SHARD].inbox
        while not inbox:
            key = KEY._replace(branch="z9hG4bKdeaf")
            it.send(SHARD, TransmitResponse(key, flow, b"SIP/2.0 200 " + b"x" * 60_000))
            it.settle()
        assert "does not read" in it.expect(SHARD, TransmitFailed).reason
        service.store(it)
    service.close()


def test_a_reset_within_the_handshake_leaves_nothing(service: Service) -> None:
    with service.harness() as it:
        peer = socket.create_connection(service.addresses["tls"], timeout=5)
        peer.sendall(b"\x16\x03\x01")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        it.wait_for(lambda: len(it.actor._connections), "a connection")  # type: ignore[attr-defined]
        peer.close()
        it.wait_for(lambda: not len(it.actor._connections), "the end")  # type: ignore[attr-defined]
        assert not it.peers[SHARD].inbox
        service.store(it)


# Out


def test_a_request_goes_out_to_the_domain_that_the_server_proves_to_be(
    service: Service, listener: socket.socket, tmp_path: Path
) -> None:
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        with called(it, listener, server_context(tmp_path / "s", THEIRS)) as peer:
            assert read(it, peer, len(request(1))) == request(1)
            peer.send(response(service.sent_by("tls")))
            assert it.expect(SHARD, Received).flow.transport == "tls"
            it.send(SHARD, TransmitRequest(KEY, target(listener), request(2)))
            assert read(it, peer, len(request(2))) == request(2)  # on the same connection
        service.store(it)


@pytest.mark.parametrize(
    ("names", "more", "reason"),
    [
        (("other.example",), {}, "the certificate is for other.example, not for theirs.example"),
        (("*.example",), {}, "the certificate is for nobody, not for theirs.example"),
        ((THEIRS,), {"expired": True}, "certificate has expired"),
        ((THEIRS,), {"by": stranger}, "certificate verify failed"),
    ],
)
def test_fault_26_a_server_that_is_not_whom_we_called_gets_nothing(
    service: Service, listener: socket.socket, tmp_path: Path, names: tuple[str, ...], more: dict[str, Any], reason: str
) -> None:
    made = {key: value() if callable(value) else value for key, value in more.items()}
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        it.wait_for(lambda: select.select([listener], [], [], 0)[0], "a connection")
        plain, _ = listener.accept()
        context = server_context(tmp_path / "s", *names, **made)
        with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as peer:
            peer.setblocking(False)
            try:
                _served(it, peer, peer.do_handshake)
                assert read(it, peer, 1) == b""
            except (ssl.SSLError, ConnectionResetError):
                pass  # it is told by an alert, or not at all
        assert reason in it.expect(SHARD, TransmitFailed).reason
        service.store(it)


def test_a_server_that_need_not_prove_itself_is_served(listener: socket.socket, tmp_path: Path) -> None:
    service = secure_service(tmp_path, tls={"verify": False})
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        with called(it, listener, server_context(tmp_path / "s", "other.example", expired=True)) as peer:
            assert read(it, peer, len(request(1))) == request(1)
        service.store(it)
    service.close()


def test_fault_26_a_connection_serves_another_domain_only_if_its_end_has_proved_to_be_that_too(
    service: Service, listener: socket.socket, tmp_path: Path
) -> None:
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        with called(it, listener, server_context(tmp_path / "s", THEIRS, "second.example")) as peer:
            read(it, peer, len(request(1)))
            it.send(SHARD, TransmitRequest(KEY, target(listener, "SECOND.example"), request(2)))
            assert read(it, peer, len(request(2))) == request(2)
            it.send(SHARD, TransmitRequest(KEY, target(listener, "third.example"), request(3)))
            with called(it, listener, server_context(tmp_path / "t", "third.example")) as third:
                assert read(it, third, len(request(3))) == request(3)
        service.store(it)


def test_a_handshake_that_stalls_fails_its_request_in_time(listener: socket.socket, tmp_path: Path) -> None:
    service = secure_service(tmp_path, tls={"handshake_timeout": 0.1})
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        assert it.expect(SHARD, TransmitFailed) == TransmitFailed(KEY, "the TLS handshake took too long")
        service.store(it)
    service.close()


def test_a_peer_that_hangs_up_within_the_handshake_fails_the_request(service: Service, listener: socket.socket) -> None:
    with service.harness() as it:
        it.send(SHARD, TransmitRequest(KEY, target(listener), request(1)))
        it.wait_for(lambda: select.select([listener], [], [], 0)[0], "a connection")
        listener.accept()[0].close()
        assert it.expect(SHARD, TransmitFailed).key == KEY
        service.store(it)


# Back (RFC 5923)


def _aliased(number: int, port: int) -> bytes:
    return request(number, via=f"{THEIRS}:{port};alias;rport")


def _back(port: int, name: str = THEIRS) -> Target:
    return Target("tls", "127.0.0.1", port, name=name)


def test_a_request_goes_back_on_the_connection_of_a_client_that_proved_who_it_is(tmp_path: Path) -> None:
    service = secure_service(tmp_path, tls={"clients": "optional"})
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c", THEIRS)) as peer:
        peer.send(_aliased(1, 5071))
        it.expect(SHARD, Received)
        it.send(SHARD, TransmitRequest(KEY, _back(5071), request(2)))
        assert read(it, peer, len(request(2))) == request(2)
        service.store(it)
    service.close()


@pytest.mark.parametrize(
    ("names", "alias", "name"),
    [
        ((), True, THEIRS),  # it showed no certificate
        ((THEIRS,), False, THEIRS),  # it did not offer it
        ((THEIRS,), True, "other.example"),  # it is not whom we call
    ],
)
def test_a_request_goes_back_on_no_connection_of_another(
    listener: socket.socket, tmp_path: Path, names: tuple[str, ...], alias: bool, name: str
) -> None:
    service = secure_service(tmp_path, tls={"clients": "optional"})
    port = listener.getsockname()[1]
    with service.harness() as it, calling(it, service, client_context(tmp_path / "c", *names)) as peer:
        peer.send(_aliased(1, port) if alias else request(1, via=f"{THEIRS}:{port}"))
        it.expect(SHARD, Received)
        it.send(SHARD, TransmitRequest(KEY, _back(port, name), request(2)))
        with called(it, listener, server_context(tmp_path / "s", name)) as other:
            assert read(it, other, len(request(2))) == request(2)
        service.store(it)
    service.close()


def test_over_plain_tcp_an_alias_alone_takes_nobody_s_place(service: Service, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with service.harness() as it, service.tcp() as thief:
        thief.sendall(_aliased(1, port))
        it.expect(SHARD, Received)
        it.send(SHARD, TransmitRequest(KEY, Target("tcp", "127.0.0.1", port), request(2)))
        it.wait_for(lambda: select.select([listener], [], [], 0)[0], "a connection")
        with listener.accept()[0]:
            pass
        service.store(it)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_request_goes_back_on_the_flow_that_it_names(service: Service, tmp_path: Path, transport: str) -> None:
    with service.harness() as it:
        if transport == "tls":
            with calling(it, service, client_context(tmp_path / "c")) as peer:
                peer.send(request(1))
                flow = it.expect(SHARD, Received).flow
                it.send(SHARD, TransmitRequest(KEY, Target("tls", "192.0.2.1", 5061, flow.token), request(2)))
                assert read(it, peer, len(request(2))) == request(2)
        else:
            with service.tcp() as plain:
                plain.sendall(request(1))
                flow = it.expect(SHARD, Received).flow
                it.send(SHARD, TransmitRequest(KEY, Target("tcp", "192.0.2.1", 5060, flow.token), request(2)))
                plain.setblocking(False)
                it.wait_for(lambda: select.select([plain], [], [], 0)[0], "the request")
                assert plain.recv(10_000) == request(2)
        service.store(it)


# A kill


def test_over_a_restart_tls_flows_are_dead_and_what_had_no_response_fails(
    service: Service, listener: socket.socket, tmp_path: Path
) -> None:
    other = KEY._replace(branch="z9hG4bKother")
    with service.harness() as it:
        with calling(it, service, client_context(tmp_path / "c")) as peer:
            peer.send(request(1))
            flow = it.expect(SHARD, Received).flow
            it.send(SHARD, TransmitRequest(KEY, target(listener), request(2)))
            it.send(SHARD, TransmitRequest(other, target(listener), request(3)))
            with called(it, listener, server_context(tmp_path / "s", THEIRS)) as server:
                read(it, server, len(request(2)) + len(request(3)))
                server.send(response(service.sent_by("tls"), other.branch))
                answered = it.expect(SHARD, Received)
                it.settle()
                it.stop()
        service.store(it)
    with service.harness(epoch=2) as it:
        told = [it.expect(SHARD, object) for _ in range(3)]
        assert {event.token for event in told if isinstance(event, FlowDead)} == {flow.token, answered.flow.token}
        assert [event.key for event in told if isinstance(event, TransmitFailed)] == [KEY]
        raw = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS theirs.example:%d\r\n\r\n" % listener.getsockname()[1]
        it.send(SHARD, TransmitResponse(KEY, flow, raw))  # the client side is called again (RFC 3261 s18.2.2)
        with called(it, listener, server_context(tmp_path / "s", THEIRS)) as server:
            assert read(it, server, len(raw)) == raw
        service.store(it)


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_is_left(service: Service, tmp_path: Path) -> None:
    with service.harness() as it:
        gc.collect()  # what earlier tests left to it is not counted
        before = _descriptors()
        for number in range(5):
            with calling(it, service, client_context(tmp_path / "c")) as peer:
                peer.send(request(number))
                it.send(SHARD, TransmitResponse(KEY, it.expect(SHARD, Received).flow, b"SIP/2.0 200 OK\r\n\r\n"))
                read(it, peer, 18)
            it.expect(SHARD, FlowDead)
        assert _descriptors() <= before
        service.store(it)
