"""Identity typed: what the headers of events say of who calls, and the headers that say it."""

from __future__ import annotations

import pytest

from actors.control.identity import Identity
from actors.sip import uri
from actors.sip.headers import Diversion, HistoryInfo, PAssertedIdentity, PPreferredIdentity, Reason

LINES = (
    ("P-Asserted-Identity", '"Alice" <sip:alice@example.com>'),
    ("p-asserted-identity", "<tel:+15550100>"),
    ("P-Preferred-Identity", "<sip:sales@example.com>"),
    ("Privacy", "ID;critical"),
    ("Diversion", "<sip:desk@example.com>;reason=no-answer;counter=2"),
    ("History-Info", "<sip:bob@example.com>;index=1"),
    ("History-Info", "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1"),
    ("Reason", 'Q.850;cause=17;text="busy"'),
    ("X-Ticket", "7"),
)


def test_the_headers_of_an_event_are_read_into_types() -> None:
    who = Identity.of(LINES)
    assert [(each.display_name, str(each.uri)) for each in who.asserted] == [
        ("Alice", "sip:alice@example.com"),
        ("", "tel:+15550100"),
    ]
    assert str(who.preferred[0].uri) == "sip:sales@example.com"
    assert (who.privacy, who.hidden) == (("id", "critical"), True)
    assert [(each.reason, each.counter) for each in who.diversions] == [("no-answer", 2)]
    assert [each.index for each in who.history] == [(1,), (1, 1)]
    assert [(each.protocol, each.cause, each.text) for each in who.reasons] == [("Q.850", 17, "busy")]


def test_what_is_made_is_what_was_read() -> None:
    who = Identity.of(LINES)
    assert Identity.of(who.headers) == who
    assert len(who.headers) == len(LINES) - 1
    assert Identity.of(()) == Identity()
    assert not Identity(privacy=("none",)).hidden


@pytest.mark.parametrize("value", ["<", "<sip:a", '"', ";index=1", ""])
def test_what_cannot_be_read_says_nothing(value: str) -> None:
    names = ("P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Diversion", "History-Info", "Reason")
    assert Identity.of([(name, value) for name in names]) == Identity()


def test_typed_ones_are_made_by_hand() -> None:
    alice = uri.parse("sip:alice@example.com")
    made = Identity(
        asserted=(PAssertedIdentity("", alice),),
        preferred=(PPreferredIdentity("", alice),),
        diversions=(Diversion("", alice, {"reason": "user-busy"}),),
        history=(HistoryInfo("", alice, {"index": "1"}),),
        reasons=(Reason("SIP", {"cause": "486"}),),
    )
    assert made.headers == (
        ("P-Asserted-Identity", "<sip:alice@example.com>"),
        ("P-Preferred-Identity", "<sip:alice@example.com>"),
        ("Diversion", "<sip:alice@example.com>;reason=user-busy"),
        ("History-Info", "<sip:alice@example.com>;index=1"),
        ("Reason", "SIP;cause=486"),
    )
