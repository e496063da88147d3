"""The figure of a call: every edge from PLACE or INVITE to TERMINATED (RFC 3261 sections 9, 13, 14 and 15).

The requests of RFC 3262, 3311, 3515 and 3891 and the session timer of RFC 4028 are inputs of the same figure.
"""

from __future__ import annotations

from actors.dialog import call_answers as answers
from actors.dialog import call_change as change
from actors.dialog import call_early as early
from actors.dialog import call_end as end
from actors.dialog import call_in as into
from actors.dialog import call_invite as begin
from actors.dialog import call_offers as offers
from actors.dialog import call_out as out
from actors.dialog import call_reliable as reliable
from actors.dialog import call_requests as requests
from actors.dialog import call_transfer as transfer
from actors.dialog import call_up as up
from actors.dialog import call_update as update
from actors.dialog.call import Call, Given, Input, State
from actors.runtime.machine import Effects, Row, Table

S = State
I = Input  # noqa: E741 - as in the table's columns

_DONE = (S.CLOSING, S.LINGERING, S.TERMINATED)
_CANCELLED = (S.CANCELLING, S.CLOSING, S.LINGERING)  # over at once where a 2xx was passed over

OUT = (
    Row(S.NEW, I.PLACE, S.LOCATING, (begin.place,)),
    Row(S.LOCATING, I.LOCATED, (S.PREPARING, S.INVITING, S.CLOSING, S.TERMINATED), (begin.located,)),
    Row(S.LOCATING, I.HANG_UP, (S.CLOSING, S.TERMINATED), (begin.give_up_early,)),
    Row(S.LOCATING, I.RUNG_OUT, (S.CLOSING, S.TERMINATED), (begin.rung_out_early,)),
    Row(S.LOCATING, I.MEDIA_LOST, None, (out.media_lost_early,)),  # after a 3xx
    Row(S.PREPARING, I.PREPARED, S.INVITING, (begin.ready,)),
    Row(S.PREPARING, I.MEDIA_LOST, S.TERMINATED, (begin.no_media,)),
    Row(S.PREPARING, I.MEDIA_LATE, S.CLOSING, (begin.no_media,)),
    Row(S.PREPARING, I.HANG_UP, S.CLOSING, (begin.give_up_early,)),
    Row(S.PREPARING, I.RUNG_OUT, S.CLOSING, (begin.rung_out_early,)),
    Row(S.INVITING, I.PROVISIONAL, (S.INVITING, S.CANCELLING), (out.progressed,)),
    Row(S.INVITING, I.ACCEPTED, (S.INVITING, S.CONFIRMED, S.MODIFYING, S.CLOSING), (out.accepted,)),
    Row(S.INVITING, I.BYE_ANSWERED, None, (end.bye_answered,)),  # of a candidate that was given up
    Row(S.INVITING, I.REFUSED, (S.INVITING, S.PREPARING, S.LOCATING, *_DONE), (out.refused,)),
    Row(S.INVITING, I.UPDATE, None, (update.update,)),
    Row(S.INVITING, I.REQUEST_DONE, None, (early.request_done,)),
    Row(S.INVITING, I.ROUTED, None, (end.routed,)),
    Row(S.INVITING, I.REINVITE, None, (up.reinvited_while_pending,)),
    Row(S.INVITING, I.HANG_UP, _CANCELLED, (out.cancel,)),
    Row(S.INVITING, I.RUNG_OUT, _CANCELLED, (out.rung_out,)),
    Row(S.INVITING, I.MEDIA_LOST, _CANCELLED, (out.cancel_without_media,)),
    Row(S.INVITING, I.GIVE_UP, _DONE, (out.none_left,)),
    Row(S.INVITING, I.ANSWER_OFFER, (S.INVITING, *_CANCELLED), (answers.answered,)),
    Row(S.INVITING, I.OFFER_LATE, (S.INVITING, *_CANCELLED), (answers.late,)),
    Row(S.INVITING, I.OFFER, None, (offers.offer,)),
    Row(S.INVITING, I.OFFER_DUE, None, (offers.due,)),
    Row(S.INVITING, I.MODIFIED, None, (offers.answered,)),
    Row(S.INVITING, I.TRANSACTIONS_LOST, _DONE, (out.transactions_lost,)),
    Row(S.CANCELLING, I.ACCEPTED, S.CLOSING, (out.accepted_too_late,)),
    Row(S.CANCELLING, I.REFUSED, _DONE, (out.refused_after_cancel,)),
    Row(S.CANCELLING, I.BYE_ANSWERED, None, (end.bye_answered,)),
    Row(S.CANCELLING, I.ROUTED, None, (end.routed,)),
    Row(S.CANCELLING, I.REINVITE, None, (up.reinvited_while_pending,)),
    Row(S.CANCELLING, I.HANG_UP, None),
    Row(S.CANCELLING, I.MEDIA_LOST, None, (out.media_lost_early,)),
    Row(S.CANCELLING, I.GIVE_UP, _DONE, (out.no_final,)),
    Row(S.CANCELLING, I.TRANSACTIONS_LOST, _DONE, (out.transactions_lost,)),
)

