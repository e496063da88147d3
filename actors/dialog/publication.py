"""A publication (RFC 3903 s4): the value of its cell, its table, its PUBLISH."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from actors.dialog import errand as errands
from actors.dialog.authentication import Authenticator
from actors.dialog.call import Agent, Given
from actors.dialog.errand import CEILING, FLOOR, Desk, Errand, Outcome, Sender, backoff, retry_after, wanted_at_least
from actors.dialog.outgoing import beginning, first_hop
from actors.dialog.publication_events import Publish
from actors.runtime.machine import Arm, Effects, Row, Table
from actors.sip import RemoteProtocolError, Request, Response
from actors.sip.headers import SipEtag
from actors.sip.vocabulary import Candidate

replace = msgspec.structs.replace

PART = 0.8  # of the granted time, after which it is refreshed
LONGEST_TAG = 256  # characters of an entity-tag that is believed


class State(IntEnum):
    """The states of a publication."""

    PUBLISHING = 0
    PUBLISHED = 1
    FAILING = 2  # another PUBLISH is planned
    REMOVING = 3
    OVER = 4


class Input(IntEnum):
    """What happens to a publication."""

    PUBLISH = 0  # a new state
    REMOVE = 1
    LOCATED = 2
    HEARD = 3
    LOST = 4  # the transaction shard lost all it held
    # timers
    DUE = 5  # to refresh, to try again
    GIVE_UP = 6  # what should have ended by itself


class Publication(Sender, frozen=True, array_like=True, tag="publication"):
    """One publication.

    Attributes:
        tag: its From tag.
        order: the command, with the state.
        seq: the CSeq number of its last PUBLISH.
        expires: seconds to ask for.
        etag: what the server knows it by (s6); empty while it knows none.
        changed: whether the state is another than the server's.
        removing: whether its PUBLISH is one that removes it.
        unwanted: whether it is to be removed once the one on its way is answered.
        errand: the PUBLISH on its way.
        until: when the server forgets it, 0 while it has none.
        failures: in a row.
        status, reason: of the last failure.
        proof: what is known of those that ask for credentials.
        told: the state and end that control was told last.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    order: Publish
    seq: int = 0
    expires: int = 3600
    etag: str = ""
    changed: bool = True
    removing: bool = False
    unwanted: bool = False
    errand: Errand | None = None
    until: float = 0.0
    failures: int = 0
    status: int = 0
    reason: str = ""
    proof: Authenticator | None = None
    told: tuple[str, float, int] = ("", 0.0, 0)


def build(publication: Publication, agent: Agent, candidate: Candidate, seq: int) -> bytes:
    """The PUBLISH but for its Via (s4): with the state where the server has another, without where it has this one."""
    order = publication.order
    account = agent.accounts.known(order.account)
    body = b"" if publication.removing or not publication.changed else order.body
    call_id = agent.names.token("publish", order.publication)
    headers = [
        *beginning(agent, account, candidate, publication.tag, order.uri, call_id, f"{seq} PUBLISH"),
        ("Event", order.event),
        ("Expires", "0" if publication.removing else str(publication.expires)),
        ("User-Agent", agent.settings.user_agent),
    ]
    if publication.etag:
        headers.append(("SIP-If-Match", publication.etag))
    if body:
        headers.append(("Content-Type", order.content_type))
    return bytes(Request.build("PUBLISH", order.uri, headers, body))


def _desk(publication: Publication, given: Given, now: float) -> Desk:
    agent = given.agent
    account = agent.accounts.known(publication.order.account)
    return Desk(agent.names, account, lambda hop, seq: build(publication, agent, hop, seq), now)


