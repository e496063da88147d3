"""``sipactors trace``: SIP as a ladder while it happens, from the streams on which the transaction shards can be seen.

A shard tells nobody while nobody looks on; what a slow terminal misses is told as missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgpack
import zmq

from actors.control.cli_connection import NoServiceFailure
from actors.control.cli_options import Examples
from actors.control.follow import emit
from actors.control.paths import default_run_dir
from actors.control.render import printable
from actors.sip import RemoteProtocolError, Request, Response, parse

STREAMS = "*.transitions"  # in the run directory, one a shard
WIDTH = 44  # columns of an arrow


class Step(NamedTuple):
    """One message of the ladder.

    Attributes:
        time: wall clock seconds.
        outward: we send it.
        line: the method and Request-URI, or the status and the reason.
        cseq: the CSeq header's value.
        peer: who is at the other end, as far as the message tells.
        call: the Call-ID.
        repeated: a retransmission that the transaction absorbed or answered again.
    """

    time: float
    outward: bool
    line: str
    cseq: str
    peer: str
    call: str
    repeated: bool


def step_of(transition: dict[str, Any], wall: float) -> Step | None:
    """What a transition shows; None for one without a message, such as a timer's. `wall` minus its clock is added."""
    raw = transition["message"]
    if not raw:
        return None
    try:
        message = parse(raw)
    except RemoteProtocolError:
        return None  # the transaction took it, but there is more wrong with it than a ladder can show
    client = "client" in transition["machine"]
    request = isinstance(message, Request)
    outward = transition["event"] == "SEND" if not transition["machine"] else request is client
    client = client or (outward and request)
    line = f"{message.status} {message.reason}" if isinstance(message, Response) else f"{message.method} {message.uri}"
    peer = str(message.get("To") or "") if client else str(message.get("Via") or "").split(";")[0].partition(" ")[2]
    repeated = transition["before"] == transition["after"] and transition["event"] == "REQUEST"
    call, cseq = str(message.get("Call-ID") or ""), str(message.get("CSeq") or "")
    return Step(transition["time"] + wall, outward, line, cseq, peer, call, repeated)


def ladder_line(step: Step) -> str:
    """A rung: time, us, arrow, peer."""
    text = f" {step.line}{' (again)' if step.repeated else ''} "[:WIDTH]
    arrow = f"{text:-^{WIDTH}}>" if step.outward else f"<{text:-^{WIDTH}}"
    clock = time.strftime("%H:%M:%S", time.localtime(step.time)) + f".{int(step.time % 1 * 1000):03}"
    return printable(f"{clock}  us |{arrow}| {step.peer}  [{step.cseq}, {step.call[:16]}]")


class Watch:
    """Sees whether something is missing of what the shards tell."""

    def __init__(self) -> None:
        self._last: dict[str, int | None] = {}  # of each shard the number of its last step; None before the first

    def take(self, told: dict[str, Any]) -> Iterator[dict[str, Any] | str]:
        """What a message of a shard shows: a step, or text."""
        shard, number, step = told["shard"], told["number"], told["transition"]
        if step is None:  # somebody looks on: we or, while we do already, another; or the shard has begun anew
            if shard not in self._last:
                self._last[shard] = None
                yield f"watching {shard}"
            return
        last = self._last.get(shard)
        self._last[shard] = number
        if last is not None and number > last + 1:
            yield f"{number - last - 1} steps of {shard} are missing"
        yield step


def observed(run_dir: Path) -> Iterator[dict[str, Any] | str]:
    """What every shard tells from now on; text about what was missed.

    Raises:
        NoServiceFailure: there is no shard in this run directory.
    """
    paths = sorted(run_dir.absolute().glob(STREAMS))
    if not paths:
        raise NoServiceFailure(f"no service runs in {run_dir}; start one with: sipactors run")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.SUB) as socket:
        for path in paths:
            socket.connect(f"ipc://{path}")
        socket.subscribe(b"")
        watch = Watch()
        while True:
            yield from watch.take(msgpack.unpackb(socket.recv()))


@click.command("trace", cls=Examples, examples=("sipactors trace", "sipactors trace --call 5f0c --json"))
@click.option("--call", default="", metavar="CALL-ID", help="Only this call, by the beginning of its Call-ID.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--run-dir", type=click.Path(path_type=Path), envvar="SIPACTORS_RUN_DIR", help="The run directory.")
def trace_command(call: str, as_json: bool, run_dir: Path | None) -> None:
    """Show SIP as a ladder while it happens, until Ctrl-C."""
    wall = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    try:
        for told in observed(run_dir or default_run_dir()):
            if isinstance(told, str):
                click.echo(told, err=True)
                continue
            step = step_of(told, wall)
            if step is not None and step.call.startswith(call):
                if as_json:
                    emit(step._asdict())
                else:
                    click.echo(ladder_line(step))
    except KeyboardInterrupt:
        return
