"""Whose turn it is in an exchange of offers and answers, version numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.offer_answer import Capabilities, Carrier, Codec, Exchange, Input, State, make_offer
from actors.sip.sdp import SessionDescription, parse

OURS = Capabilities("192.0.2.2", 16384, (Codec(0, "PCMU", 8000),), 7)


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (Carrier.INVITE, Carrier.SUCCESS),
        (Carrier.INVITE, Carrier.RELIABLE),
        (Carrier.RELIABLE, Carrier.PRACK),
        (Carrier.SUCCESS, Carrier.ACK),
        (Carrier.PRACK, Carrier.PRACK_SUCCESS),
        (Carrier.UPDATE, Carrier.UPDATE_SUCCESS),
    ],
)
def test_the_six_ways_to_offer_and_answer(offer: Carrier, answer: Carrier) -> None:
    ours, what = Exchange().sending(offer, b"o")
    assert (ours.state, what) == (State.LOCAL_OFFER, Input.OFFER_SENT)
    ours, got = ours.received(answer, b"a")
    assert (ours, got) == (Exchange(State.STABLE, b"o", b"a", sent=b"o"), Input.ANSWER_RECEIVED)
    theirs, got = Exchange().received(offer, b"o", offerless=True)
    assert (theirs.state, got) == (State.REMOTE_OFFER, Input.OFFER_RECEIVED)
    theirs, what = theirs.sending(answer, b"a")
    assert (theirs, what) == (Exchange(State.STABLE, b"a", b"o", sent=b"a"), Input.ANSWER_SENT)


def test_what_a_later_response_repeats_says_nothing_new() -> None:
    done = Exchange().sending(Carrier.INVITE, b"o")[0].received(Carrier.RELIABLE, b"a")[0]
    for carrier in (Carrier.RELIABLE, Carrier.PROVISIONAL, Carrier.SUCCESS, Carrier.ACK, Carrier.PRACK_SUCCESS):
        assert done.received(carrier, b"a") == (done, None)
    updating, _ = done.sending(Carrier.UPDATE, b"u")
    assert updating.received(Carrier.SUCCESS, b"a") == (updating, None)
    assert updating.received(Carrier.UPDATE_SUCCESS, b"v")[0].remote == b"v"


def test_an_unreliable_response_previews_the_answer_and_the_first_preview_counts() -> None:
    ours, _ = Exchange().sending(Carrier.INVITE, b"o")
    ours, what = ours.received(Carrier.PROVISIONAL, b"p")
    assert (ours.state, ours.preview, ours.remote, what) == (State.LOCAL_OFFER, b"p", b"", Input.PREVIEW_RECEIVED)
    assert ours.received(Carrier.PROVISIONAL, b"q")[0].preview == b"p"
    assert ours.received(Carrier.SUCCESS, b"a")[0] == Exchange(State.STABLE, b"o", b"a", sent=b"o")
    theirs, _ = Exchange().received(Carrier.INVITE, b"o")
    theirs, what = theirs.sending(Carrier.PROVISIONAL, b"a")
    assert (theirs.state, what) == (State.REMOTE_OFFER, Input.PREVIEW_SENT)
    assert theirs.sending(Carrier.SUCCESS, b"a")[0].local == b"a"
    with pytest.raises(LocalProtocolError):
        theirs.sending(Carrier.SUCCESS, b"b")


def test_glare_is_491_and_an_offer_upon_an_open_one_500() -> None:
    ours, _ = Exchange().sending(Carrier.UPDATE, b"o")
    for carrier in (Carrier.INVITE, Carrier.UPDATE, Carrier.PRACK):
        with pytest.raises(RemoteProtocolError) as raised:
            ours.received(carrier, b"x")
        assert raised.value.status == 491
    theirs, _ = Exchange().received(Carrier.UPDATE, b"o")
    with pytest.raises(RemoteProtocolError) as raised:
        theirs.received(Carrier.UPDATE, b"x")
    assert raised.value.status == 500


def test_what_was_agreed_stands_when_a_later_offer_is_refused() -> None:
    agreed = Exchange(State.STABLE, b"o", b"a", sent=b"o")
    offering, _ = agreed.sending(Carrier.INVITE, b"p")
    assert offering.step(Input.OFFER_ABANDONED) == agreed._replace(sent=b"p")


@pytest.mark.parametrize("carrier", [Carrier.PROVISIONAL, Carrier.ACK, Carrier.PRACK_SUCCESS, Carrier.UPDATE_SUCCESS])
def test_no_offer_goes_where_none_may_stand(carrier: Carrier) -> None:
    with pytest.raises(LocalProtocolError):
        Exchange().sending(carrier, b"o")
    with pytest.raises(LocalProtocolError):
        Exchange().received(Carrier.UPDATE, b"o")[0].sending(carrier if carrier.value < 9 else Carrier.ACK, b"x")


# Versions (RFC 3264 s8).


def test_the_version_rises_by_one_with_each_change_and_never_without() -> None:
    exchange = Exchange()
    first = exchange.numbered(make_offer(OURS))
    assert b"o=- 7 0 " in first
    exchange = exchange.step(Input.OFFER_SENT, first).step(Input.ANSWER_RECEIVED, b"a")
    assert exchange.numbered(make_offer(OURS, version=99)) == first
    held = exchange.numbered(make_offer(OURS, "sendonly"))
    assert b"o=- 7 1 " in held
    refused = exchange.step(Input.OFFER_SENT, held).step(Input.OFFER_ABANDONED)
    assert b"o=- 7 2 " in refused.numbered(make_offer(OURS))
    assert refused.numbered(make_offer(OURS, "sendonly")) == held


def test_a_description_without_an_origin_has_no_version() -> None:
    bare = SessionDescription((("v", "0"),))
    with pytest.raises(LocalProtocolError):
        Exchange(sent=bytes(make_offer(OURS))).numbered(bare)
    with pytest.raises(LocalProtocolError):
        Exchange(sent=bytes(bare)).numbered(make_offer(OURS))


@given(st.lists(st.tuples(st.sampled_from(["sendrecv", "sendonly"]), st.booleans()), max_size=8))
def test_versions_follow_the_changes_of_any_history(history: list[tuple[str, bool]]) -> None:
    exchange = Exchange()
    last, version = None, -1
    for direction, refused in history:
        sent = exchange.numbered(make_offer(OURS, direction))
        version += direction != last
        last = direction
        origin = parse(sent).origin
        assert origin is not None
        assert origin.version == version
        exchange = exchange.step(Input.OFFER_SENT, sent)
        exchange = exchange.step(Input.OFFER_ABANDONED) if refused else exchange.step(Input.ANSWER_RECEIVED, b"a")


steps = st.lists(st.tuples(st.booleans(), st.sampled_from(Carrier), st.booleans(), st.binary(max_size=1)), max_size=9)


@given(steps)
def test_any_messages_either_way_keep_an_exchange_whole(history: list[tuple[bool, Carrier, bool, bytes]]) -> None:
    exchange = Exchange()
    for ours, carrier, offerless, text in history:
        try:
            if ours:
                exchange, _ = exchange.sending(carrier, b"d" + text)
            else:
                exchange, _ = exchange.received(carrier, b"d" + text, offerless=offerless)
        except (LocalProtocolError, RemoteProtocolError):
            continue
        assert (exchange.state is State.STABLE) == (not exchange.offer)
        assert bool(exchange.local) == bool(exchange.remote)
        assert not exchange.preview or exchange.state is not State.STABLE
