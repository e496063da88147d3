"""kill -9 of the control process at any moment: every command is done once, every event is told once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from actors.control.client import CommandRefused
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from tests.control.api import Caller, ControlProcess, calling


def placed(house: ControlProcess) -> list[call_commands.PlaceCall]:
    return [event for event in house.peers["dialog-0"].inbox if isinstance(event, call_commands.PlaceCall)]


def test_a_command_whose_reply_was_not_yet_there_is_done_once(tmp_path: Path) -> None:
    with ControlProcess(tmp_path) as house, calling(house) as caller:
        placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4"))
        house.wait_for(lambda: bool(placed(house)))
        house.kill()
        house.peers["dialog-0"].send(dialog.CommandDone(placed(house)[0].ref))
        house.start()
        assert caller.wait(placing) == placed(house)[0].call
        assert len(placed(house)) == 1


def test_a_command_that_was_not_yet_read_is_done_once(tmp_path: Path) -> None:
    with ControlProcess(tmp_path) as house, calling(house) as caller:
        os.kill(house.process.pid, signal.SIGSTOP)
        placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4"))
        house.kill()
        house.start()
        house.wait_for(lambda: bool(placed(house)))
        house.peers["dialog-0"].send(dialog.CommandDone(placed(house)[0].ref))
        assert caller.wait(placing) == placed(house)[0].call
        assert len(placed(house)) == 1


def test_a_command_whose_reply_was_lost_gets_it_again(tmp_path: Path) -> None:
    with ControlProcess(tmp_path) as house:
        with calling(house) as caller:
            placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4", key="once"))
            house.wait_for(lambda: bool(placed(house)))
            house.peers["dialog-0"].send(dialog.CommandDone(placed(house)[0].ref))
            call = caller.wait(placing)
        house.kill()
        house.start()
        with calling(house) as caller:
            assert caller.do(lambda client: client.place("sip:bob@192.0.2.4", key="once")) == call
        assert len(placed(house)) == 1


@pytest.mark.parametrize("rounds", [3])
def test_a_subscriber_gets_every_event_once_over_many_kills(tmp_path: Path, rounds: int) -> None:
    with ControlProcess(tmp_path) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events(0))
        calls = [f"c{number}" for number in range(rounds * 100)]
        for at in range(rounds):
            for number, call in enumerate(calls[at * 100 : at * 100 + 100]):
                house.peers["dialog-0"].send(call_events.CallReceived(call, "sip:a", "sip:b", "", 1.0))
                if number == 50:
                    house.kill()
                    house.start()
        events = caller.events(stream, 1 + len(calls))
        assert [event.seq for event in events] == list(range(1, len(calls) + 2))
        assert [event.call for event in events[1:]] == calls


def test_who_owns_a_call_is_known_after_a_kill(tmp_path: Path) -> None:
    from actors.runtime.slots import Slots

    call = next(name for name in map(str, range(100)) if Slots(2).shard(name) == 0)
    with ControlProcess(tmp_path, shards=2) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events())
        house.peers["dialog-1"].send(call_events.CallReceived(call, "sip:a", "sip:b", "", 1.0))
        caller.events(stream, 1)
        house.kill()
        house.start()
        hanging_up = caller.ask(lambda client: client.hangup(call))
        inbox = house.peers["dialog-1"].inbox
        house.wait_for(lambda: bool(inbox))
        assert isinstance(inbox[0], call_commands.HangUp)
        house.peers["dialog-1"].send(dialog.CommandDone(inbox[0].ref))
        caller.wait(hanging_up)


def test_a_claim_outlives_control_and_its_owner_does_not_outlive_it_unnoticed(tmp_path: Path) -> None:
    with ControlProcess(tmp_path) as house, calling(house) as other:
        owner = Caller(house, house.context.run_dir)
        peer = house.peers["dialog-0"]
        stream = other.do(lambda client: client.events(topics=["CallReceived"]))
        peer.send(call_events.CallReceived("c1", "sip:a", "sip:b", "", 1.0))
        other.events(stream, 1)
        owner.do(lambda client: client.calls["c1"].claim(on_owner_lost="hangup"))
        house.kill()
        house.start()
        with pytest.raises(CommandRefused) as caught:
            other.do(lambda client: client.calls["c1"].claim())
        assert caught.value.code == "already_claimed"
        owner.do(lambda client: client.calls["c1"].claim(on_owner_lost="hangup"))  # it is its own still
        assert not peer.inbox
        owner.close()
        house.wait_for(lambda: bool(peer.inbox))
        assert isinstance(peer.inbox[0], call_commands.HangUp)
