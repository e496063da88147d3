"""The configuration: defaults hold, wrong keys and values are refused in one line that says what they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import layers
from actors.config import Config, ConfigError, control_address, listeners, load, parse_listener, tls
from actors.transport.settings import Listener


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "sipactors.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_without_a_file_the_service_listens_on_loopback_only() -> None:
    config = load(None)
    assert config == Config()
    assert listeners(config) == (Listener("udp", "127.0.0.1", 5060), Listener("tcp", "127.0.0.1", 5060))


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        '[service]\nplacement = "thread"\nshards = 2\n[sip]\nlisten = ["udp:[::1]:5070"]\nt1 = 0.1\n'
        '[answer]\nmode = "play"\nfile = "hello.wav"\n[media]\ncodecs = ["PCMA"]\nports = [20000, 20099]\n'
        "[control]\nmax_events = 500\n",
        encoding="utf-8",
    )
    config = load(path)
    assert (config.service.placement, config.service.shards, config.sip.t1) == ("thread", 2, 0.1)
    assert (config.answer.mode, config.answer.file) == ("play", "hello.wav")
    assert (config.media.codecs, config.media.ports, config.control.max_events) == (("PCMA",), (20000, 20099), 500)
    assert listeners(config) == (Listener("udp", "::1", 5070),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sip]\nfoo = 1", ("sip.foo: no such key", "listen", "t1")),
        ("x = 1", ("x: no such key", "service, sip, answer, calls, media")),
        ('[sip]\nt1 = "x"', ("sip.t1: expected a number, got a string", "seconds above 0")),
        ("[sip]\nt1 = -1", ("sip.t1: ", "seconds above 0")),
        (
            '[answer]\nmode = "shout"',
            ("answer.mode: 'shout' is not known", "'echo', 'play', 'record', 'ring', 'workers' or 'none'"),
        ),
        ('[answer]\nmode = "play"', ("answer.file: missing", "WAV")),
        ('[answer]\nmedia = "application"', ("answer.media: application", "'echo'", "ring or workers")),
        (
            '[[answer.routes]]\nname = "a"\nmode = "echo"\nmedia = "application"',
            ("answer.routes.media: application", "'echo'"),
        ),
        ('[sip]\ndevice = "nowhere0"', ("sip.device: 'nowhere0' is no network device", "lo")),
        ("[sip]\ndscp = 64", ("sip.dscp: ", "a number from 0 to 63")),
        ("[media]\nports = [1, 2]", ("media.ports: ", "a port from 1024 to 65535")),
        ("[media]\nports = [20001, 20000]", ("media.ports: ", "must be above")),
        ('[media]\ncodecs = ["G729"]', ("media.codecs: ", "PCMU, PCMA, G722, opus")),
        ('[sip]\nroutes = ["proxy.example"]', ("sip.routes: 'proxy.example' is no SIP URI", "sip:proxy.example;lr")),
        ('[peers]\ntrusted = ["pbx.example"]', ("peers.trusted: 'pbx.example' is no network", "192.0.2.0/24")),
        ('[[answer.routes]]\nname = "a"\nsources = ["pbx"]', ("answer.routes.sources: 'pbx' is no network",)),
        ('[[answer.routes]]\nname = "a"\n[[answer.routes]]\nname = "a"', ("answer.routes.name: 'a' is there twice",)),
        ('[[answer.routes]]\nname = "a"\naccounts = ["sip:a@b"]', ("there is no account sip:a@b",)),
        ('[answer]\nobey = ["pbx.example"]', ("answer.obey: 'pbx.example' is no network", "192.0.2.0/24")),
        ('[peers]\nrates = {"x" = 1.0}', ("peers.rates: 'x' is no network",)),
        ('[peers]\nrates = {"192.0.2.1" = 0.0}', ("peers.rates: ", "requests a second above 0")),
        ('[peers]\nreach = {"10.0.0.0/8" = "there"}', ("peers.reach: 10.0.0.0/8 = 'there' is no rule", "'learnt'")),
        ('[peers]\nreach = {"10.0.0.0/8" = 5}', ("peers.reach: ", "a table")),
        ('[peers]\nudp_max = {"192.0.2.1" = -1}', ("peers.udp_max: ", "bytes from 0")),
        ('[dns]\nservers = ["ns.example"]', ("dns.servers: 'ns.example' is no address", "ADDRESS:PORT")),
        ('[dns]\nstatic = ["pbx.example A"]', ("dns.static: 'pbx.example A' is no entry", "NAME A ADDRESS")),
        ("[dns]\nfailover_after = -1", ("dns.failover_after: ", "seconds from 0")),
        ("[service]\nshards = 0", ("service.shards: ", "1 to 256")),
        ("sip = 3", ("sip: expected a table", "listen")),
        ("[sip]\nlisten = []", ("sip.listen: no address", "udp:127.0.0.1:5060")),
        ("[sip", ("not TOML",)),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_path_and_what_it_may_be(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, text)
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: No such file"):
        load(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    "text", ["udp:localhost:5060", "sctp:127.0.0.1:1", "udp:127.0.0.1", "udp:::1:5060", "udp:1.2.3.4:70000"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"udp:127\.0\.0\.1:5060"):
        parse_listener(text)


# TLS


def test_tls_is_checked_before_anything_starts(tmp_path: Path) -> None:
    from tests.transport.authority import issue

    assert "tls.certificate: missing" in refusal(tmp_path, '[sip]\nlisten = ["tls:127.0.0.1:0"]')
    assert "tls: /gone/a.pem: no such file" in refusal(tmp_path, '[tls]\ncertificate = "/gone/a.pem"').lower()
    assert "tls.clients: 'some' is not known; it may be 'none'" in refusal(tmp_path, '[tls]\nclients = "some"')
    path = tmp_path / "good.toml"
    certificate = issue(tmp_path, "a.example")
    path.write_text(f'[sip]\nlisten = ["tls:[::1]:5061"]\n[tls]\ncertificate = "{certificate}"\n', encoding="utf-8")
    config = load(path)
    assert listeners(config) == (Listener("tls", "::1", 5061),)
    assert tls(config).certificate == str(certificate)
    path.write_text(f'[[tls.names]]\nname = "b.example"\ncertificate = "{certificate}"\n', encoding="utf-8")
    assert tls(load(path)).names == (("b.example", str(certificate), ""),)
    assert (
        "tls: /gone/b.pem: no such file"
        in refusal(tmp_path, '[[tls.names]]\nname = "b.example"\ncertificate = "/gone/b.pem"').lower()
    )
    assert "tls.names.file: no such key; it may be name, certificate or key" in refusal(
        tmp_path, "[[tls.names]]\nfile = 1"
    )


def test_the_environment_is_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[sip]\nuser = "file"\nt1 = 0.7\n[answer]\nmode = "ring"\n')
    environ = {
        "SIPACTORS_SIP_USER": "100",
        "SIPACTORS_SIP_LISTEN": '["udp:127.0.0.1:0"]',
        "SIPACTORS_ANSWER_MODE": "none",
        "SIPACTORS_CONTROL_MAX_EVENTS": "500",
        "SIPACTORS_RUN_DIR": "/elsewhere",  # not of a section
        "HOME": "/root",
    }
    config = load(path, environ)
    assert (config.sip.user, config.sip.t1, config.sip.listen) == ("100", 0.7, ("udp:127.0.0.1:0",))
    assert (config.answer.mode, config.control.max_events) == ("none", 500)
    assert load(None, environ).sip.user == "100"


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("SIPACTORS_SIP_T1", "soon", ("sip.t1", "seconds above 0")),
        ("SIPACTORS_SIP_T1", "-1", ("sip.t1", "seconds above 0")),
        ("SIPACTORS_SIP_TEA", "1", ("sip.tea", "no such key")),
        ("SIPACTORS_ANSWER_MODE", "shout", ("answer.mode", "'echo'")),
    ],
)
def test_a_variable_that_is_wrong_is_refused_like_a_line_of_the_file(
    variable: str, text: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: text})
    assert all(word in str(caught.value) for word in words)


def test_an_address_for_clients_is_tcp_with_a_number() -> None:
    assert control_address("tcp:127.0.0.1:5070") == "tcp://127.0.0.1:5070"
    assert control_address("tcp:[::1]:0") == "tcp://[::1]:0"
    for wrong in ("udp:127.0.0.1:1", "tcp:host:1", "tcp:1.2.3.4:70000", "127.0.0.1:5070"):
        with pytest.raises(ConfigError, match=r"control\.listen"):
            control_address(wrong)


def test_what_is_asked_of_sound_is_told_to_who_offers_it_and_who_sends_it(tmp_path: Path) -> None:
    """The length of packets is the descriptions' affair; comfort noise that and media's."""
    file = tmp_path / "sipactors.toml"
    file.write_text("[media]\nptime = 40\ncomfort_noise = true\n")
    whole = load(file)
    assert (layers.dialog(whole).ptime, layers.dialog(whole).comfort_noise) == (40, True)
    assert layers.media(whole).comfort_noise
