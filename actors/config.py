"""The service's settings: typed, from TOML; a wrong key is refused in one line with its path and what it may be."""

from __future__ import annotations

import ipaddress
import re
import socket
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from actors.environment import overridden
from actors.sip import RemoteProtocolError, uri
from actors.sip.sdp_codecs import NAMED
from actors.sip.sdp_protection import SUITES
from actors.transport.certificates import CertificateError, make
from actors.transport.reach import RuleError, parse_rules
from actors.transport.records import StaticError, parse_static, server_address
from actors.transport.settings import Listener, TlsSettings

Seconds = Annotated[float, Meta(gt=0, description="seconds above 0")]
Count = Annotated[int, Meta(ge=1, le=256, description="a number from 1 to 256")]
Bytes = Annotated[int, Meta(ge=0, le=65535, description="bytes from 0 to 65535")]
Percent = Annotated[float, Meta(ge=0, le=100, description="per cent from 0 to 100")]
Port = Annotated[int, Meta(ge=1024, le=65535, description="a port from 1024 to 65535")]


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line: where, what is wrong, what it may be."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ServiceSection(_Section, frozen=True, kw_only=True):
    """[service]: where it runs and in how many processes.

    Attributes:
        run_dir: the folder of its sockets and journals, on a tmpfs; empty: ``$SIPACTORS_RUN_DIR``, else
            ``sipactors`` in ``$XDG_RUNTIME_DIR``, else ``/tmp/sipactors-UID``.
        state_dir: the folder of what outlives a reboot; empty: ``$SIPACTORS_STATE_DIR``, else ``sipactors`` in
            ``$XDG_STATE_HOME`` or ``~/.local/state``.
        placement: actors as processes, or as threads of one (no isolation; for tests and small devices).
        shards: transaction shards, and as many dialog shards.
        media: media processes.
    """

    run_dir: str = ""
    state_dir: str = ""
    placement: Literal["process", "thread"] = "process"
    shards: Count = 1
    media: Count = 1


