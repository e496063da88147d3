"""ICMP errors as the kernel queues them beside a UDP socket: what they say, and which request they speak of.

Anybody can forge one. So an error counts only with enough of our own request quoted in it to name its transaction; the
transaction then compares address, port and every quoted byte with what it sent.
"""

from __future__ import annotations

import os
import re
import struct

from actors.sip.vocabulary import TransactionKey
from actors.transport.events import Unreachable

_EXTENDED = struct.Struct("=IBBBBII")  # struct sock_extended_err (linux/errqueue.h)
_FROM_ICMP, _FROM_ICMP6 = 2, 3
_TOO_BIG = 4  # of the codes of "destination unreachable"
# RFC 3261 section 18.4: host, network, port or protocol unreachable, or a parameter problem. Others are ignored.
_UNREACHABLE, _PARAMETER = 3, 12
_UNREACHABLE6, _PARAMETER6 = 1, 4
# A request as we write them has its Via first.
_OURS = re.compile(rb"([A-Z]+) [^\r\n]+ SIP/2\.0\r\nVia: SIP/2\.0/UDP [^\r\n]*?;branch=([^;,\s]+)[;\r]")


def unreachable(error: bytes, quoted: bytes, host: str, port: int) -> Unreachable | None:
    """What an error means, None where it means nothing to us.

    Args:
        error: the control message: struct sock_extended_err.
        quoted: what it quotes of the datagram's payload.
        host: where that datagram went.
        port: its port there.
    """
    if len(error) < _EXTENDED.size:
        return None
    errno, origin, kind, code, *_ = _EXTENDED.unpack_from(error)
    fatal = (origin == _FROM_ICMP and (kind == _PARAMETER or (kind == _UNREACHABLE and code != _TOO_BIG))) or (
        origin == _FROM_ICMP6 and kind in {_UNREACHABLE6, _PARAMETER6}
    )
    match = _OURS.match(quoted) if fatal else None
    if match is None:
        return None
    key = TransactionKey(match[2].decode("latin-1"), "", match[1].decode("ascii"))
    return Unreachable(key, host, port, quoted, os.strerror(errno))
