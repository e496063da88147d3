"""What is deployed: the systemd unit, the recipe of the image, and the commands that both are driven by."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from actors.config import Config, listeners
from actors.control.cli import Checked, command_line

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"
UNIT = DEPLOY / "sipactors.service"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
VERBS = [
    *("run", "call", "answer", "reject", "redirect", "register", "unregister", "accounts", "calls", "hangup", "hold"),
    *("resume", "mute", "transfer", "dtmf", "info", "message", "subscribe", "options", "ping", "play", "record"),
    *("events", "trace", "ps", "stats", "drain", "reload", "keys", "config", "stop", "completion"),
]
PRINT_NOTHING = {"run", "completion", "metrics"}  # they print what no program asks for


def sipactors() -> click.Group:
    return command_line(lambda _: 0, lambda _: Checked(""), lambda _uri, _sound: pytest.fail("not here"))  # type: ignore[arg-type]


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNIT, "utf-8")
    return parser["Service"]


@pytest.mark.parametrize(
    "line",
    ["Type=notify", "KillMode=mixed", "NotifyAccess=main", "Restart=always", "RuntimeDirectoryPreserve=restart"],
)
def test_the_unit_has_the_lines_that_the_supervisor_counts_on(line: str) -> None:
    name, _, value = line.partition("=")
    assert service()[name] == value


def test_the_unit_watches_and_keeps_as_many_sockets_as_there_are() -> None:
    settings = service()
    config = Config()
    first, last = config.media.ports
    assert int(settings["WatchdogSec"]) > 0
    assert int(settings["FileDescriptorStoreMax"]) >= len(listeners(config)) + last - first + 1


def options_of(words: list[str]) -> None:
    """See that the command line takes what the program is started with."""
    group = sipactors()
    command = group.commands[words[0]]
    command.make_context("sipactors", words[1:], resilient_parsing=False)


def test_the_unit_starts_the_service_with_options_that_it_has() -> None:
    program, *words = shlex.split(service()["ExecStart"])
    assert program.endswith("/bin/sipactors")
    options_of(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: systemd")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8").replace("/opt/sipactors/bin/sipactors", sys.executable)
    copy.write_text(re.sub("^User=.*$", "User=root", text, flags=re.MULTILINE), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line] == []


def said(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def test_the_image_runs_as_nobody_special_keeps_its_state_and_stops_in_order() -> None:
    (user,), (volume,), (signal,) = said("USER"), said("VOLUME"), said("STOPSIGNAL")
    assert user != "root"
    assert f"useradd --system --home-dir {volume} --create-home {user}" in DOCKERFILE
    assert f"SIPACTORS_STATE_DIR={volume}" in DOCKERFILE
    assert signal == "SIGTERM"
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nENTRYPOINT ")


def test_the_image_starts_and_is_asked_with_commands_that_there_are() -> None:
    words = re.findall(r'"([^"]+)"', said("ENTRYPOINT")[0] + said("CMD")[0])
    assert words[0] == "sipactors"
    options_of(words[1:])
    options_of(re.findall(r'"([^"]+)"', said("HEALTHCHECK")[0])[1:])


def test_what_the_image_is_made_of_is_there_and_is_sent_to_the_daemon() -> None:
    ignored = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"]
    copied = [word for line in said("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored
        assert not any(fnmatch(name, pattern) for pattern in ignored[ignored.index(f"!{name}") :])


@pytest.mark.parametrize("verb", VERBS)
def test_the_telephone_has_the_command(verb: str) -> None:
    assert verb in sipactors().commands


def test_every_command_that_prints_speaks_json() -> None:
    def silent(command: click.Command, path: str) -> list[str]:
        if isinstance(command, click.Group):
            return [each for name, one in command.commands.items() for each in silent(one, f"{path} {name}".strip())]
        return [] if any("--json" in each.opts for each in command.params) else [path]

    assert set(silent(sipactors(), "")) == PRINT_NOTHING
