"""A disk that is full under the log costs lines of the log and nothing else (FAULTS 71)."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.control.client import Client
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live.service import running

pytestmark = pytest.mark.live


def test_fault_71_a_full_disk_under_the_log_leaves_calls_and_restarts_as_they_are() -> None:
    with Path("/dev/full").open("wb") as full, running(log=full) as service:
        host, port = service.addresses["udp"]
        with Client(service.run_dir) as client, client.events() as stream:
            call = client.place(f"sip:echo@{host}:{port}")
            next_event(stream, "CallAnswered", [])
            for name in ("media-0", "dialog-0"):
                before, _ = kill(client, name)
                wait_restarted(client, name, before)
            client.hangup(call)
            assert next_event(stream, "CallEnded", []).outcome == "answered"
            restarts = {child.name: child.restarts for child in client.tree()}
        assert sum(restarts.values()) == 2
        assert service.stop() == 0
