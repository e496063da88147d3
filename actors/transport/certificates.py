"""The TLS contexts: made of the files that the settings name, and made again when one of these has changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from actors.transport.settings import TlsSettings

_CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class CertificateError(Exception):
    """A file of the settings cannot be used: the text is one line that names it."""


class Contexts:
    """Gives the context for a new session. They are made when the first one is asked for: no plain call pays for them.

    Args:
        settings: what the contexts are made of.
        complain: told why changed files could not be used; the contexts before go on serving.
    """

    def __init__(self, settings: TlsSettings, complain: Callable[[str], None]) -> None:
        self._settings = settings
        self._complain = complain
        self._stamp: tuple[int, ...] = ()
        self._made: tuple[ssl.SSLContext, ssl.SSLContext] | None = None

    def get(self, *, server: bool) -> ssl.SSLContext:
        """The context for a session whose server we are, or whose client.

        Raises:
            CertificateError: a file cannot be used, and there is nothing from before.
        """
        stamp = self._look()
        if self._made is None or stamp != self._stamp:
            self._stamp = stamp  # files half written are tried again when they change again
            try:
                self._made = make(self._settings)
            except CertificateError as error:
                if self._made is None:
                    raise
                self._complain(str(error))
        return self._made[0] if server else self._made[1]

    def _look(self) -> tuple[int, ...]:
        settings = self._settings
        return tuple(_changed(path) for path in (settings.certificate, settings.key, settings.authorities) if path)


def make(settings: TlsSettings) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client.

    Raises:
        CertificateError: a file cannot be used.
    """
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 5922 section 7.2 knows none of the wildcards that the library would match; we compare by ourselves.
    client.check_hostname = False
    client.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    server.verify_mode = _CLIENTS[settings.clients]
    for context in (server, client):
        context.minimum_version = _MINIMUM[settings.minimum]
        context.options |= ssl.OP_NO_RENEGOTIATION
        _load(context, settings)
    return server, client


def _load(context: ssl.SSLContext, settings: TlsSettings) -> None:
    path = " or ".join(filter(None, (settings.certificate, settings.key)))
    try:
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key or None, password=_no_password)
        if context.verify_mode is not ssl.CERT_NONE:
            path = settings.authorities
            if path:
                context.load_verify_locations(path)
            else:
                context.load_default_certs()
        if settings.key_log:
            path = settings.key_log
            context.keylog_filename = path
    except ssl.SSLError as error:
        raise CertificateError(f"{path}: {(error.reason or 'not PEM, or locked').replace('_', ' ').lower()}") from error
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error


def _no_password() -> str:
    """An encrypted key would have OpenSSL ask at the terminal: it is refused instead."""
    return ""


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
