"""The TLS contexts: made of the files that the settings name, and made again when one of these has changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.transport.identity import plain
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
        paths = (settings.authorities, *(path for each in _certificates(settings) for path in each[1:]))
        return tuple(_changed(path) for path in paths if path)


def make(settings: TlsSettings) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client. The server's own has others for the names that clients ask for.

    Raises:
        CertificateError: a file cannot be used.
    """
    (_, *own), *others = _certificates(settings)
    server, client = _server(settings, *own), _context(settings, ssl.PROTOCOL_TLS_CLIENT, *own)
    # RFC 5922 section 7.2 knows none of the wildcards that the library would match; we compare by ourselves.
    client.check_hostname = False
    client.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    _believe(client, settings)
    named = {plain(name): _server(settings, *files) for name, *files in others}

    def choose(session: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Show the certificate of the domain that is asked for (RFC 5922 section 7.8)."""
        found = named.get(plain(name or ""))
        if found is not None:
            session.context = found

    if named:
        server.sni_callback = choose
    return server, client


def _certificates(settings: TlsSettings) -> tuple[tuple[str, str, str], ...]:
    """Our certificate and those of single domains: domain, file, file of the key."""
    return (("", settings.certificate, settings.key), *settings.names)


def _server(settings: TlsSettings, certificate: str, key: str) -> ssl.SSLContext:
    context = _context(settings, ssl.PROTOCOL_TLS_SERVER, certificate, key)
    context.verify_mode = _CLIENTS[settings.clients]
    _believe(context, settings)
    return context


def _context(settings: TlsSettings, protocol: int, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = _MINIMUM[settings.minimum]
    context.options |= ssl.OP_NO_RENEGOTIATION
    if certificate:
        with _named(" or ".join(filter(None, (certificate, key)))):
            context.load_cert_chain(certificate, key or None, password=_no_password)
    if settings.key_log:
        with _named(settings.key_log):
            context.keylog_filename = settings.key_log
    return context


def _believe(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if context.verify_mode is ssl.CERT_NONE:
        return
    if settings.authorities:
        with _named(settings.authorities):
            context.load_verify_locations(settings.authorities)
    else:
        context.load_default_certs()


@contextmanager
def _named(files: str) -> Iterator[None]:
    """Say which files it was that could not be used."""
    try:
        yield
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM, or locked").replace("_", " ").lower()
        raise CertificateError(f"{files}: {reason}") from error
    except OSError as error:
        raise CertificateError(f"{files}: {error.strerror}") from error


def _no_password() -> str:
    """An encrypted key would have OpenSSL ask at the terminal: it is refused instead."""
    return ""


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
