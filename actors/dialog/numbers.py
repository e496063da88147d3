"""How numbers are written: the rules of a trunk. Pure.

A rule is for numbers that begin with its prefix; it cuts `strip` characters off and puts `add` before what is left. The
first rule that is for a number is applied, once; a number that none is for stays, as do users that are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

_number = re.compile(r"\+?[0-9*#.()-]*[0-9*#][0-9*#.()-]*").fullmatch
_separators = str.maketrans("", "", "-.()")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How numbers are written.

    Attributes:
        prefix: what a number begins with that the rule is for; empty for any.
        strip: characters to cut off its beginning.
        add: characters to put before the rest.
    """

    prefix: str = ""
    strip: int = 0
    add: str = ""


def written(number: str, rules: Iterable[Rule]) -> str:
    """A number as the rules want it, its visual separators (RFC 3966 s5.1.1) gone where one is for it."""
    if not _number(number):
        return number
    plain = number.translate(_separators)
    for rule in rules:
        if plain.startswith(rule.prefix):
            return rule.add + plain[rule.strip :]
    return number
