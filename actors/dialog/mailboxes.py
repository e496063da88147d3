"""The mailboxes of our accounts as cells: their state, told to those who subscribed and those who are told anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog.accounts import Account
from actors.dialog.call import Agent
from actors.dialog.effects import Report
from actors.dialog.errand import OfAccount
from actors.dialog.events import CommandDone
from actors.dialog.feed_events import TellWaiting
from actors.dialog.feeds import Feeds
from actors.dialog.mailbox import MAILBOX, Mailbox, State
from actors.dialog.usage import Cells, Command, SenderUsage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip import message_summary as summary


class Mailboxes(SenderUsage[Mailbox]):
    """Those of all accounts: every shard knows their state, and that of an account tells those who did not subscribe.

    Args:
        agent: what all usages share.
        cells: where they are kept, among others.
        feeds: the subscriptions to us.
    """

    mark: ClassVar = "m"
    table: ClassVar = MAILBOX

    def __init__(self, agent: Agent, cells: Cells, feeds: Feeds) -> None:
        super().__init__(agent, cells)
        self._feeds = feeds
        agent.mailbox = self.state_of

    @property
    def commands(self) -> Mapping[type, Command]:
        """That for mailboxes."""
        return {TellWaiting: self._tell}

    def state_of(self, aor: str) -> bytes:
        """The state of the mailbox of an account, empty while nobody has told it."""
        known = self.cell(self.tag("mailbox", aor, ""))
        return b"" if known is None else known.body

    def begin(self, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Forget those of accounts, and those to be told, that are no more."""
        wanted = {self._new(each, uri).key for each in self.agent.accounts for uri in ("", *each.waiting_to)}
        for key in [key for key in self.cells.keys() if key[:1] == b"m"]:  # noqa: SIM118 - not a dict
            if key not in wanted:
                self.cells.delete(key)
        return ()

    def given(self, machine: Mailbox, what: Any, wall: float) -> OfAccount | None:  # noqa: ANN401
        """With the account."""
        account = self.agent.accounts.get(machine.aor)
        return None if account is None else OfAccount(self.agent, account, wall, what)

    def _new(self, account: Account, uri: str) -> Mailbox:
        return Mailbox(State.TOLD, (), self.tag("mailbox", account.aor, uri), account.aor, uri)

    def _tell(self, command: TellWaiting, now: float, wall: float) -> Effects:
        account = self.agent.accounts.get(command.account)
        if account is None:
            return failure(command.ref, "no_such_account", f"there is no account {command.account}")
        try:
            body = _body(command)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        uris = ("", *account.waiting_to) if self.agent.names.owns(account.aor) else ("",)
        effects: Effects = (Report(CommandDone(command.ref)),)
        for uri in uris:
            new = self._new(account, uri)
            effects += self.step(self.cell(new.tag) or new, "TELL", body, now, wall)
        return effects + self._feeds.tell_waiting(account.aor, body, now, wall)


def _body(command: TellWaiting) -> bytes:
    """The state as it is told (RFC 3842 s5.2).

    Raises:
        LocalProtocolError: it cannot be told so.
    """
    lines = [f"{name}: {count}".encode() for name, count in command.counts]
    waiting = b"Messages-Waiting: yes" if command.waiting else b"Messages-Waiting: no"
    try:
        told = summary.parse(b"\r\n".join([waiting, *lines]))
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{command.counts!r} is no list of classes and their new/old counts") from error
    return bytes(told._replace(account=command.mailbox or command.account))
