"""Telephone numbers (RFC 3966), and the URIs that hold them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import RemoteProtocolError, Uri
from actors.sip.telephone import Telephone, parse
from actors.sip.uri import parse as parse_uri


def test_a_number_is_read_into_its_parts() -> None:
    number = parse("+1-(201).555-0123;Ext=12-3;x")
    assert number == Telephone("+1-(201).555-0123", {"ext": "12-3", "x": None})
    assert (number.is_global, number.digits, number.context) == (True, "+12015550123", "")
    assert str(number) == "+1-(201).555-0123;ext=12-3;x"
    local = parse("*#AbC;phone-context=munich.example.com")
    assert (local.is_global, local.digits, local.context) == (False, "*#abc", "munich.example.com")


@pytest.mark.parametrize(
    "text",
    ["", "+", "+a", "-", "1 2", "bob", "1;", "1;a b", "1;a=", "1;a=%4", "1;a;A", "+1;a=;", "1;=x", "++1", "1;a=é"],
)
def test_what_is_no_number_is_400(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(text)
    assert raised.value.status == 400


SAME = [
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("tel:+1.201.555.0123;Isub=A;ext=1-2", "TEL:+12015550123;ext=12;isub=a"),
    ("tel:7042;phone-context=Example.COM", "tel:70-42;phone-context=example.com"),
    ("tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555"),
    ("tel:ABC;x=%41b", "tel:abc;X=aB"),
]
DIFFERENT = [
    ("tel:+12015550123", "tel:12015550123"),
    ("tel:+12015550123", "tel:+12015550124"),
    ("tel:+1;x", "tel:+1"),
    ("tel:+1;x=1", "tel:+1;x=2"),
    ("tel:1;phone-context=a-b", "tel:1;phone-context=ab"),
    ("tel:1;x=%3B", "tel:1;x=3B"),
    ("tel:1", "sip:1@h;user=phone"),
    ("tel:not-a-number", "tel:not-a-number;x"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_numbers_that_are_the_same_are_equivalent_and_have_one_key(one: str, other: str) -> None:
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(one).key == parse_uri(other).key
    assert parse_uri(one).telephone != parse_uri(other).telephone
    assert hash(parse("1")) == hash(Telephone("1", {}))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_numbers_are_not(one: str, other: str) -> None:
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))
    assert parse_uri(one).key != parse_uri(other).key


def test_a_number_stands_in_a_sip_uri_that_says_so() -> None:
    phone = parse_uri("sip:+1-201;isub=1:secret@h;User=Phone").telephone
    assert phone is not None
    assert (phone.digits, phone.params) == ("+1201", {"isub": "1"})
    for text in ("sip:+1@h", "sip:h;user=phone", "sip:1@h;user=ip", "http://h"):
        assert parse_uri(text).telephone is None
    for text in ("sip:bob@h;user=phone", "tel:bob"):
        with pytest.raises(RemoteProtocolError):
            _ = parse_uri(text).telephone


numbers = st.from_regex(r"\+[0-9][0-9\-.()]{0,9}|[0-9A-F*#]{1,9}", fullmatch=True)
params = st.dictionaries(
    st.text(string.ascii_lowercase + "-", min_size=1, max_size=6),
    st.none() | st.text(string.ascii_letters + string.digits + "+-.:", min_size=1, max_size=6),
    max_size=3,
)


@given(numbers, params)
def test_a_number_prints_and_parses_back(number: str, values: dict[str, str | None]) -> None:
    telephone = Telephone(number, values)
    assert parse(str(telephone)) == telephone
    assert telephone.equivalent(parse(telephone.key))
    assert parse_uri(f"tel:{telephone}").key == f"tel:{telephone.key}"


@given(st.text(max_size=20) | st.text("+0-;=%a().", max_size=20))
def test_any_text_gives_a_number_or_a_remote_protocol_error(text: str) -> None:
    try:
        telephone = parse(text)
    except RemoteProtocolError as error:
        assert error.status == 400  # noqa: PT017 - it may as well be taken
        return
    assert parse(telephone.key).equivalent(telephone)


# Keys and components of SIP URIs.


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("SIPS:%61lice:pw@AtLanta.COM:5061;transport=tcp?a=b", "sips:alice@atlanta.com:5061"),
        ("sip:AtLanta.COM;lr", "sip:atlanta.com"),
        ("sip:a%3bb@[2001:DB8:0::1]", "sip:a%3Bb@[2001:db8::1]"),
        ("sip:a@[2001:db8::1]:5070", "sip:a@[2001:db8::1]:5070"),
        ("http://H/a", "http://H/a"),
        ("tel:x", "tel:x"),
    ],
)
def test_a_key_is_the_canonical_form(text: str, key: str) -> None:
    assert parse_uri(text).key == key


def test_equivalent_uris_have_one_key_and_a_made_one_too() -> None:
    assert Uri(user="é a", host="H", params={"lr": None}).key == "sip:%C3%A9%20a@h"
    assert Uri(user="é a", host="h").equivalent(parse_uri("sip:%c3%a9%20a@H"))


def test_components_are_asked_for_by_name() -> None:
    uri = parse_uri("sip:a@h;maddr=[::1];user=phone?Subject=x%20y&subject=z&to=b")
    assert (uri.maddr, uri.header("SUBJECT"), uri.header("cc"), parse_uri("sip:h").maddr) == ("::1", "x y", None, "")
