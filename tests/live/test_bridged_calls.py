"""Calls of SIPp are bridged in a service of two media processes: tones both ways, whoever is killed meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.control.client import Client
from tests.chaos.killing import calling, children, next_event, wait_restarted
from tests.live.rtp import RtpPeer
from tests.live.service import Service, running
from tests.live.sound import pitch, tone
from tests.live.speech import decoded, encoded

pytestmark = pytest.mark.live

CONFIG = '[service]\nmedia = 2\n[answer]\nmode = "ring"\n'
LEVEL = 0.3
MOST = 20  # calls until two are in two processes


class Caller:
    """A call of SIPp's, whose peer says a tone."""

    def __init__(self, rtp: RtpPeer, call: str, hertz: float) -> None:
        self.rtp, self.call, self.hertz = rtp, call, hertz

    @property
    def port(self) -> int:
        """Of ours."""
        return self.rtp.packets[0].source[1]

    def hears(self, hertz: float) -> bool:
        """Whether the last half second is that tone, as loud as it was said."""
        heard = decoded(b"".join([packet.payload for packet in self.rtp.packets[-25:]]), "PCMU")
        loud = float(np.sqrt(2 * np.mean(heard.astype(float) ** 2))) / 32767
        return abs(pitch(heard) - hertz) < 10 and abs(loud - LEVEL) < LEVEL / 10

    def wait_hears(self, hertz: float) -> None:
        for _ in range(40):
            self.rtp.wait_for(10)
            if self.hears(hertz):
                return
        raise AssertionError(f"no {hertz} Hz is heard")

    def judge(self) -> None:
        """One stream: one SSRC, no sequence number twice, none left out, time never back."""
        packets = self.rtp.packets
        assert len({packet.ssrc for packet in packets}) == 1
        numbers = [(after.sequence - before.sequence) & 0xFFFF for before, after in pairwise(packets)]
        assert set(numbers) <= {1, 2}, numbers  # of a packet that was being sent at a kill nobody knows whether it was
        assert all((after.timestamp - before.timestamp) & 0xFFFFFFFF < 1 << 31 for before, after in pairwise(packets))


class Exchange:
    """The service with its client and its calls."""

    def __init__(self, service: Service, client: Client, folder: Path, held: ExitStack) -> None:
        self.service, self.client, self.folder, self.held = service, client, folder, held
        self.stream = held.enter_context(client.events())
        self.seen: list[Any] = []
        self.callers: list[Caller] = []

    def caller(self, hertz: float) -> Caller:
        rtp = self.held.enter_context(RtpPeer(encoded(tone(hertz, 2.0, level=LEVEL), "PCMU")))
        folder = self.folder / f"sipp{len(self.callers)}"
        self.held.enter_context(calling(folder, self.service, "udp", "call_and_wait", rtp.port))
        call = next_event(self.stream, "CallReceived", self.seen).call
        self.client.answer(call)
        next_event(self.stream, "CallAnswered", self.seen)
        rtp.wait_for(2)
        rtp.target = rtp.packets[0].source
        self.callers.append(Caller(rtp, call, hertz))
        return self.callers[-1]

    def bridged(self, *callers: Caller) -> None:
        for one in callers:
            for other in callers:
                if one is not other:
                    one.wait_hears(other.hertz)

    def told(self, name: str, call: str) -> Any:
        while (event := next_event(self.stream, name, self.seen)).call != call:
            pass
        return event


@contextmanager
def exchange(folder: Path) -> Iterator[Exchange]:
    with ExitStack() as held:
        service = held.enter_context(running(config=CONFIG))
        client = held.enter_context(Client(service.run_dir))
        it = Exchange(service, client, folder, held)
        yield it
        for caller in it.callers:
            client.hangup(caller.call)
        assert service.stop() == 0


def in_two_processes(it: Exchange) -> tuple[Caller, Caller]:
    """Two callers whose sessions began in two media processes; the others are hung up."""
    callers = [it.caller(500.0)]
    while len(callers) < MOST:
        callers.append(it.caller(900.0))
        if holder(it, callers[-1]) != holder(it, callers[0]):
            break
    for extra in callers[1:-1]:
        it.client.hangup(extra.call)
        it.callers.remove(extra)
    return callers[0], callers[-1]


def holder(it: Exchange, caller: Caller) -> str:
    """The media process whose record of the session's slot is written: the one that reads the port."""
    for name in ("media-0", "media-1"):
        pid = it.service.pid(name)
        sockets = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text(encoding="ascii").splitlines()]
        inode = next(line[9] for line in sockets if line[1].endswith(f":{caller.port:04X}"))
        if f"socket:[{inode}]" in [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]:
            return name
    raise AssertionError(f"nobody has port {caller.port}")


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
        it.client.hangup(b)
        it.told("CallUnbridged", a.call)
