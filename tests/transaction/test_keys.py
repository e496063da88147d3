"""Matching: which messages share a transaction, and which do not (RFC 3261 sections 17.1.3 and 17.2.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip.vocabulary import TransactionKey
from actors.transaction.keys import LONGEST_KEY, cell_key, has_cookie, merged_key, response_key, transaction_key
from tests.transaction.messages import head_of, request, response, server_key

FIELD = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=40)


def test_a_request_matches_by_branch_sent_by_and_method() -> None:
    key = server_key(request())
    assert key == TransactionKey("z9hG4bKabc", "192.0.2.9:5060", "INVITE")
    assert server_key(request(call_id="another", from_tag="x", cseq=7)) == key
    assert server_key(request(branch="z9hG4bKabd")) != key
    assert server_key(request(sent_by="192.0.2.8:5060")) != key
    assert server_key(request("OPTIONS")) != key


def test_an_ack_matches_its_invite_and_a_cancel_is_a_transaction_of_its_own() -> None:
    assert server_key(request("ACK")) == server_key(request())
    assert server_key(request("CANCEL")).method == "CANCEL"


def test_a_response_matches_by_branch_and_cseq_method() -> None:
    invite, cancel = response(request(), 200), response(request("CANCEL"), 200)
    assert response_key(head_of(invite)) == TransactionKey("z9hG4bKabc", "", "INVITE")
    assert response_key(head_of(cancel)) == TransactionKey("z9hG4bKabc", "", "CANCEL")


@pytest.mark.parametrize("branch", ["z9hG4bKx", "Z9HG4BKx"])
def test_the_magic_cookie_is_a_token_and_so_of_any_case(branch: str) -> None:
    assert has_cookie(branch)


@pytest.mark.parametrize("branch", ["", "1", "abc.z9hG4bK"])
def test_fault_12_a_request_of_rfc_2543_matches_by_its_fields(branch: str) -> None:
    key = server_key(request(branch=branch))
    assert server_key(request(branch=branch)) == key
    assert server_key(request("ACK", branch=branch, to_tag="ours")) == key
    others = [
        request(branch=branch, uri="sip:carol@192.0.2.1"),
        request(branch=branch, call_id="other"),
        request(branch=branch, from_tag="other"),
        request(branch=branch, cseq=2),
        request(branch=branch, sent_by="192.0.2.8"),
        request(branch=branch + "1"),
        request("OPTIONS", branch=branch),
    ]
    assert key not in {server_key(other) for other in others}


def test_an_rfc_2543_request_that_is_no_invite_matches_by_its_to_tag_too() -> None:
    assert server_key(request("BYE", branch="", to_tag="a")) != server_key(request("BYE", branch="", to_tag="b"))


def test_an_rfc_2543_cancel_finds_its_invite() -> None:
    cancel, invite = server_key(request("CANCEL", branch="1")), server_key(request(branch="1"))
    assert cancel._replace(method="INVITE") == invite


@given(FIELD, FIELD, FIELD)
def test_a_cell_key_is_short_and_leads_back(branch: str, sent_by: str, method: str) -> None:
    key = TransactionKey(branch, sent_by, method)
    cell = cell_key(key)
    assert len(cell) <= LONGEST_KEY
    assert transaction_key(cell) in (key, None)
    assert transaction_key(cell) == key or branch.startswith("#")


def test_a_branch_of_8000_bytes_makes_a_cell_key_that_the_journal_takes() -> None:
    long, other = (TransactionKey("z9hG4bK" + "x" * 8000 + end, "h", "INVITE") for end in "ab")
    assert len(cell_key(long)) < 100
    assert cell_key(long) != cell_key(other)
    assert cell_key(long)[:1] == b"s"
    assert transaction_key(cell_key(long)) is None


def test_bytes_that_are_not_utf_8_still_make_a_key() -> None:
    key = TransactionKey(b"z9hG4bK\xff".decode("utf-8", "surrogateescape"), "h", "INVITE")
    assert transaction_key(cell_key(key)) == key


def test_client_and_server_cells_never_meet() -> None:
    assert cell_key(TransactionKey("b", "", "INVITE")) != cell_key(TransactionKey("b", "h", "INVITE"))


def test_merged_requests_share_a_record_and_nothing_else_does() -> None:
    key = merged_key(head_of(request()))
    assert merged_key(head_of(request(branch="z9hG4bKother", sent_by="192.0.2.7"))) == key
    others = [request(call_id="x"), request(from_tag="x"), request(cseq=2), request("OPTIONS")]
    assert key not in {merged_key(head_of(other)) for other in others}
    assert transaction_key(key) is None
