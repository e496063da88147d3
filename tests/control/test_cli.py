"""The command line: usage in this process, everything else as a process against a real control actor."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from actors.control.cli import Checked, RunOptions, command_line
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from actors.dialog.feed_events import TellWaiting
from actors.runtime.channel import AskStop, AskTree, ChildStatus, Tree
from tests.control.api import PATIENCE, ROOT, control
from tests.runtime.harness import Harness

PROGRAM = (
    "from actors.control.cli import command_line; command_line(lambda options: 0, None, None)(prog_name='sipactors')"
)


@contextmanager
def nobody(_uri: str) -> Iterator[Path]:
    raise AssertionError("a service was named")
    yield Path()


def invoke(*words: str, run: Callable[[RunOptions], int] = lambda _: 0) -> Result:
    def check(path: Path | None) -> Checked:
        return Checked("sip.t1: no") if path else Checked("", (("file", "none"), ("codecs", "PCMU")))

    return CliRunner().invoke(command_line(run, check, nobody, "1.2.3"), words)


def every_command(group: click.Group | None = None, *before: str) -> Iterator[tuple[str, ...]]:
    """The words of each command and group of the command line."""
    for name, command in (group or command_line(lambda _: 0, lambda _: Checked(""), nobody)).commands.items():
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *before, name)


class Command:
    """A running command of the command line."""

    def __init__(self, house: Harness, *words: str, stderr: int = subprocess.PIPE) -> None:
        self._house = house
        run_dir = str(house.context.run_dir)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words, "--run-dir", run_dir],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def done(self) -> tuple[int, str, str]:
        """Its exit code and what it printed."""
        self._house.wait_for(lambda: self.process.poll() is not None, "the command", PATIENCE)
        out, err = self.process.communicate()
        return self.process.returncode, out, err or ""


@contextmanager
def command(house: Harness, *words: str, stderr: int = subprocess.PIPE) -> Iterator[Command]:
    with ending(Command(house, *words, stderr=stderr)) as running:
        yield running


@contextmanager
def ending(running: Command) -> Iterator[Command]:
    """Kill it at the end, if it has not ended."""
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        for stream in (running.process.stdout, running.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Harness]:
    with control(tmp_path) as running:
        yield running


def ended(call: str, outcome: str = "answered", status: int = 200) -> call_events.CallEnded:
    return call_events.CallEnded(call, outcome, status, "why", "remote", 1.0, 2.0, 3.0, 100, 99, 1)


def test_run_is_handed_its_options() -> None:
    given: list[RunOptions] = []

    def run(options: RunOptions) -> int:
        given.append(options)
        return 70

    words = ["--listen", "udp:127.0.0.1:5070", "--listen", "tcp:[::1]:5070", "--answer", "play:x.wav", "-c", "f.toml"]
    assert invoke("run", *words, "--run-dir", "/run/x", run=run).exit_code == 70
    listen = ("udp:127.0.0.1:5070", "tcp:[::1]:5070")
    assert given == [RunOptions(Path("f.toml"), listen, "play:x.wav", Path("/run/x"), None)]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--listen", "127.0.0.1:5060"],
        ["run", "--listen", "sctp:127.0.0.1:5061"],
        ["run", "--answer", "play"],
        ["run", "--answer", "echo:x"],
        ["run", "--answer", "sing"],
        ["call"],
        ["call", "sip:a@b", "--play", "/does/not/exist.wav"],
        ["call", "sip:a@b", "--duration", "-1"],
        ["reject", "x", "--status", "200"],
        ["events", "--since", "-5"],
        ["fly"],
        ["--fly"],
        ["keys", "new", "bot", "--role", "boss"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(words: list[str]) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert re.fullmatch(r"sipactors: .+; see: sipactors( [a-z]+)* --help\n", result.output)


@pytest.mark.parametrize(
    "words",
    [
        ["call", "sip:a@b"],
        ["calls"],
        ["hangup", "x"],
        ["answer", "x"],
        ["reject", "x"],
        ["events"],
        ["ps"],
        ["drain"],
        ["stop"],
    ],
)
def test_without_a_service_every_command_says_what_to_do_and_ends_with_3(tmp_path: Path, words: list[str]) -> None:
    result = invoke(*words, "--run-dir", str(tmp_path))
    assert result.exit_code == 3
    assert result.stderr == f"sipactors: no service answers in {tmp_path}; start one with: sipactors run\n"
    assert result.stdout == ""


def test_the_run_directory_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIPACTORS_RUN_DIR", str(tmp_path / "here"))
    assert str(tmp_path / "here") in invoke("calls").stderr


def test_every_command_that_is_promised_is_there() -> None:
    promised = """run call answer reject redirect register unregister accounts calls hangup hold resume mute transfer
        dtmf info message subscribe options ping play record events trace ps stats drain reload keys config stop"""
    assert {words[0] for words in every_command()} >= set(promised.split())


@pytest.mark.parametrize("words", [(), *every_command()], ids=" ".join)
def test_help_has_examples(words: tuple[str, ...]) -> None:
    result = invoke(*words, "--help")
    assert result.exit_code == 0
    assert re.search(r"Examples:\n( +sipactors| +eval ...sipactors) " + " ".join(words), result.output)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_command_that_ends_speaks_json(words: tuple[str, ...]) -> None:
    group = words[-1] in {"keys", "config"}
    told_to_people = words[0] in {"run", "completion", "metrics"}  # a service, a script, a server
    assert group or told_to_people or "--json" in invoke(*words, "--help").output


def test_it_says_which_version_it_is() -> None:
    assert invoke("--version").output == "sipactors 1.2.3\n"


def test_the_client_side_loads_nothing_of_the_service() -> None:
    probe = "import sys; import actors.control.client; print([m for m in sys.modules if m in {names}])"
    names = {"numpy", "lmdb", "pykka", "sounddevice", "structlog", "click", "msgspec"}
    done = subprocess.run(
        [sys.executable, "-c", probe.replace("{names}", repr(names))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_a_call_is_followed_to_its_end(house: Harness) -> None:
    with command(house, "call", "bob@192.0.2.4", "--duration", "2") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        assert (place.uri, place.duration) == ("sip:bob@192.0.2.4", 2.0)
        house.send(
            "dialog-0",
            dialog.CommandDone(place.ref),
            call_events.CallProgressed(place.call, 180, "Ringing", 1.0),
            ended("another call", "busy", 486),
            call_events.CallAnswered(place.call, "PCMU", 8000, 2.0),
            ended(place.call),
        )
        code, out, err = calling.done()
    assert (code, err) == (0, "")
    assert out == ("sip:bob@192.0.2.4: ended by remote after 2 s; RTP packets: 100 sent, 99 received, 1 lost\n")


def test_a_call_that_is_not_answered_ends_with_1_and_the_status(house: Harness) -> None:
    with command(house, "call", "sip:bob@192.0.2.4") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(place.ref), ended(place.call, "busy", 486))
        assert calling.done() == (1, "sip:bob@192.0.2.4: busy: 486 why\n", "")


def test_a_call_that_is_refused_ends_with_1_and_one_line(house: Harness) -> None:
    with command(house, "call", "sip:bob@nowhere") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandFailed(place.ref, "draining", "the service takes no new calls"))
        assert calling.done() == (1, "", "sipactors: the service takes no new calls\n")


@pytest.mark.parametrize("words", [("dtmf", "c1", "12q"), ("transfer", "c1", "foo")])
def test_what_no_service_could_carry_out_ends_with_2(house: Harness, words: tuple[str, ...]) -> None:
    with command(house, *words) as running:
        code, printed, errors = running.done()
    assert (code, printed) == (2, "")
    assert errors.startswith("sipactors: ")


def test_a_call_in_json_is_one_line_an_event(house: Harness) -> None:
    with command(house, "call", "sip:bob@192.0.2.4", "--json") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send(
            "dialog-0",
            dialog.CommandDone(place.ref),
            call_events.CallAnswered(place.call, "PCMU", 8000, 2.0),
            ended(place.call),
        )
        code, out, _ = calling.done()
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == {"type": "Placed", "call": place.call, "uri": "sip:bob@192.0.2.4"}
    assert [line["type"] for line in lines[1:]] == ["CallAnswered", "CallEnded"]
    assert lines[2]["packets_received"] == 99


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["--play", "F"], True),
        (["--play", "F", "--duration", "9"], False),
        (["--play", "F", "--loop"], False),
        (["--play", "F", "--record", "R"], False),
        ([], False),
    ],
)
def test_a_call_that_only_plays_a_file_ends_with_the_file(
    house: Harness, tmp_path: Path, words: list[str], ends: bool
) -> None:
    file = tmp_path / "hello.wav"
    file.touch()
    words = [{"F": str(file), "R": str(tmp_path / "r.wav")}.get(word, word) for word in words]
    with command(house, "call", "sip:bob@192.0.2.4", *words):
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        assert place.treatment.hang_up_after_play == ends
        assert place.treatment.play == (str(file) if words else "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_hangs_up_and_waits_for_the_end(house: Harness, number: int) -> None:
    with command(house, "call", "sip:bob@192.0.2.4", "--json") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(place.ref), call_events.CallAnswered(place.call, "PCMU", 8000, 2.0))
        seen: list[str] = []
        assert calling.process.stdout is not None
        while not any("CallAnswered" in line for line in seen):
            house.settle()
            seen.append(calling.process.stdout.readline())
        calling.process.send_signal(number)
        hang_up = house.expect("dialog-0", call_commands.HangUp, timeout=PATIENCE)
        assert hang_up.call == place.call
        house.send("dialog-0", dialog.CommandDone(hang_up.ref), ended(place.call))
        assert calling.done()[0] == 0


def test_sigterm_hangs_up_where_whoever_started_the_call_ignores_it(house: Harness) -> None:
    kept = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # programs inherit it
    try:
        calling = Command(house, "call", "sip:bob@192.0.2.4")
    finally:
        signal.signal(signal.SIGTERM, kept)
    with ending(calling):
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(place.ref))
        calling.process.send_signal(signal.SIGTERM)
        hang_up = house.expect("dialog-0", call_commands.HangUp, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(hang_up.ref), ended(place.call))
        assert calling.done()[0] == 0


def test_a_call_outlived_by_nobody_says_that_the_service_stopped(house: Harness) -> None:
    with command(house, "call", "sip:bob@192.0.2.4", "--json") as calling:
        place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(place.ref))
        assert calling.process.stdout is not None
        house.settle()
        calling.process.stdout.readline()
        house.stop()
        calling.process.wait(PATIENCE)
        _, err = calling.process.communicate()
        assert (calling.process.returncode, err) == (3, "sipactors: the service stopped before the call ended\n")


def test_the_progress_line_says_that_it_rings_and_talks(house: Harness) -> None:
    master, slave = pty.openpty()
    shown = ""

    def show_until(word: str) -> None:
        nonlocal shown
        while word not in shown:
            shown += os.read(master, 4096).decode()

    try:
        with command(house, "call", "sip:bob@192.0.2.4", stderr=slave) as calling:
            place = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
            house.send("dialog-0", dialog.CommandDone(place.ref))
            house.settle()
            show_until("sip:bob@192.0.2.4: calling")
            house.send("dialog-0", call_events.CallProgressed(place.call, 180, "Ringing", 1.0))
            house.settle()
            show_until("ringing")
            house.send("dialog-0", call_events.CallAnswered(place.call, "PCMU", 8000, 1.0))
            house.settle()
            show_until("talking")
            house.send("dialog-0", ended(place.call))
            assert calling.done()[0] == 0
            show_until("\r\x1b[K")
    finally:
        os.close(master)
        os.close(slave)


def test_calls_are_listed_for_people_and_for_programs(house: Harness) -> None:
    info = call_events.CallInfo("c1", "out", "confirmed", "sip:bob@h", "sip:me@h", 1.0, 2.0)

    def listed(*words: str) -> str:
        with command(house, "calls", *words) as calls:
            ref = house.expect("dialog-0", call_commands.ListCalls, timeout=PATIENCE).ref
            house.send("dialog-0", dialog.CommandDone(ref, (info,)))
            return calls.done()[1]

    assert listed().splitlines()[0].split() == ["ID", "DIRECTION", "STATE", "REMOTE", "LOCAL", "TALKING"]
    assert json.loads(listed("--json")) == [
        {
            "call": "c1",
            "direction": "out",
            "state": "confirmed",
            "remote": "sip:bob@h",
            "local": "sip:me@h",
            "since": 1.0,
            "answered": 2.0,
            "held": "",
            "claimed": False,
            "worker": "",
        }
    ]


def test_ps_lists_the_children(house: Harness) -> None:
    def listed(*words: str) -> str:
        house.reports.clear()
        with command(house, "ps", *words) as ps:
            house.wait_for(lambda: any(isinstance(r, AskTree) for r, _ in house.reports), "the question", PATIENCE)
            ref = next(report.ref for report, _ in house.reports if isinstance(report, AskTree))
            house.supervisor.send(Tree(ref, (ChildStatus("dialog-0", 77, "ready", 2, 3, 12.5),)))
            return ps.done()[1]

    assert json.loads(listed("--json")) == [
        {"name": "dialog-0", "pid": 77, "state": "ready", "restarts": 2, "epoch": 3, "since": 12.5}
    ]
    assert listed().splitlines()[1].split()[:5] == ["dialog-0", "77", "ready", "2", "3"]


def test_a_ringing_call_is_answered_or_rejected_and_a_call_hung_up(house: Harness) -> None:
    kinds: list[tuple[list[str], Any]] = [
        (["answer", "c1", "--echo", "--duration", "5"], call_commands.AnswerCall),
        (["reject", "c1", "--status", "603"], call_commands.RejectCall),
        (["hangup", "c1"], call_commands.HangUp),
        (["drain", "--off"], dialog.Drain),
    ]
    got = []
    for words, kind in kinds:
        with command(house, *words) as running:
            got.append(house.expect("dialog-0", kind, timeout=PATIENCE))
            house.send("dialog-0", dialog.CommandDone(got[-1].ref))
            assert running.done() == (0, "", "")
    assert got[0].treatment.echo
    assert got[0].duration == 5.0
    assert got[1].status == 603
    assert got[3].on is False


def test_events_are_shown_as_they_are_kept(house: Harness) -> None:
    house.send("dialog-0", call_events.CallReceived("c1", "sip:a@h", "sip:b@h", "Ann\x1b[2J", 1.0), ended("c1"))
    house.settle()
    with command(house, "events", "--no-follow", "--json") as events:
        code, out, _ = events.done()
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(line["seq"], line["type"]) for line in lines] == [
        (1, "ServiceStarted"),
        (2, "CallReceived"),
        (3, "CallEnded"),
    ]
    with command(house, "events", "--no-follow", "--since", "1") as events:
        _, out, _ = events.done()
    assert 'call in from "Ann?[2J" sip:a@h to sip:b@h' in out
    assert "\x1b" not in out


def test_events_go_on_until_they_are_interrupted(house: Harness) -> None:
    with command(house, "events", "--since", "0") as events:
        assert events.process.stdout is not None
        assert "service started" in events.process.stdout.readline()
        house.send("dialog-0", ended("c1"))
        house.settle()
        assert "ended by remote" in events.process.stdout.readline()
        events.process.send_signal(signal.SIGINT)
        assert events.done()[0] == 0


def test_stop_asks_the_supervisor(house: Harness) -> None:
    with command(house, "stop") as stop:
        assert stop.done() == (0, "", "")
    assert any(isinstance(report, AskStop) for report, _ in house.reports)


def test_a_configuration_is_checked_without_a_service() -> None:
    good = invoke("config", "check")
    assert (good.exit_code, good.output) == (0, "file           none\ncodecs         PCMU\ngood\n")
    assert json.loads(invoke("config", "check", "--json").output) == {"file": "none", "codecs": "PCMU"}
    wrong = invoke("config", "check", "-c", "x.toml")
    assert (wrong.exit_code, wrong.output) == (2, "sipactors: sip.t1: no\n")


def test_keys_are_made_listed_and_revoked_without_a_service(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path))
    out = tmp_path / "bot.toml"
    words = ("--role", "control", "--max-calls", "5", "--destination", "sip:+41*", "--out", str(out), *state)
    made = invoke("keys", "new", "bot", *words)
    assert made.exit_code == 0
    assert f"SIPACTORS_KEY={out} sipactors calls" in made.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    assert set(tomllib.loads(out.read_text())) == {"server", "public", "secret"}
    assert "already" in invoke("keys", "new", "bot", *state).output
    (listed,) = json.loads(invoke("keys", "list", "--json", *state).output)
    assert (listed["name"], listed["role"], listed["max_calls"]) == ("bot", "control", 5)
    assert "sip:+41*" in invoke("keys", "list", *state).output
    assert invoke("keys", "revoke", "bot", *state).exit_code == 0
    assert invoke("keys", "revoke", "bot", *state).exit_code == 1


def test_wrong_usage_says_what_is_wrong_and_where_to_read() -> None:
    result = invoke("call")
    assert result.output == "sipactors: Missing argument 'URI'; see: sipactors call --help\n"


@pytest.mark.parametrize("words", [(), ("keys",), ("config",)])
def test_a_group_alone_shows_its_help(words: tuple[str, ...]) -> None:
    assert "Usage: sipactors" in invoke(*words).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert "_SIPACTORS_COMPLETE" in result.output


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sipactors ca", {"call", "calls"}),
        ("sipactors keys ", {"list", "new", "revoke"}),
        ("sipactors call --rin", {"--ring-timeout"}),
        ("sipactors completion ", {"bash", "fish", "zsh"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    asked = {"_SIPACTORS_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.removeprefix("plain,") for line in done.stdout.splitlines()} == offered


def test_calls_are_redirected_and_hear_keys(house: Harness, tmp_path: Path) -> None:
    file = tmp_path / "a.flac"
    file.touch()
    with command(house, "redirect", "c1", "bob@h", "sips:eve@h") as done:
        rejected = house.expect("dialog-0", call_commands.RejectCall, timeout=PATIENCE)
        assert (rejected.call, rejected.status, rejected.contacts) == ("c1", 302, ("sip:bob@h", "sips:eve@h"))
        house.send("dialog-0", dialog.CommandDone(rejected.ref))
        assert done.done()[0] == 0
    for words, expected in (
        (("play", "c1", "tone:busy", "--queue"), call_commands.PlayAudio("", "c1", "tone:busy", queue=True)),
        (("play", "c1", str(file), "--loop"), call_commands.PlayAudio("", "c1", str(file), loop=True)),
        (("play", "c1", "--seek", "2.5"), call_commands.AlterPlayback("", "c1", "seek", 2.5)),
        (("play", "c1", "--pause"), call_commands.AlterPlayback("", "c1", "pause")),
        (("record", "c1", "/b.wav", "--sides", "stereo"), call_commands.RecordAudio("", "c1", "/b.wav", "stereo")),
        (("record", "c1", "--stop"), call_commands.RecordAudio("", "c1", "")),
    ):
        with command(house, *words) as done:
            asked = house.expect("dialog-0", type(expected), timeout=PATIENCE)
            assert replace(asked, ref="") == expected
            house.send("dialog-0", dialog.CommandDone(asked.ref))
            assert done.done()[0] == 0
    with command(house, "dtmf", "c1", "12#") as done:
        pressed = house.expect("dialog-0", call_commands.SendDigits, timeout=PATIENCE)
        assert (pressed.call, pressed.digits) == ("c1", "12#")
        house.send("dialog-0", dialog.CommandDone(pressed.ref))
        assert done.done()[0] == 0


def test_a_file_that_is_not_there_is_not_played(house: Harness, tmp_path: Path) -> None:
    with command(house, "play", "c1", str(tmp_path / "nosuch.wav")) as done:
        assert done.done() == (1, "", f"sipactors: {tmp_path / 'nosuch.wav'}: there is no such file to play\n")


def test_a_file_that_cannot_be_played_is_told(house: Harness, tmp_path: Path) -> None:
    file = tmp_path / "noise.wav"
    file.touch()
    with command(house, "play", "c1", str(file)) as done:
        asked = house.expect("dialog-0", call_commands.PlayAudio, timeout=PATIENCE)
        told = call_events.CallPlayFinished("c1", str(file), "no sound in it", 1.0)
        house.send("dialog-0", dialog.CommandDone(asked.ref), told)
        assert done.done() == (1, "", f"sipactors: {file} could not be played: no sound in it\n")


def test_the_beginning_of_an_id_does_where_it_is_of_one_call(house: Harness) -> None:
    calls = tuple(
        call_events.CallInfo(call, "out", "confirmed", "sip:b@h", "sip:a@h", 1.0, 2.0) for call in ("ab1", "ab2")
    )
    for given in ("ab2", "ab", "x"):
        with command(house, "hangup", given, "--json") as done:
            first = house.expect("dialog-0", call_commands.HangUp, timeout=PATIENCE)
            if given == "ab2":
                house.send("dialog-0", dialog.CommandDone(first.ref))
                assert done.done()[:2] == (0, '{"done": true, "call": "ab2"}\n')
                continue
            house.send("dialog-0", dialog.CommandFailed(first.ref, "no_such_call", f"there is no call {given}"))
            listed = house.expect("dialog-0", call_commands.ListCalls, timeout=PATIENCE)
            house.send("dialog-0", dialog.CommandDone(listed.ref, calls))
            code, out, err = done.done()
        assert (code, out) == (1, "")
        assert err == f"sipactors: {'ab begins 2 calls: ab1 ab2' if given == 'ab' else 'there is no call x'}\n"
    with command(house, "hold", "a") as done:
        held = house.expect("dialog-0", call_commands.HoldCall, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandFailed(held.ref, "no_such_call", "none"))
        listed = house.expect("dialog-0", call_commands.ListCalls, timeout=PATIENCE)
        house.send("dialog-0", dialog.CommandDone(listed.ref, calls[:1]))
        again = house.expect("dialog-0", call_commands.HoldCall, timeout=PATIENCE)
        assert again.call == "ab1"
        house.send("dialog-0", dialog.CommandDone(again.ref))
        assert done.done() == (0, "", "")


@pytest.mark.parametrize(("words", "what"), [((), "sound"), (("--rtp",), "rtp"), (("--off",), "none")])
def test_calls_are_muted_and_unmuted(house: Harness, words: tuple[str, ...], what: str) -> None:
    with command(house, "mute", "c1", *words) as done:
        muted = house.expect("dialog-0", call_commands.MuteCall, timeout=PATIENCE)
        assert (muted.call, muted.what) == ("c1", what)
        house.send("dialog-0", dialog.CommandDone(muted.ref))
        assert done.done()[0] == 0


def test_calls_are_bridged_by_the_beginning_of_their_ids_and_taken_out(house: Harness) -> None:
    calls = tuple(call_events.CallInfo(name, "in", "confirmed", "r", "l", 1.0, 2.0) for name in ("c1", "d2"))
    with command(house, "bridge", "c1", "d", "--keys") as done:
        for number in (0, 1):
            if f"dialog-{number}" in house.peers:
                listed = house.expect(f"dialog-{number}", call_commands.ListCalls, timeout=PATIENCE)
                house.send(f"dialog-{number}", dialog.CommandDone(listed.ref, () if number else calls))
        bridged = house.expect("dialog-0", call_commands.BridgeCall, timeout=PATIENCE)
        assert (bridged.call, bridged.other, bridged.keys) == ("c1", "d2", True)
        house.send("dialog-0", dialog.CommandDone(bridged.ref))
        assert done.done() == (0, "", "")
    with command(house, "bridge", "c1", "--off") as done:
        parted = house.expect("dialog-0", call_commands.UnbridgeCall, timeout=PATIENCE)
        assert parted.call == "c1"
        house.send("dialog-0", dialog.CommandDone(parted.ref))
        assert done.done() == (0, "", "")
    with command(house, "bridge", "c1") as done:
        assert done.done()[0] == 2


@pytest.mark.parametrize(
    ("words", "waiting", "counts"),
    [(("2", "8"), True, ("voice-message", "2/8")), (("0", "--kind", "fax-message"), False, ("fax-message", "0/0"))],
)
def test_every_shard_is_told_how_many_messages_wait(
    house: Harness, words: tuple[str, ...], waiting: bool, counts: tuple[str, str]
) -> None:
    with command(house, "waiting", "sip:alice@example.com", *words) as done:
        for dialog_shard in [peer for peer in house.peers if peer.startswith("dialog-")]:
            told = house.expect(dialog_shard, TellWaiting, timeout=PATIENCE)
            assert (told.account, told.waiting, told.counts) == ("sip:alice@example.com", waiting, (counts,))
            house.send(dialog_shard, dialog.CommandDone(told.ref))
        assert done.done()[0] == 0


@pytest.mark.parametrize(("words", "status"), [((), 486), (("--status", "600"), 600), (("--off",), 0)])
def test_nobody_is_disturbed_or_again(house: Harness, words: tuple[str, ...], status: int) -> None:
    with command(house, "disturb", *words) as done:
        for dialog_shard in [peer for peer in house.peers if peer.startswith("dialog-")]:
            told = house.expect(dialog_shard, dialog.DoNotDisturb, timeout=PATIENCE)
            assert told.status == status
            house.send(dialog_shard, dialog.CommandDone(told.ref))
        assert done.done()[0] == 0
