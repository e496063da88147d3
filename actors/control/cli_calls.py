"""Commands for calls that are there: list them, refuse, hold, mute, transfer and end them, press keys, send an INFO."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from actors.control.cli_asking import answered
from actors.control.cli_connection import connected
from actors.control.cli_options import Examples, call_argument, done, for_call, json_option, run_dir_option, uris
from actors.control.follow import emit
from actors.control.protocol import plain
from actors.control.render import calls_table


def _simple(run_dir: Path | None, given: str, as_json: bool, verb: str, **arguments: Any) -> None:  # noqa: ANN401
    """Ask for something that has no result."""
    with connected(run_dir) as client:
        for_call(client, given, lambda call: getattr(client, verb)(call, **arguments))
    done(as_json, call=given)


@click.command("calls", cls=Examples, examples=("sipactors calls", "sipactors calls --json | jq -r '.[].call'"))
@json_option
@run_dir_option
def calls_command(run_dir: Path | None, as_json: bool) -> None:
    """List the calls. The beginning of an ID does in other commands, where it is of one call alone."""
    with connected(run_dir) as client:
        calls = client.calls()
    if as_json:
        emit([plain(call) for call in calls])
    else:
        click.echo(calls_table(calls, time.time()))


@click.command("hangup", cls=Examples, examples=("sipactors hangup 5f0c2a9b7d3e41c8", "sipactors hangup 5f0"))
@call_argument
@json_option
@run_dir_option
def hangup_command(run_dir: Path | None, call: str, as_json: bool) -> None:
    """End a call. `sipactors calls` shows the ids; the beginning of one does."""
    _simple(run_dir, call, as_json, "hangup")


@click.command("hold", cls=Examples, examples=("sipactors hold 5f0c",))
@call_argument
@json_option
@run_dir_option
def hold_command(run_dir: Path | None, call: str, as_json: bool) -> None:
    """Hold the peer of a call."""
    _simple(run_dir, call, as_json, "hold")


@click.command("resume", cls=Examples, examples=("sipactors resume 5f0c",))
@call_argument
@json_option
@run_dir_option
def resume_command(run_dir: Path | None, call: str, as_json: bool) -> None:
    """Take the peer of a call off hold."""
    _simple(run_dir, call, as_json, "resume")


@click.command(
    "transfer",
    cls=Examples,
    examples=("sipactors transfer 5f0c sip:carol@192.0.2.7", "sipactors transfer 5f0c --replaces 1c84e7"),
)
@call_argument
@click.argument("target", metavar="[URI]", default="")
@click.option("--replaces", metavar="ID", default="", help="A call of ours, whose place the peer is to take.")
@json_option
@run_dir_option
def transfer_command(run_dir: Path | None, call: str, target: str, replaces: str, as_json: bool) -> None:
    """Send the peer of a call elsewhere. `sipactors events` shows how it goes."""
    _simple(run_dir, call, as_json, "transfer", target=target, replaces=replaces)


@click.command("reject", cls=Examples, examples=("sipactors reject 5f0c", "sipactors reject 5f0c --status 603"))
@call_argument
@click.option("--status", type=click.IntRange(300, 699), default=486, show_default=True, help="The SIP status.")
@json_option
@run_dir_option
def reject_command(run_dir: Path | None, call: str, status: int, as_json: bool) -> None:
    """Refuse a call in that rings."""
    _simple(run_dir, call, as_json, "reject", status=status)


@click.command("redirect", cls=Examples, examples=("sipactors redirect 5f0c sip:bob@192.0.2.9 sip:carol@192.0.2.7",))
@call_argument
@click.argument("uris", metavar="URI...", nargs=-1, required=True, callback=uris)
@json_option
@run_dir_option
def redirect_command(run_dir: Path | None, call: str, uris: tuple[str, ...], as_json: bool) -> None:
    """Send the caller of a ringing call elsewhere: 302 with the URIs, best first."""
    _simple(run_dir, call, as_json, "reject", status=302, contacts=uris)


@click.command("dtmf", cls=Examples, examples=("sipactors dtmf 5f0c 1234#", "sipactors dtmf 5f0c ,,9 --by relay"))
@call_argument
@click.argument("digits")
@click.option(
    "--by",
    type=click.Choice(("rtp", "relay", "dtmf")),
    default="rtp",
    show_default=True,
    help="Telephone events, or an INFO each: application/dtmf-relay or application/dtmf.",
)
@json_option
@run_dir_option
def dtmf_command(run_dir: Path | None, call: str, digits: str, by: str, as_json: bool) -> None:
    """Press DIGITS in a call: 0-9, A-D, * and #; a comma waits half a second."""
    _simple(run_dir, call, as_json, "dtmf", digits=digits, by=by)


