"""A reload of the running service: what the file says then holds, and the call that is up goes on."""

from __future__ import annotations

import re
import shutil
import signal
import socket
from pathlib import Path

import pytest

from actors.control.client import Client, CommandRefused
from tests.chaos.killing import next_event
from tests.live.peer import Callee, Caller
from tests.live.registrar import account, registrar
from tests.live.service import Service, running
from tests.live.sipp import free_port

pytestmark = pytest.mark.live

ECHO = '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[answer]\nmode = "echo"\n[media]\n'


def rewrite(service: Service, old: str, new: str) -> None:
    path = service.run_dir.parent / "sipactors.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_reload_changes_what_the_file_changes_and_no_call_drops(tmp_path: Path) -> None:
    with (
        running(listen=(), config=ECHO, base=tmp_path) as service,
        Client(service.run_dir, patience=30.0) as client,
        Caller(service.addresses["udp"]) as first,
    ):
        first.invite()
        assert first.final() == 200
        up(client, 1)
        assert client.reload() == []
        port = free_port(socket.SOCK_STREAM)
        rewrite(service, '"udp:127.0.0.1:0"', f'"udp:127.0.0.1:0", "tcp:127.0.0.1:{port}"')
        rewrite(service, '"echo"', '"none"')
        assert set(client.reload()) == {"transport", "dialog-0"}
        with Caller(service.addresses["udp"]) as second:
            second.invite()
            assert second.patient_final() == 480
        with socket.create_connection(("127.0.0.1", port), timeout=30.0):
            assert [call.state for call in client.calls()] == ["confirmed"]
        rewrite(service, '"none"', '"shout"')
        with pytest.raises(CommandRefused, match=r"answer\.mode: 'shout' is not known") as caught:
            client.reload()
        assert caught.value.code == "bad_configuration"
        rewrite(service, '"shout"', '"echo"')
        with client.events(topics=["CallReceived"]) as events:
            before = {child.name: child.epoch for child in client.tree()}
            service.process.send_signal(signal.SIGHUP)
            while {child.name: child.epoch for child in client.tree()} == before:
                assert events.receive(0.05) is None
            with Caller(service.addresses["udp"]) as third:
                third.invite()
                assert third.patient_final() == 200
        assert client.tree()[0].restarts == 0
        client.hangup(client.calls()[0].call)
        first.receive("BYE ")


def add(service: Service, text: str) -> None:
    path = service.run_dir.parent / "sipactors.toml"
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def up(client: Client, number: int) -> None:
    """Wait until so many calls are confirmed: their ACKs have come, and the kill of an actor loses none."""
    with client.events() as events:
        while [call.state for call in client.calls()] != ["confirmed"] * number:
            events.receive(0.05)


def grant(registrar: Callee, expires: str) -> None:
    """Let a registrar answer one REGISTER."""
    request = registrar.receive("REGISTER ")
    (contact,) = re.findall(r"^Contact: (<[^>]*>|\*).*\r$", request, re.MULTILINE)
    assert f"expires={expires}" in request.lower() or f"Expires: {expires}" in request
    registrar.reply(request, 200, "OK", *([f"Contact: {contact};expires={expires}"] if expires != "0" else []))


def test_accounts_trunks_and_codecs_change_by_a_reload_and_no_call_drops(tmp_path: Path) -> None:
    with (
        running(listen=(), config=ECHO, base=tmp_path) as service,
        Client(service.run_dir, patience=30.0) as client,
        Caller(service.addresses["udp"]) as first,
        Callee() as registrar,
        client.events(topics=["AccountChanged"]) as events,
    ):
        first.invite()
        assert first.final() == 200
        up(client, 1)
        host = registrar.uri.partition("@")[2]
        alice = f'[[accounts]]\naor = "sip:alice@{host}"\n'
        add(service, alice)
        assert "dialog-0" in client.reload()
        grant(registrar, "3600")
        while next_event(events, "AccountChanged", []).state != "registered":
            pass
        add(service, f'[[accounts]]\naor = "sip:trunk@{host}"\nregister = false\n')
        assert "dialog-0" in client.reload()
        known = {each.account: each.state for each in client.accounts()}
        assert known == {f"sip:alice@{host}": "registered", f"sip:trunk@{host}": "static"}
        with Caller(service.addresses["udp"]) as second:
            second.invite()
            assert second.patient_final() == 200
            up(client, 2)
        rewrite(service, "[media]\n", '[media]\ncodecs = ["PCMA"]\n')
        client.unregister(f"sip:alice@{host}")
        grant(registrar, "0")
        while next_event(events, "AccountChanged", []).state != "unregistered":
            pass
        rewrite(service, alice, "")
        assert "dialog-0" in client.reload()
        assert [each.account for each in client.accounts()] == [f"sip:trunk@{host}"]
        with Caller(service.addresses["udp"]) as third:
            third.invite()
            assert third.patient_final() == 488  # it offers PCMU
        states = [call.state for call in client.calls()]
        assert states == ["confirmed", "confirmed"]
        client.hangup(client.calls()[0].call)
        first.receive("BYE ")


