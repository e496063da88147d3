"""The whole service as threads of one process: for small devices and tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import sipp
from tests.live.service import running

pytestmark = pytest.mark.live


def test_the_same_actors_take_calls_as_threads_of_one_process(tmp_path: Path) -> None:
    with running("--answer", "echo", config='[service]\nplacement = "thread"\n') as service:
        assert {child["pid"] for child in service.tree().values()} == {service.process.pid}
        for transport in ("udp", "tcp"):
            report = sipp.call(
                tmp_path / transport, service.addresses[transport], "-r", "20", "-m", "40", transport=transport
            )
            assert (report.successful, report.failed, report.unexpected) == (40, 0, 0), report.errors
        assert service.stop() == 0


def test_several_shards_and_media_processes_share_the_calls(tmp_path: Path) -> None:
    with running("--answer", "echo", config="[service]\nshards = 2\nmedia = 2\n") as service:
        names = {"transport", "transaction-0", "transaction-1", "dialog-0", "dialog-1", "media-0", "media-1", "control"}
        assert service.tree().keys() == names
        report = sipp.call(tmp_path / "uac", service.addresses["udp"], "-r", "50", "-m", "100", "-d", "100")
        assert (report.successful, report.failed, report.unexpected) == (100, 0, 0), report.errors
        out = service.command("call", f"sip:me@127.0.0.1:{service.addresses['udp'][1]}", "--duration", "0.2", "--json")
        assert out.returncode == 0, out.stdout + out.stderr
        assert service.stop() == 0
