"""The command line: a client of the control API and nothing else; what runs the service is handed in.

Exit codes: 0 done (``call``: answered), 1 refused, 2 wrong usage or configuration, 3 no service answers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import get_completion_class

from actors.control import cli_asking, cli_calls, cli_playing, cli_service, cli_talking
from actors.control.cli_figures import metrics_command, stats_command
from actors.control.cli_keys import keys_group
from actors.control.cli_options import Examples, ExamplesGroup, answer_mode, json_option, listener, run_dir_option
from actors.control.cli_sound import devices_command
from actors.control.follow import emit
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


class Checked(NamedTuple):
    """What the check of a configuration found.

    Attributes:
        wrong: why it cannot be used, empty when it can.
        found: what was looked at and is good, each as its name and its value.
    """

    wrong: str
    found: tuple[tuple[str, str], ...] = ()


Run = Callable[[RunOptions], int]
Check = Callable[[Path | None], Checked]
Alone = Callable[[str, bool], AbstractContextManager[Path]]

_config = click.option(
    "-c", "--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of settings."
)


def command_line(run: Run, check: Check, alone: Alone, version: str = "") -> click.Group:
    """The command ``sipactors``.

    Args:
        run: runs the service until it is stopped and returns the exit code; called by ``sipactors run``.
        check: looks at a configuration file; called by ``sipactors config check``.
        alone: a service that can call a URI, with sound devices or without, for as long as it is entered; its run
            directory. For ``sipactors call`` where no service answers.
        version: of the program.
    """
    group = ExamplesGroup(
        "sipactors",
        help="A supervised SIP user agent: run it, and drive the one that runs.",
        examples=_EXAMPLES,
    )
    group.context_settings["obj"] = alone
    click.version_option(version, prog_name="sipactors", message="%(prog)s %(version)s")(group)
    for command in (
        _run_command(run),
        _config_group(check),
        _completion_command(group),
        keys_group,
        stats_command,
        metrics_command,
        trace_command,
        devices_command,
        *cli_talking.COMMANDS,
        *cli_calls.COMMANDS,
        *cli_playing.COMMANDS,
        *cli_asking.COMMANDS,
        *cli_service.COMMANDS,
    ):
        group.add_command(command)
    return group


_EXAMPLES = (
    "sipactors run --answer echo             # a service that sends callers their own voice back",
    "sipactors call sip:127.0.0.1 --play hello.wav",
    "sipactors calls                         # what goes on",
    "sipactors events --json                 # and as it happens",
    "sipactors stop                          # BYE to every call, then end",
)
_RUN_EXAMPLES = (
    "sipactors run",
    "sipactors run --listen udp:192.0.2.7:5060 --listen tcp:192.0.2.7:5060",
    "sipactors run --answer record:/var/spool/calls/{call}.wav",
    "sipactors run -c /etc/sipactors.toml --run-dir /run/sipactors",
)


def _run_command(run: Run) -> click.Command:
    @click.command("run", cls=Examples, examples=_RUN_EXAMPLES)
    @_config
    @click.option(
        "--listen", multiple=True, callback=listener, metavar="udp|tcp|tls:ADDR:PORT", help="Where to listen."
    )
    @click.option(
        "--answer",
        callback=answer_mode,
        metavar="MODE",
        help="Calls in: echo, play:FILE, record:FILE, ring, workers, none.",
    )
    @run_dir_option
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

    return run_command


def _config_group(check: Check) -> click.Group:
    @click.group("config", cls=ExamplesGroup, examples=("sipactors config check -c /etc/sipactors.toml",))
    def config_group() -> None:
        """Look at configuration files."""

    @config_group.command("check", cls=Examples, examples=("sipactors config check -c /etc/sipactors.toml",))
    @_config
    @json_option
    @click.pass_context
    def check_command(context: click.Context, /, config: Path | None, as_json: bool) -> None:
        """Say whether a file, with the environment over it, can be used; exit code 2 when it cannot."""
        result = check(config)
        if result.wrong:
            click.echo(f"sipactors: {result.wrong}", err=True)
            context.exit(2)
        if as_json:
            emit(dict(result.found))
            return
        for name, value in result.found:
            click.echo(f"{name:<14} {value}")
        click.echo("good")

    return config_group


def _completion_command(group: click.Group) -> click.Command:
    @click.command("completion", cls=Examples, examples=('eval "$(sipactors completion bash)"   # in ~/.bashrc',))
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    def completion_command(shell: str) -> None:
        """Print what makes a shell complete the commands and options."""
        kind = get_completion_class(shell)
        assert kind is not None
        click.echo(kind(group, {}, "sipactors", "_SIPACTORS_COMPLETE").source())

    return completion_command
