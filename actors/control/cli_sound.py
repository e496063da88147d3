"""Sound devices on the command line: ``sipactors devices``, and ``--device`` of the commands that hold a call.

PortAudio is asked in a process of its own: drivers write to stderr, block and crash.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from actors.control.cli_connection import Failure
from actors.control.cli_options import Examples, json_option
from actors.control.follow import emit
from actors.control.render import printable

_ROOT = Path(__file__).parent.parent.parent
_LISTER = (sys.executable, "-m", "actors.media.sound")
_TIMEOUT = 15.0  # seconds


def listed() -> list[dict[str, Any]]:
    """The sound devices of this machine.

    Raises:
        Failure: there is no PortAudio, or its drivers crash or hang.
    """
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            _LISTER, env={**os.environ, "PYTHONPATH": path}, capture_output=True, timeout=_TIMEOUT, check=True
        )
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"the sound drivers do not answer within {_TIMEOUT:.0f} s") from error
    except (subprocess.CalledProcessError, ValueError) as error:
        raise Failure("the sound drivers crash when they are asked for their devices") from error
    if "error" in told:
        raise Failure(told["error"])
    found: list[dict[str, Any]] = told["devices"]
    return found


def _matches(device: dict[str, Any], wanted: str) -> bool:
    return str(device["number"]) == wanted if wanted.isdecimal() else wanted.lower() in device["name"].lower()


def check_device(value: str, devices: list[dict[str, Any]]) -> None:
    """See that both sides of IN:OUT are there.

    Raises:
        Failure: one is not.
    """
    for wanted, way in zip(value.split(":", 1), ("input", "output"), strict=True):
        able = [device for device in devices if device[f"{way}s"]]
        if not able:
            raise Failure(f"there is no sound {way} device on this machine")
        if not any(_matches(device, wanted) for device in able):
            raise Failure(f"there is no sound {way} device {wanted!r}; see: sipactors devices")


def device_option(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """``--device [IN:OUT]`` as the API has it: both sides named, or empty for the service's own.

    Raises:
        Failure: this machine has no such device. Of a service elsewhere (SIPACTORS_ADDRESS) nothing is known here.
    """
    if value is None:
        return ""
    both = value if ":" in value else f"{value}:{value}"
    if not os.environ.get("SIPACTORS_ADDRESS"):
        check_device(both, listed())
    return both


def _table(devices: list[dict[str, Any]]) -> str:
    rows = [("NUMBER", "IN", "OUT", "RATE", "NAME")]
    for each in devices:
        default = f"   (default {each['default'].replace(',', ' and ')})" if each["default"] else ""
        numbers = (str(each[name]) for name in ("number", "inputs", "outputs", "rate"))
        rows.append((*numbers, printable(each["name"]) + default))  # type: ignore[arg-type]
    return "\n".join(f"{row[0]:<7}{row[1]:<5}{row[2]:<5}{row[3]:<8}{row[4]}" for row in rows)


@click.command("devices", cls=Examples, examples=("sipactors devices", "sipactors devices --json"))
@json_option
def devices_command(as_json: bool) -> None:
    """List the sound devices of this machine; a number or a part of a name chooses one (call --device IN:OUT)."""
    devices = listed()
    if as_json:
        emit(devices)
    else:
        click.echo(_table(devices) if devices else "there are no sound devices on this machine")
