"""Publications in virtual time: entity-tags, refreshes, changes, 412, 423, removal."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.publication_events import PublicationChanged, Publish, Unpublish
from actors.dialog.publications import Publications
from actors.sip import Request, parse
from tests.dialog.phone import NEAR, Phone, answer_to


class Publisher(Phone):
    """A phone that publishes."""

    def publish(self, body: bytes = b"<open/>", **more: Any) -> None:
        wanted: dict[str, Any] = {
            "uri": "sip:alice@192.0.2.9:5070",
            "event": "presence",
            "account": "",
            "expires": 3600,
            "content_type": "application/pidf+xml",
            "body": body,
            **more,
        }
        done = self.command(Publish("r", "pub-1", **wanted))
        assert isinstance(done[0].event, CommandDone), done

    def locate(self) -> Request:
        """Answer the last location; the PUBLISH that is sent."""
        self.located(self.last(Find).ref, NEAR)
        return self.request_sent()

    def request_sent(self) -> Request:
        message = parse(self.last(Send).raw)
        assert isinstance(message, Request)
        return message

    def wait_until_asked(self) -> float:
        """Let time pass until the next location; how long that took."""
        began, finds = self.now, len(self.all(Find))
        while len(self.all(Find)) == finds:
            assert self.now < began + 3600
            self.wait(1.0)
        return self.now - began

    def answer(self, status: int = 200, **headers: str) -> None:
        sent = self.last(Send)
        more: dict[str, Any] = dict(headers)
        self.response(answer_to(sent.raw, status, **more), sent.key)

    @property
    def changes(self) -> list[PublicationChanged]:
        return self.reports(PublicationChanged)

    @property
    def state(self) -> str:
        return self.changes[-1].state


def published(expires: str = "600") -> Publisher:
    phone = Publisher()
    phone.publish()
    phone.locate()
    phone.answer(SIP_ETag="one", Expires=expires)
    return phone


def test_a_state_is_published_and_refreshed_without_being_repeated() -> None:
    phone = published()
    first = phone.request_sent()
    assert (first.body, first.get("Event"), first.get("Expires")) == (b"<open/>", "presence", "3600")
    assert first.get("SIP-If-Match") is None
    assert phone.state == "published"
    for number in range(10):
        phone.wait(600 * 0.8 + 1)
        refresh = phone.locate()
        assert (refresh.body, refresh.get("Content-Type")) == (b"", None)
        assert refresh.get("SIP-If-Match") == ("one" if number == 0 else f"tag{number - 1}")
        assert refresh.cseq.number == number + 2
        phone.answer(SIP_ETag=f"tag{number}", Expires="600")
    assert {change.state for change in phone.changes} == {"published"}


def test_a_new_state_goes_at_once_under_the_last_entity_tag() -> None:
    phone = published()
    phone.publish(b"<closed/>")
    change = phone.locate()
    assert (change.body, change.get("SIP-If-Match")) == (b"<closed/>", "one")


def test_a_change_while_one_is_on_its_way_waits_for_its_answer() -> None:
    phone = Publisher()
    phone.publish()
    phone.locate()
    phone.publish(b"<closed/>")
    assert len(phone.all(Send)) == 1
    phone.answer(SIP_ETag="one", Expires="600")
    change = phone.locate()
    assert (change.body, change.get("SIP-If-Match")) == (b"<closed/>", "one")


def test_a_412_begins_anew_with_the_whole_state() -> None:
    phone = published()
    phone.wait(600 * 0.8 + 1)
    phone.locate()
    phone.answer(412)
    again = phone.locate()
    assert (again.body, again.get("SIP-If-Match")) == (b"<open/>", None)
    phone.answer(412)
    assert phone.state == "failing", "a 412 to what names no entity-tag makes no sense"


def test_a_423_is_asked_again_with_what_the_server_wants() -> None:
    phone = Publisher()
    phone.publish(expires=60)
    phone.locate()
    phone.answer(423, Min_Expires="600")
    assert phone.locate().get("Expires") == "600"


@pytest.mark.parametrize("headers", [{}, {"SIP_ETag": "x" * 300}])
def test_a_success_without_an_entity_tag_that_makes_sense_is_a_failure(headers: dict[str, str]) -> None:
    phone = Publisher()
    phone.publish()
    phone.locate()
    phone.answer(200, **headers)
    assert phone.state == "failing"


def test_a_server_that_is_away_is_asked_again_each_time_later() -> None:
    phone = Publisher()
    phone.publish()
    phone.locate()
    waits = []
    for _ in range(8):
        phone.failed(phone.last(Send).key)
        assert phone.state == "failing"
        waits.append(phone.wait_until_asked())
        phone.locate()
    assert 15 <= waits[0] <= 31
    assert waits[-1] > 600
    assert max(waits) <= 1801
    phone.answer(SIP_ETag="one", Expires="600")
    assert phone.state == "published"


def test_what_lapsed_meanwhile_goes_whole() -> None:
    phone = published("60")
    phone.wait(49.0)
    phone.locate()
    phone.answer(500)
    phone.wait_until_asked()
    again = phone.locate()
    assert (again.body, again.get("SIP-If-Match")) == (b"<open/>", None)


def test_unpublish_removes_it() -> None:
    phone = published()
    phone.command(Unpublish("u", "pub-1"))
    removal = phone.locate()
    assert (removal.get("Expires"), removal.get("SIP-If-Match"), removal.body) == ("0", "one", b"")
    phone.answer(200, SIP_ETag="two", Expires="0")
    assert phone.state == "removed"
    assert not phone.cells


def test_unpublish_while_one_is_on_its_way_follows_it() -> None:
    phone = Publisher()
    phone.publish()
    phone.locate()
    phone.command(Unpublish("u", "pub-1"))
    phone.answer(SIP_ETag="one", Expires="600")
    assert phone.locate().get("Expires") == "0"
    phone.answer(500)
    assert phone.state == "removed"
    assert not phone.cells


def test_a_kill_anywhere_changes_nothing() -> None:
    phone = Publisher()
    phone.publish()
    phone.start()
    phone.locate()
    phone.start()
    phone.answer(SIP_ETag="one", Expires="600")
    phone.start()
    phone.wait(481.0)
    assert phone.locate().get("SIP-If-Match") == "one"
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert phone.state == "failing"


@pytest.mark.parametrize(
    "wrong", [{"uri": "tel:1"}, {"event": "a b"}, {"expires": 0}, {"account": "sip:x@y"}, {"content_type": "a\r\nb"}]
)
def test_what_cannot_be_published_is_refused(wrong: dict[str, Any]) -> None:
    phone = Phone()
    wanted: dict[str, Any] = {"uri": "sip:a@b", "event": "presence", "account": "", "expires": 600, **wrong}
    wanted = {"content_type": "text/plain", **wanted}
    (outcome,) = phone.command(Publish("r", "p", body=b"x", **wanted))
    assert isinstance(outcome.event, CommandFailed)
    assert isinstance(phone.command(Unpublish("r", "p"))[0].event, CommandFailed)
    assert not phone.cells


def test_a_shard_has_only_so_many_publications_and_those_it_has_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Publications, "most", 1)
    phone = Publisher()
    phone.publish()
    phone.command(Publish("r2", "pub-2", "sip:bob@192.0.2.9:5070", "presence", "", 3600, "text/plain", b"here"))
    assert phone.failure() == CommandFailed("r2", "busy", "there are 1 publications")
    phone.publish(b"<closed/>")
