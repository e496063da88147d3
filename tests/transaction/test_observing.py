"""Every step of every machine can be looked on, by the layer's hook and by the shard's stream; else nothing is made."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import zmq

from actors.transaction import transitions
from actors.transaction.events import CancelRequest, RequestReceived, Respond, RespondDirect, SendDirect, SendRequest
from actors.transaction.layer import Layer
from actors.transaction.observing import Stream, observing
from actors.transaction.observing import transitions as coming
from actors.transaction.transitions import Transition
from tests.transaction.messages import TO_UDP, UDP, client_key, head_of, request, response, server_key
from tests.transaction.test_actor import CALM, INVITE, answer, arrives, shard

SECRET = b"sixteen bytes ok"


def line(step: Transition) -> str:
    return f"{step.before} {step.event} {step.after}"


@pytest.fixture
def seen() -> list[Transition]:
    return []


@pytest.fixture
def layer(seen: list[Transition]) -> Layer:
    watched = Layer(SECRET)
    watched.watcher = seen.append
    return watched


def test_a_call_in_is_seen_step_by_step_with_its_messages(layer: Layer, seen: list[Transition]) -> None:
    """What osip tells by a callback for each message of each machine, and by one for each machine's end."""
    layer.receive(UDP, head_of(INVITE), INVITE, 1.0)
    layer.expire(1.2)
    ok = response(INVITE, 200)
    layer.receive(UDP, head_of(INVITE), INVITE, 1.5)
    layer.send(Respond(server_key(INVITE), 200, ok), 2.0)
    layer.receive(UDP, head_of(INVITE), INVITE, 2.1)
    layer.expire(40.0)
    assert {(step.machine, step.key) for step in seen} == {("INVITE server transaction", server_key(INVITE))}
    assert [(line(step), step.message, step.time) for step in seen] == [
        ("INITIAL REQUEST PROCEEDING", INVITE, 1.0),
        ("PROCEEDING TIMER_TRYING PROCEEDING", b"", 1.2),
        ("PROCEEDING REQUEST PROCEEDING", INVITE, 1.5),
        ("PROCEEDING SUCCESS ACCEPTED", ok, 2.0),
        ("ACCEPTED REQUEST ACCEPTED", INVITE, 2.1),
        ("ACCEPTED TIMER_L TERMINATED", b"", 40.0),
    ]
    assert len(layer.cells) == 0


def test_a_call_out_is_seen_with_its_cancel(layer: Layer, seen: list[Transition]) -> None:
    key = client_key(INVITE)
    layer.send(SendRequest(key, TO_UDP, INVITE), 0.0)
    layer.send(CancelRequest(key), 0.1)
    ringing = response(INVITE, 180)
    layer.receive(UDP, head_of(ringing), ringing, 0.2)
    layer.transmit_failed(key, "refused", 0.3)
    assert [(step.key.method, line(step)) for step in seen] == [
        ("INVITE", "INITIAL SEND CALLING"),
        ("INVITE", "CALLING CANCEL CANCEL_HELD"),
        ("INVITE", "CANCEL_HELD PROVISIONAL CANCELLING"),
        ("CANCEL", "INITIAL SEND TRYING"),
        ("INVITE", "CANCELLING TRANSPORT_ERROR CANCELLING"),
    ]
    assert [step.message.split(b" ")[0] for step in seen] == [b"INVITE", b"", b"SIP/2.0", b"CANCEL", b""]


def test_what_belongs_to_no_machine_is_seen_too(layer: Layer, seen: list[Transition]) -> None:
    """The ACK to a 2xx, ours and theirs (RFC 3261 s17.1.1.3), and what is answered without a machine (s8.2.7)."""
    theirs, ours = request("ACK", to_tag="t"), request("ACK", to_tag="u")
    layer.receive(UDP, head_of(theirs), theirs, 1.0)
    layer.send(SendDirect(TO_UDP, ours), 2.0)
    layer.send(RespondDirect(UDP, response(INVITE, 200)), 3.0)
    assert [(step.machine, line(step), step.message) for step in seen] == [
        ("", " RECEIVE ", theirs),
        ("", " SEND ", ours),
        ("", " SEND ", response(INVITE, 200)),
    ]


