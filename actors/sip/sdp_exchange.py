"""Whose turn it is: the machine of offers and answers in a dialog (RFC 3264 section 4, RFC 6337).

An :class:`Exchange` is a plain value: descriptions are bytes. Its table says what may follow what; a
:class:`Carrier` says what a description in a message of that kind means. An INVITE that forks has an exchange for each
of its dialogs, each of which answers the one offer for itself.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from actors.sip import sdp
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.sdp_model import SessionDescription


class State(Enum):
    """Where an offer/answer exchange stands (s4)."""

    STABLE = 1
    LOCAL_OFFER = 2
    REMOTE_OFFER = 3


class Input(Enum):
    """What can happen to an exchange."""

    OFFER_SENT = 1
    OFFER_RECEIVED = 2
    ANSWER_SENT = 3
    ANSWER_RECEIVED = 4
    OFFER_ABANDONED = 5  # refused, cancelled or failed: what was agreed before stands (RFC 3261 s14.1)
    PREVIEW_RECEIVED = 6  # the answer, in a response that may be lost (RFC 6337 s3.1.1)
    PREVIEW_SENT = 7


class Carrier(Enum):
    """The messages that may hold a description (RFC 6337 s2)."""

    INVITE = 1
    PROVISIONAL = 2  # a 1xx to an INVITE that is not reliable
    RELIABLE = 3  # a 1xx to an INVITE by RFC 3262
    SUCCESS = 4  # a 2xx to an INVITE
    ACK = 5
    PRACK = 6
    PRACK_SUCCESS = 7
    UPDATE = 8
    UPDATE_SUCCESS = 9


# Where the answer to an offer may stand, by what carries the offer (RFC 6337 s2.1, table 1).
_ANSWERS = {
    Carrier.INVITE: (Carrier.RELIABLE, Carrier.SUCCESS),
    Carrier.RELIABLE: (Carrier.PRACK,),
    Carrier.SUCCESS: (Carrier.ACK,),
    Carrier.PRACK: (Carrier.PRACK_SUCCESS,),
    Carrier.UPDATE: (Carrier.UPDATE_SUCCESS,),
}
_LOCAL = "ours"  # a pair that only we can bring about
# The state after each pair, or why it may not be: the status to answer, None for what is dropped, or our own mistake.
_NEXT: dict[tuple[State, Input], State | int | str | None] = {
    (State.STABLE, Input.OFFER_SENT): State.LOCAL_OFFER,
    (State.STABLE, Input.OFFER_RECEIVED): State.REMOTE_OFFER,
    (State.STABLE, Input.ANSWER_SENT): _LOCAL,
    (State.STABLE, Input.ANSWER_RECEIVED): None,
    (State.STABLE, Input.OFFER_ABANDONED): State.STABLE,
    (State.STABLE, Input.PREVIEW_RECEIVED): None,
    (State.STABLE, Input.PREVIEW_SENT): _LOCAL,
    (State.LOCAL_OFFER, Input.OFFER_SENT): _LOCAL,
    (State.LOCAL_OFFER, Input.OFFER_RECEIVED): 491,  # glare (RFC 3261 s14.2)
    (State.LOCAL_OFFER, Input.ANSWER_SENT): _LOCAL,
    (State.LOCAL_OFFER, Input.ANSWER_RECEIVED): State.STABLE,
    (State.LOCAL_OFFER, Input.OFFER_ABANDONED): State.STABLE,
    (State.LOCAL_OFFER, Input.PREVIEW_RECEIVED): State.LOCAL_OFFER,
    (State.LOCAL_OFFER, Input.PREVIEW_SENT): _LOCAL,
    (State.REMOTE_OFFER, Input.OFFER_SENT): _LOCAL,
    (State.REMOTE_OFFER, Input.OFFER_RECEIVED): 500,  # with Retry-After (RFC 3261 s14.2, RFC 3311 s5.2)
    (State.REMOTE_OFFER, Input.ANSWER_SENT): State.STABLE,
    (State.REMOTE_OFFER, Input.ANSWER_RECEIVED): None,
    (State.REMOTE_OFFER, Input.OFFER_ABANDONED): State.STABLE,
    (State.REMOTE_OFFER, Input.PREVIEW_RECEIVED): None,
    (State.REMOTE_OFFER, Input.PREVIEW_SENT): State.REMOTE_OFFER,
}


class Exchange(NamedTuple):
    """An exchange: whose turn it is, the descriptions in force and the open offer, as bytes; a plain value.

    Attributes:
        state: whose turn it is.
        local: our description in force, empty before the first.
        remote: the peer's in force, empty before the first.
        offer: the open offer, empty while stable.
        sent: the last description we sent, refused or not: the one that versions go on from (s8).
        preview: what an unreliable response says that the answer to the open offer will be, else empty.
        carrier: the message that holds the open offer, None where it was not said.
    """

    state: State = State.STABLE
    local: bytes = b""
    remote: bytes = b""
    offer: bytes = b""
    sent: bytes = b""
    preview: bytes = b""
    carrier: Carrier | None = None

    def step(self, what: Input, description: bytes = b"", carrier: Carrier | None = None) -> Exchange:
        """The exchange after `what`.

        Args:
            what: what happened.
            description: the offer or answer that was sent or received.
            carrier: the message that holds an offer.

        Raises:
            RemoteProtocolError: the peer may not do that now; the status to answer with, None for an answer to nothing.
            LocalProtocolError: we may not do that now.
        """
        after = _NEXT[self.state, what]
        if after is _LOCAL:
            raise LocalProtocolError(f"{what.name} in {self.state.name}")
        if not isinstance(after, State):
            raise RemoteProtocolError(after if isinstance(after, int) else None, "Offer or answer out of turn")
        return self._after(what, after, description, carrier)

    def _after(self, what: Input, after: State, description: bytes, carrier: Carrier | None) -> Exchange:
        if what in (Input.OFFER_SENT, Input.OFFER_RECEIVED):
            sent = description if what is Input.OFFER_SENT else self.sent
            return self._replace(state=after, offer=description, sent=sent, carrier=carrier)
        if what is Input.PREVIEW_RECEIVED:
            return self._replace(preview=self.preview or description)  # the first counts (RFC 3261 s13.2.1)
        if what in (Input.PREVIEW_SENT, Input.ANSWER_SENT) and self.preview not in (b"", description):
            raise LocalProtocolError("an answer other than its preview")  # RFC 3261 s13.2.1
        if what is Input.PREVIEW_SENT:
            return self._replace(preview=description, sent=description)
        if what is Input.ANSWER_SENT:
            return Exchange(after, description, self.offer, sent=description)
        if what is Input.ANSWER_RECEIVED:
            return Exchange(after, self.offer, description, sent=self.sent)
        return Exchange(after, self.local, self.remote, sent=self.sent)

    def received(
        self, carrier: Carrier, description: bytes, *, offerless: bool = False
    ) -> tuple[Exchange, Input | None]:
        """The exchange after a description came in a message, and what that was: None where it says nothing new.

        Args:
            carrier: the message.
            description: its description.
            offerless: our INVITE held no offer and no response has brought one yet.

        Raises:
            RemoteProtocolError: as :meth:`step` says.
        """
        what = self._meaning(carrier, offerless=offerless)
        return (self, None) if what is None else (self.step(what, description, carrier), what)

    def _meaning(self, carrier: Carrier, *, offerless: bool) -> Input | None:
        if self.state is State.LOCAL_OFFER and self.carrier is not None:
            if carrier in _ANSWERS[self.carrier]:
                return Input.ANSWER_RECEIVED
            if carrier is Carrier.PROVISIONAL and self.carrier is Carrier.INVITE:
                return Input.PREVIEW_RECEIVED
        if carrier in (Carrier.INVITE, Carrier.UPDATE, Carrier.PRACK):
            return Input.OFFER_RECEIVED
        if carrier in (Carrier.RELIABLE, Carrier.SUCCESS) and offerless:
            return Input.OFFER_RECEIVED
        return None  # what a later response repeats (RFC 3261 s13.2.1)

    def sending(self, carrier: Carrier, description: bytes) -> tuple[Exchange, Input]:
        """The exchange after a description of ours went out in a message, and what that was.

        Raises:
            LocalProtocolError: a message of that kind may not hold one now.
        """
        what = Input.OFFER_SENT
        if self.state is State.REMOTE_OFFER and self.carrier is not None:
            if carrier in _ANSWERS[self.carrier]:
                what = Input.ANSWER_SENT
            elif carrier is Carrier.PROVISIONAL and self.carrier is Carrier.INVITE:
                what = Input.PREVIEW_SENT
        if what is Input.OFFER_SENT and carrier not in _ANSWERS:
            raise LocalProtocolError(f"no offer goes into {carrier.name}")
        return self.step(what, description, carrier), what

    def numbered(self, description: SessionDescription) -> bytes:
        """`description` as it is to be sent: its version rises by one, or is the last one where nothing changed (s8).

        Raises:
            LocalProtocolError: it cannot be printed, or it has no origin.
        """
        if not self.sent:
            return bytes(description)
        last = sdp.parse(self.sent).origin
        if last is None:
            raise LocalProtocolError("a description without an origin")
        same = bytes(_with_version(description, last.version))
        return same if same == self.sent else bytes(_with_version(description, last.version + 1))


def _with_version(description: SessionDescription, version: int) -> SessionDescription:
    origin = description.origin
    if origin is None:
        raise LocalProtocolError("a description without an origin")
    lines = [("o", str(origin._replace(version=version))) if line[0] == "o" else line for line in description.lines]
    return SessionDescription(tuple(lines), description.media)
