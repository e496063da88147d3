"""Claims: one worker has a call, and what its owner said happens when it is gone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.control.cells import Claimed, claim_key
from actors.control.claims import GONE, KEEP, Claims, seconds_of
from actors.control.client import Client, CommandRefused
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from tests.control.api import Caller, calling, control

WORKERS = [b"w1", b"w2", b"w3"]
CALLS = ["c1", "c2"]


class Cells(dict[bytes, Any]):
    """Cells with deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: dict[bytes, float | None] = {}

    def put(self, key: bytes, value: Any, deadline: float | None = None) -> None:
        self[key] = value
        self.deadlines[key] = deadline

    def delete(self, key: bytes) -> None:
        del self[key]
        del self.deadlines[key]


class Claiming(RuleBasedStateMachine):
    """Any workers, any calls, any time: at most one has a call, nobody waits for ever for one that is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = Cells()
        self.live: dict[str, str] = {}
        self.claims = Claims(self.cells, 5.0, self.live.get)
        self.now = 100.0
        self.alive = set(WORKERS)
        self.owner: dict[str, tuple[bytes, str]] = {}
        self.told: list[dialog.FromControl] = []

    @rule(call=st.sampled_from(CALLS))
    def begins(self, call: str) -> None:
        if call not in self.live:
            self.live[call] = "dialog-0"
            self.claims.received(call, self.now)

    @rule(call=st.sampled_from(CALLS))
    def is_answered(self, call: str) -> None:
        if call in self.live:
            self.claims.answered(call)

    @rule(call=st.sampled_from(CALLS))
    def ends(self, call: str) -> None:
        self.live.pop(call, None)
        self.owner.pop(call, None)
        self.claims.ended(call)

    @rule(worker=st.sampled_from(WORKERS), call=st.sampled_from(CALLS), policy=st.sampled_from(["hangup", "keep", "3"]))
    def claims_it(self, worker: bytes, call: str, policy: str) -> None:
        reply, outcome = self.claims.claim(worker, worker.decode(), call, policy, 1.0)
        holder = self.owner.get(call)
        if call not in self.live:
            assert reply.code == "no_such_call"
        elif holder is not None and holder[0] != worker:
            assert reply.code == "already_claimed"
            assert not outcome.events
        else:
            assert not reply.code
            self.owner[call] = (worker, policy)

    @rule(worker=st.sampled_from(WORKERS), call=st.sampled_from(CALLS))
    def gives_it_back(self, worker: bytes, call: str) -> None:
        reply, _ = self.claims.release(worker, call, self.now, 1.0)
        mine = self.owner.get(call, (b"", ""))[0] == worker
        assert bool(reply.code) != mine
        if mine:
            del self.owner[call]

    @rule(worker=st.sampled_from(WORKERS))
    def dies_or_comes_back(self, worker: bytes) -> None:
        self.alive ^= {worker}

    @rule()
    def control_is_killed(self) -> None:
        self.claims = Claims(self.cells, 5.0, self.live.get)
        self.claims.restore()

    @rule(steps=st.integers(1, 12))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.now += 0.5
            for key, deadline in list(self.cells.deadlines.items()):
                if deadline is not None and deadline <= self.now:
                    self.cells.deadlines[key] = None
                    self.told += [message for _, message in self.claims.expire(key).messages]
            outcome = self.claims.probe(self.alive.__contains__, self.now, 1.0)
            self.told += [message for _, message in outcome.messages]
        for call, (worker, _) in list(self.owner.items()):
            cell = self.cells.get(claim_key(call))
            if cell is None or cell.worker != worker:
                assert worker not in self.alive, "a worker that is there keeps its call"
                del self.owner[call]
            else:
                assert worker in self.alive or steps * 0.5 <= GONE + 0.5, "one that is gone does not"

    @invariant()
    def nobody_but_the_owner_decides(self) -> None:
        for call, (worker, _) in self.owner.items():
            if worker in self.alive:
                assert not self.claims.forbids(worker, call)
                assert all(self.claims.forbids(other, call) for other in WORKERS if other != worker)

    @invariant()
    def a_call_that_is_over_has_no_cell(self) -> None:
        assert set(self.cells) <= {claim_key(call) for call in self.live}


Claiming.TestCase.settings = settings(max_examples=80, deadline=None)
TestClaiming = Claiming.TestCase


@pytest.mark.parametrize(("policy", "seconds"), [("hangup", 0.0), ("keep", KEEP), ("7.5", 7.5)])
def test_a_policy_is_hangup_keep_or_seconds(policy: str, seconds: float) -> None:
    assert seconds_of(policy) == seconds


@pytest.mark.parametrize("policy", ["", "never", "-1", "nan", "1e9", "inf"])
def test_other_policies_are_refused(policy: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        seconds_of(policy)


def received(call: str) -> call_events.CallReceived:
    return call_events.CallReceived(call, "sip:a@example.net", "sip:b@example.org", "", 1.0)


def refused(caller: Caller, function: Any) -> str:
    with pytest.raises(CommandRefused) as caught:
        caller.do(function)
    return caught.value.code


def test_five_workers_and_one_ringing_call_exactly_one_has_it(tmp_path: Path) -> None:
    with control(tmp_path, unclaimed_after=60.0) as house:
        workers = [Caller(house, house.context.run_dir) for _ in range(5)]
        house.send("dialog-0", received("c1"))
        house.settle()
        claims = [worker.ask(lambda client: client.calls["c1"].claim()) for worker in workers]
        house.wait_for(lambda: all(claim.done() for claim in claims), "every reply", 20.0)
        (owner,) = [worker for worker, claim in zip(workers, claims, strict=True) if claim.exception() is None]
        others = [worker for worker in workers if worker is not owner]
        codes = {claim.exception().code for claim in claims if isinstance(claim.exception(), CommandRefused)}  # type: ignore[union-attr]
        assert codes == {"already_claimed"}
        for other in others[:1]:
            assert refused(other, lambda client: client.calls["c1"].answer(echo=True)) == "already_claimed"
            assert refused(other, lambda client: client.calls["c1"].reject()) == "already_claimed"
            assert refused(other, lambda client: client.calls["c1"].release()) == "not_claimed"
        answering = owner.ask(lambda client: client.calls["c1"].answer(echo=True))
        command = house.expect("dialog-0", call_commands.AnswerCall)
        house.send("dialog-0", dialog.CommandDone(command.ref), call_events.CallAnswered("c1", "PCMU", 8000, 2.0))
        owner.wait(answering)
        owner.close()  # its death: the call was claimed with hangup
        ending = house.expect("dialog-0", call_commands.HangUp, timeout=20.0)
        assert ending.call == "c1"
        for other in others:
            other.close()


def test_only_calls_of_routes_that_ask_for_workers_are_refused_where_nobody_claims_them() -> None:
    cells = Cells()
    claims = Claims(cells, 5.0, {"a": "dialog-0", "b": "dialog-0"}.get, ("sales",))
    claims.received("a", 100.0, "sales")
    claims.received("b", 100.0)
    assert list(cells) == [claim_key("a")]
    assert cells.deadlines[claim_key("a")] == 105.0
    assert [message.call for _, message in claims.expire(claim_key("a")).messages] == ["a"]  # type: ignore[union-attr]


def test_a_call_that_nobody_claims_is_refused_with_480(tmp_path: Path) -> None:
    with control(tmp_path, unclaimed_after=0.05) as house:
        house.send("dialog-0", received("c1"))
        refusal = house.expect("dialog-0", call_commands.RejectCall)
        assert (refusal.call, refusal.status) == ("c1", 480)


def test_a_kept_call_goes_to_another_worker_when_its_owner_dies(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as second:
        first = Caller(house, house.context.run_dir)
        stream = second.do(lambda client: client.events(topics=["CallClaimed", "CallReleased"]))
        house.send("dialog-0", received("c1"))
        house.settle()
        first.do(lambda client: client.calls["c1"].claim(worker="one", on_owner_lost="keep"))
        assert refused(second, lambda client: client.calls["c1"].claim()) == "already_claimed"
        first.close()
        claimed, released = second.events(stream, 2)
        assert (claimed.worker, released.worker, released.reason) == ("one", "one", "lost")
        second.do(lambda client: client.calls["c1"].claim(on_owner_lost=30))
        assert house.actor.cells.get(claim_key("c1")).policy == "30"
        assert not house.peers["dialog-0"].inbox


def test_a_placed_call_ends_with_the_client_that_asked_for_it(tmp_path: Path) -> None:
    with control(tmp_path) as house:
        caller = Caller(house, house.context.run_dir)
        placing = caller.ask(lambda client: client.calls.place("sip:bob@192.0.2.4", on_owner_lost="hangup"))
        command = house.expect("dialog-0", call_commands.PlaceCall)
        house.send("dialog-0", dialog.CommandDone(command.ref))
        assert caller.wait(placing).id == command.call
        assert isinstance(house.actor.cells.get(claim_key(command.call)), Claimed)
        caller.close()
        assert house.expect("dialog-0", call_commands.HangUp, timeout=20.0).call == command.call


def _claim(call: str, seconds: float, client: Client) -> None:
    client.calls[call].claim(on_owner_lost=seconds)


def test_fault_87_a_call_waits_so_many_seconds_for_another_worker_and_is_hung_up_then(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as second:
        stream = second.do(lambda client: client.events(topics=["CallClaimed", "CallReleased"]))
        for call, seconds in (("c1", 600), ("c2", 0.2)):
            first = Caller(house, house.context.run_dir)
            house.send("dialog-0", received(call))
            house.settle()
            first.do(partial(_claim, call, seconds))
            first.close()
            assert [event.call for event in second.events(stream, 2)] == [call, call]
        assert house.expect("dialog-0", call_commands.HangUp, timeout=20.0).call == "c2"
        second.do(lambda client: client.calls["c1"].claim())
        assert house.actor.cells.get(claim_key("c1")).worker
        assert house.actor.cells.get(claim_key("c2")) is None


def test_a_wrong_policy_is_refused_with_the_field(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        with pytest.raises(CommandRefused) as caught:
            caller.do(lambda client: client.calls["c1"].claim(on_owner_lost="perhaps"))
        assert (caught.value.code, caught.value.field) == ("bad_value", "on_owner_lost")
