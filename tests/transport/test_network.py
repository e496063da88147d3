"""The transport sees that addresses have gone, ends what stood on them, and tells the dialog shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.mailbox import clock
from actors.transport import network
from actors.transport.events import FlowDead, NetworkChanged, Received
from tests.transport.wired import DIALOG, SHARD, Service, request

HOME, AWAY = frozenset({"127.0.0.1", "192.0.2.1"}), frozenset({"192.0.2.2"})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def test_connections_from_an_address_that_is_gone_end_and_the_dialogs_are_told(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "addresses", lambda: HOME)
    with service.harness() as it, service.tcp() as peer:
        peer.sendall(request(1))
        token = it.expect(SHARD, Received).flow.token
        monkeypatch.setattr(network, "addresses", lambda: AWAY)
        it.actor._network._news(clock())
        assert it.expect(DIALOG, NetworkChanged) == NetworkChanged(("127.0.0.1", "192.0.2.1"), ("192.0.2.2",))
        assert it.expect(SHARD, FlowDead).token == token
        assert list(it.actor.cells.keys()) == []
        service.store(it)


def test_news_that_change_no_address_are_told_to_nobody(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "addresses", lambda: HOME)
    with service.harness() as it, service.udp() as peer:
        peer.send(request(1))
        it.expect(SHARD, Received)
        it.actor._network._news(clock())
        it.actor._network._news(clock())  # more of the same change
        it.wait_for(lambda: not list(it.actor.cells.keys()), "the look at the addresses")
        peer.send(request(2))
        it.expect(SHARD, Received)
        service.store(it)


def test_a_change_while_nobody_was_there_is_seen_by_the_successor(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "addresses", lambda: HOME)
    with service.harness() as it:
        service.store(it)
    monkeypatch.setattr(network, "addresses", lambda: AWAY)
    with service.harness(epoch=2) as it:
        assert it.expect(DIALOG, NetworkChanged).come == ("192.0.2.2",)
        service.store(it)


def _fail() -> frozenset[str]:
    raise OSError("no netlink here")


def test_where_the_kernel_does_not_tell_the_transport_serves_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "addresses", _fail)
    with service.harness() as it, service.udp() as peer:
        peer.send(request(1))
        it.expect(SHARD, Received)
        service.store(it)


def test_a_list_that_could_not_be_had_changes_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "addresses", lambda: HOME)
    with service.harness() as it, service.udp() as peer:
        monkeypatch.setattr(network, "addresses", _fail)
        it.actor._network._plan(clock())
        it.wait_for(lambda: not list(it.actor.cells.keys()), "the look at the addresses")
        peer.send(request(1))
        it.expect(SHARD, Received)
        service.store(it)
