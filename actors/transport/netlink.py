"""Which addresses this machine has, as the kernel lists them (rtnetlink(7)): what to ask it, how to read its answer."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

# Groups of news: links, IPv4 and IPv6 addresses, IPv4 and IPv6 routes (linux/rtnetlink.h).
GROUPS = 0x1 | 0x10 | 0x100 | 0x40 | 0x400

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
_NEW_ADDRESS, _GET_ADDRESS, _DONE, _ERROR = 20, 22, 3, 2
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_TENTATIVE = 0x40  # of IPv6: not known yet to be nobody else's

LIST_ADDRESSES = _HEADER.pack(_HEADER.size + _ADDRESS.size, _GET_ADDRESS, _REQUEST_DUMP, 1, 0) + _ADDRESS.pack(
    0, 0, 0, 0, 0
)


def read_addresses(data: bytes) -> tuple[frozenset[str], bool]:
    """The addresses in a part of the kernel's list, and whether that was its end."""
    found: set[str] = set()
    for kind, body in _messages(data):
        if kind in {_DONE, _ERROR}:
            return frozenset(found), True
        if kind == _NEW_ADDRESS and len(body) >= _ADDRESS.size:
            address = _address(body)
            if address:
                found.add(address)
    return frozenset(found), False


def _address(body: bytes) -> str:
    _, _, flags, _, _ = _ADDRESS.unpack_from(body)
    attributes = dict(_attributes(body[_ADDRESS.size :]))
    # Of a point-to-point link IFA_ADDRESS is the peer's, IFA_LOCAL ours.
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS) or b""
    if flags & _TENTATIVE or len(packed) not in {4, 16}:
        return ""
    return str(ipaddress.ip_address(packed))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield kind, data[_HEADER.size : length]
        data = data[_padded(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_padded(length) :]


def _padded(length: int) -> int:
    return (length + 3) & ~3
