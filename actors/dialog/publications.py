"""Publications as cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog.call import Agent, Heard, Place
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.publication import PUBLICATION, Given, Input, Publication, State, replace, step
from actors.dialog.publication_events import PublicationChanged, Publish, Unpublish
from actors.dialog.usage import Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, Response, parse, uri
from actors.sip.headers import Event
from actors.sip.vocabulary import Head, TransactionKey

NAMES = {State.PUBLISHED: "published", State.FAILING: "failing", State.OVER: "removed"}


class Publications(Usage):
    """The publications of one shard."""

    mark: ClassVar = "p"

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for publications."""
        return {Publish: self._publish, Unpublish: self._unpublish}

    def _tag(self, publication: str) -> str:
        return self.mark + self.agent.names.token("publication", publication)

    def _publish(self, command: Publish, now: float, wall: float) -> Effects:
        tag = self._tag(command.publication)
        try:
            _check(command, self.agent)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        known: Publication | None = self.cells.get(tag.encode())
        done = Report(CommandDone(command.ref))
        if known is None:
            new = Publication(State.FAILING, (), tag, command, expires=command.expires)
            return (done, *self._step(new, Input.DUE, None, now, wall))
        if PUBLICATION.edge(known.state, Input.PUBLISH) is None or known.unwanted:
            return failure(command.ref, "bad_state", "it is about to be removed")
        return (done, *self._step(known, Input.PUBLISH, command, now, wall))

    def _unpublish(self, command: Unpublish, now: float, wall: float) -> Effects:
        known: Publication | None = self.cells.get(self._tag(command.publication).encode())
        if known is None:
            return failure(command.ref, "no_such_publication", f"there is no publication {command.publication}")
        return (Report(CommandDone(command.ref)), *self._step(known, Input.REMOVE, None, now, wall))

    # What happens

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a PUBLISH."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A PUBLISH ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a PUBLISH may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: the state is removed; the answer is not waited for."""
        return self._give(key.decode(), Input.REMOVE, None, now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """A refresh is due, or nothing was heard."""
        publication: Publication | None = self.cells.get(key)
        if publication is None:
            return ()
        after, effects = PUBLICATION.expire(publication, now, Given(self.agent, wall))
        return effects + self._keep(after, now, wall)

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        publication: Publication | None = self.cells.get(tag.encode())
        return () if publication is None else self._step(publication, event, what, now, wall)

    def _step(self, publication: Publication, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        after, effects = step(publication, event, Given(self.agent, wall, what), now)
        return effects if after is publication else effects + self._keep(after, now, wall)

    def _keep(self, after: Publication, now: float, wall: float) -> Effects:
        """Store what a step made of a publication, and tell control what is new."""
        key, name = after.tag.encode(), NAMES.get(after.state, "")
        until = after.until if after.state is not State.OVER and after.until > now else 0.0
        told = (name, until, after.status)
        effects: Effects = ()
        if name and told != after.told:
            at = round(wall + until - now, 3) if until else 0.0
            changed = PublicationChanged(after.order.publication, name, at, after.status, after.reason, wall)
            effects = (Report(changed),)
            after = replace(after, told=told)
        if after.state is State.OVER:
            self.cells.delete(key)
        else:
            self.cells.put(key, after, after.next_deadline)
        return effects


def _check(command: Publish, agent: Agent) -> None:
    """Check a command.

    Raises:
        LocalProtocolError: it cannot be sent.
    """
    if command.account and agent.accounts.get(command.account) is None:
        raise LocalProtocolError(f"there is no account {command.account}")
    try:
        parsed = uri.parse(command.uri)
        event = Event.parse(command.event)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{command.uri!r} or {command.event!r} cannot be read") from error
    if not parsed.is_sip or parsed.headers or not event.package:
        raise LocalProtocolError(f"{command.uri!r} is no SIP URI that a state can be published of")
    if not command.body or not 1 <= command.expires <= 86_400:
        raise LocalProtocolError("there is no body, or expires is not between 1 and 86400 seconds")
    headers = (("Event", command.event), ("Content-Type", command.content_type))
    Request.build("PUBLISH", command.uri, headers, command.body)
