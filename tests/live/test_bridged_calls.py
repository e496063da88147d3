"""Calls of SIPp are bridged in a service of two media processes: tones both ways, whoever is killed meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.chaos.killing import children, next_event, wait_restarted
from tests.live.exchange import Exchange, exchange, holder, in_two_processes

pytestmark = pytest.mark.live


def test_calls_in_two_processes_are_bridged_in_one_and_told(tmp_path: Path) -> None:
    with exchange(tmp_path) as it:
        a, b = in_two_processes(it)
        it.client.bridge(a.call, b.call)
        assert it.told("CallBridged", a.call).others == (b.call,)
        it.bridged(a, b)
        assert holder(it, a) == holder(it, b)
        c = it.caller(1300.0)
        it.client.calls[c.call].bridge(it.client.calls[a.call])
        assert set(it.told("CallBridged", c.call).others) == {a.call, b.call}
        it.client.unbridge(c.call)
        it.told("CallUnbridged", c.call)
        it.bridged(a, b)
        it.client.hangup(b.call)
        it.told("CallUnbridged", a.call)
        it.callers.remove(b)
        a.rtp.wait_for(30)
        assert not a.hears(b.hertz)
        for caller in (a, b, c):
            caller.judge()


def sessions(it: Exchange) -> dict[str, int]:
    """How many sessions each media process has."""
    return {each.of: int(each.value) for each in it.client.stats() if each.name == "sessions"}


@pytest.mark.parametrize("victim", ["its own", "the other's", "dialog-0"])
def test_who_is_killed_while_a_call_moves_and_while_it_is_bridged_ends_none(tmp_path: Path, victim: str) -> None:
    with exchange(tmp_path) as it:
        a, b = in_two_processes(it)
        name = {"its own": holder(it, a), "the other's": holder(it, b)}.get(victim, victim)
        for kills in range(2):
            before = children(it.client)[name]
            if not kills:
                it.client.bridge(a.call, b.call)  # done in the dialog shard: the session is on its way
            os.kill(before.pid, signal.SIGKILL)
            wait_restarted(it.client, name, before.restarts)
            it.bridged(a, b)
        assert holder(it, a) == holder(it, b)
        for caller in (a, b):
            caller.judge()


def test_a_call_out_is_placed_beside_the_one_it_will_be_bridged_with(tmp_path: Path) -> None:
    with exchange(tmp_path) as it:
        a = it.caller(500.0)
        b = it.client.place(f"sip:echo@127.0.0.1:{it.service.addresses['udp'][1]}", with_call=a.call)
        received = next_event(it.stream, "CallReceived", it.seen).call
        it.client.answer(received, echo=True, with_call=b)
        it.told("CallAnswered", b)
        it.client.bridge(a.call, b)
        it.told("CallBridged", a.call)
        a.wait_hears(a.hertz)  # over the other call, whose far end sends it back
        while (held := sessions(it))[holder(it, a)] < 3:  # the figures are as of a moment ago
            it.stream.receive(0.1)
        assert sorted(held.values()) == [0, 3]  # both ends of b are beside a
        it.client.hangup(b)
        it.told("CallUnbridged", a.call)
