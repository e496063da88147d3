"""The command line: a client of the control API and nothing else; what runs the service is handed in.

Exit codes: 0 done (``call``: answered), 1 refused, 2 wrong usage or configuration, 3 no service answers.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import get_completion_class

from actors.control.cli_calls import disturb_command, dtmf_command, info_command, mute_command, redirect_command
from actors.control.cli_connection import NoServiceFailure, connected
from actors.control.cli_figures import metrics_command, stats_command
from actors.control.cli_keys import keys_group
from actors.control.cli_playing import play_command, record_command
from actors.control.cli_sound import device_option, devices_command
from actors.control.client import Client, EventStream, Lost, NoService, default_run_dir
from actors.control.follow import emit, event_fields, follow_call
from actors.control.messaging import RequestAnswered
from actors.control.protocol import plain
from actors.control.records import Event
from actors.control.render import accounts_table, calls_table, children_table, event_line, printable
from actors.control.trace import trace_command


class RunOptions(NamedTuple):
    """What ``sipactors run`` was given; None and empty where it was not.

    Attributes:
        config: the configuration file.
        listen: ``udp:ADDR:PORT``, ``tcp:ADDR:PORT`` or ``tls:ADDR:PORT`` each, instead of the configuration's.
        answer: ``echo``, ``play:FILE``, ``record:FILE``, ``ring``, ``workers`` or ``none``.
        run_dir: sockets and journals.
        state_dir: what outlives a reboot.
    """

    config: Path | None
    listen: tuple[str, ...]
    answer: str | None
    run_dir: Path | None
    state_dir: Path | None


class Examples(click.Command):
    """A command whose help ends with its examples, printed as they are written."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **keywords: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **keywords)
        self.examples = examples

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
    """Write the section ``Examples:`` of a help page."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Main(click.Group):
    """The group, with its first examples."""

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(
            formatter,
            (
                "sipactors run --answer echo             # a service that sends callers their own voice back",
                "sipactors call sip:127.0.0.1 --play hello.wav",
                "sipactors calls                         # what goes on",
                "sipactors events --json                 # and as it happens",
                "sipactors stop                          # BYE to every call, then end",
            ),
        )


# Options that several commands have.

_run_dir = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    envvar="SIPACTORS_RUN_DIR",
    help=f"The service's run directory.  [default: {default_run_dir()}]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_existing = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True)
_seconds = click.FloatRange(min=0, max=1e6)


def _sound(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A file that is there, or a tone."""
    return value if value is None or value.startswith("tone:") else str(_existing.convert(value, parameter, context))


