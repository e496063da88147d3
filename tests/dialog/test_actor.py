"""The dialog actor as it runs: real pipes, a real journal, its neighbours played by the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import pytest

import actors.media.events as media
import actors.transaction.events as transaction
import actors.transport.events as transport
from actors.dialog import call_commands, call_events, call_table, events
from actors.dialog.actor import DialogActor
from actors.dialog.call import Call, Given, Input, State
from actors.dialog.settings import Answer, DialogSettings
from actors.runtime.channel import Stop
from actors.runtime.machine import Effects
from actors.sip import parse
from tests.dialog.phone import FLOW, NEAR, OFFER, answer_to, invite, key_of, message, place
from tests.runtime.harness import Harness

PEERS = {
    "transaction-0": transaction.FromUser,
    "transport": transport.FromDialog,
    "media-0": media.FromDialog,
    "control": events.ToControl,
}


def served(tmp_path: Path, mode: str = "echo", **more: Any) -> Harness:
    settings = DialogSettings(answer=Answer(mode=mode, path="/tmp/a.wav"))
    return Harness(DialogActor, "dialog-0", settings, peers=PEERS, tmp_path=tmp_path, **more)


def ask(it: Harness, raw: bytes) -> None:
    head = parse(raw).head
    if head.method == "ACK":
        it.send("transaction-0", transaction.AckReceived(FLOW, head, raw))
    else:
        it.send("transaction-0", transaction.RequestReceived(key_of(head), FLOW, head, raw), journalled=False)


def prepared(it: Harness) -> str:
    session: str = it.expect("media-0", media.PrepareSession).session
    it.send("media-0", media.SessionPrepared(session, "192.0.2.1", 16384))
    return session


def take_call(it: Harness, **more: str) -> tuple[str, str]:
    """A call in, answered and acknowledged; gives our tag and the session."""
    ask(it, invite(**more))
    session = prepared(it)
    assert it.expect("transaction-0", transaction.Respond).status == 180
    ok = it.expect("transaction-0", transaction.Respond)
    assert ok.status == 200
    start = it.expect("media-0", media.StartSession)
    assert (start.host, start.port, start.send) == ("192.0.2.9", 7000, media.Format(0, "PCMU", 8000))
    assert it.expect("media-0", media.Echo).session == session
    for kind in (call_events.CallReceived, call_events.CallProgressed, call_events.CallAnswered):
        it.expect("control", kind)
    tag = parse(ok.raw).head.to_tag
    ask(it, message("ACK", to_tag=tag, **more))
    return tag, session


def end_call(it: Harness, session: str) -> call_events.CallEnded:
    assert it.expect("media-0", media.CloseSession).session == session
    it.send("media-0", media.SessionClosed(session, 1, 2, 3, 0.5))
    ended: call_events.CallEnded = it.expect("control", call_events.CallEnded)
    return ended


def test_a_call_in_from_invite_to_bye(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        tag, session = take_call(it)
        ask(it, message("BYE", to_tag=tag, cseq=2))
        assert it.expect("transaction-0", transaction.Respond).status == 200
        ended = end_call(it, session)
        assert (ended.outcome, ended.packets_lost) == ("answered", 3)
        it.settle()
        assert not len(it.actor.cells)
        assert it.stop() == 0


def test_a_call_out_with_its_commands(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        it.send("control", place())
        assert it.expect("control", events.CommandDone).ref == "r1"
        find = it.expect("transport", transport.Locate)
        it.send("transport", transport.Located(find.ref, (NEAR,)))
        session = prepared(it)
        sent = it.expect("transaction-0", transaction.SendRequest)
        raw = answer_to(sent.raw, 200, body=OFFER)
        it.send("transaction-0", transaction.ResponseReceived(sent.key, parse(raw).head, raw))
        assert it.expect("transaction-0", transaction.SendDirect).target == NEAR.target
        it.expect("media-0", media.StartSession)
        it.expect("media-0", media.Echo)
        for kind in (call_events.CallPlaced, call_events.CallAnswered):
            it.expect("control", kind)
        it.send("control", call_commands.HangUp("h", "call-1@host"))
        it.expect("control", events.CommandDone)
        bye = it.expect("transaction-0", transaction.SendRequest)
        assert bye.key.method == "BYE"
        it.send("transaction-0", transaction.TransactionFailed(bye.key, client=True, status=408, reason="silence"))
        assert it.expect("transport", transport.TargetFailed).target == NEAR.target
        assert end_call(it, session).by == "local"


def test_a_successor_goes_on_with_the_call_and_the_drain(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        tag, session = take_call(it)
        it.send("control", events.Drain("d", on=True))
        it.expect("control", events.CommandDone)
        it.settle()
    with served(tmp_path, epoch=2) as it:
        ask(it, invite(branch="new", Call_ID="new@peer"))
        assert it.expect("transaction-0", transaction.Respond).status == 503
        ask(it, message("BYE", to_tag=tag, cseq=2))
        assert it.expect("transaction-0", transaction.Respond).status == 200
        assert end_call(it, session).outcome == "answered"


def test_a_drain_ends_with_the_ordered_stop_after_it(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        it.send("control", events.Drain("d", on=True))
        it.expect("control", events.CommandDone)
        assert it.stop(drain=True) == 0
    with served(tmp_path, epoch=2) as it:
        take_call(it)


def test_a_successor_refuses_calls_as_it_was_told(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        it.send("control", events.DoNotDisturb("d", 486))
        it.expect("control", events.CommandDone)
        it.settle()
    with served(tmp_path, epoch=2) as it:
        ask(it, invite())
        assert it.expect("transaction-0", transaction.Respond).status == 486


def test_an_ordered_stop_hangs_up_first(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        _, session = take_call(it)
        it.settle()
        it.supervisor.send(Stop(drain=True))
        bye = it.expect("transaction-0", transaction.SendRequest)
        raw = answer_to(bye.raw, 200)
        it.send("transaction-0", transaction.ResponseReceived(bye.key, parse(raw).head, raw))
        end_call(it, session)
        it.wait_for(lambda: it.exit_code is not None, "the end")
        assert it.exit_code == 0


def test_a_cell_that_cannot_be_believed_keeps_no_other_call_from_its_goodbye(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        tags = [take_call(it, Call_ID=f"{n}@192.0.2.9", branch=f"{n}")[0] for n in range(3)]
        it.settle()
    path = str(tmp_path / "run" / "journal" / "dialog-0.mdb")
    with lmdb.open(path, subdir=False) as journal, journal.begin(write=True) as txn:
        key = b"c" + tags[1].encode()
        txn.put(key, txn.get(key)[:-1] + b"?")
    with served(tmp_path, epoch=2) as it:
        it.supervisor.send(Stop(drain=True))
        byes = [parse(it.expect("transaction-0", transaction.SendRequest).raw).head for _ in range(2)]
        assert {bye.from_tag for bye in byes} == {tags[0], tags[2]}


def test_a_media_process_that_lost_everything_ends_its_calls(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        take_call(it)
        it.settle()
    for file in (tmp_path / "run" / "peers").glob("media-0*"):
        file.unlink()
    with served(tmp_path, epoch=2) as it:
        assert it.expect("transaction-0", transaction.SendRequest).key.method == "BYE"
        assert it.expect("control", call_events.CallEnded).outcome == "failed"


def test_an_idle_actor_stops_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as it:
        assert it.stop(drain=True) == 0


def test_a_step_that_breaks_is_answered_and_ends_its_call_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
        raise ZeroDivisionError(call.tag, given, now)

    edge = call_table.CALL.edge(State.CONFIRMED, Input.BYE)
    assert edge is not None
    with served(tmp_path) as it:
        tag, session = take_call(it)
        it.settle()
        monkeypatch.setitem(call_table.CALL._edges, (edge.state, edge.input), edge._replace(actions=(broken,)))
        ask(it, message("BYE", to_tag=tag, cseq=2))
        assert it.expect("transaction-0", transaction.Respond).status == 500
        assert it.expect("media-0", media.CloseSession).session == session
        assert it.expect("transaction-0", transaction.SendRequest).key.method == "BYE"
        assert it.expect("control", call_events.CallEnded).by == "error"
        monkeypatch.undo()
        ask(it, message("OPTIONS"))
        assert it.expect("transaction-0", transaction.RespondDirect).raw.startswith(b"SIP/2.0 200 ")


@pytest.mark.parametrize("harm", ["cut", "flipped", "of another version"])
def test_a_call_whose_cell_cannot_be_read_is_closed_told_and_unknown_to_its_peer(tmp_path: Path, harm: str) -> None:
    with served(tmp_path) as it:
        tag, session = take_call(it)
        it.settle()
        (path,) = (tmp_path / "run").rglob("dialog-0.mdb")
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as txn:
        key = b"c" + tag.encode()
        sealed = bytearray(txn.get(key))
        if harm == "cut":
            del sealed[-10:]
        else:
            sealed[0 if harm == "of another version" else -1] ^= 1
        txn.put(key, bytes(sealed))
    with served(tmp_path, epoch=2) as it:
        ask(it, message("BYE", to_tag=tag, cseq=2))
        assert it.expect("transaction-0", transaction.Respond).status == 481
        closed = [it.expect("media-0", media.CloseSession).session for _ in range(2)]
        assert closed[0] == session  # which of those that it may have had, nobody knows any more
        ended = it.expect("control", call_events.CallEnded)
        assert (ended.call.partition("-")[0], ended.outcome, ended.by) == (tag, "failed", "error")
        ask(it, message("BYE", to_tag=tag, cseq=3))
        assert it.expect("transaction-0", transaction.Respond).status == 481
        ask(it, invite(branch="new", Call_ID="new@peer"))
        prepared(it)