class SipSection(_Section, frozen=True, kw_only=True):
    """[sip]: addresses, timers and limits.

    Attributes:
        listen: ``TRANSPORT:ADDRESS:PORT`` each, IPv6 in brackets.
        user: the user part of the service's own URI.
        user_agent: the User-Agent and Server header.
        packages: the event packages that others may subscribe to, such as presence; a client tells their state.
        t1, t2, t4: RFC 3261 table 4.
        trying_after: how long an INVITE waits for a first answer before it gets 100.
        timeout: timers B, F, H, J, L and M; 0 for 64*T1.
        timer_d: how long a refused INVITE of ours answers repeated refusals over UDP; 0 for what RFC 3261 says.
        max_transactions: live transactions of a shard; beyond, what would begin a new one gets 503.
        ring_timeout: how long a call in may ring.
        max_calls: calls at once; one more gets 486.
        max_requests: state-creating requests a second of one stranger.
        max_connections: connections of one stranger.
        routes: the URIs that requests of no account visit first, such as ``sip:proxy.example;lr``: an outbound proxy.
        udp_max: bytes above which a request goes by TCP first (RFC 3261 section 18.1.1); 0 for no limit.
        dscp: of all SIP that is sent (RFC 2474); 26 is AF31, 0 none.
        device: the network device that SIP is bound to, such as eth1; empty for any.
    """

    listen: tuple[str, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    user: str = "sipactors"
    user_agent: str = "sipactors"
    packages: tuple[str, ...] = ()
    t1: Seconds = 0.5
    t2: Seconds = 4.0
    t4: Seconds = 5.0
    trying_after: Seconds = 0.2
    timeout: Annotated[float, Meta(ge=0, description="seconds, 0 for 64*T1")] = 0.0
    timer_d: Annotated[float, Meta(ge=0, description="seconds, 0 for the standard")] = 0.0
    max_transactions: Annotated[int, Meta(ge=1, description="a number of transactions from 1")] = 100_000
    ring_timeout: Seconds = 180.0
    max_calls: Annotated[int, Meta(ge=1, description="a number of calls from 1")] = 10_000
    max_requests: Annotated[float, Meta(gt=0, description="requests a second above 0")] = 50.0
    max_connections: Annotated[int, Meta(ge=1, description="a number of connections from 1")] = 64
    routes: tuple[str, ...] = ()
    udp_max: Bytes = 1300
    dscp: Annotated[int, Meta(ge=0, le=63, description="a number from 0 to 63")] = 0
    device: str = ""


class RouteSection(_Section, frozen=True, kw_only=True):
    """[[answer.routes]]: what becomes of certain calls in; all that is said has to hold, and the first route is taken.

    Attributes:
        name: of it, which `CallReceived` tells.
        users: of the Request-URI, one of them.
        numbers: what the called number begins with, one of them; a trunk's `incoming` rules have written it.
        accounts: the addresses-of-record of the accounts and trunks that it came for or from, one of them.
        sources: the networks of the sender, one of them.
        mode, file: as in [answer].
    """

    name: Annotated[str, Meta(min_length=1, max_length=64, description="1 to 64 characters")]
    users: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    mode: Literal["echo", "play", "record", "ring", "workers", "none"] = "ring"
    file: str = ""


class AnswerSection(_Section, frozen=True, kw_only=True):
    """[answer]: what becomes of a call in.

    Attributes:
        mode: echo, play and record answer at once; ring waits for a client; workers too, but one must claim the call in
            time; none refuses with 480.
        file: what to play or record; in a path to record ``{call}`` stands for the id of the call.
        unclaimed_after: seconds in which a worker must claim a call in mode workers; then it gets 480.
        obey: networks whose INVITE may ask us to answer by ourselves (Call-Info, Alert-Info, Answer-Mode).
        routes: what becomes of certain calls in its stead.
    """

    mode: Literal["echo", "play", "record", "ring", "workers", "none"] = "echo"
    file: str = ""
    unclaimed_after: Seconds = 5.0
    obey: tuple[str, ...] = ()
    routes: tuple[RouteSection, ...] = ()


class CallsSection(_Section, frozen=True, kw_only=True):
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


class MediaSection(_Section, frozen=True, kw_only=True):
    """[media]: codecs and ports.

    Attributes:
        codecs: in the order they are offered; L16 is of 16 kHz.
        jitter: milliseconds of audio held back against jitter.
        inband_keys: hear keys in the sound of peers that take no telephone events; it costs about 4 ms a call-second.
        talk_events: tell when peers begin and end to speak.
        real_time: give the pacing loop real-time priority, where the system allows it; a warning says where not.
        ports: first and last UDP port of the pool; a call takes two.
        folder: where files that are played and recorded must be, links followed; empty: anywhere.
        filter: a Python file with a ``process(heard, said, rate, state)`` that the sound of all calls goes through;
            empty: none.
        srtp: off, optional (where the peer takes it) or required.
        srtp_suites: those that are offered and taken, the most liked first.
        srtp_in_clear: warn when keys go over UDP or TCP and not TLS, or refuse: what is optional is off there.
    """

    codecs: Annotated[
        tuple[Literal["PCMU", "PCMA", "G722", "opus", "GSM", "L16", "L16/8000", "L16/44100"], ...],
        Meta(min_length=1, description=f"a list of {', '.join(NAMED)}, one at least"),
    ] = ("PCMU", "PCMA")
    jitter: Annotated[int, Meta(ge=20, le=500, description="milliseconds from 20 to 500")] = 40
    inband_keys: bool = False
    talk_events: bool = False
    real_time: bool = False
    ports: tuple[Port, Port] = (16384, 18383)
    folder: str = ""
    filter: str = ""
    srtp: Literal["off", "optional", "required"] = "off"
    srtp_suites: Annotated[
        tuple[
            Literal[
                "AEAD_AES_256_GCM",
                "AES_256_CM_HMAC_SHA1_80",
                "AES_256_CM_HMAC_SHA1_32",
                "AEAD_AES_128_GCM",
                "AES_CM_128_HMAC_SHA1_80",
                "AES_CM_128_HMAC_SHA1_32",
            ],
            ...,
        ],
        Meta(min_length=1, description=f"a list of {', '.join(SUITES)}, one at least"),
    ] = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
    srtp_in_clear: Literal["warn", "refuse"] = "warn"


class SimulateSection(_Section, frozen=True, kw_only=True):
    """[simulate]: a bad network for the audio that every call receives, for trials; without any of it there is none.

    Attributes:
        loss: per cent of the packets that are lost.
        burst: how many of them are lost together in the mean.
        jitter: milliseconds; each packet is late by something between nothing and this.
        reorder: per cent of the packets that come behind their follower.
        duplicate: per cent of the packets that come twice.
        drift: how much faster the peer's clock runs than ours, in millionths, up to a second in all.
        seed: the same gives the same.
    """

    loss: Percent = 0.0
    burst: Annotated[float, Meta(ge=1, le=1000, description="packets, 1 to 1000")] = 1.0
    jitter: Annotated[float, Meta(ge=0, le=1000, description="milliseconds, 0 to 1000")] = 0.0
    reorder: Percent = 0.0
    duplicate: Percent = 0.0
    drift: Annotated[float, Meta(ge=-10_000, le=10_000, description="millionths, -10000 to 10000")] = 0.0
    seed: Annotated[int, Meta(ge=0, description="a number that is not negative")] = 1


class SoundSection(_Section, frozen=True, kw_only=True):
    """[sound]: sound devices, for calls that are to be held through them.

    Attributes:
        enabled: have an actor for them; it loads PortAudio when the first call asks for a device.
        input: the device that peers hear, by name or number (`sipactors devices`); empty: the system's default.
        output: the device that peers are heard on; empty: the system's default.
        ring: the device that rings for calls in which wait for an answer; empty: none.
        echo_cancellation: take out of the input what it hears of the output; it needs libspeexdsp.
    """

    enabled: bool = False
    input: str = ""
    output: str = ""
    ring: str = ""
    echo_cancellation: bool = False


class LogSection(_Section, frozen=True, kw_only=True):
    """[log]: what is written to stderr.

    Attributes:
        level: the least important lines that are written.
        format: text for people; json, an object a line, for programs.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ControlSection(_Section, frozen=True, kw_only=True):
    """[control]: the API.

    Attributes:
        max_events: events kept for those who resume.
        ring_timeout: seconds an unanswered call out rings where its command says nothing.
        listen: ``tcp:ADDRESS:PORT`` for clients on other machines, each with a key that ``sipactors keys new`` made;
            the audio of calls is had on the ports behind it, one a media process. Empty: none but those of this user on
            this machine.
        folders: where the files that commands name, to play or to record, may lie; empty: anywhere for clients of this
            user on this machine, nowhere for others.
    """

    max_events: Annotated[int, Meta(ge=100, description="a number of events from 100")] = 10_000
    ring_timeout: Seconds = 60.0
    listen: str = ""
    folders: tuple[str, ...] = ()


class PeersSection(_Section, frozen=True, kw_only=True):
    """[peers]: who may do what. Networks are such as ``192.0.2.0/24``, one host is a network of its own.

    Attributes:
        trusted: without limits, as loopback is: trunks and proxies of ours.
        known: with ten times the limits of strangers.
        allow: networks that may begin something beside those two; none for all.
        deny: networks of which nothing is read.
        rates: networks with a rate of their own: state-creating requests a second.
        scanners: words in a User-Agent whose requests are dropped unanswered, but for the trusted.
        udp_max: addresses of peers with a limit of their own for requests by UDP: bytes, 0 for none.
        reach: networks, and what their peers are told to reach us at: ``local`` (the address by route), ``learnt`` (the
            one that they have seen), an address, or an address with a port. The smallest network counts.
    """

    trusted: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rates: dict[str, Annotated[float, Meta(gt=0, description="requests a second above 0")]] = {}
    scanners: tuple[str, ...] = ()
    udp_max: dict[str, Bytes] = {}
    reach: dict[str, str] = {}


class DnsSection(_Section, frozen=True, kw_only=True):
    """[dns]: how next hops are found (RFC 3263).

    Attributes:
        servers: ``ADDRESS`` or ``ADDRESS:PORT`` each; none for those of the system.
        static: entries that go before DNS, as zone files have them: ``pbx.example A 192.0.2.7``.
        timeout: seconds for one look-up.
        failed_for: seconds a target that failed stays behind the others.
        failover_after: seconds until a silent UDP target with others behind it is given up; 0 for 64*T1 (RFC 3263).
    """

    servers: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    timeout: Seconds = 5.0
    failed_for: Seconds = 60.0
    failover_after: Annotated[float, Meta(ge=0, description="seconds from 0")] = 0.0


class NameSection(_Section, frozen=True, kw_only=True):
    """[[tls.names]]: the certificate that is shown to clients that ask for one domain (SNI).

    Attributes:
        name: the domain.
        certificate: its certificate, and what stands between it and its authority.
        key: its private key, not encrypted; empty where it stands in the same file.
    """

    name: str
    certificate: str
    key: str = ""


class TlsSection(_Section, frozen=True, kw_only=True):
    """[tls]: certificates and rules of TLS. Files are PEM; they are read again when they have changed.

    Attributes:
        certificate: our certificate, and what stands between it and its authority; ``tls:`` listeners need one.
        key: its private key, not encrypted; empty where it stands in the same file.
        names: certificates for single domains, where one does not serve all.
        authorities: whom we believe; empty for the authorities of the system.
        outgoing: whether requests of ours may go over TLS without a listener for it: a phone behind a NAT.
        verify: whether a server has to prove its name (RFC 5922).
        clients: whether those who call us show a certificate.
        minimum: the lowest version of TLS.
        key_log: where session keys are written for a network analyser; empty for nowhere.
        handshake_timeout: how long a handshake may take.
        max_handshakes: handshakes a second of one stranger.
        sips: what becomes of requests to a ``sips:`` URI, and of others (RFC 5630).
    """

    certificate: str = ""
    key: str = ""
    names: tuple[NameSection, ...] = ()
    authorities: str = ""
    outgoing: bool = False
    verify: bool = True
    clients: Literal["none", "optional", "required"] = "none"
    minimum: Literal["1.2", "1.3"] = "1.2"
    key_log: str = ""
    handshake_timeout: Seconds = 5.0
    max_handshakes: Annotated[float, Meta(gt=0, description="handshakes a second above 0")] = 20.0
    sips: Literal["allowed", "refused", "required"] = "allowed"


class RuleSection(_Section, frozen=True, kw_only=True):
    """One rule for numbers; of several the first whose `prefix` a number begins with is applied.

    Attributes:
        prefix: what a number begins with; empty for any.
        strip: characters to cut off its beginning.
        add: characters to put before the rest.
    """

    prefix: Annotated[str, Meta(pattern=r"^\+?[0-9*#]*$", description="digits, perhaps after a +")] = ""
    strip: Annotated[int, Meta(ge=0, le=32, description="characters, up to 32")] = 0
    add: Annotated[str, Meta(pattern=r"^\+?[0-9*#]*$", description="digits, perhaps after a +")] = ""


class AccountSection(_Section, frozen=True, kw_only=True):
    """[[accounts]]: who the service is towards a registrar or a trunk; :mod:`actors.account_config` reads it.

    Attributes:
        aor: its address-of-record, a SIP URI.
        display_name: of its From.
        register: whether it registers; a trunk that knows us by our address needs not.
        registrar: the URI to register at; empty: the host of `aor`.
        registrars: the URIs of others, at which it is registered at the same time.
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


class UserSection(_Section, frozen=True, kw_only=True):
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


class AuthSection(_Section, frozen=True, kw_only=True):
    """[auth]: digest as a server.

    Attributes:
        realm: where it is not empty, every request that begins something has to be proved by one of `users`.
        users: who may send.
    """

    realm: str = ""
    users: tuple[UserSection, ...] = ()


class HooksSection(_Section, frozen=True, kw_only=True):
    """[hooks]: functions of yours that see SIP messages, each as ``module:function``, importable by the service.

    Attributes:
        outgoing: is given each message that the user agent sends, and may change it; empty for none.
        incoming: is given each message that comes, with the way it came by, and drops it by returning True; empty for
            none.
    """

    outgoing: str = ""
    incoming: str = ""


class Config(_Section, frozen=True, kw_only=True):
    """The whole configuration, each section a table of the TOML file."""

    service: ServiceSection = ServiceSection()
    sip: SipSection = SipSection()
    answer: AnswerSection = AnswerSection()
    calls: CallsSection = CallsSection()
    media: MediaSection = MediaSection()
    sound: SoundSection = SoundSection()
    simulate: SimulateSection = SimulateSection()
    peers: PeersSection = PeersSection()
    dns: DnsSection = DnsSection()
    tls: TlsSection = TlsSection()
    control: ControlSection = ControlSection()
    log: LogSection = LogSection()
    accounts: tuple[AccountSection, ...] = ()
    auth: AuthSection = AuthSection()
    hooks: HooksSection = HooksSection()


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """Read a TOML file; without one, the defaults; what `environ` says is over both.

    Raises:
        ConfigError: it cannot be read, is no TOML, or has a wrong key or value.
    """
    if path is None and not environ:
        return Config()
    where = f"{path}: " if path else ""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return checked(msgspec.convert(overridden(data, environ or {}, Config), Config))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}{_explained(str(error))}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from error


