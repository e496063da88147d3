"""FAULTS 63: the wall clock jumps, or the machine was suspended. Deadlines are on the clock of the boot."""

from __future__ import annotations

import time
from typing import Any

import pytest

from actors.dialog.call_events import CallEnded
from actors.runtime.mailbox import clock
from tests.dialog import phone as phones
from tests.dialog.phone import Phone
from tests.dialog.registrar import Line

HOUR = 3600.0


def test_fault_63_now_is_the_clock_of_the_boot_which_counts_a_suspend() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_fault_63_a_wall_clock_that_jumps_moves_no_deadline(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone()
    key = phone.place_call(ring_timeout=60.0)
    deadlines = dict(phone.cells.deadlines)
    monkeypatch.setattr(phones, "WALL", phones.WALL + jump)
    assert phone.cells.deadlines == deadlines
    phone.response(phones.answer_to(phone.all(phones.Send)[-1].raw, 180), key)
    phone.wait(59.0)
    assert phone.state == "INVITING"
    phone.wait(2.0)
    assert phone.state == "CANCELLING"


def _wake(phone: Phone, seconds: float) -> list[Any]:
    """The machine slept: all that became due meanwhile is due now, each once."""
    phone.now += seconds
    seen = len(phone.effects)
    for key in [key for key, at in phone.cells.deadlines.items() if at <= phone.now]:
        phone._did(phone.agent.expire(key, *phone.clock))
    return phone.effects[seen:]


def test_fault_63_after_a_suspend_an_account_registers_at_once_and_once() -> None:
    phone = Line()
    phone.begin()
    assert len(phone.registrar.requests) == 1
    _wake(phone, 8 * HOUR)
    phone.pass_time(1.0)
    assert len(phone.registrar.requests) == 2


def test_fault_63_after_a_suspend_a_call_that_rang_is_over_at_once() -> None:
    phone = Phone()
    phone.receive_call()
    assert phone.state == "RINGING"
    effects = _wake(phone, HOUR)
    # Each timer fires once, however late: the 180 of every minute too.
    assert [effect.status for effect in effects if isinstance(effect, phones.Reply)] == [180, 480]
    phone.finish()
    assert len(phone.reports(CallEnded)) == 1
