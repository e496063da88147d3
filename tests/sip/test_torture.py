"""The torture messages of RFC 4475, byte for byte, and the hand-made kin of those whose rule matters most."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from actors.sip import Message, RemoteProtocolError, Request, Response, parse
from actors.sip.credentials import OtherScheme
from actors.sip.headers import Accept, Authorization
from actors.sip.scan import METHODS, scan
from actors.sip.vocabulary import Head

# What the MANIFEST leaves to the user agent: well-formed here, answered above the parser.
ABOVE_THE_PARSER = {
    "intmeth.dat": "501 is for an unknown method",
    "esc02.dat": "501 is for an unknown method",
    "unkscm.dat": "416 is the user agent's: the URI is kept raw",
    "novelsc.dat": "416 is the user agent's: the URI is kept raw",
    "unksm2.dat": "400 is a registrar's",
    "bext01.dat": "420 is the user agent's",
    "invut.dat": "415 is the user agent's",
    "regaut01.dat": "401 is a registrar's",
    "bcast.dat": "the transport drops a response with two Vias (s8.1.3.3)",
    "sdp01.dat": "406 is the user agent's",
}


def read(data: bytes) -> Message | RemoteProtocolError:
    """The message with every header parsed, or why not."""
    try:
        message = parse(data)
        message.validate()
    except RemoteProtocolError as error:
        return error
    return message


def outcome(reader: Callable[[bytes], Head], data: bytes) -> object:
    """What `reader` gives, or the status and reason for which it does not."""
    try:
        return reader(data)
    except RemoteProtocolError as error:
        return error.status, error.reason


def manifest(corpora: Path) -> dict[str, str]:
    with (corpora / "rfc4475" / "MANIFEST.tsv").open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: row["expected_code"] for row in rows}


def test_every_torture_message_has_the_status_that_the_rfc_asks_for(corpora: Path) -> None:
    expected = manifest(corpora)
    assert len(expected) == 49
    wrong = {}
    for name, code in expected.items():
        result = read((corpora / "rfc4475" / name).read_bytes())
        wanted = "-" if name in ABOVE_THE_PARSER or code == "200" else code
        got = str(result.status or "drop") if isinstance(result, RemoteProtocolError) else "-"
        if got != wanted:
            wrong[name] = (wanted, got)
    assert wrong == {}


def test_untouched_torture_messages_print_as_they_came(corpora: Path) -> None:
    for name in manifest(corpora):
        data = (corpora / "rfc4475" / name).read_bytes()
        result = read(data)
        if not isinstance(result, RemoteProtocolError):
            assert bytes(result) == data, name


def test_scanning_a_torture_message_agrees_with_parsing_it(corpora: Path) -> None:
    for name in manifest(corpora):
        data = (corpora / "rfc4475" / name).read_bytes()
        assert outcome(lambda data: scan(data).head, data) == outcome(lambda data: parse(data).head, data), name


def test_what_is_left_to_the_user_agent_is_told_to_it(corpora: Path) -> None:
    assert {load(corpora, name).head.method in METHODS for name in ("intmeth.dat", "esc02.dat")} == {False}
    for name, scheme in (("unkscm.dat", "nobodyknowsthisscheme"), ("novelsc.dat", "soap.beep")):
        message = load(corpora, name)
        assert isinstance(message, Request)
        assert message.request_uri.scheme == scheme
    registration = load(corpora, "unksm2.dat")
    assert (registration.head.method, registration.to.uri.scheme) == ("REGISTER", "isbn")
    assert load(corpora, "bext01.dat").require == ("nothingSupportsThis", "nothingSupportsThisEither")
    unknown = load(corpora, "invut.dat").content_type
    assert unknown is not None
    assert unknown.name == "application/unknownformat"
    proof = load(corpora, "regaut01.dat").header(Authorization)
    assert proof is not None
    assert isinstance(proof.credentials, OtherScheme)
    assert proof.credentials.scheme == "NoOneKnowsThisScheme"
    assert [via.host for via in load(corpora, "bcast.dat").vias] == ["192.0.2.198", "255.255.255.255"]
    assert [accept.name for accept in load(corpora, "sdp01.dat").headers(Accept)] == ["text/nobodyknowsthis"]


def load(corpora: Path, name: str) -> Request | Response:
    return parse((corpora / "rfc4475" / name).read_bytes())


def test_a_short_tortuous_invite_is_read_as_it_is_meant(corpora: Path) -> None:
    message = load(corpora, "wsinv.dat")
    assert message.to.tag == "1918181833n"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    assert [via.transport for via in message.vias] == ["UDP", "TCP", "UDP"]
    assert [via.branch for via in message.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.get("Subject") == ""
    assert message.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert message.contact is not None
    assert message.contact.display_name == 'Quoted string ""'
    assert message.contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert message.route[0].uri.params == {"lr": None, "unknownwith": "value", "unknown-no-value": None}


def test_every_legal_character_of_a_token_is_taken(corpora: Path) -> None:
    message = load(corpora, "intmeth.dat")
    assert message.head.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.params["fromparam''~+*_!.-%"] == '"работающий"'
    assert message.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes_are_undone_once(corpora: Path) -> None:
    message = load(corpora, "esc01.dat")
    assert message.to.uri.user == "user"
    assert message.contact is not None
    assert message.contact.uri.params == {"lr": None, "name": "value%41"}
    assert str(message.contact.uri) == "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31"


def test_an_escaped_nul_does_not_cut_the_user(corpora: Path) -> None:
    message = load(corpora, "escnull.dat")
    assert message.to.uri.user == "null-\0-null"
    assert [contact.uri.user for contact in message.contacts] == ["\0", "\0\0"]


def test_octets_after_the_body_are_no_part_of_the_message(corpora: Path) -> None:
    message = load(corpora, "dblreq.dat")
    assert message.body == b""
    assert message.head.method == "REGISTER"


def test_a_parameter_after_a_bare_uri_is_the_headers(corpora: Path) -> None:
    bare = load(corpora, "cparam01.dat").contact
    bracketed = load(corpora, "cparam02.dat").contact
    assert bare is not None
    assert bracketed is not None
    assert (dict(bare.params), dict(bare.uri.params)) == ({"unknownparam": None}, {})
    assert (dict(bracketed.params), dict(bracketed.uri.params)) == ({}, {"unknownparam": None})


def test_a_binary_body_is_kept(corpora: Path) -> None:
    message = load(corpora, "mpart01.dat")
    assert len(message.body) == 553
    assert message.body.count(b"\0") == 2


def test_a_reason_phrase_may_be_any_text_or_none(corpora: Path) -> None:
    reasons = [load(corpora, name).start_line.partition(" ")[2][4:] for name in ("unreason.dat", "noreason.dat")]
    assert "девяносто" in reasons[0]
    assert reasons[1] == ""


def test_a_semicolon_may_stand_in_a_user(corpora: Path) -> None:
    message = load(corpora, "semiuri.dat")
    assert isinstance(message, Request)
    uri = message.request_uri
    assert (uri.user, uri.host, dict(uri.params)) == ("user;par=u@example.net", "example.com", {})
