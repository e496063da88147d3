"""Calls out once the INVITE is sent: early dialogs, a 2xx of one or several forks (RFC 3261 sections 9.1 and 13.2)."""

from __future__ import annotations

from actors.dialog import dialog_state, session_timer
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News, advance, begin
from actors.dialog.attempt import step as attempt_step
from actors.dialog.call import Call, Given, Heard, Input, State, replace
from actors.dialog.call_early import described, early_of, progress
from actors.dialog.call_end import ended
from actors.dialog.call_invite import again, onward, proven_again
from actors.dialog.call_offers import carried, dropped
from actors.dialog.call_parts import Fork, Offer, Outcome
from actors.dialog.call_up import lost, timed, up
from actors.dialog.call_waiting import acknowledge, posed, waits, withdrawn
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.errand import contacts_of, retry_after
from actors.dialog.names import Names
from actors.dialog.negotiation import (
    agreed,
    answered,
    answering,
    awaited,
    unopened,
)
from actors.dialog.policy import outcome_of, told_cause
from actors.dialog.reply import shown
from actors.runtime.machine import Arm, Effects
from actors.sip import RemoteProtocolError
from actors.sip.offer_answer import Carrier
from actors.sip.offer_answer import State as Turn

SILENCE = 4  # times T1: how long an INVITE that nobody has answered at all holds up the end of its call
MAX_FORKS = 16  # other forks' 2xx that are acknowledged and hung up


# Actions: the INVITE is sent


