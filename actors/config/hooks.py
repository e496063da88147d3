"""Hooks of an embedding program or a configuration file: found when the service starts, and known by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from actors.config import Config, ConfigError, HooksSection
from actors.runtime.plugins import PluginError, load, name_of


def check_hooks(hooks: HooksSection) -> None:
    """See now that the functions of the application are there.

    Raises:
        ConfigError: one is not.
    """
    for field, name in (("outgoing", hooks.outgoing), ("incoming", hooks.incoming)):
        try:
            if name:
                load(name)
        except PluginError as error:
            raise ConfigError(f"hooks.{field}: {error}") from error


def hooked(config: Config, outgoing: Callable[..., Any] | str, incoming: Callable[..., Any] | str) -> Config:
    """The configuration with functions of the embedding program for hooks, where they are given.

    Raises:
        ConfigError: one cannot be found by its name.
    """
    try:
        given = {"outgoing": name_of(outgoing), "incoming": name_of(incoming)}
    except PluginError as error:
        raise ConfigError(f"hooks: {error}") from error
    given = {field: name for field, name in given.items() if name}
    config = msgspec.structs.replace(config, hooks=msgspec.structs.replace(config.hooks, **given))
    check_hooks(config.hooks)
    return config
