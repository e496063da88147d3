"""The control actor in a process of its own, without a supervisor: what the kill tests kill."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from actors.control.actor import main
from actors.control.settings import ControlSettings
from actors.runtime.channel import Channel
from actors.runtime.context import Context
from actors.runtime.logs import configure_logs


def run(tmp_path: Path, epoch: int, fd: int, peers: tuple[str, ...]) -> None:
    configure_logs()
    end = socket.socket(fileno=fd)
    context = Context(
        name="control",
        epoch=epoch,
        run_dir=tmp_path / "run",
        state_dir=tmp_path / "state",
        settings=ControlSettings(shards=len(peers)),
        peers=peers,
        channel=Channel(end),
        placement="process",
    )
    main(context)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), tuple(sys.argv[4:]))