IN = (
    Row(S.NEW, I.INVITE, (S.RECEIVED, S.RINGING, S.TERMINATED), (into.receive,)),
    Row(S.RECEIVED, I.PREPARED, (S.RECEIVED, S.RINGING, S.ANSWERED), (into.ready,)),
    Row(S.RECEIVED, I.RESERVED, (S.ANSWERED, S.RINGING, *_DONE), (into.reserved,)),
    Row(S.RECEIVED, I.UNRESERVED, _DONE, (into.unreserved,)),
    Row(S.RECEIVED, I.MEDIA_LOST, S.TERMINATED, (into.no_media,)),
    Row(S.RECEIVED, I.MEDIA_LATE, S.CLOSING, (into.no_media,)),
    Row(S.RECEIVED, I.CANCELLED, _DONE, (into.cancelled,)),
    Row(S.RECEIVED, I.EXPIRED, _DONE, (into.expired,)),
    Row(S.RECEIVED, I.BYE, _DONE, (into.bye_early,)),
    Row(S.RECEIVED, I.HANG_UP, _DONE, (into.hang_up,)),
    Row(S.RECEIVED, I.REINVITE, None, (into.reinvited_too_early,)),
    Row(S.RECEIVED, I.UPDATE, None, (into.reinvited_too_early,)),
    Row(S.RECEIVED, I.SERVER_FAILED, _DONE, (into.transaction_broken,)),
    Row(S.RECEIVED, I.TRANSACTIONS_LOST, _DONE, (into.transaction_broken,)),
    Row(S.RINGING, I.ANSWER, (S.ANSWERED, S.RINGING), (into.take,)),
    Row(S.RINGING, I.PROGRESS, None, (reliable.progress,)),
    Row(S.RINGING, I.PRACK, (S.ANSWERED, S.RINGING, *_DONE), (reliable.acknowledged,)),
    Row(S.RINGING, I.RELIABLE, None, (reliable.again,)),
    Row(S.RINGING, I.NO_PRACK, _DONE, (into.unpracked,)),
    Row(S.RINGING, I.UPDATE, None, (update.update,)),
    Row(S.RINGING, I.PLAYED, None, (up.played_early,)),
    Row(S.RINGING, I.UNRECORDED, None, (up.unrecorded,)),
    Row(S.RINGING, I.ANSWER_OFFER, (S.ANSWERED, S.RINGING), (answers.answered,)),
    Row(S.RINGING, I.OFFER_LATE, (S.ANSWERED, S.RINGING), (answers.late,)),
    Row(S.RINGING, I.OFFER, None, (offers.offer,)),
    Row(S.RINGING, I.OFFER_DUE, None, (offers.due,)),
    Row(S.RINGING, I.MODIFIED, (S.ANSWERED, S.RINGING), (offers.answered,)),
    Row(S.RINGING, I.ROUTED, None, (end.routed,)),
    Row(S.RINGING, I.REJECT, _DONE, (into.reject,)),
    Row(S.RINGING, I.HANG_UP, _DONE, (into.hang_up,)),
    Row(S.RINGING, I.CANCELLED, _DONE, (into.cancelled,)),
    Row(S.RINGING, I.BYE, _DONE, (into.bye_early,)),
    Row(S.RINGING, I.RUNG_OUT, _DONE, (into.rung_out,)),
    Row(S.RINGING, I.EXPIRED, _DONE, (into.expired,)),
    Row(S.RINGING, I.STILL_RINGING, None, (into.still_ringing,)),
    Row(S.RINGING, I.ANSWER_ASKED, (S.ANSWERED, S.RINGING), (into.asked_to_answer,)),
    Row(S.RINGING, I.MEDIA_LOST, S.TERMINATED, (into.no_media,)),
    Row(S.RINGING, I.REINVITE, None, (into.reinvited_too_early,)),
    Row(S.RINGING, I.INVITE_AGAIN, None, (into.invited_again,)),
    Row(S.RINGING, I.SERVER_FAILED, _DONE, (into.transaction_broken,)),
    Row(S.RINGING, I.TRANSACTIONS_LOST, _DONE, (into.transaction_broken,)),
)

