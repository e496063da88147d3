"""``sipactors stats`` and ``sipactors metrics``: what is counted and measured, for people, programs and Prometheus."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import click

from actors.control.audio import Audio
from actors.control.cli_connection import connected
from actors.control.cli_options import Examples, for_call, json_option, run_dir_option
from actors.control.client import Client, CommandRefused
from actors.control.follow import emit
from actors.control.metrics import serve
from actors.control.protocol import plain
from actors.control.render import table

_LEVELS = 0.25  # seconds of sound that levels are told of


@click.command("stats", cls=Examples, examples=("sipactors stats", "sipactors stats 5f0c    # how a call goes"))
@click.argument("call", metavar="[ID]", default="")
@json_option
@run_dir_option
def stats_command(run_dir: Path | None, call: str, as_json: bool) -> None:
    """Print what the service has counted since its control actor was started; with ID, how that call goes."""
    if call:
        _of_call(run_dir, call, as_json)
        return
    with connected(run_dir) as client:
        figures = client.stats()
    if as_json:
        emit([plain(figure) for figure in figures])
        return
    rows = [(figure.name.replace("_", " "), figure.of, f"{figure.value:g}") for figure in figures]
    click.echo(table(("FIGURE", "OF", "VALUE"), rows))


def _of_call(run_dir: Path | None, given: str, as_json: bool) -> None:
    """Print the figures of one call: codec, packets, loss, jitter, MOS, levels."""
    with connected(run_dir) as client, for_call(client, given, lambda call: _looked_at(client, call)) as audio:
        audio.measure()
        # Levels are those of the frames since somebody asks.
        audio.receive(_LEVELS)
        figures = audio.measure()._asdict()
    del figures["tap"]
    if as_json:
        emit({"call": given, **figures})
        return
    units = {"jitter": " ms", "heard": " dB", "said": " dB"}
    rows = [
        (name, f"{value:.1f}{units.get(name, '')}" if isinstance(value, float) else str(value))
        for name, value in figures.items()
    ]
    click.echo(table(("FIGURE", "VALUE"), rows))


def _looked_at(client: Client, call: str) -> Audio:
    if call not in {each.call for each in client.calls()}:
        raise CommandRefused("no_such_call", f"there is no call {call}")
    return client.calls[call].audio(8000, hear=False, speak=False)


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[^:]+):(\d{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise click.BadParameter(f"{value!r} is not ADDRESS:PORT.")
    return match[1].strip("[]"), int(match[2])


@click.command("metrics", cls=Examples, examples=("sipactors metrics --listen 127.0.0.1:9464",))
@click.option("--listen", default="127.0.0.1:9464", show_default=True, callback=_address, metavar="ADDRESS:PORT")
@run_dir_option
def metrics_command(run_dir: Path | None, listen: Any) -> None:  # noqa: ANN401 - made of text by its callback
    """Serve what the service counts to Prometheus at http://ADDRESS:PORT/metrics, until Ctrl-C."""
    with connected(run_dir) as client:
        try:
            server, _ = serve(client, *listen)
        except ImportError as error:
            raise click.ClickException("prometheus-client is missing: pip install 'sipactors[metrics]'") from error
        except OSError as error:
            raise click.ClickException(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror}") from error
        click.echo(f"http://{listen[0]}:{server.server_port}/metrics")
        try:
            signal.pause()
        except KeyboardInterrupt:
            server.shutdown()
