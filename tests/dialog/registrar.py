"""A registrar on a table (RFC 3261 s10.3), with digest, and accounts that register there in virtual time."""

from __future__ import annotations

from typing import Any

from actors.dialog.account_events import AccountChanged
from actors.dialog.accounts import Account, Secret
from actors.dialog.effects import Find, Send
from actors.sip import Request, parse, uri
from actors.sip.credentials import Challenge, Credentials, parse_credentials
from actors.sip.digest import ha1, verify
from actors.sip.headers import Contact
from actors.sip.vocabulary import Candidate, Target
from tests.dialog.phone import Phone

HOP = Candidate(Target("udp", "192.0.2.50", 5060), "192.0.2.1:5060")
SPARE = Candidate(Target("udp", "192.0.2.51", 5060), "192.0.2.1:5060")
ALICE = Account(
    aor="sip:alice@example.com",
    registrar="sip:example.com",
    username="alice",
    secret=Secret("wonderland"),
    expires=3600,
)


class Registrar:
    """What example.com says.

    Attributes:
        bindings: contact URI -> when it ends.
        statuses: of refusals to come, before anything else is looked at; 0 stands for silence.
        headers: of every success, and of the refusals.
        keep: the value it gives to the `keep` of our Via, with its `=`; empty: it knows nothing of that.
        sees: host:port where it sees requests come from; empty: where their Via says.
        grants: seconds at most.
        shortest: seconds at least, else 423.
        nonce: asked for; empty for no digest at all.
        says_stale: of credentials that are not right.
    """

    def __init__(self, phone: Line) -> None:
        self.phone = phone
        self.bindings: dict[str, float] = {}
        self.others: tuple[str, ...] = ()
        self.statuses: list[int] = []
        self.headers: list[tuple[str, str]] = []
        self.keep = ""
        self.sees = ""
        self.grants = 3600
        self.shortest = 0
        self.nonce = ""
        self.algorithm = "MD5"
        self.says_stale = True
        self.up = True
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.hops: tuple[Candidate, ...] = (HOP,)

    def answer(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        """The status and header lines for a REGISTER."""
        if self.statuses:
            return self.statuses.pop(0), self.headers
        if self.nonce and not self._proven(request):
            stale = self.says_stale and request.get("Authorization") is not None
            challenge = Challenge("example.com", self.nonce, self.algorithm, ("auth",), stale=stale)
            return 401, [("WWW-Authenticate", str(challenge))]
        asked = request.expires or 0
        if 0 < asked < self.shortest:
            return 423, [("Min-Expires", str(self.shortest))]
        now = self.phone.now
        for contact in request.contacts:
            if contact.is_star:
                self.bindings.clear()
                continue
            seconds = min(contact.expires if contact.expires is not None else asked, self.grants)
            if contact.expires == 0:
                self.bindings.pop(str(contact.uri), None)
            else:
                self.bindings[str(contact.uri)] = now + seconds
        user = f"sip:{request.to.uri.user}@"
        mine = [(at, until) for at, until in self.bindings.items() if at.startswith(user) and until > now]
        listed = [f"<{at}>;expires={int(until - now)}" for at, until in mine]
        return 200, [*[("Contact", value) for value in (*self.others, *listed)], *self.headers]

    def _proven(self, request: Request) -> bool:
        value = request.get("Authorization")
        found = None if value is None else parse_credentials(value)
        if not isinstance(found, Credentials) or found.nonce != self.nonce:
            return False
        return verify(found, ha1(self.algorithm, "alice", "example.com", "wonderland"), "REGISTER")

    def serve(self) -> None:
        """Answer all that is on its way: locations and REGISTERs, until there is nothing more to say."""
        while self.phone.effects:
            effect = self.phone.effects.pop(0)
            if isinstance(effect, Find):
                self.phone.located(effect.ref, *self.hops)
            elif isinstance(effect, Send):
                self._serve(effect)
            else:
                self.phone.done.append(effect)

    def _serve(self, sent: Send) -> None:
        request = parse(sent.raw)
        assert isinstance(request, Request)
        self.requests.append(request)
        self.times.append(self.phone.now)
        if not self.up:
            self.phone.failed(sent.key, 408)
            return
        status, headers = self.answer(request)
        if not status:
            self.phone.failed(sent.key, 408)
            return
        response = request.response(status, to_tag="registrar", headers=headers)
        raw = bytes(response).replace(b";keep\r\n", f";keep{self.keep}\r\n".encode(), 1)
        if self.sees:
            host, _, port = self.sees.rpartition(":")
            raw = raw.replace(b";rport;", f";rport={port};received={host};".encode(), 1)
        self.phone.response(raw, sent.key)


class Line(Phone):
    """A phone with accounts and a registrar at the other end, which answers at once."""

    def __init__(self, *accounts: Account, **settings: Any) -> None:
        self.done: list[Any] = []
        super().__init__(accounts=accounts or (ALICE,), **settings)
        self.registrar = Registrar(self)

    def begin(self) -> None:
        """Start, and let all that is due happen."""
        self._did(self.agent.begin(*self.clock))
        self.pass_time(0.0)

    def restart(self) -> None:
        """A kill: nothing but the cells is left."""
        self.start()
        self.begin()

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what is sent is answered when it is sent."""
        end = self.now + seconds
        self.registrar.serve()
        while self.cells.deadlines and min(self.cells.deadlines.values()) <= end:
            key = min(self.cells.deadlines, key=self.cells.deadlines.__getitem__)
            self.now = max(self.now, self.cells.deadlines[key])
            self._did(self.agent.expire(key, *self.clock))
            self.registrar.serve()
        self.now = end

    def order(self, command: Any) -> Any:
        """Give a command; its CommandDone or CommandFailed."""
        outcome = self.command(command)[0].event
        self.pass_time(0.0)
        return outcome

    @property
    def changes(self) -> list[AccountChanged]:
        """Every AccountChanged so far."""
        return [e.event for e in self.done if isinstance(getattr(e, "event", None), AccountChanged)]

    @property
    def states(self) -> list[str]:
        """Their states."""
        return [change.state for change in self.changes]


def contacts(request: Request) -> list[tuple[str, int | None]]:
    """The Contacts of a REGISTER: URI and expiry."""
    found: tuple[Contact, ...] = request.contacts
    return [("*" if each.is_star else str(each.uri), each.expires) for each in found]


def host_port_of(text: str) -> str:
    """Where a URI points."""
    parsed = uri.parse(text)
    return f"{parsed.host}:{parsed.port}"
