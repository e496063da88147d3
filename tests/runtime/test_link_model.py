"""Every interleaving of tell, commit, send, kill, loss, acknowledge and timer keeps the pipe's promise."""

from __future__ import annotations

from typing import Any

import pytest

from actors.runtime import link
from actors.runtime.link import Link, Receiver
from tests.runtime.link_model import Model, Violation, explore

JOURNALLED, VOLATILE = True, False
LIMIT = 60_000


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BLOCK", 2)


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param({"tells": ((JOURNALLED,), (JOURNALLED,)), "greeted": False, "early": 0}, id="handshake"),
        pytest.param({"tells": ((JOURNALLED,), ()), "greeted": False, "batched": True, "early": 0}, id="batches"),
        pytest.param({"tells": ((JOURNALLED,), ()), "kills": 1, "batched": True, "early": 0}, id="kill-in-a-batch"),
        pytest.param({"tells": ((JOURNALLED, VOLATILE, JOURNALLED), ()), "kills": 1, "early": 0}, id="kill"),
        pytest.param({"tells": ((JOURNALLED, VOLATILE), ()), "kills": 1}, id="kill-and-early-timer"),
        pytest.param({"tells": ((JOURNALLED, VOLATILE), ()), "kills": 2, "early": 0}, id="two-kills"),
        pytest.param({"tells": ((JOURNALLED,), (JOURNALLED,)), "kills": 1}, id="kill-both-ways"),
        pytest.param({"tells": ((JOURNALLED, VOLATILE, JOURNALLED), ()), "hiccups": 2}, id="loss-between-the-living"),
        pytest.param(
            {"tells": ((JOURNALLED, JOURNALLED), ()), "hiccups": 1, "kills": 1, "early": 0}, id="loss-and-kill"
        ),
        pytest.param({"tells": ((JOURNALLED, JOURNALLED), (JOURNALLED,)), "wipes": 1, "early": 0}, id="journal-lost"),
        pytest.param({"tells": ((JOURNALLED,), ()), "wipes": 1, "kills": 1, "early": 0}, id="journal-lost-and-kill"),
        pytest.param(
            {"tells": ((JOURNALLED,), ()), "wipes": 1, "greeted": False, "early": 0}, id="lost-while-greeting"
        ),
    ],
)
def test_what_is_told_takes_effect_once_in_order_and_the_link_comes_to_rest(bounds: dict[str, Any]) -> None:
    assert explore(Model(**bounds), limit=LIMIT) > 100


def anything_above_the_highest_seen(self: Receiver, first: int, last: int) -> int:
    new = min(last - self.mark, last - first + 1)
    if new <= 0:
        self.again = True
        return 0
    self.mark = last
    return new


def test_a_receiver_that_takes_anything_above_the_highest_seen_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "take", anything_above_the_highest_seen)
    with pytest.raises(Violation, match="overtaken"):
        explore(Model(tells=((JOURNALLED, JOURNALLED), ()), hiccups=1), limit=LIMIT)


def test_a_sender_that_sends_before_its_commit_is_caught() -> None:
    with pytest.raises(Violation):
        explore(Model(tells=((JOURNALLED, JOURNALLED), ()), kills=1, send_first=True, batched=True), limit=LIMIT)


def test_a_sender_that_forgets_which_numbers_it_reserved_is_caught() -> None:
    with pytest.raises(Violation):
        explore(Model(tells=((VOLATILE, JOURNALLED), ()), kills=1, early=0, forget_reserved=True), limit=LIMIT)


def test_a_receiver_that_hears_frames_for_its_predecessor_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Link.receive

    def hears_all(self: Link, item: link.Item, _to: int, now: float) -> tuple[link.Effect, ...]:
        return honest(self, item, self.epoch, now)

    monkeypatch.setattr(Link, "receive", hears_all)
    with pytest.raises(Violation):
        explore(Model(tells=((JOURNALLED, JOURNALLED), ()), wipes=1, early=0), limit=LIMIT)
