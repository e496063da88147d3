"""SRTP contexts: what is taken and what is dropped, and that a kill neither repeats an index nor opens the window."""

from __future__ import annotations

import random
import secrets
import sys
from pathlib import Path

import pytest

pytest.importorskip("pylibsrtp", reason="the package pylibsrtp is not installed: the extra srtp")

from actors.config import ConfigError
from actors.configured import configured
from actors.control.cli import RunOptions
from actors.media import srtp as module
from actors.media.events import Protection
from actors.media.srtp import MAX_KEYS, MAX_PACKET, MAX_STREAMS, Receiver, Sender, Srtp, SrtpMissingError
from actors.media.srtp_index import WINDOW, unpack
from tests.media.srtp_packets import SSRC, control_packet, packet
from tests.media.srtp_reference import SUITES, Reference

CM, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"


def new_key(suite: str) -> bytes:
    return secrets.token_bytes(SUITES[suite].key + SUITES[suite].salt)


def pair(suite: str = CM) -> tuple[Protection, Protection]:
    """Our protection and the peer's."""
    ours, theirs = new_key(suite), new_key(suite)
    return Protection(suite, ours, theirs), Protection(suite, theirs, ours)


def seal(srtp: Srtp, plain: bytes) -> bytes:
    (sealed,) = srtp.sealed([plain])
    return sealed


@pytest.mark.parametrize("suite", SUITES)
def test_a_repeated_a_forged_and_a_plain_packet_are_dropped(suite: str) -> None:  # FAULTS 55, 56
    ours, theirs = pair(suite)
    us, peer = Srtp(ours), Srtp(theirs)
    sealed, report = seal(peer, packet(7)), peer.protect_control(control_packet())
    assert us.unprotect(packet(7)) is None
    assert us.unprotect_control(control_packet()) is None
    for at in (1, 13, -1):
        forged = bytearray(sealed)
        forged[at] ^= 1
        assert us.unprotect(bytes(forged)) is None
    assert us.unprotect(sealed) == packet(7)
    assert us.unprotect(sealed) is None
    assert us.unprotect_control(report) == control_packet()
    assert us.unprotect_control(report) is None
    assert us.unprotect(seal(peer, packet(8))) == packet(8)
    assert us.refused == 7


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 21, 22, 23, 1499, 1500, 1501, 2048])
@pytest.mark.parametrize("suite", [CM, GCM])
def test_no_datagram_of_a_stranger_raises(suite: str, size: int) -> None:
    us = Srtp(pair(suite)[0])
    for first in (0x80, 0x9F, 0xB0, 0):
        data = (bytes((first,)) + random.Random(size).randbytes(size))[:size]
        assert us.unprotect(data) is None
        assert us.unprotect_control(data) is None


def test_a_packet_that_is_too_long_is_not_sent_rather_than_sent_plain() -> None:
    us = Srtp(pair()[0])
    assert us.sealed([packet(1) + bytes(MAX_PACKET)]) == []
    assert seal(us, packet(1))


def test_an_index_is_never_used_twice() -> None:
    sender = Sender(CM, new_key(CM))
    sender.protect(packet(5))
    with pytest.raises(module._library().Error):
        sender.protect(packet(5))


def test_streams_of_one_key_are_bounded() -> None:
    key = new_key(CM)
    sender, receiver = Sender(CM, key), Receiver(CM, key)
    for ssrc in range(MAX_STREAMS):
        assert receiver.unprotect(sender.protect(packet(1, ssrc)))
    assert receiver.unprotect(sender.protect(packet(1, SSRC))) is None
    assert receiver.unprotect_control(sender.protect_control(control_packet())) is None
    assert receiver.unprotect(sender.protect(packet(2, 0)))


