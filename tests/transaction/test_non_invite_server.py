"""Figure 8 (RFC 3261 section 17.2.2) under RFC 4320, edge by edge."""

from __future__ import annotations

from typing import Any

import pytest

from actors.transaction.events import Respond
from actors.transaction.non_invite_server import TABLE, Input, NonInviteServer, State, begin
from actors.transaction.timers import Timers
from tests.transaction.figures import NOW, Edge, both, check, check_whole
from tests.transaction.messages import FLOWS, head_of, request, response, server_key

S, I = State, Input  # noqa: E741
OPTIONS = request("OPTIONS")
KEY = server_key(OPTIONS)


def machine(state: State, transport: str) -> NonInviteServer:
    deadlines: dict[State, tuple[tuple[Input, float], ...]] = {
        S.TRYING: ((I.TIMER_TRYING, 3.0), (I.TIMER_GIVEN_UP, 30.0)),
        S.PROCEEDING: ((I.TIMER_GIVEN_UP, 20.0),),
        S.COMPLETED: ((I.TIMER_J, 32.0),),
    }
    kept = {S.PROCEEDING: 100, S.COMPLETED: 200}.get(state)
    return NonInviteServer(
        state,
        tuple((timer, NOW + delay) for timer, delay in deadlines.get(state, ())),
        KEY,
        Timers(),
        FLOWS[transport],
        OPTIONS if state < S.COMPLETED else b"",
        response(OPTIONS, kept) if kept else b"",
    )


def argument(event: Input, transport: str) -> Any:
    if event is I.REQUEST:
        return FLOWS[transport], head_of(OPTIONS), OPTIONS
    if event is I.FINAL:
        return Respond(KEY, 404, response(OPTIONS, 404))
    return "no route" if event is I.TRANSPORT_ERROR else None


def answered(state: State) -> list[Edge]:
    return [
        Edge(state, I.FINAL, "udp", S.COMPLETED, ("send 404",), {I.TIMER_J: 32.0}),
        Edge(state, I.FINAL, "tcp", S.TERMINATED, ("send 404",), {}),
    ]


EDGES = [
    *both(S.INITIAL, I.REQUEST, S.TRYING, ("tell OPTIONS",), [(I.TIMER_TRYING, 3.5), (I.TIMER_GIVEN_UP, 32.0)]),
    *answered(S.INITIAL),
    *both(S.TRYING, I.TIMER_TRYING, S.PROCEEDING, ("send 100",), [(I.TIMER_GIVEN_UP, 30.0)]),
    *both(S.TRYING, I.TIMER_GIVEN_UP, S.TERMINATED, ("tell failed 408",)),
    *answered(S.TRYING),
    *both(S.PROCEEDING, I.REQUEST, S.PROCEEDING, ("send 100",), [(I.TIMER_GIVEN_UP, 20.0)]),
    *both(S.PROCEEDING, I.TIMER_GIVEN_UP, S.TERMINATED, ("tell failed 408",)),
    *both(S.PROCEEDING, I.TRANSPORT_ERROR, S.PROCEEDING, ("tell failed 503",), [(I.TIMER_GIVEN_UP, 20.0)]),
    *answered(S.PROCEEDING),
    *both(S.COMPLETED, I.REQUEST, S.COMPLETED, ("send 200",), [(I.TIMER_J, 32.0)]),
    *both(S.COMPLETED, I.TRANSPORT_ERROR, S.COMPLETED, ("tell failed 503",), [(I.TIMER_J, 32.0)]),
    *both(S.COMPLETED, I.TIMER_J, S.TERMINATED),
]


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_each_edge_of_the_figure(edge: Edge) -> None:
    before = machine(edge.state, edge.transport)
    check(edge, *TABLE.step(before, edge.input, argument(edge.input, edge.transport), NOW))


def test_no_edge_is_left_out_and_every_other_pair_changes_nothing() -> None:
    check_whole(TABLE, EDGES, machine, argument)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_fault_86_a_request_that_is_not_answered_gets_one_late_100_and_no_408(transport: str) -> None:
    fresh = begin(KEY, FLOWS[transport], OPTIONS, Timers())
    server, effects = TABLE.step(fresh, I.REQUEST, argument(I.REQUEST, transport), NOW)
    seen = []
    while server.next_deadline is not None:
        now = server.next_deadline
        server, effects = TABLE.expire(server, now)
        seen += [(now - NOW, type(effect).__name__) for effect in effects]
    assert seen == [(3.5, "Reply"), (32.0, "Tell")]


def test_a_request_that_cannot_be_answered_gets_no_100_when_repeated() -> None:
    fresh = begin(KEY, FLOWS["udp"], b"OPTIONS nonsense", Timers())
    server, _ = TABLE.step(fresh, I.REQUEST, argument(I.REQUEST, "udp"), NOW)
    server, effects = TABLE.expire(server, NOW + 3.5)
    assert effects == ()
    assert TABLE.step(server, I.REQUEST, argument(I.REQUEST, "udp"), NOW) == (server, ())


def test_a_finished_machine_keeps_its_response_and_no_request() -> None:
    after, _ = TABLE.step(machine(S.TRYING, "udp"), I.FINAL, argument(I.FINAL, "udp"), NOW)
    assert (after.request, after.response) == (b"", response(OPTIONS, 404))
