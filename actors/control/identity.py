"""Who calls, for whom and by way of whom: the headers of an event read into types, and typed ones made into headers.

Events have headers as pairs of name and value, and commands take them so. What they say of identity is read and made
here, on both sides of a call::

    who = Identity.of(received.headers)
    print([str(each.uri) for each in who.asserted], who.hidden, [each.reason for each in who.diversions])

    hidden = Identity(preferred=(PPreferredIdentity("", uri),), privacy=("id",))
    client.place("sip:bob@example.com", caller=ANONYMOUS, headers=hidden.headers)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from actors.sip import RemoteProtocolError
from actors.sip.headers import Diversion, HistoryInfo, PAssertedIdentity, PPreferredIdentity, Privacy, Reason

ANONYMOUS = "sip:anonymous@anonymous.invalid"  # the caller who hides even from its own provider (RFC 3323 s4.1.1.3)
HIDING = frozenset({"id", "user", "header"})  # the words of Privacy that hide who calls (RFC 3323 s4.2, RFC 3325 s9.3)

Headers = tuple[tuple[str, str], ...]
H = TypeVar("H", PAssertedIdentity, PPreferredIdentity, Diversion, HistoryInfo, Reason, Privacy)


class Identity(NamedTuple):
    """What the headers of one message say of identity.

    Attributes:
        asserted: who calls, as a proxy says (RFC 3325 s9.1): to be believed of a trusted one alone.
        preferred: who the caller wishes to be (s9.2).
        privacy: what shall be hidden, in lower case: ``id``, ``header``, ``user``, ``none``, ... (RFC 3323 s4.2).
        diversions: from whom the call was diverted, the last first (RFC 5806).
        history: the targets that it had, in order (RFC 7044).
        reasons: why a call ended or was not taken (RFC 3326).
    """

    asserted: tuple[PAssertedIdentity, ...] = ()
    preferred: tuple[PPreferredIdentity, ...] = ()
    privacy: tuple[str, ...] = ()
    diversions: tuple[Diversion, ...] = ()
    history: tuple[HistoryInfo, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @classmethod
    def of(cls, headers: Iterable[tuple[str, str]]) -> Identity:
        """Read the headers of an event; a value that is malformed says nothing."""
        lines = tuple(headers)
        return cls(
            _read(lines, "P-Asserted-Identity", PAssertedIdentity),
            _read(lines, "P-Preferred-Identity", PPreferredIdentity),
            tuple([word for each in _read(lines, "Privacy", Privacy) for word in each.values]),
            _read(lines, "Diversion", Diversion),
            _read(lines, "History-Info", HistoryInfo),
            _read(lines, "Reason", Reason),
        )

    @property
    def hidden(self) -> bool:
        """Whether who calls is not to be shown to whom it calls."""
        return bool(HIDING.intersection(self.privacy))

    @property
    def headers(self) -> Headers:
        """The header lines that say so, for a command."""
        lines = [("P-Asserted-Identity", str(each)) for each in self.asserted]
        lines += [("P-Preferred-Identity", str(each)) for each in self.preferred]
        lines += [("Privacy", ";".join(self.privacy))] if self.privacy else []
        lines += [("Diversion", str(each)) for each in self.diversions]
        lines += [("History-Info", str(each)) for each in self.history]
        return (*lines, *[("Reason", str(each)) for each in self.reasons])


def _read(headers: Headers, name: str, kind: type[H]) -> tuple[H, ...]:
    found: list[H] = []
    for each, value in headers:
        if each.lower() == name.lower():
            try:
                found += [kind.parse(value)]
            except RemoteProtocolError:
                continue
    return tuple(found)
