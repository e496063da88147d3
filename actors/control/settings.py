"""The settings of the control API."""

from __future__ import annotations

import msgspec


class ControlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the control actor is told at its start.

    Attributes:
        shards: how many dialog shards there are.
        max_events: how many events the log keeps for those who resume.
        ring_timeout: seconds until an unanswered call out is cancelled, where the command says nothing.
        unclaimed_after: seconds that a call in waits for a worker to claim it; 0 where calls ask for none.
        worker_routes: the names of the routes whose calls do, the empty one for calls that took none.
        listen: ``tcp://ADDRESS:PORT`` for clients of other machines, empty for none.
        folders: where the files that commands name may lie; empty: anywhere for local clients, nowhere for others.
    """

    shards: int = 1
    max_events: int = 10_000
    ring_timeout: float = 60.0
    unclaimed_after: float = 0.0
    worker_routes: tuple[str, ...] = ("",)
    listen: str = ""
    folders: tuple[str, ...] = ()
