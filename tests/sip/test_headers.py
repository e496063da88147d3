"""The values of single headers."""

from __future__ import annotations

import pytest

from actors.sip import LocalProtocolError, MediaType, NameAddr, Reason, RemoteProtocolError, RetryAfter, Uri, Via
from actors.sip.fields import FIELDS, Kind, canonical
from actors.sip.headers import Contact, ContentLength, Expires, MaxForwards, Route


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("SIP/2.0/UDP h", Via("UDP", "h", None, {})),
        ("sip / 2.0 /\ttls [::1] : 5061 ; branch=z9hG4bK1", Via("TLS", "::1", 5061, {"branch": "z9hG4bK1"})),
        ("SIP/2.0/UDP h;received=[::2];RPORT=7", Via("UDP", "h", None, {"received": "[::2]", "rport": "7"})),
    ],
)
def test_a_via_is_read(text: str, via: Via) -> None:
    assert Via.parse(text) == via


def test_a_via_says_where_a_request_came_from() -> None:
    via = Via.parse("SIP/2.0/UDP h;received=[::2];rport=7")
    assert (via.received, via.rport, via.branch) == ("::2", 7, "")
    assert str(via) == "SIP/2.0/UDP h;received=[::2];rport=7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/3.0/UDP h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;x",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch",
        "SIP/2.0/UDP h;x=1;X=2",
        "SIP/2.0/UDP [h]",
    ],
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Via.parse(text)


@pytest.mark.parametrize("rport", ["x", "65536", "-1"])
def test_an_rport_that_is_no_port_is_refused(rport: str) -> None:
    with pytest.raises(RemoteProtocolError):
        _ = Via.parse(f"SIP/2.0/UDP h;rport={rport}").rport


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@h>", "", "sip:a@h", {}),
        ("sip:a@h;x=1", "", "sip:a@h", {"x": "1"}),
        ("caller<sip:a@h;lr>;Tag=1", "caller", "sip:a@h;lr", {"tag": "1"}),
        ("A. G. Bell\t<sip:a@h>", "A. G. Bell", "sip:a@h", {}),
        ('"" <sip:a@h>', "", "sip:a@h", {}),
        ('"a\\"b\\\\" <sip:a@h> ; x = "y;z"', 'a"b\\', "sip:a@h", {"x": '"y;z"'}),
        ("Jürgen (Büro) <sip:a@h>", "Jürgen (Büro)", "sip:a@h", {}),
        ("<tel:+1>;q=0.3", "", "tel:+1", {"q": "0.3"}),
    ],
)
def test_an_address_is_read(text: str, display: str, uri: str, params: dict[str, str]) -> None:
    address = NameAddr.parse(text)
    assert (address.display_name, str(address.uri), address.params) == (display, uri, params)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"a <sip:a@h>',
        "a, b <sip:a@h>",
        "< sip:a@h >",
        "<sip:a@h>;",
        "<sip:a@h>;tag=",
        "<sip:a@h>;tag",
        "<sip:a@h>x",
        "sip:a@h?x=y",
        "sip:a@h,sip:b@h",
        "<sip:a@h>;x=1;x=2",
        "<sip:a@h> ;x;X=2",
        '<sip:a@h>;x="',
        "*",
        "<a>",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        NameAddr.parse(text)


def test_a_star_is_a_contact_and_prints_as_one() -> None:
    star = Contact.parse("*")
    assert star.is_star
    assert str(star) == str(Contact("", Uri("*"))) == "*"


def test_a_contact_expires() -> None:
    assert Contact.parse("<sip:a@h>;expires=60").expires == 60
    assert Contact.parse("<sip:a@h>").expires is None
    with pytest.raises(RemoteProtocolError):
        _ = Contact.parse("<sip:a@h>;expires=4294967296").expires


def test_a_route_needs_its_brackets() -> None:
    assert Route.parse("<sip:h;lr>").uri.loose
    with pytest.raises(RemoteProtocolError):
        Route.parse("sip:h;lr")


def test_other_values_are_read_and_print_back() -> None:
    assert MediaType.parse("Application / SDP;charset=x") == MediaType("application/sdp", {"charset": "x"})
    assert RetryAfter.parse("18000;duration=3600") == RetryAfter(18000, "", {"duration": "3600"})
    assert str(RetryAfter.parse("120 (I'm in a meeting)")) == "120 (I'm in a meeting)"
    reason = Reason.parse('Q.850 ;cause=16 ;text="Terminated"')
    assert (reason.protocol, reason.cause, reason.text) == ("Q.850", 16, "Terminated")
    assert str(Reason("SIP", {"cause": "200"})) == "SIP;cause=200"
    assert Reason("SIP", {}).cause is None


@pytest.mark.parametrize("text", ["", "x", "5 (", "5)", "5 x", "99999999999", "-5"])
def test_what_is_no_retry_after_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        RetryAfter.parse(text)


@pytest.mark.parametrize(
    "name", ["CSeq", "Call-ID", "Supported", "Date", "Max-Forwards", "Expires", "Content-Type", "Reason"]
)
@pytest.mark.parametrize("text", ["", "é", "a b c"])
def test_what_a_header_may_not_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        FIELDS[name.lower()].type.parse(text)
    assert raised.value.status == 400


def test_numbers_have_their_bounds() -> None:
    assert (MaxForwards.parse("0255").value, Expires.parse("4294967295").value) == (255, 2**32 - 1)
    for kind, text in ((MaxForwards, "256"), (Expires, "4294967296"), (ContentLength, "4294967296")):
        with pytest.raises(RemoteProtocolError):
            kind.parse(text)


def test_values_that_could_not_be_read_back_are_not_printed() -> None:
    values = (Via("U DP", "h", None, {}), Via("UDP", "h h", None, {}), Via("UDP", "h", None, {"a b": None}))
    for value in (*values, MediaType("text/plain", {"charset": "a;b"})):
        with pytest.raises(LocalProtocolError):
            str(value)


def test_every_compact_form_is_known_once() -> None:
    compact = [field.compact for field in FIELDS.values() if field.compact]
    assert sorted(compact) == sorted(set(compact))
    assert {canonical(form.upper()) for form in compact} == {key for key, field in FIELDS.items() if field.compact}
    assert FIELDS["via"].kind is Kind.LIST
