"""What is wrong with a value, in one line for people: its path, what it is, what it may be."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from actors.config.kinds import Section
from actors.config.whole import Config


def explained(message: str) -> str:
    """Turn msgspec's sentence into: path, what is wrong, what it may be."""
    what, _, where = message.partition(" - at `$")
    keys = [key for key in re.split(r"\.|\[\.\.\.\]|\[\d+\]", where.rstrip("`")) if key]
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        section = _type_at(keys)
        if get_origin(section) is tuple:
            section = get_args(section)[0]
        return f"{'.'.join([*keys, match[1]])}: no such key; it may be {listed(list(get_type_hints(section)))}"
    return f"{'.'.join(keys)}: {_plain(what)}; it may be {allowed(_type_at(keys))}"


def _plain(what: str) -> str:
    words = {
        "`int`": "a whole number",
        "`float`": "a number",
        "`str`": "a string",
        "`array`": "a list",
        "`object`": "a table",
    }
    for name, word in words.items():
        what = what.replace(name, word)
    what = re.sub(r"Invalid enum value (.*)", r"\1 is not known", what)
    return what[0].lower() + what[1:]


def _type_at(keys: list[str]) -> Any:  # noqa: ANN401 - a type expression
    kind: Any = Config
    for key in keys:
        if get_origin(kind) is tuple:  # a list of tables
            kind = get_args(kind)[0]
        kind = get_type_hints(kind, include_extras=True)[key]
    return kind


def allowed(kind: Any) -> str:  # noqa: ANN401
    """What a setting of this type may be, in words."""
    if get_origin(kind) is Annotated:
        return str(next(meta.description for meta in kind.__metadata__ if meta.description))
    if get_origin(kind) is Literal:
        return listed([repr(value) if isinstance(value, str) else str(value) for value in get_args(kind)])
    if get_origin(kind) is dict:
        return f"a table whose values are {allowed(get_args(kind)[1])}"
    if get_origin(kind) is tuple:
        parts = [part for part in get_args(kind) if part is not Ellipsis]
        size = "" if Ellipsis in get_args(kind) else f" of {len(parts)}"
        return "a list of strings" if parts[0] is str else f"a list{size}: each {allowed(parts[0])}"
    if isinstance(kind, type) and issubclass(kind, Section):
        return f"a table with {listed(list(get_type_hints(kind)))}"
    return "true or false" if kind is bool else "a string"


def listed(words: list[str]) -> str:
    """Words as a sentence has them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
