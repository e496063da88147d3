"""TLS with the real service: `openssl s_client` at the other end, two services, and a kill in the middle of a call."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event, wait_restarted
from tests.live.processes import links
from tests.live.service import Service, running
from tests.transport.authority import believed, issue

pytestmark = pytest.mark.live

PATIENCE = 20.0
NAMES = ("localhost", "127.0.0.1")


def config(folder: Path, *names: str, more: str = "") -> str:
    certificate, authorities = issue(folder, *names), believed(folder)
    return f'[tls]\ncertificate = "{certificate}"\nauthorities = "{authorities}"\n{more}\n'


def serving(folder: Path, answer: str, *names: str, more: str = "") -> AbstractContextManager[Service]:
    listen = ("udp:127.0.0.1:0", "tls:127.0.0.1:0")
    return running("--answer", answer, listen=listen, config=config(folder, *(names or NAMES), more=more))


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("echo"), "echo") as service:
        yield service


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("home"), "ring") as service:
        yield service


def uri(service: Service, scheme: str = "sip", host: str = "localhost") -> str:
    return f"{scheme}:bob@{host}:{service.addresses['tls'][1]}" + (";transport=tls" if scheme == "sip" else "")


class Typist:
    """`openssl s_client`: what is typed into it goes out over TLS, what comes is shown."""

    def __init__(self, service: Service, folder: Path, *options: str) -> None:
        host, port = service.addresses["tls"]
        words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "localhost", "-quiet", "-crlf"]
        words += ["-CAfile", str(believed(folder)), "-verify_return_error", *options]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.shown = b""

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_for(self, words: bytes) -> bytes:
        """Read until it shows `words`, or to its end."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE
        while words not in self.shown:
            ready, _, _ = select.select([self.process.stdout], [], [], max(end - time.monotonic(), 0))
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                break
            self.shown += piece
        return self.shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def options(scheme: str = "sip") -> str:
    return (
        f"OPTIONS {scheme}:us@localhost SIP/2.0\nVia: SIP/2.0/TLS typist.example;branch=z9hG4bKtyped;rport\n"
        "Max-Forwards: 70\nFrom: <sip:typist@typist.example>;tag=1\nTo: <sip:us@localhost>\n"
        "Call-ID: typed\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n"
    )


@pytest.mark.parametrize("scheme", ["sip", "sips"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_request_typed_into_openssl_is_answered(echo: Service, tmp_path: Path, version: str, scheme: str) -> None:
    with Typist(echo, tmp_path, version) as typist:
        typist.type(options(scheme))
        shown = typist.wait_for(b"\r\n\r\n")
        assert shown.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS typist.example;")
        assert b"\r\nContact: <sip" in shown
        assert b";transport=tls>" in shown or scheme == "sips"


def test_openssl_is_refused_an_old_version(echo: Service, tmp_path: Path) -> None:
    with Typist(echo, tmp_path, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0") as typist:
        assert typist.wait_for(b"SIP/2.0") == b""
        assert typist.process.wait(PATIENCE) != 0


def test_a_call_over_tls_is_made_and_hung_up_by_both(home: Service, echo: Service) -> None:
    done = home.command("call", uri(echo), "--duration", "0.3", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    with Client(echo.run_dir) as away, away.events() as stream, Client(home.run_dir) as client:
        client.place(uri(echo, "sips"))
        answered = next_event(stream, "CallAnswered", [])
        away.hangup(answered.call)
        ended = next_event(stream, "CallEnded", [])
        assert (ended.outcome, ended.by) == ("answered", "local")


def test_a_server_that_proves_to_be_another_is_not_called(echo: Service, tmp_path: Path) -> None:
    with serving(tmp_path, "echo", "other.example") as wrong:
        done = echo.command("call", uri(wrong), "--duration", "0.1")
        assert done.returncode != 0
        assert "other.example" in done.stdout + done.stderr


def test_a_certificate_is_replaced_while_the_service_runs(tmp_path: Path) -> None:
    with serving(tmp_path, "echo") as service, Typist(service, tmp_path) as before:
        before.type(options())
        assert before.wait_for(b"SIP/2.0 200")
        issue(tmp_path, "localhost", "renewed.example")
        with Typist(service, tmp_path, "-verify_hostname", "renewed.example") as after:
            after.type(options())
            assert b"SIP/2.0 200" in after.wait_for(b"\r\n\r\n")


@pytest.mark.chaos
@pytest.mark.parametrize("ender", ["caller", "callee"])
@pytest.mark.parametrize("killed", ["caller", "callee"])
def test_a_call_over_tls_goes_on_over_a_kill_of_either_transport(
    home: Service, echo: Service, killed: str, ender: str
) -> None:
    """The session is gone with its process; who speaks next calls again, and in the dialog all is as it was."""
    with (
        Client(home.run_dir) as caller,
        Client(echo.run_dir) as callee,
        caller.events() as ours,
        callee.events() as theirs,
    ):
        caller.place(uri(echo))
        mine, their = next_event(ours, "CallAnswered", []).call, next_event(theirs, "CallAnswered", []).call
        service, client = (home, caller) if killed == "caller" else (echo, callee)
        before = int(service.tree()["transport"]["restarts"])
        os.kill(service.pid("transport"), signal.SIGKILL)
        wait_restarted(client, "transport", before)
        if ender == "caller":
            caller.hangup(mine)
        else:
            callee.hangup(their)
        for stream in (ours, theirs):
            assert next_event(stream, "CallEnded", []).outcome == "answered"


def sockets_of(service: Service) -> set[str]:
    """The sockets that its transport holds, by their inodes."""
    return {link for link in links(service.pid("transport")) if link.startswith("socket:")}


def test_a_new_call_goes_back_on_the_connection_of_a_peer_that_proved_who_it_is(home: Service, tmp_path: Path) -> None:
    """RFC 5923: home calls away and shows its certificate; away's own call to home takes the same connection."""
    with serving(tmp_path, "echo", more='clients = "optional"') as away:
        assert home.command("call", uri(away), "--duration", "0.1").returncode == 0
        before = sockets_of(home)
        with Client(home.run_dir) as client, client.events() as stream, Client(away.run_dir) as other:
            other.place(uri(home))
            call = next_event(stream, "CallReceived", []).call
            assert sockets_of(home) <= before  # nobody has called home on a new connection
            client.reject(call)
            next_event(stream, "CallEnded", [])
