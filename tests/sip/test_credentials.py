"""The values of the headers that authenticate: read, printed, refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError, parse
from actors.sip.credentials import (
    AuthenticationInfo,
    Challenge,
    Credentials,
    OtherScheme,
    parse_authentication_info,
    parse_challenge,
    parse_credentials,
)

PARSERS = (parse_challenge, parse_credentials, parse_authentication_info)
NEEDED = 'username="u", realm="r", nonce="n", uri="sip:h", response="ab"'


def challenge(text: str) -> Challenge:
    found = parse_challenge(text)
    assert isinstance(found, Challenge)
    return found


def credentials(text: str) -> Credentials:
    found = parse_credentials(text)
    assert isinstance(found, Credentials)
    return found


def test_the_challenge_of_rfc_3261_is_read() -> None:
    found = challenge(
        'Digest realm="atlanta.com", domain="sip:boxesbybob.com", qop="auth",'
        ' nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5'
    )  # RFC 3261 s20.44
    assert found == Challenge(
        "atlanta.com", "f84f1cec41e6cbe5aea9c8e88d359", "MD5", ("auth",), "", domain="sip:boxesbybob.com"
    )


def test_a_challenge_is_printed_with_quotes_only_where_the_rfc_has_them() -> None:
    found = Challenge(
        'a "b" \\c', "n", "SHA-256", ("auth", "auth-int"), "o", True, "sip:a", "UTF-8", True, (("x", "1"), ("y", '"2"'))
    )
    text = str(found)
    assert text == (
        'Digest realm="a \\"b\\" \\\\c", domain="sip:a", nonce="n", opaque="o", stale=true, algorithm=SHA-256,'
        ' qop="auth,auth-int", charset=UTF-8, userhash=true, x=1, y="2"'
    )
    assert challenge(text) == found


def test_credentials_are_printed_with_quotes_only_where_the_rfc_has_them() -> None:
    found = Credentials(
        "bob", "r", "n", "sip:h", "ab", "MD5-sess", "auth", "c", "0000000A", "o", True, "YQ==", (("x", "1"),)
    )
    text = str(found)
    assert text == (
        'Digest username="bob", realm="r", nonce="n", uri="sip:h", response="ab", algorithm=MD5-sess, cnonce="c",'
        ' opaque="o", qop=auth, nc=0000000A, userhash=true, auts="YQ==", x=1'
    )
    assert credentials(text) == found
    assert found.nonce_count == 10


def test_what_a_server_says_afterwards_is_read_and_printed() -> None:
    text = 'nextnonce="47364c23432d2e131a5fb210812c", qop=auth, rspauth="ab", cnonce="c", nc=00000001, x=1'
    found = parse_authentication_info(text)
    assert found == AuthenticationInfo("47364c23432d2e131a5fb210812c", "auth", "ab", "c", "00000001", (("x", "1"),))
    assert str(found) == text
    assert parse_authentication_info(str(AuthenticationInfo())) == AuthenticationInfo()


def test_quotes_and_white_space_that_peers_put_or_leave_out_make_no_difference() -> None:
    found = credentials(
        'dIGEST \t Username = "u",realm="r" , NONCE=n==,,uri=sip:a@h;x=1?y, response=AB, qop="auth", nc="00000001",'
        ' cnonce=c, algorithm="MD5",opaque=,'
    )
    assert found == Credentials("u", "r", "n==", "sip:a@h;x=1?y", "AB", "MD5", "auth", "c", "00000001", "")


def test_no_count_is_a_count_of_none() -> None:
    assert credentials(f"Digest {NEEDED}").nonce_count == 0


def test_a_user_name_beyond_quoted_strings_is_read() -> None:
    rest = NEEDED.partition(", ")[2]
    assert credentials(f"Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, {rest}").username == "Jäsøn Doe"  # s3.9.2
    assert credentials(f"Digest username*=utf-8'en'a, {rest}").username == "a"


@pytest.mark.parametrize(
    "user",
    [
        "username=\"u\", username*=UTF-8''u",
        "username*=ISO-8859-1''u",
        "username*=UTF-8''a%0D%0Ab",
        "username*=u",
        "x=y",
    ],
)
def test_a_user_name_that_is_none_or_two_is_refused(user: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_credentials(f'Digest {user}, realm="r", nonce="n", uri="sip:h", response="ab"')
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "=",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n',
        'Digest realm="r" nonce="n"',
        'Digest realm="r", nonce="n", realm="r"',
        'Digest realm="r", nonce="n", qop="a b"',
        'Digest realm="r", nonce="n", algorithm="a b"',
        'Digest realm="r", nonce="n", Basic realm="r"',
        'Digest realm="r", nonce="\\\0"',
        'Digest realm="r", nonce="\r\nX: y"',
    ],
)
def test_a_malformed_challenge_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_challenge(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "more",
    [
        "qop=auth",
        'qop=auth, cnonce="c"',
        "qop=auth, nc=00000001",
        "algorithm=MD5-sess",
        "nc=1",
        "nc=0000000g",
        "nc=000000001",
        'response="ab"',
    ],
)
def test_credentials_that_do_not_fit_together_are_refused(more: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_credentials(f"Digest {NEEDED}, {more}")
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "response"])
def test_credentials_that_lack_something_are_refused(name: str) -> None:
    kept = [part for part in NEEDED.split(", ") if not part.startswith(name)]
    with pytest.raises(RemoteProtocolError):
        parse_credentials("Digest " + ", ".join(kept))


@pytest.mark.parametrize("text", ['rspauth="xy"', "nc=1", "qop=a b", "a", "\0", 'nextnonce="\x7f"'])
def test_a_malformed_authentication_info_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_authentication_info(text)


def test_a_response_that_is_not_hexadecimal_is_refused_and_an_empty_one_is_not() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_credentials('Digest username="u", realm="r", nonce="n", uri="sip:h", response="no"')
    before = 'Digest username="u", realm="r", nonce="", uri="sip:h", response=""'  # RFC 8760 s2.7
    assert credentials(before).response == ""


def test_other_schemes_are_kept_as_they_stand() -> None:
    basic = parse_credentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    assert basic == OtherScheme("Basic", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    assert str(basic) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    bearer = parse_challenge('Bearer authz_server="https://a", scope="x"')
    assert bearer == OtherScheme("Bearer", 'authz_server="https://a", scope="x"')


@pytest.mark.parametrize("other", [OtherScheme("a b", ""), OtherScheme("Digest", "x=y"), OtherScheme("B", "a\r\nb")])
def test_another_scheme_that_could_not_be_read_back_is_not_printed(other: OtherScheme) -> None:
    with pytest.raises(LocalProtocolError):
        str(other)


@pytest.mark.parametrize(
    "change",
    [
        {"realm": "a\r\nb"},
        {"nonce": "a\0"},
        {"realm": "\ud800"},
        {"opaque": "\x1b"},
        {"algorithm": "a b"},
        {"qop": ("a,b",)},
        {"others": (("a b", "c"),)},
        {"others": (("a", "b c"),)},
        {"others": (("a", "b, c=d"),)},
        {"others": (("a", '"\n"'),)},
        {"others": (("realm", "x"),)},
    ],
)
def test_what_may_not_be_sent_is_not_printed(change: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        str(replace(Challenge("r", "n"), **change))


def test_what_proves_a_password_is_not_shown_to_people() -> None:
    found = Credentials("u", "r", "n", "sip:h", "5ec7e7", auts="5ec7e7", others=(("x", "5ec7e7"),))
    assert "5ec7e7" not in repr(found) + repr(AuthenticationInfo(rspauth="5ec7e7")) + repr(OtherScheme("B", "5ec7e7"))


def test_the_values_come_out_of_messages() -> None:
    message = parse(
        b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\n"
        b'Call-ID: 1\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm="a,b",\r\n nonce="n"\r\n'
        b"WWW-Authenticate: Basic\r\n realm=x\r\n\r\n"
    )
    values = [parse_challenge(value) for value in message.get_all("WWW-Authenticate")]
    assert values == [Challenge("a,b", "n"), OtherScheme("Basic", "realm=x")]


names = st.text("abcxyz-.!%*_+`'~", min_size=1, max_size=8)
words = st.one_of(st.just(""), names)
texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
maybe = st.none() | texts
hexes = st.text("0123456789abcdefABCDEF", max_size=64)
counts = st.integers(0, 2**32 - 1).map("{:08x}".format)
pairs = st.lists(
    st.tuples(
        names.map(lambda name: f"x{name}"), names | texts.filter(lambda t: not set(t) & {'"', "\\"}).map('"{}"'.format)
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(tuple)
challenges = st.builds(
    Challenge,
    realm=texts,
    nonce=texts,
    algorithm=words,
    qop=st.lists(names, max_size=3).map(tuple),
    opaque=maybe,
    stale=st.booleans(),
    domain=maybe,
    charset=st.none() | names,
    userhash=st.booleans(),
    others=pairs,
)
proofs = st.builds(
    Credentials,
    username=texts,
    realm=texts,
    nonce=texts,
    uri=texts,
    response=hexes,
    algorithm=words,
    qop=words,
    cnonce=texts,
    nc=counts,
    opaque=maybe,
    userhash=st.booleans(),
    auts=maybe,
    others=pairs,
)
infos = st.builds(
    AuthenticationInfo,
    nextnonce=maybe,
    qop=words,
    rspauth=st.none() | hexes,
    cnonce=maybe,
    nc=st.just("") | counts,
    others=pairs,
)


@given(challenges)
def test_a_printed_challenge_reads_as_itself(value: Challenge) -> None:
    assert parse_challenge(str(value)) == value


@given(proofs)
def test_printed_credentials_read_as_themselves(value: Credentials) -> None:
    assert parse_credentials(str(value)) == value


@given(infos)
def test_a_printed_authentication_info_reads_as_itself(value: AuthenticationInfo) -> None:
    assert parse_authentication_info(str(value)) == value


@given(
    st.lists(
        st.sampled_from(['"', "\\", ",", "=", " ", "Digest ", "realm=", "nonce=", "qop=", "nc=", "\xff", "\0", "%C3"])
        | st.text(max_size=3),
        max_size=12,
    ).map("".join)
    | st.builds(
        lambda head, tail: f"Digest {NEEDED}{head}{tail}", st.sampled_from([", ", ",", " "]), st.text(max_size=9)
    )
)
def test_any_text_gives_a_value_that_prints_and_reads_the_same_or_is_refused(text: str) -> None:
    for read in PARSERS:
        try:
            value = read(text)
        except RemoteProtocolError:
            continue
        assert read(str(value)) == value
