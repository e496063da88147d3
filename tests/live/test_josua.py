"""The example that is a telephone registers at Kamailio, calls, holds, transfers and hangs up by what is typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.control.client import Client
from tests.live.registrar import account, registrar
from tests.live.service import ROOT, running

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="needs the Debian package kamailio"),
]


def shown(program: subprocess.Popen[str], pattern: str) -> str:
    """Read what it prints until a line matches; that line."""
    assert program.stdout is not None
    for line in program.stdout:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"it ended without {pattern!r}")


def typed(program: subprocess.Popen[str], line: str) -> None:
    assert program.stdin is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()


def test_josua_is_shorter_than_sixty_lines() -> None:
    assert len((ROOT / "examples" / "josua.py").read_text("utf-8").splitlines()) < 60


def test_josua_registers_calls_holds_transfers_and_hangs_up(tmp_path: Path) -> None:
    with registrar(tmp_path) as domain, running("--answer", "echo") as carol:
        names = ("alice", "bob")
        config = "".join([account(domain.domain, name) for name in names])
        with running("--answer", "ring", config=config) as service, Client(service.run_dir) as client:
            alice, bob = (f"sip:{name}@{domain.domain}" for name in names)
            words = [sys.executable, "examples/josua.py", alice, "--run-dir", str(service.run_dir)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            with subprocess.Popen(
                words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as program:
                watch = threading.Timer(60.0, program.kill)  # it judges nothing, it only ends a test that hangs
                watch.start()
                try:
                    telephone(program, client, bob, carol.addresses["udp"])
                finally:
                    watch.cancel()
                    program.kill()


def telephone(program: subprocess.Popen[str], client: Client, bob: str, carol: tuple[str, int]) -> None:
    with client.events() as events:
        typed(program, "register")
        shown(program, "is registered until")
        typed(program, f"call {bob}")
        while (event := events.receive(30.0)) is None or type(event).__name__ != "CallReceived":
            assert event is not None
        shown(program, "call in from")
        client.answer(event.call, echo=True)
        shown(program, "answered, ")
        typed(program, "hold")
        typed(program, "resume")
        typed(program, "transfer sip:echo@{}:{}".format(*carol))
        typed(program, "quit")
        assert program.wait(30) == 0
