"""Signalling-only calls with peers of SIPp, and of our own with media, through examples/signalling_bridge.py.

SIPp describes media that no service here could do, and each side checks that the other's words come through: the first
offer and its early answer, re-INVITEs of both sides, UPDATE before the answer and after it, offers in PRACKs and in
reliable responses, re-INVITEs without one. Then with media: it flows between the peers, past the service in the middle,
which has no session and may lose its media process.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, CommandRefused, EventStream
from tests.chaos.killing import kill, wait_restarted
from tests.live import sipp
from tests.live.processes import family, followed
from tests.live.rtp import RtpPeer
from tests.live.service import ROOT, Service, running
from tests.live.test_calls_in_depth import next_event, scenario
from tests.live.test_examples import program

pytestmark = pytest.mark.live
BOX = '[answer]\nmode = "ring"\nmedia = "application"\n[calls]\nmethods = []\n'
APP = "v=0\no=app 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 99\na=x-said:app{}\n"


@pytest.fixture(scope="module")
def box() -> Iterator[Service]:
    """A service whose calls in are the application's."""
    with running(config=BOX) as service:
        yield service


@contextmanager
def bridged(service: Service, target: str) -> Iterator[tuple[Client, EventStream]]:
    """The bridge to `target` runs; a client beside it, and the events it sees."""
    words = (sys.executable, str(ROOT / "examples" / "signalling_bridge.py"), target, "--run-dir", str(service.run_dir))
    with program(*words) as bridge, Client(service.run_dir) as client, client.events() as events:
        assert bridge.stdout is not None
        assert bridge.stdout.readline() == "ready\n"
        yield client, events


def rtp_port(sdp: str) -> int:
    found = re.search(r"m=audio (\d+) ", sdp)
    assert found is not None
    return int(found[1])


def refused_audio(client: Client, call: str) -> str:
    with pytest.raises(CommandRefused) as caught:
        client.calls[call].audio()
    return caught.value.code


def both_end(events: EventStream) -> list[Any]:
    return [next_event(events, "CallEnded") for _ in range(2)]


def test_two_peers_describe_to_each_other_what_nobody_between_them_knows_and_send_it_directly(
    tmp_path: Path, box: Service
) -> None:
    with ExitStack() as held:
        callers, callees = (held.enter_context(RtpPeer(sound * 160, 99)) for sound in (b"a", b"b"))
        ports = [("-key", "rtp_port", str(peer.port)) for peer in (callers, callees)]
        at = held.enter_context(sipp.playing(tmp_path / "callee", scenario("callee_opaque"), *ports[1]))
        _, events = held.enter_context(bridged(box, f"sip:tester@{at[0]}:{at[1]}"))
        target = box.addresses["udp"]
        with sipp.playing(tmp_path / "caller", scenario("caller_opaque"), *ports[0], target=target):
            callees.target = ("127.0.0.1", rtp_port(next_event(events, "CallReceived").sdp))
            callers.target = ("127.0.0.1", rtp_port(next_event(events, "CallAnswered").sdp))
            for here, there in ((callers, callees), (callees, callers)):
                here.wait_for(5)
                assert {packet.source for packet in here.packets} == {("127.0.0.1", there.port)}
        for ended in both_end(events):
            assert (ended.outcome, ended.packets_sent, ended.packets_received) == ("answered", 0, 0)


def test_an_invite_without_an_offer_is_one_on_the_other_side_too(tmp_path: Path, box: Service) -> None:
    with (
        sipp.playing(tmp_path / "callee", scenario("callee_late_offer")) as (host, port),
        bridged(box, f"sip:tester@{host}:{port}") as (_, events),
    ):
        report = sipp.call(
            tmp_path / "caller",
            box.addresses["udp"],
            "-m",
            "1",
            "-timeout",
            "25s",
            scenario=scenario("caller_late_offer"),
        )
        assert (report.successful, report.failed) == (1, 0), report.errors
        assert {ended.outcome for ended in both_end(events)} == {"answered"}


