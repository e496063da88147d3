"""One kill in one phase of one call, and all that can be seen of it afterwards: tests judge it, the report times it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.control.client import Client, EventStream, Lost
from tests.live import sipp
from tests.live.rtp import Packet, RtpPeer, longest_gap
from tests.live.service import Service
from tests.live.sound import tone, write_wav

ACTORS = ("transport", "transaction-0", "dialog-0", "media-0", "control")
PHASES = ("ringing", "call", "bye")
ENDERS = ("peer", "us")
TALK_MS = 1500


@dataclass
class Outcome:
    """What one cell showed.

    Attributes:
        exit_code: SIPp's: 0 when every message came as its scenario says.
        events: the application's events of the call, by name, in order.
        sent, received: SIPp's side of the wire, each message's text.
        packets: the RTP that the peer got.
        restarts: how often each child was started again in this cell.
        restart_seconds: from the kill to the killed actor's next ready.
        errors: what SIPp complained of.
    """

    exit_code: int
    events: list[str]
    outcome: str
    sent: list[str]
    received: list[str]
    packets: list[Packet]
    restarts: dict[str, int]
    restart_seconds: float = 0.0
    audio_gap: float = 0.0
    errors: str = ""
    notes: list[str] = field(default_factory=list)


def next_event(stream: EventStream, name: str, seen: list[Any], timeout: float = 20.0) -> Any:
    """Wait for an event by the name of its type; all that came are added to `seen`."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        event = stream.receive(left)
        if event is None:
            break
        assert not isinstance(event, Lost), f"events were lost: {event}"
        seen.append(event)
        if type(event).__name__ == name:
            return event
    raise AssertionError(f"no {name} among {[type(event).__name__ for event in seen]}")


def children(client: Client) -> dict[str, Any]:
    """The supervisor's children by name."""
    return {child.name: child for child in client.tree()}


def kill(client: Client, name: str) -> tuple[int, float]:
    """`kill -9` an actor; its restarts before, and when it was done (wall clock)."""
    child = children(client)[name]
    os.kill(child.pid, signal.SIGKILL)
    return child.restarts, time.time()


def wait_restarted(client: Client, name: str, before: int, timeout: float = 15.0) -> float:
    """Wait until the supervisor calls `name` ready again; when that was (wall clock)."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        child = children(client)[name]
        if child.restarts > before and child.state == "ready":
            return float(child.since)
    raise AssertionError(f"{name} was not ready again after {timeout} s: {children(client)[name]}")


@contextmanager
def calling(folder: Path, service: Service, transport: str, scenario: str, rtp_port: int) -> Iterator[Any]:
    """SIPp with one call, its messages logged to messages.log."""
    folder.mkdir(parents=True, exist_ok=True)
    host, port = service.addresses[transport]
    words = sipp.words(folder, transport, scenario, "127.0.0.1", sipp.free_port(sipp.kind(transport)))
    words += ["-m", "1", "-d", str(TALK_MS), "-key", "rtp_port", str(rtp_port), "-timeout", "120s"]
    words += ["-trace_msg", "-message_file", str(folder / "messages.log"), f"{host}:{port}"]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        except AssertionError as error:
            errors = folder / "errors.log"
            said = errors.read_text(encoding="utf-8", errors="replace")[:2000] if errors.exists() else "nothing"
            error.add_note(f"SIPp (exit code {process.poll()}) complains of: {said}")
            raise
        finally:
            if process.poll() is None:
                process.terminate()


def messages(folder: Path) -> tuple[list[str], list[str]]:
    """SIPp's log of messages: those it sent and those it received."""
    file = folder / "messages.log"
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    sent, received = [], []
    for block in re.split(r"^-{20,}.*$", text, flags=re.MULTILINE):
        head, _, message = block.partition("\n\n")
        if " message sent " in head:
            sent.append(message)
        elif " message received " in head:
            received.append(message)
    return sent, received


