"""The keys of remote clients, as files: `server.toml` with the service's own pair, `clients/NAME.toml` one a client.

Only public keys of clients are kept; the secret half is in the file that the client is given. A client's file that is
taken away is a key revoked, at once and without a restart.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import zmq

FRESH = 0.5  # seconds that what was read of the folder is believed

T = TypeVar("T")


class KeyProblem(Exception):  # noqa: N818 - says what is, as OSError's kin do
    """A key cannot be made, read or revoked. The text is one line for people."""


class Keyring(Generic[T]):
    """The keys in one folder.

    Args:
        folder: ``keys`` in the state directory; made when a key is.
        grant: what a client may do, from its name and the table in its file; may raise KeyError or ValueError.
    """

    def __init__(self, folder: Path, grant: Callable[[str, dict[str, Any]], T]) -> None:
        self._clients = folder / "clients"
        self._server = folder / "server.toml"
        self._grant = grant
        self._grants: dict[bytes, T] = {}
        self._read_at = -FRESH
        self._stamp: tuple[int, ...] = ()

    def server(self) -> tuple[bytes, bytes]:
        """The service's own public and secret key (Z85), made when there is none.

        Raises:
            KeyProblem: they cannot be read or written.
        """
        try:
            if not self._server.exists():
                public, secret = zmq.curve_keypair()
                write(self._server, {"public": public.decode(), "secret": secret.decode()})
            data = tomllib.loads(self._server.read_text("utf-8"))
            return str(data["public"]).encode(), str(data["secret"]).encode()
        except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
            raise KeyProblem(f"{self._server}: {error}") from error

    def all(self) -> dict[bytes, T]:
        """Every client's public key (Z85) and what it may do. A file that cannot be read grants nothing."""
        grants = {}
        for path in sorted(self._clients.glob("*.toml")):
            try:
                data = tomllib.loads(path.read_text("utf-8"))
                grants[str(data["public"]).encode()] = self._grant(path.stem, data)
            except (OSError, KeyError, ValueError):
                continue
        return grants

    def current(self, now: float) -> dict[bytes, T]:
        """As `all`, read again when the folder has changed; looked at twice a second at most."""
        if now - self._read_at >= FRESH:
            self._read_at = now
            stamp = self._changed()
            if stamp != self._stamp:
                self._stamp, self._grants = stamp, self.all()
        return self._grants

    def _changed(self) -> tuple[int, ...]:
        """Something that differs once a file has been added, taken away or written again."""
        try:
            files = [entry.stat() for entry in os.scandir(self._clients)]
            return (self._clients.stat().st_mtime_ns, *(file.st_mtime_ns for file in files))
        except OSError:
            return ()


def write(path: Path, fields: dict[str, Any]) -> None:
    """Write a new file for our user alone, whole; where another process has just done so, that one stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    scratch = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(toml(fields))
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass  # several processes of a service make its own pair at their first start
    finally:
        scratch.unlink()


def toml(fields: dict[str, Any]) -> str:
    """JSON's strings, numbers and lists are TOML's too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
