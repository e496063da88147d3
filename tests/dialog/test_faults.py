"""Attacks on dialogs in virtual time: lines that stand several times, bombs of headers, many calls at once."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from actors.dialog.call_commands import HangUp
from actors.dialog.effects import Find, Send, Start
from actors.dialog.feed_events import SubscriptionReceived
from actors.sip import RemoteProtocolError, parse
from tests.dialog.phone import BAD_OFFER, FLOW, OFFER, Phone, answer_to, invite, message
from tests.dialog.test_change import sent
from tests.dialog.test_feed import Desk
from tests.dialog.test_transfer import CAROL, FOLLOW, first, refer, replacing, up


def status_of(asking: Callable[[], int]) -> int | None:
    """The status that a request gets, be it of the transport, which reads a line that may stand but once."""
    try:
        return asking()
    except RemoteProtocolError as error:
        return error.status


def test_forty_accept_headers_make_a_subscription_no_larger_than_one() -> None:
    """They are told in a bounded length and kept nowhere."""
    sizes = []
    for accept in ("application/pidf+xml", "\r\nAccept: ".join([f"a/{'b' * 100}, c/d"] * 40)):
        desk = Desk()
        assert desk.subscribe(Accept=accept) == 200
        (event,) = desk.reports(SubscriptionReceived)
        assert len(event.accept) <= 1_000
        sizes.append(max(map(len, desk.cells.values())))
    assert sizes[0] == sizes[1]


def test_a_bad_answer_of_one_early_dialog_leaves_what_is_heard_of_another() -> None:
    phone = Phone()
    key = phone.place_call()
    raw = sent(phone, "INVITE")
    phone.response(answer_to(raw, 183, tag="good", body=OFFER), key)
    heard = phone.all(Start)
    phone.response(answer_to(raw, 183, tag="bad", body=BAD_OFFER), key)
    assert (phone.all(Start), phone.state) == (heard, "INVITING")
    phone.response(answer_to(raw, 200, tag="good", body=OFFER), key)
    assert phone.state == "CONFIRMED"
    assert not phone.sent("BYE")


@pytest.mark.parametrize(
    "line", [f"<{CAROL}>, <sip:x@192.0.2.7>", f"<{CAROL}>\r\nRefer-To: <sip:x@192.0.2.7>", f"<{CAROL}>\r\nr: <sip:x@h>"]
)
def test_a_refer_of_several_targets_is_malformed_and_leads_nowhere(line: str) -> None:
    phone = up(**FOLLOW)
    assert status_of(lambda: refer(phone, line)) == 400
    assert not phone.all(Find)
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize("joined", [", ", "\r\nReplaces: "])
def test_an_invite_that_would_replace_several_calls_is_malformed_and_replaces_none(joined: str) -> None:
    phone = up(replaces=True)
    one = f"one@192.0.2.9;to-tag={first(phone)};from-tag=peer"
    assert status_of(lambda: replacing(phone, Replaces=one + joined + one)) == 400
    assert phone.state == "CONFIRMED"
    assert not phone.sent("BYE")


TIMER = {"Session_Expires": "1800;refresher=uas", "Supported": "timer", "Allow": "INVITE, UPDATE"}


def test_calls_that_are_restored_together_send_nothing_and_what_is_overdue_goes_at_fifty_a_second() -> None:
    phone = Phone("echo")
    for number in range(300):
        call = f"c{number}@peer"
        phone.receive_call(invite(branch=f"b{number}", Call_ID=call, **TIMER))
        phone.request(message("ACK", to_tag=phone.our_tag(), Call_ID=call))
    assert [call.state.name for call in phone.calls] == ["CONFIRMED"] * 300
    phone.start()
    assert phone.wait(600.0) == []
    phone.now += 600.0  # nobody was there, and all sessions are to be refreshed since five minutes
    phone.start()
    seconds = [sum(type(effect) is Send for effect in phone.wait(1.0)) for _ in range(10)]
    assert sum(seconds) == 300
    assert max(seconds) <= 51
    updates = {parse(effect.raw).head.call_id for effect in phone.all(Send)}
    assert len(updates) == 300


def test_an_overdue_session_is_refreshed_before_it_ends() -> None:
    """However many are overdue: the turn of a session comes before its BYE would go."""
    phone = Phone("echo")
    for number in range(300):
        call = f"c{number}@peer"
        phone.receive_call(invite(branch=f"b{number}", Call_ID=call, **TIMER))
        phone.request(message("ACK", to_tag=phone.our_tag(), Call_ID=call))
    phone.now += 1800.0 - 32.0 - 2.0
    phone.start()
    phone.wait(1.9)
    assert len(phone.sent("UPDATE")) == 300
    assert not phone.sent("BYE")


def test_calls_leave_no_memory_behind_answered_or_cancelled() -> None:
    """What a thousand more of them would cost, seen from two equal rounds: nothing that grows with their number."""
    phone = Phone()

    def round_of_calls(start: int) -> None:
        for number in range(start, start + 100):
            call, branch = f"c{number}@peer", f"b{number}"
            raw = phone.receive_call(invite(branch=branch, Call_ID=call))
            if number % 2:
                phone.cancel(raw)
                phone.closed(phone.session)
                continue
            phone.command(HangUp("h", phone.call.call))
            phone.closed(phone.session)
        phone.effects.clear()

    tracemalloc.start()
    try:
        sizes = []
        for start in range(0, 600, 100):
            round_of_calls(start)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert not phone.cells
    assert max(sizes[3:]) - sizes[2] < 100 * 100  # bytes, for 300 calls


HERE = ["sip:x@127.0.0.1:22", "sip:x@localhost:9", "sip:x@[::1]:9", "sip:x@192.0.2.9:5070;maddr=127.8.8.8"]


@pytest.mark.parametrize("here", [*HERE, "sip:x@[::ffff:127.0.0.1]", "sip:x@LOCALHOST."])
@pytest.mark.parametrize("by", ["Contact", "Record_Route"])
def test_a_peer_elsewhere_leads_no_request_of_ours_to_this_machine_itself(here: str, by: str) -> None:
    phone = Phone("echo")
    phone.receive_call(invite(**{by: f"<{here}>" if by == "Contact" else f"<{here};lr>"}))
    phone.request(message("ACK", to_tag=phone.our_tag()))
    phone.command(HangUp("h", phone.call.call))
    (bye,) = (effect for effect in phone.all(Send) if effect.key.method == "BYE")
    assert (bye.target.host, bye.target.port) == ("192.0.2.9", 5070)
    assert not phone.all(Find)


def test_a_peer_on_this_machine_is_called_on_it() -> None:
    phone = Phone("echo")
    near = FLOW._replace(host="127.0.0.1", local_host="127.0.0.1")
    phone.receive_call(invite(Contact="<sip:x@127.0.0.1:5099>"), flow=near)
    phone.request(message("ACK", to_tag=phone.our_tag()), near)
    phone.command(HangUp("h", phone.call.call))
    (bye,) = (effect for effect in phone.all(Send) if effect.key.method == "BYE")
    assert (bye.target.host, bye.target.port) == ("127.0.0.1", 5099)
