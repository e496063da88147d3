"""A certificate authority of the tests' own, and what goes wrong with certificates."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any

import pytest

from actors.transport.settings import TlsSettings

trustme = pytest.importorskip("trustme", reason="makes the tests' certificates; it is in the extra 'tests'")


@functools.cache
def authority() -> Any:
    """The one that tests believe."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@functools.cache
def stranger() -> Any:
    """One that nobody believes."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def issue(
    folder: Path, *names: str, by: Any = None, expired: bool = False, early: bool = False, called: str = "own"
) -> Path:
    """A certificate and its key for DNS names and addresses, in one PEM file."""
    ends = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if expired else None
    begins = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=30) if early else None
    made = (by or authority()).issue_cert(*names, not_before=begins, not_after=ends, key_type=trustme.KeyType.ECDSA)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{called}.pem"
    made.private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def issue_for(folder: Path, *names: Any, called: str = "own", raw: bytes = b"") -> Path:
    """A certificate for any names, as `cryptography` writes them, or as `raw` has them in DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    ca_key = serialization.load_pem_private_key(authority().private_key_pem.bytes(), None)
    ca = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(tz=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if raw:
        unread = x509.UnrecognizedExtension(x509.OID_SUBJECT_ALTERNATIVE_NAME, raw)
        made = made.add_extension(unread, critical=False)
    signed = made.sign(ca_key, hashes.SHA256())  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{called}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def believed(folder: Path) -> Path:
    """The file of the authorities that tests believe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "authorities.pem"
    authority().cert_pem.write_to_path(str(path))
    return path


def tls_settings(folder: Path, *names: str, **more: Any) -> TlsSettings:
    """Settings with a certificate for `names` (none: without one), believing the tests' authority."""
    certificate = str(issue(folder, *names)) if names else ""
    return TlsSettings(**{"certificate": certificate, "authorities": str(believed(folder)), **more})
