"""The transport sees that addresses have gone, ends what stood on them, and tells the dialog shards."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.mailbox import clock
from actors.sip.vocabulary import Target
from actors.transport import network, sockets
from actors.transport.events import FlowDead, NetworkChanged, Received, TransmitRequest
from tests.transport.wired import DIALOG, KEY, SHARD, Service, request

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


def test_listeners_are_bound_to_their_device_afresh_and_one_without_it_is_told_of(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "addresses", lambda: HOME)
    bound: list[str] = []

    def bind(_sock: socket.socket, device: str) -> None:
        bound.append(device)
        if len(bound) > 2:
            raise OSError("No such device")

    with service.harness() as it, service.udp() as peer:
        monkeypatch.setattr(sockets, "bind_to_device", bind)
        monkeypatch.setattr(sockets, "bound_device", lambda _sock: "one that is gone")
        for round_ in (1, 2):
            it.actor._network._news(clock())
            it.wait_for(lambda count=2 * round_: len(bound) == count, "the sockets")
        peer.send(request(1))
        it.expect(SHARD, Received)
        service.store(it)


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.EAGAIN])
def test_fault_74_a_full_send_buffer_is_a_loss_like_any_on_the_way(service: Service, code: int) -> None:
    """The request is repeated (Timers A and E); nothing fails for it."""
    with service.harness() as it, service.udp() as peer:
        (port,) = it.actor._sending.ports.values()
        real = port.sock
        port.sock = _Full(code)
        it.send(SHARD, TransmitRequest(KEY, Target("udp", *peer.getsockname()), request(1)))
        it.wait_for(lambda: it.actor._reception.dropped["datagram: send buffer full"] == 1, "the loss")
        port.sock = real
        it.send(SHARD, TransmitRequest(KEY, Target("udp", *peer.getsockname()), request(2)))
        assert peer.recv(2000) == request(2)
        service.store(it)


class _Full:
    """A socket that has no room."""

    def __init__(self, code: int) -> None:
        self._code = code

    def sendto(self, *_: object) -> None:
        raise OSError(self._code, "full")


def test_a_socket_s_device_is_known_and_none_is_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sockets.bound_device(sock) == ""
        try:
            sockets.bind_to_device(sock, "lo")
        except PermissionError:
            pytest.skip("binding to a device needs CAP_NET_RAW on this kernel")
        assert sockets.bound_device(sock) == "lo"
    assert sockets.bound_device(sock) == "", "a closed one has none"
