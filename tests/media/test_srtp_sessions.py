"""Sessions over SRTP: nothing leaves or comes in unprotected, and a kill repeats no index (FAULTS 55, 56)."""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

pytest.importorskip("pylibsrtp", reason="the package pylibsrtp is not installed: the extra srtp")

from actors.media import rtcp, rtp
from actors.media import srtp as module
from actors.media.events import Format, Protection, StartSession
from actors.media.facts import Facts
from actors.media.pieces import FRAME
from actors.media.record import COPY
from actors.media.snapshot import RecordError
from actors.media.srtp import Srtp
from actors.media.srtp_index import Window
from tests.media.rig import PCMU, Phone, Rig, received
from tests.media.srtp_reference import SUITES, Reference

VOICE = b"\x11" * FRAME
CM, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"


def new_key(suite: str) -> bytes:
    return secrets.token_bytes(SUITES[suite].key + SUITES[suite].salt)


class Secure:
    """A phone that speaks SRTP with a session, and remembers which index came under which key."""

    def __init__(self, rig: Rig, key: str, suite: str = CM) -> None:
        self.rig, self.key, self.phone = rig, key, rig.phone()
        self.ours = Protection(suite, new_key(suite), new_key(suite))
        self.srtp = self._peer()
        session = rig.engine.prepare(key, rig.now)
        assert session is not None
        self.port = session.pair.port
        self.begin()
        self.window = Window()
        self.used: set[tuple[bytes, int]] = set()

    def _peer(self) -> Srtp:
        return Srtp(Protection(self.ours.suite, self.ours.receive, self.ours.send))

    @property
    def start(self) -> StartSession:
        return replace(self.phone.start(self.key), protection=self.ours)

    def begin(self) -> None:
        self.rig.engine.start(self.key, self.start, self.rig.now)
        self.rig.engine.echo(self.key)

    def rekey(self) -> None:
        suite = self.ours.suite
        self.ours = Protection(suite, new_key(suite), new_key(suite))
        self.srtp.use(Protection(suite, self.ours.receive, self.ours.send))
        self.window = Window()
        self.begin()

    def say(self, payload: bytes = VOICE) -> bytes:
        phone = self.phone
        packet = rtp.build(rtp.Packet(0, phone.sequence & 0xFFFF, phone.timestamp & 0xFFFFFFFF, phone.ssrc, payload))
        phone.sequence += 1
        phone.timestamp += len(payload)
        (sealed,) = self.srtp.sealed([packet])
        phone.rtp.sendto(sealed, ("127.0.0.1", self.port))
        return sealed

    def heard(self) -> list[rtp.Packet]:
        """What came, each with the index that the RFC's arithmetic says, never one that came before."""
        found = []
        for sealed in received(self.phone.rtp):
            plain = self.srtp.unprotect(sealed)
            assert plain is not None
            index = self.window.guess(int.from_bytes(sealed[2:4], "big"))
            self.window.add(index)
            assert Reference(self.ours.suite, self.ours.send).protect(plain, index) == sealed
            assert (self.ours.send, index) not in self.used
            self.used.add((self.ours.send, index))
            found.append(rtp.parse(plain))
        return found

    def talk(self, ticks: int = 20) -> list[rtp.Packet]:
        heard = []
        for _ in range(ticks):
            self.say()
            self.rig.step()
            heard += self.heard()
        return heard

    def facts(self) -> Facts:
        return replace(self.rig.facts(self.key, self.phone, echo=True), start=self.start)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def restart(rig: Rig, *phones: Secure, after: float = 0.02) -> dict[str, str]:
    facts = {phone.key: phone.facts() for phone in phones}
    rig.kill()
    rig.now += after
    rig.begin()
    lost = rig.engine.restore(facts, rig.now)
    rig.engine.tick(rig.now, 0.0)
    return lost


def move(rig: Rig, phone: Secure, index: int) -> None:
    """Have a session and its phone be at a later index of ours, as if they had talked for long."""
    session = rig.engine.sessions[phone.key]
    assert session.srtp is not None
    session.srtp._sender.wind(session.peer.ssrc, index, 0)
    phone.srtp._receiver.wind(((session.peer.ssrc, index - 1, 1, -1, 0),))
    phone.window = Window(index - 1, 1)
    session.sequence = index & 0xFFFF


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_carries_sound_both_ways(rig: Rig, suite: str) -> None:
    phone = Secure(rig, "a", suite)
    heard = phone.talk()
    assert [packet.payload for packet in heard[-10:]] == [VOICE] * 10
    assert heard[0].sequence_number < 0x8000


