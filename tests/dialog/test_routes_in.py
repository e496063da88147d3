"""Calls in that take a route of the configuration: by user, number, account or trunk, and source."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog.accounts import Account
from actors.dialog.call_events import CallReceived
from actors.dialog.numbers import Rule
from actors.dialog.policy import route
from actors.dialog.settings import Answer, Route
from tests.dialog.phone import FLOW, Phone, invite

TRUNK = Account(aor="sip:100@192.0.2.9", register=False, incoming=(Rule(prefix="00", strip=2, add="+"),))
RING, ECHO, NONE = Answer(mode="ring"), Answer(mode="echo"), Answer(mode="none")
ROUTES = (
    Route(name="sales", numbers=("+4930", "+4940"), accounts=(TRUNK.aor,), answer=ECHO),
    Route(name="trunk", accounts=(TRUNK.aor,), answer=NONE),
    Route(name="inside", sources=("198.51.100.0/24", "2001:db8::/32"), users=("us", "them"), answer=RING),
)


def house() -> Phone:
    return Phone(accounts=(TRUNK,), incoming=ROUTES)


def called(user: str, host: str = FLOW.host) -> tuple[Phone, Any]:
    """A call for `user` from `host`."""
    phone = house()
    raw = invite().replace(b"sip:us@", f"sip:{user}@".encode(), 1)
    phone.request(raw, FLOW._replace(host=host))
    return phone, phone.calls[0].route if phone.calls else None


@pytest.mark.parametrize(
    ("user", "host", "name"),
    [
        ("004930123", FLOW.host, "sales"),
        ("+4940", FLOW.host, "sales"),
        ("us", "198.51.100.7", "inside"),
        ("them", "2001:db8::7", "inside"),
        ("us", "203.0.113.1", ""),
        ("other", "198.51.100.7", ""),
        ("+4930123", "198.51.100.7", ""),
    ],
)
def test_a_call_takes_the_first_route_for_which_all_holds(user: str, host: str, name: str) -> None:
    assert called(user, host)[1] == name


def test_what_becomes_of_it_is_what_its_route_says_and_the_route_is_told_over_a_kill() -> None:
    phone, _ = called("+4930123")
    phone.start()
    phone.prepared(phone.session)
    assert phone.statuses == [180, 200]
    assert phone.reports(CallReceived)[0].route == "sales"
    phone, _ = called("+33123")
    assert phone.statuses == [480]
    phone, _ = called("us", "198.51.100.7")
    phone.prepared(phone.session)
    assert (phone.statuses, phone.reports(CallReceived)[0].route) == ([180], "inside")


def test_without_routes_nothing_is_asked_and_none_is_told() -> None:
    phone = Phone()
    phone.receive_call()
    assert phone.reports(CallReceived)[0].route == ""
    assert route((), "us", "", "not an address") == ""
