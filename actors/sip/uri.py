"""URIs (RFC 3261 section 19.1): SIP and SIPS in their components, every other scheme as it stands.

Components are unescaped when read and escaped, each by its own rule, when printed. A parsed URI that is not changed
prints as it came, so that nothing is lost on the way into a Request-URI or a Route.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from actors.sip import telephone
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import Params
from actors.sip.telephone import Telephone

# What may stand unescaped in each component (s25.1); "#" in a user is a widespread dialling digit, taken when read.
_UNRESERVED = "A-Za-z0-9\\-_.!~*'()"
_USER = rf"{_UNRESERVED}&=+$,;?/%#"
_PASSWORD = rf"{_UNRESERVED}&=+$,%"
_PARAM = rf"{_UNRESERVED}\[\]/:&+$"
_HEADER = rf"{_UNRESERVED}\[\]/?:+$"
HOST = r"(?:[A-Za-z0-9\-._]++|\[[0-9A-Fa-f:.]++\])"

_SIP = frozenset(("sip", "sips"))
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):").match
_sip = re.compile(
    rf"(?:([{_USER}]++)(?::([{_PASSWORD}]*+))?@)?({HOST})(?::([0-9]{{1,5}}))?((?:;[^;?<>\"]++)*+)(?:\?([!-~]++))?"
).fullmatch
# A URI as nearly all peers write it: five groups. What it matches is read without another look.
USUAL = (
    r"(sips?):(?:([A-Za-z0-9\-_.!~*'()&=+$,;?/#]++)@)?+([A-Za-z0-9\-._]++)(?::([0-9]{1,5}+))?+"
    r"((?:;lr|;transport=[a-z]++)?+)"
)
_usual = re.compile(USUAL).fullmatch
_opaque = re.compile(r"[^\x00-\x20<>\"\x7f-\U0010ffff]++").fullmatch
_bad_escape = re.compile("%(?![0-9A-Fa-f]{2})").search
_octet = re.compile("%([0-9A-Fa-f]{2})")
_octets = re.compile("(?:%[0-9A-Fa-f]{2})++")
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
        if self._text:
            return self._text
        text = _compose(self)
        try:
            parse(text)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"not a URI: {text!r}") from error
        return text

    @property
    def is_sip(self) -> bool:
        """Whether it is a SIP or SIPS URI."""
        return self.scheme in _SIP

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

    @property
    def maddr(self) -> str:
        """The maddr parameter, which takes the place of the host, without brackets; empty if absent (s19.1.1)."""
        return (self.params.get("maddr") or "").strip("[]")

    @property
    def telephone(self) -> Telephone | None:
        """The telephone number of a tel URI, or of a SIP URI with ``user=phone`` (s19.1.6); None where there is none.

        Raises:
            RemoteProtocolError: 400, it says that it is one, and is none.
        """
        if self.scheme == "tel":
            return telephone.parse(self.opaque)
        if self.is_sip and self.user is not None and (self.params.get("user") or "").lower() == "phone":
            return telephone.parse(self.user)
        return None

    @property
    def key(self) -> str:
        """The canonical form under which a registrar or a directory finds an address-of-record (s10.3 step 5).

        Of a SIP URI the scheme, user, host and port, each escape undone that means the same; no password, parameters or
        headers. Of a tel URI its parts in the order of RFC 3966 s3, without visual separators. Of others the text.
        Equivalent URIs have the same key.
        """
        if self.scheme == "tel" and (number := _telephone_or_none(self)) is not None:
            return f"tel:{number.key}"
        if not self.is_sip:
            return str(self)
        (scheme, user, _, host, port, _), _ = _comparable(str(self))
        at = "" if user is None else f"{user}@"
        host = f"[{host}]" if ":" in str(host) else host
        return f"{scheme}:{at}{host}" if port is None else f"{scheme}:{at}{host}:{port}"

    def header(self, name: str) -> str | None:
        """The first embedded header of that name, unescaped (s19.1.1); None where there is none."""
        lower = name.lower()
        return next((value for other, value in self.headers if other.lower() == lower), None)

    def equivalent(self, other: Uri) -> bool:
        """Whether both mean the same, by RFC 3261 s19.1.4 or, of tel URIs, RFC 3966 s4.

        It is not transitive, hence not ``==``. URIs of other schemes are equivalent where their text is.
        """
        if self.scheme == other.scheme == "tel":
            mine, theirs = _telephone_or_none(self), _telephone_or_none(other)
            if mine is not None and theirs is not None:
                return mine.equivalent(theirs)
        if not (self.is_sip and other.is_sip):
            return str(self) == str(other)
        return self._equivalent_sip(other)

    def _equivalent_sip(self, other: Uri) -> bool:
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
    usual = _usual(text)
    if usual is not None:
        return make_usual(text, *usual.groups())
    found = _scheme(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed URI")
    scheme = found[1].lower()
    rest = text[found.end() :]
    if scheme in _SIP:
        uri = _read_sip(scheme, rest)
    elif _opaque(rest) is None:
        raise RemoteProtocolError(400, "Malformed URI")
    else:
        uri = Uri(scheme, opaque=rest)
    object.__setattr__(uri, "_text", text)
    return uri


def make_usual(text: str, scheme: str, user: str | None, host: str, port: str | None, tail: str) -> Uri:
    """The URI of what :data:`USUAL` matched.

    Raises:
        RemoteProtocolError: 400, the port is none.
    """
    draft: Any = _Draft()
    draft.scheme = scheme
    draft.user = user
    draft.password = None
    draft.host = host
    draft.port = None if port is None else read_port(port)
    draft.params = {} if not tail else {"lr": None} if tail == ";lr" else {"transport": tail[11:]}
    draft.headers = ()
    draft.opaque = ""
    draft._text = text  # noqa: SLF001 - its own
    draft.__class__ = Uri
    uri: Uri = draft
    return uri


class _Draft:
    """A URI in the making: a frozen dataclass is five times as slow to fill."""

    __slots__ = Uri.__slots__


def _read_sip(scheme: str, rest: str) -> Uri:
    found = _sip(rest)
    if found is None:
        raise RemoteProtocolError(400, "Malformed URI")
    user, password, host, port, parameters, headers = found.groups()
    if "%" in rest:
        if _bad_escape(rest):
            raise RemoteProtocolError(400, "Malformed URI")
        user = None if user is None else unescape(user)
        password = None if password is None else unescape(password)
    return Uri(
        scheme,
        user,
        password,
        host if host[0] != "[" else read_host(host),
        None if port is None else read_port(port),
        _parse_params(parameters) if parameters else {},
        tuple([_parse_header(pair) for pair in headers.split("&")]) if headers else (),
    )


def read_host(text: str) -> str:
    """A host as it stands in a URI or a Via: brackets taken off an IPv6 address, which must be one.

    Raises:
        RemoteProtocolError: 400, it is no address.
    """
    if text[0] != "[":
        return text
    address = text[1:-1].replace(":::", "::", 1)  # what RFC 3261's grammar had by mistake (RFC 5118 s4.10)
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise RemoteProtocolError(400, "Malformed IPv6 address") from error
    return address


def read_port(text: str) -> int:
    """A port as it stands in a URI or a Via.

    Raises:
        RemoteProtocolError: 400, it is not between 1 and 65535.
    """
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
        name, meant = unescape(name).lower(), unescape(value) if equals else None
        # s19.1.1: a name MUST NOT appear more than once. The very same again, as baresip writes, misleads nobody.
        if not name or parsed.setdefault(name, meant) != meant:
            raise RemoteProtocolError(400, "Malformed URI parameter")
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
        return chr(octet) if 32 < octet < 127 and chr(octet) not in _RESERVED else found[0].upper()

    return _octet.sub(undo, text) if "%" in text else text


def _telephone_or_none(uri: Uri) -> Telephone | None:
    """The number of a tel URI; None where it is no number, for its text is all there is to compare then."""
    try:
        return uri.telephone
    except RemoteProtocolError:
        return None


def _comparable(text: str) -> tuple[tuple[object, ...], dict[str, str | None]]:
    """The components of a SIP URI in the form in which s19.1.4 compares them: those that must match, the parameters."""
    scheme, _, rest = text.partition(":")
    found = _sip(rest)
    assert found is not None  # what str() gives is a URI
    user, password, host, port, parameters, headers = found.groups()
    host = str(ipaddress.IPv6Address(read_host(host))) if host[0] == "[" else host.lower()
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
