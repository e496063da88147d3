"""Accounts: who we are towards a registrar or a trunk, the secret that proves it, and to whom it may be proved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Literal

import msgspec

from actors.dialog.numbers import Rule
from actors.sip import RemoteProtocolError, uri
from actors.sip.digest import algorithm_of, ha1
from actors.sip.uri import Uri


class Secret(msgspec.Struct, frozen=True, array_like=True):
    """A password or an HA1, which never shows in a log or an event.

    Attributes:
        value: the password, or H(username:realm:password) in hexadecimal (RFC 7616 s3.4.2).
        hashed: whether it is the latter; it then serves one realm and one algorithm.
        algorithm: of a hashed one.
    """

    value: str = ""
    hashed: bool = False
    algorithm: str = "MD5"

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may send us what begins a call or another thing.

    Attributes:
        name: of the credentials.
        secret: the password.
        identities: the users of From URIs that are theirs, beside `name`; ``*`` for any, as trunks need.
    """

    name: str
    secret: Secret = Secret()
    identities: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Times are seconds.

    Attributes:
        aor: its address-of-record, a SIP URI; the name it goes by.
        display_name: of its From.
        register: whether it registers at all; a trunk that knows us by our address needs not.
        registrar: the Request-URI of its REGISTER, such as ``sip:example.com``.
        registrars: of others, at which it is registered at the same time; or, with
        in_turn: at which it is registered while those before them fail.
        outbound_proxy: the URI of the first hop of all it sends, empty for none.
        username: of its credentials.
        secret: what proves it.
        realms: for which; empty: for any that a peer of the account names.
        peers: hosts to which it may be proved beside those of `aor`, `registrar` and `outbound_proxy`.
        strongest: answer the strongest challenge rather than the topmost (RFC 8760 s2.4).
        expires: how long a registration is asked for.
        contact: host or host:port where peers reach us; empty: what the registrar says it sees (RFC 3581).
        q: of its Contact (RFC 3261 s20.10), empty for none.
        instance: the value of ``+sip.instance`` (RFC 5626 s4.1), a URN; empty for none.
        outbound: ask for its calls to come by the flow it registered on (RFC 5626); has an `instance`.
        qualify: how often OPTIONS asks its peer whether it is there, 0 for never.
        max_calls: calls at once, both ways; 0 for no limit.
        waiting_to: URIs that are told how many messages wait in its mailbox though they never subscribed.
        calls_per_second: new ones, both ways; 0 for no limit.
        dial: how the numbers that we call are written towards it.
        callers: how the number of a caller of ours is.
        incoming: how numbers that come from it are written towards us, the caller's and the called one.
        caller_id: where a caller stands: ``from``; ``asserted`` or ``preferred``: in P-Asserted-Identity or
            P-Preferred-Identity, and From has the account; of calls in the asserted one is then believed.
    """

    aor: str
    display_name: str = ""
    register: bool = True
    registrar: str = ""
    registrars: tuple[str, ...] = ()
    in_turn: bool = False
    outbound_proxy: str = ""
    username: str = ""
    secret: Secret = Secret()
    realms: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    strongest: bool = False
    expires: int = 3600
    contact: str = ""
    q: str = ""
    instance: str = ""
    outbound: bool = False
    qualify: float = 0.0
    max_calls: int = 0
    waiting_to: tuple[str, ...] = ()
    calls_per_second: float = 0.0
    dial: tuple[Rule, ...] = ()
    callers: tuple[Rule, ...] = ()
    incoming: tuple[Rule, ...] = ()
    caller_id: Literal["from", "asserted", "preferred"] = "from"

    @property
    def user(self) -> str:
        """The user part of its address-of-record, by which requests to it are known."""
        return uri.parse(self.aor).user or ""

    @property
    def host(self) -> str:
        """The host of its address-of-record."""
        return uri.parse(self.aor).host.lower()

    @property
    def slots(self) -> tuple[str, ...]:
        """A name for each registration: one a registrar, or one in all where they are asked in turn.

        The first is the empty text: its URI may change under a registration.
        """
        return ("",) if self.in_turn else ("", *self.registrars)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it may be proved to, lower case."""
        uris = [self.aor, self.registrar, *self.registrars, self.outbound_proxy]
        named = [host_of(each) for each in uris if each] + [peer.lower() for peer in self.peers]
        return tuple(dict.fromkeys(named))

    def ha1(self, realm: str, algorithm: str) -> str | None:
        """The HA1 for a realm and an algorithm, None where this account has none."""
        if self.realms and realm not in self.realms:
            return None
        found = algorithm_of(algorithm)
        if found is None or not self.secret.value:
            return None
        if not self.secret.hashed:
            return ha1(algorithm, self.username, realm, self.secret.value)
        kept = algorithm_of(self.secret.algorithm)
        return self.secret.value if kept is not None and kept.hash == found.hash else None


def host_of(text: str) -> str:
    """The host of a SIP URI in lower case, empty for what is none."""
    try:
        parsed: Uri = uri.parse(text)
    except RemoteProtocolError:
        return ""
    return (parsed.maddr or parsed.host).lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Accounts:
    """The accounts of a service, by address-of-record.

    Args:
        accounts: no two of one address-of-record.
        former: as they were before the configuration was read again: removed, or changed since; the latest last.
    """

    def __init__(self, accounts: Iterable[Account] = (), former: tuple[Account, ...] = ()) -> None:
        self.former = former
        self._removed = {account.aor: account for account in former}
        self._by_aor = {account.aor: account for account in accounts}
        self._by_user: dict[str, list[Account]] = {}
        for account in self._by_aor.values():
            self._by_user.setdefault(account.user, []).append(account)
        trunks = [account for account in self._by_aor.values() if not account.register]
        self._by_peer = {host: account for account in reversed(trunks) for host in account.hosts}

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of trunks: whose requests need no credentials."""
        return tuple([host for host in self._by_peer if _is_address(host)])

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_aor.values())

    def __len__(self) -> int:
        return len(self._by_aor)

    def get(self, aor: str) -> Account | None:
        """The account of this address-of-record."""
        return self._by_aor.get(aor)

    def known(self, aor: str) -> Account | None:
        """The account of this address-of-record, be it removed since: what it began goes on, or ends, in its name."""
        return self._by_aor.get(aor) or self._removed.get(aor)

    def removed(self, aor: str) -> bool:
        """Whether an account of this address-of-record was removed."""
        return aor in self._removed and aor not in self._by_aor

    def of_peer(self, address: str) -> Account | None:
        """The trunk at this address: an account that does not register and names it among its hosts."""
        return self._by_peer.get(address)

    def called(self, request_uri: str, to: str) -> Account | None:
        """The account that a request out of a dialog is for: by the user of its Request-URI, that of our Contact.

        Where several accounts have that user, the host of the To decides (RFC 3261 s8.2.2.1).
        """
        try:
            user = uri.parse(request_uri).user or ""
        except RemoteProtocolError:
            return None
        found = self._by_user.get(user, ())
        if len(found) <= 1:
            return found[0] if found else None
        host = host_of(to)
        return next((account for account in found if account.host == host), found[0])
