"""Registrations as cells: each account of the shard at its registrar, begun and refreshed at a bounded pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog.account_events import AccountInfo, ListAccounts, RegisterAccount, UnregisterAccount
from actors.dialog.accounts import Account
from actors.dialog.call import Agent, Heard, Place
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.pace import RATE, Pace
from actors.dialog.registration import ALL, FLOOR, Input, Registration, State, info, news, replace, uri_is_loose
from actors.dialog.registration_table import REGISTRATION, Given, step
from actors.dialog.usage import Cells, Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Response, parse
from actors.sip.vocabulary import Head, TransactionKey

EPOCH = 1_600_000_000  # subtracted from the wall clock for a first CSeq number, which has 31 bits (RFC 3261 s8.1.1.5)


class Registrations(Usage):
    """The accounts that live in one shard.

    Args:
        agent: what all usages share.
        cells: where they are kept, among others.
    """

    mark: ClassVar = "r"

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        self._pace = Pace(RATE / agent.settings.shards)
        agent.routes, agent.located_at = self.routes, self.located_at
        self._leaving: set[bytes] | None = None  # once the service stops: those that are not done

    @property
    def idle(self) -> bool:
        """Whether a service that stops need not wait for any of them."""
        return not self._leaving

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for accounts."""
        return {RegisterAccount: self._register, UnregisterAccount: self._unregister, ListAccounts: self._list}

    def tag(self, aor: str) -> str:
        """The tag of an account."""
        return self.mark + self.agent.names.token("account", aor)

    def of(self, aor: str) -> Registration | None:
        """The registration of an account, None for one that has none or lives elsewhere."""
        found: Registration | None = self.cells.get(self.tag(aor).encode())
        return found

    def routes(self, account: Account) -> tuple[str, ...]:
        """The URIs that a request of an account visits first (RFC 3608 s6.1): its Service-Route, else its proxy."""
        registration = self.of(account.aor)
        if registration is not None and registration.service_route:
            return registration.service_route
        return (account.outbound_proxy,) if uri_is_loose(account.outbound_proxy) else ()

    def located_at(self, account: Account) -> tuple[str, ...]:
        """The addresses at which the registrar of an account was found last."""
        registration = self.of(account.aor)
        candidates = registration.errand.attempt.candidates if registration is not None and registration.errand else ()
        return tuple([candidate.target.host for candidate in candidates])

    def begin(self, now: float, wall: float) -> Effects:
        """Plan the registrations that are not there yet, and forget those of accounts that are no more."""
        known = {key for key in self.cells.keys() if key[:1] == self.mark.encode()}  # noqa: SIM118 - not a dict
        for account in self._mine():
            key = self.tag(account.aor).encode()
            if account.register and key not in known:
                new = replace(self._new(account, wall), state=State.WAITING, deadlines=((Input.DUE, now),))
                self.cells.put(key, new, now)
            if account.register:
                known.discard(key)
        for key in known:
            self.cells.delete(key)
        return ()

    def _mine(self) -> list[Account]:
        return [account for account in self.agent.accounts if self.agent.names.owns(account.aor)]

    def _new(self, account: Account, wall: float) -> Registration:
        tag = self.tag(account.aor)
        call_id = self.agent.names.token("register", account.aor)
        return Registration(State.IDLE, (), tag, account.aor, call_id, int(wall) - EPOCH, expires=account.expires)

    # What happens

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a REGISTER."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A REGISTER ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a REGISTER may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def network_changed(self, key: bytes, gone: frozenset[str], now: float, wall: float) -> Effects:  # noqa: ARG002
        """Addresses of ours are gone, and with them where the registrar saw us: register again, in turn."""
        registration: Registration = self.cells.get(key)
        if gone and registration.bound:
            due = tuple([(timer, now if timer is Input.DUE else at) for timer, at in registration.deadlines])
            registration = replace(registration, seen="", deadlines=due)
            self.cells.put(key, registration, registration.next_deadline)
        return ()

    def flow_dead(self, tag: str, token: str, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Calls can reach us no more by the way that we registered on: register on another (RFC 5626 section 4.5).

        A registrar that closes its connections by itself after each response (no `token`) calls us on new ones.
        """
        registration: Registration | None = self.cells.get(tag.encode())
        if registration is not None and token and registration.state is State.REGISTERED:
            soon = now + FLOOR
            due = tuple([(timer, min(at, soon) if timer is Input.DUE else at) for timer, at in registration.deadlines])
            registration = replace(registration, deadlines=due)
            self.cells.put(tag.encode(), registration, registration.next_deadline)
        return ()

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: remove our binding."""
        if self._leaving is None:
            self._leaving = set()
        registration: Registration = self.cells.get(key)
        self._leaving.add(key)
        after, effects = self._step(registration, Input.UNREGISTER, "", now)
        return effects + self._keep(after, registration, now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """A REGISTER is due, a binding is over, or nothing was heard."""
        registration: Registration | None = self.cells.get(key)
        if registration is None:
            return ()
        account = self.agent.accounts.get(registration.aor)
        if account is None:
            self.cells.delete(key)
            return ()
        due = next((at for timer, at in registration.deadlines if timer is Input.DUE), None)
        before = registration
        if due is not None and due <= now and (turn := self._pace.claim(key, now)) > now:
            rest = tuple(pair for pair in registration.deadlines if pair[0] is not Input.DUE)
            registration = replace(registration, deadlines=(*rest, (Input.DUE, turn)))
        after, effects = REGISTRATION.expire(registration, now, Given(self.agent, account))
        return effects + self._keep(after, before, now, wall)

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        registration: Registration | None = self.cells.get(tag.encode())
        if registration is None:
            return ()
        after, effects = self._step(registration, event, what, now)
        return effects + self._keep(after, registration, now, wall)

    def _step(self, registration: Registration, event: Input, what: Any, now: float) -> tuple[Registration, Effects]:  # noqa: ANN401
        account = self.agent.accounts.get(registration.aor)
        if account is None:  # its configuration is gone
            return replace(registration, state=State.IDLE, deadlines=()), ()
        return step(registration, event, Given(self.agent, account, what), now)

    def _keep(self, after: Registration, before: Registration, now: float, wall: float) -> Effects:
        """Store what a step made of a registration, and tell control what is new."""
        if after is before and self._leaving is None:
            return ()
        after, changes = news(after, now, wall)
        key = after.key
        if self._leaving is not None and after.state is State.IDLE:
            self._leaving.discard(key)
            self.cells.delete(key)  # the next start registers again
        else:
            self.cells.put(key, after, after.next_deadline)
        return tuple(Report(change) for change in changes)

    # Commands

    def _register(self, command: RegisterAccount, now: float, wall: float) -> Effects:
        account = self._known(command.account)
        if account is None:
            return _unknown(command.ref, command.account)
        if self.agent.draining:
            return failure(command.ref, "draining", "the service is about to stop")
        registration = self.of(account.aor) or self._new(account, wall)
        after, effects = self._step(registration, Input.REGISTER, None, now)
        return (Report(CommandDone(command.ref)), *effects, *self._keep(after, registration, now, wall))

    def _unregister(self, command: UnregisterAccount, now: float, wall: float) -> Effects:
        account = self._known(command.account)
        if account is None:
            return _unknown(command.ref, command.account)
        registration = self.of(account.aor) or self._new(account, wall)
        after, effects = self._step(registration, Input.UNREGISTER, ALL if command.everything else "", now)
        return (Report(CommandDone(command.ref)), *effects, *self._keep(after, registration, now, wall))

    def _known(self, aor: str) -> Account | None:
        account = self.agent.accounts.get(aor)
        return account if account is not None and account.registrar and self.agent.names.owns(aor) else None

    def _list(self, command: ListAccounts, now: float, wall: float) -> Effects:
        lines = []
        for account in self._mine():
            registration = self.of(account.aor)
            if registration is None:
                state = "static" if not account.register else "unregistered"
                lines.append(AccountInfo(account.aor, state, 0.0, 0.0, 0, "", ""))
            else:
                lines.append(info(registration, now, wall))
        return (Report(CommandDone(command.ref, accounts=tuple(lines))),)


def _unknown(ref: str, aor: str) -> Effects:
    return failure(ref, "no_such_account", f"there is no account {aor} with a registrar")
