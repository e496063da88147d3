"""What systemd is told and what it keeps: readiness, the watchdog, and descriptors over a restart of the supervisor.

The protocol is sd_notify(3): datagrams of lines to ``$NOTIFY_SOCKET``, descriptors with them; and sd_listen_fds(3):
what was kept comes back from descriptor 3 on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, MutableMapping

MAX_DESCRIPTORS = 250  # in one message; the kernel takes 253 (SCM_MAX_FD)
PATIENCE = 2.0  # seconds for the manager to make room for a word
FIRST = 3  # SD_LISTEN_FDS_START
NAME = "sipactors"  # of every descriptor: which is which its own address tells
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

Address = tuple[int, str, int]  # SOCK_STREAM or SOCK_DGRAM, host, port


class Systemd:
    """The service manager, where there is one; without it everything here does nothing.

    Args:
        environ: the environment; what is meant for us is taken out, as it is not meant for our children.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        told = {name: environ.pop(name, "") for name in _VARIABLES}
        ours = str(os.getpid())
        self._address = "\0" + told["NOTIFY_SOCKET"][1:] if told["NOTIFY_SOCKET"][:1] == "@" else told["NOTIFY_SOCKET"]
        watched = told["WATCHDOG_USEC"].isdigit() and told["WATCHDOG_PID"] in ("", ours)
        self._interval = int(told["WATCHDOG_USEC"]) / 2e6 if watched else 0.0
        self._due = 0.0
        listens = told["LISTEN_PID"] == ours and told["LISTEN_FDS"].isdigit()
        self._kept = range(FIRST, FIRST + int(told["LISTEN_FDS"])) if listens else range(0)

    def take(self) -> dict[Address, socket.socket]:
        """The sockets that were kept for us, by their addresses; to be asked for once."""
        found: dict[Address, socket.socket] = {}
        for fd in self._kept:
            os.set_inheritable(fd, False)
            try:
                sock = socket.socket(fileno=fd)
                host, port = sock.getsockname()[:2]
            except (OSError, ValueError):  # no socket, or none with a host and a port
                os.close(fd)
                continue
            sock.setblocking(False)
            found[int(sock.type), host, port] = sock
        self._kept = range(0)
        return found

    def keep(self, descriptors: Iterable[int]) -> None:
        """Have these kept over our end, and none that were before."""
        fds = list(descriptors)
        self._tell(f"FDSTOREREMOVE=1\nFDNAME={NAME}")
        for at in range(0, len(fds), MAX_DESCRIPTORS):
            self._tell(f"FDSTORE=1\nFDNAME={NAME}", fds[at : at + MAX_DESCRIPTORS])

    def ready(self, status: str) -> None:
        """We serve."""
        self._tell(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """We read our configuration again; `ready` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """We end the calls, and then ourselves."""
        self._tell("STOPPING=1")

    def alive(self, now: float) -> None:
        """Our loop turns; told twice in the time that the watchdog gives. `now` is in seconds of any clock."""
        if self._interval and now >= self._due:
            self._due = now + self._interval
            self._tell("WATCHDOG=1", patience=0.0)

    def _tell(self, text: str, descriptors: list[int] | None = None, *, patience: float = PATIENCE) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(patience)
            try:
                end.connect(self._address)
                socket.send_fds(end, [text.encode()], descriptors or [])
            except OSError:
                return  # a manager that is gone or does not read: it is told again, and we serve without it
