"""linphonec as a peer: a phone of its own for each test, driven by its commands, with files for a sound card.

Debian's linphonec 5.1. What it needs to be told: a database folder below HOME that exists; IPv4, and that its settings
were migrated, else it offers whatever IPv6 address the machine has; that a file is its sound card.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.live.service import own_ports
from tests.live.sound import Samples, read_wav

PORTS = range(16_000, 16_380, 20)  # a slice: SIP, RTP
READY_TIMEOUT = 30.0

_CONFIG = """
[sip]
sip_port={sip}
sip_tcp_port=0
sip_tls_port=0
default_proxy=-1
guess_hostname=0
contact="phone" <sip:phone@127.0.0.1>
bind_address=127.0.0.1
use_ipv6=0
ipv6_migration_done=1
register_only_when_network_is_up=0
{more}
[rtp]
audio_rtp_port={rtp}
[sound]
echocancellation=0
[net]
firewall_policy=0
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
[audio_codec_1]
mime=PCMA
rate=8000
channels=1
enabled=1
[audio_codec_2]
mime=G722
rate=8000
channels=1
enabled=1
[audio_codec_3]
mime=opus
rate=48000
channels=2
enabled=1
"""


class Linphone:
    """A running linphonec.

    Attributes:
        uri: where it is called.
        text: what it printed.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, uri: str) -> None:
        self.uri = uri
        self.text = ""
        self._process = process
        self._folder = folder
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 4096):
            with self._changed:
                self.text += chunk.decode(errors="replace")
                self._changed.notify_all()

    def command(self, text: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        self._process.stdin.flush()

    def wait(self, text: str, timeout: float = READY_TIMEOUT, *, times: int = 1) -> None:
        """Wait until it has printed this, so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.text.count(text) >= times, timeout), self.text

    def heard(self) -> Samples:
        """What it heard in its one call, which has ended."""
        return read_wav(self._folder / "heard.wav")

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def phone(folder: Path, source: Path, *, more: str = "", words: tuple[str, ...] = ()) -> Iterator[Linphone]:
    """A linphonec that answers at once and says what is in `source` (WAV, 8 kHz); killed at the end.

    `more` are lines of its section [sip], `words` more of its command line.
    """
    for name in (".local/share/linphone", ".config/linphone"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as held:
        first = held.enter_context(own_ports(PORTS))
        (folder / "rc").write_text(_CONFIG.format(sip=first, rtp=first + 2, more=more), encoding="utf-8")
        process = subprocess.Popen(
            ["linphonec", "-c", str(folder / "rc"), "-a", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            # Without the second PulseAudio's library leaves a directory in /tmp for each HOME.
            env={**os.environ, "HOME": str(folder), "PULSE_RUNTIME_PATH": str(folder / "pulse")},
        )
        running = Linphone(process, folder, f"sip:phone@127.0.0.1:{first}")
        held.callback(running.close)
        running.command("soundcard use files")
        running.wait("Using wav files")
        running.command(f"play {source}")
        running.command(f"record {folder / 'heard.wav'}")
        yield running
