"""The command line against services that live: what each command says, does and returns to its shell."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.control.client import Client, EventStream
from actors.control.records import EVENTS, CallInfo
from tests.chaos.killing import ACTORS, calling, next_event
from tests.live.peer import Callee
from tests.live.programs import CTRL_C, CTRL_Z, program
from tests.live.service import Service, running
from tests.live.sound import tone, write_wav

pytestmark = pytest.mark.live

FIELDS: dict[str, set[str]] = {name: {"type", *kind._fields} for name, kind in EVENTS.items()}
FIELDS["Placed"] = {"type", "call", "uri"}


@contextmanager
def serving(mode: str) -> Iterator[Service]:
    """A service whose actors all live to its end, which comes in order."""
    with running("--answer", mode) as service:
        yield service
        assert all(child["restarts"] == 0 for child in service.tree().values())
        assert service.stop() == 0


@pytest.fixture(scope="module")
def home() -> Iterator[Service]:
    """It lets calls ring."""
    with serving("ring") as service:
        yield service


@pytest.fixture(scope="module")
def away() -> Iterator[Service]:
    """It answers with echo."""
    with serving("echo") as service:
        yield service


@pytest.fixture
def events(home: Service) -> Iterator[EventStream]:
    """What happens at home, from now on."""
    with Client(home.run_dir) as client, client.events() as stream:
        yield stream


def uri(service: Service) -> str:
    host, port = service.addresses["udp"]
    return f"sip:bob@{host}:{port}"


def records(shown: str) -> list[dict[str, Any]]:
    """Lines of JSON, each of a kind that is known and with just its fields."""
    found: list[dict[str, Any]] = [json.loads(line) for line in shown.splitlines()]
    assert all(set(each) == FIELDS[each["type"]] for each in found)
    return found


def test_run_says_where_it_listens_what_it_does_and_that_it_is_ready(away: Service, tmp_path: Path) -> None:
    shown = "\n".join(away.lines)
    (udp_host, udp), (tcp_host, tcp) = away.addresses["udp"], away.addresses["tcp"]
    assert udp > 0
    assert tcp > 0
    assert f"  listening on   udp:{udp_host}:{udp} tcp:{tcp_host}:{tcp}\n" in shown
    assert f"  call it        sip:sipactors@127.0.0.1:{udp} " in shown
    assert "  answers with   the caller's own voice\n" in shown
    assert f"  run directory  {away.run_dir}\n" in shown
    assert re.search(r"^ready in \d+\.\d\d s$", shown, re.MULTILINE)
    # The command it shows for a first call does make one.
    command = re.search(r"a first caller: (sipp [^)]*)", shown)
    assert command is not None
    words = [*shlex.split(command[1]), "-nostdin"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=30, check=False).returncode == 0


def test_a_call_that_is_answered_exits_with_0_and_tells_how_it_went(home: Service, away: Service) -> None:
    done = home.command("call", uri(away), "--duration", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    # On a machine that stood still it took longer than it was to, and had fewer packets than fifty a second.
    talk = r"ended by local after \d+ s; RTP packets: [1-9]\d* sent, \d+ received, 0 lost(; MOS \d\.\d)?"
    assert re.fullmatch(re.escape(uri(away)) + f": {talk}\n", done.stdout)


def test_a_call_in_json_is_a_line_for_each_thing_that_happens(home: Service, away: Service) -> None:
    done = home.command("call", uri(away).removeprefix("sip:"), "--duration", "0.3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    placed, *middle, ended = records(done.stdout)
    assert (placed["type"], placed["uri"]) == ("Placed", uri(away))
    assert {each["call"] for each in middle} == {placed["call"]}
    assert [each["type"] for each in middle if each["type"] != "CallProgressed"] == ["CallPlaced", "CallAnswered"]
    assert (ended["type"], ended["outcome"], ended["by"], ended["status"]) == ("CallEnded", "answered", "local", 200)
    assert ended["talking"] >= 0.3


def test_a_call_that_plays_a_file_ends_with_it_and_records_what_comes_back(
    home: Service, away: Service, tmp_path: Path
) -> None:
    file = write_wav(tmp_path / "hello.wav", tone(600.0, 0.4))
    done = home.command("call", uri(away), "--play", str(file))
    assert done.returncode == 0
    heard = tmp_path / "heard.wav"
    done = home.command("call", uri(away), "--play", str(file), "--record", str(heard), "--duration", "0.4")
    assert done.returncode == 0
    assert heard.stat().st_size > 1600


def test_a_recording_that_cannot_be_made_is_told_and_the_call_goes_on(
    home: Service, away: Service, tmp_path: Path
) -> None:
    file = tmp_path / "no" / "heard.wav"
    done = home.command("call", uri(away), "--record", str(file), "--duration", "0.3")
    assert done.returncode == 0
    assert done.stderr == f"sipactors: recording to {file} stopped: [Errno 2] No such file or directory: '{file}'\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--status", "603"), "rejected: 603 Decline"), ((), "busy: 486 Busy Here")],
)
def test_a_call_that_is_rejected_exits_with_1(
    home: Service, away: Service, events: EventStream, words: tuple[str, ...], said: str
) -> None:
    with program(away, "call", uri(home)) as call:
        received = next_event(events, "CallReceived", [])
        done = home.command("reject", received.call, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (call.end(), call.shown) == (1, f"{uri(home)}: {said}\n")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sip:bob@127.0.0.1:9;transport=tcp", "unreachable: Connection refused"),
        ("sip:bob@nobody.invalid", "unreachable: nobody.invalid: DNS knows no server and no address"),
        ("sip:bob@192.0.2.1", "unreachable: 192.0.2.1: no udp listener of ours can be reached from there; one on "),
    ],
)
def test_a_call_that_reaches_nobody_exits_with_1_and_says_why(home: Service, target: str, said: str) -> None:
    done = home.command("call", target)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{target}: {said}")
    assert done.stdout.count("\n") == 1


def test_a_call_that_nobody_answers_ends_after_its_time_to_ring(home: Service, away: Service) -> None:
    done = away.command("call", uri(home), "--ring-timeout", "0.3")
    assert (done.returncode, done.stdout) == (1, f"{uri(home)}: no answer: 408 ring timeout\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [(("call", "sip:[no"), 2), (("call", "tel:+4930"), 2), (("hangup", "0"), 1), (("answer", "0"), 1)],
)
def test_what_the_service_refuses_is_one_line_and_2_where_none_could_do_it(
    home: Service, words: tuple[str, ...], code: int
) -> None:
    done = home.command(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(r"sipactors: .+\n", done.stderr)


def test_wrong_usage_is_exit_code_2(home: Service) -> None:
    done = home.command("call", uri(home), "--play", "/no/such/file.wav")
    assert (done.returncode, done.stdout) == (2, "")
    assert "/no/such/file.wav" in done.stderr


def test_a_ringing_call_is_listed_answered_listed_again_and_hung_up(
    home: Service, away: Service, events: EventStream
) -> None:
    assert home.command("calls").stdout == "no calls\n"
    with program(away, "call", uri(home), "--json") as call:
        received = next_event(events, "CallReceived", [])
        (listed,) = home.json("calls")
        assert set(listed) == set(CallInfo._fields)
        assert (listed["call"], listed["direction"], listed["answered"]) == (received.call, "in", 0.0)
        done = home.command("answer", received.call, "--echo")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        call.wait_for('"CallAnswered"')
        (listed,) = home.json("calls")
        assert listed["answered"] >= listed["since"] > 0
        heading, line = home.command("calls").stdout.splitlines()
        assert heading.split() == ["ID", "DIRECTION", "STATE", "REMOTE", "LOCAL", "TALKING"]
        assert line.split()[:2] == [received.call, "in"]
        assert home.command("hold", received.call[:16]).returncode == 0
        heard(events, "CallHoldChanged", call=received.call, local=True)
        assert "  held by us  " in home.command("calls").stdout
        figures = home.json("stats", received.call)
        assert (figures["call"], figures["encoding"], figures["lost"]) == (received.call, "PCMU", 0)
        assert home.command("hangup", received.call).returncode == 0
        assert call.end() == 0
        assert records(call.shown)[-1]["by"] == "remote"
    assert home.json("calls") == away.json("calls") == []


@pytest.mark.parametrize("answered", [False, True])
def test_ctrl_c_on_a_call_hangs_up_and_its_progress_is_seen_on_a_terminal(
    home: Service, away: Service, events: EventStream, answered: bool
) -> None:
    with program(away, "call", uri(home), terminal=True) as call:
        call.wait_for(re.escape(f"\r\x1b[K{uri(home)}: ringing, ") + r"\d s")
        received = next_event(events, "CallReceived", [])
        if answered:
            assert home.command("answer", received.call, "--echo").returncode == 0
            call.wait_for(r"\r\x1b\[K[^\r\n]*: talking, [1-9]\d* s")
        call.type(CTRL_C)
        assert call.end() == (0 if answered else 1)
        last = call.shown.rpartition("\r\x1b[K")[2]
        assert re.fullmatch(
            re.escape(uri(home)) + (r": ended by local after \d+ s; .*\r\n" if answered else r": cancelled.*\r\n"), last
        )
    ended = next_event(events, "CallEnded", [])
    assert (ended.outcome, ended.by) == ("answered" if answered else "cancelled", "remote")
    assert home.json("calls") == away.json("calls") == []


def heard(events: EventStream, kind: str, **fields: Any) -> None:
    """Wait until this happens."""
    while True:
        event = next_event(events, kind, [])
        if all(getattr(event, name) == value for name, value in fields.items()):
            return


def test_keys_do_something_in_a_call_and_its_line_tells_how_it_goes(
    home: Service, away: Service, events: EventStream
) -> None:
    with program(away, "call", uri(home), "--play", "tone:dial", "--loop", terminal=True) as call:
        usual = call.settings
        received = next_event(events, "CallReceived", [])
        assert home.command("answer", received.call, "--echo").returncode == 0
        call.wait_for("keys: 0-9")
        call.wait_for(r"talking, \d+ s  PCMU lost \d+\.\d% jitter \d+ ms MOS \d\.\d in #+\.+ out #+\.")
        assert call.settings != usual
        call.type(b"5")
        heard(events, "CallDigitReceived", digit="5")
        call.type(b"h")
        call.wait_for(": held, ")
        heard(events, "CallHoldChanged", remote=True)
        call.type(b"h")
        call.wait_for(": talking, ")
        call.type(b"m")
        call.wait_for(": talking, muted, ")
        call.type(b"m")
        call.wait_for(r": talking, \d")
        call.type(b"tbob@127.0.0.1")
        call.wait_for("bob@127.0.0.1")
        call.type(b"\x1bq")
        assert call.end() == 0
        assert call.settings == usual
    assert re.search(r"ended by local after \d+ s; .*\r\n$", call.shown)
    heard(events, "CallEnded", call=received.call)


def test_t_transfers_a_call_and_an_answered_one_has_the_same_keys(
    home: Service, away: Service, events: EventStream
) -> None:
    with program(away, "call", uri(home), "--json") as caller:
        received = next_event(events, "CallReceived", [])
        with program(home, "answer", received.call[:20], terminal=True) as answered:
            answered.wait_for("talking, ")
            answered.type(b"t" + uri(away).encode() + b"\r")
            heard(events, "CallTransferProgressed", call=received.call)
            answered.type(b"q")
            assert answered.end() == 0
        caller.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminal_is_as_it_was_whatever_ends_a_call(home: Service, away: Service, number: int) -> None:
    with program(home, "call", uri(away), terminal=True) as call:
        usual = call.settings
        call.wait_for("talking, ")
        assert call.settings != usual
        call.process.send_signal(number)
        assert call.end() == 0
        assert call.settings == usual


def test_a_stopped_call_leaves_the_terminal_to_the_shell_and_takes_it_again(home: Service, away: Service) -> None:
    # A shell with job control, which gives a job the terminal and takes it when the job is stopped.
    shell = 'set -m; "$@"; echo stopped; read; fg; echo over'
    with program(home, "call", uri(away), terminal=True, shell=shell) as call:
        usual = call.settings
        call.wait_for("talking, ")
        assert call.settings != usual
        call.type(CTRL_Z)
        call.wait_for("stopped\r\n")
        assert call.settings == usual
        call.type(b"\r")
        call.wait_for("talking, ")
        assert call.settings != usual
        call.type(b"q")
        call.wait_for(r"ended by local .*\r\nover\r\n")
        assert call.end() == 0
        assert call.settings == usual


def test_ctrl_c_ends_a_call_to_somebody_silent_who_cannot_ring_later(home: Service) -> None:
    with Callee() as callee:
        with program(home, "call", callee.uri, terminal=True) as call:
            invite = callee.receive("INVITE ")
            call.wait_for("calling, ")
            call.type(CTRL_C)
            assert call.end() == 1
            assert call.shown.endswith(f"\r\x1b[K{callee.uri}: cancelled: 487\r\n")
        assert home.json("calls") == []
        callee.reply(invite, 180, "Ringing")
        callee.reply(callee.receive("CANCEL "), 200, "OK")
        callee.reply(invite, 487, "Request Terminated")
        callee.receive("ACK ")


def test_a_call_to_somebody_silent_ends_after_its_time_to_ring(home: Service) -> None:
    with Callee() as callee:
        done = home.command("call", callee.uri, "--ring-timeout", "0.2")
        assert (done.returncode, done.stdout) == (1, f"{callee.uri}: no answer: 408 ring timeout\n")


def test_sigterm_ends_a_call_as_ctrl_c_does(home: Service, away: Service) -> None:
    with program(home, "call", uri(away), "--json") as call:
        call.wait_for('"CallAnswered"')
        call.process.send_signal(signal.SIGTERM)
        assert call.end() == 0
    assert home.json("calls") == away.json("calls") == []


def test_events_go_on_until_ctrl_c_and_those_kept_can_be_read_again(home: Service, away: Service) -> None:
    with program(home, "events", "--since", "0", terminal=True) as watched:
        watched.wait_for(r"\d\d:\d\d:\d\d  1  service started\r\n")
        assert home.command("call", uri(away), "--duration", "0.1").returncode == 0
        watched.wait_for(r"answered, PCMU/8000\r\n")
        watched.wait_for(r"ended by local after \d+ s; RTP packets: .*\r\n")
        watched.type(CTRL_C)
        assert watched.end() == 0
    kept = records(home.command("events", "--json", "--since", "0", "--no-follow").stdout)
    assert [each["seq"] for each in kept] == list(range(1, len(kept) + 1))
    assert kept[0]["type"] == "ServiceStarted"
    assert kept[-1]["type"] == "CallEnded"
    later = records(home.command("events", "--json", "--since", str(kept[-2]["seq"]), "--no-follow").stdout)
    assert later == kept[-1:]


@pytest.mark.parametrize("word", ["options", "ping"])
def test_a_peer_is_asked_whether_it_is_there(home: Service, away: Service, word: str) -> None:
    done = home.command(word, uri(away))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "200 OK")
    answer = home.json(word, uri(away))
    assert (answer["type"], answer["method"], answer["status"]) == ("RequestAnswered", "OPTIONS", 200)


def test_a_subscription_that_is_refused_exits_with_1(home: Service, away: Service) -> None:
    done = home.command("subscribe", uri(away), "nosuch", "--once")
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"ended: 489 Bad Event\n$", done.stdout)


def test_ps_lists_every_actor(home: Service) -> None:
    children = home.json("ps")
    assert {child["name"] for child in children} == set(ACTORS)
    assert {child["state"] for child in children} == {"ready"}
    assert all(set(child) == {"name", "pid", "state", "restarts", "epoch", "since"} for child in children)
    heading, *lines = home.command("ps").stdout.splitlines()
    assert heading.split() == ["NAME", "PID", "STATE", "RESTARTS", "EPOCH", "SINCE"]
    assert {line.split()[0]: int(line.split()[1]) for line in lines} == {each["name"]: each["pid"] for each in children}


def test_stats_tell_of_calls_and_how_they_sounded_and_of_every_actor(home: Service, away: Service) -> None:
    assert home.command("call", uri(away), "--duration", "0.5").returncode == 0
    told: set[tuple[str, str]] = set()
    wanted = {(name, actor) for name in ("cells", "pipe_waiting") for actor in ACTORS if actor != "control"}
    wanted |= {("transactions", "transaction-0"), ("sessions", "media-0"), ("ticks_skipped_total", "media-0")}
    wanted |= {("calls_ended_total", "answered"), ("mos_sum_total", ""), ("jitter_ms_sum_total", "")}
    while not wanted <= told:  # actors tell with their next heartbeat
        figures = home.json("stats")
        told = {(each["name"], each["of"]) for each in figures}
    assert any(name == "calls_sounded_total" for name, _ in told)


def test_a_draining_service_refuses_new_calls_keeps_the_old_and_stop_ends_them(away: Service, tmp_path: Path) -> None:
    with (
        running("--answer", "echo") as service,
        Client(service.run_dir) as client,
        client.events() as events,
        calling(tmp_path, service, "udp", "call_and_wait", 9) as sipp,
    ):
        call = next_event(events, "CallAnswered", []).call
        assert service.command("drain").returncode == 0
        done = away.command("call", uri(service))
        assert done.returncode == 1
        assert re.search(r": unreachable: 503 ", done.stdout)
        done = service.command("call", uri(away))
        refusal = "sipactors: no new calls are taken; there are 1\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", refusal)
        assert [each["call"] for each in service.json("calls")] == [call]
        assert service.command("drain", "--off").returncode == 0
        assert away.command("call", uri(service), "--duration", "0.1").returncode == 0
        done = service.command("stop")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert sipp.wait(timeout=30) == 0  # it got its BYE
        assert service.process.wait(timeout=30) == 0
        done = service.command("calls")
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"sipactors: no service answers in {service.run_dir}; start one with: sipactors run\n"
