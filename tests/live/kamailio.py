"""Kamailio: as a proxy between two of our services it stays in every dialog and sends each call to whom it is for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live.sipp import free_port, kind, port_of_both

PACKAGE = "kamailio"
PATIENCE = 30.0
HOST = "127.0.0.1"

_CONFIG = """
#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns_try_ipv6=no
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
{tls_listener}

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
{modules}

modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 5000)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
{passing}
            t_relay();
            exit;
        }}
        if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
            exit;
        }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
{outside}
}}
"""
_BY_USER = """
    record_route();
    switch ($rU) {{
{routes}
        default:
            sl_send_reply("404", "Nobody by this name");
            exit;
    }}
{passing}
    t_relay();
"""
_TLS_MODULE = """
loadmodule "tls.so"
modparam("tls", "config", "{file}")
"""
_TLS = """
[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {certificate}
verify_certificate = no
[client:default]
method = TLSv1.2+
ca_list = {authorities}
verify_certificate = yes
"""
_ROUTE = """        case "{user}":
            $ru = "{uri}";
            break;
"""


class Proxy:
    """A running Kamailio.

    Attributes:
        host: where it listens.
        ports: the port of each transport.
        log: the file it writes.
    """

    def __init__(self, host: str, ports: Mapping[str, int], log: Path) -> None:
        self.host = host
        self.ports = ports
        self.log = log

    def uri(self, user: str, transport: str = "udp") -> str:
        """Where `user` is called through it."""
        uri = f"sip:{user}@{self.host}:{self.ports[transport]}"
        return uri if transport == "udp" else f"{uri};transport={transport}"


@contextmanager
def proxy(
    folder: Path,
    routes: Mapping[str, str],
    modules: str = "",
    passing: str = "",
    *,
    tls: tuple[Path, Path] | None = None,
) -> Iterator[Proxy]:
    """Kamailio in the foreground, stopped with all its processes at the end.

    Args:
        folder: for its configuration and its log.
        routes: the user part of a Request-URI -> the URI that the request goes to.
        modules: as for `kamailio`.
        passing: the same.
        tls: its certificate with the key, and whom it believes; None to do without TLS.
    """
    cases = "".join(_ROUTE.format(user=user, uri=uri) for user, uri in routes.items())
    outside = _BY_USER.format(routes=cases, passing=passing)
    with kamailio(folder, outside, modules, passing, tls=tls) as (ports, log):
        yield Proxy(HOST, ports, log)


@contextmanager
def kamailio(
    folder: Path, outside: str, modules: str = "", passing: str = "", *, tls: tuple[Path, Path] | None = None
) -> Iterator[tuple[dict[str, int], Path]]:
    """Kamailio, which stays in every dialog; gives the port of each transport and the file of its log.

    Args:
        folder: for its configuration and its log.
        outside: what it does with a request outside of any dialog.
        modules: the lines of its configuration that load and tell what that needs.
        passing: what it does with a request of a dialog before it passes it on.
        tls: its certificate with the key, and whom it believes; None to do without TLS.
    """
    port = port_of_both()
    ports = {"udp": port, "tcp": port}
    listener = ""
    if tls is not None:
        ports["tls"] = free_port(kind("tcp"))
        file = folder / "tls.cfg"
        file.write_text(_TLS.format(certificate=tls[0], authorities=tls[1]).lstrip(), encoding="utf-8")
        listener, modules = f"enable_tls=yes\nlisten=tls:{HOST}:{ports['tls']}", _TLS_MODULE.format(file=file) + modules
    text = _CONFIG.format(
        host=HOST, port=port, tls_listener=listener, modules=modules, outside=outside, passing=passing
    )
    config = folder / "kamailio.cfg"
    config.write_text(text.lstrip(), encoding="utf-8")
    log = folder / "kamailio.log"
    # -DD: the first process stays in the foreground; -E: its log is what it prints.
    command = ["kamailio", "-DD", "-E", "-f", str(config), "-Y", str(folder), "-m", "64", "-M", "8"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=folder)
    try:
        _wait_bound("udp", port, process, log)
        for each in {*ports.values()}:
            _wait_bound("tcp", each, process, log)
        yield ports, log
    finally:
        with suppress(ProcessLookupError):  # it ended by itself: its log is shown
            os.killpg(process.pid, signal.SIGKILL)  # it and its children: a session of its own
        process.wait(timeout=PATIENCE)


def _wait_bound(transport: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the kernel lists the port as bound, of a stream as listening."""
    end = time.monotonic() + PATIENCE
    wanted = f":{port:04X} " + ("" if transport == "udp" else "00000000:0000 0A")
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        if wanted in Path(f"/proc/net/{transport}").read_text(encoding="ascii"):
            return
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("kamailio does not listen:\n" + log.read_text(encoding="utf-8", errors="replace"))
