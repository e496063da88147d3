"""sipsak pings the service with OPTIONS: a peer that nobody here wrote, and no machine is made for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from actors.sip import parse
from actors.transaction.observing import observing, transitions
from tests.live import sipp
from tests.live.service import running

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("sipsak") is None, reason="needs the Debian package sipsak"),
]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options_of_sipsak_are_answered_with_what_we_can(transport: str) -> None:
    with running() as service:
        host, port = service.addresses[transport]
        done = subprocess.run(
            ["sipsak", "-vvv", "-E", transport, "-s", f"sip:service@{host}:{port}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SIP/2.0 200 OK" in done.stdout
        assert "Allow: " in done.stdout
        assert "Accept: application/sdp" in done.stdout


def test_a_ping_leaves_no_machine_and_a_call_does(tmp_path: Path) -> None:
    """RFC 3261 8.2.7: an observer sees pings and answers as they pass; the first machine is the call's."""
    with running("--answer", "echo") as service, observing(service.run_dir) as steps:
        host, port = service.addresses["udp"]
        for _ in range(3):
            ping = ["sipsak", "-s", f"sip:service@{host}:{port}"]
            assert subprocess.run(ping, capture_output=True, timeout=60, check=False).returncode == 0
        assert sipp.call(tmp_path / "uac", (host, port), "-m", "1").exit_code == 0
        passed: dict[str | None, list[str]] = {}  # by Call-ID: a ping may be sent again
        for each in transitions(steps, timeout=30.0):
            step = each.transition
            assert step is not None
            if step.machine:
                break
            passed.setdefault(parse(step.message).get("Call-ID"), []).append(step.event)
        assert [set(events) for events in passed.values()] == [{"RECEIVE", "SEND"}] * 3
        assert step.key.method == "INVITE"