def answer_to(client: Client, service: Service) -> int:
    """What the service says to one more call, which is ended if it was let in."""
    before = {call.call for call in client.calls()}
    with Caller(service.addresses["udp"]) as caller:
        caller.invite()
        status = caller.patient_final()
        if status == 200:
            up(client, len(before) + 1)
            (call,) = (call.call for call in client.calls() if call.call not in before)
            client.hangup(call)
            caller.grant(caller.receive("BYE "))
            ended(client, len(before))
    return status


def ended(client: Client, left: int) -> None:
    """Wait until no more than so many calls are left."""
    with client.events() as events:
        while len(client.calls()) > left:
            events.receive(0.05)


def test_policies_change_by_a_reload_and_no_call_drops(tmp_path: Path) -> None:
    with (
        running(listen=(), config=ECHO + "[calls]\n", base=tmp_path) as service,
        Client(service.run_dir, patience=30.0) as client,
        Caller(service.addresses["udp"]) as first,
        client.events(topics=["CallTransferRequested"]) as events,
    ):
        first.invite()
        assert first.final() == 200
        up(client, 1)
        assert answer_to(client, service) == 200
        first.request("REFER", 2, "Refer-To: <sip:carol@127.0.0.1:9>")
        first.receive("SIP/2.0 603 ")
        rewrite(service, "[sip]\n", "[sip]\nmax_calls = 1\n")
        rewrite(service, "[calls]\n", '[calls]\nrefer = "ask"\nrefer_hosts = ["*"]\n')
        assert "dialog-0" in client.reload()
        assert answer_to(client, service) == 486
        first.request("REFER", 3, "Refer-To: <sip:carol@127.0.0.1:9>")
        assert next_event(events, "CallTransferRequested", []).call == client.calls()[0].call
        client.do_not_disturb(603)
        rewrite(service, "max_calls = 1\n", "")
        assert "dialog-0" in client.reload()
        assert answer_to(client, service) == 603  # what a client said holds on
        client.do_not_disturb(0)
        assert answer_to(client, service) == 200
        assert [call.state for call in client.calls()] == ["confirmed"]
        client.hangup(client.calls()[0].call)
        first.receive("BYE ")


@pytest.mark.skipif(shutil.which("kamailio") is None, reason="needs the Debian package kamailio")
def test_an_account_that_a_reload_removes_is_gone_at_its_registrar_and_one_that_it_changes_is_bound_anew(
    tmp_path: Path,
) -> None:
    """Kamailio asks for credentials in each REGISTER; those of an account that is gone prove its leave still."""
    with registrar(tmp_path) as domain:
        alice, bob = account(domain.domain, "alice"), account(domain.domain, "bob")
        with (
            running(config=alice + bob) as service,
            Client(service.run_dir, patience=30.0) as client,
            client.events(0, topics=["AccountChanged"]) as events,
        ):

            def until(state: str, *users: str) -> None:
                left = {(f"sip:{user}@{domain.domain}", state) for user in users}
                while left:
                    changed = next_event(events, "AccountChanged", [])
                    left.discard((changed.account, changed.state))

            until("registered", "alice", "bob")
            assert sorted(domain.bindings()) == ["alice", "bob"]
            rewrite(service, alice, "")
            assert "dialog-0" in client.reload()
            until("unregistered", "alice")
            assert sorted(domain.bindings()) == ["bob"]
            (before,) = domain.bindings()["bob"]
            rewrite(service, bob, f'{bob}contact = "127.0.0.1:5999"\n')
            assert "dialog-0" in client.reload()
            until("registered", "bob")
            assert before != "sip:bob@127.0.0.1:5999"
            assert domain.bindings()["bob"] == ["sip:bob@127.0.0.1:5999"]
