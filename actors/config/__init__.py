"""The service's settings: typed, from TOML; a wrong key is refused in one line with its path and what it may be."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from actors.config.calling import (
    AccountSection,
    AnswerSection,
    AuthSection,
    CallsSection,
    RouteSection,
    RuleSection,
    UserSection,
)
from actors.config.checks import checked
from actors.config.derived import control_address, listeners, parse_listener, tls
from actors.config.environment import overridden
from actors.config.explain import allowed, explained
from actors.config.kinds import ConfigError
from actors.config.network import DnsSection, NameSection, PeersSection, SipSection, TlsSection
from actors.config.running import ControlSection, HooksSection, LogSection, ServiceSection
from actors.config.sound import MediaSection, SimulateSection, SoundSection
from actors.config.whole import Config

__all__ = [
    "AccountSection",
    "AnswerSection",
    "AuthSection",
    "CallsSection",
    "Config",
    "ConfigError",
    "ControlSection",
    "DnsSection",
    "HooksSection",
    "LogSection",
    "MediaSection",
    "NameSection",
    "PeersSection",
    "RouteSection",
    "RuleSection",
    "ServiceSection",
    "SimulateSection",
    "SipSection",
    "SoundSection",
    "TlsSection",
    "UserSection",
    "allowed",
    "checked",
    "control_address",
    "listeners",
    "load",
    "parse_listener",
    "tls",
]


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
        raise ConfigError(f"{where}{explained(str(error))}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from error
