"""Every row of the call's table is taken: a call is brought to the row's state, and its input comes from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.dialog import call_cells, call_table
from actors.dialog.attempt import AttemptState
from actors.dialog.call import Call, Input, State, replace
from actors.dialog.call_commands import (
    AnswerCall,
    AnswerOffer,
    HangUp,
    HoldCall,
    OfferSession,
    ProgressCall,
    RejectCall,
    TransferCall,
    Treatment,
)
from actors.dialog.call_parts import Change, Offer, Transfer
from actors.dialog.call_table import ALL_TIMERS, CALL
from actors.dialog.call_transfer import Progress
from actors.dialog.dialog_state import attempt, request
from actors.dialog.effects import Find
from actors.dialog.request_events import AnswerRequest, SendInCall
from actors.dialog.shard_events import ReplaceReserved
from actors.runtime.machine import Row
from actors.sip import parse
from actors.sip.offer_answer import Carrier, Exchange
from actors.sip.offer_answer import State as Turn
from actors.sip.vocabulary import TransactionKey
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, invite, key_of, message, place
from tests.dialog.test_change import hold, sent
from tests.dialog.test_change import respond as respond_change

S = State
I = Input  # noqa: E741 - as in the table's columns


# How a call comes to each state.


def locating() -> Phone:
    phone = Phone()
    phone.command(place())
    return phone


def preparing() -> Phone:
    phone = locating()
    phone.located(phone.last(Find).ref, NEAR)
    return phone


def inviting() -> Phone:
    phone = Phone(refer="follow", refer_hosts=("*",))
    phone.place_call()
    raw = answer_to(sent(phone, "INVITE"), 183, body=OFFER, Require="100rel", RSeq="1", contact="<sip:b@far.example>")
    phone.response(raw, phone.invite_key())
    return phone


def cancelling() -> Phone:
    phone = inviting()
    phone.command(HangUp("h", phone.call.call))
    return phone


def received() -> Phone:
    phone = Phone()
    phone.request(invite(Expires="30"))
    return phone


def ringing() -> Phone:
    phone = Phone()
    phone.receive_call(invite(Require="100rel", Expires="30"))
    return phone


def answered() -> Phone:
    phone = Phone("echo", refer="follow", refer_hosts=("*",), methods=("FOO",))
    phone.receive_call(invite(Session_Expires="90;refresher=uas", Supported="timer"))
    return phone


def leaving() -> Phone:
    phone = answered()
    phone.command(HangUp("h", phone.call.call))
    return phone


def confirmed() -> Phone:
    phone = answered()
    phone.request(message("ACK", to_tag=phone.call.tag))
    return phone


def modifying() -> Phone:
    phone = confirmed()
    hold(phone)
    return phone


def closing() -> Phone:
    phone = confirmed()
    phone.command(HangUp("h", phone.call.call))
    return phone


def lingering() -> Phone:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(sent(phone, "INVITE"), 200, body=OFFER), key)
    phone.command(HangUp("h", phone.call.call))
    phone.finish()
    return phone


MADE: dict[State, Callable[[], Phone]] = {
    S.LOCATING: locating,
    S.PREPARING: preparing,
    S.INVITING: inviting,
    S.CANCELLING: cancelling,
    S.RECEIVED: received,
    S.RINGING: ringing,
    S.ANSWERED: answered,
    S.LEAVING: leaving,
    S.CONFIRMED: confirmed,
    S.MODIFYING: modifying,
    S.CLOSING: closing,
    S.LINGERING: lingering,
}


# How each input comes.


def ask(phone: Phone, method: str, **more: Any) -> None:
    """A request of the peer in the dialog, early or not."""
    call = phone.call
    of_early = call.dialog is None
    headers = {"Call_ID": call.call, "From": "<sip:b@h>;tag=callee"} if of_early else {}
    if not of_early and not call.inbound:
        assert call.dialog is not None
        headers = {"Call_ID": call.dialog.id.call_id, "From": f"<sip:b@h>;tag={call.dialog.id.remote_tag}"}
    cseq = 1 if method == "ACK" else 50
    phone.request(message(method, to_tag=call.tag, cseq=cseq, **{**headers, **more}))


def alter(phone: Phone, **fields: Any) -> None:
    call = replace(phone.call, **fields)
    phone.cells.put(call.key, call, call.next_deadline)


def other_fork(phone: Phone) -> None:
    """A 2xx of another fork, from whatever state: it is acknowledged and hung up."""
    call = phone.call
    if call.attempt is None:  # a call in has no forks, and one whose INVITE is forgotten none any more
        new, _ = attempt(call.dialog, "invite", "INVITE", b"INVITE sip:a@b SIP/2.0\r\n\r\n")  # type: ignore[arg-type]
        key = TransactionKey(phone.agent.agent.names.branch(call.tag, "invite", 0), "", "INVITE")
        made = replace(new, state=AttemptState.DONE, candidates=(NEAR,), key=key)
        alter(phone, attempt=made)
    key = phone.call.attempt.key  # type: ignore[union-attr, assignment]
    raw = message("INVITE", From=f"<sip:us@h>;tag={call.tag}", Call_ID=dialog_call_id(call), branch="x")
    phone.response(answer_to(raw, 200, tag="fork", body=OFFER, contact="<sip:b@far.example>"), key)


def dialog_call_id(call: Call) -> str:
    return call.dialog.id.call_id if call.dialog is not None else call.call


def bye_of_fork(phone: Phone) -> None:
    key = TransactionKey(phone.agent.agent.names.branch(phone.call.tag, "bye fork", 0), "", "BYE")
    phone.failed(key, 408)


def routed(phone: Phone) -> None:
    phone.located(f"{phone.call.tag} bye fork", NEAR)


def modified(phone: Phone) -> None:
    """The answer to our re-INVITE; where none is out, one that was."""
    call = phone.call
    if call.change is None:
        dialog = call.dialog or call.early[0].dialog
        assert dialog is not None
        raw = request(dialog, "INVITE", 9)
        new, _ = attempt(dialog, "change 9", "INVITE", raw)
        key = TransactionKey(phone.agent.agent.names.branch(call.tag, "change 9", 0), "", "INVITE")
        made = replace(new, state=AttemptState.TRYING, candidates=(NEAR,), key=key)
        alter(phone, change=Change(made, "sendonly", early="" if call.dialog else call.early[0].remote_tag))
    change = phone.call.change
    assert change is not None
    assert change.attempt is not None
    assert change.attempt.key is not None
    phone.failed(change.attempt.key, 500)


def request_done(phone: Phone) -> None:
    if not phone.call.requests:
        assert phone.call.dialog is not None
        raw = request(phone.call.dialog, "REFER", 9)
        new, _ = attempt(phone.call.dialog, "refer 9", "REFER", raw)
        key = TransactionKey(phone.agent.agent.names.branch(phone.call.tag, "refer 9", 0), "", "REFER")
        made = replace(new, state=AttemptState.TRYING, candidates=(NEAR,), key=key)
        alter(phone, requests=(made,), transfer=Transfer(ours=True, seq=9, target="sip:a@b"))
    one = phone.call.requests[0]
    phone.failed(one.key or TransactionKey(phone.agent.agent.names.branch(one.tag, one.name, 0), "", one.method), 408)


def notify(phone: Phone) -> None:
    alter(phone, transfer=Transfer(ours=True, seq=9, target="sip:a@b"))
    ask(phone, "NOTIFY", body=b"SIP/2.0 180 Ringing\r\n", Content_Type="message/sipfrag", Event="refer")


def beside(event: Input, what: object) -> Callable[[Phone], None]:
    """What another call of the shard brings about."""

    def come(phone: Phone) -> None:
        if event is I.REFERRED:
            alter(phone, transfer=Transfer(ours=False, seq=9, target="sip:a@b"))
        phone._did(phone.agent.calls._step(phone.call, event, what, *phone.clock))

    return come


def timer(event: Input) -> Callable[[Phone], None]:
    """A timer fires; where the way to the state did not arm it, it is armed."""

    def fire(phone: Phone) -> None:
        call = phone.call
        others = tuple([pair for pair in call.deadlines if pair[0] is not event])
        alter(phone, deadlines=((event, phone.now), *[(kind, at + 1000) for kind, at in others]))
        phone._did(phone.agent.expire(call.key, *phone.clock))

    return fire


def respond(status: int, body: bytes = b"") -> Callable[[Phone], None]:
    def come(phone: Phone) -> None:
        phone.response(answer_to(sent(phone, "INVITE"), status, body=body), phone.invite_key())

    return come


def no_prack_first(phone: Phone) -> None:
    ask(phone, "PRACK", RAck="1 1 INVITE")
    phone.command(ProgressCall("a", phone.call.call))


def reply(phone: Phone) -> None:
    ask(phone, "FOO")
    phone.command(AnswerRequest("a", phone.call.call, phone.call.inquiries[0].request))


def offer_waits(phone: Phone) -> None:
    """The peer's offer waits for the application."""
    call = phone.call
    key = TransactionKey("z9hG4bKoffer", "h", "INVITE")
    refusal = b"SIP/2.0 488 No\r\nContent-Length: 0\r\n\r\n"
    exchange = Exchange(Turn.REMOTE_OFFER, b"ours", b"theirs", b"new", b"ours", carrier=Carrier.UPDATE)
    media = replace(call.media, outside=True, open=False, exchange=exchange)
    offer = Offer("o", Carrier.UPDATE, 50, phone.now, key, refusal.replace(b"488 No", b"200 OK"), refusal)
    alter(phone, media=media, offer=offer)


