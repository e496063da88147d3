"""The commands that hold a call: ``sipactors call`` and ``sipactors answer``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import click

from actors.control.cli_connection import NoServiceFailure, connected
from actors.control.cli_options import (
    Examples,
    call_argument,
    done,
    for_call,
    json_option,
    run_dir_option,
    seconds,
    sound,
    uri,
)
from actors.control.cli_sound import device_option
from actors.control.client import Client, NoService
from actors.control.follow import follow_answer, follow_call, interrupts


def _audio(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is done with a call's audio."""
    for option in (
        click.option("--duration", type=seconds, default=0.0, metavar="S", help="Hang up S seconds after the answer."),
        click.option("--record", type=click.Path(dir_okay=False, resolve_path=True), metavar="F", help="Record to F."),
        click.option("--loop", is_flag=True, help="Play the file again and again."),
        click.option("--play", callback=sound, metavar="F", help="Play the file F, or tone:busy, to the peer."),
        click.option("--echo", is_flag=True, help="Send the peer its own audio back."),
        click.option(
            "--device",
            is_flag=False,
            flag_value=":",
            callback=device_option,
            metavar="[IN:OUT]",
            help="Speak and listen through sound devices (see: sipactors devices).",
        ),
    ):
        command = option(command)
    return command


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in options.items()}


@click.command(
    "call",
    cls=Examples,
    examples=(
        "sipactors call sip:echo@127.0.0.1:5060 --play hello.wav --record heard.wav --duration 10",
        "sipactors call sip:echo@127.0.0.1:5060 --play hello.wav    # ends with the file",
        "sipactors call bob@192.0.2.4 --json",
        "sipactors call bob@192.0.2.4 --dtmf ,,1234#    # press keys once it is answered",
        "sipactors call bob@192.0.2.4 --device          # speak and listen",
    ),
)
@click.argument("uri", callback=uri)
@_audio
@click.option("--dtmf", default="", metavar="KEYS", help="Press KEYS after the answer; a comma waits half a second.")
@click.option("--from", "caller", default="", metavar="URI", help="Call as URI.")
@click.option("--account", default="", metavar="AOR", help="Call by this account.")
@click.option("--ring-timeout", type=seconds, default=0.0, metavar="S", help="Give up after S seconds of ringing.")
@click.option(
    "--codec", "codecs", multiple=True, metavar="NAME", help="Offer this; again for more, the most liked first."
)
@json_option
@run_dir_option
@click.pass_context
def call_command(
    context: click.Context,
    /,
    uri: str,
    run_dir: Path | None,
    as_json: bool,
    dtmf: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Call URI and stay until the call ends.

    A call with --play alone ends with the file. With --record as well, or --echo, --loop, --duration, --dtmf or
    --device, it goes on until somebody hangs up, or --duration is over.

    On a terminal a line shows how the call goes, and keys do something: 0-9 * # are pressed, h holds and resumes, m
    mutes, t transfers, q or Ctrl-C hangs up.

    Exit code 0 when the call was answered, 1 when it was not. Where no service runs, and none was named, this command
    is one for as long as the call takes.
    """
    audio = _arguments(options)
    more = ("record", "echo", "loop", "duration", "device")
    only_plays = bool(audio["play"]) and not dtmf and not any(audio[each] for each in more)
    with (
        interrupts() as noted,
        _own_service(run_dir, lambda: context.obj(uri, bool(audio["device"])), noted) as found,
        connected(found) as client,
    ):
        result = follow_call(client, uri, noted, as_json=as_json, dtmf=dtmf, hang_up_after_play=only_plays, **audio)
    if result is None:
        raise NoServiceFailure("the service stopped before the call ended")
    if result.outcome != "answered":
        context.exit(1)


@contextmanager
def _own_service(
    run_dir: Path | None, alone: Callable[[], AbstractContextManager[Path]], noted: list[int]
) -> Iterator[Path | None]:
    """The run directory of the service that is meant; of one that is started here where none is and none was named."""
    try:
        if run_dir is None and not os.environ.get("SIPACTORS_ADDRESS"):
            Client().close()
    except NoService:
        with alone() as made:
            if noted:  # while it was started: what it had made by then would have been left behind
                raise SystemExit(128 + noted[0]) from None
            yield made
        return
    yield run_dir


@click.command(
    "answer",
    cls=Examples,
    examples=("sipactors answer 5f0c --echo", "sipactors answer 5f0c --device    # speak and listen"),
)
@call_argument
@_audio
@click.option("--follow/--no-follow", default=None, help="Stay until the call ends.  [default: on a terminal]")
@json_option
@run_dir_option
def answer_command(
    run_dir: Path | None,
    call: str,
    follow: bool | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Answer a call in that rings (see: sipactors run --answer ring).

    On a terminal it stays until the call ends, with the line and the keys of: sipactors call. The beginning of an ID
    does where it is of one call alone.
    """
    audio = _arguments(options)
    if follow is None:
        follow = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
    with interrupts() as noted, connected(run_dir) as client:
        if not follow:
            for_call(client, call, lambda whole: client.answer(whole, **audio))
            done(as_json, call=call)
        elif (
            for_call(client, call, lambda whole: follow_answer(client, whole, noted, as_json=as_json, **audio)) is None
        ):
            raise NoServiceFailure("the service stopped before the call ended")


COMMANDS = (call_command, answer_command)
