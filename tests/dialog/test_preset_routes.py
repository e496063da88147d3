"""RFC 3261 sections 8.1.1.1 and 8.1.2: requests of no account visit the service's outbound proxy first."""

from __future__ import annotations

import pytest

from actors.dialog.effects import Find, Send
from actors.dialog.request_events import SendRequest
from actors.sip import Request, parse
from tests.dialog.phone import NEAR, Phone, answer_to, place

LOOSE = ("sip:edge.example;lr", "sip:core.example;lr")
STRICT = ("sip:old.example", "sip:core.example;lr")
BOB = "sip:bob@192.0.2.9:5070"


@pytest.mark.parametrize(
    ("routes", "uri", "visited"),
    [
        ((), BOB, []),
        (LOOSE, BOB, list(LOOSE)),
        (STRICT, "sip:old.example", ["sip:core.example;lr", BOB]),
    ],
)
def test_an_invite_takes_the_preset_routes_and_is_sent_to_the_first(
    routes: tuple[str, ...], uri: str, visited: list[str]
) -> None:
    phone = Phone(routes=routes)
    phone.command(place())
    assert phone.last(Find).uri == (routes[0] if routes else BOB)
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    (invite,) = phone.sent("INVITE")
    assert invite.uri == uri
    assert [str(route.uri) for route in invite.route] == visited


def test_a_call_that_is_sent_elsewhere_goes_there_straight() -> None:
    phone = Phone(routes=LOOSE)
    key = phone.place_call()
    phone.response(answer_to(phone.all(Send)[-1].raw, 302, Contact="<sip:bob@192.0.2.77>"), key)
    assert phone.last(Find).uri == "sip:bob@192.0.2.77"
    phone.located(phone.last(Find).ref, NEAR)
    assert phone.sent("INVITE")[-1].route == ()


def test_any_other_request_takes_them_too() -> None:
    phone = Phone(routes=STRICT)
    phone.command(_message())
    phone.located(phone.last(Find).ref, NEAR)
    request = parse(phone.last(Send).raw)
    assert isinstance(request, Request)
    assert (request.method, request.uri) == ("MESSAGE", "sip:old.example")
    assert [str(route.uri) for route in request.route] == ["sip:core.example;lr", BOB]


def _message() -> SendRequest:
    return SendRequest(ref="r", request="one", method="MESSAGE", uri=BOB, body=b"hello")
