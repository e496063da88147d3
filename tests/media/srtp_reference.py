"""SRTP written from the RFCs and slow, to hold libsrtp's packets against: key derivation, AES-CM, HMAC, GCM."""

from __future__ import annotations

import hmac
import struct
from typing import NamedTuple

import pytest

pytest.importorskip("cryptography", reason="the package cryptography is not installed")

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Suite(NamedTuple):
    """Bytes of the key, the salt, the RTP tag; whether it is AEAD."""

    key: int
    salt: int
    tag: int
    gcm: bool


SUITES = {
    "AES_CM_128_HMAC_SHA1_80": Suite(16, 14, 10, gcm=False),
    "AES_CM_128_HMAC_SHA1_32": Suite(16, 14, 4, gcm=False),
    "AES_256_CM_HMAC_SHA1_80": Suite(32, 14, 10, gcm=False),
    "AES_256_CM_HMAC_SHA1_32": Suite(32, 14, 4, gcm=False),
    "AEAD_AES_128_GCM": Suite(16, 12, 16, gcm=True),
    "AEAD_AES_256_GCM": Suite(32, 12, 16, gcm=True),
}


def keystream(key: bytes, iv: bytes, size: int) -> bytes:
    """AES in counter mode (RFC 3711 s4.1.1)."""
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(bytes(size))


def derive(master: bytes, salt: bytes, label: int, size: int) -> bytes:
    """A session key (RFC 3711 s4.3.1, key derivation rate 0)."""
    x = int.from_bytes(salt.ljust(14, b"\0"), "big") ^ label << 48
    return keystream(master, (x << 16).to_bytes(16, "big"), size)


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


class Reference:
    """One key's packets as the RFCs have them; the index is told."""

    def __init__(self, suite: str, key: bytes) -> None:
        self.suite = SUITES[suite]
        master, salt = key[: self.suite.key], key[self.suite.key :]
        assert len(salt) == self.suite.salt
        self.keys = [derive(master, salt, label, self.suite.key) for label in (0, 3)]
        self.auth = [derive(master, salt, label, 20) for label in (1, 4)]
        self.salts = [derive(master, salt, label, self.suite.salt) for label in (2, 5)]

    def _cm(self, control: int, ssrc: int, index: int, data: bytes) -> bytes:
        iv = int.from_bytes(self.salts[control], "big") << 16 ^ ssrc << 64 ^ index << 16
        return xor(data, keystream(self.keys[control], iv.to_bytes(16, "big"), len(data)))

    def protect(self, packet: bytes, index: int) -> bytes:
        """SRTP of a packet with a header of 12 bytes."""
        head, payload = packet[:12], packet[12:]
        ssrc = int.from_bytes(packet[8:12], "big")
        counter = index >> 16
        if self.suite.gcm:
            iv = xor(struct.pack("!HIIH", 0, ssrc, counter, index & 0xFFFF), self.salts[0])
            return head + AESGCM(self.keys[0]).encrypt(iv, payload, head)
        body = head + self._cm(0, ssrc, index, payload)
        tag = hmac.digest(self.auth[0], body + struct.pack("!I", counter), "sha1")
        return body + tag[: self.suite.tag]

    def protect_control(self, packet: bytes, index: int) -> bytes:
        """SRTCP of a compound packet."""
        head, payload = packet[:8], packet[8:]
        ssrc = int.from_bytes(packet[4:8], "big")
        word = struct.pack("!I", 0x80000000 | index)
        if self.suite.gcm:
            iv = xor(struct.pack("!HIHI", 0, ssrc, 0, index), self.salts[1])
            return head + AESGCM(self.keys[1]).encrypt(iv, payload, head + word) + word
        body = head + self._cm(1, ssrc, index, payload) + word
        return body + hmac.digest(self.auth[1], body, "sha1")[:10]