ANSWERED = (
    Row(S.ANSWERED, I.ACK, (S.ANSWERED, S.CONFIRMED, S.CLOSING), (up.acknowledged,)),
    Row(S.ANSWERED, I.RETRANSMIT, None, (up.retransmit,)),
    Row(S.ANSWERED, I.NO_ACK, S.CLOSING, (up.unacknowledged,)),
    Row(S.ANSWERED, I.REINVITE, None, (up.reinvited,)),
    Row(S.ANSWERED, I.INVITE_AGAIN, None, (into.invited_again,)),
    Row(S.ANSWERED, I.UPDATE, None, (update.update,)),
    Row(S.ANSWERED, I.REFRESH, None, (change.later,)),
    Row(S.ANSWERED, I.RETRY, None, (change.retry_later,)),
    Row(S.ANSWERED, I.MODIFY, None, (change.modify_later,)),
    Row(S.ANSWERED, I.OFFER, None, (change.offer_later,)),
    Row(S.ANSWERED, I.TRANSFER, None, (transfer.send,)),
    Row(S.ANSWERED, I.SESSION_OVER, S.LEAVING, (up.session_over_early,)),
    Row(S.ANSWERED, I.REQUEST_DONE, (S.ANSWERED, S.LEAVING), (transfer.answered,)),
    Row(S.ANSWERED, I.NOTIFY, (S.ANSWERED, S.LEAVING), (transfer.notified,)),
    Row(S.ANSWERED, I.UNTOLD, None, (transfer.untold,)),
    Row(S.ANSWERED, I.REFER, None, (transfer.refer,)),
    Row(S.ANSWERED, I.REFERRED, None, (transfer.referred,)),
    Row(S.ANSWERED, I.REPLACED, S.LEAVING, (up.leave,)),
    Row(S.ANSWERED, I.BYE, _DONE, (up.bye,)),
    Row(S.ANSWERED, I.HANG_UP, S.LEAVING, (up.leave,)),
    Row(S.ANSWERED, I.TIME_UP, S.LEAVING, (up.leave,)),
    Row(S.ANSWERED, I.MEDIA_LOST, S.LEAVING, (up.leave_without_media,)),
    Row(S.ANSWERED, I.PLAYED, (S.ANSWERED, S.LEAVING), (up.played,)),
    Row(S.ANSWERED, I.UNRECORDED, None, (up.unrecorded,)),
    Row(S.LEAVING, I.ACK, (S.LEAVING, S.CLOSING), (up.acknowledged,)),
    Row(S.LEAVING, I.RETRANSMIT, None, (up.retransmit,)),
    Row(S.LEAVING, I.NO_ACK, S.CLOSING, (up.unacknowledged,)),
    Row(S.LEAVING, I.REINVITE, None, (up.reinvited_while_pending,)),
    Row(S.LEAVING, I.INVITE_AGAIN, None, (into.invited_again,)),
    Row(S.LEAVING, I.BYE, _DONE, (up.bye,)),
    Row(S.LEAVING, I.HANG_UP, None),
    Row(S.LEAVING, I.MEDIA_LOST, None, (up.leave_without_media,)),
    Row(S.LEAVING, I.PLAYED, None, (up.played,)),
    Row(S.LEAVING, I.UNRECORDED, None, (up.unrecorded,)),
    Row(S.CONFIRMED, I.REINVITE, (S.CONFIRMED, S.ANSWERED), (up.reinvited,)),
    Row(S.CONFIRMED, I.MODIFY, (S.CONFIRMED, S.MODIFYING), (change.modify,)),
    Row(S.CONFIRMED, I.OFFER, (S.CONFIRMED, S.MODIFYING), (change.offer,)),
    Row(S.MODIFYING, I.MODIFY, None, (change.modify_later,)),
    Row(S.CONFIRMED, I.REFRESH, (S.CONFIRMED, S.MODIFYING), (change.refresh,)),
    Row(S.CONFIRMED, I.RETRY, (S.CONFIRMED, S.MODIFYING), (change.retry,)),
    Row(S.MODIFYING, I.MODIFIED, (S.CONFIRMED, S.MODIFYING, S.CLOSING), (change.modified,)),
    Row(S.MODIFYING, I.MODIFY_PROGRESS, None, (change.progressed,)),
    Row(S.ANSWERED, I.TRANSACTIONS_LOST, None, (requests.lost,)),
    Row(S.CONFIRMED, I.TRANSACTIONS_LOST, None, (requests.lost,)),
    Row(S.MODIFYING, I.TRANSACTIONS_LOST, S.CONFIRMED, (change.transactions_lost, requests.lost)),
    Row(S.MODIFYING, I.REINVITE, None, (up.reinvited_while_pending,)),
    Row(S.MODIFYING, I.REFRESH, None, (change.later,)),
)

