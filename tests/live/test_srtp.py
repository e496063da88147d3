"""baresip and linphonec over SRTP: tones are heard both ways, over kills of media too, and plain RTP is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pylibsrtp", reason="the package pylibsrtp is not installed: the extra srtp")

from actors.control.client import Client
from actors.media.codecs import CodecMissingError, find
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live import linphone
from tests.live.baresip import Baresip, phone
from tests.live.itself import loud
from tests.live.service import Service, running
from tests.live.sound import read_wav, tone, write_wav
from tests.live.test_baresip import OURS, THEIRS, answered, is_tone
from tests.live.test_baresip_codecs import is_tone as sounds

pytestmark = pytest.mark.live

SECONDS = 1.5
MODULES = Path("/usr/lib/baresip/modules")


@contextmanager
def secure(tmp_path: Path, media: str, mediaenc: str) -> Iterator[tuple[Service, Baresip, Client, Any]]:
    """A service with this [media] and a baresip with that encryption."""
    if MODULES.exists() and not (MODULES / "srtp.so").exists():
        pytest.skip("baresip's srtp.so is not there: the package baresip-core")
    said = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    account = f";mediaenc={mediaenc}" if mediaenc else ""
    with (
        running("--answer", "ring", config=f"[media]\n{media}\njitter = 100\n") as service,
        phone(tmp_path / "baresip", said, modules=("srtp.so",), account=account) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        yield service, peer, client, stream


def enabled(peer: Baresip) -> list[str]:
    """The suites that baresip says it enabled."""
    return [line.partition("cryptosuite=")[2].rstrip(")") for line in peer.lines if "SRTP is Enabled" in line]


@pytest.mark.parametrize(
    ("caller", "srtp", "mediaenc", "suite"),
    [
        ("baresip", "required", "srtp-mand", "AES_CM_128_HMAC_SHA1_80"),
        ("baresip", "optional", "srtp", "AES_CM_128_HMAC_SHA1_80"),
        ("us", "required", "srtp-mand", "AEAD_AES_256_GCM"),
        ("us", "optional", "srtp", "AES_CM_128_HMAC_SHA1_32"),
    ],
)
def test_a_tone_is_heard_both_ways(tmp_path: Path, caller: str, srtp: str, mediaenc: str, suite: str) -> None:
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, SECONDS))
    recording = tmp_path / "heard.wav"
    media = f'srtp = "{srtp}"\nsrtp_suites = ["{suite}"]'
    with secure(tmp_path, media, mediaenc) as (service, peer, client, stream):
        event = answered(service, peer, client, stream, caller, {"play": str(ours), "record": str(recording)})
        next_event(stream, "CallPlayFinished", [])
        client.hangup(event.call)
        ended = next_event(stream, "CallEnded", [])
        peer.event("CALL_CLOSED")
        assert ended.packets_received > 40
        assert enabled(peer) == [suite]
    assert is_tone(read_wav(recording), THEIRS)
    assert is_tone(peer.heard(), OURS)


def test_a_call_over_srtp_outlives_kills_of_media(tmp_path: Path) -> None:
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, 4 * SECONDS))
    recording = tmp_path / "heard.wav"
    with secure(tmp_path, 'srtp = "required"', "srtp-mand") as (service, peer, client, stream):
        event = answered(service, peer, client, stream, "us", {"play": str(ours), "record": str(recording)})
        for _ in range(3):
            before, _ = kill(client, "media-0")
            wait_restarted(client, "media-0", before)
        next_event(stream, "CallPlayFinished", [])
        client.hangup(event.call)
        ended = next_event(stream, "CallEnded", [])
        peer.event("CALL_CLOSED")
        assert (ended.outcome, ended.by) == ("answered", "local")
        assert len(enabled(peer)) == 1
        assert not [line for line in peer.lines if "srtp" in line.lower() and "fail" in line.lower()]
    # How long nothing is heard after a kill is the machine's affair.
    assert is_tone(loud(read_wav(recording)), THEIRS)
    assert is_tone(loud(peer.heard()), OURS)


def test_plain_rtp_is_refused_where_srtp_is_required(tmp_path: Path) -> None:
    with secure(tmp_path, 'srtp = "required"', "") as (service, peer, client, stream):
        host, port = service.addresses["udp"]
        peer.command("dial", f"sip:service@{host}:{port}")
        assert "488" in str(peer.event("CALL_CLOSED")["param"])
        client.place(peer.uri)
        ended = next_event(stream, "CallEnded", [])
        assert (ended.outcome, ended.status) == ("rejected", 488), ended


@pytest.mark.skipif(shutil.which("linphonec") is None, reason="linphonec is not installed: the package linphone-cli")
@pytest.mark.parametrize(
    ("caller", "suite", "codec"),
    [
        ("linphonec", "AES_256_CM_HMAC_SHA1_32", "PCMU"),
        ("us", "AES_256_CM_HMAC_SHA1_80", "PCMA"),
        ("us", "AES_CM_128_HMAC_SHA1_80", "G722"),
        ("linphonec", "AES_CM_128_HMAC_SHA1_80", "opus"),
    ],
)
def test_a_tone_is_heard_by_linphonec_and_here(tmp_path: Path, caller: str, suite: str, codec: str) -> None:
    try:
        find(codec, 48000 if codec == "opus" else 8000)
    except CodecMissingError as error:
        pytest.skip(str(error))
    said = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, SECONDS))
    recording = tmp_path / "heard.wav"
    media = f'[media]\nsrtp = "required"\nsrtp_suites = ["{suite}"]\ncodecs = ["{codec}"]\njitter = 100\n'
    theirs = f"media_encryption=srtp\nmedia_encryption_mandatory=1\nsrtp_crypto_suites={suite}"
    with (
        running("--answer", "ring", config=media) as service,
        linphone.phone(tmp_path / "linphone", said, more=theirs) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        if caller == "us":
            call = client.place(peer.uri, play=str(ours), record=str(recording))
        else:
            host, port = service.addresses["udp"]
            peer.command(f"call sip:service@{host}:{port}")
            call = next_event(stream, "CallReceived", []).call
            client.answer(call, play=str(ours), record=str(recording))
        assert next_event(stream, "CallAnswered", []).encoding == codec
        next_event(stream, "CallPlayFinished", [])
        client.hangup(call)
        assert next_event(stream, "CallEnded", []).packets_received > 40
        peer.wait("ended (No error)")
    # linphonec's G.722 is half as loud as the ITU's vectors and baresip have it, and hears them twice as loud.
    halved = 2 if codec == "G722" else 1
    sounds(recording, THEIRS, 0.3 / halved)
    sounds(tmp_path / "linphone" / "heard.wav", OURS, 0.3 * halved)
