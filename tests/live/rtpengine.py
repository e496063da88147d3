"""rtpengine as a media proxy in userspace, steered by a Kamailio that puts it into every description it passes on."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.live.kamailio import HOST, Proxy, proxy
from tests.live.service import own_ports
from tests.live.sipp import free_port

PACKAGE = "rtpengine-daemon"
PORTS = range(17_000, 18_000, 100)  # a slice for each: its RTP
PATIENCE = 30.0

_MODULE = """
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:{host}:{control}")
onreply_route[MEDIA] {{
    if (has_body("application/sdp")) rtpengine_manage("replace-origin");
}}
"""
_PASSING = """
    if (is_method("INVITE|ACK|BYE|UPDATE|PRACK")) rtpengine_manage("replace-origin");
    t_on_reply("MEDIA");
"""


def missing() -> str:
    """Which package is not there; empty where both are."""
    if shutil.which("rtpengine") is None:
        return PACKAGE
    return "" if shutil.which("kamailio") else "kamailio"


@contextmanager
def relay(folder: Path, routes: Mapping[str, str]) -> Iterator[tuple[Proxy, range]]:
    """Kamailio with rtpengine; the proxy, and the ports that RTP goes through.

    Args:
        folder: for configuration and logs.
        routes: the user part of a Request-URI -> the URI that the request goes to.
    """
    with own_ports(PORTS) as first, _daemon(folder, range(first, first + PORTS.step)) as control:
        module = _MODULE.format(host=HOST, control=control)
        with proxy(folder, routes, module, _PASSING) as kamailio:
            yield kamailio, range(first, first + PORTS.step)


@contextmanager
def _daemon(folder: Path, ports: range) -> Iterator[int]:
    """The daemon without its kernel module; the port it is steered by. Killed at the end."""
    control = free_port()
    command = ["rtpengine", "--config-file=none", "--foreground", "--log-stderr", "--log-level=5", "--table=-1"]
    command += [f"--interface={HOST}", f"--listen-ng={HOST}:{control}", f"--pidfile={folder / 'rtpengine.pid'}"]
    command += [f"--port-min={ports[0]}", f"--port-max={ports[-1]}", "--num-threads=1"]
    log = folder / "rtpengine.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        _wait_answered(control, process, log)
        yield control
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)


def _wait_answered(control: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Ping it, as Kamailio does, until it answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((HOST, control))
        asking.settimeout(0.1)
        for number in range(round(PATIENCE / 0.1)):
            assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
            try:
                asking.send(f"{number} d7:command4:pinge".encode())
                if b"pong" in asking.recv(1000):
                    return
            except ConnectionRefusedError:
                try:  # it is not there yet
                    process.wait(timeout=0.05)
                except subprocess.TimeoutExpired:
                    continue
            except TimeoutError:
                continue
    raise AssertionError("rtpengine does not answer:\n" + log.read_text(encoding="utf-8", errors="replace"))
