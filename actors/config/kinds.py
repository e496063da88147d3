"""What settings are made of: numbers with bounds, the base of all sections, and the error that says what is wrong."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, description="seconds above 0")]
Count = Annotated[int, Meta(ge=1, le=256, description="a number from 1 to 256")]
Bytes = Annotated[int, Meta(ge=0, le=65535, description="bytes from 0 to 65535")]
Percent = Annotated[float, Meta(ge=0, le=100, description="per cent from 0 to 100")]
Dscp = Annotated[int, Meta(ge=0, le=63, description="a number from 0 to 63")]
Port = Annotated[int, Meta(ge=1024, le=65535, description="a port from 1024 to 65535")]


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line: where, what is wrong, what it may be."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the TOML file."""
