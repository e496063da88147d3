"""Registrations as cells: each account of the shard at its registrars, begun and refreshed at a bounded pace."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from actors.dialog.account_events import AccountInfo, ListAccounts, RegisterAccount, UnregisterAccount
from actors.dialog.accounts import Account
from actors.dialog.call import Agent
from actors.dialog.effects import Report
from actors.dialog.errand import FLOOR, OfAccount
from actors.dialog.events import CommandDone
from actors.dialog.pace import RATE, Pace
from actors.dialog.registration import ALL, Input, Registration, State, info, news, replace, uri_is_loose
from actors.dialog.registration_table import REGISTRATION
from actors.dialog.usage import Cells, Command, SenderUsage, failure
from actors.runtime.machine import Effects

EPOCH = 1_600_000_000  # subtracted from the wall clock for a first CSeq number, which has 31 bits (RFC 3261 s8.1.1.5)


class Registrations(SenderUsage[Registration]):
    """The accounts that live in one shard.

    Args:
        agent: what all usages share.
        cells: where they are kept, among others.
    """

    mark: ClassVar = "r"
    table: ClassVar = REGISTRATION

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        self._pace = Pace(RATE / agent.settings.shards)
        agent.routes, agent.located_at = self.routes, self.located_at
        self._leaving: set[bytes] | None = None  # once the service stops: those that are not done
        self._former: dict[str, Account] = {}  # the accounts, as they were, of those that leave their registrar, by tag
        self._versions = {account.aor: self._version(account) for account in self._mine()}

    @property
    def idle(self) -> bool:
        """Whether a service that stops need not wait for any of them."""
        return not self._leaving

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for accounts."""
        return {RegisterAccount: self._register, UnregisterAccount: self._unregister, ListAccounts: self._list}

    def _tag(self, aor: str, registrar: str) -> str:
        return self.tag("account", aor, registrar) if registrar else self.tag("account", aor)

    def of(self, account: Account) -> list[Registration]:
        """The registrations of an account, a registrar each; none for one that lives elsewhere."""
        found = [self.cell(self._tag(account.aor, registrar)) for registrar in account.slots]
        return [registration for registration in found if registration is not None]

    def routes(self, account: Account) -> tuple[str, ...]:
        """The URIs that a request of an account visits first (RFC 3608 s6.1): its Service-Route, else its proxy.

        Of several registrars the first that has our Contact says it.
        """
        registrations = self.of(account)
        said = next((each for each in registrations if each.bound), registrations[0] if registrations else None)
        if said is not None and said.service_route:
            return said.service_route
        proxy = account.outbound_proxy if said is None else said.proxy(account)
        return (proxy,) if uri_is_loose(proxy) else ()

    def located_at(self, account: Account) -> tuple[str, ...]:
        """The addresses at which the registrars of an account were found last; not where they sent us."""
        found = [each.errand.attempt.candidates for each in self.of(account) if each.errand and not each.tried]
        return tuple([candidate.target.host for candidates in found for candidate in candidates])

    def begin(self, now: float, wall: float) -> Effects:
        """Plan the registrations that are not there yet; those that a reload has removed are left to `renewed`."""
        mine = [each for each in self._mine() if each.register]
        pairs = [(each, registrar) for each in mine for registrar in each.slots]
        former = [each for each in self.agent.accounts.former if self.agent.names.owns(each.aor)]
        left = {self._tag(each.aor, registrar).encode() for each in former for registrar in each.slots}
        first = {self._tag(each.aor, at).encode(): partial(self._first, each, at, now, wall) for each, at in pairs}
        self.plan(first, left)
        return ()

    def _first(self, account: Account, registrar: str, now: float, wall: float) -> Registration:
        return replace(self._new(account, registrar, wall), state=State.WAITING, deadlines=((Input.DUE, now),))

    # A reload

    def _version(self, account: Account) -> str:
        """Of what an account's registrations are made of, but for its secret, by which none of them differs."""
        said: tuple[object, ...] = (
            account.display_name,
            account.registrar,
            account.outbound_proxy,
            account.username,
            account.expires,
        )
        said += (account.contact, account.q, account.instance, account.outbound, account.registrars, account.in_turn)
        return self.agent.names.token("version", account.aor, repr(said))[:8]

    def _stale(self, registration: Registration) -> bool:
        """Whether the registrar was told what the account was before."""
        return registration.version != self._versions[registration.aor]

    def _wanted(self, registration: Registration) -> Account | None:
        """The account, if it is to register there still."""
        account = self.agent.accounts.get(registration.aor)
        if account is None or not account.register or registration.registrar not in account.slots:
            return None
        return account

    def renewed(self, key: bytes, now: float, wall: float) -> Effects:
        """One whose account is removed, or has another registrar, leaves the registrar; another change is told to it.

        Each takes its turn. Where the new registrar is another one, it is registered at once the old one has answered.
        """
        registration: Registration = self.cells.get(key)
        account = self._wanted(registration)
        former = [each for each in self.agent.accounts.former if each.aor == registration.aor]
        old = next((each for each in reversed(former) if self._version(each) == registration.version), None)
        if registration.state is State.IDLE:  # as it was told to be
            if account is None:
                self.cells.delete(key)
            return ()
        if account is not None and not self._stale(registration):
            failing = registration.state is State.FAILING and bool(former)  # its secret may be right now
            self.put(_due(registration, now) if failing else registration)
            return ()
        if account is not None and (old is None or registration.at(old) == registration.at(account)):
            self.put(self._changed(registration, account, now))
            return ()
        if old is None:
            self.cells.delete(key)
            return ()
        self._former[registration.tag] = old
        if registration.state in (State.REGISTERED, State.FAILING):
            self.put(_due(registration, now))
            return ()
        return self.step(registration, "UNREGISTER", "", now, wall)

    def _changed(self, registration: Registration, account: Account, now: float) -> Registration:
        """The registration as it tells what has changed: at once, or when the REGISTER on its way is answered."""
        if registration.state not in (State.REGISTERED, State.FAILING, State.WAITING):
            return registration
        return replace(_due(registration, now), expires=account.expires, plain=False)

    def keep(self, machine: Registration, now: float, wall: float) -> Effects:
        """Store it; one that has left its former registrar begins at the one of now, or is forgotten."""
        effects = super().keep(machine, now, wall)
        account = self._wanted(machine)
        if machine.tag in self._former:
            if machine.state is State.IDLE and self._leaving is None:
                del self._former[machine.tag]
                self.cells.delete(machine.key)
                if account is not None:
                    self.put(self._first(account, machine.registrar, now, wall))
        elif account is not None and machine.state is State.REGISTERED and self._stale(machine):
            self.put(self._changed(self.cells.get(machine.key), account, now))
        return effects

    def _mine(self) -> list[Account]:
        return [account for account in self.agent.accounts if self.agent.names.owns(account.aor)]

    def _new(self, account: Account, registrar: str, wall: float) -> Registration:
        tag = self._tag(account.aor, registrar)
        call_id = self.agent.names.token("register", account.aor, *([registrar] if registrar else ()))
        seq = int(wall) - EPOCH
        return Registration(
            State.IDLE, (), tag, account.aor, call_id, seq, expires=account.expires, registrar=registrar
        )

    # What happens

    def network_changed(self, key: bytes, gone: frozenset[str], now: float, wall: float) -> Effects:  # noqa: ARG002
        """Addresses of ours are gone, and with them where the registrar saw us: register again, in turn."""
        registration: Registration = self.cells.get(key)
        if gone and registration.bound:
            self.put(replace(_due(registration, now), seen=""))
        return ()

    def flow_dead(self, tag: str, token: str, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Calls can reach us no more by the way that we registered on: register on another (RFC 5626 section 4.5).

        A registrar that closes its connections by itself after each response (no `token`) calls us on new ones.
        """
        registration = self.cell(tag)
        if registration is None or registration.state is not State.REGISTERED:
            return ()
        if token or (registration.flow and registration.over_datagrams):
            self.put(_due(registration, now + FLOOR, sooner=True))
        return ()

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: remove our binding."""
        if self._leaving is None:
            self._leaving = set()
        self._leaving.add(key)
        return self.give(key.decode(), "UNREGISTER", "", now, wall)

    def fire(self, machine: Registration, now: float, wall: float) -> Effects:
        """Fire the timers that are due; a REGISTER takes its turn."""
        due = next((at for timer, at in machine.deadlines if timer is Input.DUE), None)
        if due is not None and due <= now and (turn := self._pace.claim(machine.key, now)) > now:
            machine = _due(machine, turn)
        elif due is not None and due <= now and machine.tag in self._former:
            return self.step(machine, "UNREGISTER", "", now, wall)
        return super().fire(machine, now, wall)

    def given(self, machine: Registration, what: Any, wall: float) -> OfAccount | None:  # noqa: ANN401
        """With the account."""
        former = self._former.get(machine.tag)
        account = former or self.agent.accounts.get(machine.aor)
        if account is None:
            return None
        spare = account.outbound and any(each.flow and each.tag != machine.tag for each in self.of(account))
        version = self._version(account) if former else self._versions.get(account.aor, "")
        return OfAccount(self.agent, account, wall, what, spare, version)

    def news(self, machine: Registration, now: float, wall: float) -> tuple[Registration, Effects]:
        """What is true of it, where control was told something else."""
        machine, changes = news(machine, now, wall)
        return machine, tuple(Report(change) for change in changes)

    def put(self, machine: Registration) -> None:
        """Store a registration; when the service stops, those that are done are forgotten: the next start registers."""
        if self._leaving is None or machine.state is not State.IDLE:
            super().put(machine)
        else:
            self._leaving.discard(machine.key)
            self.cells.delete(machine.key)

    # Commands

    def _register(self, command: RegisterAccount, now: float, wall: float) -> Effects:
        account = self._known(command.account)
        if account is None:
            return _unknown(command.ref, command.account)
        if self.agent.draining:
            return failure(command.ref, "draining", "the service is about to stop")
        return (Report(CommandDone(command.ref)), *self._all(account, "REGISTER", None, now, wall))

    def _unregister(self, command: UnregisterAccount, now: float, wall: float) -> Effects:
        account = self._known(command.account)
        if account is None:
            return _unknown(command.ref, command.account)
        what = ALL if command.everything else ""
        return (Report(CommandDone(command.ref)), *self._all(account, "UNREGISTER", what, now, wall))

    def _all(self, account: Account, event: str, what: str | None, now: float, wall: float) -> Effects:
        """Give an input to the registration at each registrar of an account, whether it is there yet or not."""
        effects: Effects = ()
        for registrar in account.slots:
            if event == "REGISTER" and self._tag(account.aor, registrar) in self._former:
                continue  # it will, when it has left the registrar that it had
            known = self.cell(self._tag(account.aor, registrar)) or self._new(account, registrar, wall)
            effects += self.step(known, event, what, now, wall)
        return effects

    def _known(self, aor: str) -> Account | None:
        account = self.agent.accounts.get(aor)
        return account if account is not None and account.registrar and self.agent.names.owns(aor) else None

    def _list(self, command: ListAccounts, now: float, wall: float) -> Effects:
        lines = []
        for account in self._mine():
            registrations = self.of(account)
            if not registrations:
                state = "static" if not account.register else "unregistered"
                lines.append(AccountInfo(account.aor, state, 0.0, 0.0, 0, "", ""))
            lines += [info(registration, now, wall) for registration in registrations]
        return (Report(CommandDone(command.ref, accounts=tuple(lines))),)


def _unknown(ref: str, aor: str) -> Effects:
    return failure(ref, "no_such_account", f"there is no account {aor} with a registrar")


def _due(registration: Registration, at: float, *, sooner: bool = False) -> Registration:
    """The registration with its next REGISTER, if one is planned, at `at`, or before."""
    deadlines = [
        (timer, (min(when, at) if sooner else at) if timer is Input.DUE else when)
        for timer, when in registration.deadlines
    ]
    return replace(registration, deadlines=tuple(deadlines))