def checked(config: Config) -> Config:
    """Check what types alone cannot say.

    Raises:
        ConfigError: a value does not go with another.
    """
    if not config.sip.listen:
        raise ConfigError("sip.listen: no address; give at least one such as udp:127.0.0.1:5060")
    _check_device(config.sip.device)
    _check_tls(config)
    if config.answer.mode in {"play", "record"} and not config.answer.file:
        raise ConfigError(f"answer.file: missing; answer.mode = {config.answer.mode!r} needs the path of a WAV file")
    for route in config.sip.routes:
        if not _is_sip(route):
            raise ConfigError(f"sip.routes: {route!r} is no SIP URI; it may be such as sip:proxy.example;lr")
    _check_peers(config.peers)
    _check_networks("answer.obey", config.answer.obey)
    _check_routes(config)
    _check_dns(config.dns)
    first, last = config.media.ports
    if last <= first:
        raise ConfigError(f"media.ports: [{first}, {last}] holds no pair; the second must be above the first")
    return config


def _is_sip(text: str) -> bool:
    try:
        return uri.parse(text).is_sip
    except RemoteProtocolError:
        return False


def _check_peers(peers: PeersSection) -> None:
    networks = {"trusted": peers.trusted, "known": peers.known, "allow": peers.allow, "deny": peers.deny}
    for name, texts in {**networks, "rates": peers.rates, "udp_max": peers.udp_max}.items():
        _check_networks(f"peers.{name}", texts)
    try:
        parse_rules(peers.reach)
    except RuleError as error:
        raise ConfigError(f"peers.reach: {error}") from error


