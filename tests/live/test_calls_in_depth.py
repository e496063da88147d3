"""SIPp proves, one scenario of tests/live/sipp a feature: what a call does between its answer and its end, and before.

Callers: hold and resume, UPDATE, session timers, 422, late offers, CANCEL, INFO, 100rel, a strict router, REFER, 491,
Replaces, bodies and extensions. Callees: hold, 3xx, forks, reliable answers, 422, a timer that we refresh, REFER with
NOTIFY, late offers, bad answers, a 2xx that crosses our CANCEL, INFO and requests of any method both ways.
`tests/dialog` shows the same in virtual time, where it takes an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, EventStream
from tests.live import sipp
from tests.live.service import Service, running

pytestmark = pytest.mark.live
ONCE = ("-m", "1", "-timeout", "60s", "-key", "rtp_port", "9")


def scenario(name: str) -> str:
    """A scenario of tests/live/sipp, as `sipp` names one."""
    return f"../sipp/{name}"


@pytest.fixture(scope="module")
def echo() -> Iterator[Service]:
    """A service that answers at once, and follows REFERs to this machine."""
    config = (
        '[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\nreplaces = true\nmethods = ["BAR"]\n[sip]\nt1 = 0.2\n'
    )
    with running("--answer", "echo", config=config) as service:
        yield service


@pytest.mark.parametrize(
    "name",
    [
        "caller_hold",
        "caller_update",
        "caller_timer",
        "caller_422",
        "caller_late_offer",
        "caller_late_offer_reliable",
        "caller_bad_late_answer",
        "caller_info",
        "caller_reliable",
        "caller_refer",
        "caller_replaces",
        "caller_forbidden",
    ],
)
def test_a_caller_finds_what_the_rules_say(tmp_path: Path, echo: Service, name: str) -> None:
    report = sipp.call(tmp_path, echo.addresses["udp"], *ONCE, scenario=scenario(name))
    assert (report.successful, report.failed) == (1, 0), report.errors


def test_a_refer_is_declined_where_nobody_allowed_it_and_a_cancel_is_answered(tmp_path: Path) -> None:
    with running("--answer", "echo") as service:
        report = sipp.call(tmp_path / "r", service.addresses["udp"], *ONCE, scenario=scenario("caller_refer_refused"))
        assert (report.successful, report.failed) == (1, 0), report.errors
    with running("--answer", "ring") as service:
        report = sipp.call(tmp_path / "c", service.addresses["udp"], *ONCE, scenario=scenario("caller_cancel"))
        assert (report.successful, report.failed) == (1, 0), report.errors


def next_event(events: EventStream, name: str, call: str = "") -> Any:
    """The next event of a type, of one call where it is named."""
    while True:
        event = events.receive(20.0)
        assert event is not None, f"no {name}"
        if type(event).__name__ == name and call in ("", getattr(event, "call", "")):
            return event


def test_a_bye_of_ours_takes_the_strict_router_first(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("caller_strict_router"), target=echo.addresses["udp"]):
            call = next_event(events, "CallReceived").call
            client.hangup(call)
        assert next_event(events, "CallEnded", call).by == "local"  # and SIPp had its BYE by way of the router


def test_a_hold_of_ours_that_meets_491_is_made_again(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("caller_glare"), target=echo.addresses["udp"]):
            call = next_event(events, "CallReceived").call
            next_event(events, "CallAnswered", call)
            client.hold(call)
            held = next_event(events, "CallHoldChanged", call)
            assert (held.local, held.remote) == (True, False)
            client.hangup(call)
        next_event(events, "CallEnded", call)


@pytest.mark.parametrize(
    ("name", "outcome", "status", "order"),
    [
        ("callee_forks", "answered", 200, {}),
        ("callee_reliable", "answered", 200, {}),
        ("callee_422", "answered", 200, {"session_expires": 100}),
        ("callee_late_offer", "answered", 200, {"late_offer": True}),
        ("callee_bad_answer", "failed", 488, {}),
    ],
)
def test_a_callee_finds_what_the_rules_say(
    tmp_path: Path, echo: Service, name: str, outcome: str, status: int, order: dict[str, Any]
) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario(name)) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}", duration=3.0, **order)
        ended = next_event(events, "CallEnded", call)
        assert (ended.outcome, ended.status) == (outcome, status)


def test_a_callee_is_held_and_resumed_and_may_refuse_to_be(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path / "held", scenario("callee_hold")) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}")
            next_event(events, "CallAnswered", call)
            client.hold(call)
            assert next_event(events, "CallHoldChanged", call).local
            assert [info.held for info in client.calls() if info.call == call] == ["us"]
            client.resume(call)
            assert not next_event(events, "CallHoldChanged", call).local
            client.hangup(call)
        next_event(events, "CallEnded", call)
        with sipp.playing(tmp_path / "refused", scenario("callee_refuses_hold")) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}")
            next_event(events, "CallAnswered", call)
            client.hold(call)
            assert next_event(events, "CallNoticed", call).text.startswith("488")
            client.hangup(call)
        next_event(events, "CallEnded", call)


@pytest.mark.parametrize("follow", [True, False])
def test_a_3xx_is_followed_or_handed_over(tmp_path: Path, echo: Service, follow: bool) -> None:
    with (
        Client(echo.run_dir) as client,
        client.events() as events,
        sipp.answering(tmp_path / "there") as (_, there),
        sipp.playing(tmp_path / "here", scenario("callee_302"), "-key", "rtp_port", str(there)) as (host, here),
    ):
        call = client.place(f"sip:tester@{host}:{here}", duration=0.3, follow=follow)
        ended = next_event(events, "CallEnded", call)
        assert ended.outcome == ("answered" if follow else "rejected")
        assert ended.contacts == (() if follow else (f"sip:tester@127.0.0.1:{there}",))


def test_a_transfer_tells_how_it_goes_and_ends_the_call(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("callee_transferred")) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}")
            next_event(events, "CallAnswered", call)
            client.transfer(call, "sip:carol@192.0.2.7")
            told = [next_event(events, "CallTransferProgressed", call).status]
            while told[-1] < 200:
                told.append(next_event(events, "CallTransferProgressed", call).status)
            assert told[-1] == 200
        assert next_event(events, "CallEnded", call).by == "local"


def test_a_2xx_that_crosses_our_cancel_is_acknowledged_and_hung_up(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("callee_cancel_crosses")) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}")
            next_event(events, "CallProgressed", call)
            client.hangup(call)
        assert next_event(events, "CallEnded", call).outcome == "cancelled"


def test_keys_by_info_and_requests_of_any_method_go_both_ways(tmp_path: Path, echo: Service) -> None:
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("callee_info")) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}")
            next_event(events, "CallAnswered", call)
            client.dtmf(call, "5,#", by="relay")
            client.dtmf(call, "7", by="dtmf")
            why, kind = (("X-Why", "so"),), "application/json"
            request = client.request(call, "FOO", '{"question": 1}', headers=why, content_type=kind)
            answered = next_event(events, "RequestAnswered", call)
            assert (answered.request, answered.status, answered.reason) == (request, 299, "So be it")
            assert ("X-Then", "that") in answered.headers
            asked = next_event(events, "CallRequestReceived", call)
            assert (asked.method, asked.body) == ("BAR", "and you?\r\n")
            client.respond(call, asked.request, 298, "Well", body="as ever")
            client.hangup(call)
        next_event(events, "CallEnded", call)


def test_a_session_that_is_ours_to_refresh_is_refreshed_at_half_its_time(tmp_path: Path, echo: Service) -> None:
    """45 seconds: no session is shorter than 90 (RFC 4028 s5)."""
    with Client(echo.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("callee_refreshed"), patience=100) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}", session_expires=90, duration=46.0)
        assert next_event(events, "CallEnded", call).outcome == "answered"
