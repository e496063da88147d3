"""Kamailio as a proxy between two of our services: it stays in every dialog and sends each call to whom it is for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.live.sipp import free_port, kind

PACKAGE = "kamailio"
PATIENCE = 30.0

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
{extra}

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
    record_route();
    switch ($rU) {{
{routes}
        default:
            sl_send_reply("404", "Nobody by this name");
            exit;
    }}
    t_relay();
}}
"""
_ROUTE = """        case "{user}":
            $ru = "{uri}";
            break;
"""


class Proxy:
    """A running Kamailio.

    Attributes:
        address: where it listens, over UDP and TCP.
        log: the file it writes.
    """

    def __init__(self, address: tuple[str, int], log: Path) -> None:
        self.address = address
        self.log = log

    def uri(self, user: str, transport: str = "udp") -> str:
        """Where `user` is called through it."""
        host, port = self.address
        return f"sip:{user}@{host}:{port}" + ("" if transport == "udp" else f";transport={transport}")


@contextmanager
def proxy(
    folder: Path, routes: Mapping[str, str], *, host: str = "127.0.0.1", extra: str = "", modules: str = ""
) -> Iterator[Proxy]:
    """Kamailio in the foreground, stopped with all its processes at the end.

    Args:
        folder: for its configuration and its log.
        routes: the user part of a Request-URI -> the URI that the request goes to.
        host: where it listens.
        extra, modules: more lines of the configuration, ahead of and among those that load modules.
    """
    port = free_port(kind("tcp"))
    cases = "".join(_ROUTE.format(user=user, uri=uri) for user, uri in routes.items())
    text = _CONFIG.format(host=host, port=port, routes=cases, extra=extra, modules=modules)
    with kamailio(folder, text, port) as log:
        yield Proxy((host, port), log)


@contextmanager
def kamailio(folder: Path, text: str, port: int) -> Iterator[Path]:
    """Kamailio with the configuration `text`, which listens at `port` over UDP and TCP; gives the file of its log."""
    config = folder / "kamailio.cfg"
    config.write_text(text.lstrip(), encoding="utf-8")
    log = folder / "kamailio.log"
    # -DD: the first process stays in the foreground; -E: its log is what it prints.
    command = ["kamailio", "-DD", "-E", "-f", str(config), "-Y", str(folder), "-m", "32", "-M", "4"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=folder)
    try:
        _wait_bound(port, process, log)
        yield log
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it and its children: a session of its own
        process.wait(timeout=PATIENCE)


def _wait_bound(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the kernel lists the port for UDP and as listening for TCP."""
    end = time.monotonic() + PATIENCE
    udp, tcp = f":{port:04X} ", f":{port:04X} 00000000:0000 0A"
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        if udp in Path("/proc/net/udp").read_text(encoding="ascii") and tcp in Path("/proc/net/tcp").read_text(
            encoding="ascii"
        ):
            return
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("kamailio does not listen:\n" + log.read_text(encoding="utf-8", errors="replace"))
