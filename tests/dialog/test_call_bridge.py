"""Calls are bridged: media is told who joins whom, and a session that is elsewhere is moved there first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actors.dialog.call_commands import AnswerCall, BridgeCall, HangUp, PlayAudio, Treatment, UnbridgeCall
from actors.dialog.call_events import CallBridged, CallReceived, CallUnbridged
from actors.dialog.effects import Close, Expect, Join, Move, Part, Prepare, Steer, TellShard
from actors.dialog.events import CommandDone
from actors.dialog.negotiation import process_of
from actors.dialog.shard_events import AudioTold
from tests.dialog.phone import Phone, invite, message, place
from tests.dialog.test_replace_across import NEW, OLD, Pair

MEDIA = 2


def numbered(n: int) -> dict[str, Any]:
    return {"branch": f"b{n}", "Call_ID": f"c{n}@peer", "From": f"<sip:p{n}@h>;tag=p{n}"}


def calls_in(phone: Phone) -> Iterator[str]:
    """Calls in that are up, one after another; their ids."""
    for n in range(20):
        phone.receive_call(invite(**numbered(n)))
        call = phone.reports(CallReceived)[-1].call
        phone.request(message("ACK", to_tag=phone.our_tag(), **{k: v for k, v in numbered(n).items() if k != "branch"}))
        yield call


def of(phone: Phone, call: str) -> Any:
    return next(each for each in phone.calls if each.call == call)


def two(*, same: bool) -> tuple[Phone, str, str]:
    """Two calls that are up, in the same media process or in two."""
    phone = Phone("echo", media=MEDIA)
    found: dict[int, list[str]] = {0: [], 1: []}
    for call in calls_in(phone):
        found[of(phone, call).media.process].append(call)
        first, second = (found[0], found[0][1:]) if same else (found[0], found[1])
        if first and second:
            return phone, first[0], second[0]
    raise AssertionError("all calls are in one process")


def test_calls_of_one_process_join_there() -> None:
    phone, one, other = two(same=True)
    done = phone.command(BridgeCall("b", one, other, keys=True))
    assert done[0].event == CommandDone("b")
    assert done[1:] == [Join(0, of(phone, one).media.session, of(phone, other).media.session, keys=True)]


def test_a_call_that_is_elsewhere_is_moved_and_all_that_follows_goes_there() -> None:
    phone, one, other = two(same=False)
    before = of(phone, one).media
    done = phone.command(BridgeCall("b", one, other))
    session, beside = before.session, of(phone, other).media
    assert done[1:] == [
        Expect(beside.process, session),
        Move(before.process, session, beside.process),
        Join(beside.process, session, beside.session),
    ]
    phone.start()  # a restart knows where it is
    phone.command(PlayAudio("p", one, "/tmp/a.wav"))
    assert phone.last(Steer).process == beside.process
    phone.command(HangUp("h", one))
    assert phone.last(Close) == Close(beside.process, session)
    assert [each for each in phone.all(Move) if each.session == session] == [done[2]]


def test_what_media_tells_is_told_once() -> None:
    phone, one, other = two(same=True)
    session, calls = of(phone, one).media.session, phone.agent.calls
    for others, reason in (((other,), ""), ((other,), ""), ((), ""), ((), ""), ((), "it is gone")):
        phone._did(calls.bridged(session, others, reason, 1.0))
    assert phone.reports(CallBridged) == [CallBridged(one, (other,), 1.0)]
    assert phone.reports(CallUnbridged) == [CallUnbridged(one, "", 1.0), CallUnbridged(one, "it is gone", 1.0)]


def test_a_call_is_taken_out_of_its_bridge() -> None:
    phone, one, _ = two(same=True)
    done = phone.command(UnbridgeCall("u", one))
    assert done[0].event == CommandDone("u")
    assert done[1:] == [Part(0, of(phone, one).media.session)]


def test_what_cannot_be_bridged_is_refused() -> None:
    phone, one, _ = two(same=True)
    for command, code in (
        (BridgeCall("b", "none", one), "no_such_call"),
        (BridgeCall("b", one, "none"), "no_such_call"),
        (BridgeCall("b", one, one), "bad_value"),
        (UnbridgeCall("u", "none"), "no_such_call"),
    ):
        phone.command(command)
        assert phone.failure().code == code
    assert not phone.all(Join)


def test_a_call_that_has_no_audio_yet_is_not_bridged() -> None:
    phone = Phone("ring", media=MEDIA)
    phone.receive_call(invite(**numbered(1)))
    phone.receive_call(invite(**numbered(2)))
    one, other = [event.call for event in phone.reports(CallReceived)]
    phone.command(BridgeCall("b", one, other))
    assert phone.failure().code == "bad_state"


@pytest.mark.parametrize("process", range(MEDIA))
def test_a_call_out_is_placed_beside_another(process: int) -> None:
    phone, *calls = two(same=False)
    beside = calls[process]
    for n in range(4):
        phone.place_call(call=f"out-{n}", with_call=beside)
        assert phone.last(Prepare).process == of(phone, beside).media.process == process
    phone.command(place(call="out-9", with_call="none"))
    assert phone.failure().code == "no_such_call"


def test_a_call_that_rings_is_answered_and_moved_beside_another() -> None:
    phone = Phone("ring", media=MEDIA)
    for n in range(12):
        phone.receive_call(invite(**numbered(n)))
    calls = [event.call for event in phone.reports(CallReceived)]
    at = {call: of(phone, call).media.process for call in calls}
    one = next(call for call in calls if at[call] == 0)
    other = next(call for call in calls if at[call] == 1)
    session = of(phone, one).media.session
    done = phone.command(AnswerCall("a", one, Treatment(), 0.0, with_call=other))
    assert [type(each) for each in done[-2:]] == [Expect, Move]
    assert done[-1] == Move(0, session, 1)
    assert of(phone, one).media.process == 1
    assert Move not in map(type, phone.command(AnswerCall("a", other, Treatment(), 0.0, with_call=one)))


@pytest.mark.parametrize("restarted", [(), (OLD,), (NEW,), (OLD, NEW)])
def test_calls_of_two_shards_are_bridged_whoever_is_restarted_between(restarted: tuple[int, ...]) -> None:
    it = Pair(media=MEDIA)
    it.up()
    calls = []
    for n in range(12):
        more = {**numbered(n), "Call_ID": f"new{n}@peer"}
        it.new.receive_call(invite(**more))
        calls.append(it.new.reports(CallReceived)[-1].call)
    old = it.old.call.call
    process = process_of(it.old.call.tag, it.old.agent.agent)
    # The ids of calls in lead to their shards in the service; here by their beginning.
    it.new.agent.agent.shard_of = lambda key: OLD if key == old else NEW
    there, elsewhere = (
        next(call for call in calls if (of(it.new, call).media.process == process) is same) for same in (True, False)
    )
    for call in (there, elsewhere):
        it.new.command(BridgeCall(f"b-{call}", call, old))
        for number in restarted:
            it.shards[number].start()
            it.new.agent.agent.shard_of = lambda key: OLD if key == old else NEW
        it.settle()
        assert it.new.last(Join) == Join(process, of(it.new, call).media.session, it.old.call.media.session)
        assert it.new.reports(CommandDone)[-1].ref == f"b-{call}"
    assert [each.to for each in it.new.all(Move)] == [process]
    it.new.command(BridgeCall("none", there, old + "x"))
    assert it.new.failure().code == "no_such_call"


def test_a_call_that_ended_while_the_other_shard_was_asked_is_refused() -> None:
    it = Pair()
    it.up()
    it.new.receive_call(invite(Call_ID="new1@peer", branch="x"))
    call, old = it.new.reports(CallReceived)[-1].call, it.old.call.call
    it.new.agent.agent.shard_of = lambda key: OLD if key == old else NEW
    it.new.command(BridgeCall("b", call, old))
    assert type(it.new.last(TellShard).word).__name__ == "AskAudio"
    it.new.lost(it.new.session)
    it.new.agent.calls._cells.delete(it.new.calls[0].key)
    it.settle()
    assert isinstance(it.words[-1], AudioTold)
    assert it.new.failure().code == "no_such_call"
    assert not it.new.all(Join)


@pytest.mark.parametrize("first", [OLD, NEW])
@pytest.mark.parametrize("turns", range(5))
def test_two_commands_that_cross_bring_both_calls_to_one_process(first: int, turns: int) -> None:
    """Each shard is asked to bring its call to where the other's is: they must not change places."""
    it = Pair(media=MEDIA)
    it.up()
    old, here = it.old.call.call, process_of(it.old.call.tag, it.old.agent.agent)
    for n in range(12):
        it.new.receive_call(invite(**{**numbered(n), "Call_ID": f"new{n}@peer"}))
        new = it.new.reports(CallReceived)[-1].call
        if of(it.new, new).media.process != here:
            break
    for shard in it.shards:
        shard.agent.agent.shard_of = lambda key: OLD if key == old else NEW
    commands = [(it.old, BridgeCall("o", old, new)), (it.new, BridgeCall("n", new, old))]
    if first == NEW:
        commands.reverse()
    (one, command), (other, crossing) = commands
    one.command(command)
    for turn in range(turns):  # so much comes to pass before the other command does
        it.carry((first + turn + 1) % 2)
    other.command(crossing)
    it.settle()
    joins = [*it.old.all(Join), *it.new.all(Join)]
    moves = [*it.old.all(Move), *it.new.all(Move)]
    assert len(moves) == 1
    assert {join.process for join in joins} == {moves[0].to}
    assert {of(it.old, old).media.process, of(it.new, new).media.process} == {moves[0].to}
    assert it.old.reports(CommandDone)[-1].ref == "o"
    assert it.new.reports(CommandDone)[-1].ref == "n"
    it.old.command(BridgeCall("again", old, new))
    it.settle()
    assert len(it.old.all(Join)) == 1 + sum(join.session == it.old.call.media.session for join in joins)
