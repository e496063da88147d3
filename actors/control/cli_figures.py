"""``sipactors stats`` and ``sipactors metrics``: what the service counts, for people, programs and Prometheus."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import click

from actors.control.cli_connection import connected
from actors.control.follow import emit
from actors.control.metrics import serve
from actors.control.protocol import plain
from actors.control.render import table

_run_dir = click.option(
    "--run-dir", type=click.Path(path_type=Path), envvar="SIPACTORS_RUN_DIR", help="The service's run directory."
)


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@_run_dir
def stats_command(run_dir: Path | None, as_json: bool) -> None:
    """Print what the service has counted since its control actor was started."""
    with connected(run_dir) as client:
        figures = client.stats()
    if as_json:
        emit([plain(figure) for figure in figures])
        return
    rows = [(figure.name.replace("_", " "), figure.of, f"{figure.value:g}") for figure in figures]
    click.echo(table(("FIGURE", "OF", "VALUE"), rows))


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[^:]+):(\d{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise click.BadParameter(f"{value!r} is not ADDRESS:PORT.")
    return match[1].strip("[]"), int(match[2])


@click.command("metrics")
@click.option("--listen", default="127.0.0.1:9464", show_default=True, callback=_address, metavar="ADDRESS:PORT")
@_run_dir
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
