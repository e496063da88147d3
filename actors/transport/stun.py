"""The STUN of RFC 5389 that RFC 5626 section 4.4.2 needs: a binding request, and the address in its answer. Pure."""

from __future__ import annotations

import ipaddress
import struct

TRANSACTION = 12  # bytes
_MAGIC = 0x2112A442  # RFC 5389 section 6
_HEAD = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_BINDING_REQUEST, _BINDING_SUCCESS = 0x0001, 0x0101
_MAPPED, _XOR_MAPPED = 0x0001, 0x0020
_SIZES = {1: 4, 2: 16}  # address family: bytes of an address


def binding_request(transaction: bytes) -> bytes:
    """A request without attributes (RFC 5626 section 8: no credentials are asked for)."""
    return _HEAD.pack(_BINDING_REQUEST, 0, _MAGIC, transaction)


def transaction_of(data: bytes) -> bytes:
    """The transaction id of a binding success response, empty for anything else."""
    if len(data) < _HEAD.size:
        return b""
    kind, length, magic, transaction = _HEAD.unpack_from(data)
    whole = kind == _BINDING_SUCCESS and magic == _MAGIC and length == len(data) - _HEAD.size
    return bytes(transaction) if whole else b""


def mapped_address(data: bytes) -> tuple[str, int] | None:
    """The address that a binding success response saw us at, None where it says none."""
    found, at = None, _HEAD.size
    while at + _ATTRIBUTE.size <= len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + length]
        if kind in {_MAPPED, _XOR_MAPPED} and len(value) == length:
            address = _address(value, data[4 : _HEAD.size] if kind == _XOR_MAPPED else bytes(16))
            if address is not None and (kind == _XOR_MAPPED or found is None):
                found = address
        at += _ATTRIBUTE.size + length + -length % 4
    return found


def _address(value: bytes, key: bytes) -> tuple[str, int] | None:
    """An address attribute (RFC 5389 sections 15.1, 15.2): a zero, the family, port and address, xored with `key`."""
    size = _SIZES.get(value[1]) if len(value) >= 4 else None
    if size is None or len(value) != 4 + size:
        return None
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(key[:2], "big")
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], key, strict=False)))), port
