"""``sipactors keys``: make, list and revoke the keys of clients on other machines: work on files, service or not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from actors.control.keys import KeyProblem, Keys
from actors.control.paths import default_state_dir
from actors.control.render import table
from actors.control.rights import Grant, Role

_state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    envvar="SIPACTORS_STATE_DIR",
    help=f"The service's state directory.  [default: {default_state_dir()}]",
)


def _keys(state_dir: Path | None) -> Keys:
    return Keys((state_dir or default_state_dir()) / "keys")


@click.group("keys")
def keys_group() -> None:
    """Make, list and revoke keys of clients on other machines.

    They connect to the address of control.listen with the file that `new` makes. A key that is revoked is refused at
    once; the service need not be restarted.
    """


@keys_group.command("new")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.OBSERVE.value,
    show_default=True,
    help="observe: ask and listen; media: and the audio of calls; control: everything.",
)
@click.option("--max-calls", type=click.IntRange(min=0), default=0, help="Calls of its own at once.  [default: any]")
@click.option("--calls-a-minute", type=click.IntRange(min=0), default=0, help="Calls it may place.  [default: any]")
@click.option("--destination", multiple=True, metavar="PATTERN", help="A URI that it may call, * for anything.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the key there, not on stdout.")
@_state_dir
def new_command(
    name: str,
    role: str,
    max_calls: int,
    calls_a_minute: int,
    destination: tuple[str, ...],
    out: Path | None,
    state_dir: Path | None,
) -> None:
    """Make a key NAME; what is printed is for its client to keep, and is kept nowhere else."""
    try:
        text = _keys(state_dir).create(Grant(name, Role(role), max_calls, calls_a_minute, destination))
        if out is None:
            click.echo(text, nl=False)
            return
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except (KeyProblem, OSError) as error:
        raise click.ClickException(str(error)) from error


@keys_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@_state_dir
def list_command(as_json: bool, state_dir: Path | None) -> None:
    """List the keys and what they may do."""
    grants = [(public.decode(), grant) for public, grant in _keys(state_dir).all().items()]
    if as_json:
        entries = [{"public": public, **grant._asdict(), "role": grant.role.value} for public, grant in grants]
        click.echo(json.dumps(entries))
        return
    rows = [
        (
            grant.name,
            grant.role.value,
            str(grant.max_calls or "any"),
            str(grant.calls_a_minute or "any"),
            " ".join(grant.destinations) or "any",
        )
        for _, grant in grants
    ]
    click.echo(table(("NAME", "ROLE", "CALLS", "A MINUTE", "DESTINATIONS"), rows))


@keys_group.command("revoke")
@click.argument("name")
@_state_dir
def revoke_command(name: str, state_dir: Path | None) -> None:
    """Revoke the key NAME: it is refused from now on."""
    try:
        _keys(state_dir).revoke(name)
    except KeyProblem as error:
        raise click.ClickException(str(error)) from error
