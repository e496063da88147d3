"""Figure 6 (RFC 3261 section 17.1.2), edge by edge."""

from __future__ import annotations

from typing import Any

import pytest

from actors.transaction.events import SendRequest
from actors.transaction.non_invite_client import TABLE, Input, NonInviteClient, State, begin
from actors.transaction.timers import Timers
from tests.transaction.figures import NOW, Edge, both, check, check_whole
from tests.transaction.messages import FLOWS, TARGETS, client_key, head_of, request, response

S, I = State, Input  # noqa: E741
OPTIONS = request("OPTIONS")
KEY = client_key(OPTIONS)


def machine(state: State, transport: str, method: str = "OPTIONS") -> NonInviteClient:
    raw = request(method)
    made = begin(SendRequest(client_key(raw), TARGETS[transport], raw), Timers())
    waiting = ((I.TIMER_F, NOW + 30.0),) if transport == "tcp" else ((I.TIMER_E, NOW), (I.TIMER_F, NOW + 30.0))
    deadlines = {S.TRYING: waiting, S.PROCEEDING: waiting, S.COMPLETED: ((I.TIMER_K, NOW + 5.0),)}.get(state, ())
    kept = b"" if state >= S.COMPLETED else raw
    return NonInviteClient(state, deadlines, made.key, made.timers, made.target, kept, 1.0, made.flow)


def argument(event: Input, transport: str, method: str = "OPTIONS") -> Any:
    if event in (I.PROVISIONAL, I.FINAL):
        raw = response(request(method), 100 if event is I.PROVISIONAL else 200)
        return FLOWS[transport], head_of(raw), raw
    return "connection refused" if event is I.TRANSPORT_ERROR else None


def waiting(state: State, interval: float) -> list[Edge]:
    return [
        Edge(state, I.TIMER_E, "udp", state, ("send OPTIONS",), {I.TIMER_E: interval, I.TIMER_F: 30.0}),
        *both(state, I.TIMER_F, S.TERMINATED, ("tell failed 408",)),
        *both(state, I.TRANSPORT_ERROR, S.TERMINATED, ("tell failed 503",)),
        Edge(state, I.PROVISIONAL, "udp", S.PROCEEDING, ("tell 100",), {I.TIMER_E: 0.0, I.TIMER_F: 30.0}),
        Edge(state, I.PROVISIONAL, "tcp", S.PROCEEDING, ("tell 100",), {I.TIMER_F: 30.0}),
        Edge(state, I.FINAL, "udp", S.COMPLETED, ("tell 200",), {I.TIMER_K: 5.0}),
        Edge(state, I.FINAL, "tcp", S.TERMINATED, ("tell 200",), {}),
    ]


EDGES = [
    Edge(S.INITIAL, I.SEND, "udp", S.TRYING, ("send OPTIONS",), {I.TIMER_E: 0.5, I.TIMER_F: 32.0}),
    Edge(S.INITIAL, I.SEND, "tcp", S.TRYING, ("send OPTIONS",), {I.TIMER_F: 32.0}),
    *waiting(S.TRYING, 2.0),
    *waiting(S.PROCEEDING, 4.0),
    *both(S.COMPLETED, I.TIMER_K, S.TERMINATED),
]


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_each_edge_of_the_figure(edge: Edge) -> None:
    before = machine(edge.state, edge.transport)
    check(edge, *TABLE.step(before, edge.input, argument(edge.input, edge.transport), NOW))


def test_no_edge_is_left_out_and_every_other_pair_changes_nothing() -> None:
    check_whole(TABLE, EDGES, machine, argument)


@pytest.mark.parametrize("provisional", [False, True])
def test_timer_e_doubles_to_t2_and_stays_there_after_a_provisional(provisional: bool) -> None:
    client, _ = TABLE.step(begin(SendRequest(KEY, TARGETS["udp"], OPTIONS), Timers()), I.SEND, None, NOW)
    if provisional:
        client, _ = TABLE.step(client, I.PROVISIONAL, argument(I.PROVISIONAL, "udp"), NOW)
    sent = []
    while client.next_deadline is not None:
        now = client.next_deadline
        client, effects = TABLE.expire(client, now)
        sent += [now - NOW] * len(effects)
    first = [0.5, 4.5, 8.5, 12.5] if provisional else [0.5, 1.5, 3.5, 7.5, 11.5]
    assert sent[: len(first)] == first
    assert sent[-1] == 32.0


@pytest.mark.parametrize("event", [I.PROVISIONAL, I.FINAL, I.TIMER_F, I.TRANSPORT_ERROR])
def test_what_becomes_of_a_cancel_is_told_to_nobody(event: Input) -> None:
    _, effects = TABLE.step(machine(S.TRYING, "udp", "CANCEL"), event, argument(event, "udp", "CANCEL"), NOW)
    assert effects == ()


def test_the_flow_of_a_stream_is_learnt_from_its_first_response() -> None:
    flow, head, raw = argument(I.PROVISIONAL, "tcp")
    after, _ = TABLE.step(machine(S.TRYING, "tcp"), I.PROVISIONAL, (flow._replace(token="tcp:18"), head, raw), NOW)
    assert after.flow == "tcp:18"


def test_a_finished_machine_keeps_no_request() -> None:
    after, _ = TABLE.step(machine(S.TRYING, "udp"), I.FINAL, argument(I.FINAL, "udp"), NOW)
    assert after.request == b""


@pytest.mark.parametrize(
    ("transport", "patience", "provisional", "ends"),
    [
        ("udp", 3.0, False, 3.0),
        ("udp", 3.0, True, 33.0),
        ("udp", 99.0, False, 32.0),
        ("tcp", 3.0, False, 32.0),
    ],
)
def test_a_silent_udp_target_is_given_up_when_patience_ends(
    transport: str, patience: float, provisional: bool, ends: float
) -> None:
    """RFC 3263 section 4.3: the next target is tried; one that has said anything keeps all of Timer F."""
    target = TARGETS[transport]._replace(patience=patience)
    client, _ = TABLE.step(begin(SendRequest(KEY, target, OPTIONS), Timers()), I.SEND, None, NOW)
    if provisional:
        client, _ = TABLE.step(client, I.PROVISIONAL, argument(I.PROVISIONAL, transport), NOW + 1.0)
    assert dict(client.deadlines)[I.TIMER_F] == NOW + ends


def test_a_cancel_has_all_of_timer_f_for_its_invite_was_answered() -> None:
    target = TARGETS["udp"]._replace(patience=3.0)
    command = SendRequest(KEY._replace(method="CANCEL"), target, OPTIONS)
    client, _ = TABLE.step(begin(command, Timers()), I.SEND, None, NOW)
    assert dict(client.deadlines)[I.TIMER_F] == NOW + 32.0
