"""Figure 7 (RFC 3261 section 17.2.1, RFC 6026 section 8.6), edge by edge."""

from __future__ import annotations

from typing import Any

import pytest

from actors.transaction.events import Respond
from actors.transaction.invite_server import TABLE, Input, InviteServer, State, begin
from actors.transaction.timers import Timers
from tests.transaction.figures import NOW, Edge, both, check, check_whole
from tests.transaction.messages import FLOWS, head_of, request, response, server_key

S, I = State, Input  # noqa: E741
INVITE = request()
KEY = server_key(INVITE)
TRYING_LEFT = (I.TIMER_TRYING, 0.1)


def machine(state: State, transport: str, answered: int = 180) -> InviteServer:
    deadlines: dict[State, tuple[tuple[Input, float], ...]] = {
        S.PROCEEDING: () if answered else (TRYING_LEFT,),
        S.COMPLETED: ((I.TIMER_H, 30.0),) if transport == "tcp" else ((I.TIMER_G, 1.0), (I.TIMER_H, 30.0)),
        S.CONFIRMED: ((I.TIMER_I, 5.0),),
        S.ACCEPTED: ((I.TIMER_L, 30.0),),
    }
    kept = {S.PROCEEDING: answered, S.COMPLETED: 486}.get(state)
    return InviteServer(
        state,
        tuple((timer, NOW + delay) for timer, delay in deadlines.get(state, ())),
        KEY,
        Timers(),
        FLOWS[transport],
        INVITE if state < S.COMPLETED else b"",
        response(INVITE, kept) if kept else b"",
        1.0,
    )


def argument(event: Input, transport: str) -> Any:
    statuses = {I.PROVISIONAL: 183, I.SUCCESS: 200, I.FAILURE: 603}
    if event in statuses:
        return Respond(KEY, statuses[event], response(INVITE, statuses[event]))
    methods = {I.REQUEST: "INVITE", I.ACK: "ACK", I.CANCEL: "CANCEL"}
    if event in methods:
        raw = request(methods[event])
        return FLOWS[transport], head_of(raw), raw
    return "no route" if event is I.TRANSPORT_ERROR else None


EDGES = [
    *both(S.INITIAL, I.REQUEST, S.PROCEEDING, ("tell INVITE",), [(I.TIMER_TRYING, 0.2)]),
    *both(S.PROCEEDING, I.REQUEST, S.PROCEEDING, ("send 180",)),
    *both(S.PROCEEDING, I.TIMER_TRYING, S.PROCEEDING, ("send 100",)),
    *both(S.PROCEEDING, I.PROVISIONAL, S.PROCEEDING, ("send 183",)),
    *both(S.PROCEEDING, I.SUCCESS, S.ACCEPTED, ("send 200",), [(I.TIMER_L, 32.0)]),
    Edge(S.PROCEEDING, I.FAILURE, "udp", S.COMPLETED, ("send 603",), {I.TIMER_G: 0.5, I.TIMER_H: 32.0}),
    Edge(S.PROCEEDING, I.FAILURE, "tcp", S.COMPLETED, ("send 603",), {I.TIMER_H: 32.0}),
    *both(S.PROCEEDING, I.CANCEL, S.PROCEEDING, ("tell CANCEL",)),
    *both(S.PROCEEDING, I.TRANSPORT_ERROR, S.PROCEEDING, ("tell failed 503",), [(I.TIMER_L, 32.0)]),
    *both(S.PROCEEDING, I.TIMER_L, S.TERMINATED),
    Edge(S.COMPLETED, I.REQUEST, "udp", S.COMPLETED, ("send 486",), {I.TIMER_G: 1.0, I.TIMER_H: 30.0}),
    Edge(S.COMPLETED, I.REQUEST, "tcp", S.COMPLETED, ("send 486",), {I.TIMER_H: 30.0}),
    Edge(S.COMPLETED, I.ACK, "udp", S.CONFIRMED, (), {I.TIMER_I: 5.0}),
    Edge(S.COMPLETED, I.ACK, "tcp", S.TERMINATED, (), {}),
    Edge(S.COMPLETED, I.TIMER_G, "udp", S.COMPLETED, ("send 486",), {I.TIMER_G: 2.0, I.TIMER_H: 30.0}),
    *both(S.COMPLETED, I.TIMER_H, S.TERMINATED, ("tell failed 408",)),
    Edge(
        *(S.COMPLETED, I.TRANSPORT_ERROR, "udp", S.COMPLETED),
        ("tell failed 503",),
        {I.TIMER_G: 1.0, I.TIMER_H: 30.0},
    ),
    Edge(S.COMPLETED, I.TRANSPORT_ERROR, "tcp", S.COMPLETED, ("tell failed 503",), {I.TIMER_H: 30.0}),
    *both(S.CONFIRMED, I.TIMER_I, S.TERMINATED),
    *both(S.ACCEPTED, I.ACK, S.ACCEPTED, ("tell ACK",), [(I.TIMER_L, 30.0)]),
    *both(S.ACCEPTED, I.SUCCESS, S.ACCEPTED, ("send 200",), [(I.TIMER_L, 30.0)]),
    *both(S.ACCEPTED, I.TRANSPORT_ERROR, S.ACCEPTED, ("tell failed 503",), [(I.TIMER_L, 30.0)]),
    *both(S.ACCEPTED, I.TIMER_L, S.TERMINATED),
]


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_each_edge_of_the_figure(edge: Edge) -> None:
    before = machine(edge.state, edge.transport)
    check(edge, *TABLE.step(before, edge.input, argument(edge.input, edge.transport), NOW))


