"""The tables, attempts, names and dialogs by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog import attempt as attempts
from actors.dialog.attempt import ATTEMPT, Attempt, AttemptInput, AttemptState, News
from actors.dialog.call import Input, State
from actors.dialog.call_table import ALL_TIMERS, CALL, IGNORED, TIMERS
from actors.dialog.dialog_state import Dialog, Path, next_hop, request
from actors.dialog.effects import PutBehind, Send, SendAck
from actors.dialog.names import Names, ref_of, session_id, tag_of_branch, tag_of_ref, tag_of_session
from actors.runtime.slots import Slots
from actors.sip import parse
from actors.sip.vocabulary import DialogId, Target, TransactionKey
from tests.dialog.phone import FAR, FLOW, NEAR

NAMES = Names(b"secret of 16 byt")
texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@pytest.mark.parametrize("table", [CALL, ATTEMPT], ids=["call", "attempt"])
def test_a_table_draws_itself_and_leaves_no_pair_open(table: object) -> None:
    assert table.diagram().startswith("stateDiagram-v2\n")  # type: ignore[attr-defined]


def test_only_owned_timers_are_handled_and_the_end_owns_none() -> None:
    assert State.TERMINATED not in TIMERS
    for state in State:
        for timer in ALL_TIMERS:
            assert (CALL.edge(state, timer) is not None) == (timer in TIMERS.get(state, set()))
    assert IGNORED[State.TERMINATED] | ALL_TIMERS == set(Input)


def test_every_state_but_the_last_can_be_left() -> None:
    ends = {row.state for row in CALL.rows if row.next is not None}
    assert ends == set(State) - {State.TERMINATED}


def new(method: str = "BYE", uri: str = "") -> Attempt:
    raw = f"{method} sip:a@b SIP/2.0\r\nCSeq: 7 {method}\r\n\r\n".encode()
    return Attempt(AttemptState.NEW, (), "tag", method.lower(), method, raw, None, uri)


def test_an_attempt_tries_its_candidates_in_order_until_none_is_left() -> None:
    attempt, effects = attempts.step(new(), AttemptInput.LOCATED, News(NAMES, (NEAR, FAR)), 0.0)
    assert attempt.state is AttemptState.CHOSEN
    assert effects == ()
    attempt, first = attempts.step(attempt, AttemptInput.SEND, News(NAMES), 0.0)
    attempt, second = attempts.advance(attempt, AttemptInput.FAILED, News(NAMES, (), 408, "no answer"), 0.0)
    assert [type(effect) for effect in (*first, *second)] == [Send, PutBehind, Send]
    assert second[1].target == FAR.target  # type: ignore[attr-defined]
    assert first[0].key.branch != second[1].key.branch  # type: ignore[attr-defined]
    attempt, _ = attempts.advance(attempt, AttemptInput.UNAVAILABLE, News(NAMES, (), 503, "later"), 0.0)
    assert (attempt.state, attempt.status, attempt.reason) == (AttemptState.EXHAUSTED, 503, "later")
    assert attempt.over


def test_an_ack_has_no_transaction_and_is_sent_as_often_as_asked() -> None:
    attempt, effects = attempts.begin(new("ACK"), NEAR, NAMES, 0.0)
    assert [type(effect) for effect in effects] == [SendAck]
    assert attempt.over
    assert attempts.step(attempt, AttemptInput.SEND, News(NAMES), 0.0)[1] == effects


@given(st.lists(st.sampled_from(AttemptInput), max_size=12), st.integers(0, 3))
def test_an_attempt_never_sends_one_branch_twice_nor_after_it_is_over(events: list[AttemptInput], hops: int) -> None:
    attempt = new(uri="sip:a@b")
    news = News(NAMES, (NEAR, FAR, NEAR)[:hops], 503, "no")
    branches = []
    for event in events:
        before = attempt
        attempt, effects = attempts.step(attempt, event, news, 0.0)
        branches += [effect.key.branch for effect in effects if type(effect) is Send]  # type: ignore[attr-defined]
        assert not (before.over and effects)
        assert attempt.deadlines == ()
    assert len(set(branches)) == len(branches)


@given(texts, texts, texts)
def test_every_name_leads_back_to_its_call(branch: str, sent_by: str, name: str) -> None:
    tag = NAMES.tag_of_invite(TransactionKey(branch, sent_by, "INVITE"))
    assert len(tag) == 20
    assert tag_of_branch(NAMES.branch(tag, name, 1)) == tag
    assert tag_of_session(session_id(tag, 3)) == tag
    assert tag_of_ref(ref_of(tag, name)) == tag
    assert NAMES.tags_of_call(NAMES.id_of_call_in(tag))[0] == tag
    assert NAMES.tags_of_call(name)[1] == NAMES.tag_of_call_out(name)
    assert Names(b"other secret....").tag_of_invite(TransactionKey(branch, sent_by, "INVITE")) != tag


@given(st.integers(1, 8), texts)
def test_the_id_of_a_call_in_hashes_to_its_shard(shards: int, branch: str) -> None:
    slots = Slots(shards)
    for shard in range(shards):
        names = Names(b"s" * 16, lambda call, mine=shard: slots.shard(call) == mine)  # type: ignore[misc]
        assert slots.shard(names.id_of_call_in(names.tag_of_call_out(branch))) == shard


def dialog(target: str, *routes: str, transport: str = "udp", direct: bool = False) -> Dialog:
    path = Path.of_flow(FLOW._replace(transport=transport, token=f"{transport}:9"), direct=direct)
    return Dialog(DialogId("c", "l", "r"), "<sip:l>;tag=l", "<sip:r>;tag=r", routes, target, 1, 2, path)


@pytest.mark.parametrize(
    ("of", "target"),
    [
        (dialog("sip:a@192.0.2.5"), Target("udp", "192.0.2.5", 5060, "udp:9")),
        (dialog("sip:a@192.0.2.5:5080;transport=udp"), Target("udp", "192.0.2.5", 5080, "udp:9")),
        (dialog("sip:a@host;maddr=192.0.2.6"), Target("udp", "192.0.2.6", 5060, "udp:9")),
        (dialog("sip:a@host", "sip:192.0.2.7:6000;lr"), Target("udp", "192.0.2.7", 6000, "udp:9")),
        (dialog("sip:a@host.example"), None),
        (dialog("sip:a@192.0.2.5;transport=tcp"), None),
        (dialog("sip:a@[2001:db8::5]"), None),
        (dialog("sips:a@192.0.2.5"), None),
        (dialog("sip:a@192.0.2.5", transport="tcp"), None),
        (dialog("sip:a@192.0.2.9:5070;transport=tcp", transport="tcp"), Target("tcp", "192.0.2.9", 5070, "tcp:9")),
        (dialog("sip:a@192.0.2.5;transport=tcp", transport="tcp"), Target("tcp", "192.0.2.5", 5060)),
        (dialog("sip:a@10.0.0.1:5060", transport="tcp", direct=True), Target("tcp", "10.0.0.1", 5060, "tcp:9")),
        (dialog("sip:a@host.local", transport="tcp", direct=True), Target("tcp", "192.0.2.9", 5070, "tcp:9")),
        (dialog("tel:+123"), None),
    ],
)
def test_the_next_hop_is_known_where_it_is_numeric_and_on_our_transport(of: Dialog, target: Target | None) -> None:
    hop = next_hop(of)
    assert (None if hop is None else hop.target) == target


def test_a_request_in_a_dialog_parses_as_it_was_meant() -> None:
    raw = request(dialog("sip:a@b", "sip:p;lr"), "INVITE", 9, user_agent="us", body=b"v=0\r\n").replace(
        b"\r\n", b"\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n", 1
    )
    message = parse(raw)
    assert (message.head.cseq, message.head.from_tag, message.head.to_tag) == (9, "l", "r")
    assert message.body == b"v=0\r\n"
    assert str(message.route[0]) == "<sip:p;lr>"
