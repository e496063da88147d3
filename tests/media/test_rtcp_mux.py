"""RTCP on the port of RTP where that was agreed (RFC 5761), over kills and SRTP, too; else where the peer says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.media import rtcp
from tests.media.rig import Phone, Rig, received, udp
from tests.media.test_engine import SILENCE, talk

# The second byte of RTCP packets (RFC 5761 section 4).
CONTROL = range(192, 224)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def begin(rig: Rig, phone: Phone, rtcp_port: int) -> int:
    """Start a session that sends RTCP there; its port."""
    session = rig.engine.prepare("a", rig.now)
    assert session is not None
    rig.engine.start("a", replace(phone.start("a"), rtcp_port=rtcp_port), rig.now)
    return session.pair.port


def come(rig: Rig, phone: Phone, port: int, ticks: int) -> tuple[list[bytes], list[bytes]]:
    """Talk; the RTCP that came to the phone's port of RTP, and that which came to the next."""
    mixed = []
    for _ in range(ticks):
        phone.say(SILENCE, port)
        rig.step()
        mixed += received(phone.rtp)
    return [data for data in mixed if data[1] in CONTROL], received(phone.rtcp)


def test_rtcp_leaves_the_port_of_rtp_for_the_peers_port_of_rtp(rig: Rig) -> None:
    phone = rig.phone()
    port = begin(rig, phone, phone.port)
    talked, apart = [], []
    for _ in range(400):
        phone.say(SILENCE, port)
        rig.step()
        try:
            while True:
                talked.append(phone.rtp.recvfrom(2048))
        except BlockingIOError:
            apart += received(phone.rtcp)
    assert apart == []
    reports = [(data, source) for data, source in talked if data[1] in CONTROL]
    assert reports
    assert {source for _, source in talked} == {("127.0.0.1", port)}
    compound = rtcp.parse_compound(reports[-1][0])
    assert isinstance(compound[0], rtcp.SenderReport)
    assert compound[0].blocks[0].ssrc == phone.ssrc
    rig.engine.close("a", rig.now, 0.0)
    assert isinstance(rtcp.parse_compound(received(phone.rtp)[-1])[-1], rtcp.Bye)


def test_the_peers_reports_are_heard_on_the_port_of_rtp(rig: Rig) -> None:
    phone = rig.phone()
    port = begin(rig, phone, phone.port)
    talk(rig, phone, port, 10)
    session = rig.engine.sessions["a"]
    ntp = rtcp.ntp_time(1_700_000_000.0 + rig.now)
    lsr = ((ntp >> 16) - (1 << 15)) & 0xFFFFFFFF
    block = rtcp.ReportBlock(session.peer.ssrc, 0, 0, 0, 0, lsr, 1 << 14)
    phone.rtp.sendto(rtcp.build([rtcp.SenderReport(phone.ssrc, ntp, 0, 0, 0, (block,))]), ("127.0.0.1", port))
    rig.step(5)
    assert session.peer.round_trip == pytest.approx(0.02 + 0.25, abs=0.001)
    assert session.peer.malformed == session.peer.unknown == 0


def test_without_it_rtcp_has_a_port_of_its_own(rig: Rig) -> None:
    phone = rig.phone()
    mixed, apart = come(rig, phone, begin(rig, phone, 0), 400)
    assert mixed == []
    assert apart


def test_rtcp_goes_to_the_port_that_the_peer_named(rig: Rig) -> None:  # RFC 3605
    phone = rig.phone()
    with udp() as elsewhere:
        mixed, apart = come(rig, phone, begin(rig, phone, elsewhere.getsockname()[1]), 400)
        assert mixed == apart == []
        assert received(elsewhere)


def test_it_ends_and_begins_with_a_later_description(rig: Rig) -> None:
    phone = rig.phone()
    port = begin(rig, phone, phone.port)
    assert come(rig, phone, port, 400)[0]
    rig.engine.start("a", phone.start("a"), rig.now)
    mixed, apart = come(rig, phone, port, 400)
    assert mixed == []
    assert apart
    rig.engine.start("a", replace(phone.start("a"), rtcp_port=phone.port), rig.now)
    mixed, apart = come(rig, phone, port, 400)
    assert mixed
    assert apart == []


def test_a_peer_that_speaks_from_elsewhere_gets_rtcp_there(rig: Rig) -> None:  # RFC 4961
    told, real = rig.phone(), rig.phone()
    port = begin(rig, told, told.port)
    mixed, apart = come(rig, real, port, 400)
    assert mixed
    assert apart == received(told.rtcp) == []


def test_it_goes_on_after_a_kill(rig: Rig) -> None:
    phone = rig.phone()
    port = begin(rig, phone, phone.port)
    come(rig, phone, port, 400)
    facts = replace(rig.facts("a", phone), start=replace(phone.start("a"), rtcp_port=phone.port))
    rig.kill()
    rig.begin()
    assert rig.engine.restore({"a": facts}, rig.now) == {}
    mixed, apart = come(rig, phone, port, 400)
    assert mixed
    assert apart == []


def test_srtcp_shares_the_port_of_srtp(rig: Rig) -> None:
    pytest.importorskip("pylibsrtp", reason="the package pylibsrtp is not installed: the extra srtp")
    from tests.media.test_srtp_sessions import Secure

    secure = Secure(rig, "a")
    start = replace(secure.start, rtcp_port=secure.phone.port)
    rig.engine.start("a", start, rig.now)
    sealed = []
    for _ in range(400):
        secure.say()
        rig.step()
        sealed += received(secure.phone.rtp)
    assert received(secure.phone.rtcp) == []
    reports = [data for data in sealed if data[1] in CONTROL]
    plain = [secure.srtp.unprotect_control(data) for data in reports]
    assert plain
    assert all(isinstance(rtcp.parse_compound(each)[0], rtcp.SenderReport) for each in plain if each is not None)
    assert None not in plain
    ours = secure.srtp.protect_control(rtcp.build([rtcp.ReceiverReport(secure.phone.ssrc)]))
    secure.phone.rtp.sendto(ours, ("127.0.0.1", secure.port))
    before = rig.engine.sessions["a"].peer.control_heard
    rig.step()
    assert rig.engine.sessions["a"].peer.control_heard > before
