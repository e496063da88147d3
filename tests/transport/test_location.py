"""The transport actor finds next hops in DNS without waiting for it, and goes on with a search after a kill."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actors.sip.vocabulary import Target
from actors.transport.events import Locate, Located, TargetFailed, TransmitFailed, TransmitRequest
from actors.transport.settings import TransportSettings
from tests.runtime.harness import Harness
from tests.transport.nameserver import NameServer
from tests.transport.wired import DIALOG, KEY, SHARD, Service, request

pytest.importorskip("dns", reason="dnspython is not installed")

ZONE = """
_sip._udp.a.example. 60 IN SRV 0 0 5071 one.example.
_sip._udp.a.example. 60 IN SRV 1 0 5072 two.example.
one.example. 60 IN A 127.0.0.1
two.example. 60 IN A 127.0.0.2
mute.example. 60 IN A 127.0.0.1
"""


def _harness(service: Service, server: NameServer, epoch: int = 1, timeout: float = 20.0) -> Harness:
    service.settings = TransportSettings(listen=(), dns_servers=(server.address,), dns_timeout=timeout)
    return service.harness(epoch)


def _ports(located: Located) -> list[int]:
    return [one.target.port for one in located.candidates]


def test_servers_come_in_order_and_one_that_failed_comes_last_for_every_shard(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with NameServer(ZONE) as server, _harness(service, server) as it:
        it.send(DIALOG, Locate("1", "sip:x@A.example"))
        assert _ports(it.expect(DIALOG, Located)) == [5071, 5072]
        it.send(DIALOG, TargetFailed(Target("udp", "127.0.0.1", 5071)))
        it.send(DIALOG, Locate("2", "sip:y@a.example"))
        assert _ports(it.expect(DIALOG, Located)) == [5072, 5071]
        assert server.asked["_sip._udp.a.example. SRV"] == 1
    service.close()


def test_a_search_that_a_kill_interrupted_is_ended_by_the_successor(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with NameServer(ZONE) as server:
        server.mute |= {"one.example.", "two.example."}
        with _harness(service, server) as it:
            it.send(DIALOG, Locate("1", "sip:x@a.example"))
            it.wait_for(lambda: server.asked["two.example. A"] > 0, "the question")
        server.mute.clear()
        with _harness(service, server, epoch=2) as it:
            assert _ports(it.expect(DIALOG, Located)) == [5071, 5072]
    service.close()


def test_a_name_nobody_answers_for_ends_with_a_reason_and_others_are_found_meanwhile(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with NameServer(ZONE) as server, _harness(service, server, timeout=2.0) as it:
        server.mute.add("mute.example.")
        it.send(DIALOG, Locate("1", "sip:x@mute.example:5060"))
        it.send(DIALOG, Locate("2", "sip:x@one.example:5060"))
        assert it.expect(DIALOG, Located).ref == "2"
        assert it.expect(DIALOG, Located) == Located("1", (), "mute.example: DNS: no answer in time")
    service.close()


def test_a_search_whose_resolver_says_nothing_at_all_is_given_up(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with NameServer(ZONE) as server, _harness(service, server, timeout=0.1) as it:
        it.actor._finder._resolver.ask = lambda _question: None
        it.actor._finder._location._ask = lambda _question: None
        it.send(DIALOG, Locate("1", "sip:x@one.example:5060"))
        assert it.expect(DIALOG, Located) == Located("1", (), "one.example: DNS took too long")
        assert list(it.actor.cells.keys()) == []
    service.close()


def test_static_entries_need_no_server(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.settings = TransportSettings(listen=(), dns_static=("pbx.example A 127.0.0.3",))
    with service.harness() as it:
        it.send(DIALOG, Locate("1", "sip:x@pbx.example"))
        assert it.expect(DIALOG, Located).candidates[0].target == Target("udp", "127.0.0.3", 5060)
    service.close()


def test_a_connection_that_cannot_be_opened_is_waited_for_no_longer_than_its_target_says(tmp_path: Path) -> None:
    """RFC 3261 section 18.1.1: the attempt by TCP that only a large request asks for costs 2 s at most."""
    service = Service(tmp_path)
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for each in (first, second):  # the queue of the listener is full then: the kernel answers no SYN any more
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        with service.harness() as it:
            target = Target("tcp", *deaf.getsockname(), patience=0.2)
            it.send(SHARD, TransmitRequest(KEY, target, request(1)))
            assert it.expect(SHARD, TransmitFailed) == TransmitFailed(KEY, "connecting took too long")
            service.store(it)
    service.close()


def test_what_a_successor_finds_at_once_is_told_and_not_wanted_any_more(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with NameServer(ZONE) as server:
        server.mute.add("one.example.")
        with _harness(service, server) as it:
            it.send(DIALOG, Locate("1", "sip:x@one.example:5060"))
            it.wait_for(lambda: server.asked["one.example. A"] > 0, "the question")
        service.settings = TransportSettings(listen=(), dns_static=("one.example A 127.0.0.9",))
        with service.harness(2) as it:
            assert it.expect(DIALOG, Located).candidates[0].target.host == "127.0.0.9"
            assert not [key for key in it.actor.cells.keys() if key.startswith(b"wanted/")]  # noqa: SIM118
    service.close()
