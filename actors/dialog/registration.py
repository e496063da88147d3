"""A registration (RFC 3261 s10.2): the value that is kept in its cell, its states, and what it tells of itself."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from actors.dialog.account_events import AccountChanged, AccountInfo
from actors.dialog.accounts import Account
from actors.dialog.authentication import Authenticator
from actors.dialog.call import Agent
from actors.dialog.errand import CEILING, Errand, Sender
from actors.sip import RemoteProtocolError, Request, Response, uri
from actors.sip.headers import Contact, Path, ServiceRoute
from actors.sip.vocabulary import Candidate, host_port

replace = msgspec.structs.replace

MAX_ROUTES = 16  # of a Service-Route; a longer one is not believed
MAX_BINDINGS = 32  # that are kept to be shown
ALL = "*"


class State(IntEnum):
    """The states of a registration."""

    IDLE = 0  # nothing is wanted
    WAITING = 1  # a REGISTER is planned, nothing is bound
    REGISTERING = 2
    REGISTERED = 3
    FAILING = 4  # the last REGISTER failed; another is planned
    LEAVING = 5  # a REGISTER that removes bindings is on its way


class Input(IntEnum):
    """What happens to a registration."""

    REGISTER = 0  # it is wanted, or wanted now
    UNREGISTER = 1
    LOCATED = 2
    HEARD = 3  # a response, or the failure of the transaction
    LOST = 4  # the transaction shard lost all it held
    # timers
    DUE = 5  # to begin, to refresh, to try again
    LAPSED = 6  # the binding is over
    GIVE_UP = 7  # what should have ended by itself


class Registration(Sender, frozen=True, array_like=True, tag="registration"):
    """One account at its registrar. Times are seconds on the clock of the cells.

    Attributes:
        tag: its From tag.
        aor: the account.
        call_id: of all its requests (s10.2).
        seq: the CSeq number of its last request.
        errand: the REGISTER on its way, the last one while there is none.
        removes: of a REGISTER that removes: the Contact URI, or ``*`` for all (s10.2.2); else empty.
        wish: what is to follow the REGISTER on its way: register, one's own binding or ``*``; empty for nothing.
        expires: seconds to ask for: the account's, or what the registrar wants at least.
        raised: whether the registrar asked for more in this round (423).
        seen: host:port where the registrar sees us (RFC 3581); empty while that is not known.
        moved: whether it saw us elsewhere in this round already.
        contact: the Contact URI of the request on its way.
        bound: the Contact URI that the registrar holds, empty for none.
        until: when that binding ends, 0 where there is none.
        since: since when it fails, 0 while it does not.
        failures: in a row.
        status, reason: of the last failure.
        proof: what is known of those that ask for credentials.
        service_route: for its other requests (RFC 3608).
        path: between the registrar and us (RFC 3327).
        bindings: all that the registrar listed last.
        told: what control was told last.
        registrar: of those that the account is registered at in parallel; empty for its first.
        tried: where 3xx have sent the REGISTER in this round, the URI that it is at now last.
        targets: where else they say it may go.
        flow: whether the registrar sends our calls by the flow that we registered on (RFC 5626 s4.2.1).
        plain: whether the first hop could not do that (439), so that it is not asked for any more.
        version: of the account, as the last request said it.
        turn: of registrars that are asked in turn, the number of the one in hand; 0 for the account's first.
        passed: how many of them have failed in this round.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    aor: str
    call_id: str
    seq: int
    errand: Errand | None = None
    removes: str = ""
    wish: str = ""
    expires: int = 3600
    raised: bool = False
    seen: str = ""
    moved: bool = False
    contact: str = ""
    bound: str = ""
    until: float = 0.0
    since: float = 0.0
    failures: int = 0
    status: int = 0
    reason: str = ""
    proof: Authenticator | None = None
    service_route: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    told: tuple[str, float, int, str] = ("", 0.0, 0, "")
    registrar: str = ""
    tried: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    flow: bool = False
    plain: bool = False
    version: str = ""
    turn: int = 0
    passed: int = 0

    def own(self, account: Account) -> str:
        """The registrar or edge proxy in hand, empty for the account's first."""
        if not self.turn:
            return self.registrar
        return account.registrars[self.turn - 1] if self.turn <= len(account.registrars) else ""

    def at(self, account: Account) -> str:
        """The Request-URI of its next request."""
        own = self.own(account)
        return self.tried[-1] if self.tried else account.registrar if uri_is_loose(own) else own or account.registrar

    def proxy(self, account: Account) -> str:
        """The URI of its first hop, an edge proxy of its own before the account's; empty for the Request-URI."""
        own = self.own(account)
        return own if uri_is_loose(own) else account.outbound_proxy

    def outbound(self, account: Account) -> bool:
        """Whether it asks that calls come by its flow."""
        return account.outbound and bool(account.instance) and not self.plain

    @property
    def over_datagrams(self) -> bool:
        """Whether its last request went over UDP."""
        attempt = None if self.errand is None else self.errand.attempt
        return attempt is not None and bool(attempt.candidates) and attempt.candidate.target.transport == "udp"

    def number(self, account: Account) -> int:
        """Its ``reg-id``: which of the account's flows it is, the same after every start (RFC 5626 s4.2.1)."""
        return 1 + account.slots.index(self.registrar)

    def standing(self, now: float) -> str:
        """What is true of it: registering, registered, failing, unregistering or unregistered."""
        if self.state in (State.IDLE, State.LEAVING):
            return "unregistered" if self.state is State.IDLE else "unregistering"
        if self.state is State.FAILING or self.since:
            return "failing"
        return "registered" if self.until > now else "registering"


