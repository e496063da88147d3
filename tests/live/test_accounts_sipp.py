"""SIPp proves: 401 and 407 with MD5 (it checks digests), stale, realms; MESSAGE, SUBSCRIBE, PUBLISH, MWI, OPTIONS."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, EventStream
from actors.control.errors import CommandRefused
from actors.control.identity import ANONYMOUS, Identity
from actors.control.messaging import (
    MessageReceived,
    MessagesWaiting,
    NotifyReceived,
    PublicationChanged,
    ReferReceived,
    RequestAnswered,
    SubscriberLeft,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionReceived,
)
from actors.control.records import CallEnded, CallPlaced, CallReceived
from actors.sip import uri
from actors.sip.headers import Diversion, HistoryInfo, PPreferredIdentity
from tests.live import sipp
from tests.live.processes import kill
from tests.live.service import running

pytestmark = pytest.mark.live


def trunk(port: int) -> str:
    """A trunk that never registers, as TOML."""
    return f"""
[[accounts]]
aor = "sip:100@127.0.0.1:{port}"
register = false
password = "wonderland"
"""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["uas_401", "uas_407"])
def test_a_call_by_an_account_answers_every_challenge(tmp_path: Path, scenario: str, transport: str) -> None:
    with sipp.answering(tmp_path / "uas", "-m", "1", scenario=scenario, transport=transport) as (host, port):
        uri = f"sip:+15551234@{host}:{port}" + (";transport=tcp" if transport == "tcp" else "")
        with running(config=trunk(port)) as service:
            words = ("call", uri, "--account", f"sip:100@127.0.0.1:{port}", "--duration", "0.3", "--json")
            done = service.command(*words)
            assert done.returncode == 0, done.stdout + done.stderr
            assert '"answered"' in done.stdout
            assert "wonderland" not in done.stdout + "\n".join(service.lines)
            report = sipp.finished(tmp_path / "uas", 1)
    assert (report.failed, report.unexpected, report.errors) == (0, 0, "")


def wait_for(stream: EventStream, kind: type, **wanted: object) -> Any:
    """The next event of a kind whose fields are so."""
    while True:
        event = stream.receive(30.0)
        assert event is not None, f"no {kind.__name__} within 30 s"
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items()):
            return event


def test_a_message_goes_out_with_credentials_and_its_delivery_is_told(tmp_path: Path) -> None:
    with ExitStack() as held:
        host, port = held.enter_context(sipp.answering(tmp_path / "uas", "-m", "1", scenario="uas_message"))
        with running(config=trunk(port)) as service:
            words = ("message", f"sip:bob@{host}:{port}", "hello there", "--account", f"sip:100@127.0.0.1:{port}")
            done = service.command(*words)
            assert (done.returncode, done.stdout.splitlines()[0]) == (0, "202 Accepted"), done.stderr
            assert sipp.finished(tmp_path / "uas", 1).failed == 0


def test_a_message_that_comes_is_answered_and_told_and_options_are_too(tmp_path: Path) -> None:
    with running() as service, Client(service.run_dir) as client, client.events() as events:
        report = sipp.call(tmp_path / "uac", service.addresses["udp"], "-m", "1", scenario="uac_message")
        assert (report.successful, report.errors) == (1, "")
        received = wait_for(events, MessageReceived)
        assert (received.body.strip(), received.display_name) == ("hello from SIPp", "Tester")
        host, port = service.addresses["udp"]
        asked = service.command("options", f"sip:us@{host}:{port}")
        assert asked.returncode == 0
        assert "MESSAGE" in asked.stdout


def test_a_mailbox_is_watched_refreshed_and_left(tmp_path: Path) -> None:
    with ExitStack() as held:
        host, port = held.enter_context(sipp.answering(tmp_path / "uas", "-m", "1", scenario="uas_subscribe"))
        with running() as service, Client(service.run_dir) as client, client.events() as events:
            box = client.watch(f"sip:100@{host}:{port}", "message-summary", expires=600)
            first = wait_for(events, MessagesWaiting, subscription=box)
            assert first.counts == (("voice-message", "1/8"),)
            assert wait_for(events, MessagesWaiting, subscription=box).counts == (("voice-message", "2/8"),)
            client.unwatch(box)
            assert wait_for(events, SubscriptionEnded, subscription=box).reason == "timeout"
            report = sipp.finished(tmp_path / "uas", 1)
    assert (report.failed, report.unexpected, report.errors) == (0, 0, "")


def test_a_subscriber_to_us_is_told_that_it_waits_then_the_state_then_the_end(tmp_path: Path) -> None:
    config = '[sip]\npackages = ["presence"]\n'
    with (
        running(config=config) as service,
        Client(service.run_dir) as desk,
        desk.events() as asked,
        sipp.playing(tmp_path, "uac_subscribe", target=service.addresses["udp"]),
    ):
        name = wait_for(asked, SubscriptionReceived).subscription
        desk.notify(name, "open to all", content_type="text/plain")
        assert wait_for(asked, SubscriberLeft, subscription=name).reason == "timeout"


def test_a_phone_is_told_outside_of_a_call_to_call_somebody_and_tells_how_that_goes(tmp_path: Path) -> None:
    with (
        running() as service,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path / "uas", "uas_refer") as (host, port),
    ):
        headers = [("Refer-To", f"<sip:carol@{host}>"), ("Target-Dialog", "one@somewhere;local-tag=a;remote-tag=b")]
        request = client.send("REFER", f"sip:desk@{host}:{port}", headers=headers)
        assert wait_for(events, RequestAnswered).status == 202
        first = wait_for(events, NotifyReceived, subscription=request)
        assert (first.state, first.body.strip()) == ("active", "SIP/2.0 100 Trying")
        last = wait_for(events, NotifyReceived, subscription=request)
        assert (last.state, last.body.strip()) == ("terminated", "SIP/2.0 200 OK")


def test_a_trunk_has_us_call_somebody_outside_of_a_call_and_is_told_how_that_goes(tmp_path: Path) -> None:
    config = trunk(5999) + '[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\n'
    with (
        running(config=config) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path, "uac_refer", target=service.addresses["udp"]),
    ):
        placed = wait_for(events, CallPlaced)
        assert placed.remote == "sip:carol@127.0.0.1:9"
        assert wait_for(events, CallEnded, call=placed.call).outcome == "unreachable"


def test_an_application_decides_on_a_refer_outside_of_calls_though_the_dialog_actor_is_killed(tmp_path: Path) -> None:
    config = trunk(5999) + '[calls]\nrefer = "ask"\nrefer_hosts = ["127.0.0.1"]\n'
    with (
        running(config=config) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path, "uac_refer", target=service.addresses["udp"]),
    ):
        asked = wait_for(events, ReferReceived)
        assert (asked.target, asked.call) == ("sip:carol@127.0.0.1:9", "")
        kill(service.tree()["dialog-0"]["pid"])
        client.respond("", asked.request, 202)
        assert wait_for(events, CallPlaced).call == asked.placed
        assert wait_for(events, CallEnded, call=asked.placed).outcome == "unreachable"


def test_a_stranger_that_names_its_call_with_us_has_us_call_somebody_whatever_shard_that_is_in(tmp_path: Path) -> None:
    config = '[service]\nshards = 2\n[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\n'
    with (
        running("--answer", "echo", config=config) as service,
        Client(service.run_dir) as client,
        client.events() as events,
    ):
        for number in range(4):
            folder = tmp_path / str(number)
            with sipp.playing(folder, "uac_target_dialog", target=service.addresses["udp"]):
                received = wait_for(events, CallReceived)
                referred = wait_for(events, ReferReceived)
                assert (referred.call, referred.request) == (received.call, "")
                assert wait_for(events, CallEnded, call=referred.placed).outcome == "unreachable"


def test_a_phone_that_never_subscribed_is_told_what_waits(tmp_path: Path) -> None:
    with ExitStack() as held:
        seen = tmp_path / "seen.log"
        recording = ("-trace_msg", "-message_file", str(seen))
        host, port = held.enter_context(sipp.playing(tmp_path / "uas", "uas_waiting", *recording))
        config = trunk(port) + f'waiting_to = ["sip:desk@{host}:{port}"]\n'
        with running(config=config) as service, Client(service.run_dir) as client:
            client.tell_waiting(f"sip:100@127.0.0.1:{port}", 2, 8)
            held.close()  # it must have gone as the scenario says
    lines = seen.read_text(encoding="utf-8").splitlines()
    assert f"NOTIFY sip:desk@{host}:{port} SIP/2.0" in lines
    assert {"Event: message-summary", "Content-Type: application/simple-message-summary"} <= set(lines)
    body = ["Messages-Waiting: yes", f"Message-Account: sip:100@127.0.0.1:{port}", "Voice-Message: 2/8"]
    first = lines.index(body[0])
    assert (lines[first - 1], lines[first : first + 3]) == ("", body)


def test_a_trunk_gets_numbers_and_the_caller_as_it_wants_them_and_no_more_calls_a_second(tmp_path: Path) -> None:
    with sipp.playing(tmp_path / "uas", "uas_numbers") as (host, port):
        rules = """
