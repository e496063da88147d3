"""What holds of offers and answers in any order, from both sides, with failures: a peer that keeps the book beside us.

The book is made of nothing but what went over the wire: which offer is open, and what the last answered one agreed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialog.call import Call, State
from actors.dialog.call_commands import HangUp, OfferSession
from actors.dialog.call_events import CallEnded
from actors.dialog.effects import Reply, Send, SendAck
from actors.sip import Request, Response, parse
from actors.sip.offer_answer import State as Turn
from actors.sip.vocabulary import TransactionKey
from tests.dialog.test_offer_answer_patterns import early_in, early_out
from tests.dialog.test_signalling_only import OURS, THEIRS, Box, into, out

Pair = tuple[bytes, bytes]  # our description and the peer's


class Peer:
    """The peer of a signalling-only call: it offers, answers and refuses, and keeps the book."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.number = 0
        self.agreed: Pair = (OURS, THEIRS)
        self.ours: dict[TransactionKey, Request] = {}  # requests of ours without a final response
        self.theirs: dict[str, bytes] = {}  # by branch, the description in a request of the peer's without one
        self.unacknowledged: dict[int, bytes] = {}  # by CSeq, our 2xx without its ACK; the offer in it, or nothing
        self.promised: dict[int, bytes] = {}  # by CSeq, the offer in the peer's 2xx, which our ACK is to answer
        for effect in box.effects:
            if type(effect) is Send and effect.key.method == "INVITE" and box.state == "INVITING":
                self.ours[effect.key] = self._request(effect)
        self.seen = len(box.effects)

    @staticmethod
    def _request(effect: Any) -> Request:
        request = parse(effect.raw)
        assert isinstance(request, Request)
        return request

    def say(self) -> bytes:
        """A description that was never said before."""
        self.number += 1
        return b"description %d\r\n" % self.number

    @property
    def call(self) -> Call | None:
        return self.box.call if self.box.calls else None

    # The book.

    def look(self) -> None:
        """Note what we said since the last look, and check that it was our turn."""
        new, self.seen = self.box.effects[self.seen :], len(self.box.effects)
        for effect in new:
            if type(effect) is Send and effect.key.method in ("INVITE", "UPDATE", "PRACK"):
                self._sent(effect.key, self._request(effect))
            elif type(effect) is Reply:
                self._replied(effect)
            elif type(effect) is SendAck:
                ack = self._request(effect)
                if (offer := self.promised.pop(ack.head.cseq, b"")) and ack.body:
                    self.agreed = (ack.body, offer)
        self.check()

    def _sent(self, key: TransactionKey, request: Request) -> None:
        if request.body and key.method != "PRACK":
            assert not any(self.theirs.values()), "an offer of ours while one of theirs is open"
            assert not any(each.body for each in self.ours.values() if each.head.to_tag), "two offers of ours"
            assert not any(self.unacknowledged.values())
            assert not self.promised
        self.ours[key] = request

    def _replied(self, effect: Reply) -> None:
        response = parse(effect.raw)
        assert isinstance(response, Response)
        branch = effect.key.branch
        if effect.status < 200 or branch not in self.theirs:
            return
        offer = self.theirs.pop(branch)
        if effect.status >= 300:
            return
        open_of_ours = [each for each in self.ours.values() if each.body and each.head.to_tag]
        if offer:
            assert not open_of_ours, "their offer is answered while ours is open"
            assert response.body
            self.agreed = (response.body, offer)
        if effect.key.method == "INVITE":
            self.unacknowledged[response.head.cseq] = b"" if offer else response.body
            assert not (response.body and not offer and open_of_ours)

    def check(self) -> None:
        """What is in force is what the last answered offer agreed on; one side has no two offers open."""
        call = self.call
        if call is None or call.state >= State.CLOSING or call.state is State.CANCELLING:
            return
        early = next((one for one in call.early if one.remote_tag == "callee"), None)
        exchange = call.media.exchange if early is None else early.exchange
        assert (exchange.local, exchange.remote) == self.agreed
        if exchange.state is Turn.LOCAL_OFFER:
            mine = [each.body for each in self.ours.values() if each.body and each.head.to_tag]
            assert [*mine, *filter(None, self.unacknowledged.values())] == [exchange.offer]
        if exchange.state is Turn.REMOTE_OFFER:
            assert call.offer is not None  # somebody is asked, for so long
            assert any(at <= call.offer.deadline for _, at in call.deadlines)

    # What happens.

    def acknowledge(self) -> None:
        """The ACK to our last 2xx, with an answer where that held our offer."""
        for seq, offer in list(self.unacknowledged.items()):
            answer = self.say() if offer else b""
            self.box.invited = seq
            del self.unacknowledged[seq]
            if offer:
                self.agreed = (offer, answer)
            self.box.asks("ACK", answer)

    def answer(self, status: int) -> None:
        """The first request of ours gets its final response."""
        waiting = [key for key in self.ours if key.method != "BYE"]
        if not waiting:
            return
        key = waiting[0]
        request = self.ours.pop(key)
        success = 200 <= status < 300
        first = key.method == "INVITE" and not request.head.to_tag
        if first and not success:
            self.ours[key] = request  # this test is of calls that come up
            return
        body = self.say() if success and not first and (request.body or key.method == "INVITE") else b""
        if success and request.body and not first:
            self.agreed = (request.body, body)
        elif body:
            self.promised[request.head.cseq] = body
        raw = request.response(
            status,
            to_tag=request.head.to_tag or "callee",
            headers=[("Contact", "<sip:bob@192.0.2.9:5070>")],
            body=body,
            content_type="application/sdp" if body else None,
        )
        if status == 408:
            self.box.failed(key, 408)
        else:
            self.box.response(bytes(raw), key)


