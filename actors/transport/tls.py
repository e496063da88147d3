"""One TLS session as a value machine over bytes: what came goes in, what is to be sent comes out, and nothing waits."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

RECORD = 16_384  # bytes of plaintext in the largest record (RFC 8446 section 5.1)


class TlsError(Exception):
    """The session is over. The text says why, for people."""


class Session:
    """One end of a session.

    Args:
        context: certificates and rules.
        server: whether we are the end that was called.
        name: the server's name, for its choice of a certificate (SNI; RFC 5922 section 7.8). An address is not sent.

    Attributes:
        ready: the handshake is done.
        ended: the peer said that nothing more will come.

    Raises:
        TlsError: the name is none.
    """

    def __init__(self, context: ssl.SSLContext, *, server: bool, name: str = "") -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=name or None)
        except (ValueError, ssl.SSLError) as error:
            raise TlsError(f"{name}: {error}") from error
        self.ready = False
        self.ended = False

    def receive(self, data: bytes, into: memoryview) -> int:
        """Take what came from the network; without any, the caller's side of the handshake begins.

        Args:
            data: ciphertext.
            into: where the plaintext is put; it must hold all that `data` can become and a record more.

        Returns:
            How many bytes of plaintext there are.

        Raises:
            TlsError: the session failed; :meth:`outgoing` may hold an alert that says so.
        """
        self._in.write(data)
        try:
            if not self.ready:
                with _unprinted():
                    self._tls.do_handshake()
                self.ready = True
            return self._read(into)
        except ssl.SSLWantReadError:
            return 0
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error

    def _read(self, into: memoryview) -> int:
        size = 0
        while not self.ended:
            try:
                data = self._tls.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.ended = True
                break
            into[size : size + len(data)] = data
            size += len(data)
            self.ended = not data
        return size

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt the next of what is to be sent, one record at most; how many bytes of it.

        Raises:
            TlsError: the session is over.
        """
        try:
            return self._tls.write(data[:RECORD])
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error

    def outgoing(self) -> bytes:
        """What is to be written to the network."""
        return self._out.read()

    def close(self) -> None:
        """Say that nothing more will come, as far as that can still be said."""
        with suppress(ssl.SSLError):  # the peer's own word is not waited for
            self._tls.unwrap()

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The peer's certificate where it was verified and can be read, else empty: it names nobody then."""
        try:
            return self._tls.getpeercert() or {}
        except UnicodeDecodeError:  # a name that is no text: who signs certificates need not look at all of one
            return {}

    @property
    def cipher(self) -> str:
        """The version and cipher suite in use, for the log."""
        used = self._tls.cipher()
        return "" if used is None else f"{used[1]} {used[0]}"


@contextmanager
def _unprinted() -> Iterator[None]:
    """Keep the interpreter from printing a traceback for each client that asks for a name (SNI) that is no ASCII.

    It refuses such a client before our callback is called, and offers no other way to take notice of it.
    """
    before = sys.unraisablehook

    def notice(raised: Any) -> None:  # noqa: ANN401 - sys.UnraisableHookArgs, which is not there at run time
        if not isinstance(raised.exc_value, UnicodeDecodeError):
            before(raised)

    sys.unraisablehook = notice
    try:
        yield
    finally:
        sys.unraisablehook = before


def _reason(error: ssl.SSLError) -> str:
    """What went wrong, in a line: OpenSSL's reason, and its word on a certificate that it did not believe."""
    verdict = getattr(error, "verify_message", "")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return f"TLS: {reason}: {verdict}" if verdict else f"TLS: {reason}"
