"""The kernel's list of addresses, read from its bytes."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from actors.transport.netlink import LIST_ADDRESSES, read_addresses
from actors.transport.network import addresses


def _attribute(kind: int, value: bytes) -> bytes:
    raw = struct.pack("=HH", 4 + len(value), kind) + value
    return raw + b"\0" * (-len(raw) % 4)


def _message(kind: int, body: bytes) -> bytes:
    raw = struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body
    return raw + b"\0" * (-len(raw) % 4)


def _entry(*attributes: tuple[int, str], flags: int = 0) -> bytes:
    packed = [(kind, ipaddress.ip_address(text).packed) for kind, text in attributes]
    return _message(20, struct.pack("=BBBBI", 2, 24, flags, 0, 1) + b"".join(_attribute(*one) for one in packed))


DONE = _message(3, b"\0\0\0\0")


def test_every_address_is_read_and_the_end_is_seen() -> None:
    part = _entry((1, "192.0.2.1"), (2, "192.0.2.1")) + _entry((3, "192.0.2.255"), (1, "2001:db8::1"))
    assert read_addresses(part) == ({"192.0.2.1", "2001:db8::1"}, False)
    assert read_addresses(part + DONE) == ({"192.0.2.1", "2001:db8::1"}, True)
    assert read_addresses(_message(2, b"\0" * 4)) == (set(), True)


def test_of_a_point_to_point_link_ours_counts() -> None:
    assert read_addresses(_entry((1, "192.0.2.9"), (2, "192.0.2.1")))[0] == {"192.0.2.1"}


def test_an_address_that_may_be_somebody_else_s_does_not_count_yet() -> None:
    assert read_addresses(_entry((1, "fe80::1"), flags=0x40))[0] == set()


def test_what_is_short_or_of_another_kind_is_passed_over() -> None:
    assert read_addresses(_message(16, b"\0" * 20) + _message(20, b"\0\0") + _entry((3, "192.0.2.1"))) == (set(), False)
    assert read_addresses(_message(20, struct.pack("=BBBBIHH", 2, 24, 0, 0, 1, 3, 1))) == (set(), False)
    assert read_addresses(struct.pack("=IHHII", 8, 20, 0, 0, 0)) == (set(), False)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    found, _ = read_addresses(data)
    assert all(ipaddress.ip_address(text) for text in found)


def test_the_kernel_answers_with_loopback_among_them() -> None:
    assert len(LIST_ADDRESSES) == 24
    assert "127.0.0.1" in addresses()
