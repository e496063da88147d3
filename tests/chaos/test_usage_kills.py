"""FAULTS 75 without calls: kill -9 while a REGISTER, a PUBLISH or a SUBSCRIBE that refreshes waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from actors.control.client import Client, EventStream
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.chaos.serving import Asked, Server
from tests.live.service import running

pytestmark = pytest.mark.chaos

ACTORS = ("dialog-0", "transaction-0", "transport")


class House(NamedTuple):
    """A service with an account, and the server that it is registered at."""

    client: Client
    events: EventStream
    server: Server
    aor: str

    def uri(self, user: str) -> str:
        """A URI at the server."""
        return f"sip:{user}@127.0.0.1:{self.server.port}"

    def next(self, name: str) -> Any:
        """The next event of a type."""
        return next_event(self.events, name, [])

    def struck(self, actor: str, asked: Asked, *answer: str) -> int:
        """Kill an actor while a request waits, and answer it at once; how often the actor was restarted before."""
        before, _ = kill(self.client, actor)
        self.server.reply(asked, *answer)
        return before

    def bind(self, asked: Asked, actor: str = "") -> None:
        """Answer a REGISTER."""
        answer = f"Contact: {asked.header('Contact').partition(';')[0]};expires=600"
        if actor:
            wait_restarted(self.client, actor, self.struck(actor, asked, answer))
        else:
            self.server.reply(asked, answer)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ExitStack() as held:
        server = held.enter_context(Server())
        aor = f"sip:alice@127.0.0.1:{server.port}"
        service = held.enter_context(running(config=f'[[accounts]]\naor = "{aor}"\nexpires = 600\n'))
        client = held.enter_context(Client(service.run_dir))
        house = House(client, held.enter_context(client.events()), server, aor)
        house.bind(server.take("REGISTER"))
        while house.client.accounts()[0].state != "registered":
            house.next("AccountChanged")
        yield house


@pytest.mark.parametrize("actor", ACTORS)
def test_a_kill_in_a_refresh_leaves_what_is_told_true_and_sends_nothing_twice(house: House, actor: str) -> None:
    client, server = house.client, house.server
    box = client.watch(house.uri("desk"), "presence", expires=600)
    first = server.take("SUBSCRIBE")
    server.reply(first, "Expires: 10", f"Contact: <{house.uri('server')}>")
    server.notify(first, 1, "active;expires=10", "open")
    server.accepted()
    assert house.next("NotifyReceived").body == "open"

    _registers_again(house, actor)
    _publishes(house, actor)

    refresh = server.take("SUBSCRIBE")  # at four fifths of its time: two seconds for a slow machine to be in time
    assert (refresh.header("Call-ID"), refresh.cseq) == (first.header("Call-ID"), first.cseq + 1)
    before = house.struck(actor, refresh, "Expires: 600", f"Contact: <{house.uri('server')}>")
    server.notify(refresh, 2, "active;expires=600", "closed")  # it too comes while nobody is there
    wait_restarted(client, actor, before)
    server.accepted()
    told = house.next("NotifyReceived")
    assert (told.subscription, told.body) == (box, "closed")

    client.unwatch(box)
    last = server.take("SUBSCRIBE")
    server.reply(last, "Expires: 0", f"Contact: <{house.uri('server')}>")
    server.notify(last, 3, "terminated;reason=timeout", "")
    server.accepted()
    assert house.next("SubscriptionEnded").reason == "timeout"
    assert all(len(set(copies)) == 1 for copies in server.copies.values()), "a request came in two shapes"


def _registers_again(house: House, actor: str) -> None:
    """One REGISTER with the next CSeq number, and the account never calls itself anything but registered."""
    client, server = house.client, house.server
    before = max(cseq for method, _, cseq in server.copies if method == "REGISTER")
    client.register(house.aor)
    asked = server.take("REGISTER")
    assert asked.cseq == before + 1
    house.bind(asked, actor)
    told = house.next("AccountChanged")
    (account,) = client.accounts()
    assert (told.state, account.state, account.until > time.time() + 500) == ("registered", "registered", True)


def _publishes(house: House, actor: str) -> None:
    """A new state goes once, under the entity-tag of the one before; so does the removal."""
    client, server = house.client, house.server
    state = client.publish(house.uri("alice"), "presence", "open", content_type="text/plain", expires=600)
    server.reply(server.take("PUBLISH"), "SIP-ETag: one", "Expires: 600")
    assert house.next("PublicationChanged").state == "published"
    client.publish(house.uri("alice"), "presence", "closed", content_type="text/plain", expires=600, publication=state)
    asked = server.take("PUBLISH")
    assert (asked.header("SIP-If-Match"), b"\r\n\r\nclosed" in asked.raw) == ("one", True)
    server.reply(asked, "SIP-ETag: two", "Expires: 600")
    before, _ = kill(client, actor)  # with the answer on its way up
    wait_restarted(client, actor, before)
    assert house.next("PublicationChanged").state == "published"
    client.unpublish(state)
    removal = server.take("PUBLISH")
    assert (removal.header("SIP-If-Match"), removal.header("Expires")) == ("two", "0")
    server.reply(removal, "SIP-ETag: three")
    assert house.next("PublicationChanged").state == "removed"
