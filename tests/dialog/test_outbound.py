"""Flows of an account (RFC 5626): reg-ids, what the registrar says of them, their keep-alives and their failures."""

from __future__ import annotations

import msgspec
import pytest

from actors.dialog.account_events import RegisterAccount, UnregisterAccount
from actors.dialog.effects import Find, KeepFlow
from actors.dialog.events import CommandDone
from actors.dialog.request_events import SendRequest
from actors.dialog.subscription_events import Watch
from actors.sip import Request
from tests.dialog.phone import NEAR, Phone
from tests.dialog.registrar import ALICE, Line, Registrar, contacts

change = msgspec.structs.replace
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
EDGES = ("sip:ep1.example.com;lr", "sip:ep2.example.com;lr")
FLOW = change(ALICE, instance=INSTANCE, outbound=True)
FLOWS = change(FLOW, outbound_proxy=EDGES[0], registrars=(EDGES[1],))


class Knowing(Registrar):
    """A registrar that knows flows: a binding is an instance and a reg-id (s6).

    Attributes:
        lacks: edge proxies, by their Route, that do not.
        down: edge proxies that refuse.
    """

    def __init__(self, phone: Line) -> None:
        super().__init__(phone)
        self.lacks: set[str] = set()
        self.down: set[str] = set()
        self.flows: dict[str, str] = {}

    def answer(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        """As s6 says."""
        route = (request.get("Route") or "").strip("<>")
        if route in self.down:
            return 503, []
        contact = request.contacts[0]
        flow = None if contact.is_star else contact.param("reg-id")
        if flow is None or "outbound" not in request.supported:
            return super().answer(request)
        if route in self.lacks:
            return 439, []
        assert len(request.contacts) == 1, "the binding is known by its flow"
        assert contact.param("+sip.instance") == f"<{INSTANCE}>"
        if contact.expires:
            self.flows[flow] = str(contact.uri)
        else:
            del self.flows[flow]
        listed = [
            f'<{uri}>;reg-id={each};+sip.instance="<{INSTANCE}>";expires={600 * int(each)}'
            for each, uri in self.flows.items()
        ]
        return 200, [("Require", "outbound"), ("Flow-Timer", "120"), *[("Contact", each) for each in listed]]


class Flows(Line):
    """A line with such a registrar."""

    registrar: Knowing

    def __init__(self, account: object = FLOWS) -> None:
        super().__init__(account)  # type: ignore[arg-type]
        self.registrar = Knowing(self)

    @property
    def kept(self) -> list[KeepFlow]:
        return [each for each in self.done if isinstance(each, KeepFlow)]


def test_each_edge_proxy_is_a_flow_with_a_reg_id_of_its_own_to_the_same_registrar() -> None:
    line = Flows()
    line.begin()
    line.pass_time(0.5)
    first, second = line.registrar.requests
    assert {request.uri for request in (first, second)} == {"sip:example.com"}
    assert sorted(request.get("Route") or "" for request in (first, second)) == [f"<{edge}>" for edge in EDGES]
    assert first.get("Call-ID") != second.get("Call-ID")
    assert all(request.supported == ("path", "outbound") for request in (first, second))
    assert sorted(line.registrar.flows) == ["1", "2"]
    ends = {each.registrar: each.until - each.time for each in line.changes if each.state == "registered"}
    assert ends == {"": 600, EDGES[1]: 1200}, "both have one Contact URI; each reads the expiry of its own flow"
    line.restart()
    assert len(line.registrar.requests) == 2
    line.order(UnregisterAccount("u", ALICE.aor))
    assert line.registrar.flows == {}
    line.order(RegisterAccount("r", ALICE.aor))
    assert sorted(line.registrar.flows) == ["1", "2"], "the same after every start"
    line.order(UnregisterAccount("u", ALICE.aor, everything=True))
    assert line.registrar.requests[-1].get_all("Contact") == ["*"]


def test_a_flow_over_udp_is_kept_alive_by_stun_and_one_that_dies_is_registered_again() -> None:
    line = Flows(FLOW)
    line.begin()
    (kept,) = line.kept
    assert (kept.interval, kept.agreed) == (120.0, True)
    line._did(line.agent.flow_dead(kept.owner, "", *line.clock))
    line.pass_time(6.0)
    assert len(line.registrar.requests) == 2
    assert line.registrar.requests[1].contacts[0].param("reg-id") == "1"


def test_a_moved_contact_replaces_the_binding_of_its_flow() -> None:
    line = Flows(FLOW)
    line.registrar.sees = "198.51.100.1:4000"
    line.begin()
    assert line.registrar.flows == {"1": "sip:alice@198.51.100.1:4000"}
    line.registrar.sees = "198.51.100.1:4001"
    line.pass_time(600.0)
    assert line.registrar.flows == {"1": "sip:alice@198.51.100.1:4001"}


def test_a_first_hop_that_cannot_do_it_is_registered_at_without_it_at_once() -> None:
    line = Flows(change(FLOW, outbound_proxy=EDGES[0]))
    line.registrar.lacks.add(EDGES[0])
    line.begin()
    asked, again = line.registrar.requests
    assert "reg-id" in asked.contacts[0].params
    assert "reg-id" not in again.contacts[0].params
    assert again.supported == ("path",)
    assert (again.get("Call-ID"), again.cseq.number) == (asked.get("Call-ID"), asked.cseq.number + 1)
    assert line.states[-1] == "registered"
    assert line.kept == [], "nobody said that it answers STUN"
    line.pass_time(3600.0)
    assert "reg-id" not in line.registrar.requests[-1].contacts[0].params
    line.order(UnregisterAccount("u", ALICE.aor))
    line.registrar.lacks.clear()
    line.order(RegisterAccount("r", ALICE.aor))
    assert line.registrar.flows


def test_a_registrar_that_says_nothing_of_flows_has_bindings_as_ever() -> None:
    line = Line(FLOW)
    line.begin()
    assert line.states[-1] == "registered"
    assert [each for each in line.done if isinstance(each, KeepFlow)] == []
    line.registrar.sees = "198.51.100.1:4000"
    line.order(RegisterAccount("r", ALICE.aor))
    moved = line.registrar.requests[-1]
    assert contacts(moved) == [("sip:alice@198.51.100.1:4000", 3600), ("sip:alice@192.0.2.1:5060", 0)]
    assert "reg-id=1" in (moved.get_all("Contact")[0])


@pytest.mark.parametrize(("other", "soonest", "latest"), [(True, 90, 180), (False, 30, 60)])
def test_a_flow_that_fails_waits_longer_where_another_serves(other: bool, soonest: int, latest: int) -> None:
    line = Flows()
    line.registrar.down = {EDGES[1]} if other else set(EDGES)
    line.begin()
    line.pass_time(0.5)
    begun, seen = line.now, len(line.registrar.requests)
    while len(line.registrar.requests) == seen:
        line.pass_time(1.0)
    assert soonest <= line.now - begun <= latest + 1


def test_what_begins_a_dialog_asks_for_its_requests_by_the_flow() -> None:
    phone = Phone(accounts=(change(FLOW, register=False),))
    phone.place_call(account=ALICE.aor)
    assert phone.sent("INVITE")[0].get("Contact") == "<sip:alice@192.0.2.1:5060;ob>"
    phone.command(Watch("w", "one", "sip:bob@192.0.2.9", "presence", account=ALICE.aor))
    phone.located(phone.last(Find).ref, NEAR)
    assert phone.sent("SUBSCRIBE")[0].get("Contact") == "<sip:alice@192.0.2.1:5060;ob>"
    assert isinstance(phone.command(SendRequest("s", "m", "OPTIONS", "sip:bob@192.0.2.9"))[0].event, CommandDone)
    other = Phone()
    other.place_call()
    assert other.sent("INVITE")[0].get("Contact") == "<sip:sipactors@192.0.2.1:5060>"
