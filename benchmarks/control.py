"""The control API beside a bare ZeroMQ echo in the same run: round trips of a command, events a second to subscribers.

    python benchmarks/control.py --rounds 2000 --events 20000
    python benchmarks/control.py --answered 200    # calls a second, for 20 s: CPU a call

A round trip is `drain` (off, so nothing changes): client, control, its journal, a dialog shard, its journal, and back.
`hello` is the same without the shard. Events are written by a dialog shard played here, to a control actor in a process
of its own, and read by three subscribers in processes of theirs, until each has the last. With `--answered` calls in
ring and a program answers each by a command: what a flood of commands costs the service's processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import zmq

sys.path.insert(0, str(Path(__file__).parent.parent))

from actors.config import Config, MediaSection, SipSection
from actors.control import verbs
from actors.control.client import Client, CommandRefused
from actors.control.reading import Lost
from actors.control.records import CallReceived
from actors.dialog import call_events
from actors.service import Service
from benchmarks.calls import call_for, cpu_seconds, processes
from benchmarks.media import free_pool
from tests.control.api import ControlProcess
from tests.live.service import running

SUBSCRIBERS = 3
ANSWERED_SECONDS = 20.0


def timed(name: str, rounds: int, once: Callable[[], object]) -> None:
    """Do something many times and say how long one takes."""
    for _ in range(rounds // 10):
        once()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        once()
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    p50, p99 = statistics.median(took), took[len(took) * 99 // 100]
    print(f"{name:<28} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms   {rounds} rounds")


def bare_echo(rounds: int, folder: Path) -> None:
    """A ROUTER in a thread that sends back what it gets: what ZeroMQ alone takes."""
    address = f"ipc://{folder / 'echo'}"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(address)

    def serve() -> None:
        while len(parts := router.recv_multipart()) > 1 and parts[1]:
            router.send_multipart(parts)

    server = threading.Thread(target=serve)
    server.start()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address)

    def once() -> None:
        dealer.send(b"x" * 100)
        dealer.recv()

    timed("bare ZeroMQ echo, ipc", rounds, once)
    dealer.send(b"")
    server.join()
    for each in (dealer, router):
        each.close(0)
    context.term()


def round_trips(rounds: int) -> None:
    """Commands to the whole service."""
    config = Config(sip=SipSection(listen=("udp:127.0.0.1:0",)), media=MediaSection(ports=(33_000, 33_009)))
    with Service(config) as ua, ua.client() as client:
        timed("hello (control alone)", rounds, lambda: client._grant(verbs.hello()))  # noqa: SLF001
        timed("drain off (through a shard)", rounds, lambda: client.drain(on=False))


def subscriber(run_dir: Path, count: int, barrier: object, result: object) -> None:
    """Read so many events in a process of its own."""
    with Client(run_dir) as client, client.events() as stream:
        barrier.wait()  # type: ignore[attr-defined]
        seen = missed = 0
        while seen + missed < count:
            event = stream.receive(30.0)
            if isinstance(event, Lost):
                missed += event.next - event.after - 1
            elif isinstance(event, CallReceived):
                seen += 1
            else:
                raise SystemExit(f"event {seen + missed} is {event}")
    result.put((time.perf_counter(), missed))  # type: ignore[attr-defined]


def events(count: int, folder: Path) -> None:
    """Events from a shard to three subscribers."""
    context = multiprocessing.get_context("spawn")
    barrier, result = context.Barrier(SUBSCRIBERS + 1), context.Queue()
    with ControlProcess(folder) as house:
        run_dir = house.context.run_dir
        readers = [
            context.Process(target=subscriber, args=(run_dir, count, barrier, result)) for _ in range(SUBSCRIBERS)
        ]
        for reader in readers:
            reader.start()
        barrier.wait()
        peer = house.peers["dialog-0"]
        began = time.perf_counter()
        for number in range(count):
            peer.send(call_events.CallReceived(f"c{number}", "sip:a@example.net", "sip:b@example.org", "", 1.0))
        house.wait_for(lambda: not any(reader.is_alive() for reader in readers))
        found = [result.get() for _ in readers]
    seconds = max(at for at, _ in found) - began
    missed = sum(each for _, each in found)  # and told of
    rate = count / seconds
    print(f"{rate:,.0f} events/s to each of {SUBSCRIBERS} subscribers, {count} events, missed: {missed}")


def answerer(run_dir: str, ready: object) -> None:
    """Answer every call, in a process of its own."""
    with Client(run_dir) as client, client.events(topics=["CallReceived"]) as stream:
        ready.set()  # type: ignore[attr-defined]
        for event in stream:
            with suppress(CommandRefused):  # its caller gave up
                client.answer(event.call)  # type: ignore[union-attr]


def answered_calls(rate: float, folder: Path) -> None:
    """Calls in that ring until a command answers them; the caller hangs up at once."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    with running("--answer", "ring", config=f"[media]\nports = {free_pool(set())}\n") as service:
        worker = context.Process(target=answerer, args=(str(service.run_dir), ready))
        worker.start()
        ready.wait()
        pids = processes(service)
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        report = call_for(folder / "uac", service.addresses["udp"], rate, ANSWERED_SECONDS, "answered by commands")
        spent = {name: (cpu_seconds(pid) - before[name]) * 1e3 for name, pid in pids.items()}
        worker.kill()
    calls = report.successful + report.failed
    each = "  ".join(f"{name} {cost / calls:.3f}" for name, cost in spent.items() if cost >= 1.0)
    total = sum(spent.values()) / calls
    print(f"{calls} calls at {rate:g}/s, failed {report.failed}: {total:.3f} ms CPU a call  {each}")


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--answered", type=float, default=0.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sa-") as folder:
        if options.answered:
            answered_calls(options.answered, Path(folder))
            return
        bare_echo(options.rounds, Path(folder))
        round_trips(options.rounds)
        events(options.events, Path(folder))


if __name__ == "__main__":
    main()
