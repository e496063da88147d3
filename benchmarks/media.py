"""CPU of a call's audio: milliseconds a call-second at several numbers of calls, beside baresip in the same run.

Two of our services call each other; each side plays a file to the other, in PCMU with jitter buffer and RTCP. Counted
is the CPU of their media processes, as the kernel counts it, over the seconds in which all calls are up; then the same
with two baresips. The gate is half of baresip's cost a call-second.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.client import Client  # noqa: E402 - after the path
from actors.control.records import CallEnded  # noqa: E402
from benchmarks.calls import cpu_seconds  # noqa: E402
from tests.live.baresip import Baresip  # noqa: E402
from tests.live.service import Service, running  # noqa: E402
from tests.live.sound import tone, write_wav  # noqa: E402

PORTS = range(18_400, 22_400)  # below those of the tests
POOL = 900
PHONE_PORTS = {"caller": 12_000, "callee": 12_600}
PATIENCE = 60.0

_PHONE = """
poll_method             epoll
sip_listen              127.0.0.1:{sip}
audio_source            aufile,{source}
audio_player            aufile,none
audio_alert             aufile,none
rtp_ports               {first}-{last}
call_max_calls          0
ringback_disabled       yes
ctrl_tcp_listen         127.0.0.1:{control}
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  aufile.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
"""


@dataclass
class Result:
    """One pass.

    Attributes:
        name: who was measured.
        calls: how many were up.
        cpu_ms: of one call's audio on one side, milliseconds a second.
        packets: a second, call and direction, as heard; 50 is whole.
    """

    name: str
    calls: int
    cpu_ms: float
    packets: float


def media_pid(service: Service) -> int:
    """The process that has the audio."""
    return service.pid("media-0")


def free_pool(taken: set[int]) -> list[int]:
    """First and last of POOL ports that nobody has, none of them in `taken`."""
    for first in range(PORTS.start, PORTS.stop - POOL, 100):
        pool = range(first, first + POOL)
        if not taken.isdisjoint(pool):
            continue
        try:
            for port in pool[::10]:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        taken.update(pool)
        return [pool[0], pool[-1]]
    raise SystemExit("no free range of ports for RTP")


def wait_calls(client: Client, calls: int) -> None:
    """Wait until so many are up."""
    end = time.monotonic() + PATIENCE
    while sum(call.state == "confirmed" for call in client.calls()) < calls:
        if time.monotonic() > end:
            raise SystemExit(f"{calls} calls did not come up within {PATIENCE:g} s")
        time.sleep(0.2)


@contextmanager
def our_calls(folder: Path, calls: int, seconds: float) -> Iterator[tuple[Client, list[Service]]]:
    """Two services, `calls` calls between them that last `seconds` at least; the caller's client, and both of them."""
    music = write_wav(folder / "music.wav", tone(440.0, PATIENCE + seconds + 30))
    taken: set[int] = set()
    with ExitStack() as held:

        def start(side: str, answer: str) -> Service:
            base = folder / f"{side}-{calls}"
            base.mkdir()
            config = f"[media]\nports = {free_pool(taken)}\n[sip]\nmax_requests = 100000.0\n"
            return held.enter_context(running("--answer", answer, base=base, config=config))

        caller, callee = start("caller", "ring"), start("callee", f"play:{music}")
        client = held.enter_context(Client(caller.run_dir))
        host, port = callee.addresses["udp"]
        for _ in range(calls):
            client.place(f"sip:music@{host}:{port}", play=str(music))
        wait_calls(client, calls)
        yield client, [caller, callee]


def measure_ours(folder: Path, calls: int, seconds: float) -> Result:
    """Our cost of so many calls."""
    with our_calls(folder, calls, seconds) as (client, services), client.events() as stream:
        pids = [media_pid(each) for each in services]
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        time.sleep(seconds)
        used = sum(cpu_seconds(pid) - cpu for pid, cpu in zip(pids, before, strict=True))
        lasted = time.monotonic() - began
        up, heard, talked = calls, 0, 0.0
        for call in client.calls():
            client.hangup(call.call)
        while calls and (event := stream.receive(PATIENCE)) is not None:
            if isinstance(event, CallEnded):
                heard, talked, calls = heard + event.packets_received, talked + event.talking, calls - 1
    return Result("sipactors", up, used / (2 * up * lasted) * 1000, heard / talked if talked else 0.0)


@contextmanager
def phone(folder: Path, side: str, source: Path) -> Iterator[tuple[Baresip, int]]:
    """A baresip that answers by itself and takes any number of calls; and its process."""
    folder.mkdir()
    sip = PHONE_PORTS[side]
    (folder / "config").write_text(
        _PHONE.format(sip=sip, source=source, first=sip + 10, last=sip + 590, control=sip + 4), encoding="utf-8"
    )
    account = f"<sip:phone@127.0.0.1:{sip}>;regint=0;audio_codecs=PCMU/8000/1;answermode=auto\n"
    (folder / "accounts").write_text(account, encoding="utf-8")
    with subprocess.Popen(
        ["baresip", "-f", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
    ) as process:
        running_phone = Baresip(process, folder, f"sip:phone@127.0.0.1:{sip}")
        try:
            running_phone.connect(sip + 4)
            yield running_phone, process.pid
        finally:
            running_phone.close()


@contextmanager
def baresip_calls(folder: Path, calls: int, seconds: float) -> Iterator[list[int]]:
    """Two baresips, `calls` calls between them that last `seconds` at least; their processes."""
    music = write_wav(folder / "phone.wav", tone(440.0, PATIENCE + seconds + 30))
    with phone(folder / "a", "caller", music) as (caller, one), phone(folder / "b", "callee", music) as (callee, other):
        for _ in range(calls):
            caller.command("dial", callee.uri)
            caller.event("CALL_ESTABLISHED")
        yield [one, other]


def measure_baresip(folder: Path, calls: int, seconds: float) -> Result:
    """The cost of as many between two baresips."""
    with baresip_calls(folder, calls, seconds) as pids:
        before, began = sum(map(cpu_seconds, pids)), time.monotonic()
        time.sleep(seconds)
        used = sum(map(cpu_seconds, pids)) - before
        return Result("baresip", calls, used / (2 * calls * (time.monotonic() - began)) * 1000, 50.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[50, 200, 400])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--baresip", type=int, default=50, help="calls of baresip's pass")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sa-media-") as made:
        folder = Path(made)
        base = measure_baresip(folder, options.baresip, options.seconds)
        results = [base]
        results += [measure_ours(folder, calls, options.seconds) for calls in options.calls]
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for each in results:
            cost = f"{each.cpu_ms:6.2f} ms a call-second"
            print(f"{each.name:10} {each.calls:4} calls  {cost}  {each.packets:5.1f} packets/s")
    worst = max(each.cpu_ms for each in results[1:])
    print(f"{worst / base.cpu_ms:.2f} of baresip's (gate 0.5)")
    sys.exit(int(worst > 0.5 * base.cpu_ms))


if __name__ == "__main__":
    main()
