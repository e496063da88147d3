"""Presence documents (RFC 3863) and the XML they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError, markup
from actors.sip.markup import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, Element
from actors.sip.pidf import NAMESPACE, Note, Presence, Tuple, parse

EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:myex="http://id.example.com/presence/"
    entity="pres:someone@example.com">
  <impp:tuple id="bs35r9">
    <impp:status><impp:basic> open </impp:basic><myex:ex1 impp:mustUnderstand="1"><impp:basic>x</impp:basic></myex:ex1>
    </impp:status>
    <impp:contact priority="0.8">im:someone@mobilecarrier.net</impp:contact>
    <impp:note xml:lang="en">Don't Disturb &amp; Please!</impp:note>
    <impp:note xml:lang="fr">Ne d\u00e9rangez pas, s'il vous plait</impp:note>
    <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>
  </impp:tuple>
  <impp:tuple id="eg92n8"><impp:status/></impp:tuple>
  <impp:note>I'll be in Tokyo next week</impp:note>
  <myex:note>not ours</myex:note>
</impp:presence>""".encode()


def document(inner: str, entity: str = ' entity="pres:a@b"', namespace: str = NAMESPACE) -> bytes:
    return f'<presence xmlns="{namespace}"{entity}>{inner}</presence>'.encode()


def test_a_document_is_read_as_it_is_meant_and_other_namespaces_are_passed_over() -> None:
    assert parse(EXAMPLE) == Presence(
        "pres:someone@example.com",
        (
            Tuple(
                "bs35r9",
                "open",
                "im:someone@mobilecarrier.net",
                0.8,
                (Note("Don't Disturb & Please!", "en"), Note("Ne d\u00e9rangez pas, s'il vous plait", "fr")),
                "2001-10-27T16:49:29Z",
            ),
            Tuple("eg92n8"),
        ),
        (Note("I'll be in Tokyo next week"),),
    )
    assert parse(document("", namespace=f"{NAMESPACE}:")).tuples == ()


def test_values_that_cannot_be_are_as_if_absent() -> None:
    (one,) = parse(
        document(
            '<tuple id="1"><status><basic>away</basic></status><contact priority="1.5">sip:a@b</contact>'
            "<timestamp>yesterday</timestamp></tuple>"
        )
    ).tuples
    assert one == Tuple("1", "", "sip:a@b")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<a>",
        b"<a/><b/>",
        b"<presence entity='x'/>",
        document("", ""),
        document("").replace(b"presence", b"absence"),
        document("<tuple><status/></tuple>"),
        document('<tuple id="1"/>'),
        document('<tuple id="1"><status/></tuple>' * 2),
        document("&undeclared;"),
        document("\xff").replace(b"\xc3\xbf", b"\xff"),
        b"<?xml version='1.0' encoding='UTF-16'?>" + document("").decode().encode("utf-16"),
        document("x" * MAX_BYTES),
    ],
)
def test_what_is_no_presence_document_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(data)
    assert raised.value.status == 400


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "data",
    [
        f'<!DOCTYPE presence [<!ENTITY e0 "ha">{BOMB}]>'.encode() + document("&e9;"),
        b'<!DOCTYPE presence SYSTEM "file:///etc/passwd">' + document(""),
        b'<!DOCTYPE presence [<!ENTITY x SYSTEM "http://192.0.2.1/">]>' + document("&x;"),
        b"<!DOCTYPE presence>" + document(""),
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
    ],
)
def test_entities_document_types_and_depth_are_refused_before_they_cost_anything(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        markup.parse(data)
    assert raised.value.status == 400


def test_the_limits_can_be_reached() -> None:
    assert markup.parse(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH).name == "a"
    assert len(markup.parse(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>").children) == MAX_ELEMENTS - 1


def test_the_text_of_an_element_is_joined() -> None:
    root = markup.parse(b"<a>x<!-- c --><?p i?><b k='v' xml:lang='de'>y</b>z<![CDATA[<&>]]></a>")
    assert (root.text, root.children[0].text) == ("xz<&>", "y")
    assert root.children[0].attributes == {"k": "v", f"{markup.XML} lang": "de"}


@pytest.mark.parametrize(
    "presence",
    [
        Presence("a\0b"),
        Presence("a\ud800"),
        Presence("a", (Tuple("1", "away"),)),
        Presence("a", (Tuple("1", "open", "sip:a@b", 1.5),)),
    ],
)
def test_what_could_not_be_read_back_is_not_printed(presence: Presence) -> None:
    with pytest.raises(LocalProtocolError):
        bytes(presence)


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
) | st.just("\r\n\t<&>\"'")
uris = st.sampled_from(["", "sip:a@b", "pres:c&d@e"])
notes = st.lists(st.builds(Note, texts, st.sampled_from(["", "en", "de-CH"])), max_size=2).map(tuple)
tuples = st.builds(
    Tuple,
    st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True),
    st.sampled_from(["", "open", "closed"]),
    uris,
    st.none() | st.integers(0, 1000).map(lambda thousandths: thousandths / 1000),
    notes,
    st.sampled_from(["", "2001-10-27T16:49:29Z", "2001-10-27T16:49:29.5+02:00"]),
).map(lambda one: one if one.contact else one._replace(priority=None))


@given(st.builds(Presence, texts.filter(bool), st.lists(tuples, unique_by=lambda one: one.id).map(tuple), notes))
def test_print_then_parse_is_the_identity(presence: Presence) -> None:
    assert parse(bytes(presence)) == presence


def test_an_element_without_a_namespace_prints_without_one() -> None:
    root = Element("", "a", {"k": 'v"\n'}, [Element("urn:x", "b", text="t\r"), Element("", "c")])
    assert markup.parse(markup.write(root)) == root


@given(
    st.integers(0, len(EXAMPLE)),
    st.integers(0, 9),
    st.binary(max_size=4) | st.sampled_from([b"<", b"&", b"<!", b"]]>"]),
)
def test_any_bytes_give_a_document_or_a_remote_protocol_error(place: int, length: int, piece: bytes) -> None:
    data = EXAMPLE[:place] + piece + EXAMPLE[place + length :]
    try:
        presence = parse(data)
    except RemoteProtocolError as error:
        assert error.status == 400  # noqa: PT017 - it may as well be read
        return
    assert parse(bytes(presence)) == presence
