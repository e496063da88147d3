"""The tree: what runs, in which process, how it restarts; and `main`, the command `sipactors`."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import click
import structlog

from actors import config as configuration
from actors import layers
from actors.announcement import announce, own_version, treatment
from actors.config import Config, ConfigError
from actors.config.accounts import accounts
from actors.config.hooks import hooked
from actors.configured import configured
from actors.control.cli import Checked, RunOptions, command_line
from actors.control.client import Client
from actors.dialog.accounts import Account
from actors.media.pool import Pool
from actors.runtime.descriptors import SocketSpec, rtp_pool
from actors.runtime.errors import StartupError
from actors.runtime.logs import configure_logs
from actors.runtime.supervision import ChildSpec, Supervisor
from actors.runtime.systemd import Systemd
from actors.sip.vocabulary import host_port
from actors.transport.settings import Listener

__all__ = ["Service", "Supervisor", "main", "run", "tree"]

USAGE = 2
_WINDOWS = 20  # ranges of RTP ports that a call without a service tries


def tree(config: Config, former: tuple[Account, ...] = ()) -> tuple[ChildSpec, ...]:
    """The children. They stop in reverse: dialogs say BYE while all below them serves, and control tells it last.

    Args:
        config: what holds.
        former: the accounts that a reload has removed or changed.
    """
    transactions = tuple(f"transaction-{n}" for n in range(config.service.shards))
    dialogs = tuple(f"dialog-{n}" for n in range(config.service.shards))
    medias = tuple(f"media-{n}" for n in range(config.service.media))
    listeners = configuration.listeners(config)
    devices = ("device",) * config.sound.enabled
    host, pools = media_host(listeners), split(*config.media.ports, parts=len(medias))
    told = layers.dialog(config, former)
    last_bye = 64 * config.sip.t1 + 3.0  # one that nobody answers takes Timer F
    specs = (
        child("control", layers.control(config), dialogs),
        child("transport", layers.transport(config), (*transactions, *dialogs), sockets=sip_sockets(listeners)),
        *(
            child(name, layers.transaction(config), ("transport", upper))
            for name, upper in zip(transactions, dialogs, strict=True)
        ),
        *(
            child(name, layers.media(config), (*dialogs, *devices), sockets=rtp_pool(host, *pool))
            for name, pool in zip(medias, pools, strict=True)
        ),
        *(
            ChildSpec(name=name, start="actors.media.device_actor:main", settings=layers.device(config), peers=medias)
            for name in devices
        ),
        *(
            # Beside those above and below the other shards: for calls that concern both.
            child(name, told, (lower, "transport", *medias, "control", *without(name, dialogs)), shutdown=last_bye)
            for name, lower in zip(dialogs, transactions, strict=True)
        ),
    )
    return tuple(dataclasses.replace(spec, logs=layers.logs(config)) for spec in specs)


def child(name: str, settings: Any, peers: tuple[str, ...], **more: Any) -> ChildSpec:  # noqa: ANN401
    """One process of a layer: its code is in the folder named as the actor, without the number."""
    layer = name.partition("-")[0]
    return ChildSpec(name=name, start=f"actors.{layer}.actor:main", settings=settings, peers=peers, **more)


def without(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """All names but one."""
    return tuple(other for other in names if other != name)


def sip_sockets(listeners: tuple[Listener, ...]) -> tuple[SocketSpec, ...]:
    """What the supervisor opens for the listeners."""
    return tuple(SocketSpec(token(each), each.transport, each.host, each.port) for each in listeners)


def token(listener: Listener) -> str:
    """What the descriptor store calls a listener."""
    return f"{listener.transport}:{host_port(listener.host, listener.port)}"


def media_host(listeners: tuple[Listener, ...]) -> str:
    """The address RTP is bound to: that of the listeners when it is one, else every address of their families."""
    hosts = {each.host for each in listeners}
    if len(hosts) == 1:
        return hosts.pop()
    return "::" if any(":" in host for host in hosts) else "0.0.0.0"  # noqa: S104 - the listeners are on several


def split(first: int, last: int, *, parts: int) -> list[tuple[int, int]]:
    """Cut a range of ports into `parts` of even length, a pair at least each.

    Raises:
        ConfigError: it is too short.
    """
    pool = Pool(first, last, parts)
    if pool.size < 2:
        raise ConfigError(f"media.ports: [{first}, {last}] is too short for {parts} media processes")
    return pool.ranges()


def run(options: RunOptions) -> int:
    """Run the service until it is stopped; its exit code. Wrong settings are one line on stderr and exit code 2."""
    began = time.monotonic()
    try:
        config = configured(options)
        configure_logs(layers.logs(config))
        service = config.service
        supervisor = Supervisor(
            tree(config),
            Path(service.run_dir),
            Path(service.state_dir),
            service.placement,
            on_ready=lambda ready: announce(ready, config, time.monotonic() - began),
            reread=Rereading(options, config),
            systemd=Systemd(os.environ),
        )
        code = supervisor.run()
    except (ConfigError, StartupError) as error:
        return complain(str(error), USAGE)
    return complain(supervisor.failure, code) if supervisor.failure else code


class Rereading:
    """Reads the configuration again for a reload, and remembers accounts: one that is removed leaves as what it was.

    Args:
        options: where it stands.
        config: as it was read first.
    """

    def __init__(self, options: RunOptions, config: Config) -> None:
        self._options = options
        self._service = config.service
        self._accounts = dict.fromkeys(accounts(config.accounts))  # every one that there was, the latest last

    def __call__(self) -> tuple[ChildSpec, ...]:
        """The tree of the configuration as it is now.

        Raises:
            StartupError: it is wrong, or differs in what a running service cannot change.
        """
        try:
            config = configured(self._options)
            now = accounts(config.accounts)
            former = [account for account in self._accounts if account not in now]
            specs = tree(config, tuple(former))
        except ConfigError as error:
            raise StartupError(str(error)) from error
        if config.service != self._service:
            raise StartupError("service: what stands there is changed by a restart only")
        self._accounts = dict.fromkeys((*former, *now))
        return specs


def check(path: Path | None) -> Checked:
    """Whether the configuration of `path` can be used, and what there is in it."""
    try:
        config = configured(RunOptions(path, (), None, None, None))
        tree(config)
    except ConfigError as error:
        return Checked(str(error))
    accounts = [each.aor for each in config.accounts]
    trunks = [each.aor for each in config.accounts if not each.register]
    return Checked(
        "",
        (
            ("file", str(path) if path else "none: every setting has its default"),
            ("listeners", " ".join(map(token, configuration.listeners(config)))),
            ("accounts", " ".join(each for each in accounts if each not in trunks) or "none"),
            ("trunks", " ".join(trunks) or "none"),
            ("answers with", treatment(config)),
            ("codecs", " ".join(config.media.codecs)),
            ("state in", config.service.state_dir),
        ),
    )


@contextmanager
def alone(uri: str, sound: bool) -> Iterator[Path]:
    """A service for one call to `uri`; its run directory. It takes no calls.

    It is threads of this program, which start in less time than processes; with `sound` devices it is processes, where
    that can be: drivers crash and block, and what plays has to be in time whatever else is done.

    Raises:
        click.ClickException: it cannot start.
    """
    host = re.sub(r"(?i)^sips?:([^@]*@)?", "", uri)
    here = "127.0.0.1" if re.match(r"127\.|localhost\b", host) else "::1" if host.startswith("[::1]") else ""
    family = "::" if host.startswith("[") else "0.0.0.0"  # noqa: S104 - nobody else is served: it refuses every call
    listen = tuple(f"{transport}:{host_port(here or family, 0)}" for transport in ("udp", "tcp"))
    placement: Literal["process", "thread"] = "process" if sound and sys.platform == "linux" else "thread"
    with ExitStack() as held:
        for left in reversed(range(_WINDOWS)):
            # Out of the way of a service with its defaults; others alone, or anybody, may have these, too.
            first = 18_400 + 100 * secrets.randbelow(143)
            config = Config(
                service=configuration.ServiceSection(placement=placement),
                sip=configuration.SipSection(listen=listen),
                answer=configuration.AnswerSection(mode="none"),
                media=configuration.MediaSection(ports=(first, first + 99)),
                sound=configuration.SoundSection(enabled=sound),
                log=configuration.LogSection(level="error"),
            )
            try:
                service = held.enter_context(Service(config))
            except StartupError as error:
                if not left:
                    raise click.ClickException(str(error)) from error
            else:
                break
        yield service.run_dir


def complain(text: str, code: int) -> int:
    """One line on stderr."""
    sys.stderr.write(f"sipactors: {text}\n")
    return code


class Service:
    """The service inside another program: entered it runs, left it has ended its calls and stopped.

    Any number of them can run in one program, each with folders and ports of its own; a program that lives on drives
    them by the clients that `client` gives, one for each of its threads::

        with Service(Config(sip=SipSection(listen=("udp:127.0.0.1:5060",)))) as ua:
            with ua.client() as client, client.events() as events:
                call = client.calls.place("sip:bob@192.0.2.4")

    Args:
        config: the settings, or the file they are in. `service.placement` says whether its actors are processes (they
            survive each other, and this program) or threads of this one.
        run_dir: sockets and journals; one of its own below the temporary folder when neither this nor the settings say.
        state_dir: what outlives a restart; inside `run_dir`, and gone with it, when neither says.
        sockets: bound by this program, which keeps its own ends; each serves where the settings name its address.
        outgoing: a function that may change each message that is sent, see actors.sip.hooks; it stands at the top level
            of a module that is not the program's main one, for it is found by its name.
        incoming: one that may drop each message that comes.

    Attributes:
        run_dir: where a client in any program finds it.
        supervisor: runs it; its `addresses` are those that were really taken.

    Raises:
        ConfigError: the settings cannot be used.
    """

    def __init__(
        self,
        config: Config | Path | None = None,
        *,
        run_dir: str | os.PathLike[str] | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        sockets: Iterable[socket.socket] = (),
        outgoing: Callable[..., Any] | str = "",
        incoming: Callable[..., Any] | str = "",
    ) -> None:
        checked = (
            configuration.checked(config) if isinstance(config, Config) else configuration.load(config, os.environ)
        )
        checked = hooked(checked, outgoing, incoming)
        if not structlog.is_configured():  # else this program has its own way with log lines
            configure_logs(layers.logs(checked))
        named, kept = run_dir or checked.service.run_dir, state_dir or checked.service.state_dir
        self._own = not named
        self.run_dir = Path(named or tempfile.mkdtemp(prefix="sipactors-"))
        state = Path(kept) if kept else self.run_dir / "state"
        self.supervisor = Supervisor(tree(checked), self.run_dir, state, checked.service.placement, sockets=sockets)

    def __enter__(self) -> Self:
        """Start it; returns once it serves.

        Raises:
            StartupError: it cannot start.
        """
        try:
            self.supervisor.start()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.supervisor.stop()
        self._clear()

    def _clear(self) -> None:
        if self._own:
            shutil.rmtree(self.run_dir, ignore_errors=True)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, as settings write it: ``udp:127.0.0.1:5060``; of a port 0 the one that it was given."""
        held = self.supervisor.addresses.items()
        tokens = ((token.partition(":")[0], address) for token, address in held)
        return tuple(f"{transport}:{address}" for transport, address in tokens if transport in {"udp", "tcp", "tls"})

    def client(self) -> Client:
        """A new client of it, for one thread.

        Raises:
            NoService: it does not run.
        """
        return Client(self.run_dir)


def main() -> None:
    """The command ``sipactors``."""
    command_line(run, check, alone, own_version())()


if __name__ == "__main__":
    main()