@pytest.mark.parametrize("name", ["caller_hold", "caller_update"])
def test_a_caller_of_the_bridge_finds_the_echo_behind_it(tmp_path: Path, box: Service, name: str) -> None:
    with running("--answer", "echo") as echo:
        host, port = echo.addresses["udp"]
        with bridged(box, f"sip:echo@{host}:{port}") as (_, events):
            keys = ("-m", "1", "-timeout", "25s", "-key", "rtp_port", "9")
            report = sipp.call(tmp_path, box.addresses["udp"], *keys, scenario=scenario(name))
            assert (report.successful, report.failed) == (1, 0), report.errors
            assert {ended.outcome for ended in both_end(events)} == {"answered"}


def test_media_between_two_services_passes_the_bridge_by_and_outlives_its_media_process(box: Service) -> None:
    host, port = box.addresses["udp"]
    with (
        running("--answer", "echo") as echo,
        running("--answer", "none") as phone,
        Client(phone.run_dir) as caller,
        caller.events() as heard,
        bridged(box, "sip:echo@{}:{}".format(*echo.addresses["udp"])) as (middle, events),
    ):
        call = caller.place(f"sip:bridge@{host}:{port}", play="tone:440", loop=True)
        next_event(heard, "CallAnswered", call)
        before, _ = kill(middle, "media-0")
        wait_restarted(middle, "media-0", before)
        caller.hold(call)
        assert next_event(heard, "CallHoldChanged", call).local
        caller.resume(call)
        assert not next_event(heard, "CallHoldChanged", call).local
        with Client(box.run_dir, patience=3.0) as brief:
            codes = [refused_audio(brief, each) for each in (brief.calls()[0].call, "nobody")]
            assert codes == ["no_media", "no_such_call"]
        with caller.calls[call].audio(hear=True, speak=False) as audio:
            while not any(next(iter(audio)).data):
                pass
        caller.hangup(call)
        ended = next_event(heard, "CallEnded", call)
        assert ended.outcome == "answered"
        assert ended.packets_received > 0
        assert {each.packets_received for each in both_end(events)} == {0}


def test_a_callee_that_refuses_is_refused_to_the_caller(tmp_path: Path, box: Service) -> None:
    with running("--answer", "none") as nobody:
        host, port = nobody.addresses["udp"]
        with bridged(box, f"sip:nobody@{host}:{port}") as (_, events):
            report = sipp.call(tmp_path, box.addresses["udp"], "-m", "1", "-timeout", "10s")
            assert report.failed == 1
            assert {ended.status for ended in both_end(events)} == {480}


@pytest.mark.parametrize("actor", ["dialog-0", "transaction-0", "transport", "control"])
def test_an_offer_waits_for_the_application_whatever_is_killed_meanwhile(
    tmp_path: Path, box: Service, actor: str
) -> None:
    keys = ("-key", "rtp_port", "9")
    with (
        Client(box.run_dir, patience=30.0) as client,
        client.events() as events,
        sipp.playing(tmp_path, scenario("caller_offers"), *keys, target=box.addresses["udp"]),
    ):
        call = next_event(events, "CallReceived").call
        client.answer(call, sdp=APP.format(""))
        offered = next_event(events, "CallOffered", call)
        before, _ = kill(client, actor)
        wait_restarted(client, actor, before)
        client.answer_offer(call, offered.offer, APP.format("-again"))
        while [each.state for each in client.calls() if each.call == call] != ["confirmed"]:
            events.receive(0.1)
        client.hangup(call)
        assert next_event(events, "CallEnded", call).by == "local"


def test_a_call_lives_over_a_new_start_of_the_whole_service_and_its_session_may_change_then(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sa-") as made, ExitStack() as held:
        base, keys = Path(made), ("-key", "rtp_port", "9")
        first = held.enter_context(running(config=BOX, base=base))
        listen = tuple(f"{transport}:{host}:{port}" for transport, (host, port) in first.addresses.items())
        at = first.addresses["udp"]
        with sipp.playing(tmp_path, scenario("caller_offered"), *keys, target=at, patience=90):
            with Client(first.run_dir, patience=30.0) as client, client.events() as events:
                call = next_event(events, "CallReceived").call
                client.answer(call, sdp=APP.format(""))
                while [each.state for each in client.calls()] != ["confirmed"]:
                    events.receive(0.1)
            everyone = [each.pid for each in family(first.process.pid)]
            with followed(everyone) as wait:
                first.process.kill()
                assert wait(30.0) == []
            second = held.enter_context(running(base=base, listen=listen))
            with Client(second.run_dir, patience=30.0) as client, client.events() as events:
                client.offer(call, APP.format("-again"))
                answered = next_event(events, "CallOfferAnswered", call)
                assert "a=x-said:answered" in answered.sdp
                client.hangup(call)
                assert next_event(events, "CallEnded", call).by == "local"


KILLED = pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "killed at each wait"])


