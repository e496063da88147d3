"""The terminal while a call is followed: the line is drawn on a terminal alone, and cannot be steered by a peer."""

from __future__ import annotations

import io
import os
import pty
import select
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from actors.control.console import Console


@pytest.fixture
def screen() -> Iterator[tuple[int, TextIO, TextIO]]:
    """What the terminal shows, and both ends of a program on it."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", closefd=False) as drawn, os.fdopen(slave, "r") as typed:
        yield master, drawn, typed
    os.close(master)


def test_the_line_is_drawn_once_for_each_change_without_what_steers_a_terminal(
    screen: tuple[int, TextIO, TextIO],
) -> None:
    master, drawn, _ = screen
    with Console(drawn, io.StringIO()) as console:
        assert (console.drawing, console.keyed, console.keys()) == (True, False, "")
        assert console.width == 79
        console.show("ringing\x1b")
        console.show("ringing\x1b")
        console.clear()
        console.clear()
        print("over", end="", file=drawn, flush=True)
    shown = b""
    while not shown.endswith(b"over"):
        shown += os.read(master, 4096)
    assert shown == b"\r\x1b[Kringing?\r\x1b[Kover"


def test_the_line_is_drawn_while_drivers_are_loaded_and_stderr_points_elsewhere(
    screen: tuple[int, TextIO, TextIO],
) -> None:
    master, drawn, _ = screen
    with Console(drawn, io.StringIO()) as console, Path(os.devnull).open("w") as nothing:
        kept = os.dup(drawn.fileno())
        os.dup2(nothing.fileno(), drawn.fileno())  # as sounddevice does
        assert console.width == 79
        console.show("ringing")
        console.say("the card is gone")
        os.dup2(kept, drawn.fileno())
        os.close(kept)
    shown = b""
    while not shown.endswith(b"gone\r\n"):
        shown += os.read(master, 4096)
    assert shown == b"\r\x1b[Kringing\r\x1b[Kthe card is gone\r\n"


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    file = io.StringIO()
    with Console(file, io.StringIO()) as console:
        console.show("ringing")
        assert (file.getvalue(), console.drawing) == ("", False)
        console.say("the card is gone")
    assert file.getvalue() == "the card is gone\n"


def test_keys_come_one_by_one_and_the_terminal_is_set_back(screen: tuple[int, TextIO, TextIO]) -> None:
    master, drawn, typed = screen
    usual = termios.tcgetattr(master)
    with suppress(KeyError), Console(drawn, typed) as console:
        assert not termios.tcgetattr(master)[3] & (termios.ICANON | termios.ECHO)
        os.write(master, b"5")
        select.select([typed], [], [], 30.0)
        assert console.keys() == "5"
        assert console.keys() == ""
        raise KeyError
    assert termios.tcgetattr(master) == usual