@click.command(
    "info",
    cls=Examples,
    examples=("sipactors info 5f0c hello", "sipactors info 5f0c 'Signal=5' --type application/dtmf-relay"),
)
@call_argument
@click.argument("text", default="")
@click.option("--type", "content_type", default="", metavar="TYPE", help="Of TEXT; without this text/plain.")
@click.option("--method", default="INFO", show_default=True, help="Any but those that a call is made of.")
@json_option
@run_dir_option
@click.pass_context
def info_command(
    context: click.Context, /, call: str, text: str, content_type: str, method: str, as_json: bool, run_dir: Path | None
) -> None:
    """Send TEXT to the peer of a call (INFO) and print its answer. Exit code 0 when it is 2xx, 1 when not."""
    with connected(run_dir) as client, client.events(topics=("RequestAnswered",)) as events:
        request = for_call(client, call, lambda whole: client.request(whole, method, text, content_type=content_type))
        context.exit(answered(events, request, as_json=as_json))


@click.command("mute", cls=Examples, examples=("sipactors mute 5f0c", "sipactors mute 5f0c --off"))
@call_argument
@click.option("--rtp", is_flag=True, help="Send nothing at all; without this silence is sent.")
@click.option("--off", is_flag=True, help="Let the peer hear the call again.")
@json_option
@run_dir_option
def mute_command(run_dir: Path | None, call: str, rtp: bool, off: bool, as_json: bool) -> None:
    """Let the peer of a call hear nothing of it; the peer is still heard, and not told."""
    _simple(run_dir, call, as_json, "mute", what="none" if off else "rtp" if rtp else "sound")


@click.command("bridge", cls=Examples, examples=("sipactors bridge 5f0c 81d2", "sipactors bridge 5f0c --off"))
@call_argument
@click.argument("other", default="")
@click.option("--keys", is_flag=True, help="Pass on the keys that one of them presses.")
@click.option("--off", is_flag=True, help="Take the call out of its bridge.")
@json_option
@run_dir_option
def bridge_command(run_dir: Path | None, call: str, other: str, keys: bool, off: bool, as_json: bool) -> None:
    """Let the peer of a call and that of OTHER hear each other, and all who are bridged with that one."""
    if off == bool(other):
        raise click.UsageError("name the other call, or take this one out with --off")
    if off:
        _simple(run_dir, call, as_json, "unbridge")
        return
    with connected(run_dir) as client:
        whole = [info.call for info in client.calls() if info.call.startswith(other)]
        for_call(client, call, lambda one: client.bridge(one, whole[0] if len(whole) == 1 else other, keys=keys))
    done(as_json, call=call)


@click.command("disturb", cls=Examples, examples=("sipactors disturb", "sipactors disturb --off"))
@click.option("--status", type=click.IntRange(400, 699), default=486, show_default=True, help="What callers get.")
@click.option("--off", is_flag=True, help="Let calls in again.")
@json_option
@run_dir_option
def disturb_command(run_dir: Path | None, status: int, off: bool, as_json: bool) -> None:
    """Do not disturb: refuse every call in from now on, over restarts of any actor too."""
    with connected(run_dir) as client:
        client.do_not_disturb(0 if off else status)
    done(as_json)


COMMANDS = (
    calls_command,
    reject_command,
    redirect_command,
    hangup_command,
    hold_command,
    resume_command,
    mute_command,
    bridge_command,
    transfer_command,
    dtmf_command,
    info_command,
    disturb_command,
)
