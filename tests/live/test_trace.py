"""``sipactors trace``: every message of a call is a rung of the ladder, as it happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.live.service import ROOT, Service, running

pytestmark = pytest.mark.live


def tracing(service: Service, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "actors.service", "trace", "--run-dir", str(service.run_dir), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "watching transaction-0\n"
    return process


def test_a_call_is_a_ladder() -> None:
    with running("--answer", "echo") as service:
        host, port = service.addresses["udp"]
        with tracing(service, "--json") as programs, tracing(service) as peoples:
            assert service.command("call", f"sip:echo@{host}:{port}", "--duration", "0.1").returncode == 0
            assert programs.stdout is not None
            assert peoples.stdout is not None
            steps, lines = [], []
            while sum(step["line"].startswith("200") and "BYE" in step["cseq"] for step in steps) < 2:
                steps.append(json.loads(programs.stdout.readline()))
                lines.append(peoples.stdout.readline())
            complaints = []
            for process in (programs, peoples):
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
                assert process.stderr is not None
                complaints.append(process.stderr.read())
    ours = [(step["outward"], step["line"].split()[0]) for step in steps]
    words = ("INVITE", "200", "ACK", "BYE")
    assert {(outward, word) for outward in (True, False) for word in words} <= set(ours)
    assert complaints == ["", ""]  # nothing is missing, though another looks on, too
    assert ours[0] == (True, "INVITE")
    assert "INVITE" in lines[0]
    assert ">" in lines[0]
    assert all("\x1b" not in line for line in lines)


def test_without_a_service_it_says_so() -> None:
    words = [sys.executable, "-m", "actors.service", "trace", "--run-dir", "/nonexistent"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "sipactors run" in done.stderr) == (3, True)
