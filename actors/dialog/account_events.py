"""What the user agent says about accounts and takes for them; told and taken as all of :mod:`actors.dialog.events`."""

from __future__ import annotations

from actors.runtime.machine import Event


class RegisterAccount(Event, frozen=True):
    """Register an account, or refresh it now. What becomes of it, AccountChanged tells."""

    ref: str
    account: str


class UnregisterAccount(Event, frozen=True):
    """Remove the account's binding, or `everything` that is bound to its address-of-record (RFC 3261 s10.2.2)."""

    ref: str
    account: str
    everything: bool = False


class ListAccounts(Event, frozen=True):
    """Ask for every account of the shard; answered by CommandDone with ``accounts``: a tuple of AccountInfo."""

    ref: str


class AccountState(Event, frozen=True):
    """How the registration of an account stands. Times are seconds since the Unix epoch, 0 where there is none.

    Attributes:
        account: its address-of-record.
        state: registering, registered, failing, unregistering or unregistered; ``static`` for one that never registers.
        until: when the registrar forgets our Contact.
        since: since when it fails.
        status: why: the SIP status, 0 where none was heard.
        reason: in words.
        contact: the Contact URI that the registrar holds.
    """

    account: str
    state: str
    until: float
    since: float
    status: int
    reason: str
    contact: str


class AccountInfo(AccountState, frozen=True):
    """One line of a list of accounts.

    Attributes:
        bindings: every Contact that the registrar listed last.
        service_route: the URIs that other requests visit first (RFC 3608).
        registrar: which of several, where it is one of `registrars`; empty for the first.
    """

    bindings: tuple[str, ...] = ()
    service_route: tuple[str, ...] = ()
    registrar: str = ""


class AccountChanged(AccountState, frozen=True):
    """The registration of an account changed; `registrar` is as in AccountInfo."""

    time: float
    registrar: str = ""


class PeerChanged(Event, frozen=True):
    """The peer of an account that is asked now and then (OPTIONS) is `reachable`, or is no more.

    Attributes:
        status: of its answer; 408 for none, 0 where there is no next hop.
        seconds: that the answer took.
    """

    account: str
    reachable: bool
    status: int
    reason: str
    seconds: float
    time: float


AccountCommand = RegisterAccount | UnregisterAccount | ListAccounts
AccountEvent = AccountChanged | PeerChanged
