"""The crypto attribute: SRTP keys in the session description (RFC 4568)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

from actors.sip.errors import SdpError
from actors.sip.sdp_lines import matched

# Bytes of master key and salt together: RFC 4568 s6.2, RFC 6188 s4, RFC 7714 s14.2.
KEY_LENGTHS = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "F8_128_HMAC_SHA1_80": 30,
    "AES_192_CM_HMAC_SHA1_80": 38,
    "AES_192_CM_HMAC_SHA1_32": 38,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
MAX_LIFETIME = 2**48  # packets (RFC 3711 s9.2)

_crypto = re.compile(r"([0-9]{1,9})[ \t]++([A-Za-z0-9_]++)[ \t]++([!-~]++)((?:[ \t]++[!-~]++)*+)").fullmatch
_inline = re.compile(
    r"inline:([A-Za-z0-9+/]++={0,2})(?:\|(?:2\^([0-9]{1,2})|([0-9]{1,15})))?(?:\|([0-9]{1,40}):([0-9]{1,3}))?"
).fullmatch


class InlineKey(NamedTuple):
    """One key parameter of the method inline (s6.1).

    Attributes:
        key: master key and salt, one behind the other.
        lifetime: of the master key, in packets; None where it is not said.
        mki: the master key identifier and its length in bytes; None where there is none.
    """

    key: bytes
    lifetime: int | None = None
    mki: tuple[int, int] | None = None

    def __str__(self) -> str:
        text = f"inline:{base64.b64encode(self.key).decode()}"
        if self.lifetime is not None:
            power = self.lifetime.bit_length() - 1
            text += f"|2^{power}" if self.lifetime == 1 << power else f"|{self.lifetime}"
        return text if self.mki is None else f"{text}|{self.mki[0]}:{self.mki[1]}"

    def __repr__(self) -> str:
        return "InlineKey(...)"  # no secret goes into a log


class Crypto(NamedTuple):
    """A crypto attribute (s9): one way to protect the stream, the first that suits is taken (s5.1.2)."""

    tag: int
    suite: str
    keys: tuple[InlineKey, ...]
    params: tuple[str, ...] = ()

    @staticmethod
    def parse(value: str) -> Crypto:
        """Read one. Of a suite that is known the keys must have its length (s6.2); the only method is inline.

        Raises:
            SdpError: 488, it is malformed or of another method.
        """
        found = matched(_crypto(value))
        keys = tuple([_read_key(text) for text in found[3].split(";")])
        length = KEY_LENGTHS.get(found[2])
        if length is not None and any(len(key.key) != length for key in keys):
            raise SdpError(488, "SRTP key of a wrong length")
        return Crypto(int(found[1]), found[2], keys, tuple(found[4].split()))

    def __str__(self) -> str:
        return " ".join((f"{self.tag}", self.suite, ";".join(map(str, self.keys)), *self.params))


def _read_key(text: str) -> InlineKey:
    found = matched(_inline(text))
    try:
        key = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), validate=True)
    except binascii.Error as error:
        raise SdpError(488, "Malformed SRTP key") from error
    lifetime = None
    if found[2] or found[3]:
        lifetime = 1 << int(found[2]) if found[2] else int(found[3])
        if not 0 < lifetime <= MAX_LIFETIME:
            raise SdpError(488, "Malformed lifetime of an SRTP key")
    if found[4] is None:
        return InlineKey(key, lifetime)
    length = int(found[5])
    if not 1 <= length <= 128 or int(found[4]) >> 8 * length:
        raise SdpError(488, "Malformed MKI")
    return InlineKey(key, lifetime, (int(found[4]), length))
