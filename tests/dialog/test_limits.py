"""The limits of trunks hold for the whole service: over shards, over kills, and for what the peer counts."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.accounts import Account
from actors.dialog.call_commands import AnswerCall, HoldCall, Treatment
from actors.dialog.call_events import CallReceived
from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.limits import MARGIN, SIZE, Limit, Limits, alone
from actors.dialog.shared_pages import SharedPages
from tests.dialog.phone import BAD_OFFER, NEAR, Phone, invite, message, place

change = msgspec.structs.replace
TRUNK = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9:5070", register=False)


_made: list[SharedPages] = []


def shared(folder: Path) -> SharedPages:
    """The pages of a shard, until the test ends."""
    _made.append(SharedPages(folder))
    return _made[-1]


def close() -> None:
    """Let go of all pages."""
    while _made:
        _made.pop().close()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close()


def begun(limit: Limit | None) -> bool:
    return limit is None


def test_less_than_one_call_a_second_is_one_in_several_seconds() -> None:
    limits, account = Limits(alone()), change(TRUNK, calls_per_second=0.25)
    found = [limits.begin(account, str(now), 0, now) for now in (0.0, 3.0, 4.0, 4.05, 4.5)]
    assert [each is None for each in found] == [True, False, False, True, False]
    assert found[1] is not None
    assert found[1].text == "may begin another call in 1.050 s"
    assert found[2] is not None
    assert found[2][:3] == (503, (("Retry-After", "1"),), "too_fast")


@given(
    st.sampled_from([0.3, 1.0, 2.0, 5.0, 20.0, 5000.0]),
    st.sampled_from([1, 2, 4]),
    st.lists(st.tuples(st.floats(0.0, 0.5), st.integers(0, 3), st.booleans()), min_size=1, max_size=80),
)
def test_in_no_second_more_calls_begin_than_may_whatever_shard_they_are_in_and_whoever_is_killed(
    rate: float, shards: int, story: list[tuple[float, int, bool]]
) -> None:
    account, now, times = change(TRUNK, calls_per_second=rate), 1.0, []
    with tempfile.TemporaryDirectory() as folder:

        def made(shard: int) -> Limits:
            return Limits(shared(Path(folder) / "limits"), shard, shards)

        each = [made(shard) for shard in range(shards)]
        for number, (gap, shard, killed) in enumerate(story):
            now += gap
            if killed:
                each[shard % shards] = made(shard % shards)
            if begun(each[shard % shards].begin(account, f"call-{number}", 0, now)):
                times.append(now)
        close()
    most = max(1, int(rate))
    assert times
    assert all(sum(start <= at < start + most / rate for at in times) <= most for start in times)


class House:
    """Some shards of one service on one clock, and the trunk that they call, with a clock of its own.

    Attributes:
        arrived: when each INVITE came to the trunk, in the order of its arrivals.
    """

    def __init__(self, folder: Path, shards: int, **trunk: Any) -> None:
        self.arrived: list[float] = []
        self._calls = itertools.count()
        self._folder = folder
        self.shards = [Phone(accounts=(change(TRUNK, **trunk),)) for _ in range(shards)]
        for number in range(shards):
            self.kill(number)

    def kill(self, number: int) -> None:
        """A shard starts again: its cells and the pages are left."""
        phone = self.shards[number]
        phone.start()
        phone.agent.agent.limits = Limits(shared(self._folder), number, len(self.shards))
        phone.agent.calls.count_used()

    def place(self, number: int, delay: float = 0.0) -> str:
        """A shard is to place a call; its INVITE arrives `delay` later. What it failed with, empty for a call."""
        phone = self.shards[number]
        told = phone.command(place(account=TRUNK.aor, call=f"call-{next(self._calls)}"))[0].event
        if isinstance(told, CommandFailed):
            return told.code
        phone.located(phone.last(Find).ref, NEAR)
        phone.prepared(phone.session)
        assert phone.last(Send).key.method == "INVITE"
        self.arrived.append(phone.now + delay)
        return ""

    def wait(self, seconds: float) -> None:
        for phone in self.shards:
            phone.now += seconds


@pytest.mark.parametrize("shards", [2, 4])
@pytest.mark.parametrize("most", [1, 3, 10])
def test_the_trunk_never_sees_more_calls_in_a_second_by_its_own_stamps_than_it_allows(
    tmp_path: Path, shards: int, most: int
) -> None:
    """A flood for half a minute, with kills; an INVITE takes up to a margin longer than the one before it."""
    house, chance = House(tmp_path / "limits", shards, calls_per_second=float(most)), random.Random(most)
    for _ in range(30 * 40):
        house.wait(chance.uniform(0.0, 0.05))
        number = chance.randrange(shards)
        if chance.random() < 0.05:
            house.kill(number)
        assert house.place(number, chance.uniform(0.0, MARGIN)) in ("", "too_fast")
    stamps = sorted(house.arrived)
    assert max(sum(start <= at < start + 1.0 for at in stamps) for start in stamps) == most
    assert len(stamps) > 0.8 * most * 30, "what may begin does"


@pytest.mark.parametrize("shards", [2, 4])
def test_a_trunk_has_no_more_calls_than_it_may_in_all_shards_together_and_over_kills(
    tmp_path: Path, shards: int
) -> None:
    house = House(tmp_path / "limits", shards, max_calls=3)
    assert [house.place(number % shards) for number in range(5)] == ["", "", "", "busy", "busy"]
    for number in range(shards):
        house.kill(number)
    assert house.place(shards - 1) == "busy"
    phone = house.shards[0]
    phone.failed(phone.invite_key())  # the trunk does not answer one of them
    phone.closed(phone.session)
    assert [house.place(shards - 1), house.place(0)] == ["", "busy"]
    house.shards[1].request(invite(branch="more", Call_ID="more"))
    assert house.shards[1].statuses == [486]


def test_a_call_in_that_never_was_one_takes_no_place(tmp_path: Path) -> None:
    house = House(tmp_path / "limits", 2, max_calls=1)
    house.shards[0].request(invite(BAD_OFFER))
    house.shards[0].request(invite(Content_Type="text/plain", branch="other", Call_ID="other"))
    assert house.shards[0].statuses == [488, 415]
    assert [house.place(1), house.place(0)] == ["", "busy"]


def test_a_step_that_is_repeated_after_a_kill_begins_the_same_call(tmp_path: Path) -> None:
    house = House(tmp_path / "limits", 2, calls_per_second=0.01, max_calls=1)
    phone = house.shards[0]
    order = place(account=TRUNK.aor)
    before = phone.cells.copy()
    assert isinstance(phone.command(order)[0].event, CommandDone)
    phone.cells = before  # killed before the step was committed
    house.kill(0)
    assert house.place(1) == "too_fast"
    assert isinstance(phone.command(order)[0].event, CommandDone), "it is no second call"
    house.wait(101.0)
    assert house.place(1) == "busy"


def test_a_page_that_cannot_be_had_lets_no_call_begin(tmp_path: Path) -> None:
    account = change(TRUNK, max_calls=5)
    limits = Limits(shared(tmp_path))
    assert begun(limits.begin(account, "one", 0, 0.0))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size == SIZE
    with file.open("rb") as other:  # another shard that was stopped while it held it
        fcntl.flock(other, fcntl.LOCK_EX)
        limits.used(account, 3)
        refused = limits.begin(account, "two", 1, 0.0)
        assert refused is not None
        assert (refused.status, refused.text) == (503, "cannot be counted")
    assert begun(limits.begin(account, "two", 1, 0.0)), "who dies lets it go"
    (tmp_path / "file").touch()
    nowhere = Limits(shared(tmp_path / "file" / "limits"))
    assert not begun(nowhere.begin(account, "one", 0, 0.0))
    assert len(os.listdir(tmp_path)) == 2  # noqa: PTH208 - names are enough


def test_what_another_boot_left_holds_up_nobody() -> None:
    pages = alone()
    account = change(TRUNK, calls_per_second=1.0)
    assert begun(Limits(pages).begin(account, "old", 0, 5000.0))
    assert begun(Limits(pages).begin(account, "new", 0, 10.0))
    assert not begun(Limits(pages).begin(account, "newer", 0, 10.5))


def test_a_call_waits_while_another_is_up_and_one_of_an_account_with_one_channel_is_busy() -> None:
    """Call waiting: the second one rings, and is answered while the first is held."""
    for most, second in ((0, 180), (1, 486)):
        phone = Phone(accounts=(change(TRUNK, max_calls=most),))
        phone.receive_call()
        phone.command(AnswerCall("a", phone.reports(CallReceived)[0].call, Treatment(), 0.0))
        phone.request(message("ACK", to_tag=phone.call.tag))
        assert phone.state == "CONFIRMED"
        raw = invite(branch="second", Call_ID="second")
        phone.request(raw)
        if second == 180:
            phone.prepared(phone.session)
            first, waiting = [event.call for event in phone.reports(CallReceived)]
            phone.command(HoldCall("h", first))
            phone.command(AnswerCall("b", waiting, Treatment(), 0.0))
            assert [request.method for request in phone.sent("INVITE")] == ["INVITE"], "the hold"
            assert phone.statuses[-2:] == [180, 200]
        else:
            assert phone.statuses[-1] == second


def test_pages_that_are_let_go_leave_no_descriptor_and_are_what_they_were(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names are enough
    pages = SharedPages(tmp_path)
    for name in ("one", "two"):
        with pages(name) as page:
            assert page is not None
            page[:3] = name.encode()
    pages.close()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - names are enough
    with pages("one") as page:
        assert page is not None
        assert bytes(page[:3]) == b"one"
    pages.close()
