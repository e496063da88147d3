"""SRTP contexts over pylibsrtp: protect what is sent, take what is genuine and new, go on after a kill (RFC 3711).

libsrtp cannot be told a rollover counter. A fresh context is wound forward: it protects throw-away packets, or is fed
with those of a scratch sender that has the same key, in steps that keep the counter guessed right.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from actors.media.events import Protection
from actors.media.rtp import HEADER
from actors.media.srtp_index import NO_KEY, WINDOW, Row, Window, fingerprint, way

MISSING = "SRTP needs pylibsrtp: pip install 'sipactors[srtp]'"
# A peer that has the key may begin new streams, but not without end: each is remembered.
MAX_STREAMS = 64
# Keys of ours in one session: each is remembered, that none begins anew.
MAX_KEYS = 256
# A packet and what protects it, in the buffer of pylibsrtp.
MAX_PACKET = 1356
_CM, _GCM = range(2)
# RFC 4568 s6.2, RFC 6188 s4, RFC 7714 s14.2: the profile of pylibsrtp, the kind, and whether the AES is longer than it.
_SUITES = {
    "AES_CM_128_HMAC_SHA1_80": ("SRTP_PROFILE_AES128_CM_SHA1_80", _CM, False),
    "AES_CM_128_HMAC_SHA1_32": ("SRTP_PROFILE_AES128_CM_SHA1_32", _CM, False),
    "AES_256_CM_HMAC_SHA1_80": ("SRTP_PROFILE_AES128_CM_SHA1_80", _CM, True),
    "AES_256_CM_HMAC_SHA1_32": ("SRTP_PROFILE_AES128_CM_SHA1_32", _CM, True),
    "AEAD_AES_128_GCM": ("SRTP_PROFILE_AEAD_AES_128_GCM", _GCM, False),
    "AEAD_AES_256_GCM": ("SRTP_PROFILE_AEAD_AES_256_GCM", _GCM, False),
}
# The SRTCP index: before a tag of ten bytes (RFC 3711 s3.4), or behind the tag that GCM has inside (RFC 7714 s9.2).
_INDEX_AT = {_CM: -14, _GCM: -4}
# srtp_crypto_policy_t of libsrtp 2: cipher, its key with salt, authentication, its key, its tag, services.
_POLICY = struct.Struct("6i")
_ICM_128, _ICM_256, _KEY_128, _KEY_256 = 1, 5, 30, 46
_CONTROL = struct.Struct("!BBHI")


class SrtpMissingError(ValueError):
    """The library that protects is absent, or lacks a suite."""


@lru_cache(maxsize=1)
def _library() -> Any:  # noqa: ANN401 - a module without types
    try:
        return importlib.import_module("pylibsrtp")
    except ImportError as error:
        raise SrtpMissingError(MISSING) from error


def installed() -> bool:
    """Whether the library is there; it is not loaded."""
    return importlib.util.find_spec("pylibsrtp") is not None


def _context(suite: str, key: bytes, *, outward: bool) -> Any:  # noqa: ANN401 - as above
    """A fresh context of libsrtp for every SSRC of one key."""
    library = _library()
    if suite not in _SUITES:
        raise SrtpMissingError(f"no such SRTP suite: {suite}")
    profile, _, longer = _SUITES[suite]
    policy = library.Policy(
        key=key,
        ssrc_type=library.Policy.SSRC_ANY_OUTBOUND if outward else library.Policy.SSRC_ANY_INBOUND,
        srtp_profile=getattr(library.Policy, profile),
    )
    policy.window_size = 64
    if longer:
        if len(key) != _KEY_256:
            raise ValueError("an SRTP key of a wrong length")
        _lengthen(policy)
    return library.Session(policy)


def _lengthen(policy: Any) -> None:  # noqa: ANN401 - as above
    """Make a policy of AES-128 one of AES-256 (RFC 6188): pylibsrtp names no profile for it, libsrtp has it."""
    ffi = importlib.import_module("pylibsrtp._binding").ffi
    raw = policy._policy  # noqa: SLF001 - as above
    for part in (raw.rtp, raw.rtcp):
        buffer = ffi.buffer(ffi.addressof(part))
        words = _POLICY.unpack(buffer) if len(buffer) == _POLICY.size else ()
        if words[:2] != (_ICM_128, _KEY_128):
            raise SrtpMissingError("this pylibsrtp has no AES_256_CM")
        buffer[:] = _POLICY.pack(_ICM_256, _KEY_256, *words[2:])


class Sender:
    """What we send under one key.

    Args:
        suite: its name in SDP.
        key: master key and salt.

    Attributes:
        ssrc: of the last RTP packet.
        index: the next that is not used.
        control: how many SRTCP packets `ssrc` has sent, which is the index of the last (they begin at 1).

    Raises:
        SrtpMissingError: the suite cannot be had here.
        ValueError: the key is of a wrong length.
    """

    __slots__ = ("_context", "_controls", "_protect", "_window", "ssrc")

    def __init__(self, suite: str, key: bytes) -> None:
        self._context = _context(suite, key, outward=True)
        self._protect = self._context.protect
        self._window = Window()
        self._controls: dict[int, int] = {}
        self.ssrc = 0

    @property
    def index(self) -> int:
        """See the class."""
        return self._window.highest + 1

    @property
    def control(self) -> int:
        """See the class."""
        return self._controls.get(self.ssrc, 0)

    def protect(self, packet: bytes) -> bytes:
        """The SRTP packet for an RTP packet; empty where it is too long for one.

        Raises:
            pylibsrtp.Error: its index was used before, or the key is used up (s9.2).
        """
        if len(packet) > MAX_PACKET:
            return b""
        protected: bytes = self._protect(packet)
        ssrc = int.from_bytes(packet[8:12], "big")
        if ssrc != self.ssrc:
            self.ssrc, self._window = ssrc, Window()
        window = self._window
        window.highest = window.guess(packet[2] << 8 | packet[3])
        return protected

    def protect_control(self, packet: bytes) -> bytes:
        """The SRTCP packet for a compound RTCP packet.

        Raises:
            pylibsrtp.Error: the key is used up (s9.2).
        """
        protected: bytes = self._context.protect_rtcp(packet)
        ssrc = int.from_bytes(packet[4:8], "big")
        self._controls[ssrc] = self._controls.get(ssrc, 0) + 1
        return protected

    def wind(self, ssrc: int, index: int, control: int) -> None:
        """Lead a fresh context to where `index` and `control` are the next of `ssrc` that it will use."""
        self.ssrc = ssrc
        for at in way(index):
            self._protect(HEADER.pack(0x80, 0, at & 0xFFFF, 0, ssrc))
        self._window.highest = index - 1
        nothing = _CONTROL.pack(0x80, 201, 1, ssrc)
        for _ in range(control):  # SRTCP counts by one; a call of an hour has sent a thousand
            self._context.protect_rtcp(nothing)
        self._controls[ssrc] = control


class Receiver:
    """What the peer sends under one key.

    Args:
        suite: its name in SDP.
        key: master key and salt.

    Attributes:
        streams: SSRC -> the windows of its RTP and its RTCP.

    Raises:
        SrtpMissingError: the suite cannot be had here.
        ValueError: the key is of a wrong length.
    """

    __slots__ = ("_context", "_failure", "_index_at", "_key", "_suite", "_unprotect", "streams")

    def __init__(self, suite: str, key: bytes) -> None:
        self._suite = suite
        self._key = key
        self._context = _context(suite, key, outward=False)
        self._unprotect = self._context.unprotect
        self._failure = (_library().Error, ValueError)
        self._index_at = _INDEX_AT[_SUITES[suite][1]]
        self.streams: dict[int, tuple[Window, Window]] = {}

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet inside; None for what is forged, repeated, too old, or no SRTP."""
        if len(packet) < 12:
            return None
        ssrc = int.from_bytes(packet[8:12], "big")
        windows = self.streams.get(ssrc)
        if windows is None and len(self.streams) >= MAX_STREAMS:
            return None
        try:
            plain: bytes = self._unprotect(packet)
        except self._failure:
            return None
        if windows is None:
            windows = self.streams[ssrc] = (Window(), Window())
        window = windows[0]
        window.add(window.guess(packet[2] << 8 | packet[3]))
        return plain

    def unprotect_control(self, packet: bytes) -> bytes | None:
        """The compound RTCP packet inside; None for what is forged, repeated, too old, or no SRTCP.

        The index stands in the packet (s3.4), so its window is kept here: a fresh context need not be wound.
        """
        if len(packet) < 22:
            return None
        ssrc = int.from_bytes(packet[4:8], "big")
        at = len(packet) + self._index_at
        index = int.from_bytes(packet[at : at + 4], "big") & 0x7FFFFFFF
        windows = self.streams.get(ssrc)
        if windows is None:
            if len(self.streams) >= MAX_STREAMS:
                return None
        elif not windows[1].fresh(index):
            return None
        try:
            plain: bytes = self._context.unprotect_rtcp(packet)
        except self._failure:
            return None
        if windows is None:
            windows = self.streams[ssrc] = (Window(), Window())
        windows[1].add(index)
        return plain

    def wind(self, streams: tuple[tuple[int, int, int, int, int], ...]) -> None:
        """Lead a fresh context to where these streams stand: their counters, and what they must not repeat."""
        scratch = _context(self._suite, self._key, outward=True)
        for ssrc, highest, seen, highest_control, seen_control in streams:
            window = Window(highest, seen)
            known = window.indexes() if highest >= 0 else []
            for at in (*way(highest - WINDOW), *known):
                self._unprotect(scratch.protect(HEADER.pack(0x80, 0, at & 0xFFFF, 0, ssrc)))
            self.streams[ssrc] = (window, Window(highest_control, seen_control))


