"""Commands about the service itself: ``events ps drain reload stop``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from actors.control.cli_connection import connected
from actors.control.cli_options import Examples, done, json_option, run_dir_option
from actors.control.client import EventStream, Lost
from actors.control.follow import emit, event_fields
from actors.control.protocol import plain
from actors.control.records import Event
from actors.control.render import children_table, event_line


@click.command(
    "events",
    cls=Examples,
    examples=("sipactors events", "sipactors events --json --since 0 --no-follow", "sipactors events --since 1042"),
)
@click.option("--since", type=click.IntRange(min=0), metavar="N", help="Those after number N; 0 for all that are kept.")
@click.option("--follow/--no-follow", default=True, help="Go on with those to come.  [default: follow]")
@json_option
@run_dir_option
def events_command(run_dir: Path | None, as_json: bool, since: int | None, follow: bool) -> None:
    """Print what happens, one line an event, until Ctrl-C."""
    with connected(run_dir) as client, client.events(0 if since is None and not follow else since) as stream:
        try:
            for event in _wanted(stream, follow):
                if as_json:
                    emit(event_fields(event))
                else:
                    click.echo(event_line(event))
        except KeyboardInterrupt:
            return


def _wanted(stream: EventStream, follow: bool) -> Iterator[Event | Lost]:
    """The stream, or the part of it that was there when it began."""
    while follow or stream.position < (stream.last_at_start or 0):
        event = stream.receive()
        if event is None:
            return
        yield event


@click.command("ps", cls=Examples, examples=("sipactors ps", "sipactors ps --json | jq -r '.[].name'"))
@json_option
@run_dir_option
def ps_command(run_dir: Path | None, as_json: bool) -> None:
    """List the service's processes, and how often each was restarted."""
    with connected(run_dir) as client:
        children = client.tree()
    if as_json:
        emit([plain(child) for child in children])
    else:
        click.echo(children_table(children, time.time()))


@click.command("drain", cls=Examples, examples=("sipactors drain", "sipactors drain --off"))
@click.option("--on/--off", "on", default=True, help="Refuse new calls, or take them again.  [default: on]")
@json_option
@run_dir_option
def drain_command(run_dir: Path | None, on: bool, as_json: bool) -> None:
    """Refuse new calls from now on; calls in progress go on."""
    with connected(run_dir) as client:
        client.drain(on=on)
    done(as_json, drain=on)


@click.command("reload", cls=Examples, examples=("sipactors reload",))
@json_option
@run_dir_option
def reload_command(run_dir: Path | None, as_json: bool) -> None:
    """Read the configuration file again; calls go on."""
    with connected(run_dir) as client:
        children = client.reload()
    if as_json:
        emit(children)
    else:
        click.echo(f"started anew: {' '.join(children)}" if children else "nothing has changed")


@click.command("stop", cls=Examples, examples=("sipactors stop", "sipactors stop --run-dir /run/sipactors"))
@json_option
@run_dir_option
def stop_command(run_dir: Path | None, as_json: bool) -> None:
    """End every call, then the service."""
    with connected(run_dir) as client:
        client.shut_down()
    done(as_json)


COMMANDS = (events_command, ps_command, drain_command, reload_command, stop_command)