IN_CALL = tuple(  # what a call that is up does alike, whether a request of ours is out or not
    row
    for state in (S.CONFIRMED, S.MODIFYING)
    for row in (
        Row(state, I.BYE, _DONE, (up.bye,)),
        Row(state, I.HANG_UP, S.CLOSING, (up.hang_up,)),
        Row(state, I.TIME_UP, S.CLOSING, (up.hang_up,)),
        Row(state, I.SESSION_OVER, S.CLOSING, (up.session_over,)),
        Row(state, I.MEDIA_LOST, S.CLOSING, (up.media_lost,)),
        Row(state, I.PLAYED, (state, S.CLOSING), (up.played,)),
        Row(state, I.UNRECORDED, None, (up.unrecorded,)),
        Row(state, I.UPDATE, None, (update.update,)),
        Row(state, I.TRANSFER, None, (transfer.send,)),
        Row(state, I.REQUEST_DONE, (state, S.CLOSING), (transfer.answered,)),
        Row(state, I.NOTIFY, (state, S.CLOSING), (transfer.notified,)),
        Row(state, I.UNTOLD, None, (transfer.untold,)),
        Row(state, I.REFER, None, (transfer.refer,)),
        Row(state, I.REFERRED, None, (transfer.referred,)),
        Row(state, I.REPLACED, S.CLOSING, (up.hang_up,)),
    )
)

REQUESTS = tuple(  # of the application, while a call is up
    row
    for state in (S.ANSWERED, S.CONFIRMED, S.MODIFYING)
    for row in (
        Row(state, I.ASK, None, (requests.ask,)),
        Row(state, I.PAUSED, None, (requests.resumed,)),
        Row(state, I.ASKED, None, (requests.asked,)),
        Row(state, I.REPLY, None, (transfer.replied,)),
        Row(state, I.UNREPLIED, None, (requests.unreplied,)),
    )
)

