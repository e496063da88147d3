"""linphonec proves: attended transfer with Replaces in every role, across shards; SHA-256; session timers; PRACK.

It says that it can do 100rel only where `100rel_support_level` is set; then it sends PRACK to our reliable 183.

What it proves of SRTP stands in test_srtp.py.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, EventStream
from actors.runtime.slots import Slots
from tests.chaos.killing import next_event
from tests.live import linphone
from tests.live.service import running
from tests.live.sound import tone, write_wav

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("linphonec") is None, reason="linphonec is not there: the package linphone-cli"),
]
CONFIG = "[service]\nshards = 2\n[calls]\nreplaces = true\n"


def called(client: Client, events: EventStream, uri: str, shard: int, shards: int = 2) -> str:
    """A call to `uri` that is up in this shard."""
    while True:
        call = str(client.place(uri))
        next_event(events, "CallAnswered", [])
        if Slots(shards).shard(call) == shard:
            return call
        client.hangup(call)
        next_event(events, "CallEnded", [])


def test_a_phone_is_sent_into_the_place_of_a_call_in_another_shard(tmp_path: Path) -> None:
    """It obeys our REFER, calls the second phone with Replaces, tells how it goes; the second phone hangs up on us."""
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    with ExitStack() as held:
        service = held.enter_context(running("--answer", "echo", config=CONFIG))
        client = held.enter_context(Client(service.run_dir))
        events = held.enter_context(client.events())
        one = held.enter_context(linphone.phone(tmp_path / "one", source))
        two = held.enter_context(linphone.phone(tmp_path / "two", source))
        first = called(client, events, one.uri, 0)
        second = called(client, events, two.uri, 1)
        client.transfer(first, replaces=second)
        seen: list[Any] = []
        ends = {next_event(events, "CallEnded", seen).call for _ in range(2)}
        assert ends == {first, second}
        assert [each.status for each in seen if type(each).__name__ == "CallTransferProgressed"][-1] == 200
        one.command("calls")
        two.command("calls")
        two.wait("StreamsRunning")


def test_a_phone_takes_the_place_of_a_call_here(tmp_path: Path) -> None:
    """One service sends it into the place of its own call with another; there its INVITE with Replaces is taken."""
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    with ExitStack() as held:
        service = held.enter_context(running("--answer", "echo"))
        target = held.enter_context(running("--answer", "ring", config=CONFIG))
        client = held.enter_context(Client(service.run_dir))
        events = held.enter_context(client.events())
        there = held.enter_context(Client(target.run_dir))
        told = held.enter_context(there.events())
        phone = held.enter_context(linphone.phone(tmp_path / "phone", source))
        first = called(client, events, phone.uri, 0, shards=1)
        host, port = target.addresses["udp"]
        second = str(client.place(f"sip:service@{host}:{port}"))
        there.answer(next_event(told, "CallReceived", []).call, echo=True)
        next_event(events, "CallAnswered", [])
        client.transfer(first, replaces=second)
        assert {next_event(events, "CallEnded", []).call for _ in range(2)} == {first, second}
        ended = next_event(told, "CallEnded", [])
        (call,) = [each for each in there.calls() if each.call != ended.call]
        assert (ended.by, call.direction) == ("local", "in")
        phone.command("terminate")
        assert next_event(told, "CallEnded", []).by == "remote"


def test_a_phone_proves_who_it_is_by_sha_256(tmp_path: Path) -> None:
    """Of our two challenges it takes that of SHA-256."""
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    users = '[auth]\nrealm = "here"\n[[auth.users]]\nname = "phone"\npassword = "wonderland"\n'
    known = "[auth_info_0]\nusername=phone\npasswd=wonderland\nrealm=here\nalgorithm=SHA-256"
    with (
        running("--answer", "echo", config=users) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        linphone.phone(tmp_path / "phone", source, more=known, words=("-d", "6")) as phone,
    ):
        host, port = service.addresses["udp"]
        phone.command(f"call sip:service@{host}:{port}")
        next_event(events, "CallAnswered", [])
        phone.wait("Authorization: ")
        phone.command("terminate")
        assert next_event(events, "CallEnded", []).by == "remote"
        phone.wait("ended (No error)")
    authorization = next(line for line in phone.text.splitlines() if line.startswith("Authorization: "))
    assert "algorithm=SHA-256" in authorization


def test_a_phone_agrees_on_a_session_timer_and_refreshes_it(tmp_path: Path) -> None:
    """Our 200 takes the timer it asks for, and its UPDATE at half of it. (45 seconds: none is shorter, RFC 4028 s5.)"""
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    timer = "session_expires_enabled=1\nsession_expires_value=90"
    with (
        running("--answer", "echo") as service,
        Client(service.run_dir) as client,
        client.events() as events,
        linphone.phone(tmp_path / "phone", source, more=timer, words=("-d", "6")) as phone,
    ):
        host, port = service.addresses["udp"]
        phone.command(f"call sip:service@{host}:{port}")
        next_event(events, "CallAnswered", [])
        phone.wait("StreamsRunning")
        phone.wait("CSeq: 21 UPDATE", 60.0)
        phone.wait("Session-Expires: 90;refresher=uac", 30.0, times=3)  # of our 200, its UPDATE, our 200 to that
        phone.command("terminate")
        ended = next_event(events, "CallEnded", [])
        assert (ended.outcome, ended.by) == ("answered", "remote")
        phone.wait("ended (No error)")


def test_a_phone_acknowledges_our_early_media_by_a_prack(tmp_path: Path) -> None:
    """The 183 with our answer is reliable; the 200 waits for its PRACK, and the phone hears from the 183 on."""
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    with (
        running("--answer", "ring") as service,
        Client(service.run_dir) as client,
        client.events() as events,
        linphone.phone(tmp_path / "phone", source, more="100rel_support_level=1", words=("-d", "6")) as phone,
    ):
        host, port = service.addresses["udp"]
        phone.command(f"call sip:service@{host}:{port}")
        call = next_event(events, "CallReceived", []).call
        client.progress(call, 183, early_media=True)
        phone.wait("RAck: 1 20 INVITE")
        client.answer(call, echo=True)
        next_event(events, "CallAnswered", [])
        phone.wait("StreamsRunning")
        phone.command("terminate")
        assert next_event(events, "CallEnded", []).by == "remote"
    lines = [line.strip() for line in phone.text.splitlines()]
    assert lines.index("RSeq: 1") < lines.index("RAck: 1 20 INVITE")


def test_a_phone_sends_us_into_the_place_of_its_call_with_another(tmp_path: Path) -> None:
    """Its REFER has a Replaces: our INVITE takes it along, and the other puts us in the phone's place.

    The Refer-To has the host of whom it called, not the port: a route leads us there.
    """
    source = tmp_path / "said.wav"
    write_wav(source, tone(440, 3000))
    policy = '[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\nrefer_replaces = true\n[sip]\n'
    with ExitStack() as held:
        target = held.enter_context(running("--answer", "echo", config="[calls]\nreplaces = true\n"))
        policy += 'routes = ["sip:{}:{};lr"]\n'.format(*target.addresses["udp"])
        service = held.enter_context(running("--answer", "echo", config=policy))
        client = held.enter_context(Client(service.run_dir))
        events = held.enter_context(client.events())
        there = held.enter_context(Client(target.run_dir))
        told = held.enter_context(there.events())
        phone = held.enter_context(linphone.phone(tmp_path / "phone", source, words=("-d", "6")))
        phone.command("call sip:echo@{}:{}".format(*service.addresses["udp"]))
        phone.wait("StreamsRunning")
        phone.command("pause")  # it has one call at a time that is not
        assert next_event(events, "CallHoldChanged", []).remote
        phone.wait("to LinphoneCallPaused")
        phone.command("call sip:echo@{}:{}".format(*target.addresses["udp"]))
        next_event(told, "CallAnswered", [])
        phone.wait("Connected to LinphoneCallStreamsRunning", times=2)
        phone.command("transfer 1 --to-call 2")
        requested = next_event(events, "CallTransferRequested", [])
        assert "Replaces=" in requested.target
        next_event(events, "CallAnswered", [])
        assert {next_event(events, "CallEnded", []).by} == {"remote"}
        assert next_event(told, "CallEnded", []).by == "local"
        (ours,) = client.calls()
        (theirs,) = there.calls()
        assert (ours.call, ours.direction, theirs.direction) == (requested.placed, "out", "in")
        client.hangup(ours.call)
        assert next_event(told, "CallEnded", []).by == "remote"
