"""Publications as cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.outgoing import check_target
from actors.dialog.publication import PUBLICATION, Input, Publication, State, replace
from actors.dialog.publication_events import PublicationChanged, Publish, Unpublish
from actors.dialog.usage import Command, OrderedUsage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, Request

NAMES = {State.PUBLISHED: "published", State.FAILING: "failing", State.OVER: "removed"}


class Publications(OrderedUsage[Publication]):
    """The publications of one shard."""

    mark: ClassVar = "p"
    table: ClassVar = PUBLICATION
    over: ClassVar = State.OVER
    kind: ClassVar = "publication"
    most: ClassVar = 20_000

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for publications."""
        return {Publish: self._publish, Unpublish: self._unpublish}

    def check(self, order: Publish) -> None:
        """Refuse what cannot be sent."""
        check_target(self.agent, order.account, order.uri, order.event)
        if not order.body or not 1 <= order.expires <= 86_400:
            raise LocalProtocolError("there is no body, or expires is not between 1 and 86400 seconds")
        headers = (("Event", order.event), ("Content-Type", order.content_type))
        Request.build("PUBLISH", order.uri, headers, order.body)

    def _publish(self, command: Publish, now: float, wall: float) -> Effects:
        tag = self.tag("publication", command.publication)
        known = self.cell(tag)
        if failed := self.unfit(command, known):
            return failed
        done = Report(CommandDone(command.ref))
        if known is None:
            new = Publication(State.FAILING, (), tag, command, expires=command.expires)
            return (done, *self.step(new, "DUE", None, now, wall))
        if PUBLICATION.edge(known.state, Input.PUBLISH) is None or known.unwanted:
            return failure(command.ref, "bad_state", "it is about to be removed")
        return (done, *self.step(known, "PUBLISH", command, now, wall))

    def _unpublish(self, command: Unpublish, now: float, wall: float) -> Effects:
        known = self.cell(self.tag("publication", command.publication))
        if known is None:
            return failure(command.ref, "no_such_publication", f"there is no publication {command.publication}")
        return (Report(CommandDone(command.ref)), *self.step(known, "REMOVE", None, now, wall))

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: the state is removed; the answer is not waited for."""
        return self.give(key.decode(), "REMOVE", None, now, wall)

    def news(self, machine: Publication, now: float, wall: float) -> tuple[Publication, Effects]:
        """What is true of it, where control was told something else."""
        name = NAMES.get(machine.state, "")
        until = machine.until if machine.state is not State.OVER and machine.until > now else 0.0
        told = (name, until, machine.status)
        if not name or told == machine.told:
            return machine, ()
        at = round(wall + until - now, 3) if until else 0.0
        changed = PublicationChanged(machine.order.publication, name, at, machine.status, machine.reason, wall)
        return replace(machine, told=told), (Report(changed),)
