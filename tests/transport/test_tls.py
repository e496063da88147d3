"""Two sessions over bytes: whatever the chunks, what one says the other hears."""

from __future__ import annotations

import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.transport.certificates import CertificateError, Contexts, make
from actors.transport.identity import identities
from actors.transport.settings import TlsSettings
from actors.transport.tls import Session, TlsError
from tests.transport.authority import issue, issue_for, stranger, tls_settings

BUFFER = memoryview(bytearray(262_144))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return make(tls_settings(folder / "usual", "a.example"))


def _pair(server: TlsSettings, client: TlsSettings, name: str = "a.example") -> tuple[Session, Session]:
    return Session(make(server)[0], server=True), Session(make(client)[1], server=False, name=name)


def _talk(one: Session, other: Session, size: int = 65_536) -> tuple[bytes, bytes]:
    """Carry bytes to and fro until both are silent; what each heard."""
    heard = {one: b"", other: b""}
    one.receive(b"", BUFFER)
    other.receive(b"", BUFFER)
    moved = True
    while moved:
        moved = False
        for sender, receiver in ((one, other), (other, one)):
            data = sender.outgoing()
            for start in range(0, len(data), size):
                count = receiver.receive(data[start : start + size], BUFFER)
                heard[receiver] += bytes(BUFFER[:count])
                moved = True
    return heard[one], heard[other]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=40_000), size=st.integers(1, 3000))
def test_whatever_the_chunks_all_that_is_said_is_heard(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], data: bytes, size: int
) -> None:
    server, client = Session(contexts[0], server=True), Session(contexts[1], server=False, name="a.example")
    _talk(server, client, max(size, 40))
    assert server.ready
    assert client.ready
    rest = memoryview(data)
    while rest:
        rest = rest[client.send(rest) :]
    assert _talk(server, client, size) == (data, b"")
    client.close()
    _talk(server, client)
    assert server.ended
    server.close()
    _talk(server, client)
    assert client.ended


def test_the_server_is_asked_for_by_name_and_proves_it(folder: Path) -> None:
    settings = tls_settings(folder / "name", "a.example", "192.0.2.1")
    server, client = _pair(settings, settings)
    _talk(server, client)
    assert identities(client.certificate) == {"a.example", "192.0.2.1"}
    assert server.certificate == {}
    assert "TLSv1.3" in client.cipher


@pytest.mark.parametrize(("clients", "shown"), [("optional", True), ("optional", False), ("required", True)])
def test_a_client_shows_a_certificate_where_it_is_asked_to(folder: Path, clients: str, shown: bool) -> None:
    server, client = _pair(
        tls_settings(folder / "s", "a.example", clients=clients),
        tls_settings(folder / "c", *(("b.example",) if shown else ())),
    )
    _talk(server, client)
    assert identities(server.certificate) == ({"b.example"} if shown else set())


def test_a_client_without_the_certificate_it_needs_is_refused(folder: Path) -> None:
    server, client = _pair(tls_settings(folder / "s", "a.example", clients="required"), tls_settings(folder / "c"))
    with pytest.raises(TlsError, match="peer did not return a certificate"):
        _talk(server, client)
    with pytest.raises(TlsError, match="alert"):  # it is told why
        client.receive(server.outgoing(), BUFFER)


def test_an_expired_certificate_and_one_of_a_stranger_are_refused(folder: Path) -> None:
    for path, reason in (
        (issue(folder / "e", "a.example", expired=True), "certificate has expired"),
        (issue(folder / "x", "a.example", by=stranger()), "unable to get local issuer|self-signed"),
    ):
        server, client = _pair(TlsSettings(certificate=str(path)), tls_settings(folder / "c"))
        with pytest.raises(TlsError, match=reason):
            _talk(server, client)
        server, client = _pair(TlsSettings(certificate=str(path)), TlsSettings(verify=False))
        _talk(server, client)
        assert client.ready
        assert client.certificate == {}


def test_a_nul_in_a_name_gives_it_to_nobody(folder: Path) -> None:
    from cryptography import x509

    path = issue_for(folder / "nul", x509.DNSName("a.example\0.evil.example"))
    server, client = _pair(TlsSettings(certificate=str(path)), tls_settings(folder / "c"))
    try:
        _talk(server, client)
    except TlsError:
        return  # OpenSSL refuses to read it
    assert identities(client.certificate) == set()


def test_a_wildcard_speaks_for_no_domain(folder: Path) -> None:
    path = issue(folder / "wild", "*.example")
    server, client = _pair(TlsSettings(certificate=str(path)), tls_settings(folder / "c"))
    _talk(server, client)
    assert identities(client.certificate) == set()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x30\x05\x82\x03\xff\xfea",  # a DNS name that is no text
        b"\x30\x09\x86\x07sip:\xff\xfea",
        b"\x30\x07\x87\x05\1\2\3\4\5",  # an address of five bytes
        b"\x30\x0a\x86\x08sip:[::]",
        b"\x30\x00",
    ],
)
def test_names_that_cannot_be_read_give_nobody_an_identity_and_break_nothing(folder: Path, raw: bytes) -> None:
    path = issue_for(folder / "raw", raw=raw)
    believer = tls_settings(folder / "c", "b.example", clients="required")
    server, client = _pair(believer, TlsSettings(certificate=str(path), authorities=believer.authorities))
    _talk(server, client)
    assert server.ready
    assert identities(server.certificate) == set()


