"""What holds for any sequence of events: all ends, once; a restart changes nothing; calls do not touch one another."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialog import call_up
from actors.dialog.call import Call, Given
from actors.dialog.call_commands import (
    AnswerCall,
    AnswerOffer,
    HangUp,
    HoldCall,
    OfferSession,
    ProgressCall,
    RejectCall,
    ResumeCall,
    SendDigits,
    TransferCall,
    Treatment,
)
from actors.dialog.call_events import CallEnded, CallOffered, CallPlaced, CallReceived, CallTransferRequested
from actors.dialog.effects import Cancel, Find, Prepare, Reply, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.request_events import AnswerRequest, CallRequestReceived, RequestAnswered, SendInCall
from actors.runtime.machine import Effects
from actors.sip.vocabulary import Candidate, Target
from tests.dialog.phone import BAD_OFFER, FAR, NEAR, OFFER, Cells, Phone, answer_to, invite, message, place

SIX = Candidate(Target("udp", "2001:db8::9", 5070), "[2001:db8::1]:5060")
BODIES = (OFFER, OFFER + b"a=sendonly\r\n", BAD_OFFER, b"", b"nonsense")
HOPS: tuple[tuple[Candidate, ...], ...] = ((NEAR,), (NEAR, FAR), (SIX, NEAR), ())
MORE: tuple[dict[str, str], ...] = (
    {},
    {"Require": "100rel", "RSeq": "1"},
    {"Require": "100rel", "RSeq": "2"},
    {"Session_Expires": "90;refresher=uac", "Allow": "UPDATE"},
    {"Session_Expires": "90;refresher=uas"},
    {"Min_SE": "200"},
)
ASKED: tuple[dict[str, str], ...] = (
    {},
    {"Supported": "timer, 100rel", "Session_Expires": "90"},
    {"Require": "100rel", "Session_Expires": "90;refresher=uas", "Allow": "UPDATE"},
    {"Replaces": "in0@peer;to-tag=x;from-tag=peer"},
)
CONTACTS = ("<sip:bob@192.0.2.9:5070>", "<sip:bob@host.example>", "<sip:@@@>")

small = st.integers(0, 5)
MODES = st.sampled_from(["echo", "ring", "application"])
event = st.one_of(
    st.tuples(st.just("invite"), st.integers(0, 2), st.sampled_from(BODIES), st.sampled_from(ASKED)),
    st.tuples(st.just("reinvite"), small, st.sampled_from(BODIES), st.integers(1, 4)),
    st.tuples(st.just("ack"), small, st.sampled_from(BODIES), st.integers(1, 4)),
    st.tuples(st.sampled_from(["bye", "options", "info", "foo"]), small, st.integers(1, 4)),
    st.tuples(st.sampled_from(["update", "prack"]), small, st.sampled_from(BODIES), st.integers(1, 9)),
    st.tuples(st.sampled_from(["refer", "notify"]), small, st.integers(1, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 2)),
    st.tuples(
        st.just("response"),
        small,
        st.sampled_from([100, 180, 183, 200, 202, 302, 422, 481, 486, 487, 491, 503]),
        st.sampled_from(["callee", "other"]),
        st.sampled_from(BODIES),
        st.sampled_from(CONTACTS),
        st.sampled_from(MORE),
    ),
    st.tuples(st.just("fail"), small, st.sampled_from([408, 503])),
    st.tuples(st.just("broken"), st.integers(0, 2)),
    st.tuples(st.just("located"), small, st.sampled_from(HOPS)),
    st.tuples(st.sampled_from(["prepared", "prepared", "prepared", "lost", "refused", "closed", "played"]), small),
    st.tuples(st.just("place"), st.integers(0, 2), st.sampled_from([0.0, 5.0, 30.0]), st.booleans()),
    st.tuples(st.sampled_from(["answer", "reject", "hang_up", "hold", "resume", "transfer", "progress"]), small),
    st.tuples(
        st.sampled_from(["ask", "press", "respond", "decline", "offer", "update_it", "ask_offer", "take", "turn_down"]),
        small,
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 1.0, 10.0, 40.0, 100.0])),
    st.tuples(st.sampled_from(["transactions_lost", "media_lost"])),
)


def of(things: list[Any], number: int) -> Any:
    return things[number % len(things)] if things else None


def ids(phone: Phone) -> list[str]:
    return [*(received.call for received in phone.reports(CallReceived)), "call-0", "call-1"]


def tags(phone: Phone) -> list[str]:
    found = [prepare.session.partition(".")[0] for prepare in phone.all(Prepare)]
    return list(dict.fromkeys(found))


def happen(phone: Phone, what: tuple[Any, ...]) -> None:  # noqa: C901, PLR0912 - one branch an event
    kind, *rest = what
    number = rest[0] if rest else 0
    if kind == "invite":
        phone.request(invite(rest[1], branch=f"b{number}", Call_ID=f"in{number}@peer", **rest[2]))
    elif kind in ("reinvite", "ack", "bye", "options", "info", "foo", "update", "prack", "refer", "notify"):
        method = "INVITE" if kind == "reinvite" else kind.upper()
        call = of([c for c in phone.calls if c.dialog is not None], number)
        tag = call.tag if call else "none"
        more: dict[str, Any] = {"body": rest[1]} if kind in ("reinvite", "ack", "update", "prack") else {}
        more |= {"prack": {"RAck": "1 1 INVITE"}, "refer": {"Refer_To": "<sip:carol@192.0.2.7>"}}.get(kind, {})
        if kind == "notify":
            status = (100, 180, 200, 486)[rest[-1] % 4]
            more = {"Event": "refer", "body": b"SIP/2.0 %d Said\r\n" % status, "Content_Type": "message/sipfrag"}
        if call is not None:
            more |= {"Call_ID": call.dialog.id.call_id, "From": f"<sip:p@h>;tag={call.dialog.id.remote_tag}"}
        phone.request(message(method, to_tag=tag, cseq=rest[-1], branch=f"{kind}{len(phone.effects)}", **more))
    elif kind == "cancel":
        phone.cancel(invite(branch=f"b{number}", Call_ID=f"in{number}@peer"))
    elif kind == "broken":
        phone.failed(_server_key(number), 503, client=False)
    elif kind in ("response", "fail"):
        sent = of(phone.all(Send), number)
        if sent is not None and kind == "fail":
            phone.failed(sent.key, rest[1])
        elif sent is not None:
            raw = answer_to(sent.raw, rest[1], tag=rest[2], body=rest[3], contact=rest[4], **rest[5])
            phone.response(raw, sent.key)
    elif kind == "located":
        find = of(phone.all(Find), number)
        if find is not None:
            phone.located(find.ref, *rest[1])
    elif kind in ("prepared", "lost", "refused", "closed", "played"):
        prepare = of(phone.all(Prepare), number)
        if prepare is not None:
            host = (prepare.host,) if kind == "prepared" else ()
            getattr(phone, kind)(prepare.session, *host)
    elif kind == "place":
        order = {"call": f"call-{number}", "ring_timeout": rest[1], "late_offer": rest[2], "session_expires": 90}
        if phone.settings.answer.media == "application":
            order |= {"media": "application", "sdp": b"" if rest[2] else OFFER, "treatment": Treatment()}
            order["offer_in_prack"] = not rest[2] and number == 1
        phone.command(place(ref=f"place{len(phone.effects)}", **order))
    elif kind == "wait":
        phone.wait(number)
    elif kind == "transactions_lost":
        phone._did(phone.agent.transactions_lost(*phone.clock))
    elif kind == "media_lost":
        phone._did(phone.agent.calls.media_lost(0, *phone.clock))
    else:
        _command(phone, kind, of(ids(phone), number))


def _server_key(number: int) -> Any:
    from actors.sip import parse
    from tests.dialog.phone import key_of

    return key_of(parse(invite(branch=f"b{number}")).head)


def _command(phone: Phone, kind: str, call: str) -> None:
    ref = f"{kind}{len(phone.effects)}"
    outside = phone.settings.answer.media == "application"
    if kind in ("offer", "update_it", "ask_offer", "take", "turn_down") or (outside and kind in ("answer", "progress")):
        _session(phone, kind, call, ref)
    elif kind == "answer":
        phone.command(AnswerCall(ref, call, Treatment(play="/a.wav", hang_up_after_play=True), 7.0))
    elif kind == "reject":
        phone.command(RejectCall(ref, call, 486, ""))
    elif kind == "transfer":
        phone.command(TransferCall(ref, call, "sip:carol@192.0.2.7"))
    elif kind == "ask":
        phone.command(SendInCall(ref, call, ref, "INFO", body=b"hello"))
    elif kind == "press":
        phone.command(SendDigits(ref, call, "1,2", 90, "relay"))
    elif kind in ("respond", "decline"):
        asked = [each for each in phone.reports(CallRequestReceived) if each.call == call]
        asked += [each for each in phone.reports(CallTransferRequested) if each.call == call and each.request]
        for each in asked[-1:]:
            phone.command(AnswerRequest(ref, call, each.request, 200 if kind == "respond" else 603))
    else:
        kinds = {"hang_up": HangUp, "hold": HoldCall, "resume": ResumeCall, "progress": ProgressCall}
        phone.command(kinds[kind](ref, call))


def _session(phone: Phone, kind: str, call: str, ref: str) -> None:
    """What only the application of a signalling-only call does."""
    if kind == "answer":
        phone.command(AnswerCall(ref, call, Treatment(), 7.0, sdp=OFFER))
    elif kind == "progress":
        phone.command(ProgressCall(ref, call, sdp=OFFER))
    elif kind in ("offer", "update_it"):
        phone.command(OfferSession(ref, call, BODIES[1], kind == "update_it"))
    elif kind == "ask_offer":
        phone.command(OfferSession(ref, call, b""))
    for each in [each for each in phone.reports(CallOffered) if each.call == call][-1:]:
        if kind in ("take", "turn_down"):
            status, sdp = (200, BODIES[0]) if kind == "take" else (606, b"")
            phone.command(AnswerOffer(ref, call, each.offer, sdp, status))


@settings(max_examples=300, deadline=None)
@given(MODES, st.sampled_from(["follow", "ask"]), st.lists(event, max_size=25))
def test_any_sequence_of_events_and_time_ends_in_nothing_with_one_end_a_call(
    mode: str, refer: str, events: list[Any]
) -> None:
    """Every request of the application has one answer, too, and every one of the peer has one from us."""
    phone = Phone(mode, refer=refer, refer_hosts=("*",), replaces=True, methods=("FOO",))
    for what in events:
        happen(phone, what)
        assert phone.agent.calls.number == sum(1 for key in phone.cells if not key.startswith(b"~"))
        for key in phone.cells:
            call = phone.cells.get(key)
            assert call.key == key
            assert phone.cells.deadlines.get(key) == call.next_deadline
    phone._did(phone.agent.leave(*phone.clock))
    phone.wait(300)
    assert not phone.cells
    assert not phone.cells.deadlines
    begun = [done for done in phone.reports(CommandDone) if done.ref.startswith("place")]
    assert len(phone.reports(CallEnded)) == len(phone.reports(CallReceived)) + len(phone.reports(CallPlaced))
    referred = {asked.placed for asked in phone.reports(CallTransferRequested)}
    assert len([placed for placed in phone.reports(CallPlaced) if placed.call not in referred]) == len(begun)
    sent = {done.ref for done in phone.reports(CommandDone) if done.ref.startswith("ask")}
    assert sorted(each.request for each in phone.reports(RequestAnswered)) == sorted(sent)
    finals = Counter(each.key for each in phone.all(Reply) if each.key.method == "FOO")
    assert set(finals.values()) <= {1}
    refs = [done.ref for done in (*phone.reports(CommandDone), *phone.reports(CommandFailed))]
    assert len(refs) == len(set(refs))


class LiveCells(Cells):
    """Cells that keep the values themselves, as an actor does that was never restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.values_of: dict[bytes, Call] = {}

    def get(self, key: bytes, default: Any = None) -> Any:
        return self.values_of.get(key, default)

    def put(self, key: bytes, value: Call, deadline: float | None) -> None:
        super().put(key, value, deadline)
        self.values_of[key] = value

    def delete(self, key: bytes) -> None:
        super().delete(key)
        del self.values_of[key]


