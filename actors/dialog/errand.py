"""One request that is no INVITE, from its location to its final response: candidates in turn, challenges answered.

The owner, a :class:`Sender`, keeps the errand in its cell, leads it by what comes for it, and says with `make` what the
request is: it is written anew for each candidate (our Contact depends on it) and each CSeq number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from actors.dialog import authentication
from actors.dialog.accounts import Account, host_of
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News
from actors.dialog.attempt import begin as begin_attempt
from actors.dialog.attempt import step as step_attempt
from actors.dialog.authentication import CHALLENGES, Authenticator, Where
from actors.dialog.call import Agent, Heard, Place
from actors.dialog.names import Names
from actors.runtime.machine import Arm, Effects, Machine
from actors.sip import RemoteProtocolError, Response
from actors.sip.headers import MinExpires
from actors.sip.vocabulary import Candidate

replace = msgspec.structs.replace

CEILING = 86_400  # seconds that a peer may make us believe in
FLOOR = 5.0  # seconds between a success and what refreshes it, whatever was granted
FIRST_WAIT = 30.0  # seconds at most after a first failure, doubled with each
SPARE_WAIT = 180.0  # the same where calls come by another flow (RFC 5626 s4.5: base-time 90 s, doubled at the first)
LONGEST_WAIT = 1_800.0
GONE = frozenset({404, 405, 410, 416, 481, 482, 483, 484, 485, 489, 501, 604})  # end the usage (RFC 5057 s5.1)
MAX_REDIRECTS = 5  # that one request follows
MAX_CONTACTS = 8  # of a 3xx that are looked at
LONGEST_RETRY_AFTER = 3_600.0  # a peer that says more is asked all the same

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


class Sender(Machine, frozen=True, array_like=True):
    """A machine that sends errands.

    Attributes:
        tag: its tag, and the key of its cell.
    """

    tag: str

    @property
    def key(self) -> bytes:
        """The key of its cell."""
        return self.tag.encode()


class OfAccount(NamedTuple):
    """What an action is given beside the machine and the time, where the machine is an account's.

    Attributes:
        agent: what all usages share.
        account: as it is configured.
        wall: seconds since the Unix epoch.
        what: the input brought.
        spare: whether calls come by another flow of the account meanwhile (RFC 5626 s4.5).
        version: of what the account's registrations are made of.
    """

    agent: Agent
    account: Account
    wall: float
    what: Any = None
    spare: bool = False
    version: str = ""


class Outcome(NamedTuple):
    """What an errand came to; the status is 0 where there was no next hop."""

    status: int
    reason: str
    response: Response | None = None

    @property
    def success(self) -> Response | None:
        """The 2xx, None for anything else."""
        return self.response if self.status < 300 else None


class Led(NamedTuple):
    """An errand after what came for it, the effects, and its outcome once it is over."""

    errand: Errand
    effects: Effects
    outcome: Outcome | None = None


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


class Carrier(Protocol):
    """A machine that has an errand, and `seq` and `proof` to remember of it for the next one."""

    @property
    def errand(self) -> Errand | None: ...  # noqa: D102


C = TypeVar("C", bound=Carrier)


def carry(
    machine: C,
    given: Any,  # noqa: ANN401 - each table has its own
    now: float,
    desk: Callable[[C, Any, float], Desk],
    conclude: Callable[[C, Any, float, Outcome], tuple[C, Effects]],
    give_up: Arm,
) -> tuple[C, Effects]:
    """Lead the errand of a machine on its way by what came, and conclude once it is over.

    Args:
        machine: it.
        given: what its action is given.
        now: seconds.
        desk: makes the machine's, of the three before.
        conclude: makes what it comes to, of those and the outcome.
        give_up: as long as nothing is over.
    """
    led = lead(machine.errand, given.what, desk(machine, given, now))
    if led is None:
        return machine, ()
    machine = replace(machine, errand=led.errand, seq=led.errand.seq, proof=led.errand.proof)  # type: ignore[type-var]
    if led.outcome is None:
        return machine, (*led.effects, give_up)
    machine, more = conclude(machine, given, now, led.outcome)
    return machine, led.effects + more


def lead(errand: Errand | None, what: Heard | Place, desk: Desk) -> Led | None:
    """Lead an errand by what came: a response or none, or the next hops. None where that was for another."""
    if errand is None:
        return None
    if isinstance(what, Place):
        if errand.attempt.ref != what.ref:
            return None
        after, effects = _located(errand, what, desk)
        return Led(after, effects, Outcome(0, after.attempt.reason) if after.over else None)
    if errand.attempt.key != what.key:
        return None  # of a candidate that was given up
    after, effects = _heard(errand, what, desk)
    return Led(after, effects, Outcome(what.status, what.reason, what.response) if after.over else None)


def _located(errand: Errand, place: Place, desk: Desk) -> tuple[Errand, Effects]:
    """The next hops are known."""
    news = News(desk.names, place.candidates, 0, place.reason)
    attempt, effects = step_attempt(errand.attempt, AttemptInput.LOCATED, news, desk.now)
    errand, more = _onward(replace(errand, attempt=attempt), desk)
    return errand, effects + more


def _heard(errand: Errand, what: Heard, desk: Desk) -> tuple[Errand, Effects]:
    """A response came, or none will; the errand is over if that was all."""
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
    news = News(desk.names, (), what.status, what.reason, retry_after(response) if what.status == 503 else 0.0)
    attempt, effects = step_attempt(errand.attempt, what.attempt_input, news, desk.now)
    errand, more = _onward(replace(errand, attempt=attempt), desk)
    return errand, effects + more


def again(errand: Errand, desk: Desk) -> tuple[Errand, Effects]:
    """Send the request again to the candidate that answered, with the next CSeq number (RFC 3261 s8.1.3.5)."""
    seq = errand.seq + 1
    attempt = authentication.retry(errand.attempt, b"", seq)
    return _onward(replace(errand, attempt=replace(attempt, name=str(seq)), seq=seq), desk)


# What a refusal says


def contacts_of(response: Response) -> tuple[str, ...]:
    """The URIs that a 3xx names, the most liked first (s21.3); only those that a request can go to."""
    try:
        contacts = [contact for contact in response.contacts if not contact.is_star]
    except RemoteProtocolError:
        return ()
    liked = sorted(contacts, key=lambda contact: -(contact.q if contact.q is not None else 1.0))
    found = [str(contact.uri) for contact in liked if contact.uri.scheme == "sip" and not contact.uri.headers]
    return tuple(dict.fromkeys(found))[:MAX_CONTACTS]


def backoff(failures: int, chance: float, first: float = FIRST_WAIT) -> float:
    """Seconds until it is tried again after so many failures in a row, by chance (RFC 5626 s4.5)."""
    longest: float = min(LONGEST_WAIT, first * 2 ** min(failures - 1, 10))
    return longest * (0.5 + 0.5 * chance)


def wanted_at_least(outcome: Outcome, asked: int) -> int:
    """The seconds that a 423 asks for, 0 where it is none or nothing to go by (s10.2.8)."""
    response = outcome.response
    if response is None or outcome.status != 423:
        return 0
    try:
        found = response.header(MinExpires)
    except RemoteProtocolError:
        return 0
    seconds = 0 if found is None else found.value
    return seconds if asked < seconds <= CEILING else 0


def retry_after(response: Response | None) -> float:
    """Seconds that a response asks us to stay away, bounded; 0 where it does not (RFC 3261 s20.33)."""
    if response is None:
        return 0.0
    try:
        found = response.retry_after
    except RemoteProtocolError:
        return 0.0
    return 0.0 if found is None else min(float(found.seconds), LONGEST_RETRY_AFTER)
