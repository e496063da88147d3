"""Requests outside of any dialog, as cells: those of the application, of any method, and MESSAGE from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from actors.dialog.call import Asked, Given
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.messages import received
from actors.dialog.outgoing import OUTGOING, Outgoing, State, begin, check
from actors.dialog.reply import answer, out_of_scope
from actors.dialog.request_events import SendRequest
from actors.dialog.usage import Command, OrderedUsage, failure
from actors.runtime.machine import Effects


class OutOfDialog(OrderedUsage[Outgoing]):
    """The requests of one shard."""

    mark: ClassVar = "q"
    methods: ClassVar = frozenset({"MESSAGE"})
    table: ClassVar = OUTGOING
    over: ClassVar = State.DONE
    kind: ClassVar = "request"
    most: ClassVar = 10_000

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for requests."""
        return {SendRequest: self._send}

    def check(self, order: SendRequest) -> None:
        """Refuse what cannot be sent."""
        check(order, self.agent)

    def _send(self, command: SendRequest, now: float, wall: float) -> Effects:
        tag = self.tag("request", command.request)
        if self.cell(tag) is not None:
            return failure(command.ref, "bad_value", f"there is a request {command.request} already")
        if failed := self.unfit(command, None):
            return failed
        outgoing, effects = begin(command, tag, Given(self.agent, wall), now)
        self.put(outgoing)
        return (Report(CommandDone(command.ref)), *effects)

    # From others

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A NOTIFY of a REFER of ours."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        outgoing = self.cell(asked.head.to_tag)
        if outgoing is None or asked.head.method != "NOTIFY":
            return (answer(self.agent, asked, 481),)
        return self.step(outgoing, "NOTIFIED", asked, now, wall)

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Take a MESSAGE: 200 means that it is delivered, to the log of events at least (RFC 3428 s7)."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        if self.agent.draining:
            return (answer(self.agent, asked, 503, (("Retry-After", "5"),)),)
        request = asked.request
        account = self.agent.accounts.called(request.uri, str(request.to.uri))
        return received(self.agent, asked, wall, account="" if account is None else account.aor)