def test_while_nobody_observes_no_transition_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.transaction.keeping.transition", None)
    unwatched = Layer(SECRET)
    unwatched.receive(UDP, head_of(INVITE), INVITE, 1.0)
    unwatched.send(Respond(server_key(INVITE), 200, response(INVITE, 200)), 2.0)
    unwatched.expire(40.0)
    assert transitions.transition is not None


def test_a_shard_tells_its_observers_and_only_them(tmp_path: Path) -> None:
    message = request("MESSAGE", branch="z9hG4bKo", call_id="o")
    with shard(tmp_path, CALM) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        with observing(tmp_path / "run") as socket, observing(tmp_path / "run") as other:
            for method in (180, 200):
                answer(it, INVITE, method)
            told = [next(coming(socket, timeout=30.0)) for _ in range(2)]
            assert [next(coming(other, timeout=30.0)) for _ in range(2)] == told
        assert [(each.shard, each.number) for each in told] == [("transaction-0", 1), ("transaction-0", 2)]
        assert [line(each.transition) for each in told if each.transition is not None] == [
            "PROCEEDING PROVISIONAL PROCEEDING",
            "PROCEEDING SUCCESS ACCEPTED",
        ]
        it.wait_for(lambda: it.actor._layer.watcher is None, "the shard sees that nobody is left")
        arrives(it, message)
        it.expect("dialog-0", RequestReceived)
        with observing(tmp_path / "run") as socket:
            answer(it, message, 200)
            last = next(coming(socket, timeout=30.0))
            assert (last.number, last.shard) == (3, "transaction-0")


def test_an_observer_stays_over_a_restart_of_the_shard(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        with observing(tmp_path / "run") as socket:
            answer(it, INVITE, 180)
            assert next(coming(socket, timeout=30.0)).number == 1
            it.__exit__(None, None, None)
            with shard(tmp_path, epoch=2) as successor:
                # A ZeroMQ socket subscribes again when it is next asked for something.
                successor.wait_for(
                    lambda: socket.poll(1) >= 0 and successor.actor._stream.observers == 1, "the observer comes again"
                )
                answer(successor, INVITE, 200)
                last = next(coming(socket, timeout=30.0))
    assert last.transition is not None
    assert (last.number, line(last.transition)) == (1, "PROCEEDING SUCCESS ACCEPTED")


def test_a_stream_that_cannot_be_bound_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(zmq.ZMQError):
        Stream(tmp_path / "missing", "transaction-0")


def test_a_shard_that_breaks_down_frees_its_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shard(tmp_path) as it:
        monkeypatch.setattr("actors.transaction.layer.Layer.receive", exiting)
        arrives(it, INVITE)
        it.join()
        assert it.exit_code == 70
        Stream(tmp_path / "run", "transaction-0").close()


def exiting(*_: object) -> None:
    raise SystemExit


class LeftMeanwhile:
    """A socket whose observers are gone before it is looked at again after it has sent."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket
        self.left = threading.Event()

    def send(self, data: bytes, flags: int) -> None:
        self.socket.send(data, flags)
        assert self.left.wait(30.0)
        assert self.socket.poll(30_000)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


def test_who_leaves_while_a_transition_is_sent_is_seen_to_have_left(tmp_path: Path) -> None:
    with shard(tmp_path, CALM) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        with observing(tmp_path / "run") as socket:
            it.actor._stream._socket = leaving = LeftMeanwhile(it.actor._stream._socket)
            answer(it, INVITE, 180)
            it.wait_for(lambda: bool(socket.poll(0)), "the transition")
        leaving.left.set()
        it.wait_for(lambda: it.actor._layer.watcher is None, "the shard sees that nobody is left")
