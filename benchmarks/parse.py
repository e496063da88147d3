"""How long a message takes to scan, to read and to print, beside libosip2 and sipmessage in the same run.

libosip2 is compiled into a small driver in a temporary folder (Debian's libosip2-dev and a C compiler); it parses
all of a message always, so its one figure is what all of ours are held against. Each figure is the best of many short
rounds, in which all of them take turns, so that a busy machine hurts none of them alone. The exit status is 1 if a gate
is missed.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.sip import parse  # noqa: E402 - after the path
from actors.sip.scan import scan  # noqa: E402

SDP = (
    "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
HOPS = "".join(f"Via: SIP/2.0/UDP p{i}.example:5060;branch=z9hG4bK{i}77ef4c\r\n" for i in range(1, 6))
INVITE = (
    "INVITE sip:bob@biloxi.example SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK74bf9;rport\r\n" + HOPS + "Max-Forwards: 65\r\n"
    "From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\nTo: Bob <sip:bob@biloxi.example>\r\n"
    "Call-ID: 3848276298220188511@atlanta.example\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1:5060;transport=udp>\r\nUser-Agent: agent\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\nSupported: timer, replaces\r\n"
    f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
)
RESPONSE = (
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK74bf9;rport=5060;received=192.0.2.9\r\n"
    "From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\nTo: Bob <sip:bob@biloxi.example>;tag=8321234356\r\n"
    "Call-ID: 3848276298220188511@atlanta.example\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:bob@192.0.2.2:5060>\r\nUser-Agent: agent\r\nContent-Length: 0\r\n\r\n"
)
REGISTER = (
    "REGISTER sip:biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKnashds7;rport\r\n"
    "Max-Forwards: 70\r\nFrom: Bob <sip:bob@biloxi.example>;tag=456248\r\nTo: Bob <sip:bob@biloxi.example>\r\n"
    "Call-ID: 843817637684230@998sdasdh09\r\nCSeq: 1827 REGISTER\r\nContact: <sip:bob@192.0.2.2>;expires=7200\r\n"
    'Authorization: Digest username="bob", realm="biloxi.example", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
    ' uri="sip:biloxi.example", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, cnonce="0a4f113b",'
    ' opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=auth, nc=00000001\r\n'
    "User-Agent: agent\r\nContent-Length: 0\r\n\r\n"
)
MESSAGES = {"200": RESPONSE.encode(), "INVITE": INVITE.encode(), "REGISTER": REGISTER.encode()}
AGENTS = ("agent/1", "agent/2")
GATES = {"head split": 2.0, "typed, top Via": 6.0, "typed, all Vias": 6.0, "print changed": 3.0}

Work = Callable[[int], None]
Figures = dict[tuple[str, str], float]


def ours(data: bytes) -> dict[str, Work]:
    """What is measured of sipactors, by name; each works that many times."""

    def split(times: int) -> None:
        for _ in range(times):
            scan(data)

    def lazily(times: int) -> None:
        for _ in range(times):
            parse(data)

    def typed(times: int) -> None:
        for _ in range(times):
            message = parse(data)
            _ = message.via, message.from_, message.to, message.cseq, message.contact

    def typed_all(times: int) -> None:
        for _ in range(times):
            message = parse(data)
            _ = message.vias, message.from_, message.to, message.cseq, message.contact

    return {
        "head split": split,
        "parse, lazy": lazily,
        "typed, top Via": typed,
        "typed, all Vias": typed_all,
        "print changed": partial(printing, data),
    }


def printing(data: bytes, times: int) -> None:
    """Change a message and print it."""
    message = parse(data)
    for i in range(times):
        message.set("User-Agent", AGENTS[i & 1])
        bytes(message)


def theirs(data: bytes, module: Any) -> dict[str, Work]:  # noqa: ANN401 - a package that may be missing
    """The same of PyPI's sipmessage."""
    read = module.Message.parse

    def lazily(times: int) -> None:
        for _ in range(times):
            read(data)

    def typed(times: int) -> None:
        for _ in range(times):
            message = read(data)
            _ = message.via, message.from_address, message.to_address, message.cseq, message.contact

    def printing(times: int) -> None:
        message = read(data)
        for i in range(times):
            message.headers.set("User-Agent", AGENTS[i & 1])
            bytes(message)

    return {"sipmessage parse": lazily, "sipmessage typed": typed, "sipmessage print": printing}


def build_driver(folder: Path) -> list[str]:
    """Compile the driver of libosip2, write the messages beside it; the command that runs it, but for the times."""
    driver = folder / "driver"
    source = Path(__file__).with_name("parse_osip.c")
    subprocess.run(["cc", "-O2", "-o", str(driver), str(source), "-losipparser2"], check=True)
    return [str(driver)]


def ask_driver(command: list[str], folder: Path, times: int) -> Figures:
    """One round of libosip2: microseconds by message and what was done."""
    names = []
    for name, data in MESSAGES.items():
        (folder / name).write_bytes(data)
        names.append(str(folder / name))
    out = subprocess.run([*command, str(times), *names], check=True, capture_output=True, text=True).stdout
    figures: Figures = {}
    for name, line in zip(MESSAGES, out.splitlines(), strict=True):
        parsing, printing = map(float, line.split())
        figures[name, "libosip2 parse"] = parsing / 1000
        figures[name, "libosip2 print"] = printing / 1000
    return figures


def measure(rounds: int, times: int) -> Figures:
    """The best microseconds of each work on each message over all rounds."""
    found = importlib.util.find_spec("sipmessage")
    module = importlib.import_module("sipmessage") if found is not None else None
    works = {name: ours(data) | (theirs(data, module) if module else {}) for name, data in MESSAGES.items()}
    best: Figures = {}
    gc.disable()
    with tempfile.TemporaryDirectory() as made:
        command = build_driver(Path(made))
        for _ in range(rounds):
            spent = ask_driver(command, Path(made), times * 4)
            for message, by_name in works.items():
                for name, work in by_name.items():
                    begin = time.process_time_ns()
                    work(times)
                    spent[message, name] = (time.process_time_ns() - begin) / times / 1000
            for key, value in spent.items():
                best[key] = min(value, best.get(key, value))
    return best


def report(best: Figures) -> list[str]:
    """Print the table; the gates that were missed."""
    missed = []
    names = list(dict.fromkeys(name for _, name in best))
    print(f"microseconds, best of all rounds; {platform.python_implementation()} {platform.python_version()}")
    print(f"{'':18}" + "".join(f"{f'{message} ({len(data)} bytes)':>28}" for message, data in MESSAGES.items()))
    for name in names:
        row = f"{name:18}"
        for message in MESSAGES:
            value = best[message, name]
            against = best[message, "libosip2 print" if "print" in name else "libosip2 parse"]
            factor = value / against
            gate = GATES.get(name)
            mark = " " if gate is None or factor <= gate else "!"
            if mark == "!":
                missed.append(f"{name} of {message}: {factor:.2f} times libosip2, at most {gate:g} wanted")
            row += f"{value:16.2f}  x{factor:6.2f} {mark} "
        print(row)
    return missed


def main() -> int:
    """Measure, print, and hold the gates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="how often each work takes its turn")
    parser.add_argument("--times", type=int, default=500, help="how often a turn does its work")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    best = measure(arguments.rounds, arguments.times)
    missed = report(best)
    if arguments.json:
        figures = {message: {name: best[message, name] for of, name in best if of == message} for message in MESSAGES}
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    for line in missed:
        print("missed:", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
