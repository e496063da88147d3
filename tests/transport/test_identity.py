"""Which domains a certificate speaks for (RFC 5922 section 7): never one more than it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.identity import identities, plain

HOST = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{2,5}){0,2}", fullmatch=True)


def _of(*names: tuple[str, str]) -> frozenset[str]:
    return identities({"subjectAltName": names})


def test_a_sip_uri_goes_before_dns_names_and_keeps_them_out() -> None:
    assert _of(("DNS", "a.example"), ("URI", "SIP:B.Example")) == {"b.example"}


def test_dns_names_count_where_there_is_no_sip_uri() -> None:
    assert _of(("DNS", "A.example."), ("DNS", "b.example"), ("URI", "https://c.example")) == {"a.example", "b.example"}


@pytest.mark.parametrize(
    "uri",
    ["sip:alice@a.example", "sips:a.example", "tel:+1", "sip:", "sip:a.example\0.evil.example", "https://a.example"],
)
def test_a_uri_of_a_person_or_of_another_scheme_is_no_domain(uri: str) -> None:
    assert _of(("URI", uri), ("DNS", "d.example")) == {"d.example"}


def test_port_and_parameters_of_a_uri_are_not_compared() -> None:
    assert _of(("URI", "sip:a.example:5061;transport=tls")) == {"a.example"}


@pytest.mark.parametrize(
    "name", ["*.a.example", ".a.example", "a.example\0.evil.example", "a b.example", "", "-a.example"]
)
def test_a_wildcard_a_nul_and_what_is_no_name_are_no_identity(name: str) -> None:
    assert _of(("DNS", name)) == set()


def test_the_common_name_is_not_looked_at() -> None:
    subject = ((("commonName", "a.example"),),)
    assert identities({"subject": subject}) == set()
    assert identities({}) == set()


def test_an_address_is_the_identity_of_who_is_called_by_it() -> None:
    assert _of(("IP Address", "2001:DB8:0:0:0:0:0:1"), ("DNS", "a.example")) == {"2001:db8::1", "a.example"}
    assert plain("[2001:DB8::1]") == "2001:db8::1"


@given(st.lists(st.tuples(st.sampled_from(["DNS", "URI", "IP Address", "email"]), st.text(max_size=20)), max_size=5))
def test_whatever_stands_in_a_certificate_it_is_read(names: Any) -> None:
    assert all(plain(name) == name for name in identities({"subjectAltName": names}))


@given(HOST, HOST)
def test_a_name_matches_itself_only_and_whole(one: str, other: str) -> None:
    found = _of(("DNS", one))
    assert (plain(other) in found) == (one == other)
    assert f"{other}.{one}" not in found
