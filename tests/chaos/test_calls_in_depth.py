"""The dialog actor is killed while a hold of ours waits for its answer, in a call with a session timer."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.control.client import Client
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live import sipp
from tests.live.service import running

pytestmark = pytest.mark.live


def wait_state(client: Client, state: str) -> str:
    """The id of the one call once it is in `state`; each look is a question to the dialog actor."""
    while True:
        calls = [call for call in client.calls() if call.state == state]
        if calls:
            return calls[0].call


def test_a_hold_is_answered_and_the_session_refreshed_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """SIPp checks the rest: one re-INVITE, the ACK to its 2xx, and the timer in the answer to its refresh."""
    with running("--answer", "echo") as service, Client(service.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, "../sipp/caller_killed", target=service.addresses["udp"]):
            call = wait_state(client, "confirmed")
            client.hold(call)
            before, _ = kill(client, "dialog-0")
            wait_restarted(client, "dialog-0", before)
            held = next_event(events, "CallHoldChanged", [])
            assert (held.call, held.local, held.remote) == (call, True, False)
        ended = next_event(events, "CallEnded", [])
        assert (ended.outcome, ended.by) == ("answered", "remote")
        assert client.calls() == []
