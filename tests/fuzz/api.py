"""Fuzz the API of a service that runs: frames that are wrong in any way, on the sockets of commands and of audio.

    python -m tests.fuzz.api --seconds 60      # make fuzz ARGS="--seconds 60 api"

Meanwhile a call is up, a client asks and is answered, and a subscriber gets its events: they may notice nothing of it,
no process may end, and no step may raise.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import zmq

from actors.control.client import Client
from actors.control.protocol import ProtocolError, decode_request
from actors.control.records import CallAnswered, CallPlaced, DoNotDisturb, Drain, Reload, Stop
from actors.control.rights import FILES, URIS, texts
from tests.live.service import ROOT, Service, running

API = ROOT / "docs" / "api"
NOBODY = b"sip:bob@127.0.0.1:9"  # in place of the vectors' URI, as long as it
BATCH = 200  # frames between two questions of the client
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63 - 1, 2**64 - 1, 1e308, float("nan"), "", "x" * 5_000, "\x00\x1b[2J", "/../../etc/passwd",
    b"", b"\xff" * 4_000, [], {}, [[[[]]]], {"a": {"b": {}}}, list(range(2_000)), {str(n): n for n in range(2_000)},
)  # fmt: skip


def seeds(file: str) -> list[bytes]:
    """The frames that a client sends, by the test vectors."""
    vectors = json.loads((API / file).read_text("utf-8"))
    frames = [bytes.fromhex(each["bytes"]) for each in vectors if each["from"] == "client" and "means" in each]
    return [frame.replace(b"sip:bob@example.net", NOBODY) for frame in frames]


def altered(chance: random.Random, value: Any) -> Any:
    """A value in which one thing, somewhere, is another."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        kind = chance.random()
        if kind < 0.1:
            return {name: each for name, each in value.items() if name != key}
        if kind < 0.2:
            return {**value, chance.choice(("zz", "op", "id", 7)): chance.choice(VALUES)}
        return {**value, key: altered(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], altered(chance, value[place]), *value[place + 1 :]]
    return chance.choice(VALUES)


def mutated(chance: random.Random, frame: bytes) -> bytes:
    """A frame with some bytes changed, left out or put in."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.choice((0, 1, 1, 2, 8))] = chance.randbytes(chance.choice((0, 1, 1, 1, 4)))
    return bytes(data)


def frames(chance: random.Random, samples: list[bytes]) -> Iterator[list[bytes]]:
    """Messages without end: wrong in their bytes, in their values, in their parts, and some that are right."""
    while True:
        frame = chance.choice(samples)
        kind = chance.random()
        if kind < 0.45:
            yield [mutated(chance, frame)]
        elif kind < 0.85:
            yield [msgpack.packb(altered(chance, msgpack.unpackb(frame)))]
        elif kind < 0.9:
            yield [chance.randbytes(chance.randrange(200))]
        elif kind < 0.95:
            yield [b"", *([mutated(chance, frame)] * chance.randint(1, 4))]
        else:
            yield [frame]


def meant(parts: list[bytes]) -> bool:
    """Whether a message could be a command that ends the service, or reaches something else than it."""
    try:
        command = decode_request(parts[-1]).body
    except ProtocolError:
        return False
    if isinstance(command, Stop | Reload | Drain | DoNotDisturb):
        return True
    named = [text for _, text in texts(command, URIS | FILES)]
    return any(text and text != NOBODY.decode() for text in named)


class Attacker:
    """Somebody on a socket of the service."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], path: Path, samples: list[bytes], seed: int) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(f"ipc://{path}")
        self._frames = frames(random.Random(seed), samples)

    def attack(self, count: int) -> None:
        """Send so many messages, and read what comes."""
        for _ in range(count):
            parts = next(self._frames)
            if not meant(parts):
                self._socket.send_multipart(parts)
            while self._socket.poll(0):
                self._socket.recv_multipart()

    def close(self) -> None:
        """Leave."""
        self._socket.close()


def fuzz(service: Service, seed: int, more: Callable[[], bool]) -> int:
    """Attack a service that answers with echo until there is no `more`; how many messages were sent."""
    host, port = service.addresses["udp"]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    commands = Attacker(context, service.run_dir / "control", seeds("vectors.json"), seed)
    audio = Attacker(context, service.run_dir / "audio-0", seeds("audio_vectors.json"), seed + 1)
    with Client(service.run_dir, patience=30.0) as client, client.events(topics=["Call*"]) as events:
        call = client.place(f"sip:echo@{host}:{port}")
        wait_for(events, lambda event: isinstance(event, CallAnswered) and event.call == call)
        sent = 0
        while more():
            commands.attack(BATCH)
            audio.attack(BATCH)
            sent += 2 * BATCH
            assert call in [each.call for each in client.calls()]
        other = client.place(f"sip:echo@{host}:{port}")
        wait_for(events, lambda event: isinstance(event, CallPlaced) and event.call == other)
    for each in (commands, audio):
        each.close()
    context.term()
    assert {child["restarts"] for child in service.tree().values()} == {0}, service.tree()
    return sent


def wait_for(events: Any, condition: Callable[[Any], bool]) -> None:
    """Read events until one is so; none may be lost."""
    event = None
    while not condition(event):
        event = events.receive(30.0)
        assert event is not None, "no event"


def main() -> int:
    """Fuzz for so many seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryFile() as log, running("--answer", "echo", log=log) as service:
        sent = fuzz(service, options.seed, lambda: time.monotonic() < end)
        log.seek(0)
        assert (said := wrong_in(log.read())) == [], said
    print(f"{sent} messages, seed {options.seed}: nothing noticed")  # noqa: T201 - a script
    return 0


def wrong_in(log: bytes) -> list[str]:
    """The lines of a log that tell of a step that raised."""
    return [line for line in log.decode("utf-8", "replace").splitlines() if re.search("Traceback|step_failed", line)]


if __name__ == "__main__":
    sys.exit(main())
