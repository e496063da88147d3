"""What is played and recorded in a call that is there: ``sipactors play`` and ``sipactors record``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from actors.control.cli_connection import Failure, connected
from actors.control.cli_options import Examples, call_argument, done, for_call, json_option, run_dir_option
from actors.control.client import Client
from actors.control.playing import SIDES
from actors.control.records import CallPlayFinished, CallRecordFailed
from actors.control.verbs import located

_SOON = 0.4  # seconds in which a file that cannot be played, or made, is found out


def _here(file: str) -> str:
    """A file that is there; of a service elsewhere (SIPACTORS_ADDRESS) nothing is known here.

    Raises:
        Failure: it is not.
    """
    if not os.environ.get("SIPACTORS_ADDRESS") and not file.startswith("tone:") and not Path(file).is_file():
        raise Failure(f"{file}: there is no such file to play")
    return file


@click.command(
    "play",
    cls=Examples,
    examples=("sipactors play 5f0c hello.wav", "sipactors play 5f0c tone:busy --queue", "sipactors play 5f0c --pause"),
)
@call_argument
@click.argument("file", required=False, default="")
@click.option("--loop", is_flag=True, help="Play it again and again.")
@click.option("--queue", is_flag=True, help="Play it after what is being played.")
@click.option("--pause", "action", flag_value="pause", help="Hold what is being played.")
@click.option("--resume", "action", flag_value="resume", help="Go on with it.")
@click.option("--stop", "action", flag_value="stop", help="Play nothing any more.")
@click.option("--seek", type=click.FloatRange(min=0, max=1e6), help="Go on at so many seconds.")
@json_option
@run_dir_option
def play_command(
    run_dir: Path | None,
    call: str,
    file: str,
    loop: bool,
    queue: bool,
    action: str | None,
    seek: float | None,
    as_json: bool,
) -> None:
    """Play FILE in a call, or a tone: tone:busy, tone:440+480/2,4; or alter what is being played.

    Exit code 1 where there is no such file, or it cannot be played.
    """
    if bool(file) + bool(action) + (seek is not None) != 1:
        raise click.UsageError("name a FILE, or one of --pause, --resume, --seek and --stop")
    with connected(run_dir) as client:
        if file:
            path = _here(file)
            for_call(client, call, lambda whole: _play(client, whole, path, loop=loop, queue=queue))
        elif seek is not None:
            for_call(client, call, lambda whole: client.playback(whole, "seek", seek))
        else:
            for_call(client, call, lambda whole: client.playback(whole, action or ""))
    done(as_json, call=call)


def _play(client: Client, call: str, file: str, *, loop: bool, queue: bool) -> None:
    with client.events(topics=("CallPlayFinished",), call=call) as events:
        client.play(call, file, loop=loop, queue=queue)
        until = time.monotonic() + (0.0 if queue else _SOON)
        while (left := until - time.monotonic()) > 0:
            event = events.receive(left)
            if isinstance(event, CallPlayFinished) and event.path == located(file):
                if event.error:
                    raise Failure(f"{file} could not be played: {event.error}")
                return


@click.command(
    "record",
    cls=Examples,
    examples=("sipactors record 5f0c heard.wav --sides stereo", "sipactors record 5f0c --stop"),
)
@call_argument
@click.argument("file", required=False, default="")
@click.option("--sides", type=click.Choice(SIDES), default="peer", help="Whom; stereo: the peer left, we right.")
@click.option("--stop", is_flag=True, help="End the recording.")
@json_option
@run_dir_option
def record_command(run_dir: Path | None, call: str, file: str, sides: str, stop: bool, as_json: bool) -> None:
    """Record a call into FILE: Opus in Ogg where it is named .ogg or .opus, else WAV. Exit code 1 if it fails."""
    if bool(file) == stop:
        raise click.UsageError("name a FILE, or --stop")
    with connected(run_dir) as client:
        for_call(client, call, lambda whole: _record(client, whole, file, sides))
    done(as_json, call=call)


def _record(client: Client, call: str, file: str, sides: str) -> None:
    with client.events(topics=("CallRecordFailed",), call=call) as events:
        client.record(call, file, sides=sides)
        event = events.receive(_SOON) if file else None
        if isinstance(event, CallRecordFailed):
            raise Failure(f"{file} could not be recorded: {event.error}")


COMMANDS = (play_command, record_command)
