"""What commands of the command line have in common: help with examples, options, ids, and what ``--json`` prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from actors.control.cli_connection import Failure, UsageFailure
from actors.control.client import Client, CommandRefused, default_run_dir
from actors.control.follow import emit, uri_of

R = TypeVar("R")

run_dir_option = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    envvar="SIPACTORS_RUN_DIR",
    help=f"The service's run directory.  [default: {default_run_dir()}]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
call_argument = click.argument("call", metavar="ID")
existing = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True)
seconds = click.FloatRange(min=0, max=1e6)


class Examples(click.Command):
    """A command whose help ends with its examples, printed as they are written."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **keywords: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **keywords)
        self.examples = examples

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


class ExamplesGroup(click.Group):
    """A group whose help ends with examples of its commands, and that tells of wrong usage in one line."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **keywords: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **keywords)
        self.examples = examples

    def make_context(self, *args: Any, **keywords: Any) -> click.Context:  # noqa: ANN401
        """As click does: read the group's own words.

        Raises:
            UsageFailure: they are wrong.
        """
        with _one_line():
            return super().make_context(*args, **keywords)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """As click does: read those of the command, and run it.

        Raises:
            UsageFailure: they are wrong.
        """
        with _one_line():
            return super().invoke(ctx)

    def format_epilog(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no fault: click 8.2 and later show the help by it
            raise
        raise UsageFailure(error) from error


def write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
    """Write the section ``Examples:`` of a help page."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def uri(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """A URI as people type it: the scheme may be left out."""
    return uri_of(value)


def uris(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The same of several."""
    return tuple(map(uri_of, values))


def sound(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A file that is there, or a tone."""
    return value if value is None or value.startswith("tone:") else str(existing.convert(value, parameter, context))


def listener(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses to listen on."""
    for value in values:
        if not re.fullmatch(r"(udp|tcp|tls):(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):\d{1,5}", value):
            raise click.BadParameter(
                f"{value!r} is not udp:ADDR:PORT, tcp:ADDR:PORT or tls:ADDR:PORT (IPv6 in brackets)."
            )
    return values


def answer_mode(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """What is done with calls in."""
    if value is None:
        return None
    mode, _, path = value.partition(":")
    if (mode in {"echo", "ring", "workers", "none"} and not path and ":" not in value) or (
        mode in {"play", "record"} and path
    ):
        return value
    raise click.BadParameter(f"{value!r} is not echo, play:FILE, record:FILE, ring, workers or none.")


def for_call(client: Client, given: str, do: Callable[[str], R]) -> R:
    """Do something with the call of an id, or of the beginning of one that no other call's id begins with.

    Raises:
        Failure: several begin so.
        CommandRefused: none does; or as `do`.
    """
    try:
        return do(given)
    except CommandRefused as error:
        if error.code != "no_such_call":
            raise
        found = [call.call for call in client.calls() if call.call.startswith(given)] if given else []
        if not found:
            raise
        if len(found) > 1:
            raise Failure(f"{given} begins {len(found)} calls: {' '.join(found[:5])}") from error
        return do(found[0])


def done(as_json: bool, **what: Any) -> None:  # noqa: ANN401
    """Say to programs what was done; people see by the silence that it was."""
    if as_json:
        emit({"done": True, **what})
