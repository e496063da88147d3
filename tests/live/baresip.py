"""baresip as a peer: a phone of its own for each test, driven and heard over its control connection.

Debian's baresip 1.0.0: it plays an aufile source that is a WAV of the codec's rate, writes what it hears by its sndfile
filter, listens for TLS on the port above the one it is given, and relays events only to who is connected.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.live.service import own_ports
from tests.live.sound import Samples, read_wav

PORTS = range(32_000, 32_760, 40)  # a slice: SIP, SIP over TLS, control, and above these RTP
READY_TIMEOUT = 30.0

_CONFIG = """
poll_method             epoll
sip_listen              127.0.0.1:{sip}
audio_source            aufile,{source}
audio_player            aufile,none
audio_alert             aufile,none
rtp_ports               {rtp}-{last}
rtcp_mux                {mux}
ringback_disabled       yes
snd_path                {folder}
ctrl_tcp_listen         127.0.0.1:{control}
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  aufile.so
module                  sndfile.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
"""


class Baresip:
    """A running baresip.

    Attributes:
        uri: where it is called.
        seen: its events so far, and its replies.
        lines: what it printed.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path, uri: str) -> None:
        self.uri = uri
        self.seen: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._process = process
        self._folder = folder
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            if "baresip is ready" in line:
                self._ready.set()
        self._ready.set()

    def connect(self, port: int) -> None:
        """Connect to its control port once it is ready."""
        assert self._ready.wait(READY_TIMEOUT), self.lines
        assert self._process.poll() is None, self.lines
        self._control = socket.create_connection(("127.0.0.1", port), timeout=30.0)
        self._stream = self._control.makefile("rb")

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()
        if hasattr(self, "_control"):
            self._stream.close()
            self._control.close()

    def command(self, name: str, parameters: str = "") -> None:
        """Give a command of its menu and wait until it is done (its events may come before its reply)."""
        text = json.dumps({"command": name, "params": parameters, "token": name} if parameters else {"command": name})
        self._control.sendall(f"{len(text)}:{text},".encode())
        reply = self._until(lambda message: message.get("response") is True, f"reply to {name}")
        assert reply["ok"], reply

    def event(self, kind: str) -> dict[str, Any]:
        """Wait for an event of this type, one that has come since the last one asked for counts too."""
        for at, message in enumerate(self.seen):
            if message.get("type") == kind:
                del self.seen[: at + 1]
                return message
        self._until(lambda message: message.get("type") == kind, kind)
        return self.seen.pop()

    def heard(self) -> Samples:
        """What it heard in its one call, which has ended."""
        (file,) = self._folder.glob("dump-*-dec.wav")
        return read_wav(file)

    def _until(self, wanted: Any, name: str) -> dict[str, Any]:
        while True:
            head = b""
            while not head.endswith(b":"):
                byte = self._stream.read(1)
                assert byte, f"baresip ended before {name}: {self.lines}"
                head += byte
            message: dict[str, Any] = json.loads(self._stream.read(int(head[:-1]) + 1)[:-1])
            self.seen.append(message)
            if wanted(message):
                return message


@contextmanager
def phone(
    folder: Path,
    source: Path,
    *,
    codec: str = "PCMU",
    transport: str = "udp",
    modules: tuple[str, ...] = (),
    account: str = "",
    rtcp_mux: bool = False,
) -> Iterator[Baresip]:
    """A baresip that says what is in `source` (WAV of its codec's rate), with its files in `folder`; killed at the end.

    `codec` is a name of G.711 or name/rate/channels; `modules` are those it needs besides; `account` is more of what
    its account says, such as ``;mediaenc=srtp``. With `rtcp_mux` it wants RTP and RTCP on one port (RFC 5761).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        first = held.enter_context(own_ports(PORTS))
        control = first + 2
        last, mux = first + PORTS.step - 1, "yes" if rtcp_mux else "no"
        (folder / "config").write_text(
            _CONFIG.format(sip=first, source=source, rtp=first + 4, last=last, mux=mux, folder=folder, control=control)
            + "".join(f"module                  {module}\n" for module in modules),
            encoding="utf-8",
        )
        where = f"127.0.0.1:{first}" + (";transport=tcp" if transport == "tcp" else "")
        codecs = codec if "/" in codec else f"{codec}/8000/1"
        line = f"<sip:phone@{where}>;regint=0;audio_codecs={codecs}{account}\n"
        (folder / "accounts").write_text(line, encoding="utf-8")
        process = subprocess.Popen(
            ["baresip", "-f", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env={"PULSE_RUNTIME_PATH": str(folder / "pulse"), **os.environ},
        )
        running = Baresip(process, folder, f"sip:phone@{where}")
        held.callback(running.close)
        running.connect(control)
        yield running