OVER = (
    Row(S.CLOSING, I.BYE, None, (end.bye_again,)),
    Row(S.CLOSING, I.REINVITE, None, (end.reinvited_too_late,)),
    Row(S.CLOSING, I.MODIFIED, None, (change.modified_too_late,)),
    Row(S.CLOSING, I.NOTIFY, None, (end.bye_again,)),
    Row(S.CLOSING, I.BYE_ANSWERED, _DONE, (end.bye_answered,)),
    Row(S.CLOSING, I.ROUTED, _DONE, (end.routed,)),
    Row(S.CLOSING, I.MEDIA_CLOSED, _DONE, (end.media_closed,)),
    Row(S.CLOSING, I.MEDIA_LOST, _DONE, (end.media_gone,)),
    Row(S.CLOSING, I.MEDIA_LATE, _DONE, (end.media_gone,)),
    Row(S.CLOSING, I.GIVE_UP, _DONE, (end.give_up,)),
    Row(S.CLOSING, I.TRANSACTIONS_LOST, _DONE, (end.transactions_lost,)),
    Row(S.CLOSING, I.HANG_UP, None),
    Row(S.LINGERING, I.GIVE_UP, S.TERMINATED, (end.lingered,)),
)

FORKED = tuple(  # what other forks may do while a call is up or over
    row
    for state in (S.ANSWERED, S.LEAVING, S.CONFIRMED, S.MODIFYING, S.CLOSING, S.LINGERING)
    for row in (
        Row(state, I.ACCEPTED, None, (out.accepted_again,)),
        *(
            (Row(state, I.BYE_ANSWERED, None, (end.bye_answered,)), Row(state, I.ROUTED, None, (end.routed,)))
            if state is not S.CLOSING
            else ()
        ),
    )
)

OFFERS = tuple(  # of the peer of a signalling-only call that is up
    row
    for state, after in (
        (S.ANSWERED, None),
        (S.CONFIRMED, (S.CONFIRMED, S.ANSWERED, S.CLOSING)),
        (S.MODIFYING, (S.MODIFYING, S.CLOSING)),
    )
    for row in (
        Row(state, I.ANSWER_OFFER, after, (answers.answered,)),
        Row(state, I.OFFER_LATE, after, (answers.late,)),
        *(() if state is S.MODIFYING else (Row(state, I.OFFER_CANCELLED, None, (answers.cancelled,)),)),
    )
)

ROWS = (*OUT, *IN, *ANSWERED, *IN_CALL, *REQUESTS, *OFFERS, *OVER, *FORKED)

_UP = {I.TIME_UP, I.REFRESH, I.SESSION_OVER, I.PAUSED, I.UNREPLIED, I.OFFER_LATE, I.UNTOLD}  # while a call is up

TIMERS = {
    S.LOCATING: {I.RUNG_OUT},
    S.PREPARING: {I.RUNG_OUT, I.MEDIA_LATE},
    S.INVITING: {I.RUNG_OUT, I.GIVE_UP, I.OFFER_LATE, I.OFFER_DUE},
    S.CANCELLING: {I.GIVE_UP},
    S.RECEIVED: {I.MEDIA_LATE, I.EXPIRED, I.UNRESERVED},
    S.RINGING: {I.RUNG_OUT, I.EXPIRED, I.STILL_RINGING, I.RELIABLE, I.NO_PRACK, I.ANSWER_ASKED}
    | {I.OFFER_LATE, I.OFFER_DUE},
    S.ANSWERED: {I.RETRANSMIT, I.NO_ACK, I.RETRY, *_UP},
    S.LEAVING: {I.RETRANSMIT, I.NO_ACK},
    S.CONFIRMED: {I.RETRY, *_UP},
    S.MODIFYING: _UP,
    S.CLOSING: {I.MEDIA_LATE, I.GIVE_UP},
    S.LINGERING: {I.GIVE_UP},
}
ALL_TIMERS = set().union(*TIMERS.values())

