"""``sipactors keys``: make, list and revoke the keys of clients on other machines: work on files, service or not."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import click

from actors.control.cli_options import Examples, ExamplesGroup, done, json_option
from actors.control.follow import emit
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


_NEXT = """\
Next: have the service listen for it, with control.listen = "tcp:ADDRESS:PORT" in its configuration; and on the client's
machine, where {file} is to be kept secret:
  SIPACTORS_ADDRESS=tcp://ADDRESS:PORT SIPACTORS_KEY={file} sipactors calls"""


def _keys(state_dir: Path | None) -> Keys:
    return Keys((state_dir or default_state_dir()) / "keys")


_EXAMPLES = (
    "sipactors keys new bot --role control --out bot.toml",
    "sipactors keys list",
    "sipactors keys revoke bot",
)


@click.group("keys", cls=ExamplesGroup, examples=_EXAMPLES)
def keys_group() -> None:
    """Make, list and revoke keys of clients on other machines.

    They connect to the address of control.listen with the file that `new` makes. A key that is revoked is refused at
    once; the service need not be restarted.
    """


@keys_group.command(
    "new",
    cls=Examples,
    examples=(
        "sipactors keys new bot --role control --out bot.toml",
        "sipactors keys new dialer --role control --max-calls 20 --destination 'sip:+41*' --out dialer.toml",
    ),
)
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
@click.option("--destination", multiple=True, metavar="PATTERN", help="URIs that it may call: sip:+41*, ...")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the key there, not on stdout.")
@json_option
@_state_dir
def new_command(
    name: str,
    role: str,
    max_calls: int,
    calls_a_minute: int,
    destination: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Make a key NAME; what is printed is for its client to keep, and is kept nowhere else."""
    try:
        text = _keys(state_dir).create(Grant(name, Role(role), max_calls, calls_a_minute, destination))
        if out is not None:
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
    except (KeyProblem, OSError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        emit({"name": name, "role": role, **({"file": str(out)} if out else tomllib.loads(text))})
        return
    if out is None:
        click.echo(text, nl=False)
    click.echo(_NEXT.format(file=out or "FILE"), err=True)


@keys_group.command("list", cls=Examples, examples=("sipactors keys list", "sipactors keys list --json"))
@json_option
@_state_dir
def list_command(as_json: bool, state_dir: Path | None) -> None:
    """List the keys and what they may do."""
    grants = [(public.decode(), grant) for public, grant in _keys(state_dir).all().items()]
    if as_json:
        entries = [{"public": public, **grant._asdict(), "role": grant.role.value} for public, grant in grants]
        emit(entries)
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


@keys_group.command("revoke", cls=Examples, examples=("sipactors keys revoke bot",))
@click.argument("name")
@json_option
@_state_dir
def revoke_command(name: str, as_json: bool, state_dir: Path | None) -> None:
    """Revoke the key NAME: it is refused from now on."""
    try:
        _keys(state_dir).revoke(name)
    except KeyProblem as error:
        raise click.ClickException(str(error)) from error
    done(as_json, name=name)
