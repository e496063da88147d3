"""The cases of FAULTS.md about SDP and RTP: bombs, numbers that lie, strangers, injected and broken packets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hostile.conftest import Connect
from tests.hostile.wire import Dialog, branch_of, sdp
from tests.live.rtp import HEADER, SAMPLES, RtpPeer
from tests.live.service import Service

pytestmark = pytest.mark.live

OURS, EVIL = b"\x55" * SAMPLES, b"\x2a" * SAMPLES
SSRC = 0x5EED  # what RtpPeer sends with


def rtp_port(connect: Connect) -> int:
    """The RTP port that the service gives to a call now; it gives them in turn."""
    dialog = Dialog(connect())
    dialog.call()
    dialog.hang_up()
    return dialog.rtp[1]


def refused(connect: Connect, body: bytes, transport: str = "udp") -> int:
    """The status of an INVITE with `body`, acknowledged if it is a refusal, hung up if it is not."""
    dialog = Dialog(connect(transport))
    invite = dialog.write("INVITE", body=body)
    answer = dialog.wire.ask(invite)
    if answer.status == 200:
        dialog.accepted(answer)
        dialog.hang_up()
    elif answer.status != 513:  # after which the connection is closed
        dialog.wire.send(dialog.write("ACK", branch=branch_of(invite), to_tag=answer.message.to.tag))
    return answer.status


BOMBS = {
    "1,000 m-lines": (sdp(9, *["m=audio 9 RTP/AVP 0"] * 999), {488}),
    "10,000 a-lines": (sdp(9, *["a=x"] * 10_000), {413, 488}),
    "600 a-lines": (sdp(9, *["a=x"] * 600), {488}),
    "65 crypto lines": (
        sdp(9, *["a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"] * 65, media="m=audio 9 RTP/SAVP 0"),
        {488},
    ),
    "60 KB in a line": (sdp(9, "a=" + "x" * 60_000), {413, 488}),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_fault_28_an_sdp_bomb_is_refused_before_a_port_is_taken(connect: Connect, bomb: str) -> None:
    body, statuses = BOMBS[bomb]
    before = rtp_port(connect)
    assert refused(connect, body) in statuses
    assert rtp_port(connect) == before + 2, "the refused call took a port"


def test_fault_28_a_megabyte_of_sdp_is_refused_on_a_stream(connect: Connect) -> None:
    dialog = Dialog(connect("tcp"))
    invite = dialog.write("INVITE", body=sdp(9, *["a=" + "x" * 1000] * 1000))
    dialog.wire.send(invite[:60_000])
    assert dialog.wire.final(branch_of(invite)).status in {413, 513}


REFUSED = {
    "payload type 65535": sdp(9, media="m=audio 9 RTP/AVP 65535"),
    "payload type -1": sdp(9, media="m=audio 9 RTP/AVP -1"),
    "port 99999": sdp(9, media="m=audio 99999 RTP/AVP 0"),
    "port -1": sdp(9, media="m=audio -1 RTP/AVP 0"),
    "port 65535": sdp(9, media="m=audio 65535 RTP/AVP 0"),
    "rate 0": sdp(9, "a=rtpmap:96 PCMU/0", media="m=audio 9 RTP/AVP 96"),
    "rate 2^31": sdp(9, f"a=rtpmap:96 PCMU/{1 << 31}", media="m=audio 9 RTP/AVP 96"),
}


@pytest.mark.parametrize("number", REFUSED)
def test_fault_29_a_line_with_an_impossible_number_is_refused_with_488(connect: Connect, number: str) -> None:
    assert refused(connect, REFUSED[number]) == 488


FORMATS = {
    "RED of a static type": (sdp(9, "a=rtpmap:0 red/8000", "a=fmtp:0 0/0", media="m=audio 9 RTP/AVP 0"), 488),
    "RED of a static type beside a codec": (sdp(9, "a=rtpmap:0 red/8000", "a=fmtp:0 8/8"), 200),
    "RED of itself": (sdp(9, "a=rtpmap:96 red/8000", "a=fmtp:96 96/96", media="m=audio 9 RTP/AVP 96 8"), 200),
    "a name with a NUL": (sdp(9, "a=fmtp\0:"), 488),
    "a format that is no number": (sdp(9, media="m=audio 9 RTP/AVP x"), 488),
    "formats with commas": (sdp(9, media="m=audio 9 RTP/AVP 0,8"), 488),
    "no format": (sdp(9, media="m=audio 9 RTP/AVP"), 488),
    "parameters of no format": (sdp(9, "a=fmtp:", "a=fmtp:0", "a=fmtp:999 x", "a=rtpmap:"), 200),
}


@pytest.mark.parametrize("form", FORMATS)
def test_fault_30_formats_that_make_no_sense_are_refused_or_passed_over(connect: Connect, form: str) -> None:
    body, status = FORMATS[form]
    assert refused(connect, body) == status


@pytest.mark.parametrize("ptime", ["0", "-20", str(1 << 31), "nan", "9" * 400])
def test_fault_29_an_impossible_ptime_is_passed_over_and_audio_flows(connect: Connect, ptime: str) -> None:
    with RtpPeer(OURS) as rtp:
        dialog = Dialog(connect())
        dialog.call(sdp(rtp.port, f"a=ptime:{ptime}"))
        rtp.target = dialog.rtp
        rtp.wait_for(20)
        dialog.hang_up()
    assert {len(packet.payload) for packet in rtp.packets} == {SAMPLES}


# A call with audio, and what is sent into it.


@contextmanager
def talking(connect: Connect) -> Iterator[tuple[Dialog, RtpPeer]]:
    """A call whose peer is sent its own audio."""
    with RtpPeer(OURS) as rtp:
        dialog = Dialog(connect())
        dialog.call(sdp(rtp.port))
        rtp.target = dialog.rtp
        rtp.wait_heard()
        yield dialog, rtp
        rtp.wait_for(25)  # what came in before has been played out by then
        rtp.wait_heard()
        assert dialog.wire.ask(dialog.write("OPTIONS")).status == 200, "the call is gone"
        dialog.hang_up()
    assert len({(packet.ssrc, packet.source) for packet in rtp.packets}) == 1


@pytest.fixture
def talk(connect: Connect) -> Iterator[tuple[Dialog, RtpPeer]]:
    """A call whose peer never hears any of EVIL."""
    with talking(connect) as (dialog, rtp):
        yield dialog, rtp
    assert EVIL[:20] not in b"".join(packet.payload for packet in rtp.packets)


def rtp_packet(number: int, *, first: int = 0x80, kind: int = 0, ssrc: int = SSRC, payload: bytes = EVIL) -> bytes:
    """The packet that RtpPeer sends as its `number`-th, or a forgery of it."""
    return HEADER.pack(first, kind, number & 0xFFFF, (1 + (number - 1) * SAMPLES) & 0xFFFFFFFF, ssrc) + payload


def test_what_is_injected_here_would_be_heard_if_nothing_gave_it_away(connect: Connect) -> None:
    with talking(connect) as (dialog, rtp):
        for _ in range(10):
            rtp.wait_for(3)
            for step in range(1, 11):
                rtp._socket.sendto(rtp_packet(rtp.sent + step), dialog.rtp)
    assert EVIL in [packet.payload for packet in rtp.packets]


def test_fault_49_a_foreign_source_is_neither_heard_nor_answered(
    talk: tuple[Dialog, RtpPeer], service: Service
) -> None:
    dialog, rtp = talk
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        near = rtp.sent
        for number in range(near, near + 100):
            for ssrc in (SSRC, 0xBAD):
                stranger.sendto(rtp_packet(number, ssrc=ssrc), dialog.rtp)
                stranger.sendto(rtp_packet(number, ssrc=ssrc), (dialog.rtp[0], dialog.rtp[1] + 1))
        rtp.wait_for(50)
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    service.wait_for_line("a stranger sends to this session's port", "127.0.0.2")


@pytest.mark.parametrize("lie", ["ssrc", "payload type", "sequence"])
def test_fault_50_packets_injected_from_the_right_address_are_dropped(talk: tuple[Dialog, RtpPeer], lie: str) -> None:
    dialog, rtp = talk
    for _ in range(10):
        rtp.wait_for(3)
        now = rtp.sent + 1
        for step in range(10):
            packet = {
                "ssrc": rtp_packet(now + step, ssrc=0xBAD),
                "payload type": rtp_packet(now + step, kind=77),
                "sequence": rtp_packet(now + 20_000 + 7 * step),
            }[lie]
            rtp._socket.sendto(packet, dialog.rtp)


LYING = {
    "CC is 15 and the packet short": rtp_packet(1000, first=0x8F, payload=EVIL[:40]),
    "more padding than packet": rtp_packet(1000, first=0xA0, payload=EVIL[:-1] + b"\xff"),
    "no padding at all": rtp_packet(1000, first=0xA0, payload=EVIL[:-1] + b"\x00"),
    "an extension longer than the packet": rtp_packet(1000, first=0x90, payload=b"\xbe\xde\xff\xff" + EVIL),
    "an extension header cut off": rtp_packet(1000, first=0x90, payload=b"\xbe"),
    "version 0": rtp_packet(1000, first=0x00),
    "version 1": rtp_packet(1000, first=0x40),
    "version 3": rtp_packet(1000, first=0xC0),
    "nothing": b"",
    "11 bytes": rtp_packet(1000)[:11],
    "65 KB": rtp_packet(1000, payload=EVIL * 409)[:65_507],
}


def test_fault_53_rtp_headers_that_lie_are_dropped(talk: tuple[Dialog, RtpPeer]) -> None:
    dialog, rtp = talk
    for lie, data in LYING.items():
        before = len(rtp.packets)
        for number in range(rtp.sent, rtp.sent + 20):
            rtp._socket.sendto(data[:2] + rtp_packet(number)[2:8] + data[8:] if data else data, dialog.rtp)
        rtp.wait_for(6)
        assert EVIL[:20] not in b"".join(packet.payload for packet in rtp.packets[before:]), lie


def control(kind: int, body: bytes, *, count: int = 0, length: int | None = None) -> bytes:
    """One RTCP packet; `length` in words in place of the true one."""
    words = len(body) // 4 if length is None else length
    return struct.pack("!BBH", 0x80 | count, kind, words & 0xFFFF) + body


US = struct.pack("!I", SSRC)
OTHER = struct.pack("!I", 0xBAD)
REPORT = control(201, US)
SPOOFED = {
    "BYE of another": control(201, OTHER) + control(203, OTHER, count=1),
    "BYE of another in our name": REPORT + control(203, OTHER, count=1),
    "BYE alone": control(203, US, count=1),
    "BYE of the peer itself": REPORT + control(203, US, count=1),
    "a reason of 255 bytes": REPORT + control(203, US + b"\xffgone", count=1, length=3),
    "31 sources that are not there": REPORT + control(203, US, count=31),
    "a short XR": REPORT + control(207, US + b"\x04\x00\xff\xff"),
    "a short feedback": REPORT + control(206, US, count=1),
    "a compound longer than the datagram": control(201, US, length=400),
    "a length of no words": control(201, b"", length=0xFFFF),
    "31 report blocks that are not there": control(200, US + b"\0" * 20, count=31),
    "a part of a word": REPORT + b"\x80",
    "no RTCP at all": b"x" * 100,
}


def test_fault_54_spoofed_and_broken_rtcp_is_dropped_and_a_bye_ends_no_call(talk: tuple[Dialog, RtpPeer]) -> None:
    dialog, rtp = talk
    where = dialog.rtp[0], dialog.rtp[1] + 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        for spoof, data in SPOOFED.items():
            for _ in range(20):
                rtp._socket.sendto(data, where)
                stranger.sendto(data, where)
            rtp.wait_heard()
            assert dialog.wire.ask(dialog.write("OPTIONS")).status == 200, spoof