def test_rtcp_is_protected_both_ways(rig: Rig) -> None:
    phone = Secure(rig, "a")
    reports: list[bytes] = []
    while not reports:
        phone.talk(10)
        reports = received(phone.phone.rtcp)
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse_compound(reports[0])
    plain = phone.srtp.unprotect_control(reports[0])
    assert plain is not None
    sender = rtcp.parse_compound(plain)[0]
    assert isinstance(sender, rtcp.SenderReport)
    session = rig.engine.sessions["a"]
    bye = rtcp.build((rtcp.ReceiverReport(phone.phone.ssrc), rtcp.Bye((phone.phone.ssrc,))))
    phone.phone.rtcp.sendto(bye, ("127.0.0.1", phone.port + 1))
    rig.step()
    assert not session.peer.left
    phone.phone.rtcp.sendto(phone.srtp.protect_control(bye), ("127.0.0.1", phone.port + 1))
    rig.step()
    assert session.peer.left
    rig.engine.close("a", rig.now, 0.0)
    (last,) = received(phone.phone.rtcp)
    assert phone.srtp.unprotect_control(last) is not None


def test_plain_rtp_and_repeated_packets_are_dropped_and_told_of_once(rig: Rig) -> None:  # FAULTS 56
    phone = Secure(rig, "a")
    phone.talk()
    session = rig.engine.sessions["a"]
    assert session.peer.source is not None
    received_before = session.peer.source.received
    phone.phone.say(VOICE, phone.port)
    old = phone.say()
    phone.phone.rtp.sendto(old, ("127.0.0.1", phone.port))
    told = rig.step()
    assert session.peer.source.received == received_before + 1
    assert session.srtp is not None
    assert session.srtp.refused == 2
    assert [getattr(event, "kind", "") for _, event in told] == ["srtp_refused"]


def test_a_thousand_forged_packets_a_second_leave_the_call_as_it_is(rig: Rig) -> None:  # FAULTS 55
    dice = random.Random(55)
    phone = Secure(rig, "a")
    phone.talk()
    heard = []
    for _ in range(50):
        real = phone.say()
        for _ in range(20):
            phone.phone.rtp.sendto(real[:12] + dice.randbytes(170), ("127.0.0.1", phone.port))
        rig.step()
        heard += phone.heard()
    assert [packet.payload for packet in heard] == [VOICE] * 50
    session = rig.engine.sessions["a"]
    assert session.srtp is not None
    assert session.srtp.refused == 1000


@pytest.mark.parametrize("suite", [CM, GCM])
@pytest.mark.parametrize("index", [0x4000, 0xFFFE, 0x10000, 0x1FFFF, 0x5FFFD, 0x50123])
def test_a_call_goes_on_after_a_kill_at_any_rollover(rig: Rig, suite: str, index: int) -> None:
    phone = Secure(rig, "a", suite)
    move(rig, phone, index)
    phone.talk(4)
    replayed = phone.say()
    rig.step()
    assert restart(rig, phone) == {}
    assert rig.engine.sessions["a"].srtp is not None
    heard = phone.talk()
    assert [packet.payload for packet in heard[-10:]] == [VOICE] * 10
    session = rig.engine.sessions["a"]
    assert session.peer.source is not None
    count = session.peer.source.received
    phone.phone.rtp.sendto(replayed, ("127.0.0.1", phone.port))
    rig.step()
    assert session.peer.source.received == count
    assert session.srtp is not None
    assert session.srtp.refused == 1


def test_no_index_is_used_twice_over_a_hundred_kills(rig: Rig) -> None:
    dice = random.Random(100)
    phone = Secure(rig, "a")
    move(rig, phone, 0x1FF00)  # a rollover on the way
    heard = 0
    for number in range(100):
        heard += len(phone.talk(dice.randrange(1, 6)))
        if number % 25 == 24:
            phone.rekey()
        assert restart(rig, phone, after=dice.random() / 10) == {}
    heard += len(phone.talk(5))
    assert len(phone.used) == heard > 300  # each asserted to be new as it came