def waited(client: Client, events: EventStream, call: str, *, killed: bool) -> Any:
    """The offer that waits for the application, over a kill of the dialog shard or without one."""
    offered = next_event(events, "CallOffered", call)
    if killed:
        before, _ = kill(client, "dialog-0")
        wait_restarted(client, "dialog-0", before)
    return offered


def ask_for_an_offer(client: Client, events: EventStream, call: str, said: str, *, killed: bool) -> None:
    """A re-INVITE without a description; the answer to what the peer makes of it goes in the ACK."""
    client.offer(call)
    asked = waited(client, events, call, killed=killed)
    assert (asked.method, f"a=x-said:{said}" in asked.sdp) == ("", True)
    client.answer_offer(call, asked.offer, APP.format("-answers"))


@KILLED
def test_a_callee_is_offered_to_in_the_prack_by_update_and_asked_for_an_offer(
    tmp_path: Path, box: Service, killed: bool
) -> None:
    keys = ("-key", "rtp_port", "9")
    with Client(box.run_dir, patience=30.0) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("callee_early_offers"), *keys) as (host, port):
            call = client.place(f"sip:tester@{host}:{port}", sdp=APP.format("-first"), offer_in_prack=True)
            wanted = waited(client, events, call, killed=killed)
            assert (wanted.sdp, wanted.method) == ("", "")
            client.answer_offer(call, wanted.offer, APP.format("-prack"))
            assert "callee-prack" in next_event(events, "CallOfferAnswered", call).sdp
            client.offer(call, APP.format("-updates"), update=True, fork=wanted.fork)
            assert "callee-updated" in next_event(events, "CallOfferAnswered", call).sdp
            theirs = waited(client, events, call, killed=killed)
            assert (theirs.method, "callee-updates" in theirs.sdp) == ("UPDATE", True)
            client.answer_offer(call, theirs.offer, APP.format("-updated"))
            assert "callee-updates" in next_event(events, "CallAnswered", call).sdp
            ask_for_an_offer(client, events, call, "callee-offers", killed=killed)
            client.hangup(call)
        assert next_event(events, "CallEnded", call).by == "local"


@KILLED
def test_a_caller_is_offered_to_before_it_is_answered_and_asked_for_an_offer(
    tmp_path: Path, box: Service, killed: bool
) -> None:
    keys, target = ("-key", "rtp_port", "9"), box.addresses["udp"]
    with Client(box.run_dir, patience=30.0) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("caller_early_offers"), *keys, target=target):
            call = next_event(events, "CallReceived").call
            client.progress(call, sdp=APP.format("-early"))
            client.offer(call, APP.format("-updates"), update=True)  # it waits for the PRACK
            assert "x-said:updated" in next_event(events, "CallOfferAnswered", call).sdp
            theirs = waited(client, events, call, killed=killed)
            assert (theirs.method, "x-said:again" in theirs.sdp) == ("UPDATE", True)
            client.answer_offer(call, theirs.offer, APP.format("-updated"))
            client.answer(call)
            while [each.state for each in client.calls() if each.call == call] != ["confirmed"]:
                events.receive(0.1)
            ask_for_an_offer(client, events, call, "caller-offers", killed=killed)
            client.hangup(call)
        assert next_event(events, "CallEnded", call).by == "local"


def test_a_caller_without_an_offer_gets_that_of_the_application_in_a_reliable_response(
    tmp_path: Path, box: Service
) -> None:
    keys, target = ("-key", "rtp_port", "9"), box.addresses["udp"]
    with Client(box.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path, scenario("caller_late_offer_early"), *keys, target=target):
            call = next_event(events, "CallReceived").call
            client.progress(call, sdp=APP.format("-offers"))
            assert "x-said:answered" in next_event(events, "CallOfferAnswered", call).sdp
            client.answer(call)
            assert "x-said:answered" in next_event(events, "CallAnswered", call).sdp
            while [each.state for each in client.calls() if each.call == call] != ["confirmed"]:
                events.receive(0.1)
            client.hangup(call)
        assert next_event(events, "CallEnded", call).by == "local"
