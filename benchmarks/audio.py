"""What it costs to have calls' audio in another process, and how long it takes through it and back.

Two of our services call each other; the caller's side plays a file. On the callee's side another process hears every
call and writes back what it hears. Counted is the CPU of the callee's media process, as the kernel counts it, beside
that of the same calls without taps, in pairs; then mouth to ear of one call, through the tap and back, beside the
service's own echo. The gate is 0.5 ms of CPU a call-second for both directions, in the median of the pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.async_audio import AsyncAudio  # noqa: E402 - after the path
from actors.control.async_client import AsyncClient  # noqa: E402
from actors.control.audio import Audio, AudioEnded  # noqa: E402
from actors.control.client import Client  # noqa: E402
from actors.control.records import CallReceived  # noqa: E402
from actors.media.g711 import Law, decode  # noqa: E402
from benchmarks.calls import cpu_seconds  # noqa: E402
from benchmarks.media import PATIENCE, free_pool, media_pid, wait_calls  # noqa: E402
from tests.chaos.killing import calling, next_event  # noqa: E402
from tests.live.service import Service, running  # noqa: E402
from tests.live.sound import tone, write_wav  # noqa: E402

GATE = 0.5
HEAD = struct.Struct("!BBHII")
LOUD, QUIET = b"\x10" * 160, b"\xff" * 160
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
BURSTS = 20
LIVE = 4  # frames not known to be played: how far playing has come is told at every fifth, so that none waits
EVERY = 25  # frames between the beginnings of bursts


async def _back(audio: AsyncAudio, counted: list[int]) -> None:
    most = LIVE * audio.rate // 50
    with suppress(AudioEnded):  # frames may be left to read when the call is over and nothing can be written any more
        async for frame in audio:
            counted[0] += 1
            counted[1] += frame.lost
            # Who answers live leaves a frame out where several wait: what once came late would else stay late for good.
            if audio.written - audio.played <= most:
                await audio.write(frame.data)


async def talk(run_dir: str, rate: int) -> None:
    """Write back what is heard in every call until SIGTERM; then print how many frames came and were lost."""
    counted = [0, 0]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with AsyncClient(run_dir) as client, asyncio.TaskGroup() as tasks:

        async def one(call: str) -> None:
            async with client.calls[call].audio(rate) as audio:
                await _back(audio, counted)

        talking = [tasks.create_task(one(call.call)) for call in await client.calls()]
        await asyncio.sleep(0)
        print("ready", flush=True)
        await stopped.wait()
        for task in talking:
            task.cancel()
    print(json.dumps(counted), flush=True)


def taps(service: Service, rate: int) -> subprocess.Popen[str]:
    """That, in a process of its own."""
    words = [sys.executable, __file__, "--talk", str(service.run_dir), "--rate", str(rate)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def used(pid: int, seconds: float, calls: int) -> float:
    """Milliseconds of CPU a call-second."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (calls * (time.monotonic() - began)) * 1000


def stop(process: subprocess.Popen[str]) -> tuple[int, int]:
    """End the other process; the frames that it heard and that were lost."""
    process.terminate()
    heard, lost = json.loads(process.communicate(timeout=PATIENCE)[0])
    return heard, lost


@dataclass(frozen=True, slots=True)
class Pair:
    """The same calls without taps and then with them: CPU of the media process and of the other, ms a call-second."""

    without: float
    tapped: float
    theirs: float
    heard: int
    lost: int


def pair(callee: Service, calls: int, seconds: float, rate: int) -> Pair:
    """Measure one after the other; what else the machine does changes over a minute, less from one to the next."""
    pid = media_pid(callee)
    without = used(pid, seconds, calls)
    process = taps(callee, rate)
    time.sleep(1.0)  # until all taps stand
    before = cpu_seconds(process.pid)
    tapped = used(pid, seconds, calls)
    theirs = (cpu_seconds(process.pid) - before) / (calls * seconds) * 1000
    return Pair(without, tapped, theirs, *stop(process))


def measure(folder: Path, options: argparse.Namespace) -> list[Pair]:
    """Hold the calls, and measure them in pairs."""
    calls = options.calls
    music = write_wav(folder / "music.wav", tone(440.0, PATIENCE + options.pairs * 3 * options.seconds + 30))
    taken: set[int] = set()
    with ExitStack() as held:

        def start(side: str) -> tuple[Service, Client]:
            base = folder / side
            base.mkdir()
            config = f"[media]\nports = {free_pool(taken)}\n[sip]\nmax_requests = 100000.0\n"
            service = held.enter_context(running("--answer", "ring", base=base, config=config))
            return service, held.enter_context(Client(service.run_dir))

        (_, caller), (callee, client) = start("caller"), start("callee")
        host, port = callee.addresses["udp"]
        events = held.enter_context(client.events(topics=["CallReceived"]))
        for _ in range(calls):
            caller.place(f"sip:tap@{host}:{port}", play=str(music))
            event = events.receive(PATIENCE)
            assert isinstance(event, CallReceived)
            client.answer(event.call)
        wait_calls(caller, calls)
        pairs = [pair(callee, calls, options.seconds, options.rate) for _ in range(options.pairs)]
        for call in caller.calls():
            caller.hangup(call.call)
    return pairs


