"""Thousands of accounts of one service register over UDP, each with digest: how long, what CPU, what memory.

    python benchmarks/registrations.py --accounts 5000

The registrar is a thread here, on loopback: it challenges each account, checks its digest and counts. Time sets off 50
REGISTERs a second, so 5,000 accounts take 100 s, however fast the machine is; CPU is that of all processes of the
service, as the kernel counts it, from when the service is ready. Exit 1 where one is not registered in twice that time.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors import sip  # noqa: E402 - after the path
from actors.control.client import Client  # noqa: E402
from actors.dialog.registrations import RATE  # noqa: E402
from actors.sip.credentials import Challenge, Credentials, parse_credentials  # noqa: E402
from actors.sip.digest import ha1, verify  # noqa: E402
from tests.live.processes import family, memory  # noqa: E402
from tests.live.service import running  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
REALM, PASSWORD = "example.com", "wonderland"
EXPIRES = 3600  # seconds: nothing is refreshed while this runs
CHALLENGE = Challenge(REALM, "benchmark", "MD5", ("auth",))


class Registrar(threading.Thread):
    """Takes REGISTERs over UDP until it is closed.

    Attributes:
        bound: the users that are registered.
        requests, again, refused: REGISTERs in all, those that came before, those whose digest was wrong.
        done: set once `wanted` users are registered.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.wanted = wanted
        self.bound: set[str] = set()
        self.requests = self.again = self.refused = 0
        self.done = threading.Event()
        self._seen: set[str] = set()

    def run(self) -> None:
        """Answer, until the socket is closed."""
        with suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(65_535)
                request = sip.parse(data)
                if isinstance(request, sip.Request) and request.method == "REGISTER":
                    self.socket.sendto(bytes(self._answer(request)), peer)

    def _answer(self, request: sip.Request) -> sip.Response:
        via = request.get("Via") or ""
        self.requests += 1
        self.again += via in self._seen
        self._seen.add(via)
        user = request.to.uri.user or ""
        value = request.get("Authorization")
        if value is None:
            lines = [("WWW-Authenticate", str(CHALLENGE))]
            return request.response(401, to_tag="registrar", headers=lines)
        proof = parse_credentials(value)
        if not isinstance(proof, Credentials) or not verify(proof, ha1("MD5", user, REALM, PASSWORD), "REGISTER"):
            self.refused += 1
            return request.response(403, to_tag="registrar")
        self.bound.add(user)
        if len(self.bound) == self.wanted:
            self.done.set()
        lines = [("Contact", f"<{request.contacts[0].uri}>;expires={EXPIRES}")]
        return request.response(200, to_tag="registrar", headers=lines)


def accounts(count: int, port: int) -> str:
    """The configuration of `count` accounts of the registrar at `port`, as TOML."""
    return "".join(
        f'[[accounts]]\naor = "sip:user{n}@{REALM}"\nregistrar = "sip:127.0.0.1:{port}"\n'
        f'password = "{PASSWORD}"\nexpires = {EXPIRES}\n'
        for n in range(count)
    )


def cpu_seconds(supervisor: int) -> float:
    """User and system seconds that the processes of a service have had."""
    total = 0
    for each in family(supervisor):
        fields = Path(f"/proc/{each.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def told(client: Client, wanted: int) -> int:
    """How many accounts the service lists as registered; the answer to the last may still be on its way to it."""
    end = time.monotonic() + 10.0
    while (count := sum(each.state == "registered" for each in client.accounts())) < wanted and time.monotonic() < end:
        time.sleep(0.5)
    return count


def main() -> None:
    """Measure, print, exit 1 where not all are registered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=5000)
    wanted = parser.parse_args().accounts
    with running() as idle:
        empty = memory(idle.process.pid)
    registrar = Registrar(wanted)
    began = time.monotonic()
    with (
        registrar.socket,
        running(config=accounts(wanted, registrar.port)) as service,
        Client(service.run_dir) as client,
    ):
        ready, spent = time.monotonic(), cpu_seconds(service.process.pid)
        registrar.start()
        registrar.done.wait(10.0 + 2 * wanted / RATE)
        took = time.monotonic() - ready
        spent = cpu_seconds(service.process.pid) - spent
        full = memory(service.process.pid)
        listed = told(client, len(registrar.bound))
    bound = len(registrar.bound)
    print(f"ready with {wanted} accounts in {ready - began:.1f} s")
    print(f"registered {bound} of {wanted} in {took:.1f} s; the service lists {listed} as registered")
    print(f"REGISTERs: {registrar.requests}, {registrar.again} of them repeated; digests refused: {registrar.refused}")
    print(f"CPU: {spent:.2f} s, {1e3 * spent / max(bound, 1):.2f} ms a registration (two REGISTERs and their answers)")
    print(f"memory: {full / 2**20:.1f} MiB, {(full - empty) / 2**10 / wanted:.2f} KiB an account above an idle service")
    sys.exit(0 if bound == wanted else 1)


if __name__ == "__main__":
    main()
