"""What each layer is told, from the service's configuration: one function a layer."""

from __future__ import annotations

import logging
from pathlib import Path

from actors import config as configuration
from actors.config import AnswerSection, Config, RouteSection, SimulateSection
from actors.config.accounts import accounts, users
from actors.control.settings import ControlSettings
from actors.dialog.accounts import Account, Accounts
from actors.dialog.settings import Answer, DialogSettings, Route
from actors.media.network import Network
from actors.media.pool import Pool
from actors.media.settings import DeviceSettings, MediaSettings
from actors.runtime.logs import Logs
from actors.transaction.settings import TransactionSettings
from actors.transport.settings import TransportSettings


def transport(config: Config) -> TransportSettings:
    """Of the one transport process."""
    sip, dns, peers = config.sip, config.dns, config.peers
    listeners, (first, last) = configuration.listeners(config), config.media.ports
    return TransportSettings(
        listen=listeners,
        held=len(listeners) + last + 1 - first,
        shards=config.service.shards,
        max_requests=sip.max_requests,
        max_connections=sip.max_connections,
        trusted=peers.trusted,
        known=peers.known,
        allow=peers.allow,
        deny=peers.deny,
        rates=peers.rates,
        scanners=peers.scanners,
        reach=peers.reach,
        udp_max=sip.udp_max,
        udp_max_of=tuple(peers.udp_max.items()),
        failed_for=dns.failed_for,
        failover_after=dns.failover_after,
        dns_servers=dns.servers,
        dns_static=dns.static,
        dns_timeout=dns.timeout,
        tls=configuration.tls(config),
        dscp=sip.dscp,
        device=sip.device,
        hook=config.hooks.incoming,
    )


def transaction(config: Config) -> TransactionSettings:
    """Of every transaction shard."""
    sip = config.sip
    return TransactionSettings(
        t1=sip.t1,
        t2=sip.t2,
        t4=sip.t4,
        trying_after=sip.trying_after,
        timeout=sip.timeout,
        timer_d=sip.timer_d,
        realm=config.auth.realm,
        exempt=Accounts(accounts(config.accounts)).addresses,
        max_machines=sip.max_transactions,
    )


def dialog(config: Config, former: tuple[Account, ...] = ()) -> DialogSettings:
    """Of every dialog shard; `former` are the accounts that a reload has removed or changed."""
    service, sip = config.service, config.sip
    return DialogSettings(
        shards=service.shards,
        media=service.media,
        user=sip.user,
        user_agent=sip.user_agent,
        answer=_answer(config.answer, config.answer.obey),
        incoming=tuple([_route(section) for section in config.answer.routes]),
        ring_timeout=sip.ring_timeout,
        max_duration=config.calls.max_duration,
        session_expires=config.calls.session_expires,
        methods=config.calls.methods,
        refer=config.calls.refer,
        refer_hosts=config.calls.refer_hosts,
        refer_replaces=config.calls.refer_replaces,
        replaces=config.calls.replaces,
        codecs=config.media.codecs,
        ptime=config.media.ptime,
        comfort_noise=config.media.comfort_noise,
        srtp=config.media.srtp,
        srtp_suites=config.media.srtp_suites,
        srtp_in_clear=config.media.srtp_in_clear,
        max_calls=max(1, sip.max_calls // service.shards),
        routes=sip.routes,
        t1=sip.t1,
        t2=sip.t2,
        accounts=accounts(config.accounts),
        former=former,
        realm=config.auth.realm,
        users=users(config.auth),
        ring=config.sound.enabled and bool(config.sound.ring),
        packages=sip.packages,
        hook=config.hooks.outgoing,
    )


def media(config: Config) -> MediaSettings:
    """Of every media process."""
    section = config.media
    return MediaSettings(
        jitter=section.jitter,
        inband_keys=section.inband_keys,
        talk_events=section.talk_events,
        comfort_noise=section.comfort_noise,
        real_time=section.real_time,
        folder=absolute(section.folder),
        listen=configuration.control_address(config.control.listen),
        network=_network(config.simulate),
        filter=absolute(section.filter),
        pool=Pool(*section.ports, config.service.media) if config.service.media > 1 else None,
        dscp=section.dscp,
    )


def _network(section: SimulateSection) -> Network | None:
    """The bad network that is simulated; None where nothing of it is asked for."""
    if section == SimulateSection(seed=section.seed, burst=section.burst):
        return None
    return Network(
        section.loss / 100,
        section.burst,
        section.jitter,
        section.reorder / 100,
        section.duplicate / 100,
        section.drift,
        section.seed,
    )


def device(config: Config) -> DeviceSettings:
    """Of the sound device's process."""
    sound = config.sound
    return DeviceSettings(
        input=sound.input, output=sound.output, ring=sound.ring, echo_cancellation=sound.echo_cancellation
    )


def control(config: Config) -> ControlSettings:
    """Of the one control process."""
    section = config.control
    return ControlSettings(
        shards=config.service.shards,
        max_events=section.max_events,
        ring_timeout=section.ring_timeout,
        unclaimed_after=config.answer.unclaimed_after if _worked(config) else 0.0,
        worker_routes=_worked(config),
        listen=configuration.control_address(section.listen),
        folders=tuple(map(absolute, section.folders)),
    )


def absolute(path: str) -> str:
    """A path that means the same in every child; the empty one stays empty."""
    return str(Path(path).absolute()) if path else ""


def logs(config: Config) -> Logs:
    """What every process writes."""
    return Logs(getattr(logging, config.log.level.upper()), config.log.format == "json")


def _answer(section: AnswerSection | RouteSection, obey: tuple[str, ...] = ()) -> Answer:
    """What the user agent does with a call in: that a worker is asked for is control's affair."""
    mode = "ring" if section.mode == "workers" else section.mode
    return Answer(mode=mode, path=absolute(section.file), obey=obey, media=section.media)


def _route(section: RouteSection) -> Route:
    return Route(
        name=section.name,
        users=section.users,
        numbers=section.numbers,
        accounts=section.accounts,
        sources=section.sources,
        answer=_answer(section),
    )


def _worked(config: Config) -> tuple[str, ...]:
    """The names of the routes whose calls a worker is to claim, the empty one for calls that take none."""
    default = ("",) if config.answer.mode == "workers" else ()
    return (*default, *[section.name for section in config.answer.routes if section.mode == "workers"])
