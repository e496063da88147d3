"""Functions of the application that actors call: known by ``module:function``, so that a restarted actor finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.runtime.prologue import resolve


class PluginError(Exception):
    """There is no such function, or none that another process could find."""


def load(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names.

    Raises:
        PluginError: it cannot be had; why is in it.
    """
    if not all(name.partition(":")):
        raise PluginError(f"{name!r} is not module:function")
    try:
        found: Any = resolve(name)
    except Exception as error:  # whatever the import of an application's module raises
        raise PluginError(f"{name}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise PluginError(f"{name} is no function")
    return found  # type: ignore[no-any-return]


def name_of(function: Callable[..., Any] | str) -> str:
    """The name that leads every process to `function`; a name stays what it is.

    Raises:
        PluginError: it has none: it stands in the program's main module, in a function, or is a lambda.
    """
    if isinstance(function, str):
        return function
    module, path = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or not path or "<" in path:
        raise PluginError(f"{function!r} cannot be imported by name: put it into a module, at its top level")
    return f"{module}:{path}"