def news(registration: Registration, now: float, wall: float) -> tuple[Registration, tuple[AccountChanged, ...]]:
    """What control has not been told yet, and the registration once it has."""
    standing = registration.standing(now)
    until = registration.until if registration.until > now else 0.0
    told = (standing, until, registration.status, registration.bound)
    if told == registration.told:
        return registration, ()
    changed = AccountChanged(
        registration.aor,
        standing,
        _at(until, now, wall),
        _at(registration.since, now, wall),
        registration.status,
        registration.reason,
        registration.bound,
        wall,
        registration.registrar,
    )
    return replace(registration, told=told), (changed,)


def info(registration: Registration, now: float, wall: float) -> AccountInfo:
    """The account as a line of a list."""
    until = registration.until if registration.until > now else 0.0
    return AccountInfo(
        registration.aor,
        registration.standing(now),
        _at(until, now, wall),
        _at(registration.since, now, wall),
        registration.status,
        registration.reason,
        registration.bound,
        registration.bindings,
        registration.service_route,
        registration.registrar,
    )


def _at(when: float, now: float, wall: float) -> float:
    return round(wall + when - now, 3) if when else 0.0


# The request


def register(registration: Registration, account: Account, agent: Agent, candidate: Candidate, seq: int) -> Request:
    """The REGISTER but for its Via (s10.2)."""
    proxy = registration.proxy(account)
    routes = [f"<{proxy}>"] if uri_is_loose(proxy) else []
    outbound = registration.outbound(account)
    name = f'"{account.display_name}" ' if account.display_name else ""
    headers: list[tuple[str, str]] = [
        *[("Route", route) for route in routes],
        ("Max-Forwards", "70"),
        ("From", f"{name}<{account.aor}>;tag={registration.tag}"),
        ("To", f"<{account.aor}>"),
        ("Call-ID", registration.call_id),
        ("CSeq", f"{seq} REGISTER"),
        ("Supported", "path, outbound" if outbound else "path"),
        ("User-Agent", agent.settings.user_agent),
    ]
    if registration.removes == ALL:
        headers += [("Contact", ALL), ("Expires", "0")]
    elif registration.removes:
        headers.append(("Contact", f"<{registration.removes}>;expires=0{_flow(registration, account)}"))
    else:
        mine = contact_uri(registration, account, candidate)
        headers.append(("Contact", _contact(mine, registration, account)))
        # By the instance and the reg-id a registrar that knows flows replaces the binding (RFC 5626 s6).
        if registration.bound and registration.bound != mine and not registration.flow:
            headers.append(("Contact", f"<{registration.bound}>;expires=0"))
        headers.append(("Expires", str(registration.expires)))
    return Request.build("REGISTER", registration.at(account), headers)


