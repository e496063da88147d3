"""baresip and we share one port for RTP and RTCP (RFC 5761), whoever calls, and over a kill of media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client
from actors.sip import parse
from actors.transaction.observing import observing, transitions
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live.baresip import phone
from tests.live.itself import loud
from tests.live.service import running
from tests.live.sound import tone, write_wav
from tests.live.test_baresip import OURS, THEIRS, answered, is_tone

pytestmark = pytest.mark.live

# Seconds: a report of ours comes 6.2 after the kill at the latest (RFC 3550 section 6.3.1), baresip's each 5.
REPORTED = 16.0


def invitation(steps: Any) -> list[bytes]:
    """The offer and the answer of the call that is being made."""
    bodies: list[bytes] = []
    for observed in transitions(steps, timeout=30.0):
        step = observed.transition
        body = b"" if step is None or step.key.method != "INVITE" else parse(step.message).body if step.message else b""
        if body and body not in bodies:
            bodies.append(body)
        if len(bodies) == 2:
            return bodies
    raise AssertionError("the call was not agreed on")


@pytest.mark.parametrize(("caller", "theirs"), [("baresip", True), ("us", True), ("us", False)])
def test_one_port_serves_both_where_baresip_agrees(tmp_path: Path, caller: str, theirs: bool) -> None:
    said = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, REPORTED if theirs else 3.0))
    with (
        running("--answer", "ring") as service,
        phone(tmp_path / "baresip", said, rtcp_mux=theirs) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
        observing(service.run_dir) as steps,
    ):
        call = answered(service, peer, client, stream, caller, {"play": str(ours)}).call
        assert [b"a=rtcp-mux" in body for body in invitation(steps)] == [True, theirs]
        before, _ = kill(client, "media-0")
        wait_restarted(client, "media-0", before)
        next_event(stream, "CallPlayFinished", [])
        client.hangup(call)
        ended = next_event(stream, "CallEnded", [])
        peer.event("CALL_CLOSED")
    assert is_tone(loud(peer.heard()), OURS)  # without the silence that the kill cost
    if theirs:
        assert ended.round_trip > 0, "no report of ours was answered"
