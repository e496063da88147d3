"""Figure 5 (RFC 3261 section 17.1.1, RFC 6026 section 8.4) and CANCEL (section 9.1), edge by edge."""

from __future__ import annotations

from typing import Any

import pytest

from actors.transaction.events import CancelRequest, SendRequest
from actors.transaction.invite_client import TABLE, Input, InviteClient, State, begin
from actors.transaction.timers import Timers
from tests.transaction.figures import NOW, Edge, both, check, check_whole
from tests.transaction.messages import FLOWS, TARGETS, client_key, head_of, request, response

S, I = State, Input  # noqa: E741
INVITE = request()
KEY = client_key(INVITE)
B_LEFT = (I.TIMER_B, 30.0)  # what the machines below still have of it
CANCEL_LEFT = (I.TIMER_CANCEL, 20.0)


def machine(state: State, transport: str) -> InviteClient:
    """A machine as it stands in `state`."""
    made = begin(SendRequest(KEY, TARGETS[transport], INVITE), Timers())
    timers: dict[State, tuple[tuple[Input, float], ...]] = {
        S.CALLING: (B_LEFT,) if transport == "tcp" else ((I.TIMER_A, 1.0), B_LEFT),
        S.CANCEL_HELD: (B_LEFT,) if transport == "tcp" else ((I.TIMER_A, 1.0), B_LEFT),
        S.CANCELLING: (CANCEL_LEFT,),
        S.COMPLETED: ((I.TIMER_D, 32.0),),
        S.ACCEPTED: ((I.TIMER_M, 32.0),),
        S.ABANDONED: (B_LEFT,),
    }
    return InviteClient(
        state,
        tuple((timer, NOW + delay) for timer, delay in timers.get(state, ())),
        KEY,
        made.timers,
        made.target,
        b"" if state in {S.COMPLETED, S.ACCEPTED, S.TERMINATED} else INVITE,
        ack=request("ACK") if state is S.COMPLETED else b"",
        interval=1.0,
        flow=made.flow,
    )


def argument(event: Input, transport: str) -> Any:
    statuses = {I.PROVISIONAL: 180, I.SUCCESS: 200, I.FAILURE: 486}
    if event in statuses:
        raw = response(INVITE, statuses[event])
        return FLOWS[transport], head_of(raw), raw
    return {I.CANCEL: CancelRequest(KEY), I.TRANSPORT_ERROR: "connection refused"}.get(event)


def calling(state: State) -> list[Edge]:
    """Calling and its twin with a CANCEL held back: all but the provisional response and the CANCEL."""
    a_b = {I.TIMER_A: 2.0, I.TIMER_B: 30.0}
    return [
        Edge(state, I.TIMER_A, "udp", state, ("send INVITE",), a_b),
        *both(state, I.TIMER_B, S.TERMINATED, ("tell failed 408",)),
        *both(state, I.TRANSPORT_ERROR, S.TERMINATED, ("tell failed 503",)),
        *answered(state),
    ]


def answered(state: State) -> list[Edge]:
    return [
        *both(state, I.SUCCESS, S.ACCEPTED, ("tell 200",), [(I.TIMER_M, 32.0)]),
        Edge(state, I.FAILURE, "udp", S.COMPLETED, ("send ACK", "tell 486"), {I.TIMER_D: 32.0}),
        Edge(state, I.FAILURE, "tcp", S.TERMINATED, ("send ACK", "tell 486"), {}),
    ]


