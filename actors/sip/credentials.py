"""The values of the headers that authenticate (RFC 3261 s20.6, 20.7, 20.27, 20.28, 20.44; RFC 7616; RFC 8760).

What a quoted string says is kept unquoted, as UTF-8 with ``surrogateescape``, since digests are made of its bytes:
:func:`actors.sip.grammar.readable` makes text for people of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import QUOTED, TOKEN, check_printable, quote, token, unquote

Pairs = tuple[tuple[str, str], ...]

# A value may be any visible ASCII that does not end it: peers leave out the quotes of a URI (RFC 2617 had it so).
_pair = re.compile(
    rf"[ \t,]*+({TOKEN}++)[ \t]*+=[ \t]*+({QUOTED}|[!#-+\--~]*+)[ \t]*+(?:,[ \t,]*+|\Z)", re.DOTALL
).match
_scheme = re.compile(rf"({TOKEN}++)[ \t]++(.*)", re.DOTALL).fullmatch
_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_count = re.compile("[0-9A-Fa-f]{8}").fullmatch  # RFC 7616 s3.4: exactly eight
_hex = re.compile("[0-9A-Fa-f]*").fullmatch
_extended = re.compile(r"UTF-8'[A-Za-z0-9\-]*'((?:[A-Za-z0-9\-._~!#$&+^`|]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE).fullmatch


@dataclass(frozen=True, slots=True)
class OtherScheme:
    """A challenge or credentials of a scheme that is not Digest: kept, never answered (RFC 8760 s2.4, 2.6).

    Attributes:
        scheme: as it stands, such as ``Basic``.
        text: what follows it, as it stands.
    """

    scheme: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        if token(self.scheme) is None or self.scheme.lower() == "digest" or _control(self.text) is not None:
            raise LocalProtocolError("not an authentication scheme")
        return f"{self.scheme} {check_printable(self.text, 'an authentication value')}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A Digest challenge: WWW-Authenticate and Proxy-Authenticate (RFC 7616 s3.3, 3.8).

    Attributes:
        realm: what the user name belongs to.
        nonce: the server's token; of AKAv1 it holds RAND and AUTN (RFC 3310 s3.2).
        algorithm: as it stands; empty where none is named, which means MD5.
        qop: the qualities of protection offered, lower case; empty for a peer of RFC 2069.
        opaque: goes back unchanged; None where there is none.
        stale: only the nonce was refused: try again without asking the user.
        domain: the protection space; without meaning for a proxy (s3.3).
        charset: ``UTF-8`` or None.
        userhash: the user name may come hashed (s3.4.4).
        others: parameters that are not known here, values as they stand.
    """

    realm: str
    nonce: str
    algorithm: str = ""
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False
    domain: str | None = None
    charset: str | None = None
    userhash: bool = False
    others: Pairs = ()

    def __str__(self) -> str:
        parts = [
            _quoted("realm", self.realm),
            _quoted("domain", self.domain),
            _quoted("nonce", self.nonce),
            _quoted("opaque", self.opaque),
            "stale=true" if self.stale else "",
            _bare("algorithm", self.algorithm),
            _quoted("qop", ",".join([_token(option) for option in self.qop]) or None),
            _bare("charset", self.charset or ""),
            "userhash=true" if self.userhash else "",
        ]
        return _join("Digest ", parts, self.others)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Digest credentials: Authorization and Proxy-Authorization (RFC 7616 s3.4, 3.8).

    Attributes:
        username: the name, or its hash where `userhash` is set.
        realm: of the challenge.
        nonce: of the challenge, or the next one.
        uri: the Request-URI as its sender wrote it; a proxy may have changed that of the request (RFC 8760 s2.6).
        response: hexadecimal; empty before any challenge (RFC 8760 s2.7).
        algorithm: as it stands; empty where none is named, which means MD5.
        qop: as it stands; empty where none is named.
        cnonce: the client's token; None where there is none.
        nc: the nonce count as it stands, eight hexadecimal digits; empty where there is none.
        opaque: of the challenge.
        userhash: whether `username` is a hash (s3.4.4).
        auts: AKA's token of resynchronisation in Base64 (RFC 3310 s3.4).
        others: parameters that are not known here, values as they stand.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str = field(repr=False)
    algorithm: str = ""
    qop: str = ""
    cnonce: str | None = None
    nc: str = ""
    opaque: str | None = None
    userhash: bool = False
    auts: str | None = field(default=None, repr=False)
    others: Pairs = field(default=(), repr=False)

    def __str__(self) -> str:
        parts = [
            _quoted("username", self.username),
            _quoted("realm", self.realm),
            _quoted("nonce", self.nonce),
            _quoted("uri", self.uri),
            _quoted("response", self.response),
            _bare("algorithm", self.algorithm),
            _quoted("cnonce", self.cnonce),
            _quoted("opaque", self.opaque),
            _bare("qop", self.qop),
            _bare("nc", self.nc),
            "userhash=true" if self.userhash else "",
            _quoted("auts", self.auts),
        ]
        return _join("Digest ", parts, self.others)

    @property
    def nonce_count(self) -> int:
        """The nonce count, 0 where there is none."""
        return int(self.nc or "0", 16)


