"""baresip proves: hold and resume from both sides, blind transfer from both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.control.client import Client
from tests.live import sipp
from tests.live.baresip import phone
from tests.live.service import Service, running
from tests.live.sound import tone, write_wav
from tests.live.test_calls_in_depth import next_event

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--answer", "echo", config='[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\n') as started:
        yield started


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """What baresip says, for longer than any call: at the end of it, it hangs up."""
    return write_wav(tmp_path / "theirs.wav", tone(700.0, 60.0))


def test_either_side_holds_and_resumes(tmp_path: Path, service: Service, theirs: Path) -> None:
    host, port = service.addresses["udp"]
    with (
        phone(tmp_path, theirs) as baresip,
        Client(service.run_dir) as client,
        client.events() as events,
    ):
        baresip.command("dial", f"sip:us@{host}:{port}")
        call = next_event(events, "CallAnswered").call
        baresip.event("CALL_ESTABLISHED")
        baresip.command("hold")
        assert next_event(events, "CallHoldChanged", call).remote
        baresip.command("resume")
        assert not next_event(events, "CallHoldChanged", call).remote
        client.hold(call)
        assert next_event(events, "CallHoldChanged", call).local
        client.resume(call)
        assert not next_event(events, "CallHoldChanged", call).local
        client.hangup(call)
        assert next_event(events, "CallEnded", call).outcome == "answered"


def test_we_send_baresip_elsewhere(tmp_path: Path, service: Service, theirs: Path) -> None:
    with (
        phone(tmp_path / "phone", theirs) as baresip,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path / "carol", "uas") as (host, port),
    ):
        call = client.place(baresip.uri)
        baresip.event("CALL_INCOMING")
        baresip.command("accept")
        next_event(events, "CallAnswered", call)
        client.transfer(call, f"sip:carol@{host}:{port}")
        told = next_event(events, "CallTransferProgressed", call).status
        while told < 200:
            told = next_event(events, "CallTransferProgressed", call).status
        assert told == 200
        assert next_event(events, "CallEnded", call).by == "local"
        baresip.command("hangup")


def test_baresip_sends_us_elsewhere(tmp_path: Path, service: Service, theirs: Path) -> None:
    host, port = service.addresses["udp"]
    with (
        phone(tmp_path / "phone", theirs) as baresip,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path / "carol", "uas") as (there, carol),
    ):
        baresip.command("dial", f"sip:us@{host}:{port}")
        call = next_event(events, "CallAnswered").call
        baresip.event("CALL_ESTABLISHED")
        baresip.command("transfer", f"sip:carol@{there}:{carol}")
        placed = next_event(events, "CallTransferRequested", call).placed
        assert next_event(events, "CallAnswered", placed)
        assert next_event(events, "CallEnded", call).by == "remote"
        client.hangup(placed)
        next_event(events, "CallEnded", placed)
