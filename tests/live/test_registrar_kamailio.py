"""Kamailio as registrar and proxy with digest: accounts register, call through it and leave nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, EventStream
from actors.control.records import AccountChanged, CallAnswered, CallEnded, CallReceived
from tests.live.kamailio import kamailio
from tests.live.processes import kill
from tests.live.registrar import Registrar, account, registrar
from tests.live.service import running
from tests.transport.authority import believed, issue

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="needs the Debian package kamailio"),
]


def wait_for(stream: EventStream, wanted: Callable[[Any], bool]) -> Any:
    """The next event that is wanted."""
    while True:
        event = stream.receive(30.0)
        assert event is not None, "no such event within 30 s"
        if wanted(event):
            return event


def becomes(account_of: str, state: str) -> Callable[[Any], bool]:
    """An event that says an account, or any, is in a state."""
    return lambda e: isinstance(e, AccountChanged) and (account_of or e.account) == e.account and e.state == state


@pytest.fixture(params=["MD5", "SHA-256"])
def domain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registrar]:
    with registrar(tmp_path, algorithm=request.param) as found:
        yield found


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_accounts_register_and_one_calls_the_other_through_the_proxy(domain: Registrar, transport: str) -> None:
    """REGISTER with 401, INVITE with 407, the call routed by account, and no binding left after the end."""
    alice, bob = f"sip:alice@{domain.domain}", f"sip:bob@{domain.domain}"
    config = account(domain.domain, "alice", transport=transport) + account(domain.domain, "bob", transport=transport)
    with running("--answer", "echo", config=config) as service:
        with Client(service.run_dir) as client, client.events(0) as events:
            registered = [wait_for(events, becomes("", "registered")).account for _ in range(2)]
            assert sorted(registered) == [alice, bob]
            assert sorted(domain.bindings()) == ["alice", "bob"]
            call = client.place("sip:bob@" + domain.domain, account=alice)
            received = wait_for(events, lambda e: isinstance(e, CallReceived))
            assert received.account == bob
            assert received.remote == alice
            wait_for(events, lambda e: isinstance(e, CallAnswered) and e.call == call)
            client.hangup(call)
            ends = [wait_for(events, lambda e: isinstance(e, CallEnded)) for _ in range(2)]
            assert {end.outcome for end in ends} == {"answered"}
        assert service.stop() == 0
    assert domain.bindings() == {}


@pytest.mark.skipif(
    not list(Path("/usr/lib").glob("**/kamailio/modules/tls.so")),
    reason="needs the Debian package kamailio-tls-modules",
)
def test_an_account_registers_and_calls_over_tls(tmp_path: Path) -> None:
    """It is reached by the connection that it made: Kamailio sends the call back on it (RFC 5923)."""
    certificate, authorities = issue(tmp_path, "127.0.0.1"), believed(tmp_path)
    with registrar(tmp_path, algorithm="SHA-256", tls=(certificate, authorities)) as domain:
        proxy = f"sip:127.0.0.1:{domain.tls_port};transport=tls"
        alice, bob = f"sip:alice@{domain.domain}", f"sip:bob@{domain.domain}"
        names = ("alice", "bob")
        both = "".join([account(domain.domain, name, registrar=proxy, outbound_proxy=proxy) for name in names])
        config = f'[tls]\ncertificate = "{certificate}"\nauthorities = "{authorities}"\n{both}'
        listen = ("udp:127.0.0.1:0", "tls:127.0.0.1:0")
        with running("--answer", "echo", config=config, listen=listen) as service:
            with Client(service.run_dir) as client, client.events(0) as events:
                registered = [wait_for(events, becomes("", "registered")) for _ in range(2)]
                assert sorted(each.account for each in registered) == [alice, bob]
                assert all(";transport=tls" in each.contact for each in registered)
                call = client.place(bob, account=alice)
                wait_for(events, lambda e: isinstance(e, CallAnswered) and e.call == call)
                client.hangup(call)
                wait_for(events, lambda e: isinstance(e, CallEnded))
            assert service.stop() == 0
        assert domain.bindings() == {}


def test_a_wrong_password_is_told_as_what_it_is(tmp_path: Path) -> None:
    with registrar(tmp_path) as domain:
        config = account(domain.domain, "alice", password="guess")
        with running(config=config) as service, Client(service.run_dir) as client, client.events(0) as events:
            failing = wait_for(events, becomes(f"sip:alice@{domain.domain}", "failing"))
            assert failing.status == 401
            (line,) = client.accounts()
            assert (line.state, line.status) == ("failing", 401)
            assert "guess" not in "\n".join(service.lines)


def test_a_nonce_that_has_grown_stale_is_renewed_and_423_is_obeyed(tmp_path: Path) -> None:
    with registrar(tmp_path, nonce_expire=1, min_expires=120) as domain:
        aor = f"sip:alice@{domain.domain}"
        config = account(domain.domain, "alice", expires=60)
        with running(config=config) as service, Client(service.run_dir) as client, client.events(0) as events:
            first = wait_for(events, becomes(aor, "registered"))
            assert 100 < first.until - first.time <= 121
            kamailio_says_stale_after(events)
            client.register(aor)
            again = wait_for(events, becomes(aor, "registered"))
            assert again.until > first.until


def kamailio_says_stale_after(events: EventStream) -> None:
    """Let the nonce of one second grow old; nothing else happens meanwhile."""
    assert events.receive(2.1) is None


def test_unregister_and_register_by_command(tmp_path: Path) -> None:
    with registrar(tmp_path) as domain:
        aor = f"sip:alice@{domain.domain}"
        config = account(domain.domain, "alice")
        with running(config=config) as service, Client(service.run_dir) as client, client.events(0) as events:
            wait_for(events, becomes(aor, "registered"))
            shown = service.command("accounts")
            assert "registered until" in shown.stdout
            assert service.command("unregister", aor).returncode == 0
            wait_for(events, becomes(aor, "unregistered"))
            assert domain.bindings() == {}
            assert service.command("register", aor).returncode == 0
            wait_for(events, becomes(aor, "registered"))
            assert list(domain.bindings()) == ["alice"]
            (told,) = service.json("accounts")
            assert told["state"] == "registered"
            client.registrations.unregister(aor)
            wait_for(events, becomes(aor, "unregistered"))
            assert [each.state for each in client.registrations()] == ["unregistered"]
            assert domain.bindings() == {}
            assert service.command("register", "sip:nobody@example.com").returncode == 1


def test_an_account_is_registered_at_two_registrars_at_once_and_one_that_goes_away_fails_alone(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with registrar(folders[0]) as first, ExitStack() as held:
        second = held.enter_context(registrar(folders[1], algorithm="SHA-256"))
        there = f"sip:{second.domain}"
        config = account(first.domain, "alice", outbound_proxy="", registrars=[there])
        with running(config=config) as service:
            with Client(service.run_dir) as client, client.events(0) as events:
                told = [wait_for(events, becomes("", "registered")).registrar for _ in range(2)]
                assert sorted(told) == ["", there]
                assert [list(each.bindings()) for each in (first, second)] == [["alice"], ["alice"]]
                held.close()
                client.register(f"sip:alice@{first.domain}")
                assert wait_for(events, lambda e: isinstance(e, AccountChanged) and e.registrar).state == "failing"
                states = {each.registrar: each.state for each in client.accounts()}
                assert states == {"": "registered", there: "failing"}
            assert service.stop() == 0
        assert first.bindings() == {}


def test_a_302_of_one_registrar_leads_to_another(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with registrar(folders[1]) as second:
        moved = f"""
    append_to_reply("Contact: <sip:{second.domain}>\\r\\n");
    sl_send_reply("302", "Moved Temporarily");
