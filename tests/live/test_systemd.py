"""Under systemd, its interface played by the test: readiness, watchdog, and ports over a supervisor's death."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.peer import Caller
from tests.live.service import ROOT, RTP_PORTS, own_ports
from tests.live.sipp import port_of_both

pytestmark = pytest.mark.live

# Puts what was kept at descriptor 3 and on, and becomes the service, as systemd does.
EXEC = """
import fcntl, os, sys
kept = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 500) for fd in sys.argv[1].split(",") if fd]
for at, fd in enumerate(kept):
    os.dup2(fd, 3 + at, inheritable=True)
    os.close(fd)
if kept:
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(kept))}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Manager:
    """Systemd's ends: the notify socket and the descriptor store."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(str(self.path))
        self._end.settimeout(30.0)
        self.kept: list[int] = []
        self.heard: list[str] = []

    def hear(self) -> str:
        """The next message; what it wants kept is kept."""
        data, ancillary, _, _ = self._end.recvmsg(4096, socket.CMSG_LEN(4 * 256))
        fds = array.array("i")
        for _, _, content in ancillary:
            fds.frombytes(content)
        text = data.decode()
        self.heard.append(text)
        if "FDSTOREREMOVE=1" in text:
            self.drop()
        if "FDSTORE=1" in text:
            self.kept += fds
        return text

    def wait_for(self, line: str) -> None:
        while line not in self.hear().split("\n"):
            pass

    def drop(self) -> None:
        for fd in self.kept:
            os.close(fd)
        self.kept.clear()

    def close(self) -> None:
        self.drop()
        self._end.close()


@contextlib.contextmanager
def started(manager: Manager, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    kept = ",".join(map(str, manager.kept))
    words = ["supervisor.py", "run", "-c", str(folder / "c.toml"), "--run-dir", str(folder / "run")]
    process = subprocess.Popen(
        [sys.executable, "-c", EXEC, kept, *words, "--state-dir", str(folder / "state")],
        cwd=ROOT,
        env={**os.environ, "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000000"},
        pass_fds=manager.kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_what_is_sent_while_the_supervisor_is_dead_is_answered_by_the_next_one(tmp_path: Path) -> None:
    port = port_of_both()
    manager = Manager(tmp_path)
    with own_ports(RTP_PORTS) as first, Caller(("127.0.0.1", port)) as caller:
        listen = f'["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]'
        (tmp_path / "c.toml").write_text(f"[sip]\nlisten = {listen}\n[media]\nports = [{first}, {first + 9}]\n")
        with started(manager, tmp_path):
            manager.wait_for("WATCHDOG=1")
            while not any("READY=1" in text for text in manager.heard):
                manager.hear()
            assert len(manager.kept) == 12  # two listeners, five pairs of RTP ports
        caller.invite()  # nobody is there, but its port is
        with socket.create_connection(("127.0.0.1", port), timeout=30.0), started(manager, tmp_path) as service:
            assert caller.final() == 200
            manager.wait_for("FDNAME=sipactors")
            service.terminate()
            manager.wait_for("STOPPING=1")
    manager.close()
