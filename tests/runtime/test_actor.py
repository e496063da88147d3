"""LayerActor: atomic steps, quarantine, one commit a batch, restored state, ordered and disordered ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.runtime.actor import LayerActor
from actors.runtime.machine import Event
from tests.runtime.harness import Harness


class Add(Event, frozen=True):
    key: bytes
    amount: int
    linger: float = 0.0


class Sum(Event, frozen=True):
    key: bytes
    total: int


class Gone(Event, frozen=True):
    key: bytes
    why: str


class Total(msgspec.Struct, frozen=True, array_like=True):
    total: int


Told = Sum | Gone


class Adder(LayerActor):
    """Adds up; an amount of 13 breaks it half way, 99 makes it exit."""

    accepts = {"user": Add}  # noqa: RUF012
    cell_type = Total

    def handle(self, peer: str, message: Add, now: float) -> None:
        cell = self.cells.get(message.key) or Total(0)
        total = cell.total + message.amount
        self.cells.put(message.key, Total(total), now + message.linger if message.linger else None)
        self.tell(peer, Sum(message.key, total))
        if message.amount == 13:
            raise ValueError("unlucky")
        if message.amount == 99:
            raise SystemExit(0)

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        self.cells.delete(key)
        self.tell("user", Gone(key, "expired"))

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ARG002
        self.tell("user", Gone(key, f"{error} after {cell.total if cell else None}"))

    def peer_reset(self, peer: str, now: float) -> None:  # noqa: ARG002
        self.tell("user", Gone(b"", "reset"))


class Losing(Adder):
    """Ends what it has when its peer has lost all, one cell a step; it may die before the first of them."""

    dies = False

    def peer_reset(self, peer: str, now: float) -> None:  # noqa: ARG002
        for key in tuple(self.cells.keys()):
            self.defer(self._lose, key)

    def _lose(self, key: bytes) -> None:
        if self.dies:
            raise SystemExit(0)
        self.cells.delete(key)
        self.tell("user", Gone(key, "lost"))


class Dying(Losing):
    dies = True


def adder(tmp_path: Path, epoch: int = 1, **more: Any) -> Harness:
    return Harness(Adder, "adder", peers={"user": Told}, tmp_path=tmp_path, epoch=epoch, **more)


def test_a_message_changes_its_cell_and_answers(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Add(b"a", 2), Add(b"a", 3), Add(b"b", 1))
        assert [it.expect("user", Sum).total for _ in range(3)] == [2, 5, 1]
        assert it.stop() == 0


def test_what_a_neighbour_sends_and_nobody_can_read_is_counted_where_operators_look(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Sum(b"a", 1), Add(b"a", 2))  # the first is none of what we accept
        assert it.expect("user", Sum).total == 2
        counted = {name: value for name, _, of, value in it.actor.figures() if of == "adder"}
        assert counted["pipe_malformed_total"] == 1
        assert (counted["cells"], counted["pipe_unsent_total"]) == (1, 0)


def test_a_successor_goes_on_with_cells_and_deadlines(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Add(b"a", 2), Add(b"b", 5, linger=0.2))
        it.expect("user", Sum)
        it.expect("user", Sum)
    with adder(tmp_path, epoch=2) as it:
        it.send("user", Add(b"a", 3))
        assert it.expect("user", Sum) == Sum(b"a", 5)
        assert it.expect("user", Gone) == Gone(b"b", "expired")


def test_a_step_that_raises_is_undone_and_spoils_only_its_cell(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Add(b"a", 2), Add(b"b", 1), Add(b"a", 13), Add(b"b", 1), Add(b"a", 1))
        assert it.expect("user", Sum) == Sum(b"a", 2)
        assert it.expect("user", Sum) == Sum(b"b", 1)
        assert it.expect("user", Gone) == Gone(b"a", "unlucky after 2")
        assert it.expect("user", Sum) == Sum(b"b", 2)
        assert it.expect("user", Sum) == Sum(b"a", 1)
        assert it.stop() == 0


def test_too_many_quarantines_end_it_after_their_commit(tmp_path: Path) -> None:
    it = adder(tmp_path)
    with it:
        it.send("user", *(Add(b"%d" % n, 13) for n in range(11)))
        it.join()
        assert it.exit_code == 70
    with adder(tmp_path, epoch=2) as again:
        gone = [again.expect("user", Gone).key for _ in range(11 - len(it.peers["user"].inbox))]
        assert len(gone) + len(it.peers["user"].inbox) == 11
        again.send("user", Add(b"0", 1))
        assert again.expect("user", Sum) == Sum(b"0", 1)


def test_an_exit_inside_a_step_is_a_failure_of_this_actor_and_loses_nothing(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Add(b"a", 99))
        it.join()
        assert it.exit_code == 70
    with pytest.raises(AssertionError, match="the actor failed"), adder(tmp_path, epoch=2) as it:
        it.expect("user", Sum)


def test_a_peer_that_lost_its_journal_is_reported(tmp_path: Path) -> None:
    with adder(tmp_path) as it:
        it.send("user", Add(b"a", 2))
        it.expect("user", Sum)
    (tmp_path / "run" / "peers" / "user.mdb").unlink()
    with adder(tmp_path, epoch=2) as it:
        assert it.expect("user", Gone) == Gone(b"", "reset")
        it.send("user", Add(b"a", 2))
        assert it.expect("user", Sum) == Sum(b"a", 4)


def test_what_the_loss_of_a_peer_asks_for_is_done_by_a_successor_where_one_is_killed_before_it(tmp_path: Path) -> None:
    def start(kind: type[Adder], epoch: int) -> Harness:
        return Harness(kind, "adder", peers={"user": Told}, tmp_path=tmp_path, epoch=epoch)

    with start(Losing, 1) as it:
        it.send("user", Add(b"a", 2), Add(b"b", 3))
        it.expect("user", Sum)
        it.expect("user", Sum)
    (tmp_path / "run" / "peers" / "user.mdb").unlink()
    with start(Dying, 2) as it:
        it.join()
        assert it.exit_code == 70
    with start(Losing, 3) as it:
        assert {it.expect("user", Gone) for _ in "ab"} == {Gone(b"a", "lost"), Gone(b"b", "lost")}
        it.send("user", Add(b"a", 7))
        assert it.expect("user", Sum) == Sum(b"a", 7)
    with start(Losing, 4) as it:  # once
        it.send("user", Add(b"a", 1))
        assert it.expect("user", Sum) == Sum(b"a", 8)


def test_what_a_peer_says_behind_its_loss_outlives_it(tmp_path: Path) -> None:
    with Harness(Losing, "adder", peers={"user": Told}, tmp_path=tmp_path, epoch=1) as it:
        it.send("user", Add(b"a", 2))
        it.expect("user", Sum)
    (tmp_path / "run" / "peers" / "user.mdb").unlink()
    with Harness(Losing, "adder", peers={"user": Told}, tmp_path=tmp_path, epoch=2) as it:
        it.send("user", Add(b"b", 3))
        assert it.expect("user", Gone) == Gone(b"a", "lost")
        assert it.expect("user", Sum) == Sum(b"b", 3)
        it.send("user", Add(b"b", 1))
        assert it.expect("user", Sum) == Sum(b"b", 4)


def test_an_actor_that_leaves_out_messages_or_deadlines_cannot_be_made() -> None:
    class Mute(LayerActor):
        pass

    with pytest.raises(TypeError, match=r"expire.*handle"):
        Mute(None)  # type: ignore[abstract, arg-type]
