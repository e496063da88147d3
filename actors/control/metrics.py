"""Figures for Prometheus: a client of the API that serves them over HTTP, in a process of its own.

It needs the package prometheus-client (``pip install 'sipactors[metrics]'``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from actors.control.client import Client
from actors.control.errors import ControlError


class Collector:
    """Asks the service at each scrape.

    Args:
        client: used by one thread at a time.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._one = threading.Lock()  # scrapes come in threads of the HTTP server

    def collect(self) -> Iterator[Any]:
        """Every figure; ``sipactors_up`` alone is 0 when nobody answers."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - an extra

        try:
            with self._one:
                figures, children = self._client.stats(), self._client.tree()
        except ControlError:
            yield GaugeMetricFamily("sipactors_up", "Whether the service answers.", 0)
            return
        yield GaugeMetricFamily("sipactors_up", "Whether the service answers.", 1)
        restarts = CounterMetricFamily("sipactors_restarts", "Restarts of a process.", labels=["child"])
        for child in children:
            restarts.add_metric([child.name], child.restarts)
        yield restarts
        families: dict[str, Any] = {}
        for figure in figures:
            kind = CounterMetricFamily if figure.name.endswith("_total") else GaugeMetricFamily
            if figure.name not in families:
                about = figure.name.removesuffix("_total").replace("_", " ") + "."
                families[figure.name] = kind(
                    f"sipactors_{figure.name}", about, labels=[figure.label] if figure.label else []
                )
            families[figure.name].add_metric([figure.of] if figure.label else [], figure.value)
        yield from families.values()


def serve(client: Client, host: str, port: int) -> Any:  # noqa: ANN401 - the server and its thread
    """Begin to serve the figures at ``http://host:port/metrics``; the server and its thread.

    Raises:
        ImportError: prometheus-client is not installed.
        OSError: the address is taken.
    """
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - an extra

    registry = CollectorRegistry()
    registry.register(Collector(client))
    return start_http_server(port, host, registry)