def answer_offer(phone: Phone) -> None:
    offer_waits(phone)
    phone.command(AnswerOffer("a", phone.call.call, "o", b"new"))


def offering(phone: Phone) -> None:
    """The application offers; before the call is answered the first offer has its answer already."""
    exchange = Exchange(Turn.STABLE, b"ours", b"theirs", sent=b"ours")
    alter(phone, media=replace(phone.call.media, outside=True, open=False, exchange=exchange))
    phone.command(OfferSession("a", phone.call.call, b"new", update=True))


def offer_late(phone: Phone) -> None:
    offer_waits(phone)
    timer(I.OFFER_LATE)(phone)


def offer_cancelled(phone: Phone) -> None:
    offer_waits(phone)
    key = TransactionKey("z9hG4bKoffer", "h", "INVITE")
    phone._did(phone.agent.cancelled(key, *phone.clock, phone.call.tag))


INVITED = key_of(parse(invite()).head)
COMES: dict[Input, Callable[[Phone], object]] = {
    I.INVITE_AGAIN: lambda phone: phone.request(invite()),
    I.REINVITE: lambda phone: ask(phone, "INVITE", body=OFFER),
    I.BYE: lambda phone: ask(phone, "BYE"),
    I.ACK: lambda phone: ask(phone, "ACK"),
    I.UPDATE: lambda phone: ask(phone, "UPDATE"),
    I.PRACK: lambda phone: ask(phone, "PRACK", RAck="1 1 INVITE"),
    I.REFER: lambda phone: ask(phone, "REFER", Refer_To="<sip:carol@192.0.2.7>"),
    I.NOTIFY: notify,
    I.CANCELLED: lambda phone: phone.cancel(invite()),
    I.SERVER_FAILED: lambda phone: phone.failed(INVITED, 503, client=False),
    I.LOCATED: lambda phone: phone.located(phone.last(Find).ref, NEAR),
    I.ROUTED: routed,
    I.PROVISIONAL: respond(180),
    I.ACCEPTED: other_fork,
    I.REFUSED: respond(486),
    I.BYE_ANSWERED: bye_of_fork,
    I.TRANSACTIONS_LOST: lambda phone: phone._did(phone.agent.transactions_lost(*phone.clock)),
    I.PREPARED: lambda phone: phone.prepared(phone.session),
    I.MEDIA_LOST: lambda phone: (
        phone._did(phone.agent.calls._media(session(phone), I.MEDIA_LOST, "x", *phone.clock)) and None
    ),
    I.MEDIA_CLOSED: lambda phone: phone.closed(phone.session),
    I.PLAYED: lambda phone: phone.played(phone.session),
    I.UNRECORDED: lambda phone: (
        phone._did(phone.agent.calls.unrecorded(session(phone), "/a", "x", *phone.clock)) and None
    ),
    I.ANSWER: lambda phone: phone.command(AnswerCall("a", phone.call.call, Treatment(), 0.0)),
    I.REJECT: lambda phone: phone.command(RejectCall("a", phone.call.call, 486, "")),
    I.PROGRESS: no_prack_first,
    I.HANG_UP: lambda phone: phone.command(HangUp("a", phone.call.call)),
    I.MODIFY: lambda phone: phone.command(HoldCall("a", phone.call.call)),
    I.MODIFIED: modified,
    I.MODIFY_PROGRESS: lambda phone: respond_change(phone, "INVITE", 183),
    I.TRANSFER: lambda phone: phone.command(TransferCall("a", phone.call.call, "sip:c@h")),
    I.REQUEST_DONE: request_done,
    I.REFERRED: beside(I.REFERRED, Progress(180, "Ringing")),
    I.REPLACED: beside(I.REPLACED, None),
    I.RESERVED: beside(I.RESERVED, ReplaceReserved("", 481)),
    I.ASK: lambda phone: phone.command(SendInCall("a", phone.call.call, "one", "INFO")),
    I.ASKED: lambda phone: ask(phone, "FOO"),
    I.REPLY: reply,
    I.ANSWER_OFFER: answer_offer,
    I.OFFER_CANCELLED: offer_cancelled,
    I.OFFER: offering,
    **{event: timer(event) for event in ALL_TIMERS},
    I.OFFER_LATE: offer_late,
}


