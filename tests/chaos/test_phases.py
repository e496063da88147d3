"""kill -9 of each actor that is stopped while an INVITE, ACK, re-INVITE or CANCEL is on its way to it, over UDP."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actors.control.client import Client
from tests.chaos.killing import ACTORS, children, next_event, wait_restarted
from tests.hostile.wire import Answer, Dialog, Wire, branch_of, new_branch, sdp
from tests.live.service import Service, running

pytestmark = pytest.mark.chaos

T1, T2 = 0.5, 4.0
PATIENCE = 60.0


@pytest.fixture(scope="module", params=["echo"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """One service for all cells of a worker: what a cell left behind would show in the next."""
    with running("--answer", request.param) as started:
        yield started
        assert started.stop() == 0, "\n".join(started.lines[-20:])


@contextmanager
def dying(client: Client, actor: str) -> Iterator[None]:
    """What is sent now comes while an actor does nothing any more: it is for its successor, or lost with it."""
    child = children(client)[actor]
    os.kill(child.pid, signal.SIGSTOP)
    yield
    os.kill(child.pid, signal.SIGKILL)
    wait_restarted(client, actor, child.restarts)


class Peer(Wire):
    """A peer that repeats what is not answered, and its ACK with each repeated 200."""

    ack = b""

    def insist(self, request: bytes) -> Answer:
        """Send a request as RFC 3261 section 17.1 has it; its final response."""
        branch, method = branch_of(request).encode(), request.partition(b" ")[0]
        interval = T1
        while True:
            self.send(request)
            end = time.monotonic() + interval
            while (data := self.next_before(end)) is not None:
                if branch in data and b" " + method + b"\r\n" in data and data[8:9] != b"1":
                    return Answer(int(data[8:11]), data)
            interval = 2 * interval if method == b"INVITE" else min(2 * interval, T2)
            assert interval < PATIENCE, f"nobody answers {request!r}"

    def next_before(self, end: float) -> bytes | None:
        """The next message, None where none comes before `end`; a repeated 200 gets its ACK again."""
        if not select.select([self.socket], [], [], max(0.0, end - time.monotonic()))[0]:
            return None
        data = self.receive()
        if self.ack and data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in data:
            self.send(self.ack)
        return data

    def wait_state(self, client: Client, state: str) -> None:
        """Wait until the one call there is is in this state; each look is a question to the dialog actor."""
        end = time.monotonic() + PATIENCE
        while [call.state for call in client.calls()] != [state]:
            assert time.monotonic() < end, client.calls()
            self.next_before(time.monotonic() + 0.05)

    def called(self, dialog: Dialog, answer: Answer) -> None:
        """Acknowledge the 200 to an INVITE of ours."""
        assert answer.status == 200, answer.data
        dialog.to_tag = answer.message.to.tag or ""
        self.ack = dialog.write("ACK")


@contextmanager
def judged(service: Service) -> Iterator[tuple[Client, Peer, Dialog]]:
    """One call, of which everything is told once, and of which nothing is left."""
    with Client(service.run_dir) as client, client.events() as stream, Peer(service.addresses["udp"]) as peer:
        yield client, peer, Dialog(peer)
        seen: list[Any] = []
        next_event(stream, "CallEnded", seen)
        assert client.calls() == []
        while (event := stream.receive(0.1)) is not None:
            seen.append(event)
        twice = [name for name, times in Counter(type(event).__name__ for event in seen).items() if times > 1]
        assert twice == []


def hang_up(peer: Peer, dialog: Dialog) -> None:
    """End a call that is up."""
    assert peer.insist(dialog.write("BYE")).status == 200


@pytest.mark.parametrize("actor", ACTORS)
def test_an_invite_on_its_way_to_an_actor_that_dies_begins_one_call(service: Service, actor: str) -> None:
    with judged(service) as (client, peer, dialog):
        invite = dialog.write("INVITE", body=sdp(9))
        with dying(client, actor):
            peer.send(invite)
        peer.called(dialog, peer.insist(invite))
        peer.send(peer.ack)
        peer.wait_state(client, "confirmed")
        hang_up(peer, dialog)


@pytest.mark.parametrize("actor", ACTORS)
def test_an_ack_on_its_way_to_an_actor_that_dies_confirms_the_call(service: Service, actor: str) -> None:
    with judged(service) as (client, peer, dialog):
        peer.called(dialog, peer.insist(dialog.write("INVITE", body=sdp(9))))
        with dying(client, actor):
            peer.send(peer.ack)
        peer.wait_state(client, "confirmed")
        hang_up(peer, dialog)


@pytest.mark.parametrize("actor", ACTORS)
def test_a_re_invite_on_its_way_to_an_actor_that_dies_holds_the_call(service: Service, actor: str) -> None:
    with judged(service) as (client, peer, dialog):
        peer.called(dialog, peer.insist(dialog.write("INVITE", body=sdp(9))))
        peer.send(peer.ack)
        peer.wait_state(client, "confirmed")
        hold = dialog.write("INVITE", body=sdp(9, "a=sendonly"))
        with dying(client, actor):
            peer.send(hold)
        answer = peer.insist(hold)
        assert b"a=recvonly" in answer.message.body
        peer.called(dialog, answer)
        peer.send(peer.ack)
        peer.wait_state(client, "confirmed")
        hang_up(peer, dialog)


@pytest.mark.parametrize("service", ["ring"], indirect=True)
@pytest.mark.parametrize("actor", ACTORS)
def test_a_cancel_on_its_way_to_an_actor_that_dies_ends_the_ringing(service: Service, actor: str) -> None:
    with judged(service) as (client, peer, dialog):
        branch = new_branch()
        peer.send(dialog.write("INVITE", body=sdp(9), branch=branch))
        peer.wait_state(client, "ringing")
        cancel = dialog.write("CANCEL", branch=branch)
        with dying(client, actor):
            peer.send(cancel)
        assert peer.insist(cancel).status == 200
        refused = peer.final(branch, "INVITE")
        assert refused.status == 487
        peer.send(dialog.write("ACK", branch=branch, to_tag=refused.message.to.tag))
