"""Real G.711 goes through whole: what SIPp says is what we record; what we play, or send back, is what a peer hears."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from actors.control.client import Client
from tests.chaos.killing import calling, next_event
from tests.live import sipp
from tests.live.rtp import RtpPeer
from tests.live.service import Service, running
from tests.live.sound import RATE, Samples, correlation, read_wav, write_wav
from tests.live.speech import LAWS, SILENCE, decoded, encoded, heard, played, same, speech

pytestmark = pytest.mark.live

PCAP = Path("/usr/share/sip-tester/g711a.pcap")  # 30 ms packets of A-law, as SIPp brings it
SECONDS = 3.0
AFTER = 1.5  # seconds of silence behind the sound, so that all of it is through before the call ends
STREAM = "speech.g711"
# The machine of the tests is loaded: SIPp and the test's own peer may be late by far more than the default of 40 ms.
JITTER = 500


def config(law: str) -> str:
    """A service of one codec, whose loop nothing else holds up where that can be had: no tick is lost."""
    return f'[media]\ncodecs = ["{law}"]\njitter = {JITTER}\nreal_time = true\n'


def talker(folder: Path, law: str, action: str) -> str:
    """SIPp's scenario of a call that does `action` once it is up; its name, as sipp.call wants it."""
    text = (sipp.SCENARIOS / "call_and_hang_up.xml").read_text(encoding="utf-8")
    text = text.replace("[rtp_port] RTP/AVP 0 8", f"[media_port] RTP/AVP {LAWS[law]}")
    text = text.replace("  <pause/>", f"  <nop><action><exec {action}/></action></nop>\n  <pause/>")
    assert text.count("<exec ") == text.count("[media_port]") == 1
    folder.mkdir()
    (folder / "talker.xml").write_text(text, encoding="utf-8")
    return str(folder / "talker")


def recorded(service: Service, folder: Path, scenario: str, seconds: float, file: Path) -> Samples:
    """Let SIPp call and talk for so long; the recording."""
    with Client(service.run_dir) as client, client.events() as stream:
        milliseconds = str(round(seconds * 1000))
        report = sipp.call(folder, service.addresses["udp"], "-m", "1", "-d", milliseconds, scenario=scenario)
        assert (report.successful, report.failed, report.unexpected) == (1, 0, 0), report.errors
        ended = next_event(stream, "CallEnded", [])
        assert ended.packets_received > 100
    return read_wav(file)


@pytest.mark.parametrize("law", LAWS)
def test_a_recording_holds_what_sipp_said(tmp_path: Path, law: str) -> None:
    said, file, folder = speech(SECONDS), tmp_path / "said.wav", tmp_path / "sipp"
    scenario = talker(folder, law, f'rtp_stream="{STREAM},1,{LAWS[law]}"')
    (folder / STREAM).write_bytes(encoded(said, law))
    with running("--answer", f"record:{file}", config=config(law)) as service:
        samples = recorded(service, folder, scenario, SECONDS + AFTER, file)
    assert same(samples, said)


def may_open_raw_sockets() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()
    except PermissionError:
        return False
    return True


def rtp_payloads(pcap: Path) -> bytes:
    """What the RTP packets of a capture carry (little-endian pcap; Ethernet, IPv4 and UDP without options)."""
    data = pcap.read_bytes()
    assert data[:4] == bytes.fromhex("d4c3b2a1")
    found, at = b"", 24
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        found += data[at + 16 + 14 + 20 + 8 + 12 : at + 16 + size]
        at += 16 + size
    return found


@pytest.mark.skipif(not may_open_raw_sockets(), reason="SIPp plays a capture through a raw socket, which takes root")
@pytest.mark.skipif(not PCAP.exists(), reason=f"SIPp did not bring {PCAP}")
def test_a_recording_holds_sipps_own_capture_of_30_ms_packets(tmp_path: Path) -> None:
    said, file, folder = decoded(rtp_payloads(PCAP), "PCMA"), tmp_path / "said.wav", tmp_path / "sipp"
    scenario = talker(folder, "PCMA", f'play_pcap_audio="{PCAP}"')
    with running("--answer", f"record:{file}", config=config("PCMA")) as service:
        samples = recorded(service, folder, scenario, len(said) / RATE + AFTER, file)
    assert same(samples, said)


@pytest.mark.parametrize("law", LAWS)
def test_a_peer_hears_the_file_that_is_played(tmp_path: Path, law: str) -> None:
    said = speech(SECONDS)
    file = write_wav(tmp_path / "said.wav", said)
    with (
        running("--answer", f"play:{file}", config=config(law)) as service,
        RtpPeer() as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        with calling(tmp_path / "sipp", service, "udp", "call_and_wait", peer.port) as process:
            finished = next_event(stream, "CallPlayFinished", [])
            assert (finished.path, finished.error) == (str(file), "")
            client.hangup(finished.call)
            assert process.wait(timeout=30) == 0
        ended = next_event(stream, "CallEnded", [])
    assert ended.packets_sent >= len(peer.packets) >= SECONDS * 50
    samples = played(peer.packets, law)  # a loaded machine may pause it, and must not swallow any of it
    assert correlation(samples, said) > 0.99
    assert correlation(samples, decoded(encoded(said, law), law)) > 0.999


@pytest.mark.parametrize("law", LAWS)
def test_echo_sends_a_peer_its_own_sound_back(tmp_path: Path, law: str) -> None:
    # Silence around it, for until the echo has begun, and so that one round of it is heard whole.
    around = np.zeros(int(AFTER * RATE), np.int16)
    said = speech(SECONDS)
    sound = encoded(np.concatenate((around, said, around)), law)
    with (
        running("--answer", "echo", config=config(law)) as service,
        RtpPeer(sound, LAWS[law]) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        with calling(tmp_path / "sipp", service, "udp", "call_and_wait", peer.port) as process:
            call = next_event(stream, "CallAnswered", []).call
            peer.wait_for(1)
            peer.target = peer.packets[0].source
            peer.wait_for(round((SECONDS + 2 * AFTER) * 50), timeout=30.0)
            client.hangup(call)
            assert process.wait(timeout=30) == 0
        ended = next_event(stream, "CallEnded", [])
        assert (ended.packets_lost, ended.burst) == (0, 0.0)
        assert 1.0 < ended.mos <= 4.5
    samples = heard(peer.packets, law)
    assert len({packet.source for packet in peer.packets}) == len({packet.ssrc for packet in peer.packets}) == 1
    assert SILENCE[law] * 160 in {packet.payload for packet in peer.packets}
    assert same(samples, said)
