"""Commands for a call that is there: ``sipactors redirect``, ``dtmf``, ``info``, ``mute``; and ``disturb``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from actors.control.cli_connection import NoServiceFailure, connected
from actors.control.messaging import RequestAnswered
from actors.control.render import printable

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
@click.option(
    "--by",
    type=click.Choice(("rtp", "relay", "dtmf")),
    default="rtp",
    show_default=True,
    help="Telephone events, or an INFO each: application/dtmf-relay or application/dtmf.",
)
@_run_dir
def dtmf_command(run_dir: Path | None, call: str, digits: str, by: str) -> None:
    """Press DIGITS in a call: 0-9, A-D, * and #; a comma waits half a second."""
    with connected(run_dir) as client:
        client.dtmf(call, digits, by=by)


@click.command("info")
@click.argument("call", metavar="ID")
@click.argument("text", default="")
@click.option("--type", "content_type", default="", metavar="TYPE", help="Of TEXT; without this text/plain.")
@click.option("--method", default="INFO", show_default=True, help="Any but those that a call is made of.")
@_run_dir
@click.pass_context
def info_command(
    context: click.Context, /, call: str, text: str, content_type: str, method: str, run_dir: Path | None
) -> None:
    """Send TEXT to the peer of a call (INFO) and print its answer. Exit code 0 when it is 2xx, 1 when not."""
    with connected(run_dir) as client, client.events(topics=("RequestAnswered",)) as events:
        request = client.request(call, method, text, content_type=content_type)
        for event in events:
            if isinstance(event, RequestAnswered) and event.request == request:
                click.echo(printable(f"{event.status} {event.reason}"))
                context.exit(0 if 200 <= event.status < 300 else 1)
    raise NoServiceFailure("the service stopped before an answer came")


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