def test_no_edge_is_left_out_and_every_other_pair_changes_nothing() -> None:
    check_whole(TABLE, EDGES, machine, argument)


def test_a_repeated_invite_before_any_response_is_absorbed() -> None:
    before = machine(S.PROCEEDING, "udp", answered=0)
    assert TABLE.step(before, I.REQUEST, argument(I.REQUEST, "udp"), NOW) == (before, ())


def test_a_repeated_invite_is_answered_with_the_100_that_was_sent() -> None:
    before = machine(S.PROCEEDING, "udp", answered=0)
    after, (sent,) = TABLE.expire(before, NOW + 0.2)
    assert TABLE.step(after, I.REQUEST, argument(I.REQUEST, "udp"), NOW + 0.5) == (after, (sent,))


@pytest.mark.parametrize("event", [I.PROVISIONAL, I.SUCCESS, I.FAILURE])
def test_once_the_user_answers_no_100_is_sent(event: Input) -> None:
    after, _ = TABLE.step(machine(S.PROCEEDING, "udp", answered=0), event, argument(event, "udp"), NOW)
    assert I.TIMER_TRYING not in dict(after.deadlines)


def test_a_user_that_answers_after_a_transport_error_goes_on_ringing() -> None:
    after, _ = TABLE.step(machine(S.PROCEEDING, "udp"), I.TRANSPORT_ERROR, "no route", NOW)
    after, _ = TABLE.step(after, I.PROVISIONAL, argument(I.PROVISIONAL, "udp"), NOW + 1)
    assert after.deadlines == ()


def test_over_udp_timer_g_doubles_to_t2_until_timer_h() -> None:
    server, _ = TABLE.step(machine(S.PROCEEDING, "udp"), I.FAILURE, argument(I.FAILURE, "udp"), NOW)
    sent = []
    while server.next_deadline is not None:
        now = server.next_deadline
        server, effects = TABLE.expire(server, now)
        sent += [now - NOW] * len(effects)
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]


@pytest.mark.parametrize("state", [S.CONFIRMED, S.ACCEPTED])
def test_a_finished_machine_keeps_neither_request_nor_response(state: State) -> None:
    if state is S.ACCEPTED:
        after, _ = TABLE.step(machine(S.PROCEEDING, "udp"), I.SUCCESS, argument(I.SUCCESS, "udp"), NOW)
    else:
        after, _ = TABLE.step(machine(S.COMPLETED, "udp"), I.ACK, argument(I.ACK, "udp"), NOW)
    assert (after.state, after.request, after.response) == (state, b"", b"")


def test_a_machine_begins_with_its_request() -> None:
    fresh = begin(KEY, FLOWS["udp"], INVITE, Timers())
    assert (fresh.state, fresh.deadlines, fresh.request) == (S.INITIAL, (), INVITE)


def test_a_request_that_cannot_be_answered_gets_no_100() -> None:
    before = begin(KEY, FLOWS["udp"], b"INVITE nonsense", Timers())
    before, _ = TABLE.step(before, I.REQUEST, argument(I.REQUEST, "udp"), NOW)
    assert TABLE.expire(before, NOW + 0.2)[1] == ()
