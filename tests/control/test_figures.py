"""What is counted, on the command line and for Prometheus."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.control.client import CommandRefused
from actors.dialog import call_events
from actors.runtime.channel import AskTree, ChildStatus, Tree
from tests.control.api import PATIENCE, ROOT, Caller, calling, control
from tests.runtime.harness import Harness

TOLD = (("pipe_waiting", "actor", "dialog-0", 3.0), ("refusals_total", "reason", "503 busy", 7.0))


def tell(house: Harness) -> None:
    """Be the supervisor: tell of the children."""
    asked = [said for said, _ in house.reports if isinstance(said, AskTree)]
    house.supervisor.send(Tree(asked[-1].ref, (ChildStatus("dialog-0", 77, "ready", 2, 3, 12.5, TOLD),)))
    house.reports.clear()


def asked(house: Harness) -> bool:
    return any(isinstance(said, AskTree) for said, _ in house.reports)


def counted(house: Harness, caller: Caller) -> dict[tuple[str, str], float]:
    asking = caller.ask(lambda client: client.stats())
    house.wait_for(lambda: asked(house), "the question", PATIENCE)
    tell(house)
    return {(each.name, each.of): each.value for each in caller.wait(asking)}


def test_calls_and_commands_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    with control(tmp_path) as house, calling(house) as caller:
        house.send("dialog-0", call_events.CallReceived("c1", "sip:a", "sip:b", "", 1.0))
        house.send("dialog-0", call_events.CallReceived("c2", "sip:a", "sip:b", "", 1.0))
        ended = call_events.CallEnded("c1", "answered", 200, "", "remote", 1.0, 4.0, 2.0, 200, 199, 1)
        house.send("dialog-0", replace(ended, jitter=2.5, mos=4.2))
        house.settle()
        with pytest.raises(CommandRefused):
            caller.do(lambda client: client.calls.place("bob"))
        figures = counted(house, caller)
        assert figures["calls", ""] == 1
        assert figures["calls_received_total", ""] == 2
        assert figures["calls_ended_total", "answered"] == 1
        assert figures["call_seconds_total", ""] == 4
        assert figures["rtp_packets_total", "lost"] == 1
        assert figures["calls_sounded_total", "4"] == 1
        assert (figures["mos_sum_total", ""], figures["jitter_ms_sum_total", ""]) == (4.2, 2.5)
        assert figures["pipe_waiting", "dialog-0"] == 3
        assert figures["refused_total", "bad_uri"] == 1
        assert figures["commands_total", "stats"] == 1


def test_prometheus_gets_them_and_is_told_when_nobody_answers(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="pip install prometheus-client")
    words = ["metrics", "--listen", "127.0.0.1:0", "--run-dir", str(tmp_path / "run")]
    with (
        control(tmp_path) as house,
        subprocess.Popen(
            [sys.executable, "-m", "actors.service", *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            house.send("dialog-0", call_events.CallEnded("c1", "busy", 486, "", "remote", 1.0, 4.0, 2.0))
            house.settle()
            fetched = _scrape(url, house)
            assert 'sipactors_calls_ended_total{outcome="busy"} 1.0' in fetched
            assert 'sipactors_restarts_total{child="dialog-0"} 2.0' in fetched
            assert 'sipactors_pipe_waiting{actor="dialog-0"} 3.0' in fetched
            assert 'sipactors_refusals_total{reason="503 busy"} 7.0' in fetched
            assert "sipactors_up 1.0" in fetched
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0


def _scrape(url: str, house: Harness) -> str:
    def fetch() -> str:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return str(response.read(), "utf-8")

    with ThreadPoolExecutor(1) as pool:
        return _told_of(house, pool.submit(fetch))


def _told_of(house: Harness, page: Future[str]) -> str:
    """Answer questions about the children until the page is there."""
    while not page.done():
        house.wait_for(lambda: page.done() or asked(house), "the question, or the page", PATIENCE)
        if asked(house):
            tell(house)
    return page.result()


def test_stats_are_printed(tmp_path: Path) -> None:
    with control(tmp_path) as house, ThreadPoolExecutor(1) as pool:
        words = [sys.executable, "-m", "actors.service", "stats", "--run-dir", str(house.context.run_dir)]

        def printed(*more: str) -> str:
            done = subprocess.run([*words, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
            return done.stdout

        figures = json.loads(_told_of(house, pool.submit(printed, "--json")))
        assert {"name": "calls", "label": "", "of": "", "value": 0.0} in figures
        assert {"name": "pipe_waiting", "label": "actor", "of": "dialog-0", "value": 3.0} in figures
        assert _told_of(house, pool.submit(printed)).splitlines()[0].split() == ["FIGURE", "OF", "VALUE"]
