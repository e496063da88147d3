"""Requests outside of any dialog, as cells: those of the application, of any method, and MESSAGE from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog.call import Asked, Heard, Place
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.messages import received
from actors.dialog.outgoing import OUTGOING, Given, Input, Outgoing, State, begin, check, step
from actors.dialog.reply import answer, out_of_scope
from actors.dialog.request_events import SendRequest
from actors.dialog.usage import Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Response, parse
from actors.sip.vocabulary import Head, TransactionKey

MAX_PENDING = 10_000  # requests of a shard on their way; one more is refused


class OutOfDialog(Usage):
    """The requests of one shard."""

    mark: ClassVar = "q"
    methods: ClassVar = frozenset({"MESSAGE"})

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for requests."""
        return {SendRequest: self._send}

    def _send(self, command: SendRequest, now: float, wall: float) -> Effects:
        tag = self.mark + self.agent.names.token("request", command.request)
        if self.cells.get(tag.encode()) is not None:
            return failure(command.ref, "bad_value", f"there is a request {command.request} already")
        pending = sum(key[:1] == b"q" for key in self.cells.keys())  # noqa: SIM118 - not a dict
        if pending >= MAX_PENDING:
            return failure(command.ref, "busy", f"there are {pending} requests on their way")
        try:
            check(command, self.agent)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        outgoing, effects = begin(command, tag, Given(self.agent, wall), now)
        self._keep(outgoing)
        return (Report(CommandDone(command.ref)), *effects)

    # From others

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

    # What happens to ours

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A request ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a request may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """Nothing was heard."""
        outgoing: Outgoing | None = self.cells.get(key)
        if outgoing is None:
            return ()
        after, effects = OUTGOING.expire(outgoing, now, Given(self.agent, wall))
        self._keep(after)
        return effects

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        outgoing: Outgoing | None = self.cells.get(tag.encode())
        if outgoing is None:
            return ()
        after, effects = step(outgoing, event, Given(self.agent, wall, what), now)
        if after is not outgoing:
            self._keep(after)
        return effects

    def _keep(self, outgoing: Outgoing) -> None:
        key = outgoing.tag.encode()
        if outgoing.state is State.DONE:
            self.cells.delete(key)
        else:
            self.cells.put(key, outgoing, outgoing.next_deadline)
