"""SIPp proves: 401 and 407 for INVITE and BYE with MD5, stale nonces, two realms at once (it checks the digests)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import sipp
from tests.live.service import running

pytestmark = pytest.mark.live


def trunk(port: int) -> str:
    """A trunk that never registers, as TOML."""
    return f"""
[[accounts]]
aor = "sip:100@127.0.0.1:{port}"
register = false
password = "wonderland"
"""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["uas_401", "uas_407"])
def test_a_call_by_an_account_answers_every_challenge(tmp_path: Path, scenario: str, transport: str) -> None:
    with sipp.answering(tmp_path / "uas", "-m", "1", scenario=scenario, transport=transport) as (host, port):
        uri = f"sip:+15551234@{host}:{port}" + (";transport=tcp" if transport == "tcp" else "")
        with running(config=trunk(port)) as service:
            words = ("call", uri, "--account", f"sip:100@127.0.0.1:{port}", "--duration", "0.3", "--json")
            done = service.command(*words)
            assert done.returncode == 0, done.stdout + done.stderr
            assert '"answered"' in done.stdout
            assert "wonderland" not in done.stdout + "\n".join(service.lines)
    report = sipp.report(tmp_path / "uas", 0)
    assert (report.successful, report.failed, report.errors) == (1, 0, "")
