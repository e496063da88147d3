"""Several registrars of one account at the same time, and registrars that send us elsewhere (RFC 3261 s8.1.3.4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.dialog.account_events import AccountInfo, ListAccounts, RegisterAccount, UnregisterAccount
from actors.dialog.errand import MAX_REDIRECTS
from actors.dialog.events import CommandDone
from actors.sip import Request
from tests.dialog.registrar import ALICE, Line, Registrar

change = msgspec.structs.replace
FIRST, SECOND, THIRD = "sip:example.com", "sip:two.example.com", "sip:three.example.net"
BOTH = change(ALICE, registrars=(SECOND,))


class Several(Registrar):
    """Registrars by their Request-URIs.

    Attributes:
        refuses: the status of each that refuses.
        moved: where each sends us with a 302.
    """

    def __init__(self, phone: Line) -> None:
        super().__init__(phone)
        self.refuses: dict[str, int] = {}
        self.moved: dict[str, tuple[str, ...]] = {}

    def answer(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        """As each of them does."""
        if request.uri in self.refuses:
            return self.refuses[request.uri], []
        if request.uri in self.moved:
            return 302, [("Contact", f"<{uri}>") for uri in self.moved[request.uri]]
        status, headers = super().answer(request)
        return status, [*headers, ("Service-Route", f"<{request.uri};lr>")] if status == 200 else headers

    @property
    def visited(self) -> list[str]:
        """The Request-URIs since the last look."""
        seen = [request.uri for request in self.requests]
        self.requests.clear()
        return seen


class House(Line):
    """A line with such registrars."""

    registrar: Several

    def __init__(self, account: Any = ALICE) -> None:
        super().__init__(account)
        self.registrar = Several(self)

    def begin(self) -> None:
        """Start; the second has its turn after the first."""
        super().begin()
        self.pass_time(0.1)

    def listed(self) -> list[AccountInfo]:
        """The accounts as they are listed."""
        done = self.order(ListAccounts("list"))
        assert isinstance(done, CommandDone)
        return list(done.accounts)  # type: ignore[arg-type]

    @property
    def standing(self) -> dict[str, str]:
        """The state by registrar."""
        return {each.registrar: each.state for each in self.listed()}


# In parallel


def test_an_account_is_registered_at_all_its_registrars_each_by_a_call_id_of_its_own() -> None:
    line = House(BOTH)
    line.begin()
    first, second = line.registrar.requests
    assert [first.uri, second.uri] == [FIRST, SECOND]
    assert first.get("Call-ID") != second.get("Call-ID")
    assert first.from_.tag != second.from_.tag
    assert line.standing == {"": "registered", SECOND: "registered"}
    told = [(each.registrar, each.state) for each in line.changes]
    assert told == [("", "registering"), ("", "registered"), (SECOND, "registering"), (SECOND, "registered")]
    line.pass_time(8 * 3600.0)
    assert set(line.registrar.visited) == {FIRST, SECOND}
    assert line.standing == {"": "registered", SECOND: "registered"}


def test_one_that_refuses_fails_alone_and_the_route_is_that_of_one_that_has_us() -> None:
    line = House(BOTH)
    line.registrar.refuses[FIRST] = 503
    line.begin()
    assert line.standing == {"": "failing", SECOND: "registered"}
    assert line.agent.registrations.routes(BOTH) == (f"{SECOND};lr",)
    del line.registrar.refuses[FIRST]
    line.restart()
    line.pass_time(60.0)
    assert line.standing == {"": "registered", SECOND: "registered"}
    assert line.agent.registrations.routes(BOTH) == (f"{FIRST};lr",)


def test_commands_are_for_all_of_them_and_a_stop_leaves_no_binding() -> None:
    line = House(BOTH)
    line.begin()
    line.registrar.visited  # noqa: B018 - forget them
    assert isinstance(line.order(UnregisterAccount("u", ALICE.aor)), CommandDone)
    assert line.registrar.visited == [FIRST, SECOND]
    assert set(line.standing.values()) == {"unregistered"}
    assert isinstance(line.order(RegisterAccount("r", ALICE.aor)), CommandDone)
    assert line.registrar.visited == [FIRST, SECOND]
    line._did(line.agent.leave(*line.clock))
    line.pass_time(0.0)
    assert (line.registrar.visited, line.agent.idle, bool(line.cells)) == ([FIRST, SECOND], True, False)


def test_a_registrar_that_is_no_longer_configured_is_forgotten_and_the_others_stay() -> None:
    line = House(BOTH)
    line.begin()
    line.settings = change(line.settings, accounts=(ALICE,))
    line.restart()
    assert line.standing == {"": "registered"}


# Elsewhere


def test_a_302_is_followed_with_the_same_call_id_and_the_next_cseq() -> None:
    line = House()
    line.registrar.moved[FIRST] = (SECOND,)
    line.begin()
    first, second = line.registrar.requests
    assert [first.uri, second.uri] == [FIRST, SECOND]
    assert first.get("Call-ID") == second.get("Call-ID")
    assert first.cseq.number + 1 == second.cseq.number
    assert line.states == ["registering", "registered"]
    line.registrar.visited  # noqa: B018 - forget them
    line.pass_time(3600.0)
    assert line.registrar.visited[:2] == [FIRST, SECOND], "a refresh asks the first one again: it may be back"
    assert set(line.states[1:]) == {"registered"}


def test_the_next_contact_is_taken_where_one_refuses_and_a_removal_goes_where_the_binding_went() -> None:
    line = House()
    line.registrar.moved[FIRST] = (SECOND, THIRD)
    line.registrar.refuses[SECOND] = 500
    line.begin()
    assert (line.registrar.visited, line.states) == ([FIRST, SECOND, THIRD], ["registering", "registered"])
    line.order(UnregisterAccount("u", ALICE.aor))
    assert line.registrar.visited == [FIRST, SECOND, THIRD]
    assert line.registrar.bindings == {}
    assert line.states[-1] == "unregistered"


@pytest.mark.parametrize(
    "moved",
    [
        {FIRST: (FIRST,)},
        {FIRST: (SECOND,), SECOND: (FIRST, SECOND)},
        {FIRST: ()},
        {FIRST: ("tel:+15550100", "mailto:alice@example.com", "sip:x@example.com?Replaces=a")},
    ],
)
def test_fault_37_one_that_sends_us_in_a_circle_or_nowhere_is_a_failure(moved: dict[str, tuple[str, ...]]) -> None:
    line = House()
    line.registrar.moved = moved
    line.begin()
    assert len(line.registrar.visited) == len(moved)
    assert (line.states, line.changes[-1].status) == (["registering", "failing"], 302)


def test_fault_37_a_hundred_contacts_and_a_chain_without_end_are_followed_so_far_and_tried_again_later() -> None:
    line = House()
    line.registrar.moved = {FIRST: tuple(f"sip:{n}.example.com" for n in range(100))}
    line.registrar.moved |= {f"sip:{n}.example.com": (f"sip:{n + 1}.example.com",) for n in range(100)}
    line.begin()
    assert len(line.registrar.visited) == 1 + MAX_REDIRECTS
    assert line.states == ["registering", "failing"]
    line.pass_time(30.0)
    assert len(line.registrar.visited) == 1 + MAX_REDIRECTS


def test_fault_38_credentials_are_not_shown_where_a_302_sent_us_unless_the_account_names_the_host() -> None:
    for peers, state in (((), "failing"), (("three.example.net",), "registered")):
        line = House(change(ALICE, peers=peers))
        line.registrar.moved[FIRST] = (THIRD,)
        line.registrar.nonce = "n1"
        line.begin()
        assert line.states[-1] == state
        assert any(request.get("Authorization") for request in line.registrar.requests) == bool(peers)


def test_a_kill_on_the_way_elsewhere_loses_nothing() -> None:
    line = House()
    line.registrar.moved[FIRST] = (SECOND,)
    line.agent.begin(*line.clock)
    line.now += 1.0
    line.restart()
    line.restart()
    assert line.states == ["registering", "registered"]


# In turn

TURNS = change(BOTH, registrars=(SECOND, THIRD), in_turn=True)


def test_registrars_in_turn_are_asked_one_after_the_other_and_who_has_it_keeps_it_until_it_fails() -> None:
    house = House(TURNS)
    house.registrar.refuses = {FIRST: 503, SECOND: 500}
    house.begin()
    assert house.registrar.visited == [FIRST, SECOND, THIRD]
    assert [house.states[0], house.states[-1]] == ["registering", "registered"]
    house.registrar.refuses = {}
    house.pass_time(3600.0)
    assert set(house.registrar.visited) == {THIRD}, "the others are not asked while it has us"
    house.registrar.refuses = {THIRD: 403}
    house.order(RegisterAccount("r", ALICE.aor))
    assert house.registrar.visited == [THIRD, FIRST]
    house.order(UnregisterAccount("u", ALICE.aor))
    assert house.registrar.visited == [FIRST]
    assert len(house.agent.registrations.of(TURNS)) == 1


def test_a_binding_is_removed_where_it_is_though_all_registrars_failed_meanwhile() -> None:
    house = House(TURNS)
    house.registrar.refuses = {FIRST: 503}
    house.begin()
    house.registrar.refuses = {FIRST: 503, SECOND: 503, THIRD: 503}
    house.registrar.visited.clear()
    house.order(RegisterAccount("r", ALICE.aor))
    house.registrar.refuses = {}
    house.registrar.requests.clear()
    house.order(UnregisterAccount("u", ALICE.aor))
    assert house.registrar.visited == [SECOND]


def test_where_all_of_them_fail_the_round_is_tried_again_later() -> None:
    house = House(TURNS)
    house.registrar.refuses = {FIRST: 503, SECOND: 500, THIRD: 403}
    house.begin()
    assert house.registrar.visited == [FIRST, SECOND, THIRD]
    assert house.states[-1] == "failing"
    house.pass_time(14.0)
    assert house.registrar.visited == []
    house.pass_time(17.0)
    assert house.registrar.visited == [FIRST, SECOND, THIRD]


def test_of_registrars_in_turn_one_that_is_silent_is_left_for_the_next_over_a_kill() -> None:
    house = House(TURNS)
    house.registrar.refuses = {FIRST: 0}
    house.begin()
    assert house.registrar.visited == [FIRST, SECOND]
    house.restart()
    house.pass_time(3600.0)
    assert set(house.registrar.visited) == {SECOND}
