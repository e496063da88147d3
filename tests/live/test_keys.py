"""Keys through the whole service: SIPp presses those of its captures, and a peer is sent what a client asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.control.client import Client
from actors.media.dtmf import KeyReader
from tests.chaos.killing import calling, next_event
from tests.live import sipp
from tests.live.rtp import Packet, RtpPeer
from tests.live.service import Service, running

pytestmark = pytest.mark.live

CAPTURES = Path("/usr/share/sip-tester")
PRESSED = "159"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--answer", "echo") as started:
        yield started
        assert started.stop() == 0


def scenario(folder: Path, base: str, port: str, actions: str = "") -> str:
    """A call of SIPp's that takes telephone events at `port` and does `actions` once it is up; its name."""
    text = (sipp.SCENARIOS / f"{base}.xml").read_text(encoding="utf-8")
    head, line, tail = text.partition("m=audio [rtp_port] RTP/AVP 0 8\n")
    assert line
    text = f"{head}m=audio [{port}] RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000\n{tail}"
    folder.mkdir()
    (folder / "keys.xml").write_text(text.replace("  <pause/>", f"{actions}  <pause/>"), encoding="utf-8")
    return str(folder / "keys")


@pytest.mark.skipif(os.geteuid() != 0, reason="SIPp plays a capture through a raw socket, which takes root")
@pytest.mark.skipif(not (CAPTURES / "dtmf_2833_1.pcap").exists(), reason=f"SIPp did not bring {CAPTURES}/dtmf_2833_*")
def test_sipps_keys_are_events_of_the_call(service: Service, tmp_path: Path) -> None:
    actions = "".join(
        f'  <nop><action><exec play_pcap_audio="{CAPTURES}/dtmf_2833_{key}.pcap"/></action></nop>\n'
        '  <pause milliseconds="1500"/>\n'
        for key in PRESSED
    )
    folder = tmp_path / "sipp"
    words = scenario(folder, "call_and_hang_up", "media_port", actions)
    with Client(service.run_dir) as client, client.events() as stream:
        report = sipp.call(folder, service.addresses["udp"], "-m", "1", "-d", "500", scenario=words)
        assert (report.successful, report.failed) == (1, 0), report.errors
        seen: list[object] = []
        next_event(stream, "CallEnded", seen)
    keys = [event for event in seen if type(event).__name__ == "CallDigitReceived"]
    assert "".join(event.digit for event in keys) == PRESSED  # type: ignore[attr-defined]
    assert {event.method for event in keys} == {"rfc4733"}  # type: ignore[attr-defined]


def pressed(packets: list[Packet]) -> str:
    """The keys that a stream of packets says were pressed."""
    reader, keys = KeyReader(8000), ""
    for tick, packet in enumerate(packets):
        if packet.payload_type == 101:
            keys += "".join(key.key for key in reader.take(packet.timestamp, packet.payload, tick))
    return keys


def test_a_client_presses_keys_and_the_peer_gets_each_once(service: Service, tmp_path: Path) -> None:
    with RtpPeer() as peer, Client(service.run_dir) as client, client.events() as stream:
        folder = tmp_path / "sipp"
        words = scenario(folder, "call_and_wait", "rtp_port")
        with calling(folder, service, "udp", words, peer.port) as process:
            call = next_event(stream, "CallAnswered", []).call
            peer.wait_for(1)
            client.dtmf(call, "42#", 100)
            while len(pressed(peer.packets)) < 3:
                peer.wait_for(1)
            peer.wait_for(1)
            client.hangup(call)
            assert process.wait(timeout=30) == 0
    assert pressed(peer.packets) == "42#"