def wait_sent(folder: Path, start: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until SIPp has logged that it sent a message which starts so."""
    while process.poll() is None:
        if any(message.startswith(start) for message in messages(folder)[0]):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)


def run_cell(service: Service, folder: Path, actor: str, phase: str, transport: str, ender: str) -> Outcome:
    """Let SIPp call the service (in ring mode), kill `actor` in `phase`, let `ender` hang up, and collect."""
    scenario = "call_and_hang_up" if ender == "peer" else "call_and_wait"
    seen: list[Any] = []
    before: dict[str, int] = {}
    restart = 0.0
    music = write_wav(folder / "music.wav", tone(440.0, 2.0))
    with Client(service.run_dir) as client, RtpPeer() as rtp, client.events() as stream:
        before = {name: child.restarts for name, child in children(client).items()}
        with calling(folder, service, transport, scenario, rtp.port) as process:

            def strike() -> float:
                count, at = kill(client, actor)
                return wait_restarted(client, actor, count) - at

            call = next_event(stream, "CallReceived", seen).call
            if phase == "ringing":
                restart = strike()
            client.answer(call, play=str(music), loop=True)
            next_event(stream, "CallAnswered", seen)
            rtp.wait_for(10)
            if phase == "call":
                restart = strike()
                rtp.wait_for(15)
            if phase == "bye" and ender == "peer":
                wait_sent(folder, "BYE", process)
                restart = strike()
            elif ender == "us":
                count, at = kill(client, actor) if phase == "bye" else (0, 0.0)
                client.hangup(call)
                restart = wait_restarted(client, actor, count) - at if phase == "bye" else restart
            ended = next_event(stream, "CallEnded", seen, timeout=45.0)
            process.wait(timeout=45)
        after = {name: child.restarts for name, child in children(client).items()}
        assert client.calls() == []
    sent, received = messages(folder)
    errors = folder / "errors.log"
    return Outcome(
        process.returncode,
        [type(event).__name__ for event in seen],
        ended.outcome,
        sent,
        received,
        rtp.packets,
        {name: after[name] - before[name] for name in after},
        restart,
        longest_gap(rtp.packets),
        errors.read_text(encoding="utf-8", errors="replace") if errors.exists() else "",
    )


def faults(outcome: Outcome, actor: str) -> list[str]:
    """Every promise that the cell broke, in words; empty when all were kept."""
    found = []
    if outcome.exit_code:
        found.append(f"the peer failed: {outcome.errors[:600]}")
    if outcome.outcome != "answered":
        found.append(f"the call ended as {outcome.outcome}")
    counts = Counter(outcome.events)
    found += [f"{counts[n]} {n} events" for n in ("CallReceived", "CallAnswered", "CallEnded") if counts[n] != 1]
    found += [f"got {message.splitlines()[0]}" for message in outcome.received if message.startswith("SIP/2.0 4")]
    tags = {tag for message in outcome.received for tag in re.findall(r"^To:.*;tag=([^\s;>]+)", message, re.MULTILINE)}
    ours = {tag for tag in tags if "tester" not in tag}
    if len(ours) != 1:
        found.append(f"our tags were {sorted(ours)}")
    byes = {
        line for m in outcome.received if m.startswith("BYE") for line in re.findall(r"^CSeq: .*$", m, re.MULTILINE)
    }
    if len(byes) > 1:
        found.append(f"BYE went with {sorted(byes)}")
    ssrcs = {(packet.ssrc, packet.source) for packet in outcome.packets}
    if len(ssrcs) != 1:
        found.append(f"SSRC and source were {ssrcs}")
    repeated = [n for n, times in Counter(packet.sequence for packet in outcome.packets).items() if times > 1]
    if repeated:
        found.append(f"sequence numbers used twice: {repeated}")
    if outcome.restarts != {name: int(name == actor) for name in outcome.restarts}:
        found.append(f"restarts were {outcome.restarts}")
    return found
