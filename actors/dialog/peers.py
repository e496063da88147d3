"""The peers of accounts as cells: those that are asked now and then whether they are there."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from actors.dialog.accounts import Account
from actors.dialog.errand import OfAccount
from actors.dialog.qualify import QUALIFY, Input, Qualify, State, interval
from actors.dialog.usage import SenderUsage
from actors.runtime.machine import Effects


class Peers(SenderUsage[Qualify]):
    """Those of the accounts that live in one shard."""

    mark: ClassVar = "k"
    table: ClassVar = QUALIFY

    def begin(self, now: float, wall: float) -> Effects:
        """Plan the first OPTIONS of each, and forget those of accounts that are no more."""

        def first(account: Account) -> Qualify:
            new = Qualify(State.WAITING, (), self.tag("peer", account.aor), account.aor)
            at = now + account.qualify - interval(new, OfAccount(self.agent, account, wall))
            return Qualify(State.WAITING, ((Input.DUE, at),), new.tag, account.aor)

        asked = [each for each in self.agent.accounts if each.qualify and self.agent.names.owns(each.aor)]
        self.plan({self.tag("peer", each.aor).encode(): partial(first, each) for each in asked})
        return ()

    def given(self, machine: Qualify, what: Any, wall: float) -> OfAccount | None:  # noqa: ANN401
        """With the account."""
        account = self.agent.accounts.get(machine.aor)
        return None if account is None else OfAccount(self.agent, account, wall, what)
