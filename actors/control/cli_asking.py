"""Accounts and requests of their own: ``accounts register unregister waiting message options subscribe``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from actors.control.cli_connection import NoServiceFailure, connected
from actors.control.cli_options import Examples, done, json_option, run_dir_option, uri
from actors.control.client import EventStream, Lost
from actors.control.follow import emit, event_fields
from actors.control.messaging import NotifyReceived, RequestAnswered, SubscriptionEnded
from actors.control.protocol import plain
from actors.control.records import Event
from actors.control.render import accounts_table, event_line, printable

_account_argument = click.argument("account", callback=uri, metavar="AOR")


def answered(events: EventStream, request: str, *, as_json: bool) -> int:
    """Print the answer to a request when it comes; the exit code: 0 for a 2xx, else 1.

    Raises:
        NoServiceFailure: the service stopped first.
    """
    for event in events:
        if isinstance(event, RequestAnswered) and event.request == request:
            if as_json:
                emit(event_fields(event))
            else:
                click.echo(printable(f"{event.status} {event.reason}"))
                for name, value in event.headers:
                    click.echo(printable(f"{name}: {value}"))
            return 0 if 200 <= event.status < 300 else 1
    raise NoServiceFailure("the service stopped before an answer came")


@click.command("accounts", cls=Examples, examples=("sipactors accounts", "sipactors accounts --json | jq '.[].state'"))
@json_option
@run_dir_option
def accounts_command(run_dir: Path | None, as_json: bool) -> None:
    """List the accounts, and what is true of their registrations."""
    with connected(run_dir) as client:
        accounts = client.accounts()
    if as_json:
        emit([plain(account) for account in accounts])
    else:
        click.echo(accounts_table(accounts, time.time()))


@click.command("register", cls=Examples, examples=("sipactors register sip:alice@example.com",))
@_account_argument
@json_option
@run_dir_option
def register_command(run_dir: Path | None, account: str, as_json: bool) -> None:
    """Register an account of the configuration now."""
    with connected(run_dir) as client:
        client.register(account)
    done(as_json, account=account)


@click.command("unregister", cls=Examples, examples=("sipactors unregister sip:alice@example.com --all",))
@_account_argument
@click.option("--all", "everything", is_flag=True, help="Remove what other telephones bound, too.")
@json_option
@run_dir_option
def unregister_command(run_dir: Path | None, account: str, everything: bool, as_json: bool) -> None:
    """Remove the binding of an account; it stays so until it is registered again."""
    with connected(run_dir) as client:
        client.unregister(account, everything=everything)
    done(as_json, account=account)


@click.command("waiting", cls=Examples, examples=("sipactors waiting sip:alice@example.com 2 8",))
@_account_argument
@click.argument("new", type=click.IntRange(0))
@click.argument("old", type=click.IntRange(0), default=0)
@click.option(
    "--kind", default="voice-message", show_default=True, help="What waits; or fax-message, text-message, ..."
)
@json_option
@run_dir_option
def waiting_command(run_dir: Path | None, account: str, new: int, old: int, kind: str, as_json: bool) -> None:
    """Tell how many messages wait for an account: NEW ones, and OLD ones that were heard (RFC 3842)."""
    with connected(run_dir) as client:
        client.tell_waiting(account, new, old, kind=kind)
    done(as_json, account=account)


@click.command("message", cls=Examples, examples=("sipactors message bob@192.0.2.4 'back in five'",))
@click.argument("uri", callback=uri)
@click.argument("text")
@click.option("--account", default="", metavar="AOR", help="Send it by this account.")
@json_option
@run_dir_option
@click.pass_context
def message_command(
    context: click.Context, /, uri: str, text: str, account: str, as_json: bool, run_dir: Path | None
) -> None:
    """Send TEXT to URI (MESSAGE) and say how it was delivered. Exit code 0 when it was, 1 when not."""
    context.exit(_asked(run_dir, "MESSAGE", uri, text, account, as_json=as_json))


def _options_command(name: str) -> click.Command:
    @click.command(name, cls=Examples, examples=(f"sipactors {name} 192.0.2.4",))
    @click.argument("uri", callback=uri)
    @click.option("--account", default="", metavar="AOR", help="Ask by this account.")
    @json_option
    @run_dir_option
    @click.pass_context
    def options_command(context: click.Context, /, uri: str, account: str, as_json: bool, run_dir: Path | None) -> None:
        """Ask URI what it can (OPTIONS). Exit code 0 when it answers with 2xx, 1 when not."""
        context.exit(_asked(run_dir, "OPTIONS", uri, "", account, as_json=as_json))

    return options_command


def _asked(run_dir: Path | None, method: str, uri: str, body: str, account: str, *, as_json: bool) -> int:
    with connected(run_dir) as client, client.events(topics=("RequestAnswered",)) as events:
        return answered(events, client.send(method, uri, body, account=account), as_json=as_json)


@click.command(
    "subscribe",
    cls=Examples,
    examples=(
        "sipactors subscribe sip:alice@example.com message-summary --account alice@example.com",
        "sipactors subscribe bob@192.0.2.4 presence --once",
    ),
)
@click.argument("uri", callback=uri)
@click.argument("package")
@click.option("--account", default="", metavar="AOR", help="Subscribe by this account.")
@click.option("--once", is_flag=True, help="Fetch the state as it is now, and end.")
@json_option
@run_dir_option
@click.pass_context
def subscribe_command(
    context: click.Context,
    /,
    uri: str,
    package: str,
    account: str,
    once: bool,
    as_json: bool,
    run_dir: Path | None,
) -> None:
    """Subscribe to an event PACKAGE of URI and print what is told of it, until Ctrl-C.

    Exit code 0, or 1 when the subscription was refused or ended by the other side.
    """
    with connected(run_dir) as client, client.events() as events:
        subscription = client.watch(uri, package, account=account, expires=0 if once else 3600)
        try:
            context.exit(_told(events, subscription, as_json=as_json))
        except KeyboardInterrupt:
            client.unwatch(subscription)


def _told(events: EventStream, subscription: str, *, as_json: bool) -> int:
    """Print what a subscription brings; the exit code once it has ended."""
    active = False
    for event in events:
        if isinstance(event, Lost) or getattr(event, "subscription", "") != subscription:
            continue
        if as_json:
            emit(event_fields(event))
        else:
            _print(event)
        active = active or isinstance(event, NotifyReceived)
        if isinstance(event, SubscriptionEnded):
            return 0 if active and not event.status else 1
    raise NoServiceFailure("the service stopped before the subscription ended")


def _print(event: Event) -> None:
    click.echo(event_line(event))
    if isinstance(event, NotifyReceived):
        for line in event.body.splitlines():
            click.echo(printable(line))


COMMANDS = (
    accounts_command,
    register_command,
    unregister_command,
    waiting_command,
    message_command,
    _options_command("options"),
    _options_command("ping"),
    subscribe_command,
)