def round_trips(sock: socket.socket, to: tuple[str, int]) -> list[float]:
    """Send bursts in silence; the milliseconds from each one's first packet to its return."""
    found: list[float] = []
    sent, due, back = 0.0, time.monotonic(), True
    for number in range(EVERY * (BURSTS + 4)):
        loud = number >= 3 * EVERY and number % EVERY < 5
        if loud and number % EVERY == 0:
            sent, back = time.monotonic(), False
        head = HEAD.pack(0x80, 0, number & 0xFFFF, 160 * number, 0xACE)
        sock.sendto(head + (LOUD if loud else QUIET), to)
        # A millisecond later in the service's tick with every burst: the wait for the next tick evens out.
        due += 0.021 if number % EVERY == EVERY // 2 else 0.02
        while (left := due - time.monotonic()) > 0:
            if select.select([sock], [], [], left)[0] and sock.recv(2048)[12:].count(LOUD[:1]) > 80 and not back:
                back = True
                found.append((time.monotonic() - sent) * 1000)
    return sorted(found)


def last_loud(sock: socket.socket, since: float) -> float:
    """Read for 100 ms; milliseconds from `since` until the last loud packet came, 0 where none did."""
    last, end = since, time.monotonic() + 0.1
    while (left := end - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            data, ancillary, _, _ = sock.recvmsg(2048, 64)
            second, part = struct.unpack("ll", ancillary[0][2])
            if data[12:].count(LOUD[:1]) > 80:
                last = max(last, second + part / 1e9)
    return (last - since) * 1000


def flushes(sock: socket.socket, audio: Audio) -> list[float]:
    """Speak, and stop in the middle; the milliseconds from each flush until the peer hears nothing of it any more."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    loud = decode(np.frombuffer(LOUD * 50, np.uint8), Law.PCMU).tobytes()
    found = []
    for _ in range(BURSTS):
        audio.write(loud)
        while sock.recv(2048)[12:].count(LOUD[:1]) < 80:
            pass  # not there yet
        time.sleep(random.uniform(0.1, 0.3))
        asked = time.time()
        audio.flush()
        found.append(last_loud(sock, asked))
    return sorted(found)


def mouth_to_ear(folder: Path, rate: int) -> list[list[float]]:
    """Round trips through the service's own echo, and through a tap and back; from flushes to silence."""
    results = []
    with running("--answer", "ring") as service, Client(service.run_dir) as client:
        for way in ("echo", "tap", "flush"):
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
                client.events(topics=["Call*"]) as events,
            ):
                sock.bind(("127.0.0.1", 0))
                with calling(folder / way, service, "udp", "call_and_wait", sock.getsockname()[1]) as sipp:
                    call = next_event(events, "CallReceived", []).call
                    client.answer(call, echo=way == "echo")
                    process = taps(service, rate) if way == "tap" else None
                    if way == "flush":
                        with client.calls[call].audio(8000) as audio:
                            results.append(flushes(sock, audio))
                    else:
                        results.append(round_trips(sock, sock.recvfrom(2048)[1]))
                    client.hangup(call)
                    sipp.wait(timeout=30)
                    if process is not None:
                        stop(process)
    return results


def middle(values: list[float]) -> str:
    """The median and the worst."""
    return f"median {values[len(values) // 2]:.1f} ms, worst {values[-1]:.1f} ms" if values else "nothing came back"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each half of a pair")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--talk", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.talk:
        asyncio.run(talk(options.talk, options.rate))
        return
    with tempfile.TemporaryDirectory(prefix="sa-audio-") as made:
        pairs = measure(Path(made), options)
        print(f"{options.calls} calls, both directions at {options.rate} Hz, CPU of the media process a call-second:")
        for one in pairs:
            print(
                f"  without taps {one.without:.2f} ms, with them {one.tapped:.2f}; the other process {one.theirs:.2f}"
            )
        cost = statistics.median(one.tapped - one.without for one in pairs)
        print(f"  the median of {len(pairs)} pairs: they cost {cost:.2f} ms")
        print(f"  it heard {sum(one.heard for one in pairs)} frames, {sum(one.lost for one in pairs)} were lost")
        echo, through, flushed = mouth_to_ear(Path(made), options.rate)
        print(f"mouth to ear, the service's own echo: {middle(echo)}")
        print(f"mouth to ear, through a tap and back: {middle(through)}")
        print(f"from a flush to the last packet before silence: {middle(flushed)}")
    sys.exit(int(cost > GATE))


if __name__ == "__main__":
    main()