def progressed(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A provisional response. A reliable one whose answer is none: PRACK, then CANCEL; others change nothing."""
    call, effects = progress(call, given, now)
    if call.outcome is None:
        return call, effects
    call, more = given_up(call, given, now, call.outcome)
    return call, effects + more


def given_up(call: Call, given: Given, now: float, outcome: Outcome) -> tuple[Call, Effects]:
    """What the peer wants cannot be had: CANCEL."""
    return _cancel(call, given, now, outcome)


def accepted(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The first 2xx: ACK, and the call is up (s13.2.2.4). An answer that cannot be taken: ACK, then BYE.

    Where our INVITE held no offer the 2xx does, and the ACK its answer. A 2xx of a candidate that was given up comes
    too late: it gets ACK and BYE, and the candidate in hand is waited for. So it is with a fork whose answer cannot be
    taken while others may yet answer.
    """
    heard: Heard = given.what
    assert heard.response is not None
    assert call.attempt is not None
    assert heard.head is not None
    tag = heard.head.to_tag
    if call.attempt.key != heard.key or any(fork.remote_tag == tag for fork in call.forks):
        return accepted_again(call, given, now)
    call, gone = withdrawn(call, given, now, 500)
    before = call
    call = _confirmed(call, given, now)
    body = described(heard.response)
    call, reply, wrong = _described(call, given, body)
    if wrong is not None and any(early.remote_tag != tag for early in call.early):
        call, effects = _passed_over(before, tag, given, now)
        return call, gone + effects
    if wrong is None and waits(call):
        offer = Offer("", Carrier.SUCCESS, heard.head.cseq, 0.0, headers=shown(heard.response))
        call, effects = posed(call, offer, body, "", given, now)
    else:
        call, effects = _acknowledged(call, given, now, reply)
    effects = gone + effects
    if wrong is not None:
        call, more = ended(call, given, now, Outcome("failed", 488, wrong.reason, "error"), bye=True)
        return call, effects + more
    timer = session_timer.agreed(heard.response, None, call.least)
    call, more = carried(replace(call, state=State.CONFIRMED, early=(), order=None, timer=timer), given, now)
    effects += more + timed(call, given, now)
    return call, effects if call.offer is not None else effects + up(call, given, shown(heard.response))


def _described(call: Call, given: Given, body: bytes) -> tuple[Call, bytes, RemoteProtocolError | None]:
    """The call after the description in its 2xx, our answer to it for the ACK, and why it cannot be taken."""
    exchange, reply = call.media.exchange, b""
    try:
        if exchange.state is Turn.LOCAL_OFFER:
            call, _ = agreed(call, body or exchange.preview, Carrier.SUCCESS)
        elif not exchange.sent:
            call = answered(call, given.agent, body, Carrier.SUCCESS, offerless=True)
            if not waits(call):
                call, reply = answering(call, Carrier.ACK)
    except RemoteProtocolError as error:
        return call, b"", error
    return call, reply, None


def _passed_over(call: Call, tag: str, given: Given, now: float) -> tuple[Call, Effects]:
    """A fork's 2xx cannot be taken: ACK and BYE (s13.2.2.4). Others may answer for 64*T1 yet (RFC 6026 s7.2)."""
    gone: Effects = ()
    if call.change is not None and call.change.early == tag:
        call, gone = dropped(call, given)
    assert call.attempt is not None
    invite, _ = attempt_step(call.attempt, AttemptInput.FINAL, News(given.agent.names), now)
    linger = call.linger if call.forks else now + given.agent.give_up
    fork, effects = _fork(call, invite, given.what, given, now)
    left = tuple([early for early in call.early if early.remote_tag != tag])
    call = replace(call, attempt=invite, early=left, forks=(*call.forks, fork), linger=linger)
    return call, (*gone, *effects, Arm(Input.GIVE_UP, linger))


def none_left(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No fork but those with a bad answer has answered."""
    return ended(call, given, now, Outcome("failed", 488, "no fork has a good answer", "error"))


def accepted_too_late(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A 2xx crosses our CANCEL: ACK, then BYE (s15, RFC 5407 section 3.1.2)."""
    call, effects = _acknowledged(_confirmed(call, given, now), given, now, b"")
    assert call.outcome is not None
    call, more = ended(replace(call, answered=0.0), given, now, call.outcome, bye=True)
    return call, effects + more


def _confirmed(call: Call, given: Given, now: float) -> Call:
    """The dialog of the first 2xx. What its early dialog came to goes on: CSeq numbers, offer and answer."""
    heard: Heard = given.what
    assert call.attempt is not None
    assert heard.head is not None
    invite, _ = attempt_step(call.attempt, AttemptInput.FINAL, News(given.agent.names), now)
    early = early_of(call, heard.head.to_tag)
    dialog = _dialog(call, heard, invite, given.agent.names)
    if early.dialog is not None:
        before = early.dialog
        dialog = replace(dialog, local_seq=before.local_seq, remote_seq=before.remote_seq)
    return replace(
        call,
        attempt=replace(invite, request=b""),
        dialog=dialog,
        media=replace(call.media, exchange=early.exchange),
        answered=now,
        linger=now + given.agent.give_up,
    )


def _acknowledged(call: Call, given: Given, now: float, body: bytes) -> tuple[Call, Effects]:
    heard: Heard = given.what
    assert heard.head is not None
    assert call.dialog is not None
    ack, effects = acknowledge(call, call.dialog, "ack", heard.head.cseq, given, now, body)
    return replace(call, ack=ack), effects


def _dialog(call: Call, heard: Heard, invite: Attempt, names: Names) -> Dialog:
    assert heard.head is not None
    assert heard.response is not None
    path = Path.of_candidate(invite.candidate_of(heard.key, names))
    ends = dialog_state.ends_of(invite.request) if call.dialog is None else call.dialog.ends
    return dialog_state.of_response(heard.response, heard.head, path, ends, invite.uri)


def accepted_again(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """A 2xx after the first: repeated, it gets the same ACK; of another fork, ACK and BYE (s13.2.2.4)."""
    heard: Heard = given.what
    assert heard.head is not None
    names = given.agent.names
    tag = heard.head.to_tag
    if call.dialog is not None and tag == call.dialog.id.remote_tag:
        if call.ack is None or b"CSeq: %d ACK" % heard.head.cseq not in call.ack.request:
            return call, ()  # it is an earlier INVITE's, which has its ACK
        ack, effects = advance(call.ack, AttemptInput.SEND, News(names), now)
        return replace(call, ack=ack), effects
    forks = call.forks
    for number, fork in enumerate(forks):
        if fork.remote_tag == tag:
            ack, effects = advance(fork.ack, AttemptInput.SEND, News(names), now)
            forks = (*forks[:number], replace(fork, ack=ack), *forks[number + 1 :])
            return replace(call, forks=forks), effects
    if call.attempt is None or len(forks) >= MAX_FORKS:
        return call, ()
    fork, effects = _fork(call, call.attempt, heard, given, now)
    return replace(call, forks=(*forks, fork)), effects


def _fork(call: Call, invite: Attempt, heard: Heard, given: Given, now: float) -> tuple[Fork, Effects]:
    dialog = _dialog(call, heard, invite, given.agent.names)
    tag = dialog.id.remote_tag
    ack, effects = acknowledge(call, dialog, f"ack {tag}", dialog.local_seq, given, now)
    user_agent = given.agent.settings.user_agent
    early = early_of(call, tag).dialog  # its PRACKs have numbers, too
    last = dialog.local_seq if early is None else early.local_seq
    raw = dialog_state.request(dialog, "BYE", last + 1, user_agent=user_agent)
    bye, hop = dialog_state.attempt(dialog, f"bye {tag}", "BYE", raw)
    bye, more = begin(bye, hop, given.agent.names, now)
    return Fork(tag, ack, bye), effects + more


def refused(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The INVITE failed at this candidate: on to the next, elsewhere or again, or the call ends (s8.1.3)."""
    heard: Heard = given.what
    call, lost_offer = dropped(call, given)
    assert call.attempt is not None
    if call.identity is not None and (proven := proven_again(call, heard, given, now)) is not None:
        return proven[0], lost_offer + proven[1]
    news = News(given.agent.names, (), heard.status, heard.reason, retry_after(heard.response))
    invite, effects = attempt_step(call.attempt, heard.attempt_input, news, now)
    call, gone = withdrawn(call, given, now)
    effects = lost_offer + effects + gone
    call = replace(call, attempt=invite, early=())
    if invite.state is AttemptState.CHOSEN:
        call, more = onward(call, given, now)
        return call, effects + more
    if invite.index:  # a candidate that was given up may yet answer, and wants to be told (s13.2.2.4)
        call = replace(call, linger=now + given.agent.give_up)
    call, more = again(call, heard, given, now) or ended(call, given, now, _outcome(heard))
    return call, effects + more


def _outcome(heard: Heard) -> Outcome:
    if heard.head is None:
        return Outcome("unreachable", heard.status, heard.reason, "error")
    response = heard.response
    assert response is not None
    contacts = contacts_of(response) if heard.status < 400 else ()
    cause, headers = told_cause(response), shown(response)
    return Outcome(outcome_of(heard.status), heard.status, heard.reason, "remote", cause, headers, contacts)


def cancel(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """We hang up: CANCEL (s9.1)."""
    return _cancel(call, given, now, Outcome("cancelled", 487, "", "local"))


def rung_out(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Nobody answered in time: CANCEL."""
    return _cancel(call, given, now, Outcome("no_answer", 408, "ring timeout", "local"))


def cancel_without_media(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Media lost the session of our offer: CANCEL."""
    return _cancel(replace(call, media=unopened(call.media)), given, now, lost(given))


def _cancel(call: Call, given: Given, now: float, outcome: Outcome) -> tuple[Call, Effects]:
    call, gone = withdrawn(call, given, now)
    invite = call.attempt
    assert invite is not None
    if invite.over:  # a 2xx was passed over, so there is nothing to cancel
        call, effects = ended(call, given, now, outcome)
        return call, gone + effects
    # A CANCEL waits for the first provisional (s9.1). Where none came, there may be nobody to send one: the user is not
    # kept waiting for Timer B. Who answers later is met as after any cancelled INVITE that had no final response.
    silent = invite.state is AttemptState.TRYING
    patience = SILENCE * given.agent.settings.t1 if silent else 2 * given.agent.give_up
    invite, effects = attempt_step(invite, AttemptInput.CANCEL, News(given.agent.names), now)
    return replace(call, attempt=invite, outcome=outcome, state=State.CANCELLING), (
        *gone,
        *effects,
        *awaited(call, "over"),
        Arm(Input.GIVE_UP, now + patience),
    )


def refused_after_cancel(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The cancelled INVITE has its final response: 487 or what crossed the CANCEL."""
    assert call.outcome is not None
    return ended(call, given, now, call.outcome)


def no_final(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """No final response to the cancelled INVITE: it counts as cancelled (s9.1); a late 2xx still gets ACK and BYE."""
    assert call.outcome is not None
    return ended(replace(call, linger=now + given.agent.give_up), given, now, call.outcome)


def transactions_lost(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """The transaction shard lost our INVITE."""
    outcome = call.outcome or Outcome("failed", 0, "the INVITE's transaction was lost", "error")
    return ended(replace(call, linger=now + given.agent.give_up), given, now, outcome)


def media_lost_early(call: Call, _: Given, __: float) -> tuple[Call, Effects]:
    """Media lost the session of a call that is being cancelled."""
    return replace(call, media=unopened(call.media)), ()
