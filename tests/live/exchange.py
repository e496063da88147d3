"""Callers of SIPp's at a service of two media processes, each with a peer that says a tone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from actors.control.client import Client
from tests.chaos.killing import calling, next_event
from tests.live.processes import links
from tests.live.rtp import RtpPeer
from tests.live.service import Service, running
from tests.live.sound import pitch, tone
from tests.live.speech import decoded, encoded

# Patient: the tests' own peers may be late by far more than 40 ms on a loaded machine.
CONFIG = '[service]\nmedia = 2\n[answer]\nmode = "ring"\n[media]\njitter = 200\n'
LEVEL = 0.3
QUIET = b"\xff" * 160
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

    def judge_heard(self, codes: bytes, *, but: int = 0) -> None:
        """It heard all of that, in order, each frame once, and nothing else; but for so many frames."""
        heard = [packet.payload for packet in self.rtp.packets if packet.payload != QUIET]
        frames = [codes[at : at + 160] for at in range(0, len(codes), 160)]
        places = [frames.index(each) for each in heard]
        assert places == sorted(set(places))
        assert len(heard) >= len(frames) - but
        self.judge()


class Exchange:
    """The service with its client and its calls."""

    def __init__(self, service: Service, client: Client, folder: Path, held: ExitStack) -> None:
        self.service, self.client, self.folder, self.held = service, client, folder, held
        self.stream = held.enter_context(client.events())
        self.seen: list[Any] = []
        self.callers: list[Caller] = []

    def caller(self, hertz: float, level: float = LEVEL) -> Caller:
        rtp = self.held.enter_context(RtpPeer(encoded(tone(hertz, 2.0, level=level), "PCMU")))
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


def in_two_processes(it: Exchange, level: float = LEVEL) -> tuple[Caller, Caller]:
    """Two callers whose sessions began in two media processes, the second one so loud; the others are hung up."""
    callers = [it.caller(500.0)]
    while len(callers) < MOST:
        callers.append(it.caller(900.0, level))
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
        if f"socket:[{inode}]" in links(pid):
            return name
    raise AssertionError(f"nobody has port {caller.port}")
