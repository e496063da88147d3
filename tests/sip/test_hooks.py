"""What a hook may do to a message, and that whatever it does leaves the message a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import Request, Response, parse
from actors.sip.hooks import Hook
from actors.sip.vocabulary import Flow

FLOW = Flow("udp:0", "udp", "192.0.2.1", 5060, "192.0.2.9", 5060)
INVITE = (
    b"INVITE sip:b@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n"
    b"Content-Length: 0\r\n\r\n"
)
RINGING = bytes(parse(INVITE).response(180, to_tag="2"))  # type: ignore[union-attr]


def hooked(function: Callable[..., Any]) -> tuple[Hook, list[str]]:
    complaints: list[str] = []
    return Hook("m:f", function, lambda _, **more: complaints.append(more["reason"])), complaints


def setting(name: str, value: str) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.set(name, value)

    return change


def test_a_message_is_changed_in_place_or_by_another() -> None:
    hook, complaints = hooked(setting("X-A", "b"))
    assert parse(hook.change(INVITE)).get("X-A") == "b"
    assert parse(hook.change(RINGING)).get("X-A") == "b"

    def another(message: Request | Response) -> Request | Response:
        new = parse(bytes(message))
        new.set_body(b"hello", "text/plain")
        return new

    hook, more = hooked(another)
    changed = parse(hook.change(INVITE))
    assert (changed.body, changed.get("Content-Length")) == (b"hello", "5")
    assert complaints + more == []


def test_a_message_that_is_left_alone_is_the_same_to_the_byte() -> None:
    hook, _ = hooked(lambda message: message)
    assert hook.change(INVITE) == INVITE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Call-ID", "other"),
        ("CSeq", "2 INVITE"),
        ("From", "<sip:a@h>;tag=9"),
        ("To", "<sip:b@h>;tag=9"),
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother"),
        ("Content-Length", "9"),
        ("Contact", "<<"),
    ],
)
def test_what_a_message_is_known_by_stays(name: str, value: str) -> None:
    hook, complaints = hooked(setting(name, value))
    assert hook.change(INVITE) == INVITE
    assert len(complaints) == 1


def test_a_status_and_a_second_via_stay() -> None:
    def other(_: Any) -> Any:
        return parse(INVITE).response(200, to_tag="2")  # type: ignore[union-attr]

    def longer(message: Any) -> None:
        message.append("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKz")

    for function in (other, longer):
        hook, complaints = hooked(function)
        assert hook.change(RINGING) == RINGING
        assert len(complaints) == 1


@pytest.mark.parametrize("nonsense", [42, b"", "INVITE", True, ["x"]])
def test_nonsense_is_passed_over(nonsense: object) -> None:
    hook, complaints = hooked(lambda _: nonsense)
    assert hook.change(INVITE) == INVITE
    assert "gave back" in complaints[0]
    if not isinstance(nonsense, bool):
        hook, complaints = hooked(lambda *_: nonsense)
        assert not hook.drops(INVITE, FLOW)
        assert "gave back" in complaints[0]


def test_a_hook_that_raises_is_passed_over_and_complained_of_at_each_doubling() -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("oh")

    hook, complaints = hooked(fails)
    for _ in range(9):
        assert hook.change(INVITE) == INVITE
        assert not hook.drops(INVITE, FLOW)
    assert complaints == ["ZeroDivisionError: oh"] * 5  # at 1, 2, 4, 8, 16


def test_what_came_is_dropped_by_true_alone_and_only_where_it_can_be_read() -> None:
    seen: list[tuple[str, str]] = []

    def from_nine(message: Any, flow: Flow) -> bool:
        seen.append((message.get("Call-ID"), flow.host))
        return flow.host == "192.0.2.9"

    hook, _ = hooked(from_nine)
    assert hook.drops(INVITE, FLOW)
    assert not hook.drops(INVITE, FLOW._replace(host="192.0.2.8"))
    assert not hook.drops(b"\x00garbage", FLOW)
    assert seen == [("c", "192.0.2.9"), ("c", "192.0.2.8")]


@given(st.lists(st.tuples(st.sampled_from(["set", "append", "remove"]), st.text(max_size=12), st.text(max_size=30))))
def test_whatever_a_hook_does_a_message_with_the_same_identity_comes_out(edits: list[tuple[str, str, str]]) -> None:
    def edit(message: Any) -> None:
        for verb, name, value in edits:
            getattr(message, verb)(*((name,) if verb == "remove" else (name, value)))

    hook, _ = hooked(edit)
    assert parse(hook.change(INVITE)).head == parse(INVITE).head