def send(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """Send the next PUBLISH."""
    desk = _desk(publication, given, now)
    where = first_hop(given.agent, desk.account, publication.order.uri)
    seq = publication.seq + 1
    errand, effects = errands.begin(desk, publication.tag, "PUBLISH", where, seq, publication.proof)
    return replace(publication, errand=errand, seq=seq), (*effects, _give_up(given, now))


def _give_up(given: Given, now: float) -> Arm:
    return Arm(Input.GIVE_UP, now + 4 * given.agent.give_up)


def change(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """A new state of one that is published, or fails: at once."""
    return send(_changed(publication, given), given, now)


def note(publication: Publication, given: Given, _: float) -> tuple[Publication, Effects]:
    """A new state while a PUBLISH is on its way: one at a time (s4.1)."""
    return _changed(publication, given), ()


def _changed(publication: Publication, given: Given) -> Publication:
    order: Publish = given.what
    kept = replace(publication.order, body=order.body, content_type=order.content_type, expires=order.expires)
    return replace(publication, order=kept, changed=True, expires=order.expires)


def progress(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """Lead the PUBLISH on its way, and conclude where it is over."""
    return errands.carry(publication, given, now, _desk, _concluded, _give_up(given, now))


def _concluded(publication: Publication, given: Given, now: float, outcome: Outcome) -> tuple[Publication, Effects]:
    if outcome.success is not None:
        assert publication.errand is not None
        whole = not publication.changed or publication.errand.attempt.request.endswith(publication.order.body)
        return _succeeded(publication, given, now, outcome.success, whole=whole)
    again = _once_more(publication, outcome)
    if again is not None:
        return send(again, given, now)
    return _failed(publication, given, now, outcome.status, outcome.reason, retry_after(outcome.response))


def _once_more(publication: Publication, outcome: Outcome) -> Publication | None:
    """The publication as it is to be sent at once after a 412 or 423, None where that would not help."""
    if publication.removing:
        return None
    if outcome.status == 412 and publication.etag:  # the server has forgotten it: the whole state, anew (s4.4)
        return replace(publication, etag="", changed=True)
    if least := wanted_at_least(outcome, publication.expires):
        return replace(publication, expires=least)
    return None


def _succeeded(
    publication: Publication, given: Given, now: float, response: Response, *, whole: bool
) -> tuple[Publication, Effects]:
    """The server has it, under a new entity-tag (s4.1)."""
    if publication.removing:
        return replace(publication, state=State.OVER, errand=None, status=0, reason=""), ()
    try:
        etag, told = response.header(SipEtag), response.expires
    except RemoteProtocolError:
        etag, told = None, None
    if etag is None or len(etag.value) > LONGEST_TAG:
        return _failed(publication, given, now, response.status, "no entity-tag")
    seconds = min(publication.expires if told is None else told, CEILING)
    publication = replace(
        publication,
        state=State.PUBLISHED,
        errand=None,
        etag=etag.value,
        changed=not whole,
        until=now + seconds,
        failures=0,
        status=0,
        reason="",
    )
    if publication.unwanted:
        return remove(publication, given, now)
    if not whole:  # it changed meanwhile
        return send(replace(publication, state=State.PUBLISHING), given, now)
    return publication, (Arm(Input.DUE, now + max(FLOOR, PART * seconds)),)


def _failed(
    publication: Publication, given: Given, now: float, status: int, reason: str, at_least: float = 0.0
) -> tuple[Publication, Effects]:
    """Try again later, each time later; a removal is not: the server forgets it by itself."""
    publication = replace(publication, errand=None, status=status, reason=reason, failures=publication.failures + 1)
    if publication.removing or publication.unwanted:
        return replace(publication, state=State.OVER), ()
    publication = replace(publication, state=State.FAILING)
    wait = backoff(publication.failures, given.agent.names.chance("retry", publication.tag, str(publication.seq)))
    return publication, (Arm(Input.DUE, now + max(wait, at_least)),)


def due(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """To refresh, or to try again; what the server has forgotten goes whole."""
    if publication.etag and publication.until <= now:
        publication = replace(publication, etag="", changed=True)
    return send(publication, given, now)


def lost(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """Nothing will be heard of the PUBLISH on its way."""
    return _failed(publication, given, now, 408, "no answer")


def remove(publication: Publication, given: Given, now: float) -> tuple[Publication, Effects]:
    """Remove it (s4.5), if the server has it."""
    publication = replace(publication, removing=True)
    if not publication.etag or publication.until <= now:
        return replace(publication, state=State.OVER, errand=None, status=0, reason=""), ()
    return send(replace(publication, state=State.REMOVING), given, now)


def remove_next(publication: Publication, _: Given, __: float) -> tuple[Publication, Effects]:
    """To be removed once the PUBLISH on its way is answered: it brings the entity-tag to remove it by."""
    return replace(publication, unwanted=True), ()


S = State
I = Input  # noqa: E741 - as in the table's columns

PUBLICATION: Table[Publication] = Table(
    "publication",
    states=S,
    inputs=I,
    rows=(
        Row(S.PUBLISHING, I.PUBLISH, None, (note,)),
        Row(S.PUBLISHING, I.REMOVE, None, (remove_next,)),
        Row(S.PUBLISHING, I.LOCATED, (S.PUBLISHING, S.FAILING, S.OVER), (progress,)),
        Row(S.PUBLISHING, I.HEARD, (S.PUBLISHING, S.PUBLISHED, S.FAILING, S.REMOVING, S.OVER), (progress,)),
        Row(S.PUBLISHING, I.LOST, (S.FAILING, S.OVER), (lost,)),
        Row(S.PUBLISHING, I.GIVE_UP, (S.FAILING, S.OVER), (lost,)),
        Row(S.PUBLISHED, I.PUBLISH, S.PUBLISHING, (change,)),
        Row(S.PUBLISHED, I.REMOVE, (S.REMOVING, S.OVER), (remove,)),
        Row(S.PUBLISHED, I.DUE, S.PUBLISHING, (due,)),
        Row(S.FAILING, I.PUBLISH, S.PUBLISHING, (change,)),
        Row(S.FAILING, I.REMOVE, (S.REMOVING, S.OVER), (remove,)),
        Row(S.FAILING, I.DUE, S.PUBLISHING, (due,)),
        Row(S.REMOVING, I.LOCATED, (S.REMOVING, S.OVER), (progress,)),
        Row(S.REMOVING, I.HEARD, (S.REMOVING, S.OVER), (progress,)),
        Row(S.REMOVING, I.LOST, S.OVER, (lost,)),
        Row(S.REMOVING, I.GIVE_UP, S.OVER, (lost,)),
    ),
    ignored={
        S.PUBLISHING: {I.DUE},
        S.PUBLISHED: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP},
        S.FAILING: {I.LOCATED, I.HEARD, I.LOST, I.GIVE_UP},
        S.REMOVING: {I.PUBLISH, I.REMOVE, I.DUE},
        S.OVER: set(I),
    },
    timers={
        S.PUBLISHING: {I.GIVE_UP},
        S.PUBLISHED: {I.DUE},
        S.FAILING: {I.DUE},
        S.REMOVING: {I.GIVE_UP},
    },
)

step = PUBLICATION.step
