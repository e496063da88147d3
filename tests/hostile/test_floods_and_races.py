"""Silent name servers, storms of line ends, CANCEL races, merged requests by two ways, flows that are gone."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event, wait_restarted
from tests.hostile.conftest import Connect, judge
from tests.hostile.wire import Answer, Dialog, Wire, new_branch, sdp
from tests.live.peer import Callee
from tests.live.service import Service, running
from tests.transport.nameserver import NameServer

pytestmark = pytest.mark.live

STORM = b"\r\n" * 32_000


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    pytest.importorskip("dns", reason="dnspython is not installed")
    with NameServer("good.example. 60 IN A 127.0.0.1\n") as server:
        yield server


@pytest.fixture(scope="module")
def service(names: NameServer) -> Iterator[Service]:
    """A service that answers every call, and whose name server is ours."""
    config = f'[dns]\nservers = ["{names.address}"]\ntimeout = 1.0\n'
    with running("--answer", "echo", config=config) as started:
        yield started
        judge(started)


def resident(service: Service) -> int:
    """Kilobytes that its transport and its shards hold."""
    pids = [service.pid(name) for name in ("transport", "transaction-0", "dialog-0")]
    texts = [Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in pids]
    return sum(int(text.partition("RssAnon:")[2].split()[0]) for text in texts)


def test_fault_62_two_hundred_calls_to_names_nobody_answers_for_hold_up_nobody(
    service: Service, names: NameServer
) -> None:
    names.mute |= {f"m{number}.example." for number in range(200)}
    with Callee() as callee, Client(service.run_dir) as client, client.events() as stream:
        calls = {client.place(f"sip:x@m{number}.example:5060") for number in range(200)}
        with Wire(service.addresses["udp"]) as udp, Wire(service.addresses["tcp"], "tcp") as tcp:
            for wire in (udp, tcp):
                dialog = Dialog(wire)
                dialog.call()
                dialog.hang_up()
        seen: list[Any] = []
        good = client.place(callee.uri.replace("127.0.0.1", "good.example"))
        callee.reply(callee.receive("INVITE "), 486, "Busy Here")
        callee.receive("ACK ")
        ended: dict[str, Any] = {}
        while not calls | {good} <= ended.keys():
            event = next_event(stream, "CallEnded", seen)
            ended[event.call] = (event.outcome, event.status)
        assert ended.pop(good)[1] == 486
        assert {call: ended[call] for call in calls} == dict.fromkeys(calls, ("unreachable", 503))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_storm_of_line_ends_holds_up_nobody_and_leaves_nothing(
    service: Service, connect: Connect, transport: str
) -> None:
    def storm() -> None:
        with Wire(service.addresses[transport], transport) as wire:
            for _ in range(15):
                wire.send(STORM)
            assert wire.ask_patiently(Dialog(wire).write("OPTIONS")).status == 200

    other = connect("udp")
    storm()
    before = resident(service)
    for _ in range(3):
        storm()
        dialog = Dialog(other)
        dialog.call()
        dialog.hang_up()
    assert resident(service) < before + 16_384


def test_fault_6_a_request_that_comes_again_by_another_transport_is_merged(connect: Connect) -> None:
    udp, tcp = connect("udp"), connect("tcp")
    dialog = Dialog(udp)
    dialog.call()
    again = dialog.write("INVITE", cseq=1, to_tag="", body=sdp(9)).replace(
        f"SIP/2.0/UDP {udp.sent_by}".encode(), f"SIP/2.0/TCP {tcp.sent_by}".encode()
    )
    answer = tcp.ask(again)
    assert answer.status == 482
    dialog.hang_up()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_fault_84_a_cancel_right_behind_its_invite_ends_in_one_outcome(connect: Connect, transport: str) -> None:
    for _ in range(20):
        wire, branch = connect(transport), new_branch()
        dialog = Dialog(wire)
        invite = dialog.write("INVITE", body=sdp(9), branch=branch)
        cancel = dialog.write("CANCEL", branch=branch)
        if transport == "tcp":
            wire.send(invite + cancel)
        else:
            wire.send(invite)
            wire.send(cancel)
        answers: dict[str, Answer] = {}
        while len(answers) < 2:  # the 200 to the INVITE is repeated where its ACK is late
            answer = wire.final(branch)
            answers[answer.method] = answer
        assert answers["CANCEL"].status == 200
        if answers["INVITE"].status == 487:
            dialog.to_tag = answers["INVITE"].message.to.tag or ""
            wire.send(dialog.write("ACK", branch=branch))
        else:
            dialog.accepted(answers["INVITE"])
            dialog.hang_up()


def test_a_cancel_before_its_invite_cancels_nothing_and_the_call_is_answered(connect: Connect) -> None:
    wire, branch = connect(), new_branch()
    dialog = Dialog(wire)
    dialog.cseq = 0
    invite = dialog.write("INVITE", body=sdp(9), branch=branch)
    wire.send(dialog.write("CANCEL", branch=branch))
    assert wire.final(branch, "CANCEL").status == 481
    wire.send(invite)
    dialog.accepted(wire.final(branch, "INVITE"))
    dialog.hang_up()


@pytest.mark.chaos
@pytest.mark.parametrize("killed", ["transport", "transaction-0"])
def test_what_is_repeated_after_a_kill_gets_the_same_answer_and_begins_nothing(killed: str) -> None:
    with (
        running("--answer", "echo") as mortal,
        Client(mortal.run_dir) as client,
        client.events() as stream,
        Wire(mortal.addresses["udp"]) as wire,
    ):
        dialog = Dialog(wire)
        register, invite = dialog.write("REGISTER", cseq=7), dialog.write("INVITE", cseq=8, body=sdp(9))
        refused = wire.ask(register)
        answer = wire.ask(invite)
        dialog.cseq = 8
        dialog.accepted(answer)
        bye = dialog.write("BYE")
        done = wire.ask(bye)
        before = int(mortal.tree()[killed]["restarts"])
        os.kill(mortal.pid(killed), signal.SIGKILL)
        wait_restarted(client, killed, before)
        assert wire.ask(register).data == refused.data
        assert wire.ask(bye).data == done.data
        wire.unanswered(Dialog(wire), invite, b"SIP/2.0 4", b"SIP/2.0 5")
        seen: list[Any] = []
        next_event(stream, "CallEnded", seen)
        assert [type(event).__name__ for event in seen].count("CallReceived") == 1


def test_a_request_on_a_flow_that_is_gone_goes_where_the_contact_says(service: Service) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Client(service.run_dir) as client,
        client.events() as stream,
        Wire(service.addresses["tcp"], "tcp") as wire,
    ):
        wire.sent_by = "{}:{}".format(*listener.getsockname())
        dialog = Dialog(wire)
        dialog.call()
        call = next_event(stream, "CallAnswered", []).call
        wire.reset()
        listener.settimeout(20)
        client.hangup(call)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(20)
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65_536)
            assert data.startswith(b"BYE ")
            lines = [line for line in data.split(b"\r\n") if line[:3] in {b"Via", b"Fro", b"To:", b"Cal", b"CSe"}]
            peer.sendall(b"\r\n".join([b"SIP/2.0 200 OK", *lines, b"Content-Length: 0", b"", b""]))
            assert next_event(stream, "CallEnded", []).outcome == "answered"


def test_a_shower_of_connections_with_half_a_request_leaves_nothing(service: Service, connect: Connect) -> None:
    def shower() -> None:
        for number in range(100):
            with Wire(service.addresses["tcp"], "tcp") as wire:
                request = Dialog(wire).write("INVITE", body=sdp(9))
                wire.send(request[: 1 + number * len(request) // 101])
                if number % 2:
                    wire.reset()

    folder = Path(f"/proc/{service.pid('transport')}/fd")
    descriptors = len(list(folder.iterdir()))
    shower()
    before = resident(service)
    shower()
    wire, turns = connect("udp"), 0
    while len(list(folder.iterdir())) > descriptors:  # each answer is a turn of its loop
        assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200
        turns += 1
        assert turns < 10_000, "descriptors stay"
    assert resident(service) < before + 16_384