class Srtp:
    """Both directions of a session.

    Attributes:
        protection: the keys in force.
        refused: datagrams that were forged, repeated or plain.
        generation: of the row last written.
    """

    __slots__ = (
        "_before",
        "_former",
        "_prints",
        "_receiver",
        "_sender",
        "_senders",
        "generation",
        "protection",
        "refused",
    )

    def __init__(self, protection: Protection) -> None:
        self.refused = self.generation = 0
        self._former = NO_KEY
        self.protection = protection
        self._sender = Sender(protection.suite, protection.send)
        self._receiver = Receiver(protection.suite, protection.receive)
        self._before: Receiver | None = None
        # The answers of several forks may choose several of our keys: none begins anew when it is taken up again.
        self._senders = {(protection.suite, protection.send): self._sender}
        self._prints = _prints(protection)

    def use(self, protection: Protection) -> None:
        """Take other keys; one that stays keeps its counters (RFC 4568 s7.1.4).

        Raises:
            SrtpMissingError: the suite cannot be had here; then nothing is changed.
            ValueError: a key is of a wrong length, or there were too many; then nothing is changed.
        """
        now = self.protection
        if len(self._senders) >= MAX_KEYS:
            raise ValueError("too many SRTP keys in one session")
        name = (protection.suite, protection.send)
        sender = self._senders.get(name) or Sender(*name)
        if (protection.suite, protection.receive) != (now.suite, now.receive):
            receiver = Receiver(protection.suite, protection.receive)
            # What is on its way under the old key is still taken, until the first under the new one (RFC 3264 s8.3.2).
            self._before, self._receiver = self._receiver, receiver
        self._senders[name] = self._sender = sender
        prints = _prints(protection)
        if prints[0] != self._prints[0]:
            self._former = self._prints[0]
        self._prints = prints
        self.protection = protection

    def sealed(self, packets: Iterable[bytes]) -> list[bytes]:
        """What is sent for these RTP packets (:meth:`Sender.protect`); one that is too long is not sent at all."""
        protect = self._sender.protect
        return [protected for packet in packets if (protected := protect(packet))]

    def protect_control(self, packet: bytes) -> bytes:
        """See :meth:`Sender.protect_control`."""
        return self._sender.protect_control(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet inside; None for what must be dropped (:meth:`Receiver.unprotect`)."""
        plain = self._receiver.unprotect(packet)
        if self._before is not None:
            if plain is not None:
                self._before = None
            else:
                plain = self._before.unprotect(packet)
        self.refused += plain is None
        return plain

    def unprotect_control(self, packet: bytes) -> bytes | None:
        """The RTCP packet inside; None for what must be dropped (:meth:`Receiver.unprotect_control`)."""
        plain = self._receiver.unprotect_control(packet)
        if plain is None and self._before is not None:
            plain = self._before.unprotect_control(packet)
        self.refused += plain is None
        return plain

    def row(self, identity: int) -> bytes:
        """The indexes as they are, for the mapped record."""
        sender = self._sender
        send, receive = self._prints
        streams = tuple(
            [
                (ssrc, media.highest, media.seen, control.highest, control.seen)
                for ssrc, (media, control) in self._receiver.streams.items()
            ]
        )
        return Row(
            identity,
            send,
            self._former,
            receive,
            sender.ssrc,
            sender.index,
            sender.control,
            streams,
        ).pack()

    def resume(self, row: Row, *, skip: bool) -> int | None:
        """Go on from a predecessor's row.

        Every packet's row is written before it is sent. So a key that the row does not know has sent nothing yet, and
        begins at its beginning; the one that it is of goes on behind all that it may have sent.

        Args:
            row: the newest that is whole.
            skip: a newer one is torn, so that what it speaks of may have been sent.

        Returns:
            The next index of what we send, None where the key is new.

        Raises:
            ValueError: the key was left for another, and what was sent under it is not known any more.
        """
        send, receive = self._prints
        if row.former == send:
            raise ValueError("an SRTP key that was left is not used again")
        if row.receive == receive:
            self._receiver.wind(row.streams)
        self._former = row.former
        if row.send != send:
            self._former = row.send
            return None
        # At most two packets of RTP and two of RTCP follow a row.
        index = row.following + 2 * skip
        self._sender.wind(row.ssrc, index, row.control + 2 * skip)
        return index


def _prints(protection: Protection) -> tuple[bytes, bytes]:
    """The fingerprints of our key and of the peer's."""
    suite = protection.suite
    return fingerprint(suite, protection.send), fingerprint(suite, protection.receive)
