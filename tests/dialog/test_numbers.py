"""How numbers and callers are written towards a trunk and from it, and how many calls a second it has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.dialog.accounts import Account
from actors.dialog.call_events import CallReceived
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.numbers import Rule, written
from actors.sip import Request
from tests.dialog.phone import FLOW, NEAR, Phone, invite, place

change = msgspec.structs.replace
TRUNK = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9:5070", register=False)
BARE = (Rule(prefix="+", strip=1),)
PLUS = (Rule(prefix="+"), Rule(prefix="00", strip=2, add="+"), Rule(prefix="0", strip=1, add="+49"), Rule(add="+"))


@pytest.mark.parametrize(
    ("number", "rules", "found"),
    [
        ("+49301234", BARE, "49301234"),
        ("49301234", BARE, "49301234"),
        ("+49301234", PLUS, "+49301234"),
        ("0049301234", PLUS, "+49301234"),
        ("0301234", PLUS, "+49301234"),
        ("49301234", PLUS, "+49301234"),
        ("+49(30)12-34", (Rule(prefix="+49", strip=3, add="0"),), "0301234"),
        ("+1-555", (Rule(prefix="+49", strip=3),), "+1-555"),
        ("123", (Rule(prefix="1", strip=32, add="9"),), "9"),
        ("*67#", (Rule(add="9"),), "9*67#"),
        ("alice", PLUS, "alice"),
        ("+", PLUS, "+"),
        ("", PLUS, ""),
        ("+49301234", (), "+49301234"),
    ],
)
def test_the_first_rule_that_is_for_a_number_writes_it(number: str, rules: tuple[Rule, ...], found: str) -> None:
    assert written(number, rules) == found


def house(**more: Any) -> Phone:
    return Phone(accounts=(change(TRUNK, **more),))


def called(phone: Phone, **order: Any) -> Request:
    """A call by the trunk; its INVITE."""
    phone.place_call(NEAR, account=TRUNK.aor, **order)
    return phone.sent("INVITE")[-1]


def test_a_call_out_has_the_number_and_the_caller_as_the_trunk_wants_them() -> None:
    phone = house(dial=BARE, callers=BARE)
    sent = called(phone, uri="sip:+4930111@192.0.2.9:5070", caller="sip:+4930222@192.0.2.1")
    assert sent.uri == "sip:4930111@192.0.2.9:5070"
    assert (sent.to.uri.user, sent.from_.uri.user) == ("4930111", "4930222")
    assert phone.call.remote == "sip:+4930111@192.0.2.9:5070", "the application sees what it asked for"


@pytest.mark.parametrize(
    ("caller_id", "header"), [("asserted", "P-Asserted-Identity"), ("preferred", "P-Preferred-Identity")]
)
def test_a_caller_may_stand_in_an_identity_of_its_own_and_from_has_the_account(caller_id: str, header: str) -> None:
    phone = house(callers=BARE, caller_id=caller_id)
    sent = called(phone, caller="sip:+4930222@example.com", headers=(("X-More", "1"),))
    assert sent.get(header) == "<sip:4930222@example.com>"
    assert (str(sent.from_.uri), sent.get("X-More")) == (TRUNK.aor, "1")
    plain = called(house(caller_id=caller_id))
    assert (plain.get(header), str(plain.from_.uri)) == (None, TRUNK.aor), "no caller but the account: nothing to say"


def received(phone: Phone, raw: bytes, **flow: Any) -> CallReceived:
    phone.receive_call(raw, flow=FLOW._replace(**flow))
    event: CallReceived = phone.reports(CallReceived)[-1]
    return event


def test_a_call_in_is_told_with_its_numbers_as_we_want_them() -> None:
    raw = invite(From="<sip:030111@192.0.2.9>;tag=peer", To="<sip:0030222@192.0.2.1>")
    event = received(house(incoming=PLUS), raw)
    assert (event.remote, event.local) == ("sip:+4930111@192.0.2.9", "sip:+30222@192.0.2.1")
    event = received(house(), raw)
    assert (event.remote, event.local) == ("sip:030111@192.0.2.9", "sip:0030222@192.0.2.1")


def test_an_asserted_caller_is_believed_of_a_host_of_the_trunk_only() -> None:
    claim = '"Boss" <sip:030999@192.0.2.9>, <tel:+4930999>'
    raw = invite(P_Asserted_Identity=claim)
    phone = house(incoming=PLUS, caller_id="asserted")
    event = received(phone, raw)
    assert (event.remote, event.display_name) == ("sip:+4930999@192.0.2.9", "Boss")
    assert event.local == "sip:us@192.0.2.1"
    account = change(TRUNK, aor="sip:us@192.0.2.9")
    stranger = Phone(accounts=(change(account, caller_id="asserted"),))
    assert received(stranger, raw, host="198.51.100.7").remote == "sip:alice@192.0.2.9"
    assert received(house(), raw).remote == "sip:alice@192.0.2.9", "by default From is who calls"
    phone.request(invite(branch="bad", Call_ID="bad", P_Asserted_Identity="<<"))
    assert phone.statuses[-1] == 400


def test_a_trunk_begins_so_many_calls_a_second_both_ways_and_the_others_go_on() -> None:
    phone = house(calls_per_second=2.0)
    assert isinstance(phone.command(place(account=TRUNK.aor))[0].event, CommandDone)
    phone.receive_call()
    refused = phone.command(place(account=TRUNK.aor, call="call-2"))[0].event
    assert isinstance(refused, CommandFailed)
    assert (refused.code, refused.message) == ("too_fast", f"{TRUNK.aor} may begin another call in 1.050 s")
    phone.request(invite(branch="other", Call_ID="two"))
    assert (phone.statuses[-1], phone.last_response().get("Retry-After")) == (503, "1")
    assert isinstance(phone.command(place(call="call-3"))[0].event, CommandDone), "others are not limited"
    phone.now += 1.05
    assert isinstance(phone.command(place(account=TRUNK.aor, call="call-4"))[0].event, CommandDone)
