"""Settings from environment variables, over those of the file: ``SIPACTORS_SIP_USER=alice`` is ``[sip] user``. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

PREFIX = "SIPACTORS_"


def overridden(data: Mapping[str, Any], environ: Mapping[str, str], config: type) -> dict[str, Any]:
    """The tables of a file with what the environment says over them.

    Texts stand as they are; other values are written as in TOML: ``SIPACTORS_SIP_LISTEN='["udp:192.0.2.7:5060"]'``.
    A variable of no section is somebody else's; a key that its section has not is refused like one of the file.

    Args:
        data: the tables of the file.
        environ: the environment.
        config: the type of the whole, a table an attribute.
    """
    tables = {name: dict(table) if isinstance(table, dict) else table for name, table in data.items()}
    sections = get_type_hints(config)
    for variable, text in environ.items():
        section, _, key = variable.removeprefix(PREFIX).lower().partition("_")
        kind = sections.get(section)
        if not variable.startswith(PREFIX) or not key or not hasattr(kind, "__struct_fields__"):
            continue
        table = tables.setdefault(section, {})
        if isinstance(table, dict):  # else the file is wrong, and told so
            table[key] = _value(text, get_type_hints(kind).get(key))
    return tables


def _value(text: str, kind: Any) -> Any:  # noqa: ANN401
    if kind is str or (get_origin(kind) is Literal and all(isinstance(each, str) for each in get_args(kind))):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # refused with what it may be
