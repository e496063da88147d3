"""The keys of remote clients, as files: `server.toml` with the service's own pair, `clients/NAME.toml` one a client.

Only public keys of clients are kept; the secret half is in the file that the client is given. A client's file that is
taken away is a key revoked, at once and without a restart.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import zmq

from actors.control.rights import Grant, Role

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FRESH = 0.5  # seconds that what was read of the folder is believed


class KeyProblem(Exception):  # noqa: N818 - says what is, as OSError's kin do
    """A key cannot be made, read or revoked. The text is one line for people."""


class Keys:
    """The keys in one folder.

    Args:
        folder: ``keys`` in the state directory; made when a key is.
    """

    def __init__(self, folder: Path) -> None:
        self._clients = folder / "clients"
        self._server = folder / "server.toml"
        self._grants: dict[bytes, Grant] = {}
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
                _write(self._server, {"public": public.decode(), "secret": secret.decode()})
            data = tomllib.loads(self._server.read_text("utf-8"))
            return str(data["public"]).encode(), str(data["secret"]).encode()
        except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
            raise KeyProblem(f"{self._server}: {error}") from error

    def create(self, grant: Grant) -> str:
        """Make a key: TOML for the client to keep, with its secret.

        Raises:
            KeyProblem: the name is none or is taken, or a file cannot be written.
        """
        if not NAME.fullmatch(grant.name):
            raise KeyProblem(f"{grant.name!r} is no name for a key; use letters, digits, dots, dashes")
        path = self._clients / f"{grant.name}.toml"
        if path.exists():
            raise KeyProblem(f"there is a key {grant.name} already; revoke it first")
        server, _ = self.server()
        public, secret = zmq.curve_keypair()
        fields = {"public": public.decode(), **grant._asdict(), "role": grant.role.value}
        try:
            _write(path, fields)
        except OSError as error:
            raise KeyProblem(f"{path}: {error}") from error
        return _toml({"server": server.decode(), "public": public.decode(), "secret": secret.decode()})

    def revoke(self, name: str) -> None:
        """Take a key away.

        Raises:
            KeyProblem: there is none of this name.
        """
        try:
            if not NAME.fullmatch(name):
                raise FileNotFoundError(name)
            (self._clients / f"{name}.toml").unlink()
        except OSError:
            raise KeyProblem(f"there is no key {name}") from None

    def all(self) -> dict[bytes, Grant]:
        """Every client's public key (Z85) and what it may do. A file that cannot be read grants nothing."""
        grants = {}
        for path in sorted(self._clients.glob("*.toml")):
            try:
                data = tomllib.loads(path.read_text("utf-8"))
                grants[str(data["public"]).encode()] = Grant(
                    path.stem,
                    Role(data["role"]),
                    int(data["max_calls"]),
                    int(data["calls_a_minute"]),
                    tuple(map(str, data["destinations"])),
                )
            except (OSError, KeyError, ValueError):
                continue
        return grants

    def current(self, now: float) -> dict[bytes, Grant]:
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


def _write(path: Path, fields: dict[str, Any]) -> None:
    """Write a file for our user alone, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_toml(fields))
    scratch.rename(path)


def _toml(fields: dict[str, Any]) -> str:
    """JSON's strings, numbers and lists are TOML's too."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
