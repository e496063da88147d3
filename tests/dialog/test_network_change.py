"""An address of ours is gone: what began from it finds its way afresh, what did not is left alone."""

from __future__ import annotations

from actors.dialog.call_commands import HangUp
from actors.dialog.effects import Find, Send
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, invite, line, message
from tests.dialog.registrar import Line

OURS = NEAR.sent_by.rpartition(":")[0]


def _changed(phone: Phone, *gone: str) -> None:
    phone._did(phone.agent.network_changed(frozenset(gone), *phone.clock))


def _up(phone: Phone) -> None:
    key = phone.place_call()
    phone.response(answer_to(phone.all(Send)[-1].raw, 200, body=OFFER), key)


THERE = NEAR._replace(sent_by="192.0.2.77:5060")


def test_a_call_whose_address_is_gone_tells_its_peer_the_new_one() -> None:
    phone = Phone()
    _up(phone)
    _changed(phone, OURS)
    phone.located(phone.last(Find).ref, THERE)
    reinvite = phone.sent("INVITE")[-1]
    assert reinvite.to.tag == "callee"
    assert line(bytes(reinvite), "Via").startswith("SIP/2.0/UDP 192.0.2.77:5060;")
    assert "192.0.2.77:5060" in line(bytes(reinvite), "Contact")
    assert b"c=IN IP4 192.0.2.77" in reinvite.body
    phone.response(answer_to(phone.all(Send)[-1].raw, 200, body=OFFER), phone.all(Send)[-1].key)
    assert phone.state == "CONFIRMED"
    assert line(bytes(phone.sent("ACK")[-1]), "Via").startswith("SIP/2.0/UDP 192.0.2.77:5060;")


def test_one_whose_peer_cannot_be_reached_from_there_lives_on() -> None:
    phone = Phone()
    _up(phone)
    _changed(phone, OURS)
    phone.located(phone.last(Find).ref)
    assert phone.state == "CONFIRMED"


def test_the_bye_of_a_call_whose_address_is_gone_is_located_anew() -> None:
    phone = Phone()
    _up(phone)
    _changed(phone, OURS)
    asked = phone.last(Find).ref
    phone.command(HangUp("r2", "call-1@host"))
    assert phone.sent("BYE") == []
    phone.located(phone.last(Find).ref, THERE)
    (bye,) = phone.sent("BYE")
    assert line(bytes(bye), "Via").startswith("SIP/2.0/UDP 192.0.2.77:5060;")
    phone.located(asked, THERE)
    assert len(phone.sent("INVITE")) == 1, "it is too late for a re-INVITE"


def test_a_call_from_another_address_is_left_alone() -> None:
    phone = Phone()
    _up(phone)
    before = phone.call
    _changed(phone, "198.51.100.1")
    assert phone.call == before


def test_a_call_that_has_no_dialog_yet_and_one_that_came_in_survive_it() -> None:
    phone = Phone()
    phone.place_call()
    _changed(phone, OURS)
    assert phone.state == "INVITING"
    other = Phone()
    other.receive_call(invite())
    _changed(other, OURS)
    assert other.state == "RINGING"
    other.request(message("BYE", to_tag=other.our_tag(), cseq=2))
    assert 200 in other.statuses


def test_an_account_registers_again_when_an_address_is_gone_and_not_when_one_came() -> None:
    phone = Line()
    phone.begin()
    registrar = phone.registrar
    for gone, count in (((), 1), ((OURS,), 2)):
        _changed(phone, *gone)
        phone.pass_time(1.0)
        assert len(registrar.requests) == count
