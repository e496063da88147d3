"""The accounts of the configuration: checked, and their secrets read from where they are kept."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path

from actors.config import AccountSection, AuthSection, ConfigError, RuleSection, UserSection
from actors.dialog.accounts import Account, Secret, User
from actors.dialog.numbers import Rule
from actors.sip import RemoteProtocolError, uri
from actors.sip.uri import Uri

_Q = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")  # RFC 3261 section 25.1, qvalue
_HEX = re.compile(r"(?i)[0-9a-f]{32}|[0-9a-f]{64}")
_HOST = re.compile(r"[A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\]")


def accounts(sections: Iterable[AccountSection]) -> tuple[Account, ...]:
    """The accounts of a service.

    Raises:
        ConfigError: a value is wrong, a secret cannot be read, or two have one address-of-record.
    """
    found: dict[str, Account] = {}
    for section in sections:
        account = _account(section)
        if account.aor in found:
            raise ConfigError(f"accounts.aor: {account.aor!r} is there twice")
        found[account.aor] = account
    return tuple(found.values())


def users(section: AuthSection) -> tuple[User, ...]:
    """Who may send us what begins something.

    Raises:
        ConfigError: a secret is missing or cannot be read, or there is a realm without users.
    """
    if section.realm and not section.users:
        raise ConfigError("auth.users: none; nobody could send anything to the realm")
    if any(ord(each) < 0x20 or each in '"\\\x7f' for each in section.realm):
        raise ConfigError("auth.realm: it holds a quote, a backslash or a control character")
    found: dict[str, User] = {}
    for user in section.users:
        secret = user.password or _from_file(user) or _from_environment(user)
        if not secret or user.name in found:
            raise ConfigError(f"auth.users: {user.name!r} has no password, or is there twice")
        found[user.name] = User(name=user.name, secret=Secret(secret), identities=user.identities)
    return tuple(found.values())


def _account(section: AccountSection) -> Account:
    aor = _sip("aor", section.aor)
    if not aor.user or aor.headers or aor.params:
        raise ConfigError(f"accounts.aor: {section.aor!r} is no address-of-record such as sip:alice@example.com")
    _check(section)
    return Account(
        aor=section.aor,
        display_name=section.display_name,
        register=section.register,
        registrar=section.registrar or f"sip:{_bracketed(aor.host)}" + (f":{aor.port}" if aor.port else ""),
        registrars=tuple(dict.fromkeys(section.registrars)),
        in_turn=section.in_turn,
        outbound_proxy=section.outbound_proxy,
        username=section.user or aor.user,
        secret=_secret(section),
        realms=section.realms,
        peers=tuple(peer.strip("[]") for peer in section.peers),
        strongest=section.strongest,
        expires=section.expires,
        contact=section.contact,
        q=section.q,
        instance=section.instance,
        outbound=section.outbound,
        qualify=section.qualify,
        max_calls=section.max_calls,
        waiting_to=tuple(dict.fromkeys(section.waiting_to)),
        calls_per_second=section.calls_per_second,
        dial=_rules(section.dial),
        callers=_rules(section.callers),
        incoming=_rules(section.incoming),
        caller_id=section.caller_id,
    )


def _rules(sections: Iterable[RuleSection]) -> tuple[Rule, ...]:
    return tuple([Rule(prefix=each.prefix, strip=each.strip, add=each.add) for each in sections])


def _check(section: AccountSection) -> None:
    uris = [("registrar", section.registrar), ("outbound_proxy", section.outbound_proxy)]
    uris = [pair for pair in uris if pair[1]] + [("registrars", each) for each in section.registrars]
    for name, value in [*uris, *[("waiting_to", each) for each in section.waiting_to]]:
        _sip(name, value)
    if section.q and not _Q.fullmatch(section.q):
        raise ConfigError(f"accounts.q: {section.q!r} is no number from 0 to 1, such as 0.5")
    if section.instance and not re.fullmatch(r"urn:[!-;=?-~]+", section.instance):
        raise ConfigError(f"accounts.instance: {section.instance!r} is no URN such as urn:uuid:...")
    if section.outbound and not section.instance:
        raise ConfigError("accounts.outbound: by the `instance` of the account its flows are known; name one")
    if section.contact:
        _sip("contact", f"sip:{section.contact}")
    for name in ("display_name", "user"):
        if any(ord(each) < 0x20 or each in '"\\\x7f' for each in getattr(section, name)):
            raise ConfigError(f"accounts.{name}: it holds a quote, a backslash or a control character")
    for peer in section.peers:
        if not _HOST.fullmatch(peer):
            raise ConfigError(f"accounts.peers: {peer!r} is no host")


def _sip(name: str, text: str) -> Uri:
    try:
        parsed = uri.parse(text)
    except RemoteProtocolError:
        parsed = Uri("none")
    if not parsed.is_sip:
        raise ConfigError(f"accounts.{name}: {text!r} is no SIP URI such as sip:example.com")
    return parsed


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _secret(section: AccountSection) -> Secret:
    given = [name for name in ("password", "password_file", "password_env", "ha1") if getattr(section, name)]
    if len(given) > 1:
        raise ConfigError(f"accounts: {section.aor} has {' and '.join(given)}; it may have one of them")
    if section.ha1:
        if not _HEX.fullmatch(section.ha1):
            raise ConfigError(f"accounts.ha1: that of {section.aor} is no digest in hexadecimal")
        if len(section.realms) != 1:
            raise ConfigError(f"accounts.realms: an ha1 serves one realm; name it for {section.aor}")
        return Secret(section.ha1.lower(), hashed=True, algorithm=section.ha1_algorithm)
    return Secret(section.password or _from_file(section) or _from_environment(section))


def _from_file(section: AccountSection | UserSection) -> str:
    if not section.password_file:
        return ""
    try:
        return Path(section.password_file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"password_file: {section.password_file}: {what}") from None


def _from_environment(section: AccountSection | UserSection) -> str:
    if not section.password_env:
        return ""
    found = os.environ.get(section.password_env)
    if found is None:
        raise ConfigError(f"password_env: {section.password_env} is not in the environment")
    return found