EDGES = [
    Edge(S.INITIAL, I.SEND, "udp", S.CALLING, ("send INVITE",), {I.TIMER_A: 0.5, I.TIMER_B: 32.0}),
    Edge(S.INITIAL, I.SEND, "tcp", S.CALLING, ("send INVITE",), {I.TIMER_B: 32.0}),
    *calling(S.CALLING),
    *both(S.CALLING, I.PROVISIONAL, S.PROCEEDING, ("tell 180",)),
    Edge(S.CALLING, I.CANCEL, "udp", S.CANCEL_HELD, (), {I.TIMER_A: 1.0, I.TIMER_B: 30.0}),
    Edge(S.CALLING, I.CANCEL, "tcp", S.CANCEL_HELD, (), {I.TIMER_B: 30.0}),
    *calling(S.CANCEL_HELD),
    *both(S.CANCEL_HELD, I.PROVISIONAL, S.CANCELLING, ("tell 180", "begin CANCEL"), [(I.TIMER_CANCEL, 32.0)]),
    *both(S.PROCEEDING, I.PROVISIONAL, S.PROCEEDING, ("tell 180",)),
    *answered(S.PROCEEDING),
    Edge(S.PROCEEDING, I.TRANSPORT_ERROR, "udp", S.PROCEEDING, (), {}),
    Edge(S.PROCEEDING, I.TRANSPORT_ERROR, "tcp", S.TERMINATED, ("tell failed 503",), {}),
    *both(S.PROCEEDING, I.CANCEL, S.CANCELLING, ("begin CANCEL",), [(I.TIMER_CANCEL, 32.0)]),
    *both(S.CANCELLING, I.PROVISIONAL, S.CANCELLING, ("tell 180",), [CANCEL_LEFT]),
    *answered(S.CANCELLING),
    Edge(S.CANCELLING, I.TRANSPORT_ERROR, "udp", S.CANCELLING, (), dict([CANCEL_LEFT])),
    Edge(S.CANCELLING, I.TRANSPORT_ERROR, "tcp", S.TERMINATED, ("tell failed 503",), {}),
    *both(S.CANCELLING, I.TIMER_CANCEL, S.TERMINATED, ("tell failed 408",)),
    *both(S.COMPLETED, I.FAILURE, S.COMPLETED, ("send ACK",), [(I.TIMER_D, 32.0)]),
    *both(S.COMPLETED, I.SUCCESS, S.COMPLETED, ("tell 200",), [(I.TIMER_D, 32.0)]),
    *both(S.COMPLETED, I.TRANSPORT_ERROR, S.TERMINATED),
    *both(S.COMPLETED, I.TIMER_D, S.TERMINATED),
    *both(S.ACCEPTED, I.SUCCESS, S.ACCEPTED, ("tell 200",), [(I.TIMER_M, 32.0)]),
    *both(S.ACCEPTED, I.TIMER_M, S.TERMINATED),
    Edge(S.CALLING, I.IMPATIENT, "udp", S.ABANDONED, ("tell failed 408",), dict([B_LEFT])),
    Edge(S.ABANDONED, I.PROVISIONAL, "udp", S.CANCELLING, ("begin CANCEL",), {I.TIMER_CANCEL: 32.0}),
    Edge(S.ABANDONED, I.SUCCESS, "udp", S.ACCEPTED, ("tell 200",), {I.TIMER_M: 32.0}),
    Edge(S.ABANDONED, I.FAILURE, "udp", S.COMPLETED, ("send ACK",), {I.TIMER_D: 32.0}),
    Edge(S.ABANDONED, I.TRANSPORT_ERROR, "udp", S.TERMINATED, (), {}),
    Edge(S.ABANDONED, I.TIMER_B, "udp", S.TERMINATED, (), {}),
]


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_each_edge_of_the_figure(edge: Edge) -> None:
    before = machine(edge.state, edge.transport)
    check(edge, *TABLE.step(before, edge.input, argument(edge.input, edge.transport), NOW))


def test_no_edge_is_left_out_and_every_other_pair_changes_nothing() -> None:
    check_whole(TABLE, EDGES, machine, argument)


def test_over_udp_the_invite_is_sent_seven_times_and_then_fails() -> None:
    client, effects = TABLE.step(begin(SendRequest(KEY, TARGETS["udp"], INVITE), Timers()), I.SEND, None, NOW)
    sent = [NOW] * len(effects)
    while client.next_deadline is not None:
        now = client.next_deadline
        client, effects = TABLE.expire(client, now)
        sent += [now] * len(effects)
    assert [at - NOW for at in sent] == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0]
    assert client.state is S.TERMINATED


def test_the_flow_of_a_stream_is_learnt_from_its_first_response() -> None:
    before = machine(S.CALLING, "tcp")
    before, _ = TABLE.step(
        before, I.PROVISIONAL, (FLOWS["tcp"]._replace(token="tcp:18"), *argument(I.PROVISIONAL, "tcp")[1:]), NOW
    )
    assert before.flow == "tcp:18"
    over_udp, _ = TABLE.step(machine(S.CALLING, "udp"), I.PROVISIONAL, argument(I.PROVISIONAL, "udp"), NOW)
    assert over_udp.flow == ""


def test_the_reason_of_a_held_cancel_goes_with_it() -> None:
    held, _ = TABLE.step(machine(S.CALLING, "udp"), I.CANCEL, CancelRequest(KEY, "SIP;cause=200"), NOW)
    _, effects = TABLE.step(held, I.PROVISIONAL, argument(I.PROVISIONAL, "udp"), NOW)
    assert effects[-1].reason == "SIP;cause=200"  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", [I.SUCCESS, I.FAILURE])
def test_a_finished_machine_keeps_no_request(event: Input) -> None:
    after, _ = TABLE.step(machine(S.PROCEEDING, "udp"), event, argument(event, "udp"), NOW)
    assert after.request == b""


# RFC 3263 section 4.3: who is silent is left for the next target, after Timer B or as soon as the user wants it.
@pytest.mark.parametrize(
    ("patience", "sent", "told"), [(3.0, 3, 3.0), (0.0, 7, 32.0), (32.5, 7, 32.0), (99.0, 7, 32.0)]
)
def test_a_silent_udp_target_is_given_up_when_patience_ends(patience: float, sent: int, told: float) -> None:
    target = TARGETS["udp"]._replace(patience=patience)
    client, effects = TABLE.step(begin(SendRequest(KEY, target, INVITE), Timers()), I.SEND, None, NOW)
    count, failures = len(effects), []
    while client.next_deadline is not None:
        now = client.next_deadline
        client, effects = TABLE.expire(client, now)
        count += sum(type(effect).__name__ == "Transmit" for effect in effects)
        failures += [now - NOW for effect in effects if type(effect).__name__ == "Tell"]
    assert (count, failures, client.state) == (sent, [told], S.TERMINATED)


def test_on_a_stream_patience_is_for_opening_the_connection_only() -> None:
    target = TARGETS["tcp"]._replace(patience=2.0)
    client, _ = TABLE.step(begin(SendRequest(KEY, target, INVITE), Timers()), I.SEND, None, NOW)
    assert client.deadlines == ((I.TIMER_B, NOW + 32.0),)