@pytest.mark.parametrize("suite", [CM, GCM])
@pytest.mark.parametrize("rollover", [0, 1, 5])
@pytest.mark.parametrize("sequence_number", [0, 3, 0x7FFF, 0x8000, 0xFFFF])
def test_a_sender_goes_on_after_a_kill(suite: str, rollover: int, sequence_number: int) -> None:
    key, index = new_key(suite), rollover << 16 | sequence_number
    sender, reference = Sender(suite, key), Reference(suite, key)
    sender.wind(SSRC, index, control=2)
    for at in (index, index + 1, index + 0x7000, index + 0xE000):
        assert sender.protect(packet(at)) == reference.protect(packet(at), at)
    assert sender.protect_control(control_packet()) == reference.protect_control(control_packet(), 3)


@pytest.mark.parametrize("suite", [CM, GCM])
@pytest.mark.parametrize("rollover", [0, 1, 5])
@pytest.mark.parametrize("sequence_number", [2, 70, 0x7FFF, 0x8001, 0xFFFF])
def test_a_receiver_goes_on_after_a_kill_and_its_window_with_it(
    suite: str, rollover: int, sequence_number: int
) -> None:
    key, highest = new_key(suite), rollover << 16 | sequence_number
    reference, before = Reference(suite, key), Receiver(suite, key)
    first = max(0, highest - 199)
    if first:
        before.wind(((SSRC, first - 1, 1, -1, 0),))
    missing = {index for index in (highest - 1, highest - 5, highest - 40) if index >= first}
    sealed = {at: reference.protect(packet(at), at) for at in range(first, highest + 3)}
    for at in range(first, highest + 1):
        if at not in missing:
            assert before.unprotect(sealed[at]) == packet(at)
    assert before.unprotect_control(reference.protect_control(control_packet(), 9))
    window, control = before.streams[SSRC]

    after = Receiver(suite, key)
    after.wind(((SSRC, window.highest, window.seen, control.highest, control.seen),))
    for at in range(first, highest + 1):
        assert after.unprotect(sealed[at]) == (packet(at) if at in missing else None)
    assert all(after.unprotect(sealed[at]) is None for at in missing)
    assert after.unprotect(sealed[highest + 2]) == packet(highest + 2)
    assert after.unprotect(sealed[highest + 1]) == packet(highest + 1)
    for index, taken in ((9, False), (8, True), (10, True), (10, False)):
        data = reference.protect_control(control_packet(), index)
        assert (after.unprotect_control(data) is not None) == taken


def test_other_keys_begin_anew_and_those_that_stay_go_on() -> None:
    (ours, theirs), (ours_2, theirs_2) = pair(), pair(GCM)
    us, peer = Srtp(ours), Srtp(theirs)
    for at in (0x7000, 0xE000, 0x11000):
        seal(us, packet(at))
        late = seal(peer, packet(at))
        if at < 0x11000:
            us.unprotect(late)
    us.use(ours)
    assert seal(us, packet(0x11001)) == Reference(CM, ours.send).protect(packet(0x11001), 0x11001)
    us.use(ours_2)
    peer.use(theirs_2)
    assert us.unprotect(late) == packet(0x11000)  # still on its way
    assert seal(us, packet(0x11002)) == Reference(GCM, ours_2.send).protect(packet(0x11002), 0x1002)
    first = seal(peer, packet(0x11001))
    assert us.unprotect(first) == packet(0x11001)
    old = Reference(CM, theirs.send).protect(packet(0x11003), 0x11003)
    assert us.unprotect(old) is None  # the old key is over once the new one was heard
    us.use(ours)  # a fork whose answer took this key is confirmed
    assert seal(us, packet(0x11004)) == Reference(CM, ours.send).protect(packet(0x11004), 0x11004)


def test_keys_of_one_session_are_bounded() -> None:
    ours, _ = pair()
    us = Srtp(ours)
    for _ in range(MAX_KEYS - 1):
        us.use(Protection(CM, new_key(CM), ours.receive))
    with pytest.raises(ValueError, match="too many SRTP keys"):
        us.use(ours)