def _contact(mine: str, registration: Registration, account: Account) -> str:
    value = f"<{mine}>;expires={registration.expires}"
    if account.q:
        value += f";q={account.q}"
    if registration.outbound(account):
        return value + _flow(registration, account)
    return value + (f';+sip.instance="<{account.instance}>"' if account.instance else "")  # RFC 5626 s4.1


def _flow(registration: Registration, account: Account) -> str:
    """What names the flow in a Contact: the same when it is bound, refreshed and removed (RFC 5626 s4.2.2)."""
    if not registration.outbound(account):
        return ""
    return f';+sip.instance="<{account.instance}>";reg-id={registration.number(account)}'


def contact_uri(registration: Registration, account: Account, candidate: Candidate) -> str:
    """Our Contact URI: as the configuration says, else as the registrar sees us, else as we see ourselves."""
    where = account.contact or registration.seen or candidate.sent_by
    transport = candidate.target.transport
    suffix = "" if transport == "udp" else f";transport={transport}"
    return f"sip:{account.user}@{where}{suffix}"


def uri_is_loose(text: str) -> bool:
    """Whether `text` is the URI of a loose router (RFC 3261 s19.1.1): it then stands in a Route."""
    return bool(text) and uri.parse(text).loose


# The response


def seen_at(response: Response, candidate: Candidate) -> str:
    """Where the peer saw our request come from (RFC 3581), empty where that is where we said.

    On a stream our port is that of a listener: the peer sees another, and only a foreign address says that there is a
    NAT between us.
    """
    via = response.via
    if via is None:
        return ""
    try:
        port = via.rport or via.port or 5060
    except RemoteProtocolError:
        return ""
    mine = candidate.sent_by
    seen = host_port(via.received or via.host, port)
    if candidate.target.transport == "udp":
        return "" if seen == mine else seen
    return "" if seen.rpartition(":")[0] == mine.rpartition(":")[0] else seen


def granted(registration: Registration, account: Account, response: Response) -> int:
    """For how many seconds the registrar holds OUR Contact, whatever others it lists (s10.2.4); 0: not at all.

    Where it lists none that is ours, what it says in Expires holds, else what we asked for.
    """
    fallback = registration.expires
    try:
        fallback = response.expires if response.expires is not None else fallback
        contacts = response.contacts
    except RemoteProtocolError:
        return min(fallback, CEILING)
    ours = uri.parse(registration.contact)
    found = [contact for contact in contacts if not contact.is_star and ours.equivalent(contact.uri)]
    if account.instance and (not found or registration.outbound(account)):
        wanted = f"<{account.instance}>"
        same = [each for each in contacts if (each.param("+sip.instance") or "").strip('"') == wanted]
        number = str(registration.number(account)) if registration.outbound(account) else None
        # Two flows of ours may have one Contact URI.
        found = [each for each in same if each.param("reg-id") == number] or found or same
    if not found and len(contacts) == 1 and contacts[0].uri.user == ours.user:
        found = [contacts[0]]  # rewritten on its way, as gateways do
    if not found:
        return min(fallback, CEILING)
    seconds = [_expires_of(contact) for contact in found]
    return min(max(fallback if each is None else each for each in seconds), CEILING)


def _expires_of(contact: Contact) -> int | None:
    try:
        return contact.expires
    except RemoteProtocolError:
        return None


def routes_of(response: Response, kind: type[ServiceRoute | Path]) -> tuple[str, ...]:
    """The URIs of a Service-Route or Path; none where it cannot be read or is longer than any that makes sense."""
    try:
        found = response.headers(kind)
    except RemoteProtocolError:
        return ()
    return tuple(str(each.uri) for each in found) if len(found) <= MAX_ROUTES else ()


def bindings_of(response: Response) -> tuple[str, ...]:
    """All Contacts that a registrar listed."""
    try:
        return tuple(response.get_all("Contact")[:MAX_BINDINGS])
    except RemoteProtocolError:
        return ()
