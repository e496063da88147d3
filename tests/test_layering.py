"""Who may import whom: the walls of the house, checked on every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {"transport", "transaction", "dialog", "media", "control"}
BELOW = {  # layers never import upward, so an actor speaks the language of the layer below it
    "transport": set[str](),
    "transaction": {"transport"},
    "dialog": {"transaction", "transport", "media"},
    "media": set[str](),
    "control": {"dialog", "media"},  # of media, how the audio channel looks
}
IMPURE = {"socket", "select", "selectors", "zmq", "pykka", "threading", "multiprocessing", "subprocess", "asyncio"}
CLOCKS = {"time", "random", "secrets", "datetime"}
SHELLS = {  # the impure files: they own descriptors, files or the user's process; all others are pure
    "transport": {"actor", "sockets", "resolver", "finder", "network", "counters", "datagrams", "acceptor"}
    | {"connection", "connections", "takeover", "beginning", "secure", "keeping", "outward", "inward", "sending"},
    "transaction": {"actor", "observing"},
    "dialog": {"actor", "shared_pages"},
    "media": {"device_actor", "driver", "lines", "sound"}
    | {"actor", "engine", "sockets", "record", "ring", "recordings", "disk", "wav", "player", "streams", "audio_doors"}
    | {"wire", "uring", "floor", "intake", "pacing", "plays", "restoring", "moves"}
    | {"held", "commands", "devices", "helpers", "audio_channel"},
    "control": {
        "actor",
        "connecting",
        "sockets",
        "store",
        "client",
        "async_client",
        "audio",
        "async_audio",
        "audio_lines",
        "keys",
        "metrics",
        "front",
        "trace",
        "cli_asking",
        "cli_calls",
        "cli_figures",
        "cli_playing",
        "cli_service",
        "cli_sound",
        "cli",
        "follow",
        "console",
        "render",
    },
}


def modules() -> list[Path]:
    return sorted((ROOT / "actors").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module a file names in an import, as a dotted name; functions' own imports too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            named = [f"{node.module}.{alias.name}" for alias in node.names if _is_module(node.module, alias.name)]
            if len(named) < len(node.names):  # something of the module itself, too
                yield node.module
            yield from named


def _is_module(package: str, name: str) -> bool:
    base = ROOT.joinpath(*package.split("."), name)
    return base.with_suffix(".py").exists() or base.is_dir()


def place(path: Path) -> str:
    parts = path.relative_to(ROOT / "actors").parts
    return parts[0] if len(parts) > 1 else ""


def pure(path: Path) -> bool:
    return place(path) in LAYERS and path.stem not in SHELLS[place(path)]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_allows(path: Path) -> None:
    where = place(path)
    for name in imports(path):
        if not name.startswith("actors."):
            continue
        target = name.split(".")[1]
        if where in {"sip", "runtime"}:
            assert target == where, f"{where} imports nothing else of ours: {name}"
        elif where in LAYERS and target in LAYERS and target != where:
            assert target in BELOW[where], f"{where} never imports {target}: {name}"
            assert name.split(".")[2].endswith(("events", "commands")), f"of a neighbour only its language: {name}"
            assert not pure(path) or where == "control", f"a pure file knows no neighbour: {name}"
        elif where in LAYERS:
            assert target in {where, "sip", "runtime"}, f"a layer does not know {name}"
            if pure(path) and target == "runtime":
                assert name.startswith("actors.runtime.machine"), f"a pure file uses only machines: {name}"


@pytest.mark.parametrize("path", [p for p in modules() if pure(p)], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_file_takes_now_and_tokens_as_arguments(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path)}
    assert not found & (IMPURE | CLOCKS)


@pytest.mark.parametrize("path", sorted((ROOT / "actors" / "sip").glob("*.py")), ids=lambda path: path.name)
def test_the_vocabulary_stands_on_the_standard_library_alone(path: Path) -> None:
    import sys

    found = {name.split(".")[0] for name in imports(path)} - {"actors"}
    assert found <= sys.stdlib_module_names
    assert not found & (IMPURE | CLOCKS)


def test_every_shell_that_is_named_exists() -> None:
    for layer, names in SHELLS.items():
        assert {path.stem for path in (ROOT / "actors" / layer).glob("*.py")} >= names


def test_only_the_launcher_imports_the_service_and_nothing_imports_the_launcher() -> None:
    for path in modules():
        names = set(imports(path))
        assert "supervisor" not in names
        assert "actors.service" not in names
    assert "actors.service" in set(imports(ROOT / "supervisor.py"))
