"""Questions on their way."""

from __future__ import annotations

from actors.control.questions import MAX_QUESTIONS, Questions
from actors.control.records import Calls

ASKER = (b"peer", "1")


def test_a_question_is_answered_when_all_have() -> None:
    questions = Questions(3)
    ref = questions.ask(ASKER, ["dialog-0", "dialog-1"], 5.0, Calls)
    assert ref is not None
    assert questions.holds(ref)
    assert not questions.holds("!key")
    assert questions.answer(ref, "dialog-1", [1, 2]) is None
    assert questions.answer(ref, "dialog-0", [3]) == (ASKER, Calls, [[1, 2], [3]])
    assert questions.answer(ref, "dialog-0", [3]) is None


def test_a_repeated_question_is_asked_once() -> None:
    questions = Questions(3)
    assert questions.ask(ASKER, ["dialog-0"], 5.0, Calls) is not None
    assert questions.ask(ASKER, ["dialog-0"], 5.0, Calls) is None
    assert questions.ask((b"other", "1"), ["dialog-0"], 5.0, Calls) is not None


def test_an_answer_to_a_question_of_an_earlier_start_is_nobodys() -> None:
    ref = Questions(3).ask(ASKER, ["dialog-0"], 5.0, Calls)
    later = Questions(4)
    later.ask(ASKER, ["dialog-0"], 5.0, Calls)
    assert ref is not None
    assert later.holds(ref)
    assert later.answer(ref, "dialog-0", []) is None
    assert len(later) == 1


def test_questions_end_by_time_by_loss_and_at_the_stop() -> None:
    questions = Questions(3)
    for number in range(4):
        questions.ask((b"peer", str(number)), [f"dialog-{number % 2}"], float(number), Calls)
    assert questions.next_deadline == 0.0
    assert questions.expire(0.5) == [(b"peer", "0")]
    assert questions.lose("dialog-1") == [(b"peer", "1"), (b"peer", "3")]
    assert questions.close() == [(b"peer", "2")]
    assert questions.next_deadline is None


def test_questions_are_bounded() -> None:
    questions = Questions(1)
    for number in range(MAX_QUESTIONS):
        assert not questions.full
        questions.ask((b"peer", str(number)), ["dialog-0"], 5.0, Calls)
    assert questions.full
