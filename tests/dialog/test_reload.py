"""A reload that removes or changes accounts: what their registrars are told, in whose name, and over kills."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from actors.dialog.account_events import RegisterAccount, UnregisterAccount
from actors.dialog.accounts import Account, Secret
from actors.dialog.effects import Find, Send
from actors.dialog.publication_events import Publish
from actors.dialog.subscription_events import Watch
from actors.sip import Request, parse
from tests.dialog.phone import NEAR, Phone, answer_to, line, message
from tests.dialog.registrar import ALICE, Line, Registrar, contacts

change = msgspec.structs.replace
OURS = "sip:alice@192.0.2.1:5060"


class House(Line):
    """A line whose configuration is read again."""

    def reload(self, *accounts: Account) -> None:
        """The file has these accounts now: the shard starts again and looks at each cell."""
        former = (*self.settings.former, *self.settings.accounts)
        kept = tuple([each for each in former if each not in accounts])
        self.settings = change(self.settings, accounts=accounts, former=kept)
        self.kill()

    def kill(self) -> None:
        """The shard starts again, with what it was told last."""
        self.start()
        self._did(self.agent.begin(*self.clock))
        for key in list(self.cells):
            self._did(self.agent.renewed(*self.clock, (key,)))
        self.pass_time(0.0)

    def since(self) -> list[Request]:
        """The requests since the last look."""
        found = list(self.registrar.requests)
        self.registrar.requests.clear()
        return found


def house(*accounts: Account) -> House:
    found = House(*accounts)
    found.begin()
    found.pass_time(1.0)
    found.since()
    return found


def test_an_account_that_is_removed_is_unregistered_with_the_credentials_that_it_had() -> None:
    phone = house(ALICE)
    phone.registrar.nonce = "fresh"
    phone.reload()
    asked, proven = phone.since()
    assert contacts(proven) == [(OURS, 0)]
    assert asked.get("Call-ID") == proven.get("Call-ID")
    assert 'username="alice"' in (proven.get("Authorization") or "")
    assert phone.states[-2:] == ["unregistering", "unregistered"]
    assert phone.registrar.bindings == {}
    assert not phone.cells
    phone.kill()
    phone.pass_time(4000.0)
    assert phone.since() == []


def test_one_that_no_longer_registers_leaves_too_and_one_that_failed_is_just_forgotten() -> None:
    phone = house(ALICE)
    phone.reload(change(ALICE, register=False))
    assert phone.registrar.bindings == {}
    silent = House()
    silent.registrar.up = False
    silent.begin()
    silent.since()
    silent.reload()
    silent.pass_time(100.0)
    assert silent.since() == []
    assert not silent.cells


def test_a_registrar_that_no_longer_answers_does_not_keep_a_removed_account() -> None:
    phone = house(ALICE)
    phone.registrar.up = False
    phone.reload()
    phone.pass_time(100.0)
    assert phone.states[-1] == "unregistered"
    assert not phone.cells


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"display_name": "Alice"}, ("From", '"Alice" <sip:alice@example.com>')),
        ({"expires": 60}, ("Expires", "60")),
        ({"q": "0.5"}, ("Contact", "q=0.5")),
        ({"contact": "203.0.113.1:5070"}, ("Contact", "sip:alice@203.0.113.1:5070")),
        ({"outbound_proxy": "sip:192.0.2.60;lr"}, ("Route", "<sip:192.0.2.60;lr>")),
        ({"instance": "urn:uuid:1"}, ("Contact", "urn:uuid:1")),
    ],
)
def test_what_a_registrar_is_told_is_told_it_at_once_when_it_changes_and_once(
    changed: dict[str, Any], said: tuple[str, str]
) -> None:
    phone = house(ALICE)
    phone.reload(change(ALICE, **changed))
    (request,) = phone.since()
    assert said[1] in line(bytes(request), said[0])
    for uri, expires in contacts(request)[1:]:
        assert (uri, expires) == (OURS, 0), "the binding that it had is removed by the same request"
    assert len(phone.registrar.bindings) == 1
    phone.kill()
    assert phone.since() == []


def test_what_no_registrar_is_told_changes_nothing() -> None:
    phone = house(ALICE)
    phone.reload(change(ALICE, max_calls=3, secret=Secret("other"), qualify=0.0, peers=("192.0.2.99",)))
    assert phone.since() == []


def test_a_new_password_is_tried_at_once_where_the_old_one_failed() -> None:
    phone = House(change(ALICE, secret=Secret("wrong")))
    phone.registrar.nonce = "n"
    phone.begin()
    assert phone.states[-1] == "failing"
    phone.reload(ALICE)
    assert phone.states[-1] == "registered"


def test_an_account_with_another_registrar_leaves_the_old_one_and_then_registers_at_the_new_one() -> None:
    phone = house(ALICE)
    phone.reload(change(ALICE, registrar="sip:other.example.com"))
    phone.pass_time(1.0)
    left, bound = phone.since()
    assert (left.uri, contacts(left)) == ("sip:example.com", [(OURS, 0)])
    assert (bound.uri, contacts(bound)) == ("sip:other.example.com", [(OURS, 3600)])
    assert phone.states[-3:] == ["unregistered", "registering", "registered"]
    phone.kill()
    assert phone.since() == []


def test_a_registrar_less_is_left_and_a_registrar_more_is_registered_at() -> None:
    both = change(ALICE, registrars=("sip:two.example.com",))
    phone = house(ALICE)
    phone.reload(both)
    phone.pass_time(1.0)
    assert [(each.uri, each.expires) for each in phone.since()][-1] == ("sip:two.example.com", 3600)
    phone.reload(ALICE)
    phone.pass_time(1.0)
    assert ("sip:two.example.com", [(OURS, 0)]) in [(each.uri, contacts(each)) for each in phone.since()]
    assert len(phone.agent.registrations.of(ALICE)) == 1


class Mute(Registrar):
    """A registrar that leaves requests without an answer until it is told to speak."""

    speaks = True

    def serve(self) -> None:
        """Nothing, or all."""
        if self.speaks:
            super().serve()


@pytest.mark.parametrize("after", [(), (change(ALICE, registrar="sip:other.example.com"),)])
def test_a_kill_in_the_middle_of_leaving_changes_nothing(after: tuple[Account, ...]) -> None:
    phone = House()
    mute = phone.registrar = Mute(phone)
    phone.begin()
    phone.since()
    mute.speaks = False
    phone.reload(*after)
    for _ in range(2):
        phone.kill()
    if after:
        phone.command(RegisterAccount("r", ALICE.aor))
    mute.speaks = True
    phone.pass_time(1.0)
    found = [(each.uri, contacts(each)) for each in phone.since()]
    assert found[0] == ("sip:example.com", [(OURS, 0)])
    assert [uri for uri, _ in found[1:]] == [account.registrar for account in after]
    assert len(phone.cells) == len(after)


def test_one_that_is_on_its_way_when_it_changes_is_registered_again_as_it_is_now() -> None:
    phone = House()
    mute = phone.registrar = Mute(phone)
    mute.speaks = False
    phone.begin()
    phone.reload(change(ALICE, q="0.3"))
    mute.speaks = True
    phone.pass_time(0.5)
    assert "q=0.3" in line(bytes(phone.since()[-1]), "Contact")
    mute.speaks = False
    phone.command(RegisterAccount("r", ALICE.aor))
    phone.reload()
    mute.speaks = True
    phone.pass_time(0.5)
    assert contacts(phone.since()[-1]) == [(OURS, 0)]
    assert not phone.cells


def test_one_that_was_told_to_be_unregistered_stays_so() -> None:
    phone = house(ALICE)
    phone.order(UnregisterAccount("u", ALICE.aor))
    phone.since()
    phone.reload(change(ALICE, registrar="sip:other.example.com"))
    phone.pass_time(100.0)
    assert phone.since() == []
    phone.reload()
    assert not phone.cells


def test_a_thousand_that_are_removed_leave_at_fifty_a_second() -> None:
    many = tuple([change(ALICE, aor=f"sip:user{number}@example.com") for number in range(300)])
    phone = house(*many)
    phone.pass_time(10.0)
    phone.since()
    phone.registrar.times.clear()
    phone.reload()
    phone.pass_time(10.0)
    times = phone.registrar.times
    assert len(times) == 300
    assert all(later - earlier >= 0.02 - 1e-6 for earlier, later in itertools.pairwise(times))
    assert phone.registrar.bindings == {}


def test_subscriptions_and_publications_of_a_removed_account_end_and_others_stay() -> None:
    phone = Phone(accounts=(change(ALICE, register=False),))
    orders = (("mine", ALICE.aor), ("ours", ""))
    for name, account in orders:
        phone.command(Watch("w", name, "sip:bob@192.0.2.9", "presence", account=account))
        phone.located(phone.last(Find).ref, NEAR)
        sent = phone.last(Send)
        phone.response(answer_to(sent.raw, 200, Expires="600", Contact="<sip:bob@192.0.2.9>"), sent.key)
        request = parse(sent.raw)
        more: dict[str, Any] = {
            "Call_ID": request.head.call_id,
            "Event": "presence",
            "Subscription_State": "active;expires=600",
        }
        more |= {"From": "<sip:bob@192.0.2.9>;tag=callee", "branch": name}
        more["To"] = f"<{request.from_.uri}>;tag={request.head.from_tag}"
        phone.request(message("NOTIFY", **more))
        assert phone.statuses[-1] == 200
        phone.command(Publish("p", name, "sip:bob@192.0.2.9", "presence", account, 600, "text/plain", b"open"))
        phone.located(phone.last(Find).ref, NEAR)
        published = phone.last(Send)
        phone.response(answer_to(published.raw, 200, SIP_ETag="tag", Expires="600"), published.key)
    phone.settings = change(phone.settings, accounts=(), former=phone.settings.accounts)
    phone.start()
    phone._did(phone.agent.begin(*phone.clock))
    seen = len(phone.effects)
    for key in list(phone.cells):
        phone._did(phone.agent.renewed(*phone.clock, (key,)))
    for find in [each for each in phone.effects[seen:] if isinstance(each, Find)]:
        phone.located(find.ref, NEAR)
    ended = [parse(each.raw) for each in phone.effects[seen:] if isinstance(each, Send)]
    assert sorted((each.head.method, each.get("Expires"), each.from_.uri.user) for each in ended) == [
        ("PUBLISH", "0", "alice"),
        ("SUBSCRIBE", "0", "alice"),
    ]
