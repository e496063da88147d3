"""Kamailio as registrar and proxy of one domain: digest with one password for all, bindings in its memory."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.kamailio import PATIENCE, kamailio

PASSWORD = "wonderland"

_MODULES = """
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "jsonrpcs.so"

modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_expire", {nonce_expire})
modparam("registrar", "min_expires", {min_expires})
modparam("registrar", "max_expires", {max_expires})
modparam("jsonrpcs", "transport", 4)
modparam("jsonrpcs", "dgram_socket", "{folder}/rpc")
"""
_FLOWS = """
loadmodule "outbound.so"
loadmodule "stun.so"
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "flow_timer", 20)
"""
_OUTSIDE = """
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{password}", "0")) {{
            www_challenge("$td", "1");
            exit;
        }}
        if (!save("location")) sl_reply_error();
        exit;
    }}
    if (!pv_proxy_authenticate("$fd", "{password}", "0")) {{
        proxy_challenge("$fd", "1");
        exit;
    }}
    consume_credentials();
    record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Nobody by this name");
        exit;
    }}
    t_relay();
"""


@dataclass
class Registrar:
    """A running registrar.

    Attributes:
        port: where it listens, over UDP and TCP.
        folder: its own.
        log: the file it writes.
        tls_port: where it listens over TLS, 0 where it does not.
    """

    port: int
    folder: Path
    log: Path
    tls_port: int = 0

    @property
    def domain(self) -> str:
        """The host and port of its addresses-of-record."""
        return f"127.0.0.1:{self.port}"

    def bindings(self) -> dict[str, list[str]]:
        """What it holds: user -> Contact URIs."""
        found: dict[str, list[str]] = {}
        for domain in self._ask("ul.dump")["Domains"]:
            for aor in domain["Domain"]["AoRs"]:
                info = aor["Info"]
                found[info["AoR"]] = [each["Contact"]["Address"] for each in info["Contacts"]]
        return found

    def flows(self, user: str) -> dict[int, tuple[str, str]]:
        """The bindings of a user that are flows (RFC 5626): reg-id -> instance and Contact URI."""
        found: dict[int, tuple[str, str]] = {}
        for domain in self._ask("ul.dump")["Domains"]:
            for aor in domain["Domain"]["AoRs"]:
                for each in aor["Info"]["Contacts"] if aor["Info"]["AoR"] == user else ():
                    contact = each["Contact"]
                    found[int(contact["Reg-Id"])] = contact["Instance"], contact["Address"]
        return found

    def _ask(self, method: str) -> Any:
        with (
            tempfile.TemporaryDirectory(prefix="sa-") as here,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker,
        ):
            asker.bind(f"{here}/answer")
            asker.settimeout(PATIENCE)
            question = {"jsonrpc": "2.0", "method": method, "id": 1}
            asker.sendto(json.dumps(question).encode(), f"{self.folder}/rpc")
            return json.loads(asker.recv(1 << 20))["result"]


@contextmanager
def registrar(
    folder: Path,
    *,
    algorithm: str = "MD5",
    nonce_expire: int = 300,
    min_expires: int = 10,
    max_expires: int = 3600,
    tls: tuple[Path, Path] | None = None,
    outbound: bool = False,
) -> Iterator[Registrar]:
    """A registrar, stopped at the end.

    Args:
        folder: for its configuration, its socket and its log.
        algorithm: of its challenges: ``MD5`` or ``SHA-256``.
        nonce_expire: seconds until a nonce is stale.
        min_expires, max_expires: of a registration, in seconds.
        tls: its certificate with the key, and whom it believes; None to do without TLS.
        outbound: whether it knows flows, and answers STUN (RFC 5626).
    """
    modules = _MODULES.format(
        folder=folder,
        algorithm=algorithm,
        nonce_expire=nonce_expire,
        min_expires=min_expires,
        max_expires=max_expires,
    )
    modules += _FLOWS if outbound else ""
    with kamailio(folder, _OUTSIDE.format(password=PASSWORD), modules, tls=tls) as (ports, log):
        yield Registrar(ports["udp"], folder, log, ports.get("tls", 0))


def account(domain: str, user: str, *, transport: str = "udp", **more: object) -> str:
    """An account of the registrar, as TOML."""
    suffix = "" if transport == "udp" else f";transport={transport}"
    values = {
        "aor": f"sip:{user}@{domain}",
        "registrar": f"sip:{domain}{suffix}",
        "outbound_proxy": f"sip:{domain}{suffix}",
        "password": PASSWORD,
        "expires": 600,
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(["[[accounts]]", *lines, ""])
