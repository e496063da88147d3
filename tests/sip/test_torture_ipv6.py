"""The IPv6 torture messages of RFC 5118, decoded from the archive in its text."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import pytest

from actors.sip import Message, RemoteProtocolError, Request, parse
from actors.sip.uri import parse as parse_uri

NAMES = [
    "ipv4-mapped-ipv6",
    "ipv6-bad",
    "ipv6-bug-abnf-3-colons",
    "ipv6-correct-abnf-2-colons",
    "ipv6-good",
    "ipv6-in-sdp",
    "mult-ip-in-header",
    "mult-ip-in-sdp",
    "port-ambiguous",
    "port-unambiguous",
    "via-received-param-no-delim",
    "via-received-param-with-delim",
]


@pytest.fixture(scope="session")
def archive(corpora: Path) -> dict[str, bytes]:
    """The messages by name; their line ends are LF alone in the archive, and CRLF here.

    Mended is what the archive has wrong and the RFC's text has not: two heads lack their last, empty line.
    """
    text = corpora.parent / "rfc" / "rfc5118.txt"
    if not text.is_file():
        pytest.skip(f"no {text}: the RFC's text stands beside the corpora")
    _, _, rest = text.read_text().partition("\n   -- BEGIN MESSAGE ARCHIVE --\n")
    coded, _, _ = rest.partition("-- END MESSAGE ARCHIVE --")
    lines = [line.strip() for line in coded.split("\n")]
    data = base64.b64decode("".join(line for line in lines if line and " " not in line))
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        members = {member.name: files.extractfile(member) for member in files if member.isfile()}
        raw = {name: file.read() for name, file in members.items() if file is not None}
    assert not any(b"\r" in message for message in raw.values())
    whole = {Path(name).stem: message.replace(b"\n", b"\r\n") for name, message in raw.items()}
    return {name: data if b"\r\n\r\n" in data else data + b"\r\n" for name, data in whole.items()}


def read(archive: dict[str, bytes], name: str) -> Message:
    data = archive[name]
    if name == "ipv6-in-sdp":  # the RFC says 268, of a body that has 251 bytes
        data = data.replace(b"Content-Length: 268", b"Content-Length: 251")
    message = parse(data)
    message.validate()
    assert bytes(message) == data
    return message


def test_all_twelve_are_there(archive: dict[str, bytes]) -> None:
    assert sorted(archive) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ipv6-bad"])
def test_those_that_are_valid_or_to_be_tolerated_are_taken(archive: dict[str, bytes], name: str) -> None:
    read(archive, name)


def test_a_reference_without_brackets_is_400(archive: dict[str, bytes]) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        read(archive, "ipv6-bad")
    assert raised.value.status == 400


def test_a_body_that_is_shorter_than_it_says_is_400_here_too(archive: dict[str, bytes]) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(archive["ipv6-in-sdp"])
    assert raised.value.status == 400


def test_a_port_within_the_brackets_is_part_of_the_address_and_outside_it_is_the_port(
    archive: dict[str, bytes],
) -> None:
    uris = [
        message.request_uri
        for name in ("port-ambiguous", "port-unambiguous")
        if isinstance(message := read(archive, name), Request)
    ]
    assert [(uri.host, uri.port) for uri in uris] == [("2001:db8::10:5070", None), ("2001:db8::10", 5070)]


def test_received_is_read_with_and_without_brackets(archive: dict[str, bytes]) -> None:
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        via = read(archive, name).via
        assert via is not None
        assert (via.received, via.host) == ("2001:db8::9:255", "2001:db8::9:1")


def test_vias_of_both_families_stand_side_by_side(archive: dict[str, bytes]) -> None:
    vias = read(archive, "mult-ip-in-header").vias
    assert [(via.host, via.port) for via in vias] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", None),
        ("2001:db8::9:255", None),
    ]
    assert vias[2].received == "192.0.2.200"


def test_an_ipv4_mapped_address_is_one(archive: dict[str, bytes]) -> None:
    message = read(archive, "ipv4-mapped-ipv6")
    assert message.via is not None
    assert (message.via.host, message.via.port) == ("::ffff:192.0.2.10", 19823)
    assert message.contact is not None
    assert message.contact.uri.host == "::ffff:192.0.2.2"


def test_three_colons_are_two(archive: dict[str, bytes]) -> None:
    wrong, right = read(archive, "ipv6-bug-abnf-3-colons"), read(archive, "ipv6-correct-abnf-2-colons")
    assert wrong.to.uri.host == right.to.uri.host == "2001:db8::192.0.2.1"
    assert wrong.to.uri.equivalent(right.to.uri)
    assert wrong.to.uri.key == right.to.uri.key


# The same rules by hand, for where the RFC's text is not at hand.


def test_the_rules_of_the_rfc_hold_of_uris_of_our_own() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_uri("sip:2001:db8::10")
    assert (parse_uri("sip:[2001:db8::10]:5070").port, parse_uri("sip:[2001:db8::10:5070]").port) == (5070, None)
    assert parse_uri("sip:a@[2001:db8:::192.0.2.1]").host == "2001:db8::192.0.2.1"
    for bad in ("sip:[::::1]", "sip:[1:::2:::3]", "sip:[:::1:2:3:4:5:6:7:8]"):
        with pytest.raises(RemoteProtocolError):
            parse_uri(bad)
