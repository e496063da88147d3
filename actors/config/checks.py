"""What types alone cannot say of a configuration: which values do not go with others."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from actors.config.calling import AnswerSection, RouteSection
from actors.config.derived import listeners, tls
from actors.config.explain import listed
from actors.config.kinds import ConfigError
from actors.config.network import DnsSection, PeersSection, TlsSection
from actors.config.whole import Config
from actors.sip import RemoteProtocolError, uri
from actors.transport.certificates import CertificateError, make
from actors.transport.reach import RuleError, parse_rules
from actors.transport.records import StaticError, parse_static, server_address


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
    _check_media("answer", config.answer)
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
        _check_media("answer.routes", route)
        _check_networks("answer.routes.sources", route.sources)
        for account in route.accounts:
            if account not in known:
                raise ConfigError(f"answer.routes.accounts: there is no account {account}")


def _check_media(name: str, section: AnswerSection | RouteSection) -> None:
    if section.media == "application" and section.mode not in {"ring", "workers", "none"}:
        wrong = f"{section.mode!r} is sound of the service's own; it may be ring or workers"
        raise ConfigError(f"{name}.media: application leaves the sound to a client, and {name}.mode {wrong}")


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
        names = listed(sorted(name for _, name in socket.if_nameindex()))
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
