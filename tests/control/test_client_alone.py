"""The client alone: what it imports, and that it works where nothing of the service is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from tests.control.api import control

ROOT = Path(__file__).parents[2]
HEAVY = ["numpy", "lmdb", "sounddevice", "pykka", "msgspec", "structlog", "click", "asyncio", "hashlib", "ssl"]
BLOCKED = f"""
import sys
for name in {HEAVY!r}:
    sys.modules[name] = None  # an import of it raises ImportError
"""


def _run(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BLOCKED + program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_client_places_a_call_where_nothing_of_the_service_can_be_imported(tmp_path: Path) -> None:
    program = """
from actors.control.client import Client
with Client(sys.argv[1], patience=20) as client, client.events() as events:
    call = client.calls.place("sip:bob@192.0.2.4")
    print(call.id, events.receive(20).call)
"""
    with control(tmp_path) as house, _run(program, str(house.context.run_dir)) as process:
        command = house.expect("dialog-0", call_commands.PlaceCall, timeout=20.0)
        house.send(
            "dialog-0", dialog.CommandDone(command.ref), call_events.CallProgressed(command.call, 180, "Ringing", 1.0)
        )
        house.wait_for(lambda: process.poll() is not None, "the end of the client", 20.0)
        assert process.stdout is not None
        assert process.stdout.read().split() == [command.call, command.call]
        assert process.returncode == 0


def test_the_client_starts_with_what_it_needs_and_no_more() -> None:
    with _run("import actors.control.client; print(*sorted(sys.modules))") as process:
        names, _ = process.communicate()
    ours = {name for name in names.split() if name.startswith("actors.")}
    assert ours == {"actors.control"} | {
        f"actors.control.{name}"
        for name in (
            "api",
            "asking",
            "call_records",
            "client",
            "connecting",
            "errors",
            "event_records",
            "message_verbs",
            "messaging",
            "paths",
            "playing",
            "protocol",
            "reading",
            "records",
            "service_records",
            "verbs",
        )
    }