def test_a_torn_copy_costs_indexes_and_repeats_none(rig: Rig) -> None:
    phone = Secure(rig, "a")
    phone.talk()
    session = rig.engine.sessions["a"]
    assert session.srtp is not None
    at = 64 + session.pair.slot * 2 * COPY + (session.srtp.generation & 1) * COPY
    rig.engine.floor.srtp._file()._map[at + 20 : at + 24] = b"torn"
    assert restart(rig, phone) == {}
    heard = phone.talk()
    assert [packet.payload for packet in heard[-10:]] == [VOICE] * 10


def test_a_key_whose_record_is_missing_is_never_used_again_and_its_neighbour_lives(rig: Rig) -> None:  # FAULTS 78
    phones = [Secure(rig, key) for key in "ab"]
    rig.step(3)
    for phone in phones:
        phone.heard()
    slot = rig.engine.sessions["a"].pair.slot
    at = 64 + slot * 2 * COPY
    rig.engine.floor.srtp._file()._map[at : at + 2 * COPY] = bytes(2 * COPY)
    lost = restart(rig, *phones)
    assert lost == {"a": "the SRTP record is spoiled, and its key is not used again"}
    rig.step(5)
    assert received(phones[0].phone.rtp) == []
    assert phones[1].heard()


def test_a_record_of_another_session_is_not_gone_on_with(rig: Rig) -> None:
    phone = Secure(rig, "a")
    phone.talk(3)
    session = rig.engine.sessions["a"]
    assert session.srtp is not None
    session.identity ^= 1
    with pytest.raises(RecordError):
        rig.engine.floor.srtp.resume(session, session.srtp)


def test_a_kill_between_new_keys_and_their_first_packet_begins_them_anew(rig: Rig) -> None:
    phone = Secure(rig, "a")
    move(rig, phone, 0x20010)
    phone.talk(3)
    phone.rekey()
    assert restart(rig, phone) == {}
    heard = phone.talk()
    assert [packet.payload for packet in heard[-10:]] == [VOICE] * 10


def test_a_key_that_was_left_is_not_gone_back_to_after_a_kill(rig: Rig) -> None:
    phone = Secure(rig, "a")
    phone.talk(3)
    before = phone.facts()
    phone.rekey()
    phone.talk(3)
    rig.kill()
    rig.begin()
    lost = rig.engine.restore({"a": before}, rig.now)
    assert lost == {"a": "an SRTP key that was left is not used again"}


def test_srtp_is_not_given_up_for_plain_rtp(rig: Rig) -> None:
    phone = Secure(rig, "a")
    phone.talk(3)
    with pytest.raises(ValueError, match="not given up"):
        rig.engine.start("a", phone.phone.start("a"), rig.now)
    assert phone.talk(3)  # each was protected


def test_a_new_ssrc_after_a_collision_is_protected_too(rig: Rig) -> None:  # FAULTS 51
    phone = Secure(rig, "a")
    before = phone.talk(5)[-1].ssrc
    phone.phone.ssrc = before
    phone.say()
    rig.step()
    phone.phone.ssrc = 0xBEEF
    rig.step()
    received(phone.phone.rtp)
    phone.window = Window()
    assert restart(rig, phone) == {}
    sealed = received(phone.phone.rtp)
    plain = phone.srtp.unprotect(sealed[-1])
    assert plain is not None
    assert rtp.parse(plain).ssrc != before


def test_a_packet_too_long_for_srtp_does_not_leave_plain(rig: Rig) -> None:
    form = Format(96, "L16", 44100, channels=1)
    phone = Secure(rig, "a")
    start = replace(phone.start, send=form, receive=(form, PCMU), ptime=20)
    rig.engine.start("a", start, rig.now)
    rig.step(10)
    assert all(phone.srtp.unprotect(data) is not None for data in received(phone.phone.rtp))


def test_a_session_without_the_library_is_refused_in_one_line(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    phone: Phone = rig.phone()
    session = rig.engine.prepare("a", rig.now)
    assert session is not None
    start = replace(phone.start("a"), protection=Protection(CM, new_key(CM), new_key(CM)))
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    module._library.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"pip install 'sipactors\[srtp\]'") as refused:
            rig.engine.start("a", start, rig.now)
        assert "\n" not in str(refused.value)
    finally:
        module._library.cache_clear()
    rig.step(5)
    assert phone.heard() == []
