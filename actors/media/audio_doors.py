"""Where programs come for the audio of calls: a socket in the run directory, and one over TCP for those with a key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from actors.media.audio_events import MAX_MESSAGE
from actors.runtime.doors import Doors
from actors.runtime.guarded import GuardedRouter
from actors.runtime.keyring import Keyring
from actors.runtime.router import LocalRouter

QUEUE = 25  # messages to a client that does not read: half a second; what is more is left out
LINGER = 200  # milliseconds that the last messages of a process that stops may take
BUFFER = 65_536  # bytes of the kernel's: what waits there is late
ROLES = frozenset({"media", "control"})  # of the keys that may hear calls and speak in them


class Listener(NamedTuple):
    """Who is connected: the name of its key, empty for a program of our own user, and the key's role."""

    name: str
    role: str


OURS = Listener("", "control")


class AudioDoors(Doors[Listener]):
    """Both sockets of a media process's audio channel.

    Args:
        path: of the local one.
        listen: ``tcp://ADDRESS:PORT``, empty for none.
        keys: the folder of the keys.
        clock: gives the time.

    Raises:
        OSError: a socket cannot be bound.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(self, path: Path, listen: str, keys: Path, clock: Callable[[], float]) -> None:
        options = {"max_message": MAX_MESSAGE, "queue": QUEUE, "linger": LINGER, "buffer": BUFFER}
        ring, port = Keyring(keys, _listener), path.with_name(f"port-of-{path.name}")
        remote = partial(GuardedRouter, listen, port, ring, clock, **options) if listen else None
        super().__init__(LocalRouter(path, **options), remote, port, ring, OURS, clock)


def _listener(name: str, data: dict[str, Any]) -> Listener:
    return Listener(name, str(data["role"]))