@pytest.mark.parametrize("suite", [CM, GCM])
def test_no_index_is_used_twice_and_nothing_is_taken_twice_over_a_hundred_kills(suite: str) -> None:
    dice = random.Random(6)
    ours, theirs = pair(suite)
    us, peer, sent = Srtp(ours), Srtp(theirs), Reference(suite, ours.send)
    index, heard = 0, 0
    used: list[int] = []
    used_control: list[int] = []
    taken: list[bytes] = []
    for _ in range(100):
        row = us.row(1)
        for _ in range(dice.randrange(1, 5)):
            plain = packet(index)
            sealed = seal(us, plain)
            row = us.row(1)  # persisted, and only then sent
            assert sealed == sent.protect(plain, index)
            used.append(index)
            index += dice.choice((1, 1, 1, 2, 0x2FFF))
            report = us.protect_control(control_packet())
            row = us.row(1)
            used_control.append(int.from_bytes(report[-14:-10] if suite == CM else report[-4:], "big"))
            arrived = seal(peer, packet(heard))
            heard += dice.choice((1, 2, 0x2FFF))
            taken += [plain for plain in (us.unprotect(arrived),) if plain]
            row = us.row(1)
        if dice.random() < 0.5:
            seal(us, packet(index))  # never sent, and in no row: the kill comes before
        us = Srtp(ours)
        resumed = us.resume(unpack(row), skip=False)
        assert resumed is not None
        assert used[-1] < resumed <= index
        assert us.unprotect(arrived) is None
    assert index > 5 << 16
    assert len(set(used)) == len(used)
    assert len(set(used_control)) == len(used_control)
    assert len(taken) == len(set(taken)) >= 150


def test_a_torn_row_skips_what_may_have_been_sent_after_the_one_before_it() -> None:
    ours, _ = pair()
    us = Srtp(ours)
    seal(us, packet(0x12))
    row = unpack(us.row(1))
    for index in (0x13, 0x14):
        seal(us, packet(index))
    us = Srtp(ours)
    assert us.resume(row, skip=True) == 0x15


def test_a_key_that_the_row_does_not_know_has_sent_nothing_and_begins_at_its_beginning() -> None:
    ours, theirs = pair()
    before = Srtp(pair()[0])
    seal(before, packet(0x11000))
    us, peer = Srtp(ours), Srtp(theirs)
    assert us.resume(unpack(before.row(1)), skip=False) is None
    assert us.unprotect(seal(peer, packet(1))) == packet(1)


def test_the_window_is_that_of_the_context() -> None:
    key = new_key(CM)
    sender, receiver = Sender(CM, key), Receiver(CM, key)
    sealed = [sender.protect(packet(index)) for index in range(200)]
    assert receiver.unprotect(sealed[150])
    taken = [index for index in range(150) if receiver.unprotect(sealed[index])]
    assert taken[0] == 150 - WINDOW + 1
    assert receiver.streams[SSRC][0].indexes() == [*taken, 150]


def test_keys_are_in_no_repr() -> None:
    ours, _ = pair()
    us = Srtp(ours)
    for text in (repr(ours), str(ours), repr(us), repr(us._sender), repr(us._receiver)):
        for key in (ours.send, ours.receive):
            assert repr(key)[2:-1] not in text
            assert key.hex() not in text


def test_an_unknown_suite_and_a_key_of_a_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="no such SRTP suite: NULL"):
        Sender("NULL", bytes(30))
    for suite in SUITES:
        with pytest.raises(ValueError, match="key"):
            Sender(suite, new_key(suite)[:-1])


def test_a_library_that_is_absent_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)  # what import says then is that it is not there
    module._library.cache_clear()
    try:
        with pytest.raises(SrtpMissingError, match=r"pip install 'sipactors\[srtp\]'"):
            Srtp(pair()[0])
    finally:
        module._library.cache_clear()


def test_a_service_that_wants_srtp_without_the_library_says_so_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "installed", lambda: False)
    config = tmp_path / "sipactors.toml"
    config.write_text('[media]\nsrtp = "optional"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^media.srtp: SRTP needs pylibsrtp: pip install 'sipactors\[srtp\]'$"):
        configured(RunOptions(config, (), None, tmp_path, tmp_path))
