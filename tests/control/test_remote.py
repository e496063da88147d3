"""Clients of other machines: CURVE and keys, roles, revocation, numbers of calls, files, and the audit log."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from actors.control import playing, records
from actors.control.client import Client, CommandRefused, NoService
from actors.control.keys import KeyProblem, Keys
from actors.control.protocol import encode_request
from actors.control.records import COMMANDS, Request
from actors.control.rights import ASKS, LOCAL, Denied, Grant, Rights, Role
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from actors.runtime.audit import Audit
from tests.control.api import PATIENCE, Caller, control
from tests.runtime.harness import Harness


class Remote(Caller):
    """A client over TCP, with a key."""

    def __init__(self, house: Harness, folder: Path, grant: Grant) -> None:
        self._house = house
        self._pool = ThreadPoolExecutor(1)
        path = folder / f"{grant.name}.toml"
        path.write_text(keys_of(house).create(grant))
        address = house.actor._socket.remote.address
        self.client = self.wait(self._pool.submit(Client, address=address, key=path, patience=PATIENCE))


def keys_of(house: Harness) -> Keys:
    return Keys(house.context.state_dir / "keys")


def audit_of(house: Harness) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (house.context.state_dir / "audit.log").read_text().splitlines()]


@contextmanager
def remote(tmp_path: Path, grant: Grant, **settings: Any) -> Iterator[tuple[Harness, Remote]]:
    with control(tmp_path, listen="tcp://127.0.0.1:0", **settings) as house:
        caller = Remote(house, tmp_path, grant)
        try:
            yield house, caller
        finally:
            caller.close()


def code_of(caller: Remote, function: Any) -> str:
    with pytest.raises(CommandRefused) as caught:
        caller.do(function)
    return caught.value.code


def test_a_client_with_a_key_of_the_role_control_drives_the_service(tmp_path: Path) -> None:
    with remote(tmp_path, Grant("desk", Role.CONTROL)) as (house, caller):
        stream = caller.do(lambda client: client.events())
        placing = caller.ask(lambda client: client.calls.place("sip:bob@192.0.2.4"))
        command = house.expect("dialog-0", call_commands.PlaceCall)
        house.send(
            "dialog-0", dialog.CommandDone(command.ref), call_events.CallProgressed(command.call, 180, "Ringing", 1.0)
        )
        assert caller.wait(placing).id == command.call
        assert caller.events(stream, 1)[0].call == command.call


def test_the_keys_are_their_owners_alone(tmp_path: Path) -> None:
    with remote(tmp_path, Grant("desk")) as (house, _):
        folder = house.context.state_dir / "keys"
        for path in folder.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
        assert "secret" not in (folder / "clients" / "desk.toml").read_text()


@pytest.mark.parametrize("wrong", ["no key", "an unknown key", "a key of another service", "a revoked key"])
def test_fault_64_who_has_no_key_of_ours_does_not_get_in(
    tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote(tmp_path, Grant("desk")) as (house, _):
        monkeypatch.setattr("actors.control.paths.REMOTE_PATIENCE", 0.5)
        remote_address = house.actor._socket.remote.address
        path = tmp_path / "wrong.toml"
        keys = keys_of(house)
        if wrong == "no key":
            context: zmq.Context[Any] = zmq.Context()
            with context.socket(zmq.DEALER) as dealer:
                dealer.linger = 0
                dealer.connect(remote_address)
                dealer.send(encode_request(Request("1", "", 1.0, records.Hello())))
                assert not dealer.poll(300)
            context.term()
            return
        if wrong == "a key of another service":
            path.write_text(Keys(tmp_path / "other").create(Grant("desk")))
        else:
            path.write_text(keys.create(Grant("old")))
            keys.revoke("old")
        before = house.actor._socket.dropped
        with pytest.raises(NoService, match="does not know the key"):
            Client(address=remote_address, key=path)
        if wrong != "a key of another service":  # that one fails in the handshake, before anybody is asked
            assert house.actor._socket.dropped > before


def test_fault_65_an_observer_can_ask_and_listen_and_nothing_else(tmp_path: Path) -> None:
    with remote(tmp_path, Grant("eye", Role.OBSERVE)) as (house, caller):
        assert caller.do(lambda client: client.events()).log
        assert code_of(caller, lambda client: client.calls.place("sip:bob@192.0.2.4")) == "denied"
        assert code_of(caller, lambda client: client.shut_down()) == "denied"
        assert code_of(caller, lambda client: client.drain()) == "denied"
        house.settle()
        assert not house.peers["dialog-0"].inbox
        assert [(line["client"], line["op"], line["outcome"]) for line in audit_of(house)] == [
            ("eye", "Place", "denied"),
            ("eye", "Stop", "denied"),
            ("eye", "Drain", "denied"),
        ]


@pytest.mark.parametrize("op", COMMANDS)
def test_what_an_observer_may_is_a_list_and_all_else_is_denied(op: str) -> None:
    rights = Rights((), lambda _: 0)
    kind = COMMANDS[op]
    fields = [
        () if default is None else default for default in (kind._field_defaults.get(n, "x") for n in kind._fields)
    ]
    denied = rights.judge(Grant("eye", Role.OBSERVE), kind(*fields))
    assert (denied is None) == (kind in ASKS)
    assert rights.judge(LOCAL, kind(*fields)) is None


def test_a_key_that_is_revoked_is_refused_at_once_and_hears_no_more(tmp_path: Path) -> None:
    with remote(tmp_path, Grant("desk", Role.CONTROL)) as (house, caller):
        caller.do(lambda client: client.events())
        keys_of(house).revoke("desk")
        house.actor._keys._read_at = -10.0  # half a second later
        assert code_of(caller, lambda client: client.drain()) == "denied"
        house.send("dialog-0", call_events.CallReceived("c1", "sip:a", "sip:b", "", 1.0))
        house.wait_for(lambda: not len(house.actor._subscriptions), "the end of the subscription")
        assert audit_of(house)[-1]["client"] == "revoked"


def test_a_key_has_its_number_of_calls_at_once_over_a_restart_of_control(tmp_path: Path) -> None:
    def place(caller: Remote, house: Harness) -> str:
        placing = caller.ask(lambda client: client.calls.place("sip:bob@192.0.2.4"))
        command = house.expect("dialog-0", call_commands.PlaceCall)
        house.send("dialog-0", dialog.CommandDone(command.ref))
        return caller.wait(placing).id

    with remote(tmp_path, Grant("bot", Role.CONTROL, max_calls=2)) as (house, caller):
        first = place(caller, house)
        place(caller, house)
        assert code_of(caller, lambda client: client.calls.place("sip:bob@192.0.2.4")) == "too_many_calls"
    with remote(tmp_path, Grant("bot2", Role.CONTROL), epoch=2) as (house, _):
        assert house.actor._calls_by["bot"] == {first, *house.actor._calls_by["bot"]}
        assert len(house.actor._calls_by["bot"]) == 2
        house.send("dialog-0", call_events.CallEnded(first, "busy", 486, "", "remote", 1.0, 0.0, 2.0))
        house.settle()
        assert len(house.actor._calls_by["bot"]) == 1


def test_calls_a_minute_come_back_with_time_and_repetitions_of_a_command_do_not_count() -> None:
    rights, grant = Rights((), lambda _: 0), Grant("bot", Role.CONTROL, calls_a_minute=2)
    assert rights.count(grant, 100.0) is None
    assert rights.count(grant, 100.0) is None
    denied = rights.count(grant, 129.0)
    assert isinstance(denied, Denied)
    assert denied.code == "too_many_calls"
    assert rights.count(grant, 131.0) is None


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("sip:+41791234567@carrier.example", True),
        ("sip:bob@example.org", True),
        ("sip:+882123@carrier.example", False),
        ("sips:+41@x", False),
    ],
)
def test_a_key_calls_the_destinations_it_is_for(uri: str, allowed: bool) -> None:
    grant = Grant("bot", Role.CONTROL, destinations=("sip:+41*", "sip:*@example.org"))
    denied = Rights((), lambda _: 0).judge(grant, records.Place(uri))
    assert (denied is None) == allowed
    assert denied is None or denied.field == "uri"


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_it_is_for_and_nothing_else(role: Role) -> None:
    rights = Rights((), lambda _: 0)
    grant = Grant("bot", role)

    def may(command: records.Command) -> bool:
        return rights.judge(grant, command) is None

    assert may(records.Calls())
    assert may(records.Dtmf("c1", "5")) == (role is not Role.OBSERVE)
    assert may(playing.Play("c1", "tone:busy")) == (role is not Role.OBSERVE)
    assert may(records.HangUp("c1")) == (role is Role.CONTROL)
    assert may(records.Stop()) == (role is Role.CONTROL)


@pytest.mark.parametrize("path", ["{in}/../../x", "/etc/passwd", "{in}/link/x", "{in}", "{in}-beside/x", "{in}/away"])
@pytest.mark.parametrize("grant", [LOCAL, Grant("bot", Role.CONTROL)], ids=["local", "remote"])
def test_fault_66_a_file_outside_the_folders_is_refused_however_it_is_written(
    tmp_path: Path, path: str, grant: Grant
) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "link").symlink_to("/tmp")
    (inside / "away").symlink_to("/etc/hostname")
    rights = Rights((str(inside),), lambda _: 0)
    text = path.replace("{in}", str(inside))
    command = records.Place("sip:b@h", treatment=records.Treatment(record=text))
    denied = rights.judge(grant, command)
    if path == "{in}":
        assert denied is None  # the folder itself is no file: media refuses it
        return
    assert denied is not None
    assert (denied.code, denied.field) == ("denied", "treatment.record")
    good = records.Place("sip:b@h", treatment=records.Treatment(record=str(inside / "a" / "x.wav")))
    assert rights.judge(grant, good) is None


def test_without_folders_local_clients_name_any_file_and_others_none() -> None:
    command = records.Place("sip:b@h", treatment=records.Treatment(play="/srv/hello.wav"))
    rights = Rights((), lambda _: 0)
    assert rights.judge(LOCAL, command) is None
    assert rights.judge(Grant("bot", Role.CONTROL), command) is not None


def test_privileged_commands_of_local_clients_are_in_the_audit_log(tmp_path: Path) -> None:
    with remote(tmp_path, Grant("eye")) as (house, _), Client(house.context.run_dir, patience=PATIENCE) as local:
        local.shut_down()
        assert [(line["client"], line["op"], line["outcome"]) for line in audit_of(house)] == [
            ("local", "Stop", "taken")
        ]
        assert stat.S_IMODE((house.context.state_dir / "audit.log").stat().st_mode) == 0o600


def test_fault_70_a_flood_is_counted_and_nobody_writes_lines_of_his_own(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.log")
    for _ in range(5_000):
        audit.write("eye", "Place", "denied", why="\x1b[31m\r\nforged " + "x" * 10_000)
    lines = (tmp_path / "audit.log").read_text().splitlines()
    assert len(lines) < 300
    told = sum(json.loads(line).get("left_out", 0) for line in lines)
    assert audit.left_out + told + len(lines) == 5_000
    assert all(len(line) < 600 and line.isprintable() for line in lines)


def test_the_audit_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.audit.MAX_BYTES", 1_000)
    audit = Audit(tmp_path / "audit.log")
    for _ in range(60):
        audit.write("eye", "Place", "denied")
    assert {path.name for path in tmp_path.iterdir()} <= {"audit.log", "audit.log.1"}
    assert all(path.stat().st_size < 1_200 for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", "x" * 65])
def test_a_name_that_is_a_path_is_none(tmp_path: Path, name: str) -> None:
    keys = Keys(tmp_path / "keys")
    with pytest.raises(KeyProblem):
        keys.create(Grant(name))
    with pytest.raises(KeyProblem):
        keys.revoke(name)


def test_a_name_has_one_key(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.create(Grant("a"))
    with pytest.raises(KeyProblem, match="revoke it first"):
        keys.create(Grant("a"))
    (tmp_path / "keys" / "clients" / "broken.toml").write_text("role = 5")
    assert [grant.name for grant in keys.all().values()] == ["a"]
