"""The shard as it runs: real mailbox, pipes and journal, its neighbours played by the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.runtime import actor as runtime
from actors.runtime.channel import Ready, Stop
from actors.runtime.journal import Changes, Journal
from actors.runtime.machine import Row
from actors.sip import parse
from actors.sip.credentials import Challenge, parse_challenge
from actors.sip.digest import Session, ha1
from actors.transaction import invite_client, invite_server, non_invite_client
from actors.transaction.actor import TransactionActor, main
from actors.transaction.events import (
    AckReceived,
    CancelReceived,
    CancelRequest,
    RequestReceived,
    Respond,
    RespondDirect,
    ResponseReceived,
    SendDirect,
    SendRequest,
    ToUser,
    TransactionFailed,
)
from actors.transaction.keys import cell_key
from actors.transaction.machines import TABLES
from actors.transaction.settings import TransactionSettings
from actors.transport.events import (
    FlowDead,
    FromTransaction,
    Lagging,
    Received,
    TransmitFailed,
    TransmitRequest,
    TransmitResponse,
    Unreachable,
)
from tests.runtime.harness import Harness, context_for
from tests.transaction.messages import (
    TCP,
    TO_TCP,
    TO_UDP,
    UDP,
    client_key,
    first_line,
    head_of,
    request,
    response,
    server_key,
)

INVITE = request()
CALM = TransactionSettings(t1=100.0, t4=100.0, trying_after=100.0)  # no timer fires by itself
PEERS = {"transport": FromTransaction, "dialog-0": ToUser}


def shard(tmp_path: Path, settings: TransactionSettings = CALM, epoch: int = 1) -> Harness:
    return Harness(TransactionActor, "transaction-0", settings, peers=PEERS, tmp_path=tmp_path, epoch=epoch)


def arrives(it: Harness, *messages: bytes, flow: Any = UDP) -> None:
    """Over UDP the transport journals nothing; the order among journalled and other envelopes is kept all the same."""
    for raw in messages:
        it.send("transport", Received(flow, head_of(raw), raw), journalled=flow.reliable)


def answer(it: Harness, to: bytes, status: int) -> bytes:
    it.send("dialog-0", Respond(server_key(to), status, response(to, status)))
    return it.expect("transport", TransmitResponse).raw


def break_down(*_: object) -> Any:
    raise ZeroDivisionError("broken for this test")


def test_a_call_in_passes_through(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        arrives(it, INVITE)
        assert it.expect("dialog-0", RequestReceived) == RequestReceived(
            server_key(INVITE), UDP, head_of(INVITE), INVITE
        )
        ringing = response(INVITE, 180)
        assert answer(it, INVITE, 180) == ringing
        arrives(it, INVITE)
        assert it.expect("transport", TransmitResponse) == TransmitResponse(server_key(INVITE), UDP, ringing)
        answer(it, INVITE, 200)
        ack = request("ACK", branch="z9hG4bKack", to_tag="to-1")
        arrives(it, ack)
        assert it.expect("dialog-0", AckReceived) == AckReceived(UDP, head_of(ack), ack)
        bye = request("BYE", branch="z9hG4bKbye", to_tag="to-1", cseq=2)
        arrives(it, bye)
        it.expect("dialog-0", RequestReceived)
        answer(it, bye, 200)
        assert it.stop() == 0


def test_a_call_out_passes_through(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        it.send("dialog-0", SendRequest(client_key(INVITE), TO_UDP, INVITE))
        assert it.expect("transport", TransmitRequest) == TransmitRequest(client_key(INVITE), TO_UDP, INVITE)
        ok = response(INVITE, 200)
        arrives(it, ok)
        assert it.expect("dialog-0", ResponseReceived) == ResponseReceived(client_key(INVITE), head_of(ok), ok)
        it.send("dialog-0", SendDirect(TO_UDP, ack := request("ACK", branch="z9hG4bKack")))
        assert it.expect("transport", TransmitRequest).raw == ack


def test_timers_fire_by_themselves(tmp_path: Path) -> None:
    with shard(tmp_path, TransactionSettings(t1=0.01, t2=0.04, trying_after=0.01)) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        assert first_line(it.expect("transport", TransmitResponse).raw) == "SIP/2.0 100 Trying"
        it.send("dialog-0", SendRequest(client_key(INVITE), TO_UDP, INVITE))
        assert [it.expect("transport", TransmitRequest).raw for _ in range(3)] == [INVITE] * 3
        assert it.expect("dialog-0", TransactionFailed).status == 408


def test_a_successor_answers_with_the_same_bytes_and_tells_nothing_twice(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        ringing = answer(it, INVITE, 180)
        it.send("dialog-0", SendRequest(client_key(out := request(branch="z9hG4bKout", call_id="out")), TO_UDP, out))
        it.expect("transport", TransmitRequest)
        arrives(it, request(branch="z9hG4bKmerged"))
        refused = it.expect("transport", TransmitResponse).raw
    with shard(tmp_path, epoch=2) as it:
        arrives(it, INVITE, request(branch="z9hG4bKmerged"))
        assert it.expect("transport", TransmitResponse).raw == ringing
        assert it.expect("transport", TransmitResponse).raw == refused
        arrives(it, response(out, 486))
        assert first_line(it.expect("transport", TransmitRequest).raw).startswith("ACK ")
        assert it.expect("dialog-0", ResponseReceived).head.status == 486
        it.settle()
        assert not it.peers["dialog-0"].inbox


def test_a_successor_goes_on_with_the_deadlines_of_its_predecessor(tmp_path: Path) -> None:
    quick = TransactionSettings(t1=0.02, t2=0.04, trying_after=100.0)
    with shard(tmp_path, quick) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        it.send("dialog-0", Respond(server_key(INVITE), 486, response(INVITE, 486)))
        it.expect("transport", TransmitResponse)
    with shard(tmp_path, quick, epoch=2) as it:
        assert it.expect("transport", TransmitResponse).raw == response(INVITE, 486)
        arrives(it, request("ACK", to_tag="to-1"))
        it.settle()


def test_a_cancel_of_the_peer_is_answered_and_told(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        arrives(it, request("CANCEL"))
        assert first_line(it.expect("transport", TransmitResponse).raw) == "SIP/2.0 200 OK"
        assert it.expect("dialog-0", CancelReceived).key == server_key(INVITE)


def test_what_the_transport_could_not_send_fails_its_transaction(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        for target, news in (
            (TO_UDP, TransmitFailed(client_key(INVITE), "refused")),
            (TO_TCP, FlowDead("tcp:17", "reset")),
        ):
            it.send("dialog-0", SendRequest(client_key(INVITE), target, INVITE))
            it.expect("transport", TransmitRequest)
            it.send("transport", news)
            failed = it.expect("dialog-0", TransactionFailed)
            assert (failed.status, failed.reason, failed.spoiled) == (503, news.reason, False)


def test_a_user_that_lags_gets_nothing_new(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        it.actor.soft_window = -1
        arrives(it, INVITE)
        assert first_line(it.expect("transport", TransmitResponse).raw) == "SIP/2.0 503 Service Unavailable"
        arrives(it, INVITE, flow=TCP)
        it.expect("transport", TransmitResponse)
        arrives(it, request("BYE", to_tag="to-1"))
        assert it.expect("dialog-0", RequestReceived).head.method == "BYE"


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Harness, Any]]:
    """A shard whose user reads nothing, and is far behind after eight messages; and that user."""
    monkeypatch.setattr(runtime, "OVERRUN", 8)
    with shard(tmp_path) as it:
        it.actor.soft_window = 0
        yield it, it.peers.pop("dialog-0")


def test_of_datagrams_a_user_that_is_far_behind_gets_nothing_at_all(deaf: tuple[Harness, Any]) -> None:
    it, user = deaf
    byes = [request("BYE", branch=f"z9hG4bK{number}", to_tag="to-1") for number in range(40)]
    arrives(it, *byes)
    arrives(it, *[request("BYE", branch=f"z9hG4bKtcp{number}", to_tag="to-1") for number in range(3)], flow=TCP)
    it.settle()
    it.peers["dialog-0"] = user
    it.wait_for(lambda: len(user.inbox) == 12, "nine datagrams, and what came by a stream")
    it.wait_for(lambda: not it.actor.overrun("dialog-0"), "an acknowledgement")
    arrives(it, byes[-1])  # its sender repeats it
    it.wait_for(lambda: len(user.inbox) == 13, "the last BYE")
    assert user.inbox[-1].raw == byes[-1]


def test_streams_are_held_off_while_the_user_is_far_behind_and_only_so_long(deaf: tuple[Harness, Any]) -> None:
    it, user = deaf
    acks = [request("ACK", branch=f"z9hG4bK{number}", to_tag="to-1") for number in range(9)]
    arrives(it, *acks, flow=TCP)
    it.settle()
    assert not it.peers["transport"].inbox
    arrives(it, request("ACK", branch="z9hG4bKmore", to_tag="to-1"), flow=TCP)
    for _ in range(3):  # it is said again as long as it is so
        assert it.expect("transport", Lagging).seconds > 0
    it.peers["dialog-0"] = user
    it.wait_for(lambda: len(user.inbox) == 10, "all of them")
    it.wait_for(lambda: it.actor.next_wake() is None, "an end of it")
    it.peers["transport"].inbox.clear()
    arrives(it, acks[0], flow=TCP)
    it.wait_for(lambda: len(user.inbox) == 11, "the next")
    assert not it.peers["transport"].inbox


def test_a_machine_that_breaks_is_told_to_its_user_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = INVITE, request(branch="z9hG4bKother", call_id="other")
    with shard(tmp_path) as it:
        arrives(it, broken, other)
        it.expect("dialog-0", RequestReceived)
        it.expect("dialog-0", RequestReceived)
        answer(it, broken, 180)
        pair = invite_server.State.PROCEEDING, invite_server.Input.SUCCESS
        edges = {**invite_server.TABLE._edges, pair: Row(*pair, None, (break_down,))}
        with monkeypatch.context() as patch:
            patch.setattr(TABLES[invite_server.InviteServer], "_edges", edges)
            it.send("dialog-0", Respond(server_key(broken), 200, response(broken, 200)))
            failed = it.expect("dialog-0", TransactionFailed)
        assert failed == TransactionFailed(
            server_key(broken), client=False, status=500, reason="internal error", spoiled=True
        )
        sorry = it.expect("transport", TransmitResponse)
        assert first_line(sorry.raw) == "SIP/2.0 500 Server Internal Error"
        assert head_of(sorry.raw).to_tag == "to-1"
        assert answer(it, other, 200) == response(other, 200)


def test_a_client_machine_that_breaks_is_told_to_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shard(tmp_path) as it:
        it.send("dialog-0", SendRequest(client_key(INVITE), TO_UDP, INVITE))
        it.expect("transport", TransmitRequest)
        pair = invite_client.State.CALLING, invite_client.Input.CANCEL
        edges = {**invite_client.TABLE._edges, pair: Row(*pair, None, (break_down,))}
        with monkeypatch.context() as patch:
            patch.setattr(TABLES[invite_client.InviteClient], "_edges", edges)
            it.send("dialog-0", CancelRequest(client_key(INVITE)))
            failed = it.expect("dialog-0", TransactionFailed)
        assert (failed.key, failed.client, failed.spoiled) == (client_key(INVITE), True, True)
        assert not it.peers["transport"].inbox


@pytest.mark.parametrize("peer", ["dialog-0", "transport"])
def test_a_neighbour_that_lost_everything_ends_what_was_its(tmp_path: Path, peer: str) -> None:
    with shard(tmp_path) as it:
        arrives(it, INVITE)
        it.expect("dialog-0", RequestReceived)
        it.send("dialog-0", SendRequest(client_key(out := request(branch="z9hG4bKout", call_id="out")), TO_TCP, out))
        it.expect("transport", TransmitRequest)
        arrives(it, response(out, 180))
        it.expect("dialog-0", ResponseReceived)
    for path in (tmp_path / "run" / "peers").glob(f"{peer}.mdb*"):
        if path.is_dir():
            for file in path.iterdir():
                file.unlink()
        else:
            path.unlink()
    with shard(tmp_path, epoch=2) as it:
        if peer == "transport":
            failed = it.expect("dialog-0", TransactionFailed)
            assert (failed.key, failed.status) == (client_key(out), 503)
        else:
            it.wait_for(lambda: len(it.peers["transport"].inbox) == 2, "what ends both")
            sent = {first_line(event.raw) for event in it.peers["transport"].inbox}
            assert sent == {"SIP/2.0 500 Server Internal Error", "CANCEL sip:bob@192.0.2.1 SIP/2.0"}


def test_a_connection_ends_for_all_it_carried_though_one_machine_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invites = [request(branch=f"z9hG4bK{n}", call_id=f"call-{n}") for n in range(3)]
    with shard(tmp_path) as it:
        for raw in (*invites, bye := request("BYE")):
            it.send("dialog-0", SendRequest(client_key(raw), TO_TCP, raw))
            it.expect("transport", TransmitRequest)
        pair = non_invite_client.State.TRYING, non_invite_client.Input.TRANSPORT_ERROR
        edges = {**non_invite_client.TABLE._edges, pair: Row(*pair, None, (break_down,))}
        with monkeypatch.context() as patch:
            patch.setattr(TABLES[non_invite_client.NonInviteClient], "_edges", edges)
            it.send("transport", FlowDead("tcp:17", "reset"))
            told = [it.expect("dialog-0", TransactionFailed) for _ in range(4)]
    assert {failed.key: failed.status for failed in told} == {
        **{client_key(raw): 503 for raw in invites},
        client_key(bye): 500,
    }


def test_a_connection_ends_for_all_it_carried_though_a_predecessor_left_one_that_nobody_can_read(
    tmp_path: Path,
) -> None:
    good, bad = request(branch="z9hG4bKgood", call_id="good"), request(branch="z9hG4bKbad", call_id="bad")
    with shard(tmp_path) as it:
        for raw in (good, bad):
            it.send("dialog-0", SendRequest(client_key(raw), TO_TCP, raw))
            it.expect("transport", TransmitRequest)
    journal = Journal(tmp_path / "run" / "journal" / "transaction-0.mdb", epoch=2)
    changes = Changes()
    changes.cells = {cell_key(client_key(bad)): (b"of another version", None)}
    journal.commit(changes)
    journal.close()
    with shard(tmp_path, epoch=3) as it:
        it.send("transport", FlowDead("tcp:17", "reset"))
        told = [it.expect("dialog-0", TransactionFailed) for _ in range(2)]
    assert {failed.key: (failed.status, failed.spoiled) for failed in told} == {
        client_key(good): (503, False),
        client_key(bad): (500, True),
    }


def test_a_ping_is_answered_without_a_machine(tmp_path: Path) -> None:
    ping = request("OPTIONS")
    with shard(tmp_path) as it:
        arrives(it, ping, ping)
        for _ in range(2):
            asked = it.expect("dialog-0", RequestReceived)
            it.send("dialog-0", RespondDirect(asked.flow, response(ping, 200)))
            assert it.expect("transport", TransmitResponse).raw == response(ping, 200)
        it.settle()
        assert len(it.actor.cells) == 0


def test_a_shard_with_a_realm_challenges_and_knows_its_nonce_after_a_restart(tmp_path: Path) -> None:
    settings = TransactionSettings(realm="example.org")
    with shard(tmp_path, settings) as it:
        arrives(it, INVITE)
        refusal = parse(it.expect("transport", TransmitResponse).raw)
        assert refusal.head.status == 401
    challenge = parse_challenge(refusal.get_all("WWW-Authenticate")[0])
    assert isinstance(challenge, Challenge)
    secret = ha1("SHA-256", "alice", "example.org", "secret")
    _, credentials = Session.begin(challenge, "alice", secret, "cnonce").authorize("INVITE", "sip:bob@192.0.2.1")
    with shard(tmp_path, settings, epoch=2) as it:
        arrives(it, request(branch="z9hG4bK2", cseq=2, more=f"Authorization: {credentials}\r\n"))
        assert it.expect("dialog-0", RequestReceived).head.cseq == 2


def test_an_icmp_error_fails_the_request_it_quotes(tmp_path: Path) -> None:
    with shard(tmp_path) as it:
        it.send("dialog-0", SendRequest(client_key(INVITE), TO_UDP, INVITE))
        it.expect("transport", TransmitRequest)
        it.send("transport", Unreachable(client_key(INVITE), TO_UDP.host, TO_UDP.port, INVITE[:40], "port unreachable"))
        failed = it.expect("dialog-0", TransactionFailed)
        assert (failed.status, failed.reason) == (503, "port unreachable")


def test_main_runs_a_shard_until_it_is_stopped(tmp_path: Path) -> None:
    context, supervisor, _ = context_for("transaction-0", (), tmp_path, settings=CALM, epoch=2)
    thread = threading.Thread(target=main, args=(context,))
    thread.start()
    while not any(isinstance(report, Ready) for report, _ in supervisor.receive()[0]):
        assert thread.is_alive()
    supervisor.send(Stop(drain=False))
    thread.join(10.0)
    assert not thread.is_alive()
    supervisor.close()
    context.channel.close()
    late, supervisor, _ = context_for("transaction-0", (), tmp_path, settings=CALM, epoch=1)
    with pytest.raises(SystemExit) as ended:  # a later start has its journal
        main(late)
    assert ended.value.code == 70
    supervisor.close()
    late.channel.close()
