"""XML bodies as small trees: no document type, no entities, depth and number of elements bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from actors.sip.errors import LocalProtocolError, RemoteProtocolError

MAX_BYTES = 65_536
MAX_DEPTH = 32
MAX_ELEMENTS = 4_096
XML = "http://www.w3.org/XML/1998/namespace"  # what the prefix xml stands for

_LINE_ENDS = {"\r": "&#13;"}
_ATTRIBUTE = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


@dataclass(slots=True)
class Element:
    """An element.

    Attributes:
        namespace: its URI, empty where it has none.
        name: without prefix.
        attributes: by name; one of another namespace as ``URI name``.
        children: its elements, in order.
        text: all character data directly in it, joined.
    """

    namespace: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""


class _Builder:
    """What the parser calls."""

    def __init__(self) -> None:
        self.open: list[Element] = []
        self.root: Element | None = None
        self._left = MAX_ELEMENTS
        self._texts: list[list[str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._left -= 1
        if self._left < 0 or len(self.open) >= MAX_DEPTH:
            raise RemoteProtocolError(400, "XML body too deep or too large")
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local, attributes)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)
        self._texts.append([])

    def end(self, _: str) -> None:
        self.open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        self._texts[-1].append(text)


def _refuse(*_: object) -> NoReturn:
    raise RemoteProtocolError(400, "XML body with a document type")


def parse(data: bytes) -> Element:
    """The root of an XML document in UTF-8.

    Raises:
        RemoteProtocolError: 400, it is not well-formed, has a document type or entities of its own, or is too large.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(400, "XML body too large")
    builder = _Builder()
    # The encoding is set here, so that no declaration brings in another decoder.
    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise RemoteProtocolError(400, "XML body not well-formed") from error
    assert builder.root is not None  # expat has refused a document without one
    return builder.root


def write(root: Element) -> bytes:
    """An XML document whose default namespace is that of the root; the attributes of other namespaces are ``xml:``.

    Raises:
        LocalProtocolError: a character that XML cannot hold.
    """
    text = f'<?xml version="1.0" encoding="UTF-8"?>\r\n{_write(root, "")}\r\n'
    if any(
        (char < " " and char not in "\t\r\n") or "\ud800" <= char <= "\udfff" or char in "\ufffe\uffff" for char in text
    ):
        raise LocalProtocolError("a character that XML cannot hold")
    return text.encode()


def _write(element: Element, namespace: str) -> str:
    parts = [f"<{element.name}"]
    if element.namespace != namespace:
        parts.append(f" xmlns={quoteattr(element.namespace)}")
    for name, value in element.attributes.items():
        parts.append(f" {name.replace(f'{XML} ', 'xml:')}={quoteattr(value, _ATTRIBUTE)}")
    inner = escape(element.text, _LINE_ENDS) + "".join(_write(child, element.namespace) for child in element.children)
    parts.append(f">{inner}</{element.name}>" if inner else "/>")
    return "".join(parts)
