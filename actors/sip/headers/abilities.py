"""The headers that tell what a side can do, needs or prefers: methods, option tags, packages, preferences."""

from __future__ import annotations

from typing import ClassVar

from actors.sip.headers.base import (
    ListHeader,
    Preferred,
    TokenListHeader,
    TokenParamsHeader,
    TokenParamsListHeader,
)


class Allow(TokenListHeader):
    """Allow: a method that the side supports (RFC 3261 s20.5)."""

    __slots__ = ()


class Supported(TokenListHeader):
    """Supported, ``k``: an option tag that the side understands (RFC 3261 s20.37)."""

    __slots__ = ()


class Require(TokenListHeader):
    """Require: an option tag that the other side has to understand (RFC 3261 s20.32)."""

    __slots__ = ()


class ProxyRequire(TokenListHeader):
    """Proxy-Require: an option tag that proxies have to understand (RFC 3261 s20.29)."""

    __slots__ = ()


class Unsupported(TokenListHeader):
    """Unsupported: an option tag that was required and is not understood (RFC 3261 s20.40)."""

    __slots__ = ()


class AllowEvents(TokenListHeader):
    """Allow-Events, ``u``: an event package that the side supports (RFC 6665 s8.2.2)."""

    __slots__ = ()


class InfoPackage(TokenParamsHeader):
    """Info-Package: what the body of an INFO is about (RFC 6086 s9.2)."""

    __slots__ = ()


class RecvInfo(InfoPackage, ListHeader):
    """Recv-Info: an Info package that the side takes (RFC 6086 s9.2)."""

    __slots__ = ()


class AcceptContact(TokenParamsListHeader):
    """Accept-Contact, ``a``: features that a contact should have, behind a ``*`` (RFC 3841 s9.2)."""

    __slots__ = ()

    @property
    def require(self) -> bool:
        """Whether a contact that does not have them is left out (s7.2.4)."""
        return "require" in self.params

    @property
    def explicit(self) -> bool:
        """Whether a contact that does not tell of them counts for less (s7.2.4)."""
        return "explicit" in self.params


class RejectContact(TokenParamsListHeader):
    """Reject-Contact, ``j``: features that a contact should not have, behind a ``*`` (RFC 3841 s9.2)."""

    __slots__ = ()


class RequestDisposition(TokenListHeader):
    """Request-Disposition, ``d``: a directive to proxies: ``fork``, ``no-queue``, ... (RFC 3841 s9.1)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True


class AnswerMode(TokenParamsHeader):
    """Answer-Mode: ``auto`` or ``manual`` (RFC 5373 s2)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True

    @property
    def require(self) -> bool:
        """Whether the request is to be refused where it cannot be answered so (s4.1)."""
        return "require" in self.params


class PrivAnswerMode(AnswerMode):
    """Priv-Answer-Mode: as Answer-Mode, with the right to override (RFC 5373 s2)."""

    __slots__ = ()


class _Security(Preferred, TokenParamsListHeader):
    __slots__ = ()


class SecurityClient(_Security):
    """Security-Client: a mechanism that the client offers (RFC 3329 s2.2)."""

    __slots__ = ()


class SecurityServer(_Security):
    """Security-Server: a mechanism that the server offers (RFC 3329 s2.2)."""

    __slots__ = ()


class SecurityVerify(_Security):
    """Security-Verify: what the server offered, repeated under protection (RFC 3329 s2.2)."""

    __slots__ = ()
