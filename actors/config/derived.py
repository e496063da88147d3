"""What layers are told of addresses and of TLS, from the configuration."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from actors.config.kinds import ConfigError
from actors.config.whole import Config
from actors.transport.settings import Listener, TlsSettings


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
