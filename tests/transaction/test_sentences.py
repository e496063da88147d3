"""The sentences of the RFCs, each over the assertions that hold the layer to it. Quotations are word for word."""

from __future__ import annotations

import pytest

from actors.runtime.machine import Effect
from actors.sip import parse
from actors.sip.vocabulary import Flow, Target
from actors.transaction.events import CancelRequest, Respond, SendDirect, SendRequest
from actors.transaction.layer import Layer
from tests.transaction.figures import spoken
from tests.transaction.messages import (
    TCP,
    TO_TCP,
    TO_UDP,
    UDP,
    client_key,
    first_line,
    head_of,
    request,
    response,
    server_key,
)

INVITE = request()
OPTIONS = request("OPTIONS")
Line = tuple[float, str]


class Play:
    """A layer in virtual time: `said` is what it sent and told since it was last looked at, with the second of each."""

    def __init__(self) -> None:
        self.layer = Layer(b"sixteen bytes ok")
        self.now = 0.0
        self._said: list[Line] = []

    def _note(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        self._said += [(round(self.now, 3), spoken(effect)) for effect in effects]
        return effects

    def hears(self, raw: bytes, flow: Flow = UDP) -> tuple[Effect, ...]:
        return self._note(self.layer.receive(flow, head_of(raw), raw, self.now))

    def sends(self, raw: bytes, target: Target = TO_UDP) -> tuple[Effect, ...]:
        return self._note(self.layer.send(SendRequest(client_key(raw), target, raw), self.now))

    def answers(self, raw: bytes, status: int) -> tuple[Effect, ...]:
        return self._note(self.layer.send(Respond(server_key(raw), status, response(raw, status)), self.now))

    def cancels(self, raw: bytes) -> tuple[Effect, ...]:
        return self._note(self.layer.send(CancelRequest(client_key(raw)), self.now))

    def passes(self, until: float) -> None:
        """Time goes on to the second `until`; what fires on the way fires at its time."""
        while (deadline := self.layer.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self._note(self.layer.expire(deadline))
        self.now = until

    def said(self) -> list[Line]:
        said, self._said = self._said, []
        return said

    def words(self) -> list[str]:
        return [word for _, word in self.said()]


@pytest.fixture
def play() -> Play:
    return Play()


def at(word: str, *seconds: float) -> list[Line]:
    return [(second, word) for second in seconds]


# 17.1.1.2, the INVITE client.


def test_invite_client_repeats_over_udp_only(play: Play) -> None:
    """RFC 3261 17.1.1.2: "If an unreliable transport is being used, the client transaction MUST start timer A with a
    value of T1.  If a reliable transport is being used, the client transaction SHOULD NOT start timer A".

    "When timer A fires, the client transaction MUST retransmit the request by passing it to the transport layer, and
    MUST reset the timer with a value of 2*T1."
    """
    play.sends(INVITE)
    play.passes(31.9)
    assert play.said() == at("send INVITE", 0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
    stream = Play()
    stream.sends(INVITE, TO_TCP)
    stream.passes(31.9)
    assert stream.said() == at("send INVITE", 0.0)


@pytest.mark.parametrize("target", [TO_UDP, TO_TCP])
def test_invite_client_times_out(play: Play, target: Target) -> None:
    """RFC 3261 17.1.1.2: "If the client transaction is still in the "Calling" state when timer B fires, the client
    transaction SHOULD inform the TU that a timeout has occurred.  The client transaction MUST NOT generate an ACK."
    """
    play.sends(INVITE, target)
    play.passes(100.0)
    assert play.said()[-1] == (32.0, "tell failed 408")


def test_invite_client_stops_at_a_provisional_response(play: Play) -> None:
    """RFC 3261 17.1.1.2: "In the "Proceeding" state, the client transaction SHOULD NOT retransmit the request any
    longer. Furthermore, the provisional response MUST be passed to the TU.  Any further provisional responses MUST be
    passed up to the TU while in the "Proceeding" state."
    """
    play.sends(INVITE)
    play.hears(response(INVITE, 100))
    play.hears(response(INVITE, 180))
    play.passes(500.0)
    assert play.said() == [(0.0, "send INVITE"), (0.0, "tell 100"), (0.0, "tell 180")]


@pytest.mark.parametrize("ringing", [True, False])
@pytest.mark.parametrize(("target", "flow"), [(TO_UDP, UDP), (TO_TCP, TCP)])
def test_invite_client_acknowledges_a_failure(play: Play, target: Target, flow: Flow, ringing: bool) -> None:
    """RFC 3261 17.1.1.2: "The client transaction MUST pass the received response up to the TU, and the client
    transaction MUST generate an ACK request, even if the transport is reliable".

    "The ACK MUST be sent to the same address, port, and transport to which the original request was sent."
    """
    play.sends(INVITE, target)
    if ringing:
        play.hears(response(INVITE, 180), flow)
    play.said()
    ack, _ = play.hears(response(INVITE, 486), flow)
    assert play.words() == ["send ACK", "tell 486"]
    assert ack.target == target  # type: ignore[attr-defined]


def test_invite_client_stays_completed_over_udp_for_timer_d(play: Play) -> None:
    """RFC 3261 17.1.1.2: "Any retransmissions of the final response that are received while in the "Completed" state
    MUST cause the ACK to be re-passed to the transport layer for retransmission, but the newly received response MUST
    NOT be passed up to the TU."
    """
    play.sends(INVITE)
    first, _ = play.hears(response(INVITE, 486))
    play.said()
    for second in (0.5, 10.0, 31.9):
        play.passes(second)
        assert play.hears(response(INVITE, 486)) == (first,)
    play.passes(32.5)
    assert play.hears(response(INVITE, 486)) == ()


def test_the_ack_is_made_as_the_rfc_shows(play: Play) -> None:
    """RFC 3261 17.1.1.3, its example: INVITE, failure and ACK line by line."""
    invite = (
        b"INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
        b"To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\n"
        b"Call-ID: 987asjd97y7atg\r\nCSeq: 986759 INVITE\r\n\r\n"
    )
    play.sends(invite)
    ack, _ = play.hears(response(invite, 486, to_tag="99sa0xk"))
    lines = ack.raw.decode().split("\r\n")  # type: ignore[attr-defined]
    assert lines[0] == "ACK sip:bob@biloxi.com SIP/2.0"
    assert set(lines[1:]) - {"", "Content-Length: 0"} == {
        "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff",
        "To: Bob <sip:bob@biloxi.com>;tag=99sa0xk",
        "From: Alice <sip:alice@atlanta.com>;tag=88sja8x",
        "Max-Forwards: 70",
        "Call-ID: 987asjd97y7atg",
        "CSeq: 986759 ACK",
    }


def test_invite_client_passes_every_2xx_up_for_timer_m(play: Play) -> None:
    """RFC 6026 7.2: "remain there just long enough, determined by a new timer M, to receive and pass to the TU any
    retransmissions of the 2xx response or any additional 2xx responses from other branches of a downstream fork of the
    matching request."
    """
    play.sends(INVITE)
    play.said()
    for second, tag in ((0.0, "a"), (0.5, "a"), (20.0, "b"), (31.9, "c")):
        play.passes(second)
        play.hears(response(INVITE, 200, to_tag=tag))
    assert play.said() == at("tell 200", 0.0, 0.5, 20.0, 31.9)
    play.passes(33.0)
    assert len(play.layer.cells) == 0


# 17.1.2.2, the non-INVITE client.


def test_non_invite_client_repeats_with_a_cap(play: Play) -> None:
    """RFC 3261 17.1.2.2: "For the default values of T1 and T2, this results in intervals of 500 ms, 1 s, 2 s, 4 s, 4 s,
    4 s, etc."
    """
    play.sends(OPTIONS)
    play.passes(100.0)
    assert play.said() == [
        *at("send OPTIONS", 0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5),
        (32.0, "tell failed 408"),
    ]


def test_non_invite_client_goes_on_slowly_after_a_provisional_response(play: Play) -> None:
    """RFC 3261 17.1.2.2: "If Timer E fires while in the "Proceeding" state, the request MUST be passed to the transport
    layer for retransmission, and Timer E MUST be reset with a value of T2 seconds."
    """
    play.sends(OPTIONS)
    play.hears(response(OPTIONS, 100))
    play.said()
    play.passes(20.0)
    assert play.said() == at("send OPTIONS", 0.5, 4.5, 8.5, 12.5, 16.5)


def test_only_one_final_response_to_a_non_invite_is_delivered(play: Play) -> None:
    """RFC 3261 17.1.2.1: "The result is that only a single 2xx response to a non-INVITE is ever delivered to a UAC."

    17.1.2.2: "Once the client transaction enters the "Completed" state, it MUST set Timer K to fire in T4 seconds for
    unreliable transports, and zero seconds for reliable transports."
    """
    play.sends(OPTIONS)
    for second in (1.0, 2.0, 5.9, 6.5):
        play.passes(second)
        play.hears(response(OPTIONS, 200))
    assert play.said()[-1] == (1.0, "tell 200")
    assert len(play.layer.cells) == 0
    play.sends(OPTIONS, TO_TCP)
    play.hears(response(OPTIONS, 200), TCP)
    assert len(play.layer.cells) == 0


def test_a_response_is_matched_by_branch_and_method(play: Play) -> None:
    """RFC 3261 17.1.3: "The method is needed since a CANCEL request constitutes a different transaction, but shares the
    same value of the branch parameter."
    """
    play.sends(INVITE)
    play.hears(response(INVITE, 180))
    play.cancels(INVITE)
    assert play.words() == ["send INVITE", "tell 180", "send CANCEL"]
    play.hears(response(request("CANCEL"), 200))
    assert play.words() == []
    play.hears(response(INVITE, 487))
    assert play.words() == ["send ACK", "tell 487"]


# 17.2.1, the INVITE server.


def test_invite_server_says_100_when_its_user_does_not_answer(play: Play) -> None:
    """RFC 3261 17.2.1: "The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will
    generate a provisional or final response within 200 ms".
    """
    play.hears(INVITE)
    play.passes(5.0)
    assert play.said() == [(0.0, "tell INVITE"), (0.2, "send 100")]
    other = Play()
    other.hears(INVITE)
    other.answers(INVITE, 180)
    other.passes(5.0)
    assert other.words() == ["tell INVITE", "send 180"]


def test_invite_server_repeats_the_last_provisional_response(play: Play) -> None:
    """RFC 3261 17.2.1: "If a request retransmission is received while in the "Proceeding" state, the most recent
    provisional response that was received from the TU MUST be passed to the transport layer for retransmission."
    """
    play.hears(INVITE)
    play.hears(INVITE)
    play.answers(INVITE, 180)
    play.answers(INVITE, 183)
    play.hears(INVITE)
    assert play.words() == ["tell INVITE", "send 180", "send 183", "send 183"]


def test_invite_server_repeats_a_failure_until_its_ack(play: Play) -> None:
    """RFC 3261 17.2.1: "timer G is reset with a value that doubles, unless that value exceeds T2, in which case it is
    reset with the value of T2."

    "If an ACK is received while the server transaction is in the "Completed" state, the server transaction MUST
    transition to the "Confirmed" state.  As Timer G is ignored in this state, any retransmissions of the response will
    cease."
    """
    play.hears(INVITE)
    play.answers(INVITE, 486)
    play.passes(9.0)
    assert play.said()[1:] == at("send 486", 0.0, 0.5, 1.5, 3.5, 7.5)
    play.hears(request("ACK", to_tag="to-1"))
    play.passes(13.9)
    play.hears(request("ACK", to_tag="to-1"))
    play.passes(60.0)
    assert play.said() == []
    assert len(play.layer.cells) == 0


@pytest.mark.parametrize(("flow", "sent"), [(UDP, 11), (TCP, 1)])
def test_invite_server_gives_up_without_an_ack(play: Play, flow: Flow, sent: int) -> None:
    """RFC 3261 17.2.1: "If timer H fires while in the "Completed" state, it implies that the ACK was never received.
    In this case, the server transaction MUST transition to the "Terminated" state, and MUST indicate to the TU that a
    transaction failure has occurred."
    """
    play.hears(INVITE, flow)
    play.answers(INVITE, 486)
    play.passes(60.0)
    said = play.words()
    assert said.count("send 486") == sent
    assert said[-1] == "tell failed 408"


def test_invite_server_absorbs_the_invite_after_its_2xx(play: Play) -> None:
    """RFC 6026 7.1: "While in the "Accepted" state, any retransmissions of the INVITE received will match this
    transaction state machine and will be absorbed by the machine without changing its state.  These retransmissions
    are not passed onto the TU."

    "The server transaction MUST NOT generate 2xx retransmissions on its own."
    """
    play.hears(INVITE)
    play.answers(INVITE, 200)
    play.said()
    for second in (0.5, 15.0, 31.9):
        play.passes(second)
        play.hears(INVITE)
    assert play.said() == []


def test_invite_server_passes_on_the_users_2xx_and_the_ack(play: Play) -> None:
    """RFC 6026 7.1: "Any retransmission of the 2xx response passed from the TU to the transaction while in the
    "Accepted" state MUST be passed to the transport layer for transmission.  Any ACKs received from the network while
    in the "Accepted" state MUST be passed directly to the TU and not absorbed."
    """
    play.hears(INVITE)
    play.answers(INVITE, 200)
    play.answers(INVITE, 200)
    play.hears(request("ACK", to_tag="to-1"))
    assert play.words() == ["tell INVITE", "send 200", "send 200", "tell ACK"]


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_server_outlives_a_transport_error(play: Play, status: int) -> None:
    """RFC 6026 7.1: "A server transaction MUST NOT discard transaction state based only on encountering a
    non-recoverable transport error when sending a response.  Instead, the associated INVITE server transaction state
    machine MUST remain in its current state."
    """
    play.hears(INVITE)
    play.answers(INVITE, status)
    play.said()
    (told,) = play.layer.transmit_failed(server_key(INVITE), "unreachable", 0.0)
    assert spoken(told) == "tell failed 503"
    play.hears(INVITE)
    assert "tell INVITE" not in play.words()


# 17.2.2, the non-INVITE server, and RFC 4320.


def test_non_invite_server_discards_what_is_repeated_before_it_is_answered(play: Play) -> None:
    """RFC 3261 17.2.2: "Once in the "Trying" state, any further request retransmissions are discarded."

    "While in the "Completed" state, the server transaction MUST pass the final response to the transport layer for
    retransmission whenever a retransmission of the request is received.  Any other final responses passed by the TU to
    the server transaction MUST be discarded while in the "Completed" state."
    """
    play.hears(OPTIONS)
    play.hears(OPTIONS)
    assert play.words() == ["tell OPTIONS"]
    (answer,) = play.answers(OPTIONS, 200)
    assert play.hears(OPTIONS) == (answer,)
    assert play.answers(OPTIONS, 500) == ()
    play.passes(31.9)
    assert play.hears(OPTIONS) == (answer,)


@pytest.mark.parametrize("flow", [UDP, TCP])
def test_a_late_100_and_no_other_provisional_response(play: Play, flow: Flow) -> None:
    """RFC 4320 4.1: "An SIP element MUST NOT send any provisional response with a Status-Code other than 100 to a
    non-INVITE request."

    "Without regard to transport, an SIP element MUST respond to a non-INVITE request with a Status-Code of 100 if it
    has not otherwise responded after the amount of time it takes a client transaction's Timer E to be reset to T2."
    """
    play.hears(OPTIONS, flow)
    play.answers(OPTIONS, 180)
    play.passes(20.0)
    assert play.said() == [(0.0, "tell OPTIONS"), (3.5, "send 100")]


def test_no_408_to_a_non_invite(play: Play) -> None:
    """RFC 4320 4.2: "A transaction-stateful SIP element MUST NOT send a response with Status-Code of 408 to a
    non-INVITE request.  As a consequence, an element that cannot respond before the transaction expires will not send a
    final response at all."
    """
    play.hears(OPTIONS)
    play.answers(OPTIONS, 408)
    play.passes(60.0)
    assert play.said() == [(0.0, "tell OPTIONS"), (3.5, "send 100"), (32.0, "tell failed 408")]
    assert len(play.layer.cells) == 0


# 8.2.2.2, 9: merged requests and CANCEL.


def test_merged_requests(play: Play) -> None:
    """RFC 3261 8.2.2.2: "If the From tag, Call-ID, and CSeq exactly match those associated with an ongoing transaction,
    but the request does not match that transaction (based on the matching rules in Section 17.2.3), the UAS core SHOULD
    generate a 482 (Loop Detected) response".
    """
    play.hears(INVITE)
    play.hears(request(branch="z9hG4bKother"))
    assert play.words() == ["tell INVITE", "send 482"]


def test_a_cancel_waits_for_a_provisional_response(play: Play) -> None:
    """RFC 3261 9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the
    client MUST wait for the arrival of a provisional response before sending the request."
    """
    play.sends(INVITE)
    play.cancels(INVITE)
    play.passes(1.0)
    assert set(play.words()) == {"send INVITE"}
    play.hears(response(INVITE, 100))
    assert play.words() == ["tell 100", "send CANCEL"]


@pytest.mark.parametrize("status", [200, 486])
def test_a_cancel_after_the_final_response_is_not_sent(play: Play, status: int) -> None:
    """RFC 3261 9.1: "If the original request has generated a final response, the CANCEL SHOULD NOT be sent, as it is an
    effective no-op".
    """
    play.sends(INVITE)
    play.hears(response(INVITE, status))
    play.said()
    play.cancels(INVITE)
    assert play.words() == []


def test_the_cancel_is_made_of_its_invite_and_goes_where_it_went(play: Play) -> None:
    """RFC 3261 9.1: "The Request-URI, Call-ID, To, the numeric part of CSeq, and From header fields in the CANCEL
    request MUST be identical to those in the request being cancelled, including tags."

    "The CANCEL request MUST NOT contain any Require or Proxy-Require header fields."

    "The destination address, port, and transport for the CANCEL MUST be identical to those used to send the original
    request."
    """
    invite = request(more="Route: <sip:proxy.example;lr>\r\nRequire: 100rel\r\nProxy-Require: foo\r\n")
    play.sends(invite)
    play.hears(response(invite, 180))
    (sent,) = play.cancels(invite)
    cancel, of = parse(sent.raw), parse(invite)  # type: ignore[attr-defined]
    assert first_line(sent.raw) == "CANCEL sip:bob@192.0.2.1 SIP/2.0"  # type: ignore[attr-defined]
    for name in ("Via", "To", "From", "Call-ID", "Route"):
        assert cancel.get_all(name) == of.get_all(name)
    assert cancel.get("CSeq") == "1 CANCEL"
    assert cancel.get_all("Require") + cancel.get_all("Proxy-Require") == type(cancel.get_all("Require"))()
    assert sent.target == TO_UDP  # type: ignore[attr-defined]


def test_a_cancelled_invite_ends_without_a_487(play: Play) -> None:
    """RFC 3261 9.1: "If there is no final response for the original request in 64*T1 seconds (T1 is defined in Section
    17.1.1.1), the client SHOULD then consider the original transaction cancelled and SHOULD destroy the client
    transaction handling the original request."
    """
    play.sends(INVITE)
    play.hears(response(INVITE, 180))
    play.passes(10.0)
    play.cancels(INVITE)
    play.hears(response(request("CANCEL"), 200))
    play.said()
    play.passes(60.0)
    assert play.said() == [(42.0, "tell failed 408")]
    assert len(play.layer.cells) == 0


def test_a_cancel_to_us(play: Play) -> None:
    """RFC 3261 9.2: "If the UAS did not find a matching transaction for the CANCEL according to the procedure above, it
    SHOULD respond to the CANCEL with a 481 (Call Leg/Transaction Does Not Exist)."

    "Regardless of the method of the original request, as long as the CANCEL matched an existing transaction, the UAS
    answers the CANCEL request itself with a 200 (OK) response."

    "the To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be the
    same."
    """
    play.hears(request("CANCEL"))
    assert play.words() == ["send 481"]
    play.hears(INVITE)
    play.answers(INVITE, 180)
    answer, _ = play.hears(request("CANCEL", cseq=1))
    assert play.words() == ["tell INVITE", "send 180", "send 200", "tell CANCEL"]
    assert head_of(answer.raw).to_tag == "to-1"  # type: ignore[attr-defined]
    play.answers(INVITE, 487)
    play.hears(request("ACK", to_tag="to-1"))
    play.passes(60.0)
    assert play.words() == ["send 487"]


def test_an_ack_to_a_2xx_needs_no_machine(play: Play) -> None:
    """RFC 3261 13.2.2.4: "the request is passed to the transport layer directly for transmission, rather than a client
    transaction."
    """
    ack = request("ACK", branch="z9hG4bKack")
    (sent,) = play.layer.send(SendDirect(TO_UDP, ack), 0.0)
    assert (sent.raw, sent.target) == (ack, TO_UDP)  # type: ignore[attr-defined]
    assert len(play.layer.cells) == 0
