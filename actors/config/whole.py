"""The whole configuration: its sections together."""

from __future__ import annotations

from actors.config.calling import AccountSection, AnswerSection, AuthSection, CallsSection
from actors.config.kinds import Section
from actors.config.network import DnsSection, PeersSection, SipSection, TlsSection
from actors.config.running import ControlSection, HooksSection, LogSection, ServiceSection
from actors.config.sound import MediaSection, SimulateSection, SoundSection


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, each section a table of the TOML file."""

    service: ServiceSection = ServiceSection()
    sip: SipSection = SipSection()
    answer: AnswerSection = AnswerSection()
    calls: CallsSection = CallsSection()
    media: MediaSection = MediaSection()
    sound: SoundSection = SoundSection()
    simulate: SimulateSection = SimulateSection()
    peers: PeersSection = PeersSection()
    dns: DnsSection = DnsSection()
    tls: TlsSection = TlsSection()
    control: ControlSection = ControlSection()
    log: LogSection = LogSection()
    accounts: tuple[AccountSection, ...] = ()
    auth: AuthSection = AuthSection()
    hooks: HooksSection = HooksSection()
