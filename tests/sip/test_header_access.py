"""Headers by name and by type: got, set, replaced, added, removed, and of an application's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pytest

from actors.sip import LocalProtocolError, Message, RemoteProtocolError, Request, parse
from actors.sip.fields import FIELDS, NAMES, SPELLINGS, Kind, register
from actors.sip.headers import Contact, Event, Header, NumberHeader, Route, Subject, TokenListHeader, Via

DATA = (
    b"INVITE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\n"
    b"Route: <sip:p3;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: c\r\n"
    b"CSeq: 1 INVITE\r\nEvent: dialog;id=1\r\nx-priority: 3\r\nX-Queue: a, b\r\nContent-Length: 0\r\n\r\n"
)
# The same, in a shape that is read in full.
ODD = DATA.replace(b"Via: ", b"v:")


@pytest.fixture(params=[DATA, ODD], ids=["usual", "odd"])
def message(request: pytest.FixtureRequest) -> Message:
    return parse(request.param)


def lines(message: Message, name: str) -> list[str]:
    return [line for line in bytes(message).decode().split("\r\n") if line.startswith(f"{name}:")]


def test_all_values_of_a_name_become_those_given_in_the_place_of_the_first(message: Message) -> None:
    message.set_all("route", message.route[1:])
    assert lines(message, "route") == ["route: <sip:p2;lr>", "route: <sip:p3;lr>"]
    assert bytes(message).index(b"route") < bytes(message).index(b"Max-Forwards")
    message.set_all("Route", ())
    assert message.route == ()
    message.set_all("Subject", ["a", Subject("b")])
    assert lines(message, "Subject") == ["Subject: a", "Subject: b"]


def test_one_line_of_several_is_replaced_or_removed(message: Message) -> None:
    message.replace("Route", "<sip:q;lr>", at=1)
    assert lines(message, "Route") == ["Route: <sip:p1;lr>, <sip:p2;lr>", "Route: <sip:q;lr>"]
    message.replace("route", "<sip:r;lr>")
    assert [str(route) for route in message.route] == ["<sip:r;lr>", "<sip:q;lr>"]
    message.remove("Route", at=0)
    assert [str(route) for route in message.route] == ["<sip:q;lr>"]
    for act in (lambda: message.replace("Route", "<sip:x>", at=1), lambda: message.remove("Route", at=-1)):
        with pytest.raises(LocalProtocolError):
            act()


def test_nothing_is_changed_where_one_of_the_values_may_not_be_sent(message: Message) -> None:
    before = bytes(message)
    with pytest.raises(LocalProtocolError):
        message.set_all("Route", ["<sip:ok>", "<sip:x>\r\nEvil: 1"])
    with pytest.raises(LocalProtocolError):
        message.replace("Route", "\n")
    assert bytes(message) == before


def test_a_header_is_had_by_its_type(message: Message) -> None:
    assert message.header(Event) == Event("dialog", {"id": "1"})
    assert message.headers(Event) == (Event("dialog", {"id": "1"}),)
    assert message.header(Subject) is None
    assert message.headers(Subject) == ()
    first = message.header(Route)
    assert first is not None
    assert first.uri.host == "p1"
    assert [route.uri.host for route in message.headers(Route)] == ["p1", "p2", "p3"]
    assert message.header(Contact) is None
    message.set("o", Event("presence"))
    assert message.header(Event) == Event("presence")


def test_a_value_is_had_by_name_in_either_shape(message: Message) -> None:
    assert (message.get("max-forwards"), message.get_all("Max-Forwards")) == ("70", ["70"])
    assert (message.get_all("X-Queue"), message.get_all("Subject"), message.get("Subject")) == (["a, b"], [], None)


@pytest.mark.parametrize("data", [DATA, ODD], ids=["usual", "odd"])
@pytest.mark.parametrize("value", [b"<", b'"a, <sip:h>'])
def test_a_malformed_first_value_is_refused_when_it_is_read(data: bytes, value: bytes) -> None:
    message = parse(data.replace(b"Event: dialog;id=1", b"Contact: " + value))
    with pytest.raises(RemoteProtocolError) as raised:
        _ = message.contact
    assert raised.value.status == 400


def test_a_malformed_top_via_is_refused_when_it_is_read() -> None:
    message = parse(DATA)
    message.set("Via", "SIP/2.0/UDP a;;")
    with pytest.raises(RemoteProtocolError):
        _ = message.via


def test_a_single_value_header_that_stands_twice_is_refused_when_it_is_read(message: Message) -> None:
    message.append("Event", "x")
    with pytest.raises(RemoteProtocolError) as raised:
        message.header(Event)
    assert raised.value.status == 400


def test_a_type_that_no_header_has_is_an_error_of_ours(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        message.header(Header)


class XPriority(NumberHeader):
    """X-Priority, of one application."""

    LIMIT = 9
    __slots__ = ()


class XQueue(TokenListHeader):
    """X-Queue, of one application."""

    __slots__ = ()


@dataclass(frozen=True)
class Plain:
    """A type that owes nothing to ours."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(text)

    def __str__(self) -> str:
        return self.text


@pytest.fixture
def registered() -> Iterator[None]:
    fields, names, spellings = dict(FIELDS), dict(NAMES), dict(SPELLINGS)
    register("X-Priority", XPriority)
    register("X-Queue", XQueue)
    register("X-Plain", Plain, Kind.LINES)
    yield
    for table, before in ((FIELDS, fields), (NAMES, names), (SPELLINGS, spellings)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]


@pytest.mark.usefixtures("registered")
def test_an_application_has_its_own_headers_by_type(message: Message) -> None:
    assert message.header(XPriority) == XPriority(3)
    assert message.headers(XQueue) == (XQueue("a"), XQueue("b"))
    assert message.get_all("x-queue") == ["a", "b"]
    message.append("X-Plain", Plain("1"))
    message.append("x-plain", "2")
    assert message.headers(Plain) == (Plain("1"), Plain("2"))
    message.set("X-Priority", XPriority(4))
    assert parse(bytes(message)).header(XPriority) == XPriority(4)


@pytest.mark.usefixtures("registered")
def test_an_applications_header_is_validated_and_may_stand_once(message: Message) -> None:
    message.validate()
    message.set("X-Priority", 12)
    with pytest.raises(RemoteProtocolError):
        message.validate()
    message.set("X-Priority", 1)
    message.append("X-PRIORITY", 2)
    with pytest.raises(RemoteProtocolError):
        message.validate()


@pytest.mark.usefixtures("registered")
def test_what_a_peer_may_send_does_not_depend_on_what_is_registered() -> None:
    twice = DATA.replace(b"x-priority: 3", b"X-Priority: 3\r\nX-Priority: 4")
    assert isinstance(parse(twice), Request)


@pytest.mark.parametrize(("name", "kind"), [("a b", XQueue), ("Via", XQueue), ("v", XQueue), ("X-Via", Via)])
def test_a_name_or_type_that_is_taken_is_not_registered(name: str, kind: type[TokenListHeader]) -> None:
    with pytest.raises(LocalProtocolError):
        register(name, kind)
