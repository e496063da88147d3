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
from actors.control.records import AccountChanged
from tests.live.registrar import account, registrar
from tests.live.service import ROOT, running

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="needs the Debian package kamailio"),
]


def shown(program: subprocess.Popen[str], pattern: str) -> str:
    """Read what it prints until a line matches; that line."""
    assert program.stdout is not None
    read: list[str] = []
    for line in program.stdout:
        read.append(line)
        if re.search(pattern, line):
            return line
    raise AssertionError(f"it ended without {pattern!r}:\n{''.join(read)}")


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
        config += '[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\n'
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
                    assert telephone(program, client, bob, carol.addresses["udp"]) == [
                        "registered",
                        "held",
                        "off hold",
                        "transferred",
                        "hung up",
                    ]
                    assert program.wait(30) == 0
                finally:
                    watch.cancel()
                    program.kill()


def bound(client: Client, account_of: str) -> None:
    """Wait until an account is registered."""
    with client.events(0) as events:
        while (event := events.receive(30.0)) is not None:
            if isinstance(event, AccountChanged) and (event.account, event.state) == (account_of, "registered"):
                return
    raise AssertionError(f"{account_of} is not registered")


def calling(program: subprocess.Popen[str], client: Client, bob: str) -> str:
    """Call Bob and let him answer; the call out.

    Both ends are in one service, so the telephone prints what happens to either: only the line with the id of the call
    out says that it may be held. Bob is answered earlier than his caller hears of it.
    """
    typed(program, f"call {bob}")
    _, _, ringing, *_ = shown(program, f"call in from .* to {bob}").split()
    out = next(each.call for each in client.calls() if each.direction == "out" and each.remote == bob)
    client.answer(ringing, echo=True)
    shown(program, f"{out}  answered, ")
    return out


def telephone(program: subprocess.Popen[str], client: Client, bob: str, carol: tuple[str, int]) -> list[str]:
    """Type what a person would, and wait for what is to be seen of each: what was seen."""
    bound(client, bob)
    typed(program, "register")
    shown(program, "sip:alice@.* is registered until")
    seen = ["registered"]
    call = calling(program, client, bob)
    typed(program, "hold")
    shown(program, f"{call}  held by us")
    seen.append("held")
    typed(program, "resume")
    shown(program, f"{call}  off hold")
    seen.append("off hold")
    typed(program, "transfer sip:echo@{}:{}".format(*carol))
    shown(program, f"{call}  transfer: 200 OK")
    shown(program, f"{call}  ended by local")
    seen.append("transferred")
    call = calling(program, client, bob)
    typed(program, "hangup")
    shown(program, f"{call}  ended by local")
    seen.append("hung up")
    typed(program, "quit")
    return seen