@settings(max_examples=150, deadline=None)
@given(MODES, st.sampled_from(["follow", "ask"]), st.lists(event, max_size=25))
def test_a_restart_at_every_step_equals_an_uninterrupted_run(mode: str, refer: str, events: list[Any]) -> None:
    settings_of = {"refer": refer, "refer_hosts": ("*",), "replaces": True, "methods": ("FOO",)}
    restarted, steady = Phone(mode, **settings_of), Phone(mode, **settings_of)
    steady.cells = LiveCells()
    steady.start()
    for what in events:
        restarted.start()
        happen(restarted, what)
        happen(steady, what)
        assert restarted.effects == steady.effects
        assert dict(restarted.cells) == dict(steady.cells)
        assert restarted.cells.deadlines == steady.cells.deadlines


def test_a_step_that_breaks_leaves_its_own_cell_and_all_others_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Phone("echo")
    phone.receive_call(invite(branch="one"))
    first = phone.call.tag
    phone.receive_call(invite(branch="two", Call_ID="two@peer"))
    before = dict(phone.cells)

    def broken(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
        raise ZeroDivisionError(call.tag, given, now)

    row = call_up.acknowledged
    from actors.dialog import call_table

    edge = call_table.CALL.edge(phone.calls[0].state, call_table.Input.ACK)
    assert edge is not None
    assert edge.actions == (row,)
    monkeypatch.setitem(call_table.CALL._edges, (edge.state, edge.input), edge._replace(actions=(broken,)))
    with pytest.raises(ZeroDivisionError):
        phone.request(message("ACK", to_tag=first))
    assert phone.cells == before
    monkeypatch.undo()
    broken_call = phone.cells.get(first.encode())
    phone.cells.delete(first.encode())
    phone._did(phone.agent.abandon(broken_call.key, broken_call, *phone.clock))
    assert phone.sent("BYE")[0].to.tag == "peer"
    assert phone.ended.by == "error"
    other = phone.call
    phone.request(message("ACK", to_tag=other.tag, Call_ID="two@peer"))
    assert phone.state == "CONFIRMED"


def test_a_call_out_whose_cell_is_lost_is_cancelled() -> None:
    phone = Phone()
    key = phone.place_call()
    lost = phone.call
    phone.cells.delete(lost.key)
    phone._did(phone.agent.abandon(lost.key, lost, *phone.clock))
    assert phone.last(Cancel).key == key
    assert phone.ended.outcome == "failed"


def test_a_ringing_call_whose_cell_is_lost_is_refused_with_500() -> None:
    phone = Phone()
    phone.receive_call()
    lost = phone.call
    phone.cells.delete(lost.key)
    phone._did(phone.agent.abandon(lost.key, lost, *phone.clock))
    assert phone.statuses == [180, 500]
    assert phone.ended.outcome == "failed"