@pytest.mark.parametrize("when", ["expired", "early"])
def test_a_client_whose_certificate_is_of_another_time_is_refused(folder: Path, when: str) -> None:
    path = issue(folder / when, "a.example", expired=when == "expired", early=when == "early")
    believer = tls_settings(folder / "c", "b.example", clients="optional")
    server, client = _pair(believer, TlsSettings(certificate=str(path), authorities=believer.authorities))
    with pytest.raises(TlsError, match=r"certificate (has expired|is not yet valid)"):
        _talk(server, client)


def test_a_sip_uri_in_a_certificate_names_its_domain(folder: Path) -> None:
    from cryptography import x509

    path = issue_for(folder / "uri", x509.UniformResourceIdentifier("sip:sip.example"), x509.DNSName("b.example"))
    server, client = _pair(TlsSettings(certificate=str(path)), tls_settings(folder / "c"))
    _talk(server, client)
    assert identities(client.certificate) == {"sip.example"}


def test_clients_are_shown_the_certificate_of_the_domain_that_they_ask_for(folder: Path) -> None:
    second = str(issue(folder / "second", "second.example"))
    server = tls_settings(folder / "first", "first.example", names=(("Second.Example", second, ""),))
    for name, shown in (("first", "first"), ("second", "second"), ("third", "first")):
        pair = _pair(server, tls_settings(folder / "c"), f"{name}.example")
        _talk(*pair)
        assert identities(pair[1].certificate) == {f"{shown}.example"}


@pytest.mark.parametrize("asked", [b"\xff\xfe.example", b"*.example", b"b.example"])
def test_a_client_may_ask_for_a_name_that_is_none_and_nothing_is_printed(
    folder: Path, asked: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    certificate = str(issue(folder / "b", "b.example"))
    server = tls_settings(folder / "s", "a.example", names=(("b.example", certificate, certificate),))
    session, client = _pair(server, tls_settings(folder / "c"), "x" * len(asked))
    client.receive(b"", BUFFER)
    hello = client.outgoing()
    assert hello.count(b"x" * len(asked)) == 1
    with suppress(TlsError):
        session.receive(hello.replace(b"x" * len(asked), asked), BUFFER)
    assert capfd.readouterr().err == ""


def test_what_else_goes_wrong_in_a_handshake_is_told_as_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: told.append(raised.exc_value))
    context, client_context = make(tls_settings(folder / "s", "a.example"))

    def fail(*_: object) -> None:
        raise ValueError("our own fault")

    context.sni_callback = fail
    server, client = Session(context, server=True), Session(client_context, server=False, name="a.example")
    with pytest.raises(TlsError):
        _talk(server, client)
    assert [str(each) for each in told] == ["our own fault"]


def test_an_old_version_is_refused(folder: Path) -> None:
    server, client = _pair(tls_settings(folder / "s", "a.example", minimum="1.3"), tls_settings(folder / "c"))
    client._tls.context.maximum_version = ssl.TLSVersion.TLSv1_2
    client = Session(client._tls.context, server=False, name="a.example")
    with pytest.raises(TlsError, match="protocol"):
        _talk(server, client)


def test_rubbish_is_an_error(folder: Path) -> None:
    server, _ = _pair(tls_settings(folder / "s", "a.example"), tls_settings(folder / "c"))
    with pytest.raises(TlsError, match="TLS: "):
        server.receive(b"OPTIONS sip:a SIP/2.0\r\n\r\n", BUFFER)
    with pytest.raises(TlsError):
        server.send(b"x")


def test_a_name_that_is_none_is_an_error(folder: Path) -> None:
    with pytest.raises(TlsError):
        Session(make(tls_settings(folder / "c"))[1], server=False, name=".")


def test_session_keys_are_written_where_that_is_asked_for(folder: Path) -> None:
    log = folder / "keys.log"
    server, client = _pair(tls_settings(folder / "s", "a.example"), tls_settings(folder / "c", key_log=str(log)))
    _talk(server, client)
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


# Contexts


def test_certificates_are_read_again_when_they_have_changed(folder: Path) -> None:
    settings = tls_settings(folder / "changing", "old.example")
    complaints: list[str] = []
    contexts = Contexts(settings, complaints.append)
    path = Path(settings.certificate)

    def named() -> frozenset[str]:
        server = Session(contexts.get(server=True), server=True)
        client = Session(contexts.get(server=False), server=False, name="any.example")
        _talk(server, client)
        return identities(client.certificate)

    assert named() == {"old.example"}
    before = contexts.get(server=True)
    assert contexts.get(server=True) is before
    path.write_bytes(issue(folder / "new", "new.example").read_bytes())
    assert named() == {"new.example"}
    path.write_text("half wri")
    assert named() == {"new.example"}
    assert str(path) in complaints[0]
    path.unlink()
    assert named() == {"new.example"}


@pytest.mark.parametrize("which", ["certificate", "authorities", "key_log"])
def test_a_file_that_cannot_be_used_is_named(folder: Path, which: str) -> None:
    settings = tls_settings(folder / "wrong", "a.example", **{which: str(folder / "nowhere" / "file.pem")})
    with pytest.raises(CertificateError, match=r"nowhere/file\.pem: no such file|nowhere/file\.pem: No such file"):
        Contexts(settings, print).get(server=True)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_word(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    plain = issue(folder / "plain", "a.example")
    key = serialization.load_pem_private_key(plain.read_bytes(), None)
    locked = folder / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(CertificateError, match=r"locked\.pem"):
        make(TlsSettings(certificate=str(plain), key=str(locked)))
