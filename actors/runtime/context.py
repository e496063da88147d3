"""What a child of the supervisor is given: who it is, where it may write, whom it talks to, and its channel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.runtime.channel import Channel

PIPES = "pipes"  # the directory below run_dir that holds the ipc sockets


@dataclass(frozen=True, slots=True)
class Context:
    """Everything an actor's ``main(context)`` needs; built in the child just before it is called.

    Attributes:
        name: the actor's name, such as ``transaction-0``.
        epoch: rises at every start of this child, over restarts of the supervisor and reboots too.
        run_dir: absolute; sockets and journals of this boot, mode 0700.
        state_dir: absolute; what outlives a reboot.
        settings: the layer's own settings struct.
        peers: the names of the actors it has links with.
        channel: its end of the socketpair to the supervisor, and the descriptors the store held for it.
        placement: ``process`` or ``thread``.
        last_death: how the predecessor ended: empty at the first start, else ``kill``, ``hang``, ``signal:11``,
            ``exit:70`` and so on.
    """

    name: str
    epoch: int
    run_dir: Path
    state_dir: Path
    settings: Any
    peers: tuple[str, ...]
    channel: Channel
    placement: str
    last_death: str = ""

    def address(self, sender: str, receiver: str) -> str:
        """The ZeroMQ address on which `receiver` takes what `sender` pushes."""
        return pipe_address(self.run_dir, self.placement, sender, receiver)


def pipe_path(run_dir: Path, sender: str, receiver: str) -> Path:
    """Where the ipc socket of one direction of a link lies; the supervisor checks its length before it starts."""
    return run_dir / PIPES / f"{receiver}.{sender}"


def pipe_address(run_dir: Path, placement: str, sender: str, receiver: str) -> str:
    """The address of one direction of a link. The run directory keeps two services in one process apart."""
    scheme = "ipc" if placement == "process" else "inproc"
    return f"{scheme}://{pipe_path(run_dir, sender, receiver)}"