def _check_routes(config: Config) -> None:
    names = [route.name for route in config.answer.routes]
    if len(set(names)) < len(names):
        raise ConfigError(f"answer.routes.name: {max(names, key=names.count)!r} is there twice")
    known = {account.aor for account in config.accounts}
    for route in config.answer.routes:
        _check_networks("answer.routes.sources", route.sources)
        for account in route.accounts:
            if account not in known:
                raise ConfigError(f"answer.routes.accounts: there is no account {account}")


def _check_networks(name: str, texts: Iterable[str]) -> None:
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ConfigError(f"{name}: {text!r} is no network; it may be such as 192.0.2.0/24") from None


def _check_dns(dns: DnsSection) -> None:
    for text in dns.servers:
        try:
            server_address(text)
        except ValueError:
            raise ConfigError(f"dns.servers: {text!r} is no address; it may be ADDRESS or ADDRESS:PORT") from None
    try:
        parse_static(dns.static)
    except StaticError as error:
        raise ConfigError(f"dns.static: {error}") from error


def _check_device(device: str) -> None:
    if device and device not in {name for _, name in socket.if_nameindex()}:
        names = _listed(sorted(name for _, name in socket.if_nameindex()))
        raise ConfigError(f"sip.device: {device!r} is no network device; it may be {names}")


