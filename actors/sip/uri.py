"""URIs (RFC 3261 section 19.1): SIP and SIPS in their components, every other scheme as it stands.

Components are unescaped when read and escaped, each by its own rule, when printed. A parsed URI that is not changed
prints as it came, so that nothing is lost on the way into a Request-URI or a Route.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import Params

# What may stand unescaped in each component (s25.1); "#" in a user is a widespread dialling digit, taken when read.
_UNRESERVED = "A-Za-z0-9\\-_.!~*'()"
_USER = rf"{_UNRESERVED}&=+$,;?/%#"
_PASSWORD = rf"{_UNRESERVED}&=+$,%"
_PARAM = rf"{_UNRESERVED}\[\]/:&+$"
_HEADER = rf"{_UNRESERVED}\[\]/?:+$"
HOST = r"(?:[A-Za-z0-9\-._]++|\[[0-9A-Fa-f:.]++\])"

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):").match
_sip = re.compile(
    rf"(?:([{_USER}]++)(?::([{_PASSWORD}]*+))?@)?({HOST})(?::([0-9]{{1,5}}))?((?:;[^;?<>\"]++)*+)(?:\?([!-~]++))?"
).fullmatch
_opaque = re.compile(r"[^\x00-\x20<>\"\x7f-\U0010ffff]++").fullmatch
_bad_escape = re.compile("%(?![0-9A-Fa-f]{2})").search
_octet = re.compile("%([0-9A-Fa-f]{2})")
_octets = re.compile("(?:%[0-9A-Fa-f]{2})+")
_param_text = re.compile(rf"[{_PARAM}=%@,]++").fullmatch
_host = re.compile(HOST).fullmatch
_not_user = re.compile(rf"[^{_UNRESERVED}&=+$,;?/]").sub
_not_password = re.compile(rf"[^{_UNRESERVED}&=+$,]").sub
_not_param = re.compile(rf"[^{_PARAM}]").sub
_not_header = re.compile(rf"[^{_HEADER}]").sub


def _hex(found: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in found[0].encode("utf-8", "surrogateescape"))


def unescape(text: str) -> str:
    """`text` with each run of ``%HH`` as the characters that its bytes are in UTF-8, once: ``%2541`` is ``%41``."""
    if "%" not in text:
        return text
    return _octets.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace"), text)


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI. Of a SIP or SIPS URI all components but `opaque`, of any other only `scheme` and `opaque`.

    Attributes:
        scheme: lower case.
        user: unescaped; None where there is none.
        password: unescaped; None where there is none.
        host: a name or address, IPv6 without brackets.
        port: None where none is written.
        params: unescaped, names in lower case, None for a parameter without a value. Not to be changed.
        headers: unescaped, in order.
        opaque: what follows the colon of a URI of another scheme, as it stands.
    """

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    opaque: str = ""
    _text: str = field(default="", init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.scheme, self.user, self.host, self.port, self.opaque))

    def __str__(self) -> str:
        return self._text or _compose(self)

    @property
    def is_sip(self) -> bool:
        """Whether it is a SIP or SIPS URI."""
        return self.scheme in ("sip", "sips")

    @property
    def secure(self) -> bool:
        """Whether it is a SIPS URI."""
        return self.scheme == "sips"

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, empty if absent (s19.1.1)."""
        return (self.params.get("transport") or "").lower()

    @property
    def loose(self) -> bool:
        """Whether it has the lr parameter (s16.12)."""
        return "lr" in self.params

    def equivalent(self, other: Uri) -> bool:
        """Whether both mean the same by RFC 3261 s19.1.4. It is not transitive, hence not ``==``."""
        if not (self.is_sip and other.is_sip):
            return str(self) == str(other)
        mine, here = _comparable(str(self))
        theirs, there = _comparable(str(other))
        if mine != theirs or any(here[name] != there[name] for name in here.keys() & there.keys()):
            return False
        return not (here.keys() ^ there.keys()) & {"user", "ttl", "method", "maddr", "transport"}


def parse(text: str) -> Uri:
    """Parse one URI.

    Raises:
        RemoteProtocolError: 400, it is none.
    """
    found = _scheme(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed URI")
    scheme = found[1].lower()
    rest = text[found.end() :]
    if scheme in ("sip", "sips"):
        uri = _parse_sip(scheme, rest)
    elif _opaque(rest) is None:
        raise RemoteProtocolError(400, "Malformed URI")
    else:
        uri = Uri(scheme, opaque=rest)
    object.__setattr__(uri, "_text", text)
    return uri


def _parse_sip(scheme: str, rest: str) -> Uri:
    found = _sip(rest)
    if found is None or ("%" in rest and _bad_escape(rest)):
        raise RemoteProtocolError(400, "Malformed URI")
    user, password, host, port, parameters, headers = found.groups()
    return Uri(
        scheme,
        None if user is None else unescape(user),
        None if password is None else unescape(password),
        read_host(host),
        read_port(port),
        _parse_params(parameters) if parameters else {},
        tuple(_parse_header(pair) for pair in headers.split("&")) if headers else (),
    )


def read_host(text: str) -> str:
    """A host as it stands in a URI or a Via: brackets taken off an IPv6 address, which must be one.

    Raises:
        RemoteProtocolError: 400, it is no address.
    """
    if text[0] != "[":
        return text
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError as error:
        raise RemoteProtocolError(400, "Malformed IPv6 address") from error
    return text[1:-1]


def read_port(text: str | None) -> int | None:
    """A port as it stands in a URI or a Via.

    Raises:
        RemoteProtocolError: 400, it is not between 1 and 65535.
    """
    if text is None:
        return None
    port = int(text)
    if not 0 < port < 65536:
        raise RemoteProtocolError(400, "Port out of range")
    return port


def _parse_params(text: str) -> dict[str, str | None]:
    parsed: dict[str, str | None] = {}
    for part in text[1:].split(";"):
        if _param_text(part) is None:
            raise RemoteProtocolError(400, "Malformed URI parameter")
        name, equals, value = part.partition("=")
        name = unescape(name).lower()
        if not name or name in parsed:  # s19.1.1: a name MUST NOT appear more than once
            raise RemoteProtocolError(400, "Malformed URI parameter")
        parsed[name] = unescape(value) if equals else None
    return parsed


def _parse_header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise RemoteProtocolError(400, "Malformed URI header")
    return unescape(name), unescape(value)


def _compose(uri: Uri) -> str:
    """Print the components, each with its own escapes.

    Raises:
        LocalProtocolError: a scheme, host, port or opaque part that cannot be written.
    """
    if not uri.is_sip:
        text = f"{uri.scheme}:{uri.opaque}"
        if _scheme(text) is None or _opaque(uri.opaque) is None:
            raise LocalProtocolError(f"not a URI: {text!r}")
        return text
    parts = [uri.scheme, ":"]
    if uri.user is not None:
        parts.append(_not_user(_hex, uri.user))
        if uri.password is not None:
            parts += [":", _not_password(_hex, uri.password)]
        parts.append("@")
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    if _host(host) is None:
        raise LocalProtocolError(f"not a host: {uri.host!r}")
    parts.append(host)
    if uri.port is not None:
        if not 0 < uri.port < 65536:
            raise LocalProtocolError(f"not a port: {uri.port}")
        parts.append(f":{uri.port}")
    return "".join(parts) + _compose_tail(uri)


def _compose_tail(uri: Uri) -> str:
    parts: list[str] = []
    for name, value in uri.params.items():
        parts.append(f";{_not_param(_hex, name)}")
        if value is not None:
            parts.append(f"={_not_param(_hex, value)}")
    mark = "?"
    for name, value in uri.headers:
        parts.append(f"{mark}{_not_header(_hex, name)}={_not_header(_hex, value)}")
        mark = "&"
    return "".join(parts)


# What differs from its escape: the reserved set (RFC 2396 s2.2) and the escape's own mark. All else means the same
# (RFC 3261 s19.1.4).
_RESERVED = frozenset(";/?:@&=+$,%")


def _plain(text: str) -> str:
    """`text` with every escape undone that means the same, the others in upper case."""

    def undo(found: re.Match[str]) -> str:
        octet = int(found[1], 16)
        return found[0].upper() if octet > 127 or chr(octet) in _RESERVED else chr(octet)

    return _octet.sub(undo, text) if "%" in text else text


def _comparable(text: str) -> tuple[tuple[object, ...], dict[str, str | None]]:
    """The components of a SIP URI in the form in which s19.1.4 compares them: those that must match, the parameters."""
    scheme, _, rest = text.partition(":")
    found = _sip(rest)
    if found is None:
        raise RemoteProtocolError(400, "Malformed URI")
    user, password, host, port, parameters, headers = found.groups()
    host = str(ipaddress.IPv6Address(host[1:-1])) if host[0] == "[" else host.lower()
    compared: dict[str, str | None] = {}
    for part in parameters[1:].split(";") if parameters else ():
        name, equals, value = part.partition("=")
        compared[_plain(name).lower()] = _plain(value).lower() if equals else None
    fixed = (
        scheme.lower(),
        None if user is None else _plain(user),
        None if password is None else _plain(password),
        host,
        port,
        sorted(_plain(header).lower() for header in headers.split("&")) if headers else [],
    )
    return fixed, compared
