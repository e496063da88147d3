"""The little STUN that keep-alives need (RFC 5389, with the vectors of RFC 5769)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.stun import TRANSACTION, binding_request, mapped_address, transaction_of

# RFC 5769 section 2.2, without what comes after the address; the length says so.
SEEN = bytes.fromhex("0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643")
SEEN_6 = bytes.fromhex("010100182112a442b7e7a701bc34d686fa87dfae002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def test_a_request_is_twenty_bytes_with_its_transaction() -> None:
    assert binding_request(b"x" * TRANSACTION) == bytes.fromhex("000100002112a442") + b"x" * 12


@pytest.mark.parametrize(
    ("answer", "address"), [(SEEN, ("192.0.2.1", 32853)), (SEEN_6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))]
)
def test_the_address_is_read_from_the_answer(answer: bytes, address: tuple[str, int]) -> None:
    assert transaction_of(answer) == bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert mapped_address(answer) == address


def test_an_old_server_s_plain_address_counts_only_without_the_other() -> None:
    plain = bytes.fromhex("000100080001138cc0000209")
    head = SEEN[:20]
    assert mapped_address(head + plain) == ("192.0.2.9", 5004)
    assert mapped_address(head + plain + SEEN[20:]) == ("192.0.2.1", 32853)
    assert mapped_address(SEEN + plain) == ("192.0.2.1", 32853)


@pytest.mark.parametrize(
    "address", ["000100040003138c", "000100080001138cc000", "0001000400", "000100090001138cc000020900"]
)
def test_an_address_of_another_size_or_family_is_none(address: str) -> None:
    assert mapped_address(SEEN[:20] + bytes.fromhex(address)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SEEN[:-1],
        SEEN + b"x",
        b"\x00" + SEEN[1:],
        SEEN.replace(bytes.fromhex("2112a442"), bytes(4), 1),
        binding_request(bytes(TRANSACTION)),
    ],
)
def test_what_is_no_answer_has_no_transaction(data: bytes) -> None:
    assert transaction_of(data) == b""


@given(st.binary(max_size=60))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    assert len(transaction_of(data)) in {0, TRANSACTION}
    mapped_address(SEEN[:20] + data)
