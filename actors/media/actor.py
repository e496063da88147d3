"""The media actor: commands of dialog shards in, the engine's tick on absolute deadlines, events out."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

from msgspec.structs import replace

from actors.media import device_events, events, ring_back
from actors.media.audio_doors import AudioDoors, Listener
from actors.media.audio_events import Open
from actors.media.device_events import BELL, RING_BACK
from actors.media.disk import Disk
from actors.media.engine import Engine
from actors.media.facts import Facts
from actors.media.filters import load
from actors.media.lines import DEVICE, SOUND, Lines
from actors.media.loader import Loader
from actors.media.moves import PATIENCE, Moves, key_of, name_of
from actors.media.real_time import hurry
from actors.media.record import Records
from actors.media.restoring import Left
from actors.media.session import TICKS
from actors.media.settings import MediaSettings
from actors.media.snapshot import ROW
from actors.media.sockets import Ports
from actors.media.streams import Streams
from actors.runtime.actor import run
from actors.runtime.audit import Audit
from actors.runtime.channel import Figures
from actors.runtime.context import Context
from actors.runtime.doors import AGAIN
from actors.runtime.journal import JournalCorrupt
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock

SAMPLES_A_MS = 8
# Commands that wait for their keys to be pressed.
_MOST_KEYS = 32
# What may be told of a session that is not here.
_ANEW = frozenset({events.PrepareSession, events.ExpectSession, events.TakeSession})
# Files and tones that wait to be played.
_MOST_PLAYS = 100
# Seconds an ordered stop waits for the disk.
_FLUSH_TIMEOUT = 3.0


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


class MediaActor(Moves):
    """Holds the sessions of its dialog shards: a cell of facts each, and the engine that does the work.

    A cell's key is the session's id. What changes with every packet is in the engine's mapped record.
    """

    accepts: ClassVar = {"dialog": events.FromDialog, "device": device_events.ToMedia}
    cell_type: ClassVar = Facts

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._writer: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._door_at: float | None = None  # when to try again to open one that is missing
        self._unheard: set[str] = set()  # sessions of calls out whose devices wait for the peer's first packet
        self._commands: dict[type[Event], Callable[[str, bytes, Any, Any, float], None]] = {
            events.PrepareSession: self._on_prepare,
            events.StartSession: self._on_start,
            events.Play: self._on_play,
            events.StopPlaying: self._on_stop_playing,
            events.PausePlaying: self._on_pause,
            events.SeekPlaying: self._on_seek,
            events.Record: self._on_record,
            events.Echo: self._on_echo,
            events.UseDevice: self._on_device,
            events.SendDigits: self._on_digits,
            events.JoinBridge: self._on_join,
            events.ExpectSession: self._on_expect,
            events.MoveSession: self._on_move,
            events.TakeSession: self._on_take,
            events.LeaveBridge: self._on_leave,
            events.CloseSession: self._on_close,
        }

    def started(self) -> None:
        """Open the ports and take up what a predecessor left: its next packets are due at once."""
        context = self.context
        settings: MediaSettings = context.settings
        self._disk = Disk(folder=settings.folder)
        self._loader = Loader(settings.folder)
        self._lines = Lines(context.run_dir / SOUND, context.name)
        number = int(context.name.partition("-")[2])
        self._ports = Ports(
            {token: each.fd for token, each in context.channel.descriptors.items()}, settings.pool, number
        )
        self._stray = dict.fromkeys(self._ports.strangers(), clock() + 2 * PATIENCE)
        self._records = Records(context.run_dir / "media" / context.name / "sessions", len(self._ports), ROW)
        target = settings.jitter * SAMPLES_A_MS
        inband = settings.inband_keys
        self._engine = Engine(
            self._ports,
            self._records,
            self._disk,
            self._loader,
            random_words(),
            target,
            inband=inband,
            talk=settings.talk_events,
            suppress=settings.comfort_noise,
            network=settings.network,
            process=load(settings.filter) if settings.filter else None,
            phase=phase_of(self._records.path),
        )
        if settings.network is not None:
            self.log.warning("bad_network", **settings.network._asdict())
        self._open_streams()
        if settings.real_time and context.placement == "process" and (why := hurry()):
            self.log.warning("no_real_time", why=why)
        found = self._found()
        for session, reason in self._engine.restore(found, clock()).items():
            self.log.error("session_lost", session=session, reason=reason)
            self._end(key_of(session), found[session].owner, events.SessionLost(session, reason))
        self._streams.settle(self._engine.sessions.values())
        for session, facts in found.items():
            if session in self._engine.sessions:
                self._resumed(session, facts)
        self._arrive(clock())

    def _found(self) -> dict[str, Facts]:
        """The sessions of a predecessor that go on; of others the end is told, or it is waited for them."""
        found: dict[str, Facts] = {}
        for key in tuple(self.cells):
            try:
                facts: Facts = self.cells.get(key)
            except JournalCorrupt:
                self.defer(self.cells.get, key)  # raises again, in a step that quarantines it
                continue
            if facts.coming is not None:
                if facts.coming.state:
                    self._coming.add(name_of(key))
            elif facts.exported and facts.moving is not None:
                self.defer(self._hand_over, key, facts.port, facts.moving)
            elif facts.closing:
                self._end(key, facts.owner, events.SessionClosed(name_of(key), 0, 0, 0, 0.0))
            else:
                found[name_of(key)] = facts
                self._may_write(facts.record)
                self._may_read(facts.play)
        return found

    def _resumed(self, session: str, facts: Facts) -> None:
        """A session goes on that a predecessor had."""
        if facts.moving is not None:  # it was on its way out when that one was killed
            self._let_go(key_of(session), facts, facts.moving)
        elif facts.device is not None:
            self._connect(facts.owner, facts.device)

    def _went_on(self, facts: Facts) -> None:
        self._may_write(facts.record)
        self._may_read(facts.play)
        if facts.device is not None:
            self._connect(facts.owner, facts.device)

    def _open_streams(self) -> None:
        """The audio channel, whose messages are taken between ticks."""
        engine, run_dir = self._engine, self.context.run_dir
        path = run_dir / self.name.replace("media", "audio", 1)
        self._audit = Audit(self.context.state_dir / "audit.log")
        doors = AudioDoors(path, self._audio_address(), self.context.state_dir / "keys", clock)
        self._streams = Streams(doors, engine.floor.spoken, engine.of_call, engine.tapped, self._note_down)
        self._audio = self._streams.filenos()[0]
        self._watch_audio(self._audio)
        self._doors = doors
        self._watch_remote()
        if doors.missing:
            self.log.warning("no audio for other machines yet", error=doors.missing)

    def _watch_audio(self, fd: int) -> None:
        self.mailbox.watch(fd, self._streams.receive, edge=True)
        self.mailbox.again(fd)  # what came before is no news

    def _watch_remote(self) -> None:
        """Serve the door for other machines, or try again to open it."""
        remote = self._doors.remote
        if remote is not None:
            self._remote = remote
            self.log.info("listening", address=remote.address)
            self._watch_audio(remote.fileno())
            for fd in remote.filenos_of_comers():
                self.mailbox.watch(fd, self._asked_in)
        self._door_at = clock() + AGAIN if self._doors.missing else None

    def _audio_address(self) -> str:
        """The ports behind that of the control API are the media processes', in their order."""
        host, _, port = self.context.settings.listen.rpartition(":")
        number = int(self.name.partition("-")[2])
        return f"{host}:{int(port) and int(port) + 1 + number}" if host else ""

    def _asked_in(self, _now: float) -> bool:
        self._remote.let_in()
        return False

    def _note_down(self, listener: Listener, wanted: Open) -> None:
        """Somebody is refused the audio of a call. A disk that refuses is told of, and stops nobody."""
        try:
            self._audit.write(listener.name, "Audio", "denied", call=wanted.call)
        except OSError as error:
            self.log.warning("the audit log cannot be written", error=str(error))

    # The pacing.

    def next_wake(self) -> float | None:
        """The next tick's deadline, or when to try again to open a door."""
        tick, door = super().next_wake(), self._door_at
        return tick if door is None else door if tick is None else min(tick, door)

    def wake(self, now: float) -> None:
        """A tick is due, or a door is, or a session that comes from elsewhere."""
        if self._door_at is not None and self._door_at <= now:
            self._doors.open_remote()
            self._watch_remote()
        if self._coming:
            self._arrive(now)
        if (tick := self._engine.next_wake()) is None or tick > now:
            return
        self._lines.read()
        self._engine.tick(now, time.time())
        if self._unheard:
            self._listen()
        if self._streams.tick():
            self.mailbox.again(self._audio)
        self._tell_events()
        if self._ports.leaving or self._stray:
            self._lead_home(now)

    def figures(self) -> Figures:
        """What every actor counts, the sessions, and what went wrong with their packets here."""
        engine = self._engine
        counted = {
            "sessions": len(engine.sessions),
            "ticks_skipped_total": engine.skipped,
            "rtp_send_errors_total": engine.floor.send_errors,
            "rtp_receive_errors_total": engine.floor.receive_errors,
            "audio_frames_lost_total": self._streams.lost,
            "audio_malformed_total": self._streams.dropped,
            "device_frames_unsent_total": self._lines.unsent,
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
            self._pass_on(facts.owner, event)
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
            self._end(key, facts.owner, event)
        elif isinstance(event, events.KeysPressed):
            self.cells.put(key, replace(facts, keys=()))
        elif isinstance(event, Left):
            if facts.moving is not None:
                self._export(key, facts, facts.moving, event.rows)
        else:
            return False
        return True

    def _end(self, key: bytes, owner: str, event: Event) -> None:
        self.cells.delete(key)
        self._disconnect(name_of(key))
        self.tell(owner, event)

    # Commands.

    def handle(self, peer: str, message: events.FromDialog | device_events.ToMedia, now: float) -> None:
        """One command; a session that is not there is refused, or closed already."""
        key = key_of(message.session)
        facts: Facts | None = self.cells.get(key)
        if isinstance(message, device_events.LineNoticed):
            self._happened(key, events.Noticed(message.session, message.kind, message.text))
            return
        if facts is not None and facts.coming is not None and type(message) not in _ANEW:
            self._wait(key, facts, message, now)
        elif type(message) in _ANEW or (facts is not None and not facts.closing and facts.moving is None):
            self._commands[type(message)](peer, key, facts, message, now)
            self._tell_events()
            if self._ports.leaving:
                self._lead_home(now)
        elif facts is None and isinstance(message, events.CloseSession):
            self.tell(peer, events.SessionClosed(message.session, 0, 0, 0, 0.0))
        elif facts is None:
            self.tell(peer, events.SessionRefused(message.session, "no such session"))

    def _on_prepare(
        self, peer: str, key: bytes, facts: Facts | None, message: events.PrepareSession, now: float
    ) -> None:
        if facts is None:
            if ":" in message.host and not self._ports.v6:
                self.tell(peer, events.SessionRefused(message.session, "the RTP ports are of IPv4"))
                return
            session = self._engine.prepare(message.session, now, message.call)
            if session is None:
                self.tell(peer, events.SessionRefused(message.session, "no RTP ports are left"))
                return
            facts = Facts(peer, session.pair.port, message.host, session.identity, call=message.call)
            self.cells.put(key, facts)
        self.tell(peer, events.SessionPrepared(message.session, facts.host, facts.port))

    def _on_start(self, peer: str, key: bytes, facts: Facts, message: events.StartSession, now: float) -> None:
        try:
            self._engine.start(message.session, message, now)
        except ValueError as error:
            self.tell(peer, events.SessionRefused(message.session, str(error)))
            return
        if facts.device is not None and facts.device.device == events.RING:
            facts = replace(facts, device=None)
            self._disconnect(message.session)
        self.cells.put(key, replace(facts, start=message))

    def _on_play(self, peer: str, key: bytes, facts: Facts, message: events.Play, _now: float) -> None:
        self._may_read(message)
        waits = message.queue and facts.play is not None
        if waits and len(facts.queued) >= _MOST_PLAYS:
            self.tell(peer, events.PlayFinished(message.session, message.path, "too many files wait to be played"))
            return
        self._engine.play(message.session, message)
        if waits:
            self.cells.put(key, replace(facts, queued=(*facts.queued, message)))
        else:
            plays = self._engine.sessions[message.session].plays
            self.cells.put(key, replace(facts, play=message, queued=(), plays=plays, paused=False))

    def _on_stop_playing(self, _peer: str, key: bytes, facts: Facts, message: events.StopPlaying, _now: float) -> None:
        self.cells.put(key, replace(facts, play=None, queued=(), paused=False))
        self._engine.stop(message.session)

    def _on_pause(self, _peer: str, key: bytes, facts: Facts, message: events.PausePlaying, _now: float) -> None:
        self.cells.put(key, replace(facts, paused=message.paused))
        self._engine.pause(message.session, message.paused)

    def _on_seek(self, _peer: str, _key: bytes, _facts: Facts, message: events.SeekPlaying, _now: float) -> None:
        self._engine.seek(message.session, message.position)

    def _on_record(self, _peer: str, key: bytes, facts: Facts, message: events.Record, now: float) -> None:
        self.cells.put(key, replace(facts, record=message if message.path else None))
        self._may_write(message)
        self._engine.record(message.session, message, now)

    def _on_echo(self, _peer: str, key: bytes, facts: Facts, message: events.Echo, _now: float) -> None:
        self.cells.put(key, replace(facts, echo=True))
        self._engine.echo(message.session)

    def _on_device(self, peer: str, key: bytes, facts: Facts, message: events.UseDevice, _now: float) -> None:
        device = ring_back.following(facts.device, message)
        if message.stage and device == facts.device:
            return
        self.cells.put(key, replace(facts, device=device))
        if device is None:
            self._disconnect(message.session)
        else:
            self._connect(peer, device)

    def _listen(self) -> None:
        """Whoever of the unheard said something is heard from now on, and hears."""
        for session in [each for each in self._unheard if self._lines.open(each).heard]:
            key = key_of(session)
            facts: Facts = self.cells.get(key)
            assert facts.device is not None
            device = ring_back.heard(facts.device)
            self.cells.put(key, replace(facts, device=device))
            self._connect(facts.owner, device)

    def _connect(self, owner: str, message: events.UseDevice) -> None:
        """Lead a session to the sound device, where there is one."""
        session = message.session
        if DEVICE not in self.context.peers:
            if message.stage:
                return  # it is told of once the call is up
            text = "the service has no sound device: enabled = true in [sound] of its configuration gives it one"
            self.tell(owner, events.Noticed(session, "device_failed", text))
            return
        line = self._lines.open(session)
        if message.device == events.RING:
            self.tell(DEVICE, device_events.OpenLine(session, tone=BELL))
            return
        self._engine.connect(session, line)
        source, _, sink = message.device.partition(":")
        if message.stage:
            self._unheard.add(session)
        else:
            self._unheard.discard(session)
        if message.stage != events.EARLY:
            tone = RING_BACK if message.stage else ""
            self.tell(DEVICE, device_events.OpenLine(session, source, sink, tone))

    def _disconnect(self, session: str) -> None:
        self._unheard.discard(session)
        if self._lines.drop(session):
            self.tell(DEVICE, device_events.CloseLine(session))

    def _on_digits(self, peer: str, key: bytes, facts: Facts, message: events.SendDigits, _now: float) -> None:
        if len(facts.keys) >= _MOST_KEYS:
            self.tell(peer, events.Noticed(message.session, "keys_dropped", "too many keys wait to be pressed"))
            return
        self.cells.put(key, replace(facts, keys=(*facts.keys, message)))
        self._engine.press(message.session, message.digits.upper(), message.duration)

    def _on_close(self, peer: str, key: bytes, facts: Facts, message: events.CloseSession, now: float) -> None:
        closed = self._engine.close(message.session, now, time.time())
        if closed is None:
            # The recording is being ended; the tick tells when it is.
            self.cells.put(key, replace(facts, closing=True))
        else:
            self._end(key, peer, closed)

    def _may_write(self, record: events.Record | None) -> None:
        """The helper thread lives from the first recording on."""
        if record is not None and self._writer is None:
            self._writer = threading.Thread(target=self._disk.run, name=f"{self.name}-disk", daemon=True)
            self._writer.start()

    def _may_read(self, play: events.Play | None) -> None:
        """The helper thread that reads lives from the first file on."""
        if play is not None and self._reader is None:
            self._reader = threading.Thread(target=self._loader.run, name=f"{self.name}-files", daemon=True)
            self._reader.start()

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
                self._connect(facts.owner, facts.device)
        elif facts.owner == peer:
            self.cells.delete(key)
            self._drop(name_of(key), now)

    def spoiled(self, key: bytes, cell: Facts | None, error: BaseException, now: float) -> None:
        """A step of a session raised, or its cell cannot be read: the session ends."""
        session = name_of(key)
        self._drop(session, now)
        lost = events.SessionLost(session, f"{type(error).__name__}: {error}")
        # Who owned a cell that cannot be read is not known; a shard that does not know the session takes no notice.
        for owner in self.context.peers if cell is None else (cell.owner,):
            self.tell(owner, lost)

    def _drop(self, session: str, now: float) -> None:
        self._disconnect(session)
        if session in self._engine.sessions:
            self._engine.close(session, now, time.time())

    def on_stop(self) -> None:
        """Finish the recordings and free the ports."""
        super().on_stop()
        self._engine.finish()
        if self._writer is not None:
            self._disk.stop()
            self._writer.join(_FLUSH_TIMEOUT)
        if self._reader is not None:
            self._loader.stop()
        self._streams.close()
        self._lines.close()
        self._records.close()
        self._ports.close()


def main(context: Context) -> None:
    """Run a media process."""
    run(MediaActor, context)
