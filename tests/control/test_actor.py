"""The control actor and the client against each other, the dialog shards played by the test."""

from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zmq

from actors.control.client import Client, CommandRefused, Lost, NoService
from actors.control.protocol import decode_frame, encode_request, pack, unpack
from actors.control.records import CallInfo, Child, HangUp, Place, Placed, Request, ServiceStarted, Subscribe
from actors.dialog import account_events, call_commands, call_events
from actors.dialog import events as dialog
from actors.dialog.account_events import AccountInfo
from actors.runtime.channel import AskStop, AskTree, ChildStatus, Stop, Tree
from actors.runtime.slots import Slots
from tests.control.api import calling, control


def received(call: str, time: float = 1.0) -> call_events.CallReceived:
    return call_events.CallReceived(call, "sip:a@example.net", "sip:b@example.org", "Ann", time)


def ended(call: str) -> call_events.CallEnded:
    return call_events.CallEnded(call, "answered", 200, "OK", "remote", 1.0, 2.0, 3.0, 100, 99, 1)


def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    with control(tmp_path) as house:
        path = house.context.run_dir / "control"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_client_without_a_service_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoService) as caught:
        Client(tmp_path / "run")
    assert str(caught.value) == f"no service answers in {tmp_path / 'run'}; start one with: sipactors run"
    with pytest.raises(NoService):
        Client(tmp_path / ("x" * 200))


def test_a_call_is_placed_by_the_shard_that_its_id_belongs_to(tmp_path: Path) -> None:
    with control(tmp_path, shards=3) as house, calling(house) as caller:
        owners: Counter[str] = Counter()
        for _ in range(6):
            placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4", play=__file__, duration=5))
            house.wait_for(lambda: any(peer.inbox for peer in house.peers.values()), "a command")
            owner = next(name for name, peer in house.peers.items() if peer.inbox)
            command = house.expect(owner, call_commands.PlaceCall)
            assert owner == f"dialog-{Slots(3).shard(command.call)}"
            assert command.uri == "sip:bob@192.0.2.4"
            assert command.treatment == call_commands.Treatment(play=str(Path(__file__).absolute()))
            assert (command.duration, command.ring_timeout) == (5.0, 60.0)
            house.send(owner, dialog.CommandDone(command.ref))
            assert caller.wait(placing) == command.call
            owners[owner] += 1
        assert set(owners.values()) == {2}


def test_a_command_for_a_call_goes_to_the_shard_that_told_of_it(tmp_path: Path) -> None:
    with control(tmp_path, shards=2) as house, calling(house) as caller:
        call = next(name for name in map(str, range(100)) if Slots(2).shard(name) == 0)
        house.send("dialog-1", received(call))
        house.settle()
        answering = caller.ask(lambda client: client.answer(call, echo=True))
        command = house.expect("dialog-1", call_commands.AnswerCall)
        assert command.treatment.echo
        house.send("dialog-1", dialog.CommandDone(command.ref), ended(call))
        caller.wait(answering)
        house.settle()
        rejecting = caller.ask(lambda client: client.reject(call, 603, "no"))
        refused = house.expect("dialog-0", call_commands.RejectCall)
        assert (refused.status, refused.reason) == (603, "no")
        house.send("dialog-0", dialog.CommandFailed(refused.ref, "no_such_call", "there is no such call"))
        with pytest.raises(CommandRefused) as caught:
            caller.wait(rejecting)
        assert (caught.value.code, str(caught.value)) == ("no_such_call", "there is no such call")


