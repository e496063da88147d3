"""The headers that authenticate: each names one challenge, one set of credentials or what follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from actors.sip import credentials as auth
from actors.sip.headers.base import Header


@dataclass(frozen=True, slots=True)
class _Challenging(Header):
    """A challenge.

    Attributes:
        challenge: of Digest, or of a scheme that is kept as it stands.
    """

    challenge: auth.Challenge | auth.OtherScheme

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one challenge."""
        return cls(auth.parse_challenge(text))

    def compose(self) -> str:
        """The challenge."""
        return str(self.challenge)


class WwwAuthenticate(_Challenging):
    """WWW-Authenticate: a server's challenge (RFC 3261 s20.44, RFC 7616 s3.3)."""

    __slots__ = ()


class ProxyAuthenticate(_Challenging):
    """Proxy-Authenticate: a proxy's challenge (RFC 3261 s20.27, RFC 7616 s3.8)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Proving(Header):
    """Credentials.

    Attributes:
        credentials: of Digest, or of a scheme that is kept as it stands.
    """

    credentials: auth.Credentials | auth.OtherScheme

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one set of credentials."""
        return cls(auth.parse_credentials(text))

    def compose(self) -> str:
        """The credentials."""
        return str(self.credentials)


class Authorization(_Proving):
    """Authorization: the credentials for a server (RFC 3261 s20.7, RFC 7616 s3.4)."""

    __slots__ = ()


class ProxyAuthorization(_Proving):
    """Proxy-Authorization: the credentials for a proxy (RFC 3261 s20.28, RFC 7616 s3.8)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AuthenticationInfo(Header):
    """Authentication-Info: what a server says after it took credentials (RFC 3261 s20.6, RFC 7616 s3.5).

    Attributes:
        info: the parameters, typed.
    """

    info: auth.AuthenticationInfo

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the parameters."""
        return cls(auth.parse_authentication_info(text))

    def compose(self) -> str:
        """The parameters."""
        return str(self.info)


class ProxyAuthenticationInfo(AuthenticationInfo):
    """Proxy-Authentication-Info: what a proxy says after it took credentials (RFC 7616 s3.8)."""

    __slots__ = ()
