"""Table 1 of RFC 6337, row by row: who offers in what, who answers in what, and that both then stand.

Each row is played in both roles, by a call with media and by one of the application's. Of a call with media the service
makes no offer by UPDATE or in a PRACK: it has nothing to change before the answer, and re-INVITEs to hold after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors.dialog.call_commands import AnswerCall, OfferSession, ProgressCall, Treatment
from actors.sip.offer_answer import State as Turn
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message
from tests.dialog.test_change import callee, caller, hold, respond, sent
from tests.dialog.test_offer_answer_patterns import ABLE, OTHER, OURS, THEIRS, early_in, early_out
from tests.dialog.test_reliable import progress
from tests.dialog.test_signalling_only import Box, into, out

RELIABLE = {"Require": "100rel", "RSeq": "1"}
AGAIN = OFFER.replace(b"7000", b"7300")
FINE = b"fine\r\n"
ONCE_MORE = b"once more\r\n"
Said = tuple[bytes | None, bytes]  # what each side described: ours (None: what the service made) and the peer's


def ask(phone: Phone, method: str, body: bytes = b"", **headers: str) -> None:
    """A request of the peer in the dialog of a call with media."""
    call = phone.call
    if not call.inbound:
        headers = {"Call_ID": call.call, "From": "<sip:b@h>;tag=callee", **headers}
    cseq = {"ACK": 40, "INVITE": 40}.get(method, 50)
    phone.request(message(method, to_tag=call.tag, cseq=cseq, body=body, branch=method + "x", **headers))


# 1. INVITE, 2xx.


def service_1_caller() -> tuple[Phone, Said]:
    return caller(), (None, OFFER)


def service_1_callee() -> tuple[Phone, Said]:
    return callee(), (None, OFFER)


def service_1_offers_again() -> tuple[Phone, Said]:
    phone = caller()
    hold(phone)
    respond(phone, "INVITE", 200, body=AGAIN)
    return phone, (None, AGAIN)


def service_1_is_offered_again() -> tuple[Phone, Said]:
    phone = callee()
    ask(phone, "INVITE", AGAIN)
    return phone, (None, AGAIN)


def application_1_caller() -> tuple[Phone, Said]:
    return out(), (OURS, THEIRS)


def application_1_callee() -> tuple[Phone, Said]:
    return into(), (OURS, THEIRS)


def application_1_offers_again() -> tuple[Phone, Said]:
    box = into()
    box.command(OfferSession("o", box.call.call, OTHER))
    respond(box, "INVITE", 200, body=FINE)
    return box, (OTHER, FINE)


def application_1_is_offered_again() -> tuple[Phone, Said]:
    box = out()
    box.asks("INVITE", OTHER)
    box.reply(FINE)
    return box, (FINE, OTHER)


# 2. 2xx, ACK.


def service_2_caller() -> tuple[Phone, Said]:
    return caller(late_offer=True), (None, OFFER)


def service_2_callee() -> tuple[Phone, Said]:
    phone = Phone("echo")
    phone.receive_call(invite(b""))
    phone.request(message("ACK", to_tag=phone.call.tag, body=OFFER))
    return phone, (None, OFFER)


def service_2_is_asked_again() -> tuple[Phone, Said]:
    phone = callee()
    ask(phone, "INVITE")
    ask(phone, "ACK", AGAIN)
    return phone, (None, AGAIN)


def application_2_caller() -> tuple[Phone, Said]:
    box = Box().out(late_offer=True)
    respond(box, "INVITE", 200, body=THEIRS)
    box.reply(OURS)
    return box, (OURS, THEIRS)


def application_2_callee() -> tuple[Phone, Said]:
    box = Box().comes(b"")
    box.answer()
    box.asks("ACK", THEIRS)
    return box, (OURS, THEIRS)


def application_2_asks_again() -> tuple[Phone, Said]:
    box = into()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 200, body=OTHER)
    box.reply(FINE)
    return box, (FINE, OTHER)


def application_2_is_asked_again() -> tuple[Phone, Said]:
    box = out()
    box.asks("INVITE")
    box.reply(OTHER)
    box.asks("ACK", FINE)
    return box, (OTHER, FINE)


# 3. INVITE, reliable 1xx.


def service_3_caller() -> tuple[Phone, Said]:
    phone = Phone()
    phone.place_call()
    respond(phone, "INVITE", 183, body=OFFER, **RELIABLE)
    return phone, (None, OFFER)


def service_3_callee() -> tuple[Phone, Said]:
    phone = Phone()
    phone.receive_call(invite(**ABLE))
    progress(phone)
    return phone, (None, OFFER)


def service_3_offers_again() -> tuple[Phone, Said]:
    phone = caller()
    hold(phone)
    respond(phone, "INVITE", 183, body=AGAIN, **RELIABLE)
    return phone, (None, AGAIN)


def application_3_caller() -> tuple[Phone, Said]:
    return early_out(), (OURS, THEIRS)


def application_3_callee() -> tuple[Phone, Said]:
    return early_in(), (OURS, THEIRS)


def application_3_offers_again() -> tuple[Phone, Said]:
    box = out()
    box.command(OfferSession("o", box.call.call, OTHER))
    respond(box, "INVITE", 183, body=FINE, **RELIABLE)
    return box, (OTHER, FINE)


# 4. Reliable 1xx, PRACK.


def service_4_caller() -> tuple[Phone, Said]:
    phone = Phone()
    phone.place_call(late_offer=True)
    respond(phone, "INVITE", 183, body=OFFER, **RELIABLE)
    return phone, (None, OFFER)


def service_4_callee() -> tuple[Phone, Said]:
    phone = Phone()
    phone.receive_call(invite(b"", Require="100rel"))
    ask(phone, "PRACK", OFFER, RAck="1 1 INVITE")
    return phone, (None, OFFER)


def application_4_caller() -> tuple[Phone, Said]:
    box = Box().out(late_offer=True)
    respond(box, "INVITE", 183, body=THEIRS, **RELIABLE)
    box.reply(OURS)
    return box, (OURS, THEIRS)


def application_4_callee() -> tuple[Phone, Said]:
    box = Box().comes(b"", **ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.asks("PRACK", THEIRS, RAck="1 1 INVITE")
    return box, (OURS, THEIRS)


def application_4_asks_again() -> tuple[Phone, Said]:
    box = into()
    box.command(OfferSession("o", box.call.call, b""))
    respond(box, "INVITE", 183, body=OTHER, **RELIABLE)
    box.reply(FINE)
    return box, (FINE, OTHER)


# 5. PRACK, its 2xx.


def service_5_callee() -> tuple[Phone, Said]:
    phone, _ = service_3_callee()
    ask(phone, "PRACK", AGAIN, RAck="1 1 INVITE")
    return phone, (None, AGAIN)


def application_5_caller() -> tuple[Phone, Said]:
    box = early_out(offer_in_prack=True)
    box.reply(OTHER)
    respond(box, "PRACK", 200, body=FINE)
    return box, (OTHER, FINE)


def application_5_callee() -> tuple[Phone, Said]:
    box = Box().comes(**ABLE)
    box.command(ProgressCall("p", box.call.call, sdp=OURS))
    box.asks("PRACK", OTHER, RAck="1 1 INVITE")
    box.reply(FINE)
    return box, (FINE, OTHER)


# 6. UPDATE, its 2xx: early and established.


def service_6_is_offered_early_out() -> tuple[Phone, Said]:
    phone, _ = service_3_caller()
    ask(phone, "UPDATE", AGAIN)
    return phone, (None, AGAIN)


def service_6_is_offered_early_in() -> tuple[Phone, Said]:
    phone, _ = service_3_callee()
    ask(phone, "PRACK", RAck="1 1 INVITE")
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=60, body=AGAIN))
    return phone, (None, AGAIN)


def service_6_is_offered() -> tuple[Phone, Said]:
    phone = callee()
    ask(phone, "UPDATE", AGAIN)
    return phone, (None, AGAIN)


def updates(begin: Callable[[], Box]) -> tuple[Phone, Said]:
    box = begin()
    box.command(OfferSession("o", box.call.call, OTHER, update=True))
    respond(box, "UPDATE", 200, body=FINE)
    return box, (OTHER, FINE)


def updated(begin: Callable[[], Box]) -> tuple[Phone, Said]:
    box = begin()
    box.asks("UPDATE", OTHER)
    box.reply(FINE)
    return box, (FINE, OTHER)


def application_6_offers_early_out() -> tuple[Phone, Said]:
    return updates(early_out)


def application_6_offers_early_in() -> tuple[Phone, Said]:
    return updates(early_in)


def application_6_offers() -> tuple[Phone, Said]:
    return updates(out)


def application_6_is_offered_early_out() -> tuple[Phone, Said]:
    return updated(early_out)


def application_6_is_offered_early_in() -> tuple[Phone, Said]:
    return updated(early_in)


def application_6_is_offered() -> tuple[Phone, Said]:
    return updated(into)


ROWS: list[Callable[[], tuple[Phone, Said]]] = [
    row for name, row in list(globals().items()) if name.startswith(("service_", "application_"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_both_descriptions_stand_and_the_next_offer_may_come(row: Callable[[], tuple[Phone, Said]]) -> None:
    phone, (ours, theirs) = row()
    call = phone.call
    exchange = call.early[-1].exchange if call.early else call.media.exchange
    assert (exchange.state, exchange.remote, exchange.offer) == (Turn.STABLE, theirs, b"")
    assert call.offer is None
    check(phone, exchange.local, ours, theirs)


def check(phone: Phone, local: bytes, ours: bytes | None, theirs: bytes) -> None:
    """Our description is what the application brought, or of our audio; then media has what was agreed."""
    if ours is not None:
        assert local == ours
        return
    assert b"\r\nm=audio 16384 " in local
    agreed = phone.call.media.agreed
    assert agreed is not None
    assert agreed.port == (7300 if theirs == AGAIN else 7000)


def test_every_row_of_the_table_is_played_in_both_roles() -> None:
    played = {tuple(row.__name__.split("_")[:2]) for row in ROWS}
    assert played == {(who, str(row)) for who in ("service", "application") for row in range(1, 7)}


def answered(phone: Phone) -> Any:
    """The call comes up after its session was agreed on early."""
    call = phone.call
    if call.inbound:
        phone.command(AnswerCall("a", call.call, Treatment(), 0.0))
        phone.request(message("ACK", to_tag=call.tag, branch="ack"))
    else:
        phone.response(answer_to(sent(phone, "INVITE"), 200), phone.invite_key())
    return phone.call.media.exchange


@pytest.mark.parametrize(
    "row",
    [
        service_3_caller,
        service_4_caller,
        service_4_callee,
        service_6_is_offered_early_out,
        service_6_is_offered_early_in,
        application_4_caller,
        application_4_callee,
        application_5_caller,
        application_5_callee,
        application_6_offers_early_out,
        application_6_offers_early_in,
        application_6_is_offered_early_out,
        application_6_is_offered_early_in,
    ],
    ids=lambda row: row.__name__,
)
def test_what_was_agreed_early_is_what_the_answered_call_has(row: Callable[[], tuple[Phone, Said]]) -> None:
    phone, (ours, theirs) = row()
    exchange = answered(phone)
    assert (phone.state, exchange.remote) == ("CONFIRMED", theirs)
    check(phone, exchange.local, ours, theirs)
    assert ours is not None or phone.started() == phone.call.media.agreed
