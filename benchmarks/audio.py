"""What it costs to have calls' audio in another process, and how long it takes through it and back.

Two of our services call each other; the caller's side plays a file. On the callee's side another process hears every
call and writes back what it hears. Counted is the CPU of the callee's media process, as the kernel counts it, beside
that of the same calls without taps, in the same run; then mouth to ear of one call, through the tap and back, beside
the service's own echo. The gate is 0.5 ms of CPU a call-second for both directions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.async_audio import AsyncAudio  # noqa: E402 - after the path
from actors.control.async_client import AsyncClient  # noqa: E402
from actors.control.audio import AudioEnded  # noqa: E402
from actors.control.client import Client  # noqa: E402
from actors.control.records import CallReceived  # noqa: E402
from benchmarks.calls import cpu_seconds  # noqa: E402
from benchmarks.media import PATIENCE, free_pool, media_pid, wait_calls  # noqa: E402
from tests.chaos.killing import calling, next_event  # noqa: E402
from tests.live.service import Service, running  # noqa: E402
from tests.live.sound import tone, write_wav  # noqa: E402

GATE = 0.5
HEAD = struct.Struct("!BBHII")
LOUD, QUIET = b"\x10" * 160, b"\xff" * 160
BURSTS = 20
EVERY = 25  # frames between the beginnings of bursts


async def _back(audio: AsyncAudio, counted: list[int]) -> None:
    with suppress(AudioEnded):  # frames may be left to read when the call is over and nothing can be written any more
        async for frame in audio:
            counted[0] += 1
            counted[1] += frame.lost
            await audio.write(frame.data)


async def talk(run_dir: str, rate: int) -> None:
    """Write back what is heard in every call, until the calls end; then print how many frames came and were lost."""
    counted = [0, 0]
    async with AsyncClient(run_dir) as client, asyncio.TaskGroup() as tasks:

        async def one(call: str) -> None:
            async with client.calls[call].audio(rate) as audio:
                await _back(audio, counted)

        for call in await client.calls():
            tasks.create_task(one(call.call))
        await asyncio.sleep(0)
        print("ready", flush=True)
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


def measure(folder: Path, calls: int, seconds: float, rate: int) -> tuple[float, float, float, list[int]]:
    """Without taps, with them, the other process's own cost (all a call-second); its frames heard and lost."""
    music = write_wav(folder / "music.wav", tone(440.0, PATIENCE + 3 * seconds + 30))
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
        pid = media_pid(callee)
        without = used(pid, seconds, calls)
        process = taps(callee, rate)
        time.sleep(1.0)  # until all taps stand
        before = cpu_seconds(process.pid)
        tapped = used(pid, seconds, calls)
        theirs = (cpu_seconds(process.pid) - before) / (calls * seconds) * 1000
        for call in caller.calls():
            caller.hangup(call.call)
        assert process.stdout is not None
        counted = json.loads(process.communicate(timeout=PATIENCE)[0])
    return without, tapped, theirs, counted


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
        due += 0.02
        while (left := due - time.monotonic()) > 0:
            if select.select([sock], [], [], left)[0] and sock.recv(2048)[12:].count(LOUD[:1]) > 80 and not back:
                back = True
                found.append((time.monotonic() - sent) * 1000)
    return sorted(found)


def mouth_to_ear(folder: Path, rate: int) -> tuple[list[float], list[float]]:
    """Round trips through the service's own echo, and through a tap and back."""
    results = []
    with running("--answer", "ring") as service, Client(service.run_dir) as client:
        for way in ("echo", "tap"):
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
                client.events(topics=["Call*"]) as events,
            ):
                sock.bind(("127.0.0.1", 0))
                with calling(folder / way, service, "udp", "call_and_wait", sock.getsockname()[1]) as sipp:
                    call = next_event(events, "CallReceived", []).call
                    client.answer(call, echo=way == "echo")
                    process = taps(service, rate) if way == "tap" else None
                    results.append(round_trips(sock, sock.recvfrom(2048)[1]))
                    client.hangup(call)
                    sipp.wait(timeout=30)
                    if process is not None:
                        process.communicate(timeout=30)
    return results[0], results[1]


def middle(values: list[float]) -> str:
    """The median and the worst."""
    return f"median {values[len(values) // 2]:.1f} ms, worst {values[-1]:.1f} ms" if values else "nothing came back"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--talk", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.talk:
        asyncio.run(talk(options.talk, options.rate))
        return
    with tempfile.TemporaryDirectory(prefix="sa-audio-") as made:
        without, tapped, theirs, counted = measure(Path(made), options.calls, options.seconds, options.rate)
        print(f"{options.calls} calls, both directions at {options.rate} Hz, CPU of the media process a call-second:")
        print(f"  without taps {without:.2f} ms, with them {tapped:.2f} ms: they cost {tapped - without:.2f} ms")
        print(f"  the other process itself {theirs:.2f} ms; it heard {counted[0]} frames, {counted[1]} were lost")
        echo, through = mouth_to_ear(Path(made), options.rate)
        print(f"mouth to ear, the service's own echo: {middle(echo)}")
        print(f"mouth to ear, through a tap and back: {middle(through)}")
    sys.exit(int(tapped - without > GATE))


if __name__ == "__main__":
    main()
