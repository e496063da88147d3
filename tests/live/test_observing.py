"""An application looks on while SIPp calls the service: every step of its transactions, in order."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from actors.transaction.observing import observing, transitions
from tests.live import sipp
from tests.live.service import running

pytestmark = pytest.mark.live


def test_an_observer_sees_the_transitions_of_a_call(tmp_path: Path) -> None:
    steps: dict[str, list[str]] = defaultdict(list)
    with running("--answer", "echo") as service, observing(service.run_dir) as socket:
        report = sipp.call(tmp_path / "uac", service.addresses["tcp"], "-m", "1", "-d", "50", transport="tcp")
        assert report.exit_code == 0, report.errors
        for observed in transitions(socket, timeout=30.0):
            step = observed.transition
            assert step is not None
            assert observed.number == sum(map(len, steps.values())) + 1
            line = f"{step.before} {step.event} {step.after} {step.message.partition(b' ')[0].decode()}".rstrip()
            steps[step.key.method].append(line)
            if step.key.method == "BYE" and step.after == "TERMINATED":
                break
        assert service.stop() == 0
    # More than one 180, and a 200 that is sent again because its ACK is late, change nothing.
    repeated = {"PROCEEDING PROVISIONAL PROCEEDING SIP/2.0", "ACCEPTED SUCCESS ACCEPTED SIP/2.0"}
    assert [line for line in steps["INVITE"] if line not in repeated] == [
        "INITIAL REQUEST PROCEEDING INVITE",
        "PROCEEDING SUCCESS ACCEPTED SIP/2.0",
    ]
    assert steps["BYE"] == ["INITIAL REQUEST TRYING BYE", "TRYING FINAL TERMINATED SIP/2.0"]
