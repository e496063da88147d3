"""A media process that asks for real-time priority has it, its helper threads do not, and it has it after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.control.client import Client
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live.service import Service, running
from tests.live.sound import tone, write_wav

pytestmark = pytest.mark.live


def allowed() -> bool:
    """Whether this machine lets us have it: asked of a child, which is gone with it."""
    program = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def policies(service: Service) -> dict[bool, set[int]]:
    """The policies of the first thread of media, and of its others."""
    pid = service.pid("media-0")
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found[int(thread.name) == pid].add(os.sched_getscheduler(int(thread.name)) & ~os.SCHED_RESET_ON_FORK)
    return found


@pytest.mark.skipif(not allowed(), reason="real-time priority is not allowed here: CAP_SYS_NICE")
def test_the_loop_has_it_and_what_it_starts_has_not(tmp_path: Path) -> None:
    said = write_wav(tmp_path / "said.wav", tone(700.0, 60.0))
    with (
        running("--answer", "ring", config="[media]\nreal_time = true\n") as service,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        host, port = service.addresses["udp"]
        client.place(f"sip:us@{host}:{port}", play=str(said))
        client.answer(next_event(stream, "CallReceived", []).call, record=str(tmp_path / "heard.wav"))
        next_event(stream, "CallAnswered", [])
        assert policies(service) == {True: {os.SCHED_RR}, False: {os.SCHED_OTHER}}
        before, _ = kill(client, "media-0")
        wait_restarted(client, "media-0", before)
        assert policies(service) == {True: {os.SCHED_RR}, False: {os.SCHED_OTHER}}
        assert service.stop() == 0
        assert not any("no_real_time" in line for line in service.lines)
