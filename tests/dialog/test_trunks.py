"""Trunks: known by their address, asked whether they are there, limited in their calls."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from actors.dialog.account_events import PeerChanged
from actors.dialog.accounts import Account, Secret
from actors.dialog.call_events import CallReceived
from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.sip.credentials import Challenge
from tests.dialog.phone import FLOW, NEAR, Phone, answer_to, invite, line, place

TRUNK = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9:5070", register=False, qualify=30.0)
change = msgspec.structs.replace


class Asker(Phone):
    """A phone that asks its trunk whether it is there."""

    def __init__(self, **more: Any) -> None:
        super().__init__(accounts=(change(TRUNK, **more),))
        self._did(self.agent.begin(*self.clock))

    def until_asked(self) -> Send:
        """Let time pass until the next OPTIONS."""
        finds = len(self.all(Find))
        while len(self.all(Find)) == finds:
            self.wait(1.0)
        self.located(self.last(Find).ref, NEAR)
        last: Send = self.last(Send)
        return last

    @property
    def told(self) -> list[tuple[bool, int]]:
        """What was told of it."""
        return [(event.reachable, event.status) for event in self.reports(PeerChanged)]


def test_a_trunk_is_asked_now_and_then_and_a_change_is_told_once() -> None:
    asker = Asker()
    times = []
    for answers in (True, True, False, False, True):
        sent = asker.until_asked()
        times.append(asker.now)
        assert sent.raw.startswith(b"OPTIONS sip:192.0.2.9:5070 SIP/2.0\r\n")
        assert line(sent.raw, "From").startswith("<sip:100@192.0.2.9>;tag=k")
        if answers:
            asker.response(answer_to(sent.raw, 200), sent.key)
        else:
            asker.failed(sent.key)
    assert asker.told == [(True, 200), (False, 408), (True, 200)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(24 <= gap <= 31 for gap in gaps)


def test_any_answer_says_that_it_is_there_but_503_and_none() -> None:
    asker = Asker()
    for status in (405, 404, 503, 480):
        sent = asker.until_asked()
        asker.response(answer_to(sent.raw, status), sent.key)
    assert asker.told == [(True, 405), (False, 503), (True, 480)]
    asker.wait(31.0)
    asker.located(asker.last(Find).ref)
    assert asker.told[-1] == (False, 0)


def test_it_answers_a_challenge_and_survives_kills_and_a_lost_shard() -> None:
    asker = Asker(secret=Secret("wonderland"), username="100")
    sent = asker.until_asked()
    asked = str(Challenge("carrier", "n1", "MD5", ("auth",)))
    asker.response(answer_to(sent.raw, 401, WWW_Authenticate=asked), sent.key)
    asker.start()
    again = asker.last(Send)
    assert "response=" in line(again.raw, "Authorization")
    asker.response(answer_to(again.raw, 200), again.key)
    assert asker.told == [(True, 200)]
    asker.until_asked()
    asker._did(asker.agent.transactions_lost(*asker.clock))
    asker.until_asked()
    asker.wait(200.0)
    assert asker.told == [(True, 200)], "what we lost ourselves says nothing of the peer"
    asker.settings = change(asker.settings, accounts=())
    asker.start()
    asker._did(asker.agent.begin(*asker.clock))
    assert not asker.cells


def test_a_call_from_the_address_of_a_trunk_is_its_own_whatever_number_it_is_for() -> None:
    phone = Phone(accounts=(TRUNK,))
    phone.receive_call(invite().replace(b"sip:us@", b"sip:+15550100@", 1))
    assert phone.reports(CallReceived)[0].account == TRUNK.aor
    stranger = Phone(accounts=(TRUNK,))
    stranger.receive_call(invite(), flow=FLOW._replace(host="198.51.100.1"))
    assert stranger.reports(CallReceived)[0].account == ""


def test_a_trunk_has_no_more_calls_than_it_may_both_ways_and_over_a_kill() -> None:
    phone = Phone(accounts=(change(TRUNK, max_calls=2),))
    phone.receive_call()
    assert isinstance(phone.command(place(account=TRUNK.aor))[0].event, CommandDone)
    assert isinstance(phone.command(place(account=TRUNK.aor, call="call-2"))[0].event, CommandFailed)
    phone.start()
    assert phone.command(place(account=TRUNK.aor, call="call-2"))[0].event.code == "busy"
    phone.request(invite(branch="other", Call_ID="two"))
    assert phone.statuses[-1] == 486
    assert isinstance(phone.command(place(call="call-3"))[0].event, CommandDone), "others are not limited"
    phone.cancel(invite())
    phone.finish()
    assert isinstance(phone.command(place(account=TRUNK.aor, call="call-4"))[0].event, CommandDone)
