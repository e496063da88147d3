"""What is played and recorded in a call that is there: ``sipactors play`` and ``sipactors record``."""

from __future__ import annotations

from pathlib import Path

import click

from actors.control.cli_connection import connected
from actors.control.playing import SIDES

_run_dir = click.option(
    "--run-dir", type=click.Path(path_type=Path), envvar="SIPACTORS_RUN_DIR", help="The service's run directory."
)


@click.command("play")
@click.argument("call", metavar="ID")
@click.argument("file", required=False, default="")
@click.option("--loop", is_flag=True, help="Play it again and again.")
@click.option("--queue", is_flag=True, help="Play it after what is being played.")
@click.option("--pause", "action", flag_value="pause", help="Hold what is being played.")
@click.option("--resume", "action", flag_value="resume", help="Go on with it.")
@click.option("--stop", "action", flag_value="stop", help="Play nothing any more.")
@click.option("--seek", type=click.FloatRange(min=0, max=1e6), help="Go on at so many seconds.")
@_run_dir
def play_command(
    run_dir: Path | None, call: str, file: str, loop: bool, queue: bool, action: str | None, seek: float | None
) -> None:
    """Play FILE in a call, or a tone: tone:busy, tone:440+480/2,4; or alter what is being played."""
    if bool(file) + bool(action) + (seek is not None) != 1:
        raise click.UsageError("name a FILE, or one of --pause, --resume, --seek and --stop")
    with connected(run_dir) as client:
        if file:
            client.play(call, file, loop=loop, queue=queue)
        elif seek is not None:
            client.playback(call, "seek", seek)
        else:
            client.playback(call, action or "")


@click.command("record")
@click.argument("call", metavar="ID")
@click.argument("file", required=False, default="")
@click.option("--sides", type=click.Choice(SIDES), default="peer", help="Whom; stereo: the peer left, we right.")
@click.option("--stop", is_flag=True, help="End the recording.")
@_run_dir
def record_command(run_dir: Path | None, call: str, file: str, sides: str, stop: bool) -> None:
    """Record a call into FILE: Opus in Ogg where it is named .ogg or .opus, else WAV."""
    if bool(file) == stop:
        raise click.UsageError("name a FILE, or --stop")
    with connected(run_dir) as client:
        client.record(call, file, sides=sides)
