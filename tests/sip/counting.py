"""Counting the work of reading: the instructions that the interpreter runs, and the bytes that each of them allocates.

A copy of the rest in each turn of a loop shows in the bytes. What is not counted, the work inside expressions, is
linear since none of them gives back what it took: :func:`giving_back` finds those that may.
"""

from __future__ import annotations

import itertools
import re._constants as constants
import re._parser as parser
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from actors.sip import RemoteProtocolError

MESSAGES = (15_000, 30_000, 60_000)  # characters: as long as a message may be
LINES = (4_000, 8_000)  # as long as a header line may be
COPIED = (1_000, 2_000)  # bytes cost more to count


def run(act: Callable[[], object], opcode: Callable[[], None]) -> None:
    """Run `act` with `opcode` called before each of its instructions; that it refuses its data is as good."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            opcode()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except RemoteProtocolError:
        pass
    finally:
        sys.settrace(before)


def steps(act: Callable[[], object]) -> int:
    """How many instructions `act` runs."""
    count = itertools.count()
    run(act, count.__next__)
    return next(count)


def copied(act: Callable[[], object]) -> int:
    """How many bytes the instructions of `act` allocate, one by one."""
    size = last = 0

    def opcode() -> None:
        nonlocal size, last
        now, peak = tracemalloc.get_traced_memory()
        size += max(0, peak - last)
        last = now
        tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        run(act, opcode)
    finally:
        tracemalloc.stop()
    return size


def assert_linear(
    act: Callable[[Any], object], make: Callable[[int], Any], sizes: Sequence[int], copies: Sequence[int] = ()
) -> None:
    """Hold the work against the size: instructions over `sizes`, bytes over `copies`, each twice the one before."""
    for size in (*sizes, *copies):
        with suppress(RemoteProtocolError):
            act(make(size))  # what is remembered from call to call is warm now
    for count, sizes_of, slack in ((steps, sizes, 500), (copied, copies, 50_000)):
        inputs = [make(size) for size in sizes_of]
        counts = [count(lambda data=data: act(data)) for data in inputs]
        for less, more in itertools.pairwise(counts):
            assert more <= 2.3 * less + slack, (count, counts)


def giving_back(parsed: Any) -> Iterator[Any]:
    """The repeats without an upper bound that may give back what they took, but for a last one, wherever they stand."""
    for operator, argument in parsed:
        if operator in (constants.MAX_REPEAT, constants.MIN_REPEAT) and argument[1] is constants.MAXREPEAT:
            yield argument
        for inner in argument if isinstance(argument, (tuple, list)) else ():
            if isinstance(inner, parser.SubPattern):
                yield from giving_back(inner)
            elif isinstance(inner, list):
                for branch in inner:
                    if isinstance(branch, parser.SubPattern):
                        yield from giving_back(branch)


def is_plain(parsed: Any) -> bool:
    """Whether an expression is one repeat of single characters: there is nothing it could try again."""
    if len(parsed) != 1:
        return False
    ((_, (_, _, inner)),) = parsed
    return len(inner) == 1 and inner[0][0] in (constants.IN, constants.LITERAL, constants.ANY)
