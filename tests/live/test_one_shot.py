"""``sipactors call`` without a service: it is one itself, for as long as the call takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.service import ROOT, running

pytestmark = pytest.mark.live


def environment(folder: Path) -> dict[str, str]:
    """One in which no service is to be found."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIPACTORS_")}
    return {**environ, "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder)}


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actors.service", "call", *words, "--json"],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_call_needs_no_service_beside_it(tmp_path: Path) -> None:
    with running("--answer", "echo") as peer:
        host, port = peer.addresses["udp"]
        done = call(tmp_path, f"sip:echo@{host}:{port}", "--duration", "0.3")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert told[-1]["type"] == "CallEnded"
    assert told[-1]["outcome"] == "answered"


def test_one_that_is_ended_while_its_service_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "actors.service", "call", "sip:echo@127.0.0.1"],
        cwd=ROOT,
        env={**environment(tmp_path), "TMPDIR": str(made)},
        stderr=subprocess.PIPE,
    ) as process:
        while not list(made.glob("sipactors-*")):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        # On a busy machine it may have begun to call by now.
        assert process.wait(60) in {128 + signal.SIGTERM, 1}
    assert list(made.iterdir()) == []


def test_a_refused_call_ends_with_1_and_one_of_a_named_service_that_is_not_there_with_3(tmp_path: Path) -> None:
    with running("--answer", "none") as peer:
        host, port = peer.addresses["udp"]
        done = call(tmp_path, f"sip:echo@{host}:{port}")
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["status"]) == (1, 480)
    assert call(tmp_path, "sip:echo@127.0.0.1", "--run-dir", str(tmp_path / "none")).returncode == 3