# What says nothing to a state: it cannot happen there, or comes too late. A request among it is answered with 481.
BEGUN = {I.PLACE, I.INVITE}
SERVER = {I.INVITE_AGAIN, I.REINVITE, I.BYE, I.ACK, I.CANCELLED, I.SERVER_FAILED}
INVITING = {I.LOCATED, I.PROVISIONAL, I.REFUSED}
FORKS = {I.ACCEPTED, I.BYE_ANSWERED, I.ROUTED}
FILES = {I.PLAYED, I.UNRECORDED}
READY = {I.PREPARED, I.MEDIA_CLOSED}
LOST = {I.TRANSACTIONS_LOST}
DECISIONS = {I.ANSWER, I.REJECT, I.PROGRESS}
TAKEN = {I.INVITE_AGAIN, I.CANCELLED, I.SERVER_FAILED}  # of a call in that is answered
EARLY = {I.UPDATE, I.PRACK}
CHANGES = {I.MODIFY, I.MODIFIED, I.MODIFY_PROGRESS}
ERRANDS = {I.TRANSFER, I.REQUEST_DONE, I.REFER, I.NOTIFY, I.REFERRED, I.REPLACED}
ASKS = {I.ASK, I.ASKED, I.REPLY}
UP = CHANGES | ERRANDS | ASKS  # of a call that is up
OFFERED = {I.ANSWER_OFFER, I.OFFER_CANCELLED, I.OFFER}  # of signalling-only calls
ELSEWHERE = {I.RESERVED}  # what another shard tells of the call whose place this one takes

IGNORED = {
    S.NEW: set(I) - BEGUN - ALL_TIMERS,
    S.LOCATING: BEGUN | SERVER | (INVITING - {I.LOCATED}) | FORKS | FILES | READY | LOST | DECISIONS | EARLY | UP,
    S.PREPARING: BEGUN | SERVER | INVITING | FORKS | FILES | {I.MEDIA_CLOSED} | LOST | DECISIONS | EARLY | UP,
    S.INVITING: BEGUN
    | (SERVER - {I.REINVITE})
    | {I.LOCATED, I.PRACK}
    | FILES
    | READY
    | DECISIONS
    | (UP - {I.REQUEST_DONE, I.MODIFIED}),
    S.CANCELLING: BEGUN | (SERVER - {I.REINVITE}) | {I.LOCATED, I.PROVISIONAL} | FILES | READY | DECISIONS | EARLY | UP,
    S.RECEIVED: BEGUN | {I.INVITE_AGAIN, I.ACK, I.PRACK} | INVITING | FORKS | FILES | {I.MEDIA_CLOSED} | DECISIONS | UP,
    S.RINGING: BEGUN | {I.ACK} | INVITING | (FORKS - {I.ROUTED}) | READY | (UP - {I.MODIFIED}),
    S.ANSWERED: BEGUN | {I.CANCELLED, I.SERVER_FAILED, I.PRACK} | INVITING | READY | DECISIONS | (CHANGES - {I.MODIFY}),
    S.LEAVING: BEGUN | {I.CANCELLED, I.SERVER_FAILED} | INVITING | READY | LOST | DECISIONS | EARLY | UP,
    S.CONFIRMED: BEGUN | TAKEN | {I.ACK, I.PRACK, I.MODIFIED, I.MODIFY_PROGRESS} | INVITING | READY | DECISIONS,
    S.MODIFYING: BEGUN | TAKEN | {I.ACK, I.PRACK} | INVITING | READY | DECISIONS,
    S.CLOSING: BEGUN
    | TAKEN
    | {I.ACK}
    | INVITING
    | {I.PREPARED}
    | FILES
    | DECISIONS
    | EARLY
    | {I.MODIFY, I.MODIFY_PROGRESS}
    | ASKS
    | (ERRANDS - {I.NOTIFY}),
    S.LINGERING: set(I) - FORKS - ALL_TIMERS,
    S.TERMINATED: set(I) - ALL_TIMERS,
}

CALL: Table[Call] = Table(
    "call",
    states=S,
    inputs=I,
    rows=ROWS,
    ignored={
        state: inputs
        | (ALL_TIMERS - TIMERS.get(state, set()))
        | (set() if state is S.RECEIVED else ELSEWHERE)
        | (OFFERED - {row.input for row in ROWS if row.state is state})
        for state, inputs in IGNORED.items()
    },
    timers=TIMERS,
)


step = CALL.step  # gives an input to a call


def expire(call: Call, given: Given, now: float) -> tuple[Call, Effects]:
    """Fire every timer of a call that is due at `now`, earliest first, each once."""
    return CALL.expire(call, now, given)
