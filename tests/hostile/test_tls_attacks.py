"""Attacks on TLS: rubbish in handshakes, handshakes without an end, half-closed and deaf peers, stolen names."""

from __future__ import annotations

import random
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.hostile.conftest import Connect, judge
from tests.hostile.wire import PATIENCE, Closed, Dialog, Wire, branch_of
from tests.live.service import Service, running
from tests.transport.authority import believed, issue, stranger

pytestmark = pytest.mark.live

OTHER = "other.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    """A service that answers every call over any transport, asks for certificates and has one for another domain."""
    own, other = issue(folder, "localhost", "127.0.0.1"), issue(folder, OTHER, called="other")
    config = f"""
[tls]
certificate = "{own}"
authorities = "{believed(folder)}"
clients = "optional"
names = [{{ name = "{OTHER}", certificate = "{other}", key = "{other}" }}]
"""
    listen = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0")
    with running("--answer", "echo", listen=listen, config=config) as started:
        yield started
        judge(started)


class SecureWire(Wire):
    """A wire with TLS on it."""

    def __init__(self, service: Service, context: ssl.SSLContext, name: str = "localhost") -> None:
        super().__init__(service.addresses["tls"], "tls")
        self.socket.settimeout(PATIENCE)
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def receive(self, timeout: float = PATIENCE) -> bytes:
        """As for any; the session, too, may have bytes that nothing tells of."""
        self.socket.settimeout(timeout)
        assert isinstance(self.socket, ssl.SSLSocket)
        while not self._read:
            try:
                self._take()
            except (ssl.SSLError, TimeoutError) as error:
                raise Closed from error
        return self._read.popleft()


@pytest.fixture
def context(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(believed(folder)))


@contextmanager
def plainly(service: Service, transport: str = "tls") -> Iterator[socket.socket]:
    with socket.create_connection(service.addresses[transport], timeout=PATIENCE) as peer:
        yield peer


def wait_ended(peer: socket.socket) -> bytes:
    """Read to the end of a connection, however it ends."""
    said = b""
    try:
        while piece := peer.recv(65_536):
            said += piece
    except ConnectionResetError:
        pass
    return said


def client_hello(context: ssl.SSLContext, name: str = "localhost") -> bytes:
    came, went = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(came, went, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return went.read()


def test_rubbish_within_a_handshake_ends_that_connection_only(service: Service, context: ssl.SSLContext) -> None:
    chance, hello = random.Random(4), client_hello(context)
    for _ in range(60):
        broken = bytearray(hello)
        for _ in range(chance.randrange(1, 8)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with plainly(service) as peer:
            peer.sendall(broken[: chance.randrange(1, len(broken) + 1)])
            peer.shutdown(socket.SHUT_WR)
            assert b"SIP/2.0" not in wait_ended(peer)


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd\xfccalhost", b"a\0calhosts", b"\xc3\xa9xampleXY"[:9], b"*.example"])
def test_a_client_may_ask_for_whatever_name(service: Service, context: ssl.SSLContext, name: bytes) -> None:
    hello = client_hello(context)
    assert hello.count(b"localhost") == 1
    with plainly(service) as peer:
        peer.sendall(hello.replace(b"localhost", name[:9].ljust(9, b"x")))
        peer.shutdown(socket.SHUT_WR)
        wait_ended(peer)
    assert not [line for line in service.lines if "Exception ignored" in line or "UnicodeDecodeError" in line]


def test_plain_sip_on_a_tls_port_and_tls_on_a_tcp_port_are_not_served(
    service: Service, context: ssl.SSLContext
) -> None:
    with Wire(service.addresses["tls"], "tcp") as wire:
        wire.send(Dialog(wire).write("OPTIONS"))
        assert b"SIP/2.0" not in wait_ended(wire.socket)
    with plainly(service, "tcp") as peer:
        peer.sendall(client_hello(context))
        assert b"SIP/2.0 2" not in wait_ended(peer)


def test_a_client_that_asks_for_renegotiation_gets_none(service: Service, folder: Path) -> None:
    host, port = service.addresses["tls"]
    words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-CAfile", str(believed(folder))]
    done = subprocess.run(words, input=b"R\nR\nR\n", capture_output=True, timeout=PATIENCE, check=False)
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in (done.stdout + done.stderr).lower()


def test_five_hundred_handshakes_without_an_end_are_closed_and_others_are_served_meanwhile(
    service: Service, context: ssl.SSLContext
) -> None:
    hello = client_hello(context)
    with ExitStack() as stack:
        begun = [stack.enter_context(plainly(service)) for _ in range(500)]
        for number, peer in enumerate(begun):
            peer.sendall(hello if number % 2 else hello[: number % len(hello) + 1])
        for wire in (Wire(service.addresses["udp"]), SecureWire(service, context)):
            with wire:
                dialog = Dialog(wire)
                dialog.call()
                dialog.hang_up()
        for peer in begun:
            assert b"SIP/2.0" not in wait_ended(peer)


def test_a_client_that_closes_its_half_gets_the_answers_to_what_it_asked(
    service: Service, context: ssl.SSLContext
) -> None:
    with SecureWire(service, context) as wire:
        asked = [Dialog(wire).write("OPTIONS") for _ in range(3)]
        wire.send(b"".join(asked))
        assert isinstance(wire.socket, ssl.SSLSocket)
        answers = [wire.final(branch_of(request)).status for request in asked]
        assert answers == [200, 200, 200]
    with SecureWire(service, context) as wire:
        wire.send(b"".join(asked))
        wire.socket.shutdown(socket.SHUT_WR)  # a FIN without a word of TLS: what came before it counts all the same
        assert len(wait_ended(wire.socket)) > 0


def test_pipelined_requests_cut_at_random_are_each_answered_once(service: Service, context: ssl.SSLContext) -> None:
    chance = random.Random(5)
    for wire in (Wire(service.addresses["tcp"], "tcp"), SecureWire(service, context)):
        with wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(20):
                asked = [Dialog(wire).write("OPTIONS", body=b"x" * chance.randrange(200)) for _ in range(3)]
                data = b"\r\n\r\n".join(asked)
                while data:
                    size = chance.choice((1, 2, 3, 50, 500, 5000))
                    wire.send(data[:size])
                    data = data[size:]
                answers = [wire.receive() for _ in asked]
                assert {branch_of(answer) for answer in answers} == {branch_of(request) for request in asked}


def test_a_client_that_a_stranger_certified_is_refused(service: Service, folder: Path, context: ssl.SSLContext) -> None:
    for made in (
        issue(folder, "a.example", by=stranger(), called="x"),
        issue(folder, "a.example", expired=True, called="y"),
    ):
        context.load_cert_chain(made)
        with pytest.raises((Closed, ssl.SSLError, ConnectionError)), SecureWire(service, context) as wire:
            wire.ask(Dialog(wire).write("OPTIONS"))


def test_a_name_that_is_asked_for_is_shown_and_no_other(service: Service, context: ssl.SSLContext) -> None:
    with SecureWire(service, context, OTHER) as wire:
        assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200
    with pytest.raises(ssl.SSLCertVerificationError), SecureWire(service, context, "third.example"):
        pass


def flood(dialog: Dialog, long: bytes) -> None:
    for _ in range(20_000):
        dialog.wire.send(dialog.write("OPTIONS").replace(b"\r\nMax-Forwards", long + b"\r\nMax-Forwards", 1))


def test_a_tls_session_that_reads_nothing_is_closed(
    service: Service, context: ssl.SSLContext, connect: Connect
) -> None:
    with SecureWire(service, context) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        long = "".join(f"\r\nVia: SIP/2.0/TLS a{n};branch=z9hG4bK{n};x={'y' * 8000}" for n in range(6)).encode()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            flood(Dialog(deaf), long)
    wire = connect()
    while (status := wire.ask(Dialog(wire).write("OPTIONS")).status) == 503:
        pass
    assert status == 200
