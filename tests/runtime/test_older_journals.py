"""A cell of another version of the software, which nobody can read: its key is named, it is gone, all else goes on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from actors.control.actor import ControlActor
from actors.control.settings import ControlSettings
from actors.dialog import events as dialog
from actors.dialog.actor import DialogActor
from actors.dialog.settings import DialogSettings
from actors.media import device_events
from actors.media import events as media
from actors.media.actor import MediaActor
from actors.media.device_actor import DeviceActor
from actors.media.settings import DeviceSettings, MediaSettings
from actors.runtime.actor import LayerActor
from actors.runtime.channel import Descriptor
from actors.runtime.journal import Changes, Journal
from actors.runtime.mailbox import clock
from actors.transaction import events as transaction
from actors.transaction.actor import TransactionActor
from actors.transaction.settings import TransactionSettings
from actors.transport import events as transport
from actors.transport import kept
from actors.transport.actor import TransportActor
from actors.transport.settings import TransportSettings
from tests.media.rig import pair
from tests.runtime.dying import Times
from tests.runtime.harness import Harness

FOREIGN = msgspec.msgpack.encode({"of": "another version"})

# What each actor's keys begin with: every kind of cell that it has.
ACTORS: dict[type[LayerActor], tuple[str, Any, dict[str, Any], list[bytes]]] = {
    TransportActor: (
        "transport",
        TransportSettings(listen=()),
        {"transaction-0": transport.ToTransaction, "dialog-0": transport.ToDialog},
        [
            kept.PAUSE_KEY,
            kept.HOLD_KEY,
            kept.COUNTERS_KEY,
            kept.NETWORK_KEY,
            kept.stream_key("a"),
            kept.chunk_key("a", 7),
            kept.ALIVE + b"x",
            kept.WANTED + b"x",
        ],
    ),
    TransactionActor: (
        "transaction-0",
        TransactionSettings(),
        {"transport": transport.FromTransaction, "dialog-0": transaction.ToUser},
        [b"c:z9hG4bK1:INVITE", b"s:z9hG4bK1:host:INVITE", b"m:1", b"g:1", b"l:1"],
    ),
    DialogActor: (
        "dialog-0",
        DialogSettings(shards=1, media=1),
        {
            "transport": transport.FromDialog,
            "transaction-0": transaction.FromUser,
            "media-0": media.FromDialog,
            "control": dialog.ToControl,
        },
        [mark + b"0123456789" for mark in (b"p", b"n", b"s", b"k", b"g", b"r", b"q", b"m", b"0", b"")],
    ),
    MediaActor: ("media-0", MediaSettings(), {"dialog-0": media.ToDialog}, [b"one", b"two"]),
    DeviceActor: ("sound", DeviceSettings(), {"media-0": device_events.ToMedia}, [b"one", b"two"]),
    ControlActor: (
        "control",
        ControlSettings(shards=1),
        {"dialog-0": dialog.FromControl},
        [b"p1", b"k1", b"c1", b"w1", b"t", b"e" + bytes(8)],
    ),
}


def left(folder: Path, keys: list[bytes], deadline: float | None, epoch: int = 2) -> None:
    """Put cells into a journal as another version of the actor may have left it."""
    journal = Journal(folder, epoch=epoch)
    changes = Changes()
    changes.cells = dict.fromkeys(keys, (FOREIGN, deadline))
    journal.commit(changes)
    journal.close()


@pytest.mark.parametrize("due", [True, False])
@pytest.mark.parametrize("actor", ACTORS)
def test_an_actor_starts_over_cells_that_it_cannot_read_and_serves(
    tmp_path: Path, actor: type[LayerActor], due: bool
) -> None:
    name, settings, peers, keys = ACTORS[actor]
    with Harness(actor, name, settings, peers=peers, tmp_path=tmp_path) as it:
        it.settle()
        assert it.stop() == 0
    left(tmp_path / "run" / "journal" / f"{name}.mdb", keys, clock() - 1.0 if due else None)
    shutil.rmtree(tmp_path / "run" / "peers")  # all neighbours lost what they held: whatever was theirs is over
    with Harness(actor, name, settings, peers=peers, tmp_path=tmp_path, epoch=3) as it:
        it.settle()
        assert it.stop() == 0


def test_a_line_of_sound_that_cannot_be_read_is_told_to_media_and_keeps_no_other_open(tmp_path: Path) -> None:
    name, settings, peers, _ = ACTORS[DeviceActor]
    journal = tmp_path / "run" / "journal" / f"{name}.mdb"
    with Harness(DeviceActor, name, settings, peers=peers, tmp_path=tmp_path) as it:
        it.send("media-0", device_events.OpenLine("a"), device_events.OpenLine("z"))
        it.wait_for(lambda: len(it.actor.cells) == 2, "the lines")
        it.stop()
    left(journal, [b"k"], None)
    with Harness(DeviceActor, name, settings, peers=peers, tmp_path=tmp_path, epoch=3) as it:
        while (told := it.expect("media-0", device_events.LineNoticed)).session != "k":
            """Of lines on a machine that has no card."""
        assert (told.kind, "JournalCorrupt" in told.text) == ("device_failed", True)
        it.stop()
    left(journal, [b"k"], None, epoch=4)
    shutil.rmtree(tmp_path / "run" / "peers")
    with Harness(DeviceActor, name, settings, peers=peers, tmp_path=tmp_path, epoch=5) as it:
        it.wait_for(lambda: not len(it.actor.cells), "the end of all")
        assert it.stop() == 0


def test_sessions_of_a_shard_that_lost_all_it_held_end_though_one_cannot_be_read(tmp_path: Path) -> None:
    sockets = [sock for _ in range(2) for sock in pair("127.0.0.1")]

    def served(epoch: int) -> Harness:
        held = {f"rtp:{sock.getsockname()[1]}": Descriptor(os.dup(sock.fileno()), b"") for sock in sockets}
        peers = {"dialog-0": media.ToDialog}
        return Harness(
            MediaActor, "media-0", MediaSettings(), peers=peers, tmp_path=tmp_path, epoch=epoch, descriptors=held
        )

    with served(1) as it:
        it.send("dialog-0", media.PrepareSession("a", "127.0.0.1"), media.PrepareSession("z", "127.0.0.1"))
        it.wait_for(lambda: len(it.actor.cells) == 2, "the sessions")
        it.stop()
    left(tmp_path / "run" / "journal" / "media-0.mdb", [b"k"], None)
    shutil.rmtree(tmp_path / "run" / "peers")
    with served(3) as it:
        it.wait_for(lambda: not len(it.actor.cells), "the end of all")
        it.send("dialog-0", media.PrepareSession("b", "127.0.0.1"), media.PrepareSession("c", "127.0.0.1"))
        for _ in range(2):  # their ports are free
            it.expect("dialog-0", media.SessionPrepared)
        assert it.stop() == 0
    for sock in sockets:
        sock.close()


class Reading(LayerActor):
    """Reads all its cells when it starts."""

    cell_type: ClassVar = Times

    def started(self) -> None:
        for key in self.cells.keys():  # noqa: SIM118 - not a dict
            self.cells.get(key)

    def handle(self, peer: str, message: object, now: float) -> None:  # noqa: ARG002
        raise AssertionError("it has no peers")

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        raise AssertionError(f"nobody armed {key!r}")


def test_a_cell_that_keeps_an_actor_from_starting_does_so_once(tmp_path: Path) -> None:
    with Harness(Reading, "reading", peers={}, tmp_path=tmp_path) as it:
        it.stop()
    left(tmp_path / "run" / "journal" / "reading.mdb", [b"k"], None)
    failing = Harness(Reading, "reading", peers={}, tmp_path=tmp_path, epoch=3)
    try:
        with pytest.raises(AssertionError, match="snapshot of cell b'k' is corrupt"):
            failing.__enter__()
    finally:
        failing.__exit__(None, None, None)
    with Harness(Reading, "reading", peers={}, tmp_path=tmp_path, epoch=4) as it:
        assert not len(it.actor.cells)
        it.stop()
