"""What a step of a LayerActor may do besides telling: defer, keep, watch, wake; and what ends the actor."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.actor import LayerActor
from actors.runtime.channel import AskTree, Tree
from actors.runtime.link import NEVER
from actors.runtime.machine import Event
from tests.runtime.harness import Harness


class Please(Event, frozen=True):
    what: str


class Said(Event, frozen=True):
    what: str


class Doer(LayerActor):
    """Does what its user asks; the settings are a socket it reads from."""

    accepts = {"user": Please}  # noqa: RUF012
    cell_type = str

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.wake_at: float | None = None

    def started(self) -> None:
        if self.context.settings is not None:
            self.mailbox.watch(self.context.settings.fileno(), self.readable)
        if self.kept(b"starts") == b"2":
            raise OSError("no third start")
        self.keep(b"starts", b"%d" % (int(self.kept(b"starts") or 0) + 1))

    def handle(self, peer: str, message: Please, now: float) -> None:
        getattr(self, message.what)(peer, now)

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        raise AssertionError(f"nobody armed {key!r}")

    def deferring(self, peer: str, _now: float) -> None:
        assert self.cells.get(b"cell") is None
        self.cells.put(b"cell", "before")
        self.defer(self.say_cell, peer)

    def say_cell(self, peer: str) -> None:
        self.tell(peer, Said(f"{self._journal.cell(b'cell')!r}"))

    def failing(self, peer: str, _now: float) -> None:
        self.defer(self.say_cell, peer)
        self.keep(b"starts", b"broken")
        self.tell(peer, Said("never"))
        raise RuntimeError("after all that")

    def defer_failing(self, peer: str, now: float) -> None:
        self.defer(self.failing, peer, now)

    def starts(self, peer: str, _now: float) -> None:
        self.tell(peer, Said((self.kept(b"starts") or b"").decode()))

    def alarm(self, _peer: str, now: float) -> None:
        self.wake_at = now + 0.004

    def tree(self, _peer: str, _now: float) -> None:
        self.context.channel.ask_tree("ref")

    def end(self, _peer: str, _now: float) -> None:
        self.finish()
        self.finish()

    def next_wake(self) -> float | None:
        return self.wake_at

    def wake(self, now: float) -> None:
        assert self.wake_at is not None
        self.tell("user", Said("early" if now < self.wake_at else "awake"))
        self.wake_at = None

    def tree_told(self, tree: Tree, now: float) -> None:  # noqa: ARG002
        self.tell("user", Said(tree.ref))

    def readable(self, _now: float) -> bool:
        data = self.context.settings.recv(1)
        self.tell("user", Said(data.decode()))
        if data == b"!":
            raise ValueError("not a letter")
        return False


def doer(tmp_path: Path, settings: Any = None, epoch: int = 1) -> Harness:
    return Harness(Doer, "doer", settings, peers={"user": Said}, tmp_path=tmp_path, epoch=epoch)


def ask(it: Harness, *what: str) -> None:
    it.send("user", *(Please(name) for name in what))


def test_what_is_deferred_runs_after_the_commit_and_may_tell(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "deferring")
        assert it.expect("user", Said).what == r"b'\xa6before'"


def test_a_failed_step_defers_keeps_and_tells_nothing(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "failing", "defer_failing", "no_such_thing", "starts")
        assert it.expect("user", Said).what == "1"
        it.settle()
        assert not it.peers["user"].inbox


def test_what_is_kept_comes_back_and_a_failure_in_started_ends_it(tmp_path: Path) -> None:
    for epoch in (1, 2):
        with doer(tmp_path, epoch=epoch) as it:
            ask(it, "starts")
            assert it.expect("user", Said).what == str(epoch)
    it = doer(tmp_path, epoch=3)
    with pytest.raises(AssertionError, match="no third start"), it:
        pass
    assert it.stop() == 70


def test_a_callback_that_raises_tells_nothing_and_is_called_again(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, doer(tmp_path, ours) as it:
        theirs.send(b"a!b")
        assert [it.expect("user", Said).what for _ in range(2)] == ["a", "b"]
        assert it.stop() == 0


def test_it_wakes_when_it_asked_to_and_not_before(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "alarm")
        assert it.expect("user", Said).what == "awake"


def test_the_tree_is_asked_for_and_told(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "tree")
        it.wait_for(lambda: any(isinstance(report, AskTree) for report, _ in it.reports), "the question")
        it.supervisor.send(Tree("ref", ()))
        assert it.expect("user", Said).what == "ref"


def test_finish_leaves_the_loop_in_order(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "end")
        it.join()
        assert it.exit_code == 0


def test_a_stop_by_its_reference_is_in_order_too(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        it.actor.actor_ref.stop()
        it.join()
        assert it.exit_code == 0


def test_an_actor_whose_successor_has_its_journal_ends_without_committing(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        ask(it, "starts")
        it.expect("user", Said)
        it.settle()
        with it.actor._journal._env.begin(write=True) as txn:  # LMDB opens a file once only in a process
            txn.put(b"m!epoch", (9).to_bytes(8, "big"))
        ask(it, "deferring")
        it.join()
        assert it.exit_code == 70


def test_a_peer_that_lags_or_a_full_journal_is_busy(tmp_path: Path) -> None:
    with doer(tmp_path) as it:
        assert not it.actor.busy("user")
        it.actor._journal.full = True
        assert it.actor.busy("user")
        it.actor._journal.full = False
        it.actor.soft_window = -1
        assert it.actor.busy("user")


class Durable(Doer):
    durable = True


def test_a_durable_journal_is_in_the_state_directory_and_synced_soon(tmp_path: Path) -> None:
    with Harness(Durable, "doer", peers={"user": Said}, tmp_path=tmp_path) as it:
        ask(it, "starts")
        it.expect("user", Said)
        assert it.actor._journal.durable
        it.wait_for(lambda: it.actor._ledger.flush_at == NEVER, "a flush")
    assert (tmp_path / "state" / "journal" / "doer.mdb").exists()
