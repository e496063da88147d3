"""The sections of calls: what becomes of them, by which account, and who may make them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from actors.config.kinds import Seconds, Section


class RouteSection(Section, frozen=True, kw_only=True):
    """[[answer.routes]]: what becomes of certain calls in; all that is said has to hold, and the first route is taken.

    Attributes:
        name: of it, which `CallReceived` tells.
        users: of the Request-URI, one of them.
        numbers: what the called number begins with, one of them; a trunk's `incoming` rules have written it.
        accounts: the addresses-of-record of the accounts and trunks that it came for or from, one of them.
        sources: the networks of the sender, one of them.
        mode, file, media: as in [answer].
    """

    name: Annotated[str, Meta(min_length=1, max_length=64, description="1 to 64 characters")]
    users: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    mode: Literal["echo", "play", "record", "ring", "workers", "none"] = "ring"
    file: str = ""
    media: Literal["service", "application"] = "service"


class AnswerSection(Section, frozen=True, kw_only=True):
    """[answer]: what becomes of a call in.

    Attributes:
        mode: echo, play and record answer at once; ring waits for a client; workers too, but one must claim the call in
            time; none refuses with 480.
        file: what to play or record; in a path to record ``{call}`` stands for the id of the call.
        media: whose the sound is: with ``application`` the client that answers is told the caller's SDP and gives its
            own, and the service has no media in the call; for the modes ring and workers.
        unclaimed_after: seconds in which a worker must claim a call in mode workers; then it gets 480.
        obey: networks whose INVITE may ask us to answer by ourselves (Call-Info, Alert-Info, Answer-Mode).
        routes: what becomes of certain calls in its stead.
    """

    mode: Literal["echo", "play", "record", "ring", "workers", "none"] = "echo"
    file: str = ""
    media: Literal["service", "application"] = "service"
    unclaimed_after: Seconds = 5.0
    obey: tuple[str, ...] = ()
    routes: tuple[RouteSection, ...] = ()


class CallsSection(Section, frozen=True, kw_only=True):
    """[calls]: what holds of every call.

    Attributes:
        max_duration: seconds after which a call is hung up, 0 for no limit.
        session_expires: seconds of the session timer to ask for (RFC 4028), 0 to leave it to the peer.
        methods: of the requests in a call that the application answers: ``INFO``, and such as no standard knows. What
            it does not answer in 5 s is refused.
        refer: what becomes of a REFER in a call: ``refuse``, or where it leads to one of `refer_hosts` ``follow``, or
            ``ask`` a client, for 5 s.
        refer_hosts: the hosts that a REFER may lead to, in lower case; ``*`` for any.
        refer_replaces: whether a REFER may say whose place the call is to take: an attended transfer.
        replaces: whether an INVITE may take the place of a call that it names (RFC 3891).
    """

    max_duration: Annotated[float, Meta(ge=0, description="seconds, 0 for no limit")] = 0.0
    session_expires: Annotated[int, Meta(ge=0, description="seconds, 0 for none")] = 0
    methods: tuple[
        Annotated[str, Meta(pattern=r"^[A-Z0-9.!%*_+`'~-]{1,32}$", description="a method in capitals, such as INFO")],
        ...,
    ] = ()
    refer: Literal["refuse", "follow", "ask"] = "refuse"
    refer_hosts: tuple[str, ...] = ()
    refer_replaces: bool = False
    replaces: bool = False


class RuleSection(Section, frozen=True, kw_only=True):
    """One rule for numbers; of several the first whose `prefix` a number begins with is applied.

    Attributes:
        prefix: what a number begins with; empty for any.
        strip: characters to cut off its beginning.
        add: characters to put before the rest.
    """

    prefix: Annotated[str, Meta(pattern=r"^\+?[0-9*#]*$", description="digits, perhaps after a +")] = ""
    strip: Annotated[int, Meta(ge=0, le=32, description="characters, up to 32")] = 0
    add: Annotated[str, Meta(pattern=r"^\+?[0-9*#]*$", description="digits, perhaps after a +")] = ""


class AccountSection(Section, frozen=True, kw_only=True):
    """[[accounts]]: who the service is towards a registrar or a trunk; :mod:`actors.config.accounts` reads it.

    Attributes:
        aor: its address-of-record, a SIP URI.
        display_name: of its From.
        register: whether it registers; a trunk that knows us by our address needs not.
        registrar: the URI to register at; empty: the host of `aor`.
        registrars: the URIs of others, at which it is registered at the same time.
        in_turn: at `registrars` it is registered only while those before them fail, at one at a time.
        outbound_proxy: the URI of the first hop of all it sends; with ``;lr`` it stands in a Route.
        user: of its credentials; empty: that of `aor`.
        password, password_file, password_env: the secret, a file whose first line it is, or a variable of the
            environment; one of them at most.
        ha1: H(user:realm:password) in hexadecimal instead of a password; serves the one realm of `realms`.
        ha1_algorithm: of `ha1`.
        realms: for which it has credentials; empty: for any that its own peers name.
        peers: hosts it may prove itself to beside those of `aor`, `registrar`, `registrars` and `outbound_proxy`.
        strongest: answer the strongest challenge rather than the topmost.
        expires: seconds that a registration is asked for.
        contact: host or host:port where peers reach us; empty: what the registrar sees.
        q: of its Contact; empty for none.
        instance: the URN of ``+sip.instance``; empty for none.
        outbound: calls come by the flows that it registered on, one for each registrar (RFC 5626); needs `instance`.
        qualify: seconds between two OPTIONS that ask its peer whether it is there, 0 for never.
        max_calls: calls at once, both ways; 0 for no limit.
        waiting_to: URIs that are told how many messages wait in its mailbox though they never subscribed.
        calls_per_second: new calls, both ways; one more in gets 503, one more out `too_fast`; 0 for no limit.
        dial: rules for the numbers that we call, as the trunk wants them.
        callers: rules for the number of a caller of ours, likewise.
        incoming: rules for the numbers of calls in, the caller's and the called one, as we want them.
        caller_id: where the caller stands: ``from``; ``asserted`` or ``preferred``: in P-Asserted-Identity or
            P-Preferred-Identity, and From has the account; of calls in the asserted one is then believed.
    """

    aor: str
    display_name: str = ""
    register: bool = True
    registrar: str = ""
    registrars: tuple[str, ...] = ()
    in_turn: bool = False
    outbound_proxy: str = ""
    user: str = ""
    password: str = ""
    password_file: str = ""
    password_env: str = ""
    ha1: str = ""
    ha1_algorithm: Literal["MD5", "SHA-256", "SHA-512-256"] = "MD5"
    realms: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    strongest: bool = False
    expires: Annotated[int, Meta(ge=10, le=86_400, description="seconds from 10 to 86400")] = 3600
    contact: str = ""
    q: str = ""
    instance: str = ""
    outbound: bool = False
    qualify: Annotated[float, Meta(ge=0, description="seconds, 0 for never")] = 0.0
    max_calls: Annotated[int, Meta(ge=0, description="a number of calls, 0 for no limit")] = 0
    waiting_to: tuple[str, ...] = ()
    calls_per_second: Annotated[float, Meta(ge=0, description="calls a second, 0 for no limit")] = 0.0
    dial: tuple[RuleSection, ...] = ()
    callers: tuple[RuleSection, ...] = ()
    incoming: tuple[RuleSection, ...] = ()
    caller_id: Literal["from", "asserted", "preferred"] = "from"

    def __repr__(self) -> str:
        return f"AccountSection({self.aor!r})"


class UserSection(Section, frozen=True, kw_only=True):
    """[[auth.users]]: somebody who may send us what begins a call or another thing.

    Attributes:
        name: of the credentials.
        password, password_file, password_env: the secret, a file whose first line it is, or a variable of the
            environment; one of them.
        identities: the users of From URIs that are theirs beside `name`; ``*`` for any, as trunks need.
    """

    name: str
    password: str = ""
    password_file: str = ""
    password_env: str = ""
    identities: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"UserSection({self.name!r})"


class AuthSection(Section, frozen=True, kw_only=True):
    """[auth]: digest as a server.

    Attributes:
        realm: where it is not empty, every request that begins something has to be proved by one of `users`.
        users: who may send.
    """

    realm: str = ""
    users: tuple[UserSection, ...] = ()
