"""Callers that ask us to answer by ourselves: obeyed where the policy names them, told and no more elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.call_commands import AnswerCall, Treatment
from actors.dialog.call_events import CallReceived
from actors.dialog.policy import answer_after
from actors.dialog.settings import Answer, DialogSettings
from tests.dialog.phone import Phone, invite, message

NEAR = ("192.0.2.0/24",)
INTERCOM = {"Call_Info": "<sip:pbx>;answer-after=0"}


def phone_of(obey: tuple[str, ...] = NEAR, **settings: Any) -> Phone:
    phone = Phone("ring", **settings)
    answer = Answer(mode="ring", obey=obey)
    phone.settings = DialogSettings(answer=answer, **settings)
    phone.start()
    return phone


@pytest.mark.parametrize(
    "headers",
    [
        INTERCOM,
        {"Call_Info": "<sip:pbx> ; Answer-After = 0"},
        {"Alert_Info": "<http://www.notused.com>;info=alert-autoanswer;delay=0"},
        {"Alert_Info": "info=alert-autoanswer"},
        {"Alert_Info": '<sip:pbx>;info="Auto Answer"'},
        {"Answer_Mode": "Auto"},
    ],
)
def test_who_may_ask_is_answered_at_once(headers: dict[str, str]) -> None:
    phone = phone_of()
    phone.receive_call(invite(**headers))
    assert phone.statuses == [180, 200]
    assert len(phone.reports(CallReceived)) == 1


@pytest.mark.parametrize("obey", [(), ("198.51.100.0/24", "2001:db8::/32")])
def test_who_may_not_ask_is_told_of_and_rings(obey: tuple[str, ...]) -> None:
    phone = phone_of(obey)
    phone.receive_call(invite(**INTERCOM))
    assert phone.statuses == [180]
    assert ("Call-Info", "<sip:pbx>;answer-after=0") in phone.reports(CallReceived)[0].headers
    phone.wait(30)
    assert phone.state == "RINGING"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Call_Info": "<sip:pbx>;purpose=icon"},
        {"Call_Info": "<sip:pbx>;answer-after=soon"},
        {"Alert_Info": "<sip:pbx>;info=ring-twice"},
        {"Answer_Mode": "Manual"},
    ],
)
def test_who_asks_for_nothing_rings(headers: dict[str, str]) -> None:
    phone = phone_of()
    phone.receive_call(invite(**headers))
    phone.wait(30)
    assert phone.statuses == [180]


def test_it_rings_as_long_as_it_is_asked_to_over_a_restart() -> None:
    phone = phone_of()
    phone.receive_call(invite(Call_Info="<sip:pbx>;answer-after=5"))
    phone.start()
    phone.wait(4.9)
    assert phone.statuses == [180]
    phone.wait(0.2)
    assert phone.statuses == [180, 200]


def test_whoever_answers_before_answers_once() -> None:
    phone = phone_of()
    phone.receive_call(invite(Call_Info="<sip:pbx>;answer-after=5"))
    phone.command(AnswerCall("a", phone.call.call, Treatment(echo=True), 0.0))
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.wait(10)
    assert phone.statuses == [180, 200]


def test_the_prack_of_the_ringing_is_waited_for() -> None:
    phone = phone_of()
    phone.receive_call(invite(Require="100rel", **INTERCOM))
    assert phone.statuses == [180]
    phone.request(message("PRACK", to_tag=phone.call.tag, cseq=2, RAck="1 1 INVITE"))
    assert phone.statuses == [180, 200, 200]


@given(name=st.sampled_from(["Call-Info", "Alert-Info", "Answer-Mode", "X-Y"]), value=st.text(max_size=60))
def test_whatever_a_header_holds_it_is_a_time_or_nothing(name: str, value: str) -> None:
    after = answer_after(Answer(obey=NEAR), "192.0.2.9", [(name, value)])
    assert after == -1.0 or 0 <= after < 10_000
