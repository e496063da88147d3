"""The media actor: commands of dialog shards in, the engine's tick on absolute deadlines, events out."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from zlib import crc32

from msgspec.structs import replace

from actors.media import device_events, events
from actors.media.audio_channel import AudioChannel
from actors.media.commands import Commands
from actors.media.devices import Devices
from actors.media.disk import Disk
from actors.media.engine import Engine
from actors.media.facts import Facts
from actors.media.filters import load
from actors.media.held import Held, key_of, name_of
from actors.media.helpers import Helpers
from actors.media.lines import DEVICE, SOUND, Lines
from actors.media.loader import Loader
from actors.media.moves import Moves
from actors.media.real_time import hurry
from actors.media.record import Records
from actors.media.restoring import Left
from actors.media.session import TICKS
from actors.media.settings import MediaSettings
from actors.media.snapshot import ROW
from actors.media.sockets import Ports
from actors.runtime.actor import LayerActor, run
from actors.runtime.channel import Figures
from actors.runtime.context import Context
from actors.runtime.journal import JournalCorrupt
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock

SAMPLES_A_MS = 8
# What may be told of a session that is not here.
_ANEW = frozenset({events.PrepareSession, events.ExpectSession, events.TakeSession})


def phase_of(path: Path) -> float:
    """Seconds by which a process's ticks are behind the clock's: another for each, so that not all tick at once."""
    return crc32(os.fsencode(path)) / 2**32 / TICKS


def random_words(batch: int = 256) -> Callable[[], int]:
    """A stream of random 32-bit numbers, asked of the kernel `batch` at a time."""
    words: list[int] = []

    def word() -> int:
        if not words:
            words.extend(struct.unpack(f"{batch}I", os.urandom(4 * batch)))
        return words.pop()

    return word


class MediaActor(LayerActor):
    """Holds the sessions of its dialog shards: a cell of facts each, and the engine that does the work.

    A cell's key is the session's id. What changes with every packet is in the engine's mapped record. What concerns one
    session is in `commands`, what brings two together, or one to another process, in `moves`.
    """

    accepts: ClassVar = {"dialog": events.FromDialog, "device": device_events.ToMedia}
    cell_type: ClassVar = Facts

    def started(self) -> None:
        """Open the ports and take up what a predecessor left: its next packets are due at once."""
        context = self.context
        settings: MediaSettings = context.settings
        disk, loader = Disk(folder=settings.folder), Loader(settings.folder)
        number = int(context.name.partition("-")[2])
        given = {token: each.fd for token, each in context.channel.descriptors.items()}
        self._ports = Ports(given, settings.pool, number, settings.dscp)
        self._records = Records(context.run_dir / "media" / context.name / "sessions", len(self._ports), ROW)
        self._engine = self._made(settings, disk, loader)
        lines = Lines(context.run_dir / SOUND, context.name)
        self._devices = Devices(lines, self._engine, self.tell, present=DEVICE in context.peers)
        self._helpers = Helpers(self.name, disk, loader)
        self._held = Held(self.cells, self._engine, self._ports, self._devices, self._helpers, self.tell, self.defer)
        self._commands = Commands(self._held)
        hand_over = context.channel.hand_over
        self._moves = Moves(self._held, hand_over, self._commands, self.handle, clock())
        self._orders = {**self._commands.orders, **self._moves.orders}
        self._audio = AudioChannel(context, self.mailbox, self.log, self._engine)
        if settings.real_time and context.placement == "process" and (why := hurry()):
            self.log.warning("no_real_time", why=why)
        self._restore()
        self._moves.arrive(clock())

    def _made(self, settings: MediaSettings, disk: Disk, loader: Loader) -> Engine:
        if settings.network is not None:
            self.log.warning("bad_network", **settings.network._asdict())
        return Engine(
            self._ports,
            self._records,
            disk,
            loader,
            random_words(),
            settings.jitter * SAMPLES_A_MS,
            inband=settings.inband_keys,
            talk=settings.talk_events,
            suppress=settings.comfort_noise,
            network=settings.network,
            process=load(settings.filter) if settings.filter else None,
            phase=phase_of(self._records.path),
        )

    def _restore(self) -> None:
        """Go on with a predecessor's sessions; those that are lost are told of."""
        found = self._found()
        for session, reason in self._engine.restore(found, clock()).items():
            self.log.error("session_lost", session=session, reason=reason)
            self._held.end(key_of(session), found[session].owner, events.SessionLost(session, reason))
        self._audio.settle(self._engine.sessions.values())
        for session, facts in found.items():
            if session not in self._engine.sessions:
                continue
            if facts.moving is None:
                self._held.go_on(facts)
            else:  # it was on its way out when that one was killed
                self._helpers.need(facts.record, None)
                self._moves.let_go(key_of(session), facts, facts.moving)

    def _found(self) -> dict[str, Facts]:
        """The sessions of a predecessor that go on; of others the end is told, or it is waited for them."""
        found: dict[str, Facts] = {}
        for key in tuple(self.cells):
            try:
                facts: Facts = self.cells.get(key)
            except JournalCorrupt:
                self.defer(self.cells.get, key)  # raises again, in a step that quarantines it
                continue
            if self._moves.takes_up(key, facts):
                continue
            if facts.closing:
                self._held.end(key, facts.owner, events.SessionClosed(name_of(key), 0, 0, 0, 0.0))
            else:
                found[name_of(key)] = facts
        return found

    # The pacing.

    def next_wake(self) -> float | None:
        """The next tick's deadline, or when to try again to open a door, or to go on with what comes."""
        due = (self._engine.next_wake(), self._audio.due, self._moves.due)
        return min((each for each in due if each is not None), default=None)

    def wake(self, now: float) -> None:
        """A tick is due, or a door is, or a session that comes from elsewhere."""
        self._audio.wake(now)
        if self._moves.due is not None:
            self._moves.arrive(now)
        if (tick := self._engine.next_wake()) is None or tick > now:
            return
        self._devices.read()
        self._engine.tick(now, time.time())
        self._commands.listen()
        self._audio.tick()
        self._tell_events()
        self._moves.lead_home(now)

    def figures(self) -> Figures:
        """What every actor counts, the sessions, and what went wrong with their packets here."""
        engine = self._engine
        counted = {
            "sessions": len(engine.sessions),
            "ticks_skipped_total": engine.skipped,
            "rtp_send_errors_total": engine.floor.send_errors,
            "rtp_receive_errors_total": engine.floor.receive_errors,
            "audio_frames_lost_total": self._audio.lost,
            "audio_malformed_total": self._audio.dropped,
            "device_frames_unsent_total": self._devices.unsent,
        }
        return *super().figures(), *((name, "actor", self.name, value) for name, value in counted.items())

    def _tell_events(self) -> None:
        """What the tick brought about, to the sessions' owners and into their cells."""
        for session, event in self._engine.take_events():
            self._happened(key_of(session), event)

    def _happened(self, key: bytes, event: Event) -> None:
        facts: Facts | None = self.cells.get(key)
        if facts is None:
            return
        if self._is_inward(key, facts, event):
            return
        self.tell(facts.owner, event)
        if isinstance(event, events.Bridged):
            self.cells.put(key, replace(facts, bridge=self._engine.bridge_of(event.session)))
        elif isinstance(event, events.DigitReceived) and facts.bridge is not None and facts.bridge[1]:
            self._moves.pass_on(facts.owner, event)
        elif isinstance(event, events.Noticed):
            self.log.warning("media", session=event.session, kind=event.kind, notice=event.text)
        elif isinstance(event, events.PlayFinished):
            play, queued = (facts.queued[0], facts.queued[1:]) if facts.queued else (None, ())
            self.cells.put(key, replace(facts, play=play, queued=queued, plays=(facts.plays + bool(play)) & 0xFFFF))
        elif isinstance(event, events.RecordFailed):
            self.cells.put(key, replace(facts, record=None))

    def _is_inward(self, key: bytes, facts: Facts, event: Event) -> bool:
        """Take what is more, or less, than news for the owner."""
        if isinstance(event, events.SessionClosed | events.SessionLost):
            self._held.end(key, facts.owner, event)
        elif isinstance(event, events.KeysPressed):
            self.cells.put(key, replace(facts, keys=()))
        elif isinstance(event, Left):
            if facts.moving is not None:
                self._moves.export(key, facts, facts.moving, event.rows)
        else:
            return False
        return True

    # Commands.

    def handle(self, peer: str, message: events.FromDialog | device_events.ToMedia, now: float) -> None:
        """One command; a session that is not there is refused, or closed already."""
        key = key_of(message.session)
        facts: Facts | None = self.cells.get(key)
        if isinstance(message, device_events.LineNoticed):
            self._happened(key, events.Noticed(message.session, message.kind, message.text))
        elif facts is not None and facts.coming is not None and type(message) not in _ANEW:
            self._moves.wait(key, facts, message, now)
        elif type(message) in _ANEW or (facts is not None and not facts.closing and facts.moving is None):
            self._orders[type(message)](peer, key, facts, message, now)
            self._tell_events()
            self._moves.lead_home(now)
        elif facts is None and isinstance(message, events.CloseSession):
            self.tell(peer, events.SessionClosed(message.session, 0, 0, 0, 0.0))
        elif facts is None:
            self.tell(peer, events.SessionRefused(message.session, "no such session"))

    def descriptors_given(self, tokens: tuple[str, ...], now: float) -> None:
        """Sockets of a session that comes, or of ours that are back."""
        descriptors = self.context.channel.descriptors
        self._moves.ports_given({token: descriptors[token].fd for token in tokens}, now)

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        """A session has not come."""
        self._moves.expire(key)

    # Ends.

    def peer_reset(self, peer: str, now: float) -> None:
        """The dialog shard lost all it held: nobody owns these sessions any more. The device is told of its lines."""
        for key in tuple(self.cells):
            self.defer(self._lose, key, peer, now)  # each a step of its own, so that one that breaks stops no other

    def _lose(self, key: bytes, peer: str, now: float) -> None:
        facts: Facts | None = self.cells.get(key)
        if facts is None:
            return
        if peer == DEVICE:
            if facts.device is not None:
                self._devices.connect(facts.owner, facts.device)
        elif facts.owner == peer:
            self.cells.delete(key)
            self._held.drop(name_of(key), now, time.time())

    def spoiled(self, key: bytes, cell: Facts | None, error: BaseException, now: float) -> None:
        """A step of a session raised, or its cell cannot be read: the session ends."""
        session = name_of(key)
        self._held.drop(session, now, time.time())
        lost = events.SessionLost(session, f"{type(error).__name__}: {error}")
        # Who owned a cell that cannot be read is not known; a shard that does not know the session takes no notice.
        for owner in self.context.peers if cell is None else (cell.owner,):
            self.tell(owner, lost)

    def on_stop(self) -> None:
        """Finish the recordings and free the ports."""
        super().on_stop()
        self._engine.finish()
        self._helpers.stop()
        self._audio.close()
        self._devices.close()
        self._records.close()
        self._ports.close()


def main(context: Context) -> None:
    """Run a media process."""
    run(MediaActor, context)
