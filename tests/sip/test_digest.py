"""Digest: the vectors of the RFCs, both sides against each other, and what each side refuses."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.digest import (
    ALGORITHMS,
    MAX_COUNT,
    AkaNonce,
    AuthenticationInfo,
    Challenge,
    Credentials,
    NonceCounts,
    OtherScheme,
    Session,
    aka_nonce,
    answers,
    choose,
    confirm,
    confirms,
    digest,
    ha1,
    parse_credentials,
    user_hash,
    verify,
)

MUFASA = Credentials(
    "Mufasa",
    "http-auth@example.org",
    "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "/dir/index.html",
    "",
    qop="auth",
    cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    nc="00000001",
)
DOE = Credentials(
    "Jäsøn Doe",
    "api@example.org",
    "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
    "/doe.json",
    "",
    "SHA-512-256",
    "auth",
    "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    "00000001",
)
# SHA-512/256 itself. RFC 7616 s3.9.2 prints SHA-512 cut to 256 bits: it must not come out.
DOE_USER = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
DOE_RESPONSE = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("", "8ca523f5e9506fed4657c9700eebdbec"),
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_hold(algorithm: str, response: str) -> None:
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")  # s3.9.1
    shown = replace(MUFASA, algorithm=algorithm, response=response)
    assert digest(secret, shown, "GET") == response
    assert verify(shown, secret, "GET")
    assert verify(replace(shown, response=response.upper()), secret, "GET")
    assert not verify(shown, secret, "POST")


def test_the_example_of_rfc_2617_holds() -> None:
    shown = Credentials(
        "Mufasa",
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "/dir/index.html",
        "6629fae49393a05397450978507c4ef1",
        qop="auth",
        cnonce="0a4f113b",
        nc="00000001",
    )
    assert verify(shown, "939e7578ed9e3c518a452acee763bce9", "GET")  # the HA1 alone is enough (RFC 7616 s3.6)
    assert ha1("", "Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"


def test_sha_512_256_is_not_sha_512_cut_short() -> None:
    secret = ha1("SHA-512-256", "Jäsøn Doe", "api@example.org", "Secret, or not?")
    assert digest(secret, DOE, "GET") == DOE_RESPONSE
    assert user_hash("SHA-512-256", "Jäsøn Doe", "api@example.org") == DOE_USER


def test_an_empty_body_is_hashed_as_an_empty_string() -> None:
    shown = Credentials("bob", "biloxi.com", "n", "sip:bob@biloxi.com", "", "SHA-256", "auth-int", "c", "00000001")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # RFC 8760 s2.6 rule 7
    sha = ALGORITHMS["SHA-256"]
    request = sha.of("INVITE", "sip:bob@biloxi.com", empty)
    assert digest("key", shown, "INVITE") == sha.of("key", "n", "00000001", "c", "auth-int", request)


def test_the_vectors_hold(corpora: Path) -> None:
    for vector in json.loads((corpora / "vectors" / "digest.json").read_text(encoding="utf-8")):
        _check(vector)


def _check(vector: dict[str, Any]) -> None:
    shown = Credentials(
        vector["u"],
        vector["r"],
        vector["nonce"],
        vector["uri"],
        vector["response"],
        vector["alg"],
        vector.get("qop") or "",
        vector.get("cn"),
        vector.get("nc") or "",
    )
    body = vector.get("body", "").encode()
    assert verify(shown, ha1(vector["alg"], vector["u"], vector["r"], vector["p"]), vector["m"], body), vector
    if "userhash" in vector:
        assert user_hash(vector["alg"], vector["u"], vector["r"]) == vector["userhash"]
        assert not verify(
            replace(shown, response=vector["rfc_printed"]),
            ha1(vector["alg"], vector["u"], vector["r"], vector["p"]),
            "GET",
        )


def test_the_messages_that_rfc_7616_prints_are_read(corpora: Path) -> None:
    text = (corpora / "vectors" / "rfc7616-3.9.2.txt").read_text(encoding="utf-8")
    text = re.sub(r"\n\s*\nShekh.*?\n\s*\n\s*\n|\f", "\n", text)
    found = re.findall(r"Authorization: (Digest\n(?: {6,}.*\n)+)", text)
    values = [
        parse_credentials(re.sub(r"\n +(?=[0-9a-z]+\")", "", value).replace("\n", " ").strip()) for value in found
    ]
    first, second = values
    assert isinstance(first, Credentials)
    assert isinstance(second, Credentials)
    assert (first.userhash, len(first.username)) == (True, 64)
    assert replace(second, response="", opaque=None) == DOE


def test_a_response_without_qop_is_that_of_rfc_2069() -> None:
    shown = Credentials("bob", "biloxi.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "sip:bob@biloxi.com", "")
    secret = ha1("MD5", "bob", "biloxi.com", "zanzibar")
    assert digest(secret, shown, "INVITE") == "bf57e4e0d0bffc0fbaedce64d59add5e"


def test_an_unknown_algorithm_or_qop_is_never_verified() -> None:
    shown = replace(MUFASA, response="ab")
    assert not verify(replace(shown, algorithm="SHA-3"), "x", "GET")
    odd = replace(MUFASA, qop="other")
    assert not verify(replace(odd, response=digest("x", odd, "GET")), "x", "GET")
    for make in (lambda: ha1("X", "u", "r", "p"), lambda: user_hash("X", "u", "r")):
        with pytest.raises(LocalProtocolError):
            make()


def test_the_topmost_challenge_that_can_be_answered_is_chosen() -> None:
    odd, md5, sha = Challenge("r", "1", "SHA-3"), Challenge("r", "2", qop=("auth",)), Challenge("r", "3", "SHA-256")
    aka, sess, strange = (
        Challenge("r", "4", "AKAv1-MD5"),
        Challenge("r", "5", "MD5-sess"),
        Challenge("r", "6", qop=("x",)),
    )
    basic = OtherScheme("Basic", "realm=x")
    assert choose([basic, odd, aka, sess, strange, md5, sha]) == md5
    assert choose([md5, sha], strongest=True) == sha
    assert choose([md5, Challenge("r", "7")], strongest=True) == md5
    assert choose([aka, md5], aka=True) == aka
    assert choose([basic, odd, aka]) is None


@pytest.mark.parametrize("algorithm", ["", *(entry.name for entry in ALGORITHMS.values())])
@pytest.mark.parametrize("qop", [(), ("auth",), ("auth-int",), ("auth", "auth-int")])
@pytest.mark.parametrize("userhash", [False, True])
def test_what_a_client_answers_a_server_takes(algorithm: str, qop: tuple[str, ...], userhash: bool) -> None:
    challenge = Challenge("r", "n", algorithm, qop, "o", userhash=userhash)
    secret = ha1(algorithm, "bob", "r", "zanzibar")
    session = Session.begin(challenge, "bob", secret, "c")
    session, first = session.authorize("INVITE", "sip:a@h", b"v=0", integrity=True)
    session, second = session.authorize("INVITE", "sip:a@h", b"v=0")
    assert session.count == 2
    for count, shown in enumerate((first, second), 1):
        if qop:
            assert shown.nonce_count == count
            assert parse_credentials(str(shown)) == shown
        assert answers(shown, challenge)
        assert verify(shown, secret, "INVITE", b"v=0")
        assert verify(shown, secret, "INVITE", b"v=1") == (shown.qop != "auth-int")
        info = confirm(shown, secret, b"back", nextnonce="next")
        assert confirms(info, shown, secret, b"back")
        assert not confirms(info, shown, ha1(algorithm, "bob", "r", "other"), b"back")
        assert session.informed(info) == replace(session, nonce="next", count=0)
    assert first.qop == ("auth-int" if "auth-int" in qop else "auth" if qop else "")
    assert second.qop == ("auth" if "auth" in qop else "auth-int" if qop else "")


def test_a_server_that_does_not_prove_itself_is_not_believed() -> None:
    info = confirm(MUFASA, "key")
    assert confirms(info, MUFASA, "key")
    assert confirms(replace(info, qop="", cnonce=None, nc=""), MUFASA, "key")
    assert not confirms(replace(info, rspauth=None), MUFASA, "key")
    assert not confirms(replace(info, cnonce="other"), MUFASA, "key")
    assert not confirms(replace(info, nc="00000002"), MUFASA, "key")
    assert not confirms(replace(info, qop="auth-int"), MUFASA, "key")


def test_a_session_keeps_its_nonce_until_it_is_given_another() -> None:
    session = Session.begin(Challenge("r", "n", qop=("auth",)), "bob", "key", "c")
    session, _ = session.authorize("BYE", "sip:h")
    assert session.informed(AuthenticationInfo()) == session
    assert session.informed(AuthenticationInfo("n")) == session
    _, shown = session.informed(AuthenticationInfo("m")).authorize("BYE", "sip:h")
    assert (shown.nonce, shown.nc) == ("m", "00000001")


def test_a_nonce_is_not_used_beyond_its_count() -> None:
    session = replace(Session.begin(Challenge("r", "n"), "bob", "key", "c"), count=MAX_COUNT)
    with pytest.raises(LocalProtocolError):
        session.authorize("BYE", "sip:h")


def test_the_secret_of_a_session_is_not_shown_to_people() -> None:
    assert "5ec7e7" not in repr(Session.begin(Challenge("r", "n"), "bob", "5ec7e7", "c"))


@pytest.mark.parametrize(
    "change",
    [
        {"realm": "other"},
        {"nonce": "other"},
        {"opaque": "other"},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-3"},
        {"qop": "auth-int"},
        {"qop": ""},
    ],
)
def test_credentials_for_another_challenge_do_not_answer_this_one(change: dict[str, Any]) -> None:
    challenge = Challenge("r", "n", "SHA-256", ("auth",))
    _, shown = Session.begin(challenge, "bob", "key", "c").authorize("BYE", "sip:h")
    assert answers(shown, challenge)
    assert not answers(replace(shown, **change), challenge)


def test_a_client_of_rfc_2069_may_leave_qop_out_where_the_algorithm_is_old_too() -> None:
    shown = Credentials("bob", "r", "n", "sip:h", "ab")
    assert answers(shown, Challenge("r", "n", qop=("auth",)))
    assert answers(shown, Challenge("r", "n", "MD5"))


def test_a_nonce_count_is_taken_once_and_somewhat_out_of_order() -> None:
    counts = NonceCounts()
    for count in (1, 3, 2, 70, 69, 7):
        after = counts.take(count)
        assert after is not None
        assert after.take(count) is None
        counts = after
    for old in (0, -1, 1, 2, 3, 6, 70):
        assert counts.take(old) is None
    assert NonceCounts(5, 1).take(0) is None


@given(st.lists(st.integers(0, 200), max_size=60))
def test_no_nonce_count_is_ever_taken_twice(sent: list[int]) -> None:
    counts = NonceCounts()
    taken = []
    for count in sent:
        after = counts.take(count)
        if after is not None:
            taken.append(count)
            counts = after
        else:
            assert count in taken or count < counts.highest - 63 or count == 0
        assert counts.seen < 2**64
    assert len(set(taken)) == len(taken)


def test_the_nonce_of_aka_holds_rand_and_autn() -> None:
    found = aka_nonce(base64.b64encode(bytes(range(40))).decode())
    assert found == AkaNonce(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 40)))
    assert aka_nonce(str(found)) == found
    with pytest.raises(LocalProtocolError):
        str(AkaNonce(b"", b"", b""))


@pytest.mark.parametrize("nonce", ["", "YQ==", "no base64", "é", "YQ"])
def test_a_nonce_that_is_not_of_aka_is_refused(nonce: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        aka_nonce(nonce)
    assert caught.value.status is None


def test_aka_takes_the_res_as_its_password_and_nothing_to_resynchronise() -> None:
    res = bytes(range(200, 216))
    challenge = Challenge("home", str(AkaNonce(bytes(16), bytes(16), b"")), "AKAv1-MD5", ("auth",))
    secret = ha1(challenge.algorithm, "user", "home", res)
    assert secret == ha1("MD5", "user", "home", res)
    _, shown = Session.begin(challenge, "user", secret, "c").authorize("REGISTER", "sip:home")
    assert verify(shown, secret, "REGISTER")
    empty = ha1(challenge.algorithm, "user", "home", "")
    _, shown = Session.begin(challenge, "user", empty, "c").authorize("REGISTER", "sip:home", auts="YXV0cw==")
    assert shown.auts == "YXV0cw=="
    assert verify(shown, empty, "REGISTER")


@given(
    st.sampled_from(sorted(ALGORITHMS)), st.text(), st.text(), st.text(), st.binary(max_size=20), st.text(max_size=5)
)
def test_only_the_right_secret_is_taken(
    algorithm: str, user: str, password: str, other: str, body: bytes, method: str
) -> None:
    user, password, other = (text.encode("utf-8", "replace").decode() for text in (user, password, other))
    challenge = Challenge("r", "n", algorithm, ("auth-int",))
    secret = ha1(algorithm, user, "r", password)
    _, shown = Session.begin(challenge, user, secret, "c").authorize(method, "sip:h", body)
    assert verify(shown, secret, method, body)
    assert verify(shown, ha1(algorithm, user, "r", other), method, body) == (password == other)
    assert not verify(shown, secret, f"{method}X", body)


def test_the_quality_of_protection_is_the_same_in_any_case() -> None:
    body = b"v=0"
    plain = Credentials("u", "r", "n", "sip:x", "", "MD5", "auth-int", cnonce="c", nc="00000001")
    for qop in ("Auth-Int", "AUTH-INT"):
        shown = replace(plain, qop=qop)
        assert digest("0" * 32, shown, "INVITE", body) != digest("0" * 32, shown, "INVITE", b"other")
