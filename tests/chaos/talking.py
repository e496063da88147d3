"""A call in that is up with music while a test does its worst, and what must be true of it at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.control.client import Client
from tests.chaos.killing import Outcome, calling, children, faults, messages, next_event, wait_restarted
from tests.live.rtp import RtpPeer, longest_gap
from tests.live.service import Service
from tests.live.sound import tone, write_wav

NONE = ""  # no actor: the restarts are judged by the test itself

PATIENCE = 30.0  # seconds: where many die at once, nobody answers until the first is back


@dataclass
class Talk:
    """A call that is up.

    Attributes:
        client: of the service.
        call: its id.
        rtp: the peer's ear.
        before: how often each child had been started again when the call began.
    """

    client: Client
    call: str
    rtp: RtpPeer
    before: dict[str, int]
    seen: list[Any] = field(default_factory=list)

    def wait_again(self, *names: str, timeout: float = 30.0) -> None:
        """Wait until each of these children has been started again and is ready."""
        for name in names:
            wait_restarted(self.client, name, self.before[name], timeout)

    def restarts(self) -> dict[str, int]:
        """How often each child was started again since the call began, where it was."""
        now = {name: child.restarts for name, child in children(self.client).items()}
        return {name: count - self.before[name] for name, count in now.items() if count != self.before[name]}


@contextmanager
def talking(service: Service, folder: Path, transport: str = "udp") -> Iterator[Talk]:
    """A call from SIPp to a service that rings, answered with music. At the end we hang up and judge it."""
    folder.mkdir(parents=True, exist_ok=True)
    music = write_wav(folder / "music.wav", tone(440.0, 2.0))
    with Client(service.run_dir, patience=PATIENCE) as client, RtpPeer() as rtp, client.events() as stream:
        before = {name: child.restarts for name, child in children(client).items()}
        with calling(folder / "sipp", service, transport, "call_and_wait", rtp.port) as process:
            talk = Talk(client, "", rtp, before)
            talk.call = next_event(stream, "CallReceived", talk.seen).call
            client.answer(talk.call, play=str(music), loop=True)
            next_event(stream, "CallAnswered", talk.seen)
            rtp.wait_for(10)
            yield talk
            rtp.wait_for(15)
            client.hangup(talk.call)
            ended = next_event(stream, "CallEnded", talk.seen, timeout=45.0)
            code = process.wait(timeout=45)
        assert talk.call not in {info.call for info in client.calls()}
    sent, received = messages(folder / "sipp")
    events = [type(event).__name__ for event in talk.seen]
    assert faults(Outcome(code, events, ended.outcome, sent, received, rtp.packets, {}), NONE) == [], longest_gap(
        rtp.packets
    )
