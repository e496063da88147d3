"""Programs, commands and settings of the README and the docs do what is said, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.config import load
from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.service import ROOT, RTP_PORTS, Service, own_ports, running
from tests.live.sound import tone, write_wav
from tests.transport.authority import issue

pytestmark = pytest.mark.live

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
TRUNK = '[[accounts]]\naor = "sip:+15550100@carrier.example"\nregister = false\n'


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


SETTINGS = [
    pytest.param(block, id=f"{page.stem}-{at}") for page in PAGES for at, block in enumerate(blocks(page, "toml"))
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_on_a_page_are_good(tmp_path: Path, settings: str) -> None:
    if "carrier.example" not in settings or "aor" not in settings:
        settings = TRUNK + settings  # what stands alone are keys of an account
    pem = issue(tmp_path, "example.com")
    (tmp_path / "alice").write_text("open sesame\n", encoding="utf-8")
    for name in ("fullchain.pem", "key.pem"):
        (tmp_path / name).write_bytes(pem.read_bytes())
    file = tmp_path / "service.toml"
    file.write_text(settings.replace("/etc/sipactors", str(tmp_path)), encoding="utf-8")
    config = load(file, dict.fromkeys(re.findall(r'password_env = "(.*?)"', settings), "open sesame"))
    assert all(getattr(config, section) for section in tomllib.loads(settings))


def environment(service: Service) -> dict[str, str]:
    """That of a reader's shell, for whom `service` is the one that runs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SIPACTORS_RUN_DIR": str(service.run_dir)}


def at(service: Service) -> str:
    """The address of a service, as the pages write one."""
    return "{}:{}".format(*service.addresses["udp"])


def test_the_readmes_commands_can_be_pasted() -> None:
    asked, killed = (block for block in blocks(README, "sh") if "--duration" in block and "bot.py" not in block)
    script = (asked + killed).replace(". .venv/bin/activate\n", "")
    assert script.count("127.0.0.1:5060") == 2
    (background,) = (line for line in script.splitlines() if line.endswith("&"))
    # Who types is slower than what is pasted: the call is up before an actor is killed.
    script = script.replace(background, f"{background}\nuntil sipactors calls | grep -q confirmed; do :; done")
    with running() as service:
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", script.replace("127.0.0.1:5060", at(service)) + "sipactors ps\nsipactors stop"],
            env=environment(service),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout
        assert re.search(r"ended by local after ([3-9]|\d\d) s", done.stdout)
        assert f"call out to sip:echo@{at(service)}" in done.stdout
        assert done.stdout.count("confirmed") == 2
        assert re.search(r"^dialog-0 +\d+ +ready +1 ", done.stdout, re.MULTILINE)


@contextmanager
def python(service: Service, folder: Path, block: str) -> Iterator[subprocess.Popen[str]]:
    """A program of a page that runs in a folder."""
    (folder / "bot.py").write_text(block, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "bot.py"], cwd=folder, env=environment(service), stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_readmes_bot_answers_hears_a_key_and_tells_the_end(tmp_path: Path) -> None:
    write_wav(tmp_path / "menu.wav", tone(440.0, 1.0))
    (bot,) = blocks(README, "python")
    with (
        running("--answer", "workers") as service,
        Client(service.run_dir) as client,
        client.events() as events,
        python(service, tmp_path, bot) as process,
    ):
        while not any(figure.name == "subscribers" and figure.value == 2 for figure in client.stats()):
            assert process.poll() is None
        call = client.place(f"sip:menu@{at(service)}")
        assert next_event(events, "CallClaimed", []).worker == "menu"
        next_event(events, "CallAnswered", [])
        next_event(events, "CallAnswered", [])
        client.dtmf(call, "1")
        assert next_event(events, "CallDigitReceived", []).digit == "1"
        assert next_event(events, "CallTransferProgressed", []).status == 603  # nobody here may be sent elsewhere
        client.hangup(call)
        assert process.stdout is not None
        assert {process.stdout.readline().split()[1] for _ in range(2)} == {"answered"}


def test_the_page_on_control_has_a_client_and_a_service_that_run(tmp_path: Path) -> None:
    listening, embedding = blocks(ROOT / "docs" / "control.md", "python")
    write_wav(tmp_path / "hello.wav", tone(440.0, 1.0))
    with running() as service:
        listening = listening.replace("192.0.2.7", at(service)).replace("event.call)", "event.call, flush=True)")
        with python(service, tmp_path, listening) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("CallPlaced ")
        embedding = embedding.replace("127.0.0.1:5070", "127.0.0.1:0").replace("192.0.2.4", at(service))
        with own_ports(RTP_PORTS) as first:
            ports = f"media=MediaSection(ports=({first}, {first + RTP_PORTS.step - 1})), "
            embedding = embedding.replace("Config(sip", f"Config({ports}sip").replace(
                "Config, ", "Config, MediaSection, "
            )
            with python(service, tmp_path, embedding) as process:
                assert process.wait(30) == 0
