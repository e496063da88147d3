"""What a machine comes to when it only lingers: a small row that ends in company and needs no reading for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.runtime.machine import Machine
from actors.transaction import invite_client, invite_server, non_invite_client, non_invite_server
from actors.transaction.events import Respond
from actors.transaction.index import FINISHED, TERMINATED
from actors.transaction.keys import cell_key
from actors.transaction.layer import Layer
from actors.transaction.machines import GRAIN, TABLES, Cell, Lingering, lingers, pack, unpack
from tests.transaction.messages import UDP, head_of, request, response, server_key

SECRET = b"sixteen bytes ok"


def finished(now: float, call_id: str = "call-1", more: str = "") -> tuple[Layer, bytes]:
    """A layer with an OPTIONS that was answered at `now`."""
    layer = Layer(SECRET)
    options = request("OPTIONS", call_id=call_id, more=more)
    layer.receive(UDP, head_of(options), options, now)
    layer.send(Respond(server_key(options), 200, response(options, 200)), now)
    return layer, options


@pytest.mark.parametrize("kind", TABLES)
def test_the_one_timer_of_a_lingering_machine_ends_it_and_tells_nobody(kind: Any) -> None:
    """Why a row is dropped without being read when its time is over."""
    table = TABLES[kind]
    blank = dict.fromkeys(kind.__struct_fields__)
    for state in table.states:
        if FINISHED <= state.value < TERMINATED and lingers(kind(**{**blank, "state": state})):
            (timer,) = table.timers[state]
            edge = table.edge(state, timer)
            assert edge is not None
            assert (edge.next.value, edge.actions) == (TERMINATED, ())  # type: ignore[union-attr]


def test_of_the_finished_only_an_invite_server_that_repeats_its_failure_does_not_linger() -> None:
    def in_state(kind: Any, state: Any) -> Machine:
        machine: Machine = kind(**{**dict.fromkeys(kind.__struct_fields__), "state": state})
        return machine

    assert not lingers(in_state(invite_server.InviteServer, invite_server.State.COMPLETED))
    assert lingers(in_state(invite_server.InviteServer, invite_server.State.CONFIRMED))
    assert lingers(in_state(invite_server.InviteServer, invite_server.State.ACCEPTED))
    assert lingers(in_state(invite_client.InviteClient, invite_client.State.COMPLETED))
    assert lingers(in_state(invite_client.InviteClient, invite_client.State.ACCEPTED))
    assert lingers(in_state(non_invite_client.NonInviteClient, non_invite_client.State.COMPLETED))
    assert lingers(in_state(non_invite_server.NonInviteServer, non_invite_server.State.COMPLETED))
    assert not lingers(in_state(non_invite_server.NonInviteServer, non_invite_server.State.PROCEEDING))


def test_a_lingering_machine_is_a_row_of_at_most_a_kilobyte_whatever_its_request_was() -> None:
    layer, options = finished(0.0, more="X: " + "x" * 4000 + "\r\n")
    row = layer.cells.get(cell_key(server_key(options)))
    assert type(row) is Lingering
    assert len(msgspec.msgpack.encode(row)) <= 1024
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Cell) == row
    machine = unpack(row)
    assert (machine.response, machine.merged) == (response(options, 200), row.merged)
    assert pack(machine) == row


def test_a_row_is_read_again_for_a_repeated_request() -> None:
    layer, options = finished(0.0)
    (again,) = layer.receive(UDP, head_of(options), options, 1.0)
    assert again.raw == response(options, 200)  # type: ignore[attr-defined]


def test_lingering_machines_end_in_company_and_none_too_early() -> None:
    """RFC 3261 table 4 says how long they stay at least; a moment more lets hundreds end in one turn."""
    for now in (0.001, 0.1, GRAIN - 0.001, GRAIN):
        layer, _ = finished(now)
        assert layer.next_deadline() == 32.0 + GRAIN
        assert layer.expire(32.0 + GRAIN) == ()
        assert len(layer.cells) == 0
