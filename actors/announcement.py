"""What the service says of itself once it serves: where it listens, how to call it, and what becomes of a call."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from actors import config as configuration
from actors.config import Config
from actors.runtime.supervision import Supervisor

_NEAR = {"0.0.0.0:": "127.0.0.1", "[::]:": "[::1]"}  # a listener on every address is called at this one, on its machine


def announce(supervisor: Supervisor, config: Config, seconds: float) -> None:
    """Say where it listens, how to call it, and what it will do with a call."""
    listening = [
        f"{where.partition(':')[0]}:{address}"
        for where, address in supervisor.addresses.items()
        if not where.startswith("rtp:")
    ]
    pairs = sum(where.startswith("rtp:") for where in supervisor.addresses) // 2
    lines = [f"sipactors {own_version()}", f"  listening on   {' '.join(listening)}"]
    hosts = {listener.host for listener in configuration.listeners(config)}
    if hosts <= {"127.0.0.1", "::1"}:
        lines.append("                 this machine only; --listen udp:ADDRESS:PORT opens it to others")
    kind, _, address = listening[0].partition(":")
    suffix = "" if kind == "udp" else f";transport={kind}"
    port = address.rpartition(":")[2]
    example = next((f"{near}:{port}" for wildcard, near in _NEAR.items() if address.startswith(wildcard)), address)
    lines += [
        f"  call it        sip:{config.sip.user}@{example}{suffix}   (a first caller: sipp -sn uac -m 1 {example})",
        f"  answers with   {treatment(config)}",
        f"  run directory  {config.service.run_dir}",
        f"  room for       {pairs} calls with audio, {supervisor.descriptor_limit} descriptors",
        f"ready in {seconds:.2f} s",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def treatment(config: Config) -> str:
    """What becomes of a call in, in a few words."""
    return {
        "echo": "the caller's own voice",
        "play": f"{config.answer.file}",
        "record": f"silence, and records to {config.answer.file}",
        "ring": "ringing, until a client answers: sipactors answer ID",
        "workers": f"ringing; a worker is to claim it within {config.answer.unclaimed_after:g} s",
        "none": "480: it takes no calls",
    }[config.answer.mode]


def own_version() -> str:
    """The version of the distribution, or words for there being none."""
    try:
        return version("sipactors")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "(not installed)"
