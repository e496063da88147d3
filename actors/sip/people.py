"""Messages for people: one line for a log, or many to read. Control characters are escaped, secrets taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from actors.sip.credentials import Credentials, parse_credentials
from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import readable

_CLIP = 160  # characters of one part of a summary
_GONE = "<removed>"
_PROOFS = frozenset(("authorization", "proxy-authorization"))
_DIGESTS = frozenset(("authentication-info", "proxy-authentication-info"))
# The password of a SIP URI, credentials that are embedded in one, and the digest of RFC 3329.
_password = re.compile(r"(\bsips?:[^@:\s<>\"]++:)[^@:\s<>\"]++(?=@)", re.IGNORECASE).sub
_embedded = re.compile(r"([?&](?:proxy-)?authorization=)[^&>\s]++", re.IGNORECASE).sub
_verified = re.compile(r"(\bd-ver\s*+=\s*+)\"[^\"]*+\"", re.IGNORECASE).sub
# In bodies: keys of SDP (RFC 4568, RFC 8866 s5.12, RFC 4567, RFC 8839 s5.4), credentials in a message fragment.
_keys = re.compile(r"^(k=|a=crypto:\S++[ \t]++\S++[ \t]|a=(?:ice-pwd|key-mgmt):).*+", re.IGNORECASE | re.MULTILINE).sub
_fragment = re.compile(
    r"^((?:proxy-)?(?:authorization|authentication-info)[ \t]*+:).*+(?:\n[ \t].*+)*+", re.IGNORECASE | re.MULTILINE
).sub


def summary(start_line: str, lines: Iterable[tuple[str, str]], content_type: str | None, body: bytes) -> str:
    """One line: the start line, the headers given, and the type and size of the body.

    Args:
        start_line: as it stands.
        lines: names and values of those headers that the summary shall have.
        content_type: of the body.
        body: the body, of which nothing but its size is shown.
    """
    parts = [_clip(_shown("", start_line))]
    parts += [f"{name}: {_clip(_shown(name.lower(), value))}" for name, value in lines]
    if body:
        parts.append(f"{_clip(_shown('', content_type or 'body'))} ({len(body)} bytes)")
    return " | ".join(parts)


def pretty(start_line: str, lines: Iterable[tuple[str, str]], body: bytes) -> str:
    """Many lines: the start line, every header line unfolded, and the body if it is text.

    Args:
        start_line: as it stands.
        lines: names and values of all header lines.
        body: the body.
    """
    shown = [_shown("", start_line)]
    shown += [f"  {name}: {_shown(name.lower(), value)}" for name, value in lines]
    if body:
        shown += ["", *[f"  {line}" for line in _body_lines(body)]]
    return "\n".join(shown)


def _body_lines(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return [f"<{len(body)} bytes>"]
    text = text.replace("\r\n", "\n").removesuffix("\n")
    text = _fragment(rf"\1 {_GONE}", _keys(rf"\1{_GONE}", text))
    return [_escape(_without_secrets(line)) for line in text.split("\n")]


def _shown(name: str, value: str) -> str:
    """A header's value without secrets, on one line; `name` is lower case."""
    if name in _PROOFS:
        value = _without_proof(value)
    elif name in _DIGESTS:
        value = _GONE
    return _escape(_without_secrets(readable(value)))


def _without_secrets(text: str) -> str:
    return _verified(rf"\1{_GONE}", _embedded(rf"\1{_GONE}", _password(rf"\1{_GONE}", text)))


def _without_proof(value: str) -> str:
    """Whose credentials they are, and for what; nothing that helps to guess or repeat them."""
    try:
        found = parse_credentials(value)
    except RemoteProtocolError:
        return _GONE
    if not isinstance(found, Credentials):
        return f"{found.scheme} {_GONE}"
    algorithm = found.algorithm or "MD5"
    return f'{algorithm} digest of "{found.username}" for "{found.realm}" {_GONE}'


def _escape(text: str) -> str:
    """`text` with all that a terminal or a log could take for more than text as its escape."""
    if text.isprintable():
        return text
    return "".join([mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text])


def _clip(text: str) -> str:
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 3]}..."
