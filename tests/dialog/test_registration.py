"""Registrations in virtual time: what is asked of the registrar, when, and what is told of it."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialog.account_events import ListAccounts, RegisterAccount, UnregisterAccount
from actors.dialog.accounts import Account, Secret
from actors.dialog.effects import KeepFlow, LetFlowGo, PutBehind
from actors.dialog.events import CommandDone, CommandFailed, ListState
from actors.dialog.registration import MAX_ROUTES, Registration, State
from actors.sip import Request
from actors.sip.credentials import Challenge
from actors.sip.vocabulary import Candidate, Target
from tests.dialog.phone import WALL
from tests.dialog.registrar import ALICE, HOP, SPARE, Line, contacts

HOUR = 3600.0
change = msgspec.structs.replace


def registration(line: Line) -> Registration:
    (found,) = line.agent.registrations.of(ALICE)
    return found


def listed(line: Line) -> list[object]:
    done = line.order(ListAccounts("list"))
    assert isinstance(done, CommandDone)
    return list(done.accounts)


def test_who_joins_late_is_told_of_accounts_and_calls_in_one_answer() -> None:
    line = Line()
    line.begin()
    done = line.order(ListState("state"))
    assert isinstance(done, CommandDone)
    assert (done.ref, done.calls, list(done.accounts)) == ("state", (), listed(line))
    assert done.accounts


def test_an_account_registers_by_itself_and_says_until_when() -> None:
    line = Line()
    line.begin()
    (request,) = line.registrar.requests
    assert request.uri == "sip:example.com"
    assert (request.get("To"), request.from_.uri.user) == ("<sip:alice@example.com>", "alice")
    assert contacts(request) == [("sip:alice@192.0.2.1:5060", 3600)]
    (told,) = [each for each in line.changes if each.state == "registered"]
    assert told.until == pytest.approx(WALL + line.now + 3600)
    assert told.contact == "sip:alice@192.0.2.1:5060"


def test_eight_hours_keep_it_bound_at_every_moment_with_jittered_refreshes() -> None:
    line = Line()
    line.begin()
    for _ in range(8 * 60):
        line.pass_time(60.0)
        assert line.registrar.bindings["sip:alice@192.0.2.1:5060"] > line.now
        assert registration(line).standing(line.now) == "registered"
    gaps = [later - earlier for earlier, later in itertools.pairwise(line.registrar.times)]
    assert all(0.5 * 3600 <= gap <= 0.9 * 3600 + 1 for gap in gaps)
    assert len({round(gap) for gap in gaps}) > len(gaps) / 2
    numbers = [request.cseq.number for request in line.registrar.requests]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len({request.call_id for request in line.registrar.requests}) == 1
    assert set(line.states) == {"registering", "registered"} - (
        {"registering"} if line.states[0] != "registering" else set()
    )


def test_credentials_are_kept_for_the_next_refresh_and_a_stale_nonce_costs_one_more_request() -> None:
    line = Line()
    line.registrar.nonce = "n1"
    line.begin()
    assert [request.get("Authorization") is not None for request in line.registrar.requests] == [False, True]
    line.pass_time(HOUR)
    assert all('nonce="n1"' in (each.get("Authorization") or "") for each in line.registrar.requests[1:])
    assert "nc=00000002" in (line.registrar.requests[2].get("Authorization") or "")
    before = len(line.registrar.requests)
    line.registrar.nonce = "n2"
    line.order(RegisterAccount("r", ALICE.aor))
    assert len(line.registrar.requests) == before + 2
    assert registration(line).standing(line.now) == "registered"


def test_sha_256_is_answered_too() -> None:
    line = Line()
    line.registrar.nonce, line.registrar.algorithm = "n1", "SHA-256"
    line.begin()
    assert registration(line).standing(line.now) == "registered"


def test_a_wrong_password_is_tried_once_and_told() -> None:
    line = Line(change(ALICE, secret=Secret("guess")))
    line.registrar.nonce = "n1"
    line.registrar.says_stale = False
    line.begin()
    assert line.states[-1] == "failing"
    assert line.changes[-1].status == 401
    assert len(line.registrar.requests) == 2


@pytest.mark.parametrize(("stale", "requests"), [(True, 6), (False, 2)])
def test_fault_39_a_registrar_that_asks_for_ever_is_answered_five_times_and_only_what_is_stale(
    stale: bool, requests: int
) -> None:
    """Each with the next CSeq number and all else as it was."""
    line = Line(ALICE)
    line.registrar.nonce = "n"
    nonces = iter(range(100))

    def answer(_: Request) -> tuple[int, list[tuple[str, str]]]:
        challenge = Challenge("example.com", f"n{next(nonces)}", "MD5", ("auth",), stale=stale)
        return 401, [("WWW-Authenticate", str(challenge))]

    line.registrar.answer = answer  # type: ignore[method-assign, assignment]
    line.begin()
    assert line.states[-1] == "failing"
    sent = line.registrar.requests
    assert len(sent) == requests
    assert [request.cseq.number - sent[0].cseq.number for request in sent] == list(range(requests))
    assert len({(request.get("Call-ID"), request.get("From")) for request in sent}) == 1


def test_423_is_asked_again_at_once_with_what_the_registrar_wants() -> None:
    line = Line(change(ALICE, expires=60))
    line.registrar.shortest = 600
    line.begin()
    assert [request.expires for request in line.registrar.requests] == [60, 600]
    assert registration(line).standing(line.now) == "registered"
    line.pass_time(HOUR)
    assert all(request.expires == 600 for request in line.registrar.requests[1:])


@pytest.mark.parametrize("shortest", ["0", "60", "4294967295", "x"])
def test_fault_44_a_423_that_makes_no_sense_is_a_failure(shortest: str) -> None:
    line = Line()
    line.registrar.statuses = [423] * 50
    line.registrar.headers = [("Min-Expires", shortest)]
    line.begin()
    assert len(line.registrar.requests) == 1
    assert line.states[-1] == "failing"


def test_retry_after_is_kept_and_bounded() -> None:
    for said, wait in (("900", 900.0), ("4294967295", 3600.0)):
        line = Line()
        line.registrar.statuses, line.registrar.headers = [503], [("Retry-After", said)]
        line.begin()
        line.registrar.headers = []
        line.pass_time(wait - 1)
        assert len(line.registrar.requests) == 1
        line.pass_time(2)
        assert len(line.registrar.requests) == 2
        assert line.states[-1] == "registered"


def test_a_registrar_that_goes_away_for_an_hour_and_comes_back() -> None:
    line = Line(change(ALICE, expires=600))
    line.registrar.grants = 600
    line.begin()
    bound_until = registration(line).until
    line.registrar.up = False
    gone = line.now
    line.pass_time(HOUR)
    tries = [at for at in line.registrar.times if at > gone]
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(gap >= 15 for gap in gaps)
    assert max(gaps) <= 1800
    assert gaps[-1] > gaps[0]
    failing = [each for each in line.changes if each.state == "failing"]
    assert failing[0].since == pytest.approx(WALL + tries[0], abs=1)
    assert failing[0].until == pytest.approx(WALL + bound_until, abs=1), "the binding outlives the first failure"
    assert failing[-1].until == 0.0, "and then it is gone, which is told"
    assert all(each.status == 408 for each in failing)
    line.registrar.up = True
    line.pass_time(1800.0)
    assert line.states[-1] == "registered"
    assert line.changes[-1].since == 0.0


def test_the_next_registrar_is_taken_where_one_does_not_answer() -> None:
    line = Line()
    line.registrar.hops = (HOP, SPARE)
    line.registrar.statuses = [0]
    line.begin()
    assert len(line.registrar.requests) == 2
    assert registration(line).standing(line.now) == "registered"
    assert [e.target for e in line.done if isinstance(e, PutBehind)] == [HOP.target]
    first, second = line.registrar.requests
    assert first.head.branch != second.head.branch
    assert first.cseq == second.cseq


def test_no_next_hop_at_all_is_a_failure() -> None:
    line = Line()
    line.registrar.hops = ()
    line.begin()
    assert (line.states[-1], line.changes[-1].status) == ("failing", 0)


# Where we are reached


def test_behind_a_nat_the_contact_is_where_the_registrar_sees_us() -> None:
    line = Line()
    line.registrar.sees = "198.51.100.7:40001"
    line.begin()
    assert [contacts(each) for each in line.registrar.requests] == [
        [("sip:alice@192.0.2.1:5060", 3600)],
        [("sip:alice@198.51.100.7:40001", 3600), ("sip:alice@192.0.2.1:5060", 0)],
    ]
    assert list(line.registrar.bindings) == ["sip:alice@198.51.100.7:40001"]
    assert line.changes[-1].contact == "sip:alice@198.51.100.7:40001"


def test_a_challenge_tells_it_already_so_that_nothing_wrong_is_ever_bound() -> None:
    line = Line()
    line.registrar.nonce = "n1"
    line.registrar.sees = "198.51.100.7:40001"
    line.begin()
    assert len(line.registrar.requests) == 2
    assert contacts(line.registrar.requests[1]) == [("sip:alice@198.51.100.7:40001", 3600)]


def test_a_nat_that_changes_the_mapped_port_has_the_old_binding_removed_by_the_same_register() -> None:
    line = Line(change(ALICE, expires=600))
    line.registrar.sees = "198.51.100.7:40001"
    line.begin()
    line.registrar.sees = "198.51.100.7:40777"
    before = len(line.registrar.requests)
    line.pass_time(600.0)
    moved = [contacts(each) for each in line.registrar.requests[before:]]
    assert moved[0] == [("sip:alice@198.51.100.7:40001", 600)]
    assert moved[1] == [("sip:alice@198.51.100.7:40777", 600), ("sip:alice@198.51.100.7:40001", 0)]
    assert list(line.registrar.bindings) == ["sip:alice@198.51.100.7:40777"]


def test_a_nat_that_gives_each_request_another_port_is_followed_once_a_round_only() -> None:
    line = Line()
    ports = itertools.count(40001)
    answer = line.registrar.answer

    def elsewhere(request: object) -> object:
        line.registrar.sees = f"198.51.100.7:{next(ports)}"
        return answer(request)  # type: ignore[arg-type]

    line.registrar.answer = elsewhere  # type: ignore[assignment, method-assign]
    line.begin()
    assert len(line.registrar.requests) == 2
    line.pass_time(HOUR)
    assert len(line.registrar.requests) <= 2 + 2 * 2


def test_the_expiry_read_is_that_of_our_own_contact() -> None:
    line = Line()
    line.registrar.others = ("<sip:alice@203.0.113.9>;expires=7", "<sip:desk@192.0.2.1:5060>;expires=90000")
    line.registrar.grants = 1200
    line.begin()
    assert registration(line).until == pytest.approx(line.now + 1200)
    assert len(registration(line).bindings) == 3


def test_a_public_address_of_the_configuration_stands_in_the_contact_whatever_is_seen() -> None:
    line = Line(change(ALICE, contact="pbx.example.org:5080"))
    line.registrar.sees = "198.51.100.7:40001"
    line.begin()
    assert [contacts(each) for each in line.registrar.requests] == [[("sip:alice@pbx.example.org:5080", 3600)]]


def test_q_instance_and_outbound_proxy_are_sent() -> None:
    urn = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
    line = Line(
        change(ALICE, q="0.5", instance=urn, outbound_proxy="sip:proxy.example.com;lr", display_name="Alice L.")
    )
    line.begin()
    (request,) = line.registrar.requests
    assert request.get("Contact") == f'<sip:alice@192.0.2.1:5060>;expires=3600;q=0.5;+sip.instance="<{urn}>"'
    assert request.get("Route") == "<sip:proxy.example.com;lr>"
    assert (request.get("From") or "").startswith('"Alice L." <sip:alice@example.com>;tag=r')


# What a registrar may do to us


@pytest.mark.parametrize(
    ("grants", "state"), [(0, "failing"), (1, "registered"), (2**32 - 1, "registered"), (2**32, "registered")]
)
def test_fault_44_absurd_expiries_have_a_floor_and_a_ceiling(grants: int, state: str) -> None:
    line = Line()
    line.registrar.answer = lambda _: (200, [("Contact", f"<sip:alice@192.0.2.1:5060>;expires={grants}")])  # type: ignore[method-assign, assignment]
    line.begin()
    assert line.states[-1] == state
    line.pass_time(HOUR)
    assert len(line.registrar.requests) <= HOUR / 5 + 1
    assert registration(line).until <= line.now + 86_400


def test_fault_44_service_routes_are_kept_and_too_many_are_not_believed() -> None:
    line = Line()
    line.registrar.headers = [("Service-Route", "<sip:edge.example.com;lr>"), ("Path", "<sip:p.example.com;lr>")]
    line.begin()
    assert registration(line).service_route == ("sip:edge.example.com;lr",)
    assert registration(line).path == ("sip:p.example.com;lr",)
    line.registrar.headers = [("Service-Route", f"<sip:h{n}.example.com;lr>") for n in range(MAX_ROUTES + 1)]
    line.order(RegisterAccount("r", ALICE.aor))
    assert registration(line).service_route == ()


def test_a_binding_that_lapses_before_the_floor_is_not_called_registered() -> None:
    line = Line()
    line.registrar.grants = 1
    line.begin()
    line.pass_time(2.0)
    assert registration(line).standing(line.now) == "registering"
    assert line.states[-1] == "registering"


# Commands


def test_unregister_removes_our_own_binding_and_register_brings_it_back() -> None:
    line = Line()
    line.begin()
    line.registrar.bindings["sip:alice@203.0.113.9"] = line.now + 9999
    assert isinstance(line.order(UnregisterAccount("u", ALICE.aor)), CommandDone)
    assert list(line.registrar.bindings) == ["sip:alice@203.0.113.9"]
    assert line.states[-2:] == ["unregistering", "unregistered"]
    line.pass_time(HOUR)
    assert line.states[-1] == "unregistered"
    line.restart()
    assert line.states[-1] == "unregistered", "a kill does not undo a command"
    line.order(RegisterAccount("r", ALICE.aor))
    assert line.states[-1] == "registered"


def test_unregister_all_removes_every_binding() -> None:
    line = Line()
    line.begin()
    line.registrar.bindings["sip:alice@203.0.113.9"] = line.now + 9999
    line.order(UnregisterAccount("u", ALICE.aor, everything=True))
    assert contacts(line.registrar.requests[-1]) == [("*", None)]
    assert line.registrar.requests[-1].expires == 0
    assert line.registrar.bindings == {}


def test_an_unregister_while_a_register_is_on_its_way_follows_it() -> None:
    line = Line()
    line._did(line.agent.begin(*line.clock))
    key = next(iter(line.cells.deadlines))
    line._did(line.agent.expire(key, *line.clock))
    line.command(UnregisterAccount("u", ALICE.aor))
    line.pass_time(0.0)
    assert [contacts(each)[0][1] for each in line.registrar.requests] == [3600, 0]
    assert line.states[-1] == "unregistered"


def test_a_removal_that_fails_says_until_when_the_registrar_may_still_send_calls() -> None:
    line = Line()
    line.begin()
    line.registrar.up = False
    line.order(UnregisterAccount("u", ALICE.aor))
    assert line.states[-1] == "unregistered"
    assert line.changes[-1].status == 408
    assert line.changes[-1].until > WALL + line.now


def test_an_account_nobody_configured_is_refused() -> None:
    line = Line()
    for command in (RegisterAccount("r", "sip:x@y"), UnregisterAccount("r", "sip:x@y")):
        outcome = line.order(command)
        assert isinstance(outcome, CommandFailed)
        assert outcome.code == "no_such_account"


def test_accounts_are_listed_with_what_is_true_of_them() -> None:
    trunk = Account(aor="sip:trunk@carrier.example", register=False)
    line = Line(ALICE, trunk)
    line.begin()
    found = listed(line)
    assert [(each.account, each.state) for each in found] == [  # type: ignore[attr-defined]
        (ALICE.aor, "registered"),
        (trunk.aor, "static"),
    ]


def test_the_service_leaves_no_binding_behind_and_its_next_start_registers_again() -> None:
    line = Line()
    line.begin()
    line._did(line.agent.leave(*line.clock))
    idle = [line.agent.idle]
    line.pass_time(0.0)
    assert [*idle, line.agent.idle] == [False, True]
    assert line.registrar.bindings == {}
    assert not line.cells
    line.restart()
    assert line.registrar.bindings


# Many, and restarts


def many(count: int) -> tuple[Account, ...]:
    return tuple(change(ALICE, aor=f"sip:user{n}@example.com") for n in range(count))


def most_a_second(times: list[float]) -> int:
    return max(sum(1 for other in times if at <= other < at + 1.0) for at in times)


def test_three_hundred_accounts_begin_at_fifty_a_second() -> None:
    line = Line(*many(300))
    line.begin()
    line.pass_time(10.0)
    assert len(line.registrar.bindings) == 300
    assert most_a_second(line.registrar.times) <= 51


def test_five_thousand_accounts_register_in_a_hundred_seconds_and_stay_registered() -> None:
    line = Line(*many(5000))
    line.begin()
    line.pass_time(101.0)
    assert len(line.registrar.bindings) == 5000
    assert len(line.registrar.times) == 5000
    assert most_a_second(line.registrar.times[::100]) <= 1
    line.registrar.requests.clear()
    line.restart()
    line.pass_time(600.0)
    assert line.registrar.requests == [], "none is due before half of its time"


def test_after_a_restart_nothing_registers_that_is_not_due_and_what_is_overdue_goes_at_fifty_a_second() -> None:
    line = Line(*many(200))
    line.begin()
    line.pass_time(10.0)
    line.registrar.times.clear()
    line.restart()
    line.pass_time(60.0)
    assert line.registrar.times == []
    line.now += 2 * HOUR  # it was away
    line.restart()
    line.pass_time(10.0)
    assert len(line.registrar.times) == 200
    assert most_a_second(line.registrar.times) <= 51


def test_a_request_in_flight_at_a_kill_is_answered_to_the_successor() -> None:
    line = Line()
    line._did(line.agent.begin(*line.clock))
    key = next(iter(line.cells.deadlines))
    line._did(line.agent.expire(key, *line.clock))
    line.start()
    line.pass_time(0.0)
    assert line.states[-1] == "registered"


def test_a_shard_registers_only_the_accounts_that_hash_to_it() -> None:
    line = Line(*many(20))
    line.agent._names._ours = lambda key: key.endswith("7@example.com")
    line.begin()
    line.pass_time(5.0)
    assert sorted(each.to.uri.user or "" for each in line.registrar.requests) == ["user17", "user7"]


def test_an_account_that_is_no_longer_configured_is_forgotten() -> None:
    line = Line()
    line.begin()
    line.settings = change(line.settings, accounts=())
    line.restart()
    line.pass_time(2 * HOUR)
    assert not line.cells
    assert len(line.registrar.requests) == 1


def test_transactions_that_are_lost_count_as_unanswered() -> None:
    line = Line()
    line._did(line.agent.begin(*line.clock))
    key = next(iter(line.cells.deadlines))
    line._did(line.agent.expire(key, *line.clock))
    line.effects.clear()
    line._did(line.agent.transactions_lost(*line.clock))
    line.pass_time(0.0)
    assert line.states[-1] == "failing"
    line.pass_time(31.0)
    assert line.states[-1] == "registered"


STEPS = st.lists(
    st.one_of(
        st.sampled_from([0, 200, 302, 401, 403, 404, 407, 423, 486, 500, 503, 603]),
        st.sampled_from(["register", "unregister", "all", "lost", "kill", "wait", "down", "up"]),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(STEPS)
def test_whatever_happens_it_is_registered_or_tried_again_or_not_wanted(steps: list[int | str]) -> None:
    line = Line(change(ALICE, expires=600))
    line.begin()
    for step in steps:
        match step:
            case int():
                line.registrar.statuses.append(step)
            case "register":
                line.order(RegisterAccount("r", ALICE.aor))
            case "unregister" | "all":
                line.order(UnregisterAccount("u", ALICE.aor, everything=step == "all"))
            case "lost":
                line._did(line.agent.transactions_lost(*line.clock))
                line.pass_time(0.0)
            case "kill":
                line.restart()
            case "wait":
                line.pass_time(400.0)
            case _:
                line.registrar.up = step == "up"
    line.registrar.up = True
    line.registrar.statuses.clear()
    now = registration(line)
    if now.state is State.IDLE:
        assert now.deadlines == ()
        return
    assert now.deadlines
    line.pass_time(2 * HOUR)
    assert registration(line).standing(line.now) == "registered"
    assert line.registrar.bindings["sip:alice@192.0.2.1:5060"] > line.now


# The way that calls come by

TCP = Candidate(Target("tcp", "192.0.2.50", 5060), "192.0.2.1:5060")


def _kept(line: Line) -> list[KeepFlow]:
    return [effect for effect in line.done if isinstance(effect, KeepFlow)]


def _registered_by_tcp(**headers: str) -> Line:
    line = Line()
    line.registrar.hops = (TCP,)
    line.registrar.headers = [(name.replace("_", "-"), value) for name, value in headers.items()]
    line.begin()
    return line


def test_the_connection_to_the_registrar_is_kept_alive_as_often_as_it_says() -> None:
    (kept,) = _kept(_registered_by_tcp(Flow_Timer="120"))
    assert (kept.target, kept.interval) == (TCP.target, 120.0)
    for nonsense in ("", "x", "-1", "9" * 7):
        assert _kept(_registered_by_tcp(Flow_Timer=nonsense))[0].interval == 0.0


@pytest.mark.parametrize(("keep", "interval"), [("", 0.0), ("=30", 30.0), ("=0", 0.0), ("=x", 0.0)])
def test_a_next_hop_may_say_how_often_in_our_via(keep: str, interval: float) -> None:
    line = Line()
    line.registrar.hops, line.registrar.keep = (TCP,), keep
    line.begin()
    via = line.registrar.requests[0].via
    assert via is not None
    assert "keep" in via.params
    assert [kept.interval for kept in _kept(line)] == [interval]


def test_over_udp_only_a_hole_in_a_nat_is_kept_open() -> None:
    line = Line()
    line.begin()
    assert not _kept(line)
    line = Line()
    line.registrar.sees = "198.51.100.7:40001"
    line.begin()
    assert [kept.target for kept in _kept(line)] == [HOP.target]


def test_a_dead_flow_is_replaced_by_a_register_on_another() -> None:
    line = _registered_by_tcp()
    before = len(line.registrar.requests)
    owner = _kept(line)[0].owner
    line._did(line.agent.flow_dead(owner, "", *line.clock))  # it never kept the connection
    line.pass_time(60.0)
    assert len(line.registrar.requests) == before
    line._did(line.agent.flow_dead(owner, "tcp:1.1", *line.clock))
    line.pass_time(5.0)
    assert len(line.registrar.requests) == before + 1
    assert len(_kept(line)) == 2
    line._did(line.agent.flow_dead("rnobody", "tcp:1.1", *line.clock))


def test_once_nothing_is_bound_the_flow_is_let_go() -> None:
    line = _registered_by_tcp()
    line.order(UnregisterAccount("1", ALICE.aor))
    (gone,) = [effect for effect in line.done if isinstance(effect, LetFlowGo)]
    assert (gone.target, gone.owner) == (TCP.target, _kept(line)[0].owner)
