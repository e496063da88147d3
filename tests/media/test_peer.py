"""Who is heard: learning, strangers, forged SSRCs, lying headers, RTCP that is not the peer's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media import rtcp, rtp
from actors.media.events import Noticed
from actors.media.g711 import Law
from actors.media.peer import EVENT, Peer, reachable
from actors.media.pieces import FRAME
from actors.media.session import OPENING
from actors.runtime.machine import Event
from tests.media.rig import Phone, Rig, received

VOICE = b"\x11" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def talk(rig: Rig, phone: Phone, port: int, ticks: int = 10, *, told: list[Event] | None = None) -> list[rtp.Packet]:
    heard = []
    for _ in range(ticks):
        phone.say(VOICE, port)
        events = rig.step()
        if told is not None:
            told += [event for _, event in events]
        heard += phone.heard()
    return heard


def test_a_source_that_the_sdp_did_not_name_is_learnt_once(rig: Rig) -> None:  # RFC 4961, FAULTS 49
    named, real, stranger = rig.phone(), rig.phone(ssrc=1), rig.phone(ssrc=2)
    port = rig.call("a", named)
    rig.engine.echo("a")
    told: list[Event] = []
    assert VOICE in [packet.payload for packet in talk(rig, real, port, told=told)]
    text = f"RTP comes from 127.0.0.1:{real.port}, not as the SDP said"
    assert told == [Noticed("a", "source_learnt", text)]
    named.heard()
    assert talk(rig, stranger, port, 100, told=told) == []
    assert named.heard() == []
    peer = rig.engine.sessions["a"].peer
    assert (peer.strangers, peer.learnt) == (100, True)
    assert told[1:] == [Noticed("a", "stranger", f"a stranger sends to this session's port: 127.0.0.1:{stranger.port}")]


def test_one_packet_of_a_stranger_is_not_enough_to_be_answered(rig: Rig) -> None:  # FAULTS 49
    named, stranger = rig.phone(), rig.phone()
    port = rig.call("a", named)
    for _ in range(5):
        stranger.say(VOICE, port)
        stranger.sequence += 7
        rig.step()
    assert stranger.heard() == []
    assert len(named.heard()) == OPENING


def test_the_named_source_is_kept_against_a_flood_of_strangers(rig: Rig) -> None:  # FAULTS 49
    named, stranger = rig.phone(ssrc=1), rig.phone(ssrc=2)
    port = rig.call("a", named)
    rig.engine.echo("a")
    talk(rig, named, port, 3)
    for _ in range(30):
        for _ in range(5):
            stranger.say(b"\x99" * FRAME, port)
        heard = talk(rig, named, port, 1)
        assert [packet.payload for packet in heard] == [VOICE]
    assert stranger.heard() == []


def test_a_forged_ssrc_never_takes_over_while_the_peer_speaks(rig: Rig) -> None:  # FAULTS 50
    phone = rig.phone(ssrc=1)
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    heard = []
    for number in range(50):
        forged = rtp.Packet(0, number, number * FRAME, 666, b"\x99" * FRAME)
        phone.rtp.sendto(rtp.build(forged), ("127.0.0.1", port))
        heard += talk(rig, phone, port, 1)
    assert {packet.payload for packet in heard} == {VOICE}
    assert rig.engine.sessions["a"].peer.invalid == 50


def test_a_peer_that_changes_its_ssrc_is_heard_again(rig: Rig) -> None:  # FAULTS 51
    phone = rig.phone(ssrc=1)
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    phone.ssrc, phone.sequence, phone.timestamp = 2, 4711, 12345
    heard = [packet.payload for packet in talk(rig, phone, port, 30)]
    assert heard[-15:] == [VOICE] * 15
    source = rig.engine.sessions["a"].peer.source
    assert source is not None
    assert source.ssrc == 2


def test_a_collision_gives_us_a_new_ssrc_and_a_bye_for_the_old(rig: Rig) -> None:  # FAULTS 51
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.step(2)
    before = phone.heard()[-1]
    phone.ssrc = before.ssrc
    heard = talk(rig, phone, port, 1)
    (data,) = received(phone.rtcp)
    assert rtcp.Bye((before.ssrc,)) in rtcp.parse_compound(data)
    assert heard[-1].ssrc != before.ssrc
    assert (heard[-1].sequence_number - before.sequence_number) & 0xFFFF == 1
    assert {packet.ssrc for packet in talk(rig, phone, port)} == {heard[-1].ssrc}


def test_a_peer_that_reflects_our_packets_is_heard_and_changes_our_ssrc_once(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    port = rig.engine.sessions["a"].pair.port
    ssrcs = set()
    for _ in range(50):
        rig.step()
        for data in received(phone.rtp):
            ssrcs.add(rtp.parse(data).ssrc)
            phone.rtp.sendto(data, ("127.0.0.1", port))
    assert len(ssrcs) == 2
    source = rig.engine.sessions["a"].peer.source
    assert source is not None
    assert source.received > 40


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x8f\0\0\1" + bytes(20),
        b"\x90\0\0\1" + bytes(10) + b"\xff\xff",
        b"\xa0\0\0\1" + bytes(9) + b"\xff",
        b"\x40" + bytes(171),
        b"\x80" + bytes(60_000),
    ],
    ids=["empty", "csrcs", "extension", "padding", "version", "60 kB"],
)
def test_a_header_that_lies_is_dropped_and_the_call_goes_on(rig: Rig, data: bytes) -> None:  # FAULTS 53
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    phone.rtp.sendto(data, ("127.0.0.1", port))
    heard = talk(rig, phone, port)
    assert {packet.payload for packet in heard} == {VOICE}
    assert rig.engine.sessions["a"].peer.malformed == 1


def test_sequence_numbers_that_jump_back_are_followed(rig: Rig) -> None:  # FAULTS 52
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    phone.sequence, phone.timestamp = 30_000, 1 << 31
    assert [packet.payload for packet in talk(rig, phone, port, 30)][-15:] == [VOICE] * 15


def test_a_changed_address_of_the_sdp_may_be_learnt_anew(rig: Rig) -> None:
    first, second, third = rig.phone(ssrc=1), rig.phone(ssrc=2), rig.phone(ssrc=3)
    port = rig.call("a", first)
    rig.engine.echo("a")
    talk(rig, first, port)
    rig.engine.start("a", second.start("a"), rig.now)
    rig.step(5)
    assert first.heard() == []
    assert second.heard() != []
    assert VOICE in [packet.payload for packet in talk(rig, third, port, 20)]


def control(rig: Rig, phone: Phone, port: int, *packets: rtcp.RtcpPacket) -> list[tuple[str, Event]]:
    phone.rtcp.sendto(rtcp.build(packets), ("127.0.0.1", port + 1))
    return rig.step()


def test_a_bye_ends_nothing_and_only_the_peers_is_believed(rig: Rig) -> None:  # FAULTS 54
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    peer = rig.engine.sessions["a"].peer
    control(rig, phone, port, rtcp.ReceiverReport(666), rtcp.Bye((666,)))
    assert (peer.left, peer.invalid) == (False, 1)
    control(rig, phone, port, rtcp.ReceiverReport(phone.ssrc), rtcp.Bye((666,), b"x" * 255))
    assert not peer.left
    for noise in (b"", b"\x80\xc9", rtcp.build([rtcp.Bye((phone.ssrc,))]), b"\x80\xcf\0\0", bytes(5000)):
        phone.rtcp.sendto(noise, ("127.0.0.1", port + 1))
    rig.step()
    assert (peer.left, peer.malformed, peer.invalid) == (False, 2, 3)
    control(rig, phone, port, rtcp.ReceiverReport(phone.ssrc), rtcp.Bye((phone.ssrc,)))
    assert peer.left
    assert VOICE in [packet.payload for packet in talk(rig, phone, port)]


def test_what_an_application_of_the_peers_says_is_told_once_a_second(rig: Rig) -> None:  # RFC 3550 s6.7
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    report, said = rtcp.ReceiverReport(phone.ssrc), rtcp.Application(3, phone.ssrc, b"PoC1", b"\x0a\x0b\0\0" * 40)
    told = control(rig, phone, port, report, said, said)
    told += control(rig, phone, port, report, said)
    assert told == [("a", Noticed("a", "rtcp_app", f"'PoC1' 3 {said.data[:64].hex()}"))]
    rig.step(50)
    told = control(rig, phone, port, report, said._replace(data=b""))
    assert told == [("a", Noticed("a", "rtcp_app", "'PoC1' 3"))]


def test_reports_on_the_rtp_port_and_of_reduced_size_are_taken(rig: Rig) -> None:  # RFC 5761, RFC 5506
    phone = rig.phone()
    port = rig.call("a", phone)
    talk(rig, phone, port)
    peer = rig.engine.sessions["a"].peer
    report = rtcp.SenderReport(phone.ssrc, 0x1122334455667788, 1, 1, 160)
    phone.rtp.sendto(rtcp.build([report]), ("127.0.0.1", port))
    rig.step()
    assert peer.lsr == 0x33445566
    heard = peer.control_heard
    name = rtcp.SourceDescription(((phone.ssrc, ((rtcp.CNAME, b"x"),)),))
    phone.rtcp.sendto(rtcp.build([name]), ("127.0.0.1", port + 1))
    rig.step()
    assert peer.control_heard > heard
    assert (peer.malformed, peer.strangers) == (0, 0)


def test_addresses_are_written_as_the_sockets_write_them() -> None:
    assert reachable("192.0.2.1", v6=False) == "192.0.2.1"
    assert reachable("192.0.2.1", v6=True) == "::ffff:192.0.2.1"
    assert reachable("::ffff:192.0.2.1", v6=False) == "192.0.2.1"
    assert reachable("2001:DB8:0::1", v6=True) == "2001:db8::1"
    for host in ("2001:db8::1", "a.example", "0.0.0.0", "239.1.1.1", ""):
        assert reachable(host, v6=False) is None


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=40)
            | st.builds(
                lambda pt, seq, ts, ssrc: rtp.build(rtp.Packet(pt, seq, ts, ssrc, VOICE)),
                st.sampled_from([0, 8, 101, 5]),
                st.integers(0, 40) | st.integers(0, 0xFFFF),
                st.integers(0, 40).map(lambda n: n * FRAME) | st.integers(0, 0xFFFFFFFF),
                st.integers(1, 3),
            ),
            st.sampled_from([("192.0.2.1", 4000), ("192.0.2.1", 4002), ("192.0.2.66", 4000)]),
        ),
        max_size=60,
    )
)
def test_any_datagrams_from_anywhere_lock_at_most_one_source(datagrams: list[tuple[bytes, tuple[str, int]]]) -> None:
    peer = Peer(99, lambda: 100)
    peer.formats = {0: Law.PCMU, 8: Law.PCMA, 101: EVENT}
    peer.listening = True
    peer.reach("192.0.2.1", 4000, v6=False)
    locked = set()
    for number, (data, address) in enumerate(datagrams):
        peer.accept(data, address, number * 80)
        peer.accept_control(data, address, 0.0, 0)
        locked.add(peer.locked)
        if peer.buffer is not None:
            peer.buffer.take()
    assert len(locked - {None}) <= 1
    assert peer.destination == (peer.locked or ("192.0.2.1", 4000))
