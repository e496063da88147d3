"""The peers of accounts as cells: those that are asked now and then whether they are there."""

from __future__ import annotations

from typing import Any, ClassVar

from actors.dialog.call import Heard, Place
from actors.dialog.qualify import QUALIFY, Given, Input, Qualify, State, interval, step
from actors.dialog.usage import Usage
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Response, parse
from actors.sip.vocabulary import Head, TransactionKey


class Peers(Usage):
    """Those of the accounts that live in one shard."""

    mark: ClassVar = "k"

    def begin(self, now: float, wall: float) -> Effects:
        """Plan the first OPTIONS of each, and forget those of accounts that are no more."""
        known = {key for key in self.cells.keys() if key[:1] == self.mark.encode()}  # noqa: SIM118 - not a dict
        for account in self.agent.accounts:
            if not account.qualify or not self.agent.names.owns(account.aor):
                continue
            tag = self.mark + self.agent.names.token("peer", account.aor)
            key = tag.encode()
            if key not in known:
                new = Qualify(State.WAITING, (), tag, account.aor)
                first = now + account.qualify - interval(new, Given(self.agent, account, wall))
                self.cells.put(key, Qualify(State.WAITING, ((Input.DUE, first),), tag, account.aor), first)
            known.discard(key)
        for key in known:
            self.cells.delete(key)
        return ()

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to an OPTIONS."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """An OPTIONS ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that an OPTIONS may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """It is time to ask, or nothing was heard."""
        qualify: Qualify | None = self.cells.get(key)
        account = None if qualify is None else self.agent.accounts.get(qualify.aor)
        if qualify is None or account is None:
            return ()
        after, effects = QUALIFY.expire(qualify, now, Given(self.agent, account, wall))
        self.cells.put(key, after, after.next_deadline)
        return effects

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        qualify: Qualify | None = self.cells.get(tag.encode())
        account = None if qualify is None else self.agent.accounts.get(qualify.aor)
        if qualify is None or account is None:
            return ()
        after, effects = step(qualify, event, Given(self.agent, account, wall, what), now)
        if after is not qualify:
            self.cells.put(tag.encode(), after, after.next_deadline)
        return effects