dial = [{prefix = "+", strip = 1, add = "00"}]
callers = [{prefix = "+", strip = 1}]
caller_id = "asserted"
calls_per_second = 0.01
"""
        with running(config=trunk(port) + rules) as service, Client(service.run_dir) as client:
            order = {"account": f"sip:100@127.0.0.1:{port}", "caller": f"sip:+49305678@{host}"}
            with client.events() as events:
                call = client.place(f"sip:+49301234@{host}:{port}", **order)
                assert wait_for(events, CallEnded, call=call).outcome == "busy"
            with pytest.raises(CommandRefused) as refused:
                client.place(f"sip:+49301234@{host}:{port}", **order)
            assert refused.value.code == "too_fast"


def test_identity_goes_out_and_comes_in_typed(tmp_path: Path) -> None:
    desk, bob = (uri.parse(f"sip:{user}@example.com") for user in ("desk", "bob"))
    who = Identity(
        preferred=(PPreferredIdentity("", uri.parse("sip:sales@example.com")),),
        privacy=("id",),
        diversions=(Diversion("", desk, {"reason": "no-answer"}),),
        history=(HistoryInfo("", bob, {"index": "1"}),),
    )
    with running() as service, Client(service.run_dir) as client, client.events() as events:
        with sipp.playing(tmp_path / "uas", "uas_identity") as (host, port):
            call = client.place(f"sip:bob@{host}:{port}", caller=ANONYMOUS, headers=who.headers)
            ended = wait_for(events, CallEnded, call=call)
        said = Identity.of(ended.headers)
        assert (ended.outcome, ended.cause) == ("busy", 17)
        assert [(each.display_name, each.uri.user) for each in said.asserted] == [("Bob", "bob")]
        assert [(each.cause, each.text) for each in said.reasons] == [(17, "on the line")]
        assert [each.index for each in said.history] == [(1, 1)]


def test_a_state_is_published_changed_forgotten_by_the_server_and_removed(tmp_path: Path) -> None:
    with ExitStack() as held:
        host, port = held.enter_context(sipp.answering(tmp_path / "uas", "-m", "1", scenario="uas_publish"))
        with running() as service, Client(service.run_dir) as client, client.events() as events:
            uri = f"sip:100@{host}:{port}"
            state = client.publish(uri, "presence", "open to all", content_type="text/plain", expires=60)
            wait_for(events, PublicationChanged, publication=state, state="published")
            client.publish(uri, "presence", "closed", content_type="text/plain", expires=60, publication=state)
            wait_for(events, PublicationChanged, publication=state, state="published")
            client.unpublish(state)
            wait_for(events, PublicationChanged, publication=state, state="removed")
            report = sipp.finished(tmp_path / "uas", 1)
    assert (report.failed, report.unexpected, report.errors) == (0, 0, "")


@pytest.mark.parametrize("password", ["wonderland", "guess"])
def test_a_service_with_a_realm_lets_in_who_proves_it(tmp_path: Path, password: str) -> None:
    """Both ends are ours: Debian's SIPp answers the topmost challenge, and cannot do SHA-256."""
    users = '[auth]\nrealm = "here"\n[[auth.users]]\nname = "100"\npassword = "wonderland"\n'
    with running("--answer", "echo", config=users) as house:
        host, port = house.addresses["udp"]
        with running(config=trunk(port).replace("wonderland", password)) as service:
            words = ("call", f"sip:echo@{host}:{port}", "--duration", "0.3", "--json")
            done = service.command(*words, "--account", f"sip:100@127.0.0.1:{port}")
            right = password == "wonderland"
            assert done.returncode == (0 if right else 1), done.stdout + done.stderr
            assert ('"answered"' if right else "403") in done.stdout
            stranger = sipp.call(tmp_path / "uac", (host, port), "-m", "1", "-timeout", "10s")
            assert stranger.failed == 1
            assert "401" in stranger.errors


def test_one_service_watches_the_state_that_another_one_tells() -> None:
    """Both ends are ours, each held against SIPp elsewhere; here they meet, over a kill of the notifier."""
    with running(config='[sip]\npackages = ["presence"]\n') as house, running() as service:
        host, port = house.addresses["udp"]
        with (
            Client(house.run_dir) as desk,
            desk.events() as asked,
            Client(service.run_dir) as watcher,
            watcher.events() as told,
        ):
            box = watcher.watch(f"sip:us@{host}:{port}", "presence", expires=600)
            name = wait_for(asked, SubscriptionReceived).subscription
            wait_for(told, SubscriptionChanged, subscription=box, state="pending")
            kill(house.pid("dialog-0"))
            desk.notify(name, "open to all", content_type="text/plain")
            assert wait_for(told, NotifyReceived, state="active").body == "open to all"
            watcher.unwatch(box)
            assert wait_for(asked, SubscriberLeft, subscription=name).reason == "timeout"
            assert wait_for(told, SubscriptionEnded, subscription=box).reason == "timeout"
            refused = watcher.watch(f"sip:us@{host}:{port}", "dialog")
            assert wait_for(told, SubscriptionEnded, subscription=refused).status == 489
