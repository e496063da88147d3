"""Functions of the application are known by names that lead every process to them, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.runtime.plugins import PluginError, load, name_of


def here() -> None:
    """A function at the top level of a module."""


class Kind:
    """A class with a function in it."""

    @staticmethod
    def inside() -> None:
        """A static method has a name, too."""


def test_a_name_leads_to_its_function_and_back() -> None:
    for function in (here, Kind.inside):
        assert load(name_of(function)) is function
    assert name_of("any:thing") == "any:thing"


def test_what_stands_in_a_function_or_in_the_main_module_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner() -> None:
        pass

    with pytest.raises(PluginError, match="put it into a module"):
        name_of(inner)
    monkeypatch.setattr(here, "__module__", "__main__")
    with pytest.raises(PluginError, match="put it into a module"):
        name_of(here)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_colon", "is not module:function"),
        ("os:", "is not module:function"),
        ("nowhere.at_all:f", "ModuleNotFoundError"),
        ("os:nothing", "AttributeError"),
        ("os:sep", "is no function"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(name: str, why: str) -> None:
    with pytest.raises(PluginError, match=why):
        load(name)


def test_a_module_that_breaks_when_it_is_imported_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_hook.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match="broken_hook:f: ZeroDivisionError: division by zero"):
        load("broken_hook:f")
