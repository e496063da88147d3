"""Commands for a call that is there: ``sipactors redirect`` and ``sipactors dtmf``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from actors.control.cli_connection import connected

_run_dir = click.option(
    "--run-dir", type=click.Path(path_type=Path), envvar="SIPACTORS_RUN_DIR", help="The service's run directory."
)


def _uris(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """URIs as people type them: the scheme may be left out."""
    return tuple(uri if re.match(r"(?i)(sips?|tel):", uri) else f"sip:{uri}" for uri in values)


@click.command("redirect")
@click.argument("call", metavar="ID")
@click.argument("uris", metavar="URI...", nargs=-1, required=True, callback=_uris)
@_run_dir
def redirect_command(run_dir: Path | None, call: str, uris: tuple[str, ...]) -> None:
    """Send the caller of a ringing call elsewhere: 302 with the URIs, best first."""
    with connected(run_dir) as client:
        client.reject(call, 302, contacts=uris)


@click.command("dtmf")
@click.argument("call", metavar="ID")
@click.argument("digits")
@_run_dir
def dtmf_command(run_dir: Path | None, call: str, digits: str) -> None:
    """Press DIGITS in a call: 0-9, A-D, * and #; a comma waits half a second."""
    with connected(run_dir) as client:
        client.dtmf(call, digits)


@click.command("mute")
@click.argument("call", metavar="ID")
@click.option("--rtp", is_flag=True, help="Send nothing at all; without this silence is sent.")
@click.option("--off", is_flag=True, help="Let the peer hear the call again.")
@_run_dir
def mute_command(run_dir: Path | None, call: str, rtp: bool, off: bool) -> None:
    """Let the peer of a call hear nothing of it; the peer is still heard, and not told."""
    with connected(run_dir) as client:
        client.mute(call, "none" if off else "rtp" if rtp else "sound")


@click.command("disturb")
@click.option("--status", type=click.IntRange(400, 699), default=486, show_default=True, help="What callers get.")
@click.option("--off", is_flag=True, help="Let calls in again.")
@_run_dir
def disturb_command(run_dir: Path | None, status: int, off: bool) -> None:
    """Do not disturb: refuse every call in from now on, over restarts of any actor too."""
    with connected(run_dir) as client:
        client.do_not_disturb(0 if off else status)
