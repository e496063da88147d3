"""The SRTP vectors of RFC 3711, 6188 and 7714 hold for the reference, and the reference for every suite of ours."""

from __future__ import annotations

import hashlib
import json
import secrets

import pytest

from tests.media.rig import corpus
from tests.media.srtp_reference import SUITES, Reference, derive, keystream

pytest.importorskip("pylibsrtp", reason="the package pylibsrtp is not installed: the extra srtp")

from actors.media.srtp import Receiver, Sender
from tests.media.srtp_packets import control_packet, packet

# RFC 7714 s16: session keys, not master keys.
_QUID = b"Quid pro quo"
_GALLIA = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
_SEALED = bytes.fromhex(
    "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf"
    "8833899d7f27beb16a9152cf765ee4390cce"
)
# RFC 7714 s17.1
_REPORT = bytes.fromhex(
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
)
_SEALED_REPORT = bytes.fromhex(
    "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
    "c84aa45896cf4d2fc5abf87245d9eade800005d4"
)


def test_rfc_3711_b2_the_keystream_of_aes_cm() -> None:
    known = json.loads(corpus("vectors", "srtp_rfc3711.json").read_text())["rfc3711_B2"]
    stream = keystream(bytes.fromhex(known["key"]), bytes.fromhex(known["iv"]), known["length"])
    assert stream[:48].hex() == known["keystream_first48"]
    assert stream[-48:].hex() == known["keystream_last48"]
    assert hashlib.sha256(stream).hexdigest() == known["sha256"]


def test_rfc_3711_b3_the_session_keys() -> None:
    master, salt = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139"), bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    assert derive(master, salt, 0, 16).hex() == "c61e7a93744f39ee10734afe3ff7a087"
    assert derive(master, salt, 2, 14).hex() == "30cbbc08863d8c85d49db34a9ae1"
    assert derive(master, salt, 1, 94).hex().startswith("cebe321f6ff7716b6fd4ab49af256a156d38baa4")


def test_rfc_6188_the_session_keys_of_aes_256() -> None:
    master = bytes.fromhex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6")
    salt = bytes.fromhex("3b04803de51ee7c96423ab5b78d2")
    assert derive(master, salt, 0, 32).hex().startswith("5ba1064e30ec51613cad926c5a28ef73")
    assert derive(master, salt, 2, 14).hex() == "fa31791685ca444a9e07c6c64e93"
    assert derive(master, salt, 1, 20).hex() == "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"


def test_rfc_7714_a_packet_and_a_report() -> None:
    reference = Reference("AEAD_AES_128_GCM", bytes(28))
    reference.keys, reference.salts = [bytes(range(16))] * 2, [_QUID] * 2
    assert reference.protect(_GALLIA, 0xF17B) == _SEALED
    assert reference.protect_control(_REPORT, 0x5D4) == _SEALED_REPORT


def test_the_packet_that_libsrtp_checks_itself_with() -> None:
    key = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    plain = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
    sealed = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"
    assert Reference("AES_CM_128_HMAC_SHA1_80", key).protect(plain, 0x1234).hex() == sealed
    assert Sender("AES_CM_128_HMAC_SHA1_80", key).protect(plain).hex() == sealed


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_protects_as_the_reference_does_over_a_rollover(suite: str) -> None:
    key = secrets.token_bytes(SUITES[suite].key + SUITES[suite].salt)
    reference, sender, receiver = Reference(suite, key), Sender(suite, key), Receiver(suite, key)
    for index in (0x7FFE, 0xE000, 0xFFFF, 0x10000, 0x10001, 0x17000, 0x1E000, 0x20002):
        plain = packet(index)
        sealed = sender.protect(plain)
        assert sealed == reference.protect(plain, index)
        assert receiver.unprotect(sealed) == plain
        assert sender.index == index + 1
    for index in (1, 2, 3):
        plain = control_packet()
        sealed = sender.protect_control(plain)
        assert sealed == reference.protect_control(plain, index)
        assert receiver.unprotect_control(sealed) == plain
        assert sender.control == index
