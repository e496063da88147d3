"""Which SIP domains a certificate speaks for, and whether one of them is the one we meant (RFC 5922 section 7), pure.

The certificate's validity is OpenSSL's matter; a name in it is believed only after that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from actors.sip import uri as sip_uri
from actors.sip.errors import RemoteProtocolError
from actors.transport.records import is_numeric

# A host name of letters, digits and hyphens. A wildcard is none (section 7.2), and neither is a name with a NUL in it.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*").fullmatch


def identities(certificate: Mapping[str, Any]) -> frozenset[str]:
    """The identities in a verified certificate, as :func:`plain` writes them.

    Args:
        certificate: as ``ssl.SSLObject.getpeercert()`` gives it; empty where the peer showed none.

    Returns:
        The hosts of its ``sip:`` URIs without a user part; only where there is none of these, its DNS names
        (section 7.1). The common name is never looked at. IP addresses are no domains, but the identities of a peer
        that is known by nothing else.
    """
    names = certificate.get("subjectAltName", ())
    domains = {_host(value) for kind, value in names if kind == "URI"} - {""}
    if not domains:
        domains = {plain(value) for kind, value in names if kind == "DNS" and _NAME(plain(value))}
    addresses = {plain(value) for kind, value in names if kind == "IP Address" and is_numeric(plain(value))}
    return frozenset(domains | addresses)


def plain(name: str) -> str:
    """A host as it is compared: lower case, without the dot of a root or the brackets of IPv6, in one spelling."""
    name = name.strip().lower().rstrip(".").strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _host(value: str) -> str:
    """The domain that a URI of a certificate names, empty where it names none."""
    try:
        uri = sip_uri.parse(value)
    except RemoteProtocolError:
        return ""
    if uri.scheme != "sip" or "@" in value:  # a user part names a person, sips nothing (section 7.1)
        return ""
    host = plain(uri.host)
    return host if _NAME(host) else ""
