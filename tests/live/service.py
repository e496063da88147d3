"""Start the real service as its users do and speak to it; each test has a run directory and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent.parent
READY_TIMEOUT = 30.0
RTP_PORTS = range(22_400, 32_000, 600)  # a slice for each service; below the ephemeral ports, above all others here


@dataclass
class Service:
    """A running service.

    Attributes:
        process: `sipactors run`; its pid is the supervisor's.
        run_dir: where its sockets are.
        addresses: transport -> (host, port), the first of each.
        listeners: every (transport, host, port).
        lines: what it printed.
    """

    process: subprocess.Popen[str]
    run_dir: Path
    state_dir: Path
    addresses: dict[str, tuple[str, int]] = field(default_factory=dict)
    listeners: list[tuple[str, str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    _said: threading.Condition = field(default_factory=threading.Condition)

    def listening(self, transport: str, host: str) -> tuple[str, int]:
        """The address of the listener of `transport` on `host`."""
        return next((at, port) for kind, at, port in self.listeners if (kind, at) == (transport, host))

    def command(self, *words: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a client command of the command line against this service."""
        return subprocess.run(
            [sys.executable, "-m", "actors.service", *words, "--run-dir", str(self.run_dir)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *words: str) -> Any:
        """The JSON that a client command prints."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def tree(self) -> dict[str, dict[str, Any]]:
        """The children by name."""
        return {child["name"]: child for child in self.json("ps")}

    def pid(self, name: str) -> int:
        """The process id of one child."""
        return int(self.tree()[name]["pid"])

    def say(self, line: str) -> None:
        """Take a line that it printed."""
        with self._said:
            self.lines.append(line)
            self._said.notify_all()

    def wait_for_line(self, *words: str, count: int = 1) -> None:
        """Wait until it has printed so many lines with all these words: its lines are read a moment after."""

        def said() -> bool:
            return sum(all(word in line for word in words) for line in self.lines) >= count

        with self._said:
            assert self._said.wait_for(said, READY_TIMEOUT), "\n".join(self.lines)

    def stop(self) -> int:
        """Ask it to stop in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def running(
    *arguments: str,
    listen: Sequence[str] = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"),
    base: Path | None = None,
    config: str = "",
    log: int | IO[bytes] = subprocess.STDOUT,
) -> Iterator[Service]:
    """A service with `arguments`, stopped hard at the end.

    `base` keeps the run and state directories, and the RTP ports, over two starts. `config` is TOML; unless it names
    RTP ports it gets some that no other service of the tests has. `log` is where it logs to.
    """
    with tempfile.TemporaryDirectory(prefix="sa-") as made, contextlib.ExitStack() as held:
        where = base or Path(made)
        run_dir, state_dir = where / "run", where / "state"
        words = [sys.executable, "supervisor.py", "run", "--run-dir", str(run_dir), "--state-dir", str(state_dir)]
        for address in listen:
            words += ["--listen", address]
        file = where / "sipactors.toml"
        if config or not file.exists():
            if "ports = " not in config:
                first = held.enter_context(own_ports(RTP_PORTS))
                config = config if "[media]" in config else f"{config}\n[media]"
                config = config.replace("[media]", f"[media]\nports = [{first}, {first + RTP_PORTS.step - 1}]")
            file.write_text(config, encoding="utf-8")
        words += ["-c", str(file)]
        process = subprocess.Popen(
            [*words, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        service = Service(process, run_dir, state_dir)
        try:
            _wait_ready(service)
            yield service
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=30)
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def own_ports(slices: range) -> Iterator[int]:
    """Hold a slice of ports, `slices.step` of them, against every other test of this machine; the first of them."""
    for first in slices:
        with socket.socket(socket.AF_UNIX) as lock:
            try:
                lock.bind(f"\0sipactors-test-ports-{first}")  # an abstract name: free again when we end, however
                # The processes of a service that was killed may still be about to end.
                for port in (first, first + slices.step - 1):
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                        probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            yield first
            return
    raise AssertionError(f"every slice of {slices} is taken by other tests")


def _wait_ready(service: Service) -> None:
    """Read its lines until the one that says ready, and go on reading them in the background."""
    ready = threading.Event()

    def read() -> None:
        with contextlib.suppress(ValueError):  # closed under us at the end
            for line in service.process.stdout or ():
                service.say(line.rstrip("\n"))
                if line.lstrip().startswith("listening on"):
                    for transport, host, port in re.findall(r"\b(udp|tcp|tls):(\[[^\]]+\]|[\d.]+):(\d+)", line):
                        service.addresses.setdefault(transport, (host.strip("[]"), int(port)))
                        service.listeners.append((transport, host.strip("[]"), int(port)))
                if line.startswith("ready in "):
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    assert ready.wait(READY_TIMEOUT), "no ready line: " + "\n".join(service.lines)
    assert service.process.poll() is None, "it ended: " + "\n".join(service.lines)