def test_the_same_key_gives_the_remembered_reply_and_another_command_is_refused(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4", key="once"))
        command = house.expect("dialog-0", call_commands.PlaceCall)
        house.send("dialog-0", dialog.CommandDone(command.ref))
        call = caller.wait(placing)
        assert caller.do(lambda client: client.place("sip:bob@192.0.2.4", key="once")) == call
        with pytest.raises(CommandRefused) as caught:
            caller.do(lambda client: client.place("sip:eve@192.0.2.4", key="once"))
        assert caught.value.code == "key_reused"
        house.settle()
        assert not house.peers["dialog-0"].inbox


def test_a_command_still_pending_is_done_once_for_all_who_ask(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as one, calling(house) as other:
        askings = [caller.ask(lambda client: client.hangup("c1", key="k")) for caller in (one, other)]
        command = house.expect("dialog-0", call_commands.HangUp)
        house.send("dialog-0", dialog.CommandDone(command.ref))
        for caller, asking in zip((one, other), askings, strict=True):
            caller.wait(asking)
        assert not house.peers["dialog-0"].inbox


def test_a_settled_command_is_remembered_by_the_next_control(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4", key="once"))
        command = house.expect("dialog-0", call_commands.PlaceCall)
        house.send("dialog-0", dialog.CommandDone(command.ref))
        call = caller.wait(placing)
    for journal in (tmp_path / "run" / "journal").iterdir():
        journal.unlink()  # as after a reboot: only the state directory is left
    with control(tmp_path, epoch=2) as house, calling(house) as caller:
        assert caller.do(lambda client: client.place("sip:bob@192.0.2.4", key="once")) == call


def test_draining_is_done_when_every_shard_has_done_it(tmp_path: Path) -> None:
    with control(tmp_path, shards=2) as house, calling(house) as caller:
        draining = caller.ask(lambda client: client.drain())
        refs = [house.expect(peer, dialog.Drain).ref for peer in house.peers]
        house.send("dialog-0", dialog.CommandDone(refs[0]))
        house.settle()
        assert not draining.done()
        house.send("dialog-1", dialog.CommandDone(refs[1]))
        caller.wait(draining)


def test_calls_of_all_shards_are_listed_in_as_many_frames_as_it_takes(tmp_path: Path) -> None:
    def info(number: int) -> call_events.CallInfo:
        return call_events.CallInfo(f"c{number}", "in", "confirmed", "sip:" + "a" * 100, "sip:b", float(number), 0.0)

    with control(tmp_path, shards=2) as house, calling(house) as caller:
        listing = caller.ask(lambda client: client.calls())
        for peer, numbers in (("dialog-0", range(0, 2_000, 2)), ("dialog-1", range(1, 2_000, 2))):
            question = house.expect(peer, call_commands.ListCalls)
            house.send(peer, dialog.CommandDone(question.ref, tuple(map(info, numbers))))
        calls = caller.wait(listing)
        assert [call.call for call in calls] == [f"c{number}" for number in range(2_000)]
        assert isinstance(calls[0], CallInfo)


def test_the_tree_is_what_the_supervisor_says(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        asking = caller.ask(lambda client: client.tree())
        house.wait_for(lambda: any(isinstance(report, AskTree) for report, _ in house.reports), "the question")
        ref = next(report.ref for report, _ in house.reports if isinstance(report, AskTree))
        house.supervisor.send(Tree(ref, (ChildStatus("dialog-0", 77, "ready", 2, 3, 12.5),)))
        assert caller.wait(asking) == [Child("dialog-0", 77, "ready", 2, 3, 12.5)]


def test_shutting_down_asks_the_supervisor(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        caller.do(lambda client: client.shut_down())
        house.wait_for(lambda: any(isinstance(report, AskStop) for report, _ in house.reports), "the order")


def test_events_come_numbered_to_every_subscriber(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        live = caller.do(lambda client: client.events())
        house.send("dialog-0", received("c1"), call_events.CallAnswered("c1", "PCMU", 8000, 2.0), ended("c1"))
        events = caller.events(live, 3)
        assert [(event.seq, type(event).__name__, event.call) for event in events] == [
            (2, "CallReceived", "c1"),
            (3, "CallAnswered", "c1"),
            (4, "CallEnded", "c1"),
        ]
        assert events[2].packets_received == 99
        older = caller.do(lambda client: client.events(0))
        all_of_them = caller.events(older, 4)
        assert isinstance(all_of_them[0], ServiceStarted)
        assert all_of_them[1:] == events


def test_events_survive_a_reboot_and_numbers_are_never_used_twice(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house):
        house.send("dialog-0", received("c1"))
        house.settle()
    for journal in (*(tmp_path / "run" / "journal").iterdir(), *(tmp_path / "run" / "peers").iterdir()):
        journal.unlink()
    with control(tmp_path, epoch=2) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events(0))
        kinds = [(event.seq, type(event).__name__) for event in caller.events(stream, 3)]
        assert kinds == [(1, "ServiceStarted"), (2, "CallReceived"), (3, "ServiceStarted")]


def test_a_restart_in_the_same_run_goes_on_with_the_log(tmp_path: Path) -> None:
    with control(tmp_path) as house:
        house.send("dialog-0", received("c1"))
        house.settle()
    with control(tmp_path, epoch=2) as house, calling(house) as caller:
        house.send("dialog-0", ended("c1"))
        stream = caller.do(lambda client: client.events(1))
        assert [(event.seq, type(event).__name__) for event in caller.events(stream, 2)] == [
            (2, "CallReceived"),
            (3, "CallEnded"),
        ]


def test_a_slow_reader_is_told_what_the_log_could_not_keep(tmp_path: Path) -> None:
    with control(tmp_path, max_events=100) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events(0))
        for number in range(1_000):
            house.send("dialog-0", received(f"c{number}"))
        house.settle()
        seen: list[Any] = []
        while not seen or getattr(seen[-1], "seq", 0) < 1_001:
            seen += caller.events(stream, 1)
        position = 0
        for event in seen:
            if isinstance(event, Lost):
                assert event.after == position
                position = event.next - 1
            else:
                assert event.seq == position + 1
                position = event.seq
        assert any(isinstance(event, Lost) for event in seen)


def test_a_shard_that_lost_everything_fails_its_commands_and_ends_its_calls(tmp_path: Path) -> None:
    with control(tmp_path, shards=2) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events())
        house.send("dialog-0", received("c1"))
        house.send("dialog-1", received("c2"))
        more = {f"m{number}" for number in range(100)}
        for each in more:
            house.send("dialog-0", received(each))
        caller.events(stream, 102)
        hanging_up = caller.ask(lambda client: client.hangup("c1"))
        house.expect("dialog-0", call_commands.HangUp)
        _replace_peer(house, "dialog-0", tmp_path)
        with pytest.raises(CommandRefused) as caught:
            caller.wait(hanging_up)
        assert caught.value.code == "lost"
        over = caller.events(stream, 101)
        assert {each.call for each in over} == {"c1", *more}
        assert {(each.outcome, each.by) for each in over} == {("failed", "error")}


def _replace_peer(house: Any, name: str, tmp_path: Path) -> None:
    """Another start of a shard, without the journal of the one before."""
    from tests.runtime.harness import Peer, context_for

    house.peers[name].close()
    (tmp_path / "run" / "peers" / f"{name}.mdb").unlink()
    context, end, theirs = context_for("control", (), tmp_path, epoch=2)
    end.close()
    theirs.close()
    house.peers[name] = Peer(name, context, dialog.FromControl)


@pytest.mark.parametrize(
    ("place", "code", "field"),
    [
        ({"uri": "bob"}, "bad_uri", "uri"),
        ({"uri": "tel:+123"}, "bad_uri", "uri"),
        ({"uri": "sip:b ob"}, "bad_uri", "uri"),
        ({"uri": "sip:bob", "caller": "me"}, "bad_uri", "caller"),
        ({"uri": "sip:bob", "duration": -1}, "bad_value", "duration"),
        ({"uri": "sip:bob", "headers": [("Via", "x")]}, "bad_value", "headers[0][0]"),
        ({"uri": "sip:bob", "headers": [("X-A", "x"), ("X B", "x")]}, "bad_value", "headers[1][0]"),
        ({"uri": "sip:bob", "echo": True, "play": "x.wav"}, "bad_value", "treatment.play"),
        ({"uri": "sip:bob", "play": "/nowhere/x.wav", "hang_up_after_play": True}, "bad_value", "treatment.play"),
    ],
)
def test_a_command_that_cannot_work_is_refused_with_the_field(
    tmp_path: Path, place: dict[str, Any], code: str, field: str
) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        with pytest.raises(CommandRefused) as caught:
            caller.do(lambda client: client.place(**place))
        assert (caught.value.code, caught.value.field) == (code, field)
        house.settle()
        assert not house.peers["dialog-0"].inbox


def test_who_stops_says_so_to_everyone(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events())
        waiting = caller.ask(lambda client: client.hangup("c1"))
        house.expect("dialog-0", call_commands.HangUp)
        assert house.stop(drain=True) == 0
        with pytest.raises(CommandRefused) as caught:
            waiting.result(10)
        assert caught.value.code == "stopping"
        assert caller.ask(lambda _: stream.receive(10)).result(20) is None
        assert stream.ended


def test_who_stops_waits_for_the_end_of_a_call_that_is_on_its_way(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        stream = caller.do(lambda client: client.events())
        house.send("dialog-0", call_events.CallReceived("c1", "sip:a@h", "sip:b@h", "", 1.0))
        waiting = caller.ask(lambda client: client.hangup("c1"))
        house.expect("dialog-0", call_commands.HangUp)
        house.supervisor.send(Stop(drain=True))
        with pytest.raises(CommandRefused):
            waiting.result(10)
        house.send("dialog-0", call_events.CallEnded("c1", "answered", 200, "", "local", 1.0, 2.0, 3.0))
        assert house.stop() == 0
        seen = [caller.ask(lambda _: stream.receive(10)).result(20) for _ in range(3)]
        assert [type(event).__name__ for event in seen] == ["CallReceived", "CallEnded", "NoneType"]


@pytest.mark.parametrize(
    "frames",
    [
        [b"\x91" * 5_000],
        [b"\x80" * 60_000],
        [b""],
        [b"a", b"b"],
        [b""] * 10_000,
        [pack({"v": 1, "op": "calls"})],
    ],
    ids=["nested", "empty maps", "nothing", "two parts", "10,000 parts", "no id"],
)
def test_faults_67_and_68_what_is_no_frame_is_dropped_and_counted(tmp_path: Path, frames: list[bytes]) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        context: zmq.Context[Any] = zmq.Context()
        with context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 1_000)
            dealer.connect(f"ipc://{house.context.run_dir / 'control'}")
            dealer.send_multipart(frames)
            dealer.send(encode_request(Request("1", "", 5.0, HangUp(""))))
            assert decode_frame(dealer.recv())[:2] == ("1", "bad_value")
        context.term()
        with Client(house.context.run_dir) as client:
            assert client.service.malformed == 1
        assert caller.client.service.malformed == 0


def test_fault_68_a_frame_too_large_or_no_zeromq_at_all_costs_its_own_connection_only(tmp_path: Path) -> None:
    from tests.control.api import raw_connection

    with control(tmp_path) as house, calling(house) as caller:
        context: zmq.Context[Any] = zmq.Context()
        with context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(f"ipc://{house.context.run_dir / 'control'}")
            dealer.send(b"x" * 10_000_000)
            with raw_connection(house.context.run_dir / "control") as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"\xff" * 100)
                connection.settimeout(10)
                while connection.recv(1_000):
                    pass
            placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4"))
            command = house.expect("dialog-0", call_commands.PlaceCall)
            house.send("dialog-0", dialog.CommandDone(command.ref))
            assert caller.wait(placing) == command.call
        context.term()


def test_a_shard_with_too_much_to_do_gets_no_new_call(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        house.actor.soft_window = -1
        with pytest.raises(CommandRefused) as caught:
            caller.do(lambda client: client.place("sip:bob@192.0.2.4"))
        assert caught.value.code == "busy"


def test_a_command_that_takes_too_long_may_yet_be_done(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house):
        context: zmq.Context[Any] = zmq.Context()
        with context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(f"ipc://{house.context.run_dir / 'control'}")
            request = encode_request(Request("1", "k", 0.05, Place("sip:bob@192.0.2.4")))
            dealer.send(request)
            command = house.expect("dialog-0", call_commands.PlaceCall)
            assert decode_frame(dealer.recv())[:2] == ("1", "timeout")
            house.send("dialog-0", dialog.CommandDone(command.ref))
            house.settle()
            dealer.send(request)
            frame: Any = decode_frame(dealer.recv())
            assert frame.result == Placed(command.call)._asdict()
        context.term()


def test_who_comes_late_gets_the_calls_and_accounts_there_are_and_then_the_events(tmp_path: Path) -> None:
    with control(tmp_path, shards=2) as house, calling(house) as caller, calling(house) as worker:
        house.send("dialog-0", received("c0"))
        worker.do(lambda client: client.calls["c0"].claim(worker="one"))
        asking = caller.ask(lambda client: client.events(state=True))
        for number, peer in enumerate(house.peers):
            question = house.expect(peer, dialog.ListState)
            call = call_events.CallInfo(f"c{number}", "in", "confirmed", "sip:a", "sip:b", float(number), 0.0)
            line = AccountInfo(f"sip:{number}@h", "registered", 9.0, 0.0, 200, "OK", "sip:me")
            house.send(peer, received("new"), dialog.CommandDone(question.ref, (call,), (line,)))
        stream = caller.wait(asking)
        assert [(call.call, call.claimed, call.worker) for call in stream.state] == [
            ("c0", True, "one"),
            ("c1", False, ""),
        ]
        assert [(each.account, each.state) for each in stream.accounts] == [
            ("sip:0@h", "registered"),
            ("sip:1@h", "registered"),
        ]
        assert [event.call for event in caller.events(stream, 2)] == ["new", "new"]


def test_registrations_are_listed_by_account_and_told_to_begin_and_end(tmp_path: Path) -> None:
    with control(tmp_path, shards=2) as house, calling(house) as caller:
        asking = caller.ask(lambda client: client.registrations())
        for number, peer in enumerate(house.peers):
            question = house.expect(peer, account_events.ListAccounts)
            line = AccountInfo(f"sip:{1 - number}@h", "failing", 0.0, 8.0, 403, "Forbidden", "")
            house.send(peer, dialog.CommandDone(question.ref, (), (line,)))
        assert [(each.account, each.state) for each in caller.wait(asking)] == [
            ("sip:0@h", "failing"),
            ("sip:1@h", "failing"),
        ]
        leaving = caller.ask(lambda client: client.registrations.unregister("sip:0@h", everything=True))
        house.wait_for(lambda: any(peer.inbox for peer in house.peers.values()), "a command")
        owner = next(name for name, peer in house.peers.items() if peer.inbox)
        command = house.expect(owner, account_events.UnregisterAccount)
        assert (command.account, command.everything) == ("sip:0@h", True)
        house.send(owner, dialog.CommandDone(command.ref))
        caller.wait(leaving)


def test_a_subscriber_gets_the_topics_and_the_call_that_it_asked_for(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        ends = caller.do(lambda client: client.events(topics=["CallEnded"]))
        one = caller.do(lambda client: client.events(call="c2", topics=["Call*"]))
        for call in ("c1", "c2"):
            house.send("dialog-0", received(call), ended(call))
        assert [(type(event).__name__, event.call) for event in caller.events(ends, 2)] == [
            ("CallEnded", "c1"),
            ("CallEnded", "c2"),
        ]
        assert [(type(event).__name__, event.call) for event in caller.events(one, 2)] == [
            ("CallReceived", "c2"),
            ("CallEnded", "c2"),
        ]


def test_the_casual_listen_to_the_feed_without_a_word_to_control(tmp_path: Path) -> None:
    with control(tmp_path) as house:
        path = house.context.run_dir / "feed"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        context: zmq.Context[Any] = zmq.Context()
        with context.socket(zmq.SUB) as listener:
            listener.connect(f"ipc://{path}")
            listener.subscribe(b"CallEnded")
            house.wait_for(lambda: house.actor._feed.listened_to, "the listener")
            house.send("dialog-0", received("c1"), ended("c1"))
            house.settle()
            topic, event = listener.recv_multipart()
            assert topic == b"CallEnded c1"
            assert unpack(event)["outcome"] == "answered"
        context.term()
    assert not path.exists()


def test_fault_69_a_worker_that_stops_reading_costs_nobody_else_anything(tmp_path: Path) -> None:
    with control(tmp_path, max_events=200) as house, calling(house) as caller:
        context: zmq.Context[Any] = zmq.Context()
        with context.socket(zmq.DEALER) as deaf:
            deaf.setsockopt(zmq.LINGER, 0)
            deaf.setsockopt(zmq.RCVHWM, 1)
            deaf.setsockopt(zmq.SNDHWM, 0)
            deaf.connect(f"ipc://{house.context.run_dir / 'control'}")
            deaf.send(encode_request(Request("s", "", 5.0, Subscribe(0, 1_024))))
            for number in range(5_000):
                deaf.send(encode_request(Request(str(number), "", 5.0, HangUp(""))))
            stream = caller.do(lambda client: client.events())
            for number in range(1_000):
                house.send("dialog-0", received(f"c{number}"))
            house.settle()
            seen = 0
            while seen < 1_000:  # some as lost, for the log is short
                event = caller.events(stream, 1)[0]
                seen = event.next - 2 if isinstance(event, Lost) else event.seq - 1
            placing = caller.ask(lambda client: client.place("sip:bob@192.0.2.4"))
            command = house.expect("dialog-0", call_commands.PlaceCall)
            house.send("dialog-0", dialog.CommandDone(command.ref))
            assert caller.wait(placing) == command.call
            house.settle()
            assert len(house.actor._chronicle.log) <= 200
        context.term()