@dataclass(frozen=True, slots=True)
class AuthenticationInfo:
    """What a server says after it took credentials: Authentication-Info (RFC 7616 s3.5).

    Attributes:
        nextnonce: for the next request; None where there is none.
        qop: that of the credentials; empty where there is none.
        rspauth: the server's own digest, hexadecimal; None where there is none.
        cnonce: that of the credentials.
        nc: that of the credentials, eight hexadecimal digits; empty where there is none.
        others: parameters that are not known here, values as they stand.
    """

    nextnonce: str | None = None
    qop: str = ""
    rspauth: str | None = field(default=None, repr=False)
    cnonce: str | None = None
    nc: str = ""
    others: Pairs = ()

    def __str__(self) -> str:
        parts = [
            _quoted("nextnonce", self.nextnonce),
            _bare("qop", self.qop),
            _quoted("rspauth", self.rspauth),
            _quoted("cnonce", self.cnonce),
            _bare("nc", self.nc),
        ]
        return _join("", parts, self.others)


def parse_challenge(text: str) -> Challenge | OtherScheme:
    """Parse one WWW-Authenticate or Proxy-Authenticate value.

    Raises:
        RemoteProtocolError: 400.
    """
    scheme, rest = _cut(text)
    if scheme.lower() != "digest":
        return OtherScheme(scheme, rest)
    params = _auth_params(rest)
    return Challenge(
        realm=_need(params, "realm"),
        nonce=_need(params, "nonce"),
        algorithm=_take_token(params, "algorithm"),
        qop=_options(params.pop("qop", "")),
        opaque=_take(params, "opaque"),
        stale=_flag(params, "stale"),
        domain=_take(params, "domain"),
        charset=_take_token(params, "charset") or None,
        userhash=_flag(params, "userhash"),
        others=tuple(params.items()),
    )


def parse_credentials(text: str) -> Credentials | OtherScheme:
    """Parse one Authorization or Proxy-Authorization value.

    Raises:
        RemoteProtocolError: 400; also where a parameter lacks that the others ask for (RFC 7616 s3.4).
    """
    scheme, rest = _cut(text)
    if scheme.lower() != "digest":
        return OtherScheme(scheme, rest)
    params = _auth_params(rest)
    found = Credentials(
        username=_username(params),
        realm=_need(params, "realm"),
        nonce=_need(params, "nonce"),
        uri=_need(params, "uri"),
        response=_need(params, "response"),
        algorithm=_take_token(params, "algorithm"),
        qop=_take_token(params, "qop"),
        cnonce=_take(params, "cnonce"),
        nc=_take_token(params, "nc"),
        opaque=_take(params, "opaque"),
        userhash=_flag(params, "userhash"),
        auts=_take(params, "auts"),
        others=tuple(params.items()),
    )
    if found.qop and (found.cnonce is None or not found.nc):  # RFC 7616 s3.4
        raise RemoteProtocolError(400, "Digest without cnonce or nc")
    if found.cnonce is None and found.algorithm.lower().endswith("-sess"):  # RFC 3261 s22.4 rule 8
        raise RemoteProtocolError(400, "Digest without cnonce or nc")
    _check_hex(found.response, found.nc)
    return found


