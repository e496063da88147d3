"""The keys of the API's remote clients and what each may do: made, revoked, read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import zmq

from actors.control.rights import Grant, Role
from actors.runtime.keyring import KeyProblem, Keyring, toml, write

__all__ = ["KeyProblem", "Keys"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Keys(Keyring[Grant]):
    """The keys in one folder.

    Args:
        folder: ``keys`` in the state directory; made when a key is.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, _grant)

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
            write(path, fields)
        except OSError as error:
            raise KeyProblem(f"{path}: {error}") from error
        return toml({"server": server.decode(), "public": public.decode(), "secret": secret.decode()})

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


def _grant(name: str, data: dict[str, Any]) -> Grant:
    return Grant(
        name,
        Role(data["role"]),
        int(data["max_calls"]),
        int(data["calls_a_minute"]),
        tuple(map(str, data["destinations"])),
    )