def peer_asks(peer: Peer, method: str, *, empty: bool) -> None:
    """A request of the peer: noted first, for its answer may come in the same step."""
    box = peer.box
    body = b"" if empty else peer.say()
    peer.theirs[f"z9hG4bK{method}{box.seq + 1}"] = body
    box.asks(method, body)


def offer(peer: Peer, *, update: bool) -> None:
    if (call := peer.call) is not None:
        peer.box.command(OfferSession(f"o{peer.number}", call.call, peer.say(), update))


def ask(peer: Peer) -> None:
    if (call := peer.call) is not None:
        peer.box.command(OfferSession(f"a{peer.number}", call.call, b""))


def take(peer: Peer, *, refuse: bool) -> None:
    if (call := peer.call) is not None and call.offer is not None:
        peer.box.reply(b"" if refuse else peer.say(), 606 if refuse else 200)


def come_up(peer: Peer) -> None:
    """A call that rings is answered: by the application, where it is a call in."""
    call = peer.call
    if call is not None and call.inbound and call.state is State.RINGING:
        peer.theirs[call.invitation.key.branch] = b""  # type: ignore[union-attr]
        peer.box.answer(b"")


STEPS: dict[str, Callable[[Peer], object]] = {
    "offer": lambda peer: offer(peer, update=False),
    "update": lambda peer: offer(peer, update=True),
    "ask": ask,
    "take": lambda peer: take(peer, refuse=False),
    "refuse": lambda peer: take(peer, refuse=True),
    "reinvited": lambda peer: peer_asks(peer, "INVITE", empty=False),
    "asked": lambda peer: peer_asks(peer, "INVITE", empty=True),
    "updated": lambda peer: peer_asks(peer, "UPDATE", empty=False),
    "refreshed": lambda peer: peer_asks(peer, "UPDATE", empty=True),
    "acknowledged": Peer.acknowledge,
    "answered": lambda peer: peer.answer(200),
    "declined": lambda peer: peer.answer(488),
    "glare": lambda peer: peer.answer(491),
    "busy": lambda peer: peer.answer(500),
    "up": come_up,
    "moment": lambda peer: peer.box.wait(0.1),
    "later": lambda peer: peer.box.wait(4.1),
    "late": lambda peer: peer.box.wait(10.1),
}


def settle(peer: Peer) -> None:
    """Everything that is open comes to its end, as in a network that works again."""
    for _ in range(40):
        peer.answer(200)
        peer.look()
        take(peer, refuse=False)
        peer.look()
        peer.acknowledge()
        peer.look()
        come_up(peer)
        peer.look()
        peer.box.wait(4.1)
        peer.look()


@pytest.mark.parametrize("begin", [out, into, early_out, early_in])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(list(STEPS)), max_size=16))
def test_one_offer_is_open_at_a_time_and_what_stands_is_what_was_agreed_last(
    begin: Callable[[], Box], steps: list[str]
) -> None:
    peer = Peer(begin())
    for step in steps:
        STEPS[step](peer)
        peer.look()
    settle(peer)
    call = peer.call
    if call is not None and call.state is not State.CLOSING:
        assert (call.offer, call.change, call.state) == (None, None, State.CONFIRMED)
        assert call.media.exchange.state is Turn.STABLE
        peer.box.command(HangUp("h", call.call))
    peer.box.finish()
    peer.box.wait(100)
    assert peer.box.calls == []
    assert len(peer.box.reports(CallEnded)) == 1
    assert not peer.theirs, "every request of the peer has its answer"