def _audio(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is done with a call's audio."""
    for option in (
        click.option("--duration", type=_seconds, default=0.0, metavar="S", help="Hang up S seconds after the answer."),
        click.option("--record", type=click.Path(dir_okay=False, resolve_path=True), metavar="F", help="Record to F."),
        click.option("--loop", is_flag=True, help="Play the file again and again."),
        click.option("--play", callback=_sound, metavar="F", help="Play the file F, or tone:busy, to the peer."),
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


def _listener(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"(udp|tcp|tls):(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):\d{1,5}", value):
            raise click.BadParameter(
                f"{value!r} is not udp:ADDR:PORT, tcp:ADDR:PORT or tls:ADDR:PORT (IPv6 in brackets)."
            )
    return values


def _answer_mode(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    mode, _, path = value.partition(":")
    if (mode in {"echo", "ring", "workers", "none"} and not path and ":" not in value) or (
        mode in {"play", "record"} and path
    ):
        return value
    raise click.BadParameter(f"{value!r} is not echo, play:FILE, record:FILE, ring, workers or none.")


def _uri(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A URI as people type it: the scheme may be left out."""
    return value if re.match(r"(?i)(sips?|tel):", value) else f"sip:{value}"


def command_line(
    run: Callable[[RunOptions], int],
    check: Callable[[Path | None], str],
    alone: Callable[[str], AbstractContextManager[Path]],
) -> click.Group:
    """The command ``sipactors``.

    Args:
        run: runs the service until it is stopped and returns the exit code; called by ``sipactors run``.
        check: says why a configuration file cannot be used, empty when it can; called by ``sipactors config check``.
        alone: a service that can call a URI, for as long as it is entered; its run directory. For ``sipactors call``
            where no service answers.
    """
    group = Main("sipactors", help="A supervised SIP user agent: run it, and drive the one that runs.")
    group.context_settings["obj"] = alone

    @click.command("run", cls=Examples, examples=_RUN_EXAMPLES)
    @click.option("-c", "--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of settings.")
    @click.option(
        "--listen", multiple=True, callback=_listener, metavar="udp|tcp|tls:ADDR:PORT", help="Where to listen."
    )
    @click.option(
        "--answer",
        callback=_answer_mode,
        metavar="MODE",
        help="Calls in: echo, play:FILE, record:FILE, ring, workers, none.",
    )
    @_run_dir
    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path),
        envvar="SIPACTORS_STATE_DIR",
        help="What outlives a reboot.  [default: ~/.local/state/sipactors]",
    )
    @click.pass_context
    def run_command(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
        """Run the service in the foreground.

        SIGTERM or Ctrl-C ends the calls, then the service; a second one ends it at once.
        """
        context.exit(run(RunOptions(**options)))

    @click.group("config")
    def config_group() -> None:
        """Look at configuration files."""

    @config_group.command("check", cls=Examples, examples=("sipactors config check -c /etc/sipactors.toml",))
    @click.option("-c", "--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of settings.")
    @click.pass_context
    def check_command(context: click.Context, /, config: Path | None) -> None:
        """Say whether a file, with the environment over it, can be used; exit code 2 when it cannot."""
        wrong = check(config)
        if wrong:
            click.echo(f"sipactors: {wrong}", err=True)
            context.exit(2)
        click.echo("good")

    @click.command("completion", cls=Examples, examples=('eval "$(sipactors completion bash)"   # in ~/.bashrc',))
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    def completion_command(shell: str) -> None:
        """Print what makes a shell complete the commands and options."""
        kind = get_completion_class(shell)
        assert kind is not None
        click.echo(kind(group, {}, "sipactors", "_SIPACTORS_COMPLETE").source())

    for command in (
        run_command,
        config_group,
        completion_command,
        keys_group,
        stats_command,
        metrics_command,
        trace_command,
        devices_command,
        redirect_command,
        mute_command,
        disturb_command,
        dtmf_command,
        info_command,
        play_command,
        record_command,
        *_CLIENT_COMMANDS,
    ):
        group.add_command(command)
    return group


_RUN_EXAMPLES = (
    "sipactors run",
    "sipactors run --listen udp:192.0.2.7:5060 --listen tcp:192.0.2.7:5060",
    "sipactors run --answer record:/var/spool/calls/{call}.wav",
    "sipactors run -c /etc/sipactors.toml --run-dir /run/sipactors",
)


@click.command(
    "call",
    cls=Examples,
    examples=(
        "sipactors call sip:echo@127.0.0.1:5060 --play hello.wav --record heard.wav --duration 10",
        "sipactors call bob@192.0.2.4 --json",
        "sipactors call bob@192.0.2.4 --device           # speak and listen",
    ),
)
@click.argument("uri", callback=_uri)
@_audio
@click.option("--from", "caller", default="", metavar="URI", help="Call as URI.")
@click.option("--account", default="", metavar="AOR", help="Call by this account.")
@click.option("--ring-timeout", type=_seconds, default=0.0, metavar="S", help="Give up after S seconds of ringing.")
@_json
@_run_dir
@click.pass_context
def call_command(
    context: click.Context,
    /,
    uri: str,
    run_dir: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Call URI and stay until the call ends. Ctrl-C hangs up.

    A call that only plays a file ends with the file. Exit code 0 when the call was answered, 1 when it was not. Where
    no service runs, and none was named, this command is one for as long as the call takes.
    """
    audio = _audio_arguments(options)
    more = ("record", "echo", "loop", "duration", "device")
    only_plays = bool(audio["play"]) and not any(audio[each] for each in more)
    with _own_service(run_dir, uri, context.obj) as found, connected(found) as client:
        result = follow_call(client, uri, as_json=as_json, hang_up_after_play=only_plays, **audio)
    if result is None:
        raise NoServiceFailure("the service stopped before the call ended")
    if result.outcome != "answered":
        context.exit(1)


@contextmanager
def _own_service(
    run_dir: Path | None, uri: str, alone: Callable[[str], AbstractContextManager[Path]]
) -> Iterator[Path | None]:
    """The run directory of the service that is meant; of one that is started here where none is and none was named."""
    try:
        if run_dir is None and not os.environ.get("SIPACTORS_ADDRESS"):
            Client().close()
    except NoService:
        with alone(uri) as made:
            yield made
        return
    yield run_dir


def _audio_arguments(options: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in options.items()}


@click.command("calls", cls=Examples, examples=("sipactors calls", "sipactors calls --json | jq -r '.[].call'"))
@_json
@_run_dir
def calls_command(run_dir: Path | None, as_json: bool) -> None:
    """List the calls."""
    with connected(run_dir) as client:
        calls = client.calls()
    if as_json:
        emit([plain(call) for call in calls])
    else:
        click.echo(calls_table(calls, time.time()))


@click.command("hangup", cls=Examples, examples=("sipactors hangup 5f0c2a9b7d3e41c8",))
@click.argument("call", metavar="ID")
@_run_dir
def hangup_command(run_dir: Path | None, call: str) -> None:
    """End a call. `sipactors calls` shows the ids."""
    with connected(run_dir) as client:
        client.hangup(call)


@click.command("hold", cls=Examples, examples=("sipactors hold 5f0c2a9b7d3e41c8",))
@click.argument("call", metavar="ID")
@_run_dir
def hold_command(run_dir: Path | None, call: str) -> None:
    """Hold the peer of a call."""
    with connected(run_dir) as client:
        client.hold(call)


@click.command("resume", cls=Examples, examples=("sipactors resume 5f0c2a9b7d3e41c8",))
@click.argument("call", metavar="ID")
@_run_dir
def resume_command(run_dir: Path | None, call: str) -> None:
    """Take the peer of a call off hold."""
    with connected(run_dir) as client:
        client.resume(call)


@click.command(
    "transfer",
    cls=Examples,
    examples=(
        "sipactors transfer 5f0c2a9b7d3e41c8 sip:carol@192.0.2.7",
        "sipactors transfer 5f0c2a9b7d3e41c8 --replaces 1c84e7",
    ),
)
@click.argument("call", metavar="ID")
@click.argument("target", metavar="[URI]", default="")
@click.option("--replaces", metavar="ID", default="", help="A call of ours, whose place the peer is to take.")
@_run_dir
def transfer_command(run_dir: Path | None, call: str, target: str, replaces: str) -> None:
    """Send the peer of a call elsewhere. `sipactors events` shows how it goes."""
    with connected(run_dir) as client:
        client.transfer(call, target, replaces=replaces)


@click.command("answer", cls=Examples, examples=("sipactors answer 5f0c2a9b7d3e41c8 --echo",))
@click.argument("call", metavar="ID")
@_audio
@_run_dir
def answer_command(run_dir: Path | None, call: str, **options: Any) -> None:  # noqa: ANN401
    """Answer a call in that rings (see: sipactors run --answer ring)."""
    with connected(run_dir) as client:
        client.answer(call, **_audio_arguments(options))


@click.command("reject", cls=Examples, examples=("sipactors reject 5f0c2a9b7d3e41c8 --status 603",))
@click.argument("call", metavar="ID")
@click.option("--status", type=click.IntRange(300, 699), default=486, show_default=True, help="The SIP status.")
@_run_dir
def reject_command(run_dir: Path | None, call: str, status: int) -> None:
    """Refuse a call in that rings."""
    with connected(run_dir) as client:
        client.reject(call, status)


@click.command(
    "events",
    cls=Examples,
    examples=("sipactors events", "sipactors events --json --since 0 --no-follow", "sipactors events --since 1042"),
)
@click.option("--since", type=click.IntRange(min=0), metavar="N", help="Those after number N; 0 for all that are kept.")
@click.option("--follow/--no-follow", default=True, help="Go on with those to come.  [default: follow]")
@_json
@_run_dir
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


@click.command("accounts", cls=Examples, examples=("sipactors accounts", "sipactors accounts --json | jq '.[].state'"))
@_json
@_run_dir
def accounts_command(run_dir: Path | None, as_json: bool) -> None:
    """List the accounts, and what is true of their registrations."""
    with connected(run_dir) as client:
        accounts = client.accounts()
    if as_json:
        emit([plain(account) for account in accounts])
    else:
        click.echo(accounts_table(accounts, time.time()))


@click.command("register", cls=Examples, examples=("sipactors register sip:alice@example.com",))
@click.argument("account", callback=_uri, metavar="AOR")
@_run_dir
def register_command(run_dir: Path | None, account: str) -> None:
    """Register an account of the configuration now."""
    with connected(run_dir) as client:
        client.register(account)


@click.command("message", cls=Examples, examples=("sipactors message bob@192.0.2.4 'back in five'",))
@click.argument("uri", callback=_uri)
@click.argument("text")
@click.option("--account", default="", metavar="AOR", help="Send it by this account.")
@_run_dir
@click.pass_context
def message_command(context: click.Context, /, uri: str, text: str, account: str, run_dir: Path | None) -> None:
    """Send TEXT to URI (MESSAGE) and say how it was delivered. Exit code 0 when it was, 1 when not."""
    _ask(context, run_dir, "MESSAGE", uri, text, account)


@click.command("options", cls=Examples, examples=("sipactors options 192.0.2.4",))
@click.argument("uri", callback=_uri)
@click.option("--account", default="", metavar="AOR", help="Ask by this account.")
@_run_dir
@click.pass_context
def options_command(context: click.Context, /, uri: str, account: str, run_dir: Path | None) -> None:
    """Ask URI what it can (OPTIONS). Exit code 0 when it answers with 2xx, 1 when not."""
    _ask(context, run_dir, "OPTIONS", uri, "", account)


def _ask(context: click.Context, run_dir: Path | None, method: str, uri: str, body: str, account: str) -> None:
    with connected(run_dir) as client, client.events(topics=("RequestAnswered",)) as events:
        request = client.send(method, uri, body, account=account)
        for event in events:
            if isinstance(event, RequestAnswered) and event.request == request:
                click.echo(printable(f"{event.status} {event.reason}"))
                for name, value in event.headers:
                    click.echo(printable(f"{name}: {value}"))
                context.exit(0 if 200 <= event.status < 300 else 1)
    raise NoServiceFailure("the service stopped before an answer came")


@click.command("unregister", cls=Examples, examples=("sipactors unregister sip:alice@example.com --all",))
@click.argument("account", callback=_uri, metavar="AOR")
@click.option("--all", "everything", is_flag=True, help="Remove what other telephones bound, too.")
@_run_dir
def unregister_command(run_dir: Path | None, account: str, everything: bool) -> None:
    """Remove the binding of an account; it stays so until it is registered again."""
    with connected(run_dir) as client:
        client.unregister(account, everything=everything)


@click.command("ps", cls=Examples, examples=("sipactors ps", "sipactors ps --json | jq -r '.[].name'"))
@_json
@_run_dir
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
@_run_dir
def drain_command(run_dir: Path | None, on: bool) -> None:
    """Refuse new calls from now on; calls in progress go on."""
    with connected(run_dir) as client:
        client.drain(on=on)


@click.command("reload", cls=Examples, examples=("sipactors reload",))
@_json
@_run_dir
def reload_command(run_dir: Path | None, as_json: bool) -> None:
    """Read the configuration file again; calls go on."""
    with connected(run_dir) as client:
        children = client.reload()
    if as_json:
        emit(children)
    else:
        click.echo(f"started anew: {' '.join(children)}" if children else "nothing has changed")


@click.command("stop", cls=Examples, examples=("sipactors stop", "sipactors stop --run-dir /run/sipactors"))
@_run_dir
def stop_command(run_dir: Path | None) -> None:
    """End every call, then the service."""
    with connected(run_dir) as client:
        client.shut_down()


_CLIENT_COMMANDS: tuple[click.Command, ...] = (
    call_command,
    calls_command,
    answer_command,
    reject_command,
    hangup_command,
    hold_command,
    resume_command,
    transfer_command,
    events_command,
    accounts_command,
    register_command,
    unregister_command,
    message_command,
    options_command,
    ps_command,
    drain_command,
    reload_command,
    stop_command,
)
