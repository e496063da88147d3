"""SRTP keys by offer and answer (RFC 4568 sections 5.1 and 7.1; RFC 8643 where RTP/AVP offers them).

A stream's security is one of three words. *off*: plain RTP only. *required*: SRTP or nothing. *optional*: SRTP where
the peer takes it, by RTP/SAVP or by crypto lines below RTP/AVP (RFC 8643); once it is agreed it is required.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from actors.sip.sdp_crypto import KEY_LENGTHS, Crypto, InlineKey
from actors.sip.sdp_model import Media

OFF, OPTIONAL, REQUIRED = "off", "optional", "required"
PLAIN, SECURE = "RTP/AVP", "RTP/SAVP"
SUITES = (
    "AEAD_AES_256_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
)


class Keys(NamedTuple):
    """What two sides agreed to protect a stream with.

    Attributes:
        suite: its name.
        send, receive: master key and salt, one behind the other, of what we send and of what the peer sends.
    """

    suite: str
    send: bytes
    receive: bytes

    def __repr__(self) -> str:
        return f"Keys({self.suite})"  # no secret goes into a log


def lines(suites: Iterable[str], known: Iterable[Crypto], token: Callable[[int], bytes]) -> tuple[Crypto, ...]:
    """A crypto line for each suite, with the key that we have for it already, else a new one of `token`.

    Args:
        suites: their names, the most liked first.
        known: lines of ours in an earlier description.
        token: gives so many random bytes.
    """
    keys = {crypto.suite: crypto.keys for crypto in known}
    return tuple(
        [
            Crypto(tag, suite, keys.get(suite) or (InlineKey(token(KEY_LENGTHS[suite])),))
            for tag, suite in enumerate(suites, 1)
        ]
    )


class Protected(NamedTuple):
    """What is agreed about a stream's protection: nothing, or keys.

    Attributes:
        cryptos: the crypto line of our answer, if any.
        keys: None for plain RTP.
    """

    cryptos: tuple[Crypto, ...] = ()
    keys: Keys | None = None


def protected(line: Media, security: str, ours: tuple[Crypto, ...]) -> Protected | None:
    """What becomes of an offered line: the first crypto line that we can take (s5.1.2). None where it is refused.

    Args:
        line: the peer's.
        security: optional or required.
        ours: our crypto lines, one a suite.
    """
    if line.protocol not in (PLAIN, SECURE):
        return None
    mine = {crypto.suite: crypto.keys for crypto in ours}
    for crypto in line.cryptos:
        keys = mine.get(crypto.suite)
        if keys is not None and _valid(crypto) and crypto.keys[0].key != keys[0].key:  # s7.1.2: the keys must differ
            reply = Crypto(crypto.tag, crypto.suite, keys)
            return Protected((reply,), Keys(crypto.suite, keys[0].key, crypto.keys[0].key))
    # RFC 8643 s3.2: below RTP/AVP we may decline.
    return None if line.protocol == SECURE or security == REQUIRED else Protected()


def protection(ours: Media, theirs: Media, security: str) -> Protected | None:
    """What the line of an answer makes of ours. None where it fails: that does not become plain RTP (RFC 4568 s7.4).

    Args:
        ours: our offer's.
        theirs: the answer's.
        security: optional or required.
    """
    if not any(letter == "a" and value.startswith("crypto:") for letter, value in theirs.lines):
        return None if ours.protocol == SECURE or security == REQUIRED else Protected()
    found = theirs.cryptos
    if len(found) != 1 or not _valid(found[0]):  # s7.1.2: one and only one
        return None
    crypto = found[0]
    key = crypto.keys[0].key
    for one in ours.cryptos:
        if (one.tag, one.suite) == (crypto.tag, crypto.suite) and one.keys[0].key != key:  # s5.1.3
            return Protected((), Keys(crypto.suite, one.keys[0].key, key))
    return None


def _valid(crypto: Crypto) -> bool:
    """Whether we can honour it: one key without an identifier, and no session parameter that asks for more (s6.3).

    A window size is a hint (s6.3.6), and what a dash stands before may be passed over (s6.3.7).
    """
    return (
        crypto.suite in SUITES
        and len(crypto.keys) == 1
        and crypto.keys[0].mki is None
        and all(param.startswith(("WSH=", "-")) for param in crypto.params)
    )
