"""Whatever comes in whatever order: machines end, keep no timer they do not own, and survive a restart at any step."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.machine import Effect, Row, Table
from actors.transaction import invite_client, invite_server, machines, non_invite_client, non_invite_server
from actors.transaction.cells import MemoryCells
from actors.transaction.events import CancelRequest, FromUser, Respond, SendDirect, SendRequest
from actors.transaction.layer import Layer
from actors.transaction.machines import Cell
from actors.transaction.timers import Timers
from tests.transaction.messages import FLOWS, TARGETS, client_key, head_of, request, response, server_key

SECRET = b"sixteen bytes ok"
TRANSPORTS = st.sampled_from(["udp", "tcp"])
DELAYS = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, 4.0, 5.0, 32.0, 100.0])


STATUSES_OF = {"PROVISIONAL": 180, "SUCCESS": 200, "FAILURE": 486, "FINAL": 404}
HEARD, SAID = slice(3), 3  # the parts of a machine's argument: what came from the wire, what its user says


def machine_argument(name: str, raw: bytes, transport: str) -> Any:
    """What a machine is given with the input `name`."""
    key = server_key(raw)
    if name in STATUSES_OF:
        answer = response(raw, STATUSES_OF[name])
        return FLOWS[transport], head_of(answer), answer, Respond(key, STATUSES_OF[name], answer)
    return FLOWS[transport], head_of(raw), raw, CancelRequest(key)


def arguments_of(inputs: Any, raw: bytes, transport: str, part: Any) -> dict[Any, Any]:
    """What a machine is given with each of its inputs: `part` of what there is."""
    given = {event: machine_argument(event.name, raw, transport)[part] for event in inputs}
    return {**given, inputs.TRANSPORT_ERROR: "refused"}


CLIENTS = {"INVITE": invite_client, "OPTIONS": non_invite_client}
SERVERS = {"INVITE": invite_server, "OPTIONS": non_invite_server}


def run(
    table: Table[Any], machine: Any, script: list[tuple[Any, float]], arguments: dict[Any, Any], closing: list[Any]
) -> None:
    now = 0.0
    for event, delay in [*script, *((event, 0.0) for event in closing)]:
        machine, _ = table.step(machine, event, arguments.get(event), now)
        assert {timer for timer, _ in machine.deadlines} <= table.timers[machine.state]
        now += delay
        machine, _ = table.expire(machine, now)
        assert all(deadline > now for _, deadline in machine.deadlines)
    for _ in range(100):
        if machine.next_deadline is None:
            break
        machine, _ = table.expire(machine, machine.next_deadline)
    assert machine.state.name == "TERMINATED"
    assert machine.deadlines == ()


def scripts(inputs: Any) -> st.SearchStrategy[list[tuple[Any, float]]]:
    given_from_outside = [event for event in inputs if not event.name.startswith("TIMER_")]
    return st.lists(st.tuples(st.sampled_from(given_from_outside), DELAYS), max_size=12)


@pytest.mark.parametrize("method", CLIENTS)
@given(transport=TRANSPORTS, data=st.data())
def test_a_client_transaction_ends_whatever_happens_once_its_user_cancels(
    method: str, transport: str, data: st.DataObject
) -> None:
    module: Any = CLIENTS[method]
    inputs, raw = module.Input, request(method)
    arguments = arguments_of(inputs, raw, transport, HEARD)
    closing = []
    if method == "INVITE":
        arguments[inputs.CANCEL] = CancelRequest(client_key(raw))
        closing = [inputs.CANCEL, inputs.PROVISIONAL]
    fresh = module.begin(SendRequest(client_key(raw), TARGETS[transport], raw), Timers())
    run(module.TABLE, fresh, [(inputs.SEND, 0.0), *data.draw(scripts(inputs))], arguments, closing)


@pytest.mark.parametrize("method", SERVERS)
@given(transport=TRANSPORTS, data=st.data())
def test_a_server_transaction_ends_whatever_happens_once_its_user_answers(
    method: str, transport: str, data: st.DataObject
) -> None:
    module: Any = SERVERS[method]
    inputs, raw = module.Input, request(method)
    arguments = arguments_of(inputs, raw, transport, HEARD)
    said = arguments_of(inputs, raw, transport, SAID)
    arguments.update({event: said[event] for event in inputs if event.name in STATUSES_OF})
    fresh = module.begin(server_key(raw), FLOWS[transport], raw, Timers())
    script = [(inputs.REQUEST, 0.0), *data.draw(scripts(inputs))]
    run(module.TABLE, fresh, script, arguments, [inputs.FAILURE] if method == "INVITE" else [])


# The layer under a random script of messages, commands and time.

METHODS = ["INVITE", "OPTIONS", "BYE"]
STATUSES = [100, 180, 200, 202, 408, 486, 500]
BRANCHES = ["z9hG4bKa", "z9hG4bKb", ""]


KINDS = ["request", "ack", "cancel", "response", "send", "respond", "cancel request", "direct", "failure"]
OTHER_TCP = FLOWS["tcp"]._replace(token="tcp:18")


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, Any]:
    """One thing that happens to a layer: a method of it, and its arguments without `now`."""
    method, transport = draw(st.sampled_from(METHODS)), draw(TRANSPORTS)
    flow = draw(st.sampled_from([FLOWS[transport], OTHER_TCP]))
    to_tag, status = draw(st.sampled_from(["", "to-1"])), draw(st.sampled_from(STATUSES))
    client = request(method, branch=draw(st.sampled_from(BRANCHES[:2])))
    server = request(method, branch=draw(st.sampled_from(BRANCHES)), to_tag=to_tag)
    kind = draw(st.sampled_from(KINDS))
    received = {
        "request": server,
        "ack": request("ACK", branch=head_of(server).branch, to_tag=to_tag),
        "cancel": request("CANCEL", branch=head_of(server).branch, to_tag=to_tag),
        "response": response(client, status),
    }
    if kind in received:
        return "receive", (flow, head_of(received[kind]), received[kind])
    if kind == "failure":
        key = draw(st.sampled_from([client_key(client), server_key(server)]))
        failures: list[tuple[str, Any]] = [
            ("transmit_failed", (key, "refused")),
            ("flow_dead", (draw(st.sampled_from(["tcp:17", "tcp:18"])), "reset")),
            ("user_lost", ()),
            ("transport_lost", ()),
        ]
        return draw(st.sampled_from(failures))
    commands: dict[str, FromUser] = {
        "send": SendRequest(client_key(client), TARGETS[transport], client),
        "respond": Respond(server_key(server), status, response(server, status)),
        "cancel request": CancelRequest(client_key(client)),
        "direct": SendDirect(TARGETS[transport], client),
    }
    return "send", (commands[kind],)


SCRIPTS = st.lists(st.tuples(operations(), DELAYS, st.booleans()), max_size=25)


def restored(cells: MemoryCells) -> MemoryCells:
    """The cells as a journal would give them back."""
    copy = MemoryCells()
    for key, value in cells.items():
        snapshot = msgspec.msgpack.encode(value)
        copy.put(key, msgspec.msgpack.decode(snapshot, type=Cell), cells._deadlines.get(key))
    return copy


def play(subject: Layer, operation: tuple[str, Any], now: float) -> tuple[Effect, ...]:
    name, arguments = operation
    effects: tuple[Effect, ...] = getattr(subject, name)(*arguments, now)
    return effects


@given(SCRIPTS)
def test_a_restart_at_any_step_changes_nothing(script: list[tuple[tuple[str, Any], float, bool]]) -> None:
    steady, restarting = Layer(SECRET), Layer(SECRET)
    now = 0.0
    for operation, delay, restart in script:
        if restart:
            restarting = Layer(SECRET, restored(restarting.cells))  # type: ignore[arg-type]
        assert play(restarting, operation, now) == play(steady, operation, now)
        now += delay
        assert sorted(map(repr, restarting.expire(now))) == sorted(map(repr, steady.expire(now)))
        assert dict(restarting.cells) == dict(steady.cells)  # type: ignore[call-overload]


@given(SCRIPTS)
def test_whatever_happens_the_layer_is_empty_when_its_users_are_gone(
    script: list[tuple[tuple[str, Any], float, bool]],
) -> None:
    subject = Layer(SECRET)
    now = 0.0
    for operation, delay, _ in script:
        play(subject, operation, now)
        now += delay
        subject.expire(now)
    subject.user_lost(now)
    for _ in range(500):
        deadline = subject.next_deadline()
        if deadline is None:
            break
        subject.expire(deadline)
    assert len(subject.cells) == 0
    assert subject._index.live == set()
    assert subject._index.tokens() == []


def test_a_machine_that_breaks_leaves_every_other_and_its_own_cell_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> Any:
        raise ZeroDivisionError

    subject = Layer(SECRET)
    calls = [request(branch=f"z9hG4bK{n}", call_id=f"call-{n}") for n in range(3)]
    for raw in calls:
        subject.receive(FLOWS["udp"], head_of(raw), raw, 0.0)
    before = dict(subject.cells)  # type: ignore[call-overload]
    broken = dict(invite_server.TABLE._edges)
    pair = invite_server.State.PROCEEDING, invite_server.Input.PROVISIONAL
    broken[pair] = Row(*pair, None, (break_down,))
    with monkeypatch.context() as patch:
        patch.setattr(machines.TABLES[invite_server.InviteServer], "_edges", broken)
        with pytest.raises(ZeroDivisionError):
            subject.send(Respond(server_key(calls[1]), 180, response(calls[1], 180)), 0.1)
    assert dict(subject.cells) == before  # type: ignore[call-overload]
    for raw in calls:
        assert subject.send(Respond(server_key(raw), 180, response(raw, 180)), 0.1)
