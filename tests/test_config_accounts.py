"""Accounts in the configuration: what is refused, and where a secret comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import config, layers
from actors.config import ConfigError
from actors.config.accounts import accounts
from actors.dialog.accounts import Account

MINIMAL = '[[accounts]]\naor = "sip:alice@example.com"\n'


def read(folder: Path, text: str) -> tuple[Account, ...]:
    file = folder / "sipactors.toml"
    file.write_text(text, encoding="utf-8")
    return accounts(config.load(file).accounts)


def test_an_address_of_record_is_enough(tmp_path: Path) -> None:
    (account,) = read(tmp_path, MINIMAL)
    assert (account.registrar, account.username, account.expires) == ("sip:example.com", "alice", 3600)
    assert account.hosts == ("example.com",)


def test_ports_and_ipv6_stay_in_the_registrar(tmp_path: Path) -> None:
    (account,) = read(tmp_path, '[[accounts]]\naor = "sip:alice@[2001:db8::1]:5070"\n')
    assert account.registrar == "sip:[2001:db8::1]:5070"


def test_a_password_comes_from_the_file_itself_another_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wonderland\nmore\n")
    monkeypatch.setenv("ALICE_PASSWORD", "wonderland")
    for line in ('password = "wonderland"', f'password_file = "{secret}"', 'password_env = "ALICE_PASSWORD"'):
        (account,) = read(tmp_path, MINIMAL + line)
        assert account.secret.value == "wonderland"
        assert "wonderland" not in repr(account)


def test_an_ha1_serves_its_one_realm(tmp_path: Path) -> None:
    (account,) = read(tmp_path, f'{MINIMAL}ha1 = "{"A" * 32}"\nrealms = ["example.com"]\n')
    assert account.ha1("example.com", "MD5") == "a" * 32
    assert account.ha1("example.com", "SHA-256") is None
    assert account.ha1("elsewhere", "MD5") is None


def test_the_dialog_layer_is_told_and_the_section_shows_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "sipactors.toml"
    file.write_text(f'{MINIMAL}password = "wonderland"\n')
    whole = config.load(file)
    assert [account.aor for account in layers.dialog(whole).accounts] == ["sip:alice@example.com"]
    assert "wonderland" not in repr(whole)
    assert "wonderland" not in repr(layers.dialog(whole))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("aor = 1", "accounts.aor"),
        ('aor = "alice"', "accounts.aor: 'alice'"),
        ('aor = "sip:example.com"', "accounts.aor"),
        ('aor = "sip:a@b"\nnonsense = 1', "accounts.nonsense: no such key"),
        ('aor = "sip:a@b"\nregistrar = "b"', "accounts.registrar"),
        ('aor = "sip:a@b"\nexpires = 1', "accounts.expires"),
        ('aor = "sip:a@b"\nq = "2"', "accounts.q"),
        ('aor = "sip:a@b"\ninstance = "x"', "accounts.instance"),
        ('aor = "sip:a@b"\noutbound = true', "accounts.outbound"),
        ('aor = "sip:a@b"\ncontact = "a b"', "accounts.contact"),
        ('aor = "sip:a@b"\npeers = ["a b"]', "accounts.peers"),
        ('aor = "sip:a@b"\ndisplay_name = "a\\nb"', "accounts.display_name"),
        ('aor = "sip:a@b"\npassword = "x"\nha1 = "y"', "password and ha1"),
        ('aor = "sip:a@b"\nha1 = "xyz"\nrealms = ["b"]', "accounts.ha1"),
        (f'aor = "sip:a@b"\nha1 = "{"0" * 32}"', "accounts.realms"),
        ('aor = "sip:a@b"\npassword_file = "/nowhere"', "password_file: /nowhere"),
        ('aor = "sip:a@b"\npassword_env = "NOT_THERE_AT_ALL"', "password_env: NOT_THERE_AT_ALL"),
        ('aor = "sip:a@b"\n[[accounts]]\naor = "sip:a@b"', "twice"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[[accounts]]\n{text}\n")
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def test_users_of_a_realm_are_told_to_both_layers_and_show_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "sipactors.toml"
    file.write_text('[auth]\nrealm = "here"\n[[auth.users]]\nname = "alice"\npassword = "wonderland"\n')
    whole = config.load(file)
    assert layers.transaction(whole).realm == "here"
    told = layers.dialog(whole)
    assert (told.realm, [user.name for user in told.users]) == ("here", ["alice"])
    assert "wonderland" not in repr(whole) + repr(told)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[auth]\nrealm = "here"', "auth.users"),
        ('[auth]\nrealm = "here"\n[[auth.users]]\nname = "alice"', "no password"),
        ('[auth]\nrealm = "a\\"b"\n[[auth.users]]\nname = "a"\npassword = "x"', "auth.realm"),
        ('[[auth.users]]\nnonsense = "a"', "auth.users.nonsense"),
    ],
)
def test_a_realm_without_users_or_passwords_is_refused(tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "sipactors.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        layers.dialog(config.load(file))
    assert where in str(caught.value)


def test_more_registrars_are_uris_and_may_be_shown_the_secret(tmp_path: Path) -> None:
    (account,) = read(tmp_path, MINIMAL + 'registrars = ["sip:two.example.com", "sip:two.example.com"]\n')
    assert account.registrars == ("sip:two.example.com",)
    assert account.hosts == ("example.com", "two.example.com")
    with pytest.raises(ConfigError, match=r"accounts\.registrars"):
        read(tmp_path, MINIMAL + 'registrars = [""]\n')


def test_the_addresses_of_trunks_are_told_to_the_layer_that_challenges(tmp_path: Path) -> None:
    file = tmp_path / "sipactors.toml"
    trunk = '[[accounts]]\naor = "sip:100@carrier.example"\nregister = false\npeers = ["192.0.2.77", "[2001:db8::7]"]\n'
    file.write_text(MINIMAL + trunk)
    assert layers.transaction(config.load(file)).exempt == ("192.0.2.77", "2001:db8::7")
