"""The command line's connection to the service: what goes wrong is one line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from actors.control.client import Client, CommandRefused, ControlError


class Failure(click.ClickException):
    """One line on stderr, and exit code 1: the service refused."""

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - as click has it
        """Print the line."""
        click.echo(f"sipactors: {self.format_message()}", file=file, err=file is None)


class NoServiceFailure(Failure):
    """One line on stderr, and exit code 3: no service, or none any more."""

    exit_code = 3


class ValueFailure(Failure):
    """One line on stderr, and exit code 2: what was given is nothing that a service could carry out."""

    exit_code = 2


class UsageFailure(Failure):
    """One line on stderr, and exit code 2: the command line is wrong."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        path = error.ctx.command_path if error.ctx is not None else "sipactors"
        told = " ".join(error.format_message().split())  # some have lines of their own
        super().__init__(f"{told.rstrip('.')}; see: {path} --help")


@contextmanager
def connected(run_dir: Path | None) -> Iterator[Client]:
    """A client of the service in `run_dir`; what it raises becomes one line and an exit code."""
    try:
        with Client(run_dir) as client:
            yield client
    except CommandRefused as error:
        raise (ValueFailure if error.code in {"bad_uri", "bad_value"} else Failure)(str(error)) from error
    except ControlError as error:  # none there, or one that answers no more
        raise NoServiceFailure(str(error)) from error
