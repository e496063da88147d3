"""A client without rights can do nothing: every command of the protocol's table, sent by who may not, on real sockets.

The table makes the commands, so one that is added is sent, too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import zmq

from actors.control import messaging, playing, records
from actors.control.checking import check
from actors.control.keys import Keys
from actors.control.protocol import decode_frame, encode_request
from actors.control.records import COMMANDS, Command, Done, Refused, Request
from actors.control.rights import ASKS, HEARS, LOCAL, Grant, Rights, Role
from actors.runtime.channel import AskReload, AskStop, AskTree
from tests.control.api import control
from tests.control.test_remote import audit_of, keys_of
from tests.runtime.harness import Harness

TEXTS = {
    "uri": "sip:bob@example.net",
    "target": "sip:bob@example.net",
    "account": "sip:alice@example.net",
    "method": "MESSAGE",
    "digits": "5",
    "path": "/srv/x.wav",
    "action": "pause",
}
WAITED = 200  # milliseconds in which a service that answered would have
CONTROL_ALONE = set(COMMANDS.values()) - ASKS - HEARS


def command(kind: type[Any]) -> Command:
    """One that a service could carry out."""
    hints = get_type_hints(kind)
    fields = [name for name in kind._fields if name not in kind._field_defaults]
    made: Command = kind(**{name: _value(name, hints[name]) for name in fields})
    if isinstance(made, messaging.Send | messaging.InCall):
        made = made._replace(method="MESSAGE")
    elif isinstance(made, records.Transfer):
        made = made._replace(target="sip:bob@example.net")
    check(made)
    return made


def _value(name: str, kind: Any) -> Any:
    if kind is str:
        return TEXTS.get(name, name)
    return () if get_origin(kind) is tuple else get_args(kind)[0] if get_args(kind) else kind(1)


class Line:
    """A client that sends whatever it is told to."""

    def __init__(self, house: Harness, key: Path | None) -> None:
        self._house = house
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        if key is not None:
            parts = tomllib.loads(key.read_text("utf-8"))
            self._socket.curve_serverkey = parts["server"].encode()
            self._socket.curve_publickey = parts["public"].encode()
            self._socket.curve_secretkey = parts["secret"].encode()
        self._socket.connect(house.actor._socket.remote.address)

    def send(self, op: str) -> None:
        request = encode_request(Request(op, f"key-{op}", 5.0, command(COMMANDS[op])))
        with suppress(zmq.Again):  # the door has cut it off already: there is nobody to send it to
            self._socket.send(request, zmq.NOBLOCK)

    def ask(self, op: str) -> Any:
        """What the service says to a command."""
        self.send(op)
        return self.answer(op)

    def answer(self, op: str) -> Any:
        while True:
            self._house.wait_for(lambda: bool(self._socket.poll(0)), f"an answer to {op}")
            frame = decode_frame(self._socket.recv())
            if getattr(frame, "id", "") == op:
                return frame

    def silent(self) -> bool:
        return not self._socket.poll(WAITED)

    def close(self) -> None:
        self._socket.close()
        self._context.term()


@contextmanager
def line(house: Harness, key: Path | None) -> Iterator[Line]:
    made = Line(house, key)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Harness]:
    with control(tmp_path, listen="tcp://127.0.0.1:0") as made:
        yield made


def key(house: Harness, folder: Path, grant: Grant) -> Path:
    path = folder / f"{grant.name}.toml"
    path.write_text(keys_of(house).create(grant), "utf-8")
    return path


def nothing_was_done(house: Harness) -> bool:
    house.settle()
    asked = [report for report, _ in house.reports if isinstance(report, AskTree | AskStop | AskReload)]
    return not house.peers["dialog-0"].inbox and not asked


@pytest.mark.parametrize(("role", "more"), [(Role.OBSERVE, frozenset()), (Role.MEDIA, HEARS)])
def test_what_a_role_is_not_for_is_denied_does_nothing_and_is_in_the_audit_log(
    house: Harness, tmp_path: Path, role: Role, more: frozenset[type]
) -> None:
    denied = [op for op, kind in COMMANDS.items() if kind not in ASKS | more]
    assert len(denied) >= len(CONTROL_ALONE)
    with line(house, key(house, tmp_path, Grant("eye", role))) as client:
        for op in denied:
            frame = client.ask(op)
            assert isinstance(frame, Refused), op
            assert (frame.code, frame.field) == ("denied", "op"), op
        assert nothing_was_done(house)
    told = [(each["client"], each["op"].lower(), each["outcome"]) for each in audit_of(house)]
    assert told == [("eye", COMMANDS[op].__name__.lower(), "denied") for op in denied]


def test_what_an_observer_may_ask_it_is_answered(house: Harness, tmp_path: Path) -> None:
    with line(house, key(house, tmp_path, Grant("eye", Role.OBSERVE))) as client:
        assert isinstance(client.ask("hello"), Done)
        assert not isinstance(client.ask("subscribe"), Refused)


def test_a_key_that_was_revoked_may_not_even_ask(house: Harness, tmp_path: Path) -> None:
    path = key(house, tmp_path, Grant("desk", Role.CONTROL))
    with line(house, path) as client:
        assert isinstance(client.ask("hello"), Done)
        keys_of(house).revoke("desk")
        house.actor._keys._read_at = -10.0  # half a second later
        for op in COMMANDS:
            frame = client.ask(op)
            assert isinstance(frame, Refused), op
            assert frame.code == "denied", op
        assert nothing_was_done(house)


@pytest.mark.parametrize("who", ["nobody", "of another service", "unknown here"])
def test_who_has_no_key_is_not_heard_whatever_is_sent(house: Harness, tmp_path: Path, who: str) -> None:
    path = None
    if who == "of another service":
        path = tmp_path / "other.toml"
        path.write_text(Keys(tmp_path / "other").create(Grant("desk")), "utf-8")
    elif who == "unknown here":
        path = key(house, tmp_path, Grant("desk", Role.CONTROL))
        keys_of(house).revoke("desk")
    with line(house, path) as client:
        for op in COMMANDS:
            client.send(op)
        assert client.silent()
        assert nothing_was_done(house)
    assert not (house.context.state_dir / "audit.log").exists()  # nobody came as far as that


def test_every_command_of_python_clients_is_in_the_table() -> None:
    known = {*get_args(records.Command), *get_args(messaging.Command), *get_args(playing.Command)}
    assert {kind for kind in known if isinstance(kind, type)} == set(COMMANDS.values())


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("sip:bob@evil.example;x=@example.org", False),
        ("sip:bob@evil.example?x=@example.org", False),
        ("sip:bob%40example.org@evil.example", False),
        ("sip:bob@example.org;maddr=192.0.2.66", False),
        ("sip:bob@example.org;transport=tcp", True),
        ("sip:bob@example.org:5070", False),
        ("sip:bo b@example.org", False),
    ],
)
def test_a_destination_is_what_a_call_is_routed_by(uri: str, allowed: bool) -> None:
    grant = Grant("bot", Role.CONTROL, destinations=("sip:*@example.org",))
    denied = Rights((), lambda _: 0).judge(grant, records.Place(uri))
    assert (denied is None) == allowed


def test_a_key_with_destinations_has_no_way_round_them() -> None:
    grant, rights = Grant("bot", Role.CONTROL, destinations=("sip:*@example.org",)), Rights((), lambda _: 0)
    away, near = "sip:+882@evil.example", "sip:bob@example.org"

    def field(command: records.Command) -> str:
        denied = rights.judge(grant, command)
        return "" if denied is None else denied.field

    assert field(records.Transfer("c1", away)) == "target"
    assert field(records.Reject("c1", 302, contacts=(near, away))) == "contacts"
    assert field(records.Reject("c1", 302, contacts=(near,))) == ""
    assert field(messaging.Send("MESSAGE", away)) == "uri"
    assert field(messaging.Respond("c1", "r1", 202)) == "status"  # it would follow a REFER of the peer's
    assert field(messaging.Respond("c1", "r1", 200)) == ""
    place = records.Place(near)
    assert rights.confined(grant, place) == place._replace(follow=False)
    assert rights.confined(LOCAL, place) == place
