"""Where a description says that a peer is, as our sockets write it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, ip_address


@lru_cache(maxsize=4096)
def reachable(host: str, *, v6: bool) -> str | None:
    """`host` as a socket of that family writes it, None where it cannot be reached: a name, 0.0.0.0, multicast."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if not isinstance(address, IPv4Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        return None
    if isinstance(address, IPv4Address):
        return f"::ffff:{address}" if v6 else str(address)
    return str(address) if v6 else None
