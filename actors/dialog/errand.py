"""One request that is no INVITE, from its location to its final response: candidates in turn, challenges answered.

The owner keeps the errand in its cell, gives it what comes for it, and says with `make` what the request is: it is
written anew for each candidate (our Contact depends on it) and each CSeq number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.dialog import authentication
from actors.dialog.accounts import Account, host_of
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News
from actors.dialog.attempt import begin as begin_attempt
from actors.dialog.attempt import step as step_attempt
from actors.dialog.authentication import CHALLENGES, Authenticator, Where
from actors.dialog.call import Heard, Place
from actors.dialog.names import Names
from actors.runtime.machine import Effects
from actors.sip.vocabulary import Candidate

replace = msgspec.structs.replace

Make = Callable[[Candidate, int], bytes]  # the request for a candidate with a CSeq number, but for its Via


class Errand(msgspec.Struct, frozen=True, array_like=True):
    """One request on its way.

    Attributes:
        attempt: it, at its candidates.
        seq: its CSeq number.
        proof: what is known of those that ask for credentials; None where there are none to give.
    """

    attempt: Attempt
    seq: int
    proof: Authenticator | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return self.attempt.over


class Desk(NamedTuple):
    """What an errand needs of its owner.

    Attributes:
        names: the maker of branches.
        account: whose credentials it may show, None for nobody's.
        make: the request.
        now: seconds.
    """

    names: Names
    account: Account | None
    make: Make
    now: float


def begin(
    desk: Desk, tag: str, method: str, where: str, seq: int, proof: Authenticator | None, hop: Candidate | None = None
) -> tuple[Errand, Effects]:
    """Send a request.

    Args:
        desk: of the owner.
        tag: of the owner's cell.
        method: of the request.
        where: the URI to locate (RFC 3261 s8.1.2).
        seq: its CSeq number; the next errand of the owner begins above the errand's last.
        proof: of the owner's last errand; None for a first one.
        hop: the candidate, where nothing needs to be located.
    """
    if proof is not None:
        proof = authentication.fresh(proof)
    elif desk.account is not None:
        proof = authentication.begin(desk.account)
    attempt = Attempt(AttemptState.NEW, (), tag, str(seq), method, b"", None, where)
    errand = Errand(attempt, seq, proof)
    if hop is not None:
        attempt, _ = step_attempt(attempt, AttemptInput.LOCATED, News(desk.names, (hop,)), desk.now)
        return _onward(replace(errand, attempt=attempt), desk)
    attempt, effects = begin_attempt(attempt, None, desk.names, desk.now)
    return replace(errand, attempt=attempt), effects


def _onward(errand: Errand, desk: Desk) -> tuple[Errand, Effects]:
    """Send to the chosen candidate, if there is one."""
    attempt, proof = errand.attempt, errand.proof
    if attempt.state is not AttemptState.CHOSEN:
        return errand, ()
    raw = desk.make(attempt.candidate, errand.seq)
    if proof is not None and proof.protections and desk.account is not None:
        uri, body = authentication.target_of(raw), raw.partition(b"\r\n\r\n")[2]
        proof, lines = authentication.credentials(proof, desk.account, attempt.method, uri, body)
        raw = authentication.again(raw, errand.seq, lines)
    attempt = replace(attempt, request=raw)
    attempt, effects = step_attempt(attempt, AttemptInput.SEND, News(desk.names), desk.now)
    return replace(errand, attempt=attempt, proof=proof), effects


def located(errand: Errand, place: Place, desk: Desk) -> tuple[Errand, Effects]:
    """The next hops are known."""
    if errand.attempt.ref != place.ref:
        return errand, ()
    news = News(desk.names, place.candidates, 0, place.reason)
    attempt, effects = step_attempt(errand.attempt, AttemptInput.LOCATED, news, desk.now)
    errand, more = _onward(replace(errand, attempt=attempt), desk)
    return errand, effects + more


def heard(errand: Errand, what: Heard, desk: Desk) -> tuple[Errand, Effects]:
    """A response came, or none will; the errand is over if that was all."""
    if errand.attempt.key != what.key:
        return errand, ()  # of a candidate that was given up
    proof, response = errand.proof, what.response
    if response is not None and proof is not None and desk.account is not None:
        if what.status in CHALLENGES:
            hop = host_of(errand.attempt.uri) or errand.attempt.candidate.target.host
            uri = authentication.target_of(errand.attempt.request)
            after = authentication.challenged(proof, desk.account, response, Where(hop, uri), desk.names.token)
            if after is not None:
                return again(replace(errand, proof=after), desk)
        elif what.status < 300:
            errand = replace(errand, proof=authentication.informed(proof, response))
    news = News(desk.names, (), what.status, what.reason)
    attempt, effects = step_attempt(errand.attempt, what.attempt_input, news, desk.now)
    errand, more = _onward(replace(errand, attempt=attempt), desk)
    return errand, effects + more


def again(errand: Errand, desk: Desk) -> tuple[Errand, Effects]:
    """Send the request again to the candidate that answered, with the next CSeq number (RFC 3261 s8.1.3.5)."""
    seq = errand.seq + 1
    attempt = authentication.retry(errand.attempt, b"", seq)
    return _onward(replace(errand, attempt=replace(attempt, name=str(seq)), seq=seq), desk)