def _check_tls(config: Config) -> None:
    """A certificate that cannot be used is said now, not at the first call."""
    if not config.tls.certificate and any(each.transport == "tls" for each in listeners(config)):
        raise ConfigError("tls.certificate: missing; a tls: listener needs the path of a PEM file")
    if config.tls != TlsSection():
        try:
            make(tls(config))
        except CertificateError as error:
            raise ConfigError(f"tls: {error}") from error


def tls(config: Config) -> TlsSettings:
    """What the transport is told of TLS: paths that mean the same in every child."""
    section = config.tls
    return TlsSettings(
        certificate=_absolute(section.certificate),
        key=_absolute(section.key),
        names=tuple((one.name, _absolute(one.certificate), _absolute(one.key)) for one in section.names),
        authorities=_absolute(section.authorities),
        outgoing=section.outgoing,
        verify=section.verify,
        clients=section.clients,
        minimum=section.minimum,
        key_log=_absolute(section.key_log),
        handshake_timeout=section.handshake_timeout,
        max_handshakes=section.max_handshakes,
        sips=section.sips,
    )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def listeners(config: Config) -> tuple[Listener, ...]:
    """The listeners of ``sip.listen``.

    Raises:
        ConfigError: one of them is not ``udp:ADDRESS:PORT``, ``tcp:ADDRESS:PORT`` or ``tls:ADDRESS:PORT``.
    """
    return tuple(parse_listener(text) for text in config.sip.listen)


