"""A message that kills its actor each time is left out in the end, and only its cell is lost."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from actors.runtime.mailbox import clock
from actors.runtime.poison import Slot, deferred, source
from tests.runtime import dying
from tests.runtime.dying import Do, Done, LeftOut
from tests.runtime.harness import Peer, context_for

DEATHS = {-6: "signal:6", -9: "kill"}
PATIENCE = 20.0


class Dangerous:
    """The dying actor, started again whenever it is dead, and its peer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context, self._end, _theirs = context_for("dying", ("user",), folder, placement="process")
        self.peer = Peer("user", self.context, Done | LeftOut)
        self.deaths: list[str] = []
        self.epoch = 0
        self.start("")

    def start(self, last_death: str) -> None:
        self.epoch += 1
        spawn = get_context("forkserver")
        spawn.set_forkserver_preload(["tests.runtime.dying"])
        self.process = spawn.Process(target=dying.serve, args=(str(self.folder), self.epoch, last_death), daemon=True)
        self.process.start()

    def hear(self, count: int) -> list[object]:
        """The next things its peer is told; on the way the dead are replaced."""
        until = clock() + PATIENCE
        while len(self.peer.inbox) < count:
            assert clock() < until, f"only {self.peer.inbox}, deaths {self.deaths}"
            self.peer.turn()
            self.process.join(0.005)
            if self.process.exitcode is not None:
                self.deaths.append(DEATHS[self.process.exitcode])
                self.process.close()
                self.start(self.deaths[-1])
        return [self.peer.inbox.popleft() for _ in range(count)]

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.peer.close()
        self._end.close()
        self.context.channel.close()


@pytest.fixture
def dangerous(tmp_path: Path) -> Iterator[Dangerous]:
    made = Dangerous(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("what", "deaths"), [("abort", ["signal:6"] * 2), ("kill", ["kill"] * 4)])
def test_a_message_that_kills_is_left_out_and_all_others_take_effect_once(
    dangerous: Dangerous, what: str, deaths: list[str]
) -> None:
    for do in (Do(b"a"), Do(b"b"), Do(b"b", what), Do(b"a"), Do(b"b")):
        dangerous.peer.send(do)
    assert dangerous.hear(5) == [
        Done(b"a", 1),
        Done(b"b", 1),
        LeftOut(b"b", "PoisonError"),
        Done(b"a", 2),
        Done(b"b", 1),
    ]
    assert dangerous.deaths == deaths


def test_a_deadline_that_kills_loses_only_its_cell(dangerous: Dangerous) -> None:
    dangerous.peer.send(Do(b"a"))
    dangerous.peer.send(Do(b"b", "late"))
    assert dangerous.hear(3) == [Done(b"a", 1), Done(b"b", 1), LeftOut(b"b", "PoisonError")]
    assert dangerous.deaths == ["signal:6"] * 2
    dangerous.peer.send(Do(b"b"))
    assert dangerous.hear(1) == [Done(b"b", 1)]


def test_a_deadline_that_kills_is_found_behind_another_that_is_due(dangerous: Dangerous) -> None:
    dangerous.peer.send(Do(b"b", "overtaken"))
    assert dangerous.hear(2) == [Done(b"b", 1), LeftOut(b"b", "PoisonError")]
    assert dangerous.deaths == ["signal:6"] * 2


def test_a_deferred_function_that_kills_at_each_start_loses_only_its_cell(dangerous: Dangerous) -> None:
    for key in (b"a", b"doomed", b"b"):
        dangerous.peer.send(Do(key))
    assert dangerous.hear(3) == [Done(b"a", 1), Done(b"doomed", 1), Done(b"b", 1)]
    dangerous.peer.send(Do(b"a", "kill"))  # the starts that follow it defer
    dangerous.peer.send(Do(b"b"))
    assert dangerous.hear(3) == [LeftOut(b"doomed", "PoisonError"), LeftOut(b"a", "PoisonError"), Done(b"b", 2)]
    assert dangerous.deaths == ["kill", "signal:6", "signal:6", *["kill"] * 4]


def test_a_deferred_function_that_kills_before_it_touches_a_cell_loses_the_one_it_is_for(dangerous: Dangerous) -> None:
    for key in (b"a", b"blind", b"b"):
        dangerous.peer.send(Do(key))
    dangerous.hear(3)
    dangerous.peer.send(Do(b"a", "abort"))
    for key in (b"blind", b"b"):
        dangerous.peer.send(Do(key))
    assert dangerous.hear(4) == [
        LeftOut(b"blind", "PoisonError"),
        LeftOut(b"a", "PoisonError"),
        Done(b"blind", 1),
        Done(b"b", 2),
    ]


def test_a_deferred_function_has_the_same_number_in_the_next_start_and_another_for_another_cell() -> None:
    class Thing:
        key = b"a"

    number, key = deferred(Dangerous.start, (Thing(), 1.0))
    assert (number, key) == deferred(Dangerous.start, (b"a",))
    assert deferred(Dangerous.start, (b"b",))[0] != number != deferred(Dangerous.close, (b"a",))[0]
    assert deferred(Dangerous.start, (1.0,))[1] == b""


def test_a_message_that_kills_before_it_touches_a_cell_costs_nobody_elses(dangerous: Dangerous) -> None:
    dangerous.peer.send(Do(b"a"))
    dangerous.hear(1)
    dangerous.peer.send(Do(b"b", "unseen"))
    dangerous.peer.send(Do(b"a"))
    assert dangerous.hear(1) == [Done(b"a", 2)]
    assert dangerous.deaths == ["signal:6"] * 2


def lives(path: Path, *deaths: tuple[str, int]) -> Slot:
    """The slot after lives that ended so, each with that number in hand."""
    for last_death, number in deaths:
        slot = Slot(path, last_death)
        slot.hold(source("user"), number)
        slot.close()
    return Slot(path, deaths[-1][0])


def test_strikes_count_only_in_a_row_on_the_same_thing(tmp_path: Path) -> None:
    slot = lives(tmp_path / "poison" / "x", ("", 5), ("kill", 5), ("kill", 6), ("kill", 5))
    assert (slot.strikes, slot.suspect) == (1, None)
    slot.close()


def test_an_exit_of_its_own_clears_the_row(tmp_path: Path) -> None:
    slot = lives(tmp_path / "poison" / "x", ("", 5), ("hang", 5), ("exit:70", 5))
    assert (slot.strikes, slot.suspect) == (0, None)
    slot.close()


def test_a_hang_makes_the_next_start_careful(tmp_path: Path) -> None:
    slot = lives(tmp_path / "poison" / "x", ("hang", 5))
    assert slot.suspect == (source("user"), 5)
    assert not slot.is_fatal(source("user"), 5)
    assert slot.is_past(source("user"), 6)
    slot.close()