def session(phone: Phone) -> str:
    """The call's session; where it has none yet, as after a 3xx, one that it had."""
    if not phone.call.media.session:
        alter(phone, media=replace(phone.call.media, session=f"{phone.call.tag}.1"))
    return phone.call.media.session


ROWS = [row for row in CALL.rows if row.state is not S.NEW]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.state.name}-{row.input.name}")
def test_a_row_is_taken_and_leads_where_it_says(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = MADE[row.state]()  # type: ignore[index]
    assert phone.call.state is row.state
    taken: list[tuple[Any, Any, Any]] = []

    def step(machine: Call, event: Input, argument: Any, now: float) -> Any:
        after, effects = CALL.step(machine, event, argument, now)
        taken.append((machine.state, event, after.state))
        return after, effects

    def expire(call: Call, given: Any, now: float) -> Any:
        due = [timer for timer, at in call.deadlines if at <= now]
        after, effects = CALL.expire(call, now, given)
        taken.extend((call.state, timer, after.state) for timer in due)
        return after, effects

    monkeypatch.setattr(call_cells, "step", step)
    monkeypatch.setattr(call_cells, "expire", expire)
    COMES[row.input](phone)  # type: ignore[index]
    targets = row.next if isinstance(row.next, tuple) else (row.next or row.state,)
    assert any(pair[:2] == (row.state, row.input) and pair[2] in targets for pair in taken), taken


def test_the_rows_of_a_new_call_are_those_that_begin_one() -> None:
    assert {row.input for row in CALL.rows if row.state is S.NEW} == call_table.BEGUN
    assert set(MADE) == set(State) - {S.NEW, S.TERMINATED}