"""
        with kamailio(folders[0], moved) as (ports, _):
            config = account(f"127.0.0.1:{ports['udp']}", "alice", outbound_proxy="")
            with running(config=config) as service:
                with Client(service.run_dir) as client, client.events(0) as events:
                    wait_for(events, becomes("", "registered"))
                    assert list(second.bindings()) == ["alice"]
                assert service.stop() == 0
        assert second.bindings() == {}, "the removal was led there too"


def test_kill_9_of_the_dialog_actor_leaves_the_account_registered(tmp_path: Path) -> None:
    """Nothing is asked of the registrar by it: no burst of REGISTERs, and the refresh still works."""
    with registrar(tmp_path) as domain:
        aor = f"sip:alice@{domain.domain}"
        with running(config=account(domain.domain, "alice")) as service, Client(service.run_dir) as client:
            with client.events(0) as events:
                before = wait_for(events, becomes(aor, "registered"))
                bound = domain.bindings()
                kill(service.pid("dialog-0"))
                (line,) = client.accounts()
                assert (line.state, line.until) == ("registered", pytest.approx(before.until, abs=0.1))
                assert domain.bindings() == bound
                client.register(aor)
                wait_for(events, becomes(aor, "registered"))
                assert domain.bindings() == bound
            assert service.stop() == 0
        assert domain.bindings() == {}


def test_of_registrars_in_turn_the_next_one_has_the_account_when_the_first_refuses(tmp_path: Path) -> None:
    """The first is a Kamailio that takes nobody."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with ExitStack() as held:
        first = held.enter_context(kamailio(tmp_path / "one", '    sl_send_reply("503", "Closed");\n'))[0]["udp"]
        second = held.enter_context(registrar(tmp_path / "two"))
        where = f"sip:127.0.0.1:{first}"
        config = account(
            second.domain,
            "alice",
            registrar=where,
            outbound_proxy="",
            registrars=[f"sip:{second.domain}"],
            in_turn=True,
        )
        with running(config=config) as service, Client(service.run_dir) as client, client.events(0) as events:
            wait_for(events, becomes("", "registered"))
            assert list(second.bindings()) == ["alice"]
            assert [each.state for each in client.accounts()] == ["registered"]
            assert service.stop() == 0
        assert second.bindings() == {}
