"""What every call would play or be recorded into is looked at when the service starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.config import AnswerSection, ConfigError
from actors.configured import check_answer_file
from tests.live.sound import tone, write_wav

ROOT = Path(__file__).parents[2]


def refusal(mode: str, file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        check_answer_file(AnswerSection(mode=mode, file=str(file)))  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_file_that_can_be_played_and_a_folder_that_can_be_written_pass(tmp_path: Path) -> None:
    check_answer_file(AnswerSection(mode="play", file=str(write_wav(tmp_path / "a.wav", tone(440.0, 0.1)))))
    check_answer_file(AnswerSection(mode="record", file=str(tmp_path / "{call}.wav")))
    check_answer_file(AnswerSection(mode="echo"))


def test_a_file_that_is_not_there_or_no_wav_is_refused(tmp_path: Path) -> None:
    assert f"answer.file: {tmp_path / 'gone.wav'}: No such file" in refusal("play", tmp_path / "gone.wav")
    (tmp_path / "text.wav").write_text("hello")
    assert "no RIFF WAVE header" in refusal("play", tmp_path / "text.wav")
    assert "no regular file" in refusal("play", tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path / 'no'} is no folder" in refusal("record", tmp_path / "no" / "a.wav")


def test_the_command_says_it_in_one_line_and_exits_with_2(tmp_path: Path) -> None:
    words = [sys.executable, "supervisor.py", "run", "--run-dir", str(tmp_path / "run"), "--answer", "play:/gone.wav"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sipactors: answer.file: /gone.wav: No such file or directory")
    assert not (tmp_path / "run").exists()
