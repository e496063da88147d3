"""Presence (application/pidf+xml, RFC 3863): who can be reached, and where.

Elements of other namespaces are passed over (s4.2.3); who wants them reads the document with
:mod:`actors.sip.markup`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.sip import markup
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.markup import XML, Element

CONTENT_TYPE = "application/pidf+xml"
NAMESPACE = "urn:ietf:params:xml:ns:pidf"
OPEN = "open"
CLOSED = "closed"

_LANGUAGE = f"{XML} lang"
_priority = re.compile(r"0(?:\.[0-9]{1,3})?|1(?:\.0{1,3})?").fullmatch
_timestamp = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch


class Note(NamedTuple):
    """A remark for people (s4.1.6), and its language, empty where none is said."""

    text: str
    language: str = ""


class Tuple(NamedTuple):
    """One way to reach somebody (s4.1.2).

    Attributes:
        id: unique in its document.
        basic: open or closed; empty where only other namespaces say something.
        contact: a URI, empty where there is none.
        priority: of the contact, 0 to 1 in steps of 0.001; None where none is said.
        notes: for people.
        timestamp: of the last change, as RFC 3339 writes it; empty where there is none.
    """

    id: str
    basic: str = ""
    contact: str = ""
    priority: float | None = None
    notes: tuple[Note, ...] = ()
    timestamp: str = ""


class Presence(NamedTuple):
    """A presence document (s4.1.1).

    Attributes:
        entity: the URI of whom it is about.
        tuples: how they can be reached.
        notes: for people.
    """

    entity: str
    tuples: tuple[Tuple, ...] = ()
    notes: tuple[Note, ...] = ()

    def __bytes__(self) -> bytes:
        root = _element("presence", entity=self.entity)
        root.children += [_write_tuple(one) for one in self.tuples]
        root.children += [_write_note(note) for note in self.notes]
        return markup.write(root)


def parse(data: bytes) -> Presence:
    """Parse a presence document.

    Raises:
        RemoteProtocolError: 400, it is not well-formed, too large, or not what s4.1 asks for.
    """
    root = markup.parse(data)
    entity = root.attributes.get("entity", "")
    # Documents with the colon of s4.1.1 at the end of the namespace are about.
    if root.namespace not in (NAMESPACE, f"{NAMESPACE}:") or root.name != "presence" or not entity:
        raise RemoteProtocolError(400, "Not a presence document")
    tuples = tuple([_read_tuple(element) for element in _children(root, "tuple")])
    if len({one.id for one in tuples}) != len(tuples):
        raise RemoteProtocolError(400, "Repeated tuple in a presence document")
    return Presence(entity, tuples, _notes(root))


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element.children if child.name == name and child.namespace == element.namespace]


def _first(element: Element, name: str) -> Element | None:
    return next(iter(_children(element, name)), None)


def _text(element: Element | None) -> str:
    return "" if element is None else element.text.strip()


def _notes(element: Element) -> tuple[Note, ...]:
    return tuple([Note(note.text, note.attributes.get(_LANGUAGE, "")) for note in _children(element, "note")])


def _read_tuple(element: Element) -> Tuple:
    name, status = element.attributes.get("id", ""), _first(element, "status")
    if not name or status is None:
        raise RemoteProtocolError(400, "Malformed tuple in a presence document")
    basic, contact = _text(_first(status, "basic")), _first(element, "contact")
    priority = "" if contact is None else contact.attributes.get("priority", "").strip()
    timestamp = _text(_first(element, "timestamp"))
    return Tuple(
        name,
        basic if basic in (OPEN, CLOSED) else "",
        _text(contact),
        float(priority) if _priority(priority) else None,  # one out of range is as if absent (s4.1.5)
        _notes(element),
        timestamp if _timestamp(timestamp) else "",
    )


def _element(name: str, text: str = "", **attributes: str) -> Element:
    return Element(NAMESPACE, name, attributes, text=text)


def _write_tuple(one: Tuple) -> Element:
    if one.basic not in ("", OPEN, CLOSED):
        raise LocalProtocolError(f"not a basic status: {one.basic!r}")
    made = _element("tuple", id=one.id)
    status = _element("status")
    made.children.append(status)
    if one.basic:
        status.children.append(_element("basic", one.basic))
    if one.contact:
        priority = {} if one.priority is None else {"priority": _print_priority(one.priority)}
        made.children.append(_element("contact", one.contact, **priority))
    made.children += [_write_note(note) for note in one.notes]
    if one.timestamp:
        made.children.append(_element("timestamp", one.timestamp))
    return made


def _print_priority(priority: float) -> str:
    text = f"{priority:.3f}"
    if _priority(text) is None:
        raise LocalProtocolError(f"not a priority: {priority}")
    return text


def _write_note(note: Note) -> Element:
    made = _element("note", note.text)
    if note.language:
        made.attributes[_LANGUAGE] = note.language
    return made
