"""URIs: reading, printing and comparing (RFC 3261 section 19.1)."""

from __future__ import annotations

import dataclasses

import pytest

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.uri import Uri, parse


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:h", Uri(host="h")),
        ("SIP:alice@h:5060", Uri(user="alice", host="h", port=5060)),
        ("sips:alice:secret%40@h", Uri("sips", "alice", "secret@", "h")),
        (
            "sip:[2001:db8::1]:5061;transport=TCP;lr",
            Uri(host="2001:db8::1", port=5061, params={"transport": "TCP", "lr": None}),
        ),
        ("sip:+1-212;isub=1@gw.com;user=phone", Uri(user="+1-212;isub=1", host="gw.com", params={"user": "phone"})),
        ("sip:h;transport=tcp;Transport=tcp", Uri(host="h", params={"transport": "tcp"})),  # baresip
        ("sip:j%40s0n@h", Uri(user="j@s0n", host="h")),
        ("sip:*21#@h", Uri(user="*21#", host="h")),
        ("sip:h?to=sip:b%40h&subject=x%20y", Uri(host="h", headers=(("to", "sip:b@h"), ("subject", "x y")))),
        ("sip:%C3%BC@h", Uri(user="ü", host="h")),
        ("tel:+1-212-555;phone-context=x", Uri("tel", opaque="+1-212-555;phone-context=x")),
        ("http://h/a?b", Uri("http", opaque="//h/a?b")),
    ],
)
def test_a_uri_is_read_into_its_components_and_prints_as_it_came(text: str, uri: Uri) -> None:
    assert parse(text) == uri
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":h",
        "sip:@h",
        "sip:a@",
        "sip:a b@h",
        "sip:a@h:0",
        "sip:a@h:65536",
        "sip:a@h:x",
        "sip:a@h;",
        "sip:a@h;;x",
        "sip:a@h;x=|",
        "sip:a@h;x=1;X=2",
        "sip:a@h;x;x=",
        "sip:a%4@h",
        "sip:a%zz@h",
        "sip:[::1",
        "sip:[1:2]",
        "sip:[::g]",
        "sip:a@h?",
        "sip:a@h?x",
        "sip:a@h?=x",
        "sip:ü@h",
        "sip:a@h\x00",
        "sip:a@h\n",
        "tel:",
        "tel:a b",
        "tel:<>",
        "1x:y",
        "sip:a@b@c",
        "sip:%6@h",
        "sip:a@%41",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(text)
    assert raised.value.status == 400


def test_each_component_is_escaped_by_its_own_rule() -> None:
    uri = Uri(user="a b@c/d%", password="x;y", host="h", params={"p;q": "v=w"}, headers=(("s&t", "u=v?"),))
    assert str(uri) == "sip:a%20b%40c/d%25:x%3By@h;p%3Bq=v%3Dw?s%26t=u%3Dv?"
    assert parse(str(uri)) == uri


def test_a_changed_uri_prints_its_new_self() -> None:
    uri = dataclasses.replace(parse("sip:%61@h;lr"), port=5070)
    assert str(uri) == "sip:a@h:5070;lr"


def test_line_breaks_are_escaped_where_that_can_be_and_else_refused() -> None:
    assert str(Uri(user="a\r\nb", host="h")) == "sip:a%0D%0Ab@h"
    for uri in (
        Uri(host="h\r\nx"),
        Uri(host=""),
        Uri(host="h", port=0),
        Uri(user="", host="h"),
        Uri(host="h", params={"": "x"}),
        Uri(host="h", headers=(("", "x"),)),
        Uri("tel", opaque="1\r\n"),
        Uri("a b", opaque="x"),
    ):
        with pytest.raises(LocalProtocolError):
            str(uri)


# RFC 3261 s19.1.4 shows these sets.
SAME = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a@[2001:DB8:0::1]", "sip:a@[2001:db8::1]"),
    ("tel:+1", "tel:+1"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h", "sip:h"),
    ("sip:a@h", "sip:a:@h"),
    ("sip:a@h", "sip:a@h;maddr=192.0.2.1"),
    ("sip:a@h", "sip:a@h;user=phone"),
    ("sip:a@h", "sip:a@h;ttl=1"),
    ("sip:a%3Bb@h", "sip:a;b@h"),
    ("sip:1@h", "tel:1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_uris_that_mean_the_same_are_equivalent(one: str, other: str) -> None:
    assert parse(one).equivalent(parse(other))
    assert parse(other).equivalent(parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_uris_that_mean_something_else_are_not(one: str, other: str) -> None:
    assert not parse(one).equivalent(parse(other))
    assert not parse(other).equivalent(parse(one))


def test_equal_uris_have_equal_hashes() -> None:
    assert hash(parse("sip:%61@h;lr")) == hash(Uri(user="a", host="h", params={"lr": None}))


def test_what_routing_asks_of_a_uri() -> None:
    uri = parse("sips:h;transport=TCP;lr")
    assert (uri.is_sip, uri.secure, uri.transport, uri.loose) == (True, True, "tcp", True)
    assert (parse("tel:1").is_sip, parse("sip:h").transport, parse("sip:h").loose) == (False, "", False)
