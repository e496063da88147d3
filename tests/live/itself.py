"""A service in a call with itself: what a program says in it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actors.control.client import Client
from actors.control.keys import Keys
from actors.control.rights import Grant, Role
from tests.chaos.killing import next_event
from tests.live.service import Service, running
from tests.live.sound import RATE

PATIENCE = 30.0
# Patient: the machine of the tests is loaded.
CONFIG = '[media]\njitter = 300\n[control]\nlisten = "tcp:127.0.0.1:0"\n'


class House(NamedTuple):
    """A service with a call to itself: what is written into it comes back."""

    service: Service
    address: str
    call: str
    owner: Client
    folder: Path

    def key(self, name: str, role: Role) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(Keys(self.service.state_dir / "keys").create(Grant(name, role)), encoding="utf-8")
        return path


@contextmanager
def call_to_itself(folder: Path) -> Iterator[House]:
    with (
        running("--answer", "echo", config=CONFIG) as service,
        Client(service.run_dir, patience=PATIENCE) as client,
        client.events(topics=["Call*"]) as events,
    ):
        host, port = service.addresses["udp"]
        call = client.place(f"sip:echo@{host}:{port}")
        while next_event(events, "CallAnswered", []).call != call:
            pass
        port = (service.run_dir / "port-of-control").read_text("ascii")
        yield House(service, f"tcp://127.0.0.1:{port}", call, client, folder)
        client.hangup(call)
        while next_event(events, "CallEnded", []).call != call:
            pass


def loud(samples: Any) -> Any:
    """What is sound of them, frame by frame; silence where none is."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    found = frames[np.abs(frames.astype(np.int32)).max(axis=1, initial=0) > 1_000]
    return found.reshape(-1) if len(found) else np.zeros(RATE, np.int16)
