"""SIPp proves: calls in over UDP and TCP, IPv4 and IPv6, at a hundred a second; calls out; OPTIONS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import sipp
from tests.live.service import running

pytestmark = pytest.mark.live
LONG = ("-r", "100", "-m", "2000", "-d", "50", "-timeout", "60s")  # 100 calls a second for 20 seconds
FEW = ("-r", "20", "-m", "40", "-d", "50", "-timeout", "30s")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_hundred_calls_a_second_for_twenty_seconds_all_succeed(tmp_path: Path, transport: str) -> None:
    with running("--answer", "echo") as service:
        report = sipp.call(tmp_path / "uac", service.addresses[transport], *LONG, transport=transport)
        assert (report.successful, report.failed, report.unexpected) == (2000, 0, 0), report.errors
        assert report.exit_code == 0
        assert service.json("calls") == []
        assert all(child["restarts"] == 0 for child in service.tree().values())
        assert service.stop() == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_succeed_over_ipv6(tmp_path: Path, transport: str) -> None:
    with running("--answer", "echo", listen=("udp:[::1]:0", "tcp:[::1]:0")) as service:
        report = sipp.call(tmp_path / "uac", service.addresses[transport], *FEW, transport=transport, local="::1")
        assert (report.successful, report.failed, report.unexpected) == (40, 0, 0), report.errors


def test_one_service_takes_calls_of_both_families(tmp_path: Path) -> None:
    with running("--answer", "echo", listen=("udp:127.0.0.1:0", "udp:[::1]:0")) as service:
        for local in ("127.0.0.1", "::1"):
            address = service.listening("udp", local)
            report = sipp.call(tmp_path / local.strip(":"), address, *FEW, local=local)
            assert (report.successful, report.failed, report.unexpected) == (40, 0, 0), report.errors


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_out_is_answered_talks_and_hangs_up(tmp_path: Path, transport: str) -> None:
    with running() as service, sipp.answering(tmp_path / "uas", transport=transport) as (host, port):
        uri = f"sip:service@{host}:{port}" + (";transport=tcp" if transport == "tcp" else "")
        done = service.command("call", uri, "--duration", "0.3", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"answered"' in done.stdout
        assert service.json("calls") == []
        assert sipp.finished(tmp_path / "uas", 1).failed == 0


def test_a_service_that_takes_no_calls_refuses_them_with_480(tmp_path: Path) -> None:
    with running("--answer", "none") as service:
        report = sipp.call(tmp_path / "uac", service.addresses["udp"], "-m", "1", "-timeout", "10s")
        assert report.failed == 1
        assert "480" in report.errors