def parse_authentication_info(text: str) -> AuthenticationInfo:
    """Parse an Authentication-Info or Proxy-Authentication-Info value.

    Raises:
        RemoteProtocolError: 400.
    """
    params = _auth_params(text)
    found = AuthenticationInfo(
        nextnonce=_take(params, "nextnonce"),
        qop=_take_token(params, "qop"),
        rspauth=_take(params, "rspauth"),
        cnonce=_take(params, "cnonce"),
        nc=_take_token(params, "nc"),
        others=tuple(params.items()),
    )
    _check_hex(found.rspauth or "", found.nc)
    return found


def _cut(text: str) -> tuple[str, str]:
    """The scheme, and what follows it."""
    found = _scheme(text)
    if found is None or _control(text) is not None:
        raise RemoteProtocolError(400, "Malformed authentication")
    return found[1], found[2]


def _auth_params(text: str) -> dict[str, str]:
    """Lower-case names and values as they stand; each name once at most."""
    params: dict[str, str] = {}
    if _control(text) is not None:
        raise RemoteProtocolError(400, "Malformed authentication")
    start = 0
    while start < len(text):
        found = _pair(text, start)
        if found is None:
            raise RemoteProtocolError(400, "Malformed authentication parameter")
        name = found[1].lower()
        if name in params:
            raise RemoteProtocolError(400, "Repeated authentication parameter")
        params[name] = found[2]
        start = found.end()
    return params


def _take(params: dict[str, str], name: str) -> str | None:
    value = params.pop(name, None)
    return None if value is None else unquote(value)


def _need(params: dict[str, str], name: str) -> str:
    value = _take(params, name)
    if value is None:
        raise RemoteProtocolError(400, "Missing authentication parameter")
    return value


def _take_token(params: dict[str, str], name: str) -> str:
    """A token, which some peers put in quotes; empty where there is none."""
    value = _take(params, name)
    if value is None:
        return ""
    if token(value) is None:
        raise RemoteProtocolError(400, "Malformed authentication parameter")
    return value


def _flag(params: dict[str, str], name: str) -> bool:
    """Anything but true is false (RFC 7616 s3.3)."""
    return unquote(params.pop(name, "")).lower() == "true"


def _options(text: str) -> tuple[str, ...]:
    options = tuple([option.strip(" \t").lower() for option in unquote(text).split(",") if option.strip(" \t")])
    if not all(map(token, options)):
        raise RemoteProtocolError(400, "Malformed authentication parameter")
    return options


def _username(params: dict[str, str]) -> str:
    """The user name, in either of its spellings but not in both (RFC 7616 s3.4, RFC 5987 s3.2)."""
    extended = params.pop("username*", None)
    if extended is None:
        return _need(params, "username")
    found = _extended(extended)
    if found is None or "username" in params:
        raise RemoteProtocolError(400, "Malformed authentication parameter")
    name = unquote_to_bytes(found[1]).decode("utf-8", "surrogateescape")
    if _control(name) is not None:
        raise RemoteProtocolError(400, "Malformed authentication parameter")
    return name


def _check_hex(digest: str, nc: str) -> None:
    if _hex(digest) is None or (nc and _count(nc) is None):
        raise RemoteProtocolError(400, "Malformed authentication parameter")


def _quoted(name: str, value: str | None) -> str:
    """``name="value"``, empty for None."""
    if value is None:
        return ""
    if _control(value) is not None:
        raise LocalProtocolError(f"{name} holds a control character")
    return f"{name}={quote(check_printable(value, name))}"


def _token(value: str) -> str:
    if token(value) is None:
        raise LocalProtocolError(f"not a token: {value!r}")
    return value


def _bare(name: str, value: str) -> str:
    """``name=value``, empty for an empty value; in quotes its peers do not read it (RFC 7616 s3.3, 3.4)."""
    return f"{name}={_token(value)}" if value else ""


def _join(prefix: str, parts: list[str], others: Pairs) -> str:
    """The parameters in one line.

    Raises:
        LocalProtocolError: one of `others` could not be read back.
    """
    for name, value in others:
        text = f"{name}={value}"
        found = _pair(text)
        whole = found is not None and found.end() == len(text) and found.groups() == (name, value)
        known = any(part.startswith(f"{name}=") for part in parts)
        if not whole or known or _control(text) is not None:
            raise LocalProtocolError(f"not an authentication parameter: {name!r}")
        parts.append(check_printable(text, name))
    return prefix + ", ".join(filter(None, parts))