def parse_listener(text: str) -> Listener:
    """Read ``udp:127.0.0.1:5060`` or ``tcp:[::1]:5060``.

    Raises:
        ConfigError: it is something else.
    """
    match = re.fullmatch(r"(udp|tcp|tls):(?:\[([^\]]*)\]|([^:\[\]]*)):(\d{1,5})", text)
    if match is not None and int(match[4]) <= 65535:
        try:
            host = str(ipaddress.ip_address(match[2] if match[2] is not None else match[3]))
        except ValueError:
            pass  # falls through to the one message for every way to get it wrong
        else:
            return Listener(match[1], host, int(match[4]))
    raise ConfigError(
        f"sip.listen: {text!r} is no address; it may be udp:ADDRESS:PORT, tcp:ADDRESS:PORT or tls:ADDRESS:PORT with "
        "a numeric address, IPv6 in brackets, such as udp:127.0.0.1:5060 or tcp:[::1]:5060"
    )


def control_address(text: str) -> str:
    """``tcp:127.0.0.1:5070`` as ZeroMQ has it; empty stays empty.

    Raises:
        ConfigError: it is something else.
    """
    match = re.fullmatch(r"tcp:(\[[0-9A-Fa-f:]+\]|[0-9.]+):(\d{1,5})", text)
    if text and (match is None or int(match[2]) > 65535):
        raise ConfigError(
            f"control.listen: {text!r} is no address; it may be tcp:ADDRESS:PORT, such as tcp:127.0.0.1:5070"
        )
    return f"tcp://{match[1]}:{match[2]}" if match else ""


# One line for people


def _explained(message: str) -> str:
    """Turn msgspec's sentence into: path, what is wrong, what it may be."""
    what, _, where = message.partition(" - at `$")
    keys = [key for key in re.split(r"\.|\[\.\.\.\]|\[\d+\]", where.rstrip("`")) if key]
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        section = _type_at(keys)
        if get_origin(section) is tuple:
            section = get_args(section)[0]
        return f"{'.'.join([*keys, match[1]])}: no such key; it may be {_listed(list(get_type_hints(section)))}"
    return f"{'.'.join(keys)}: {_plain(what)}; it may be {allowed(_type_at(keys))}"


def _plain(what: str) -> str:
    words = {
        "`int`": "a whole number",
        "`float`": "a number",
        "`str`": "a string",
        "`array`": "a list",
        "`object`": "a table",
    }
    for name, word in words.items():
        what = what.replace(name, word)
    what = re.sub(r"Invalid enum value (.*)", r"\1 is not known", what)
    return what[0].lower() + what[1:]


def _type_at(keys: list[str]) -> Any:  # noqa: ANN401 - a type expression
    kind: Any = Config
    for key in keys:
        if get_origin(kind) is tuple:  # a list of tables
            kind = get_args(kind)[0]
        kind = get_type_hints(kind, include_extras=True)[key]
    return kind


def allowed(kind: Any) -> str:  # noqa: ANN401
    """What a setting of this type may be, in words."""
    if get_origin(kind) is Annotated:
        return str(next(meta.description for meta in kind.__metadata__ if meta.description))
    if get_origin(kind) is Literal:
        return _listed([repr(value) if isinstance(value, str) else str(value) for value in get_args(kind)])
    if get_origin(kind) is dict:
        return f"a table whose values are {allowed(get_args(kind)[1])}"
    if get_origin(kind) is tuple:
        parts = [part for part in get_args(kind) if part is not Ellipsis]
        size = "" if Ellipsis in get_args(kind) else f" of {len(parts)}"
        return "a list of strings" if parts[0] is str else f"a list{size}: each {allowed(parts[0])}"
    if isinstance(kind, type) and issubclass(kind, _Section):
        return f"a table with {_listed(list(get_type_hints(kind)))}"
    return "true or false" if kind is bool else "a string"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
