"""Digest as a client: which challenges are answered, to whom, how often, and with what."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog import authentication
from actors.dialog.accounts import Account, Accounts, Secret
from actors.dialog.attempt import Attempt, AttemptState
from actors.dialog.authentication import Authenticator, Where, challenged, credentials, fresh, informed
from actors.dialog.names import Names
from actors.sip import Response, parse
from actors.sip.credentials import Challenge, Credentials, parse_credentials
from actors.sip.digest import ha1, verify

ACCOUNT = Account(
    aor="sip:alice@example.com",
    registrar="sip:example.com",
    outbound_proxy="sip:proxy.example.com;lr",
    username="alice",
    secret=Secret("wonderland"),
)
HOME = Where("proxy.example.com", "sip:bob@example.com")
TOKEN = Names(b"s" * 32).token


def response(*challenges: Challenge, status: int = 407, proxy: bool | None = None) -> Response:
    by_proxy = status == 407 if proxy is None else proxy
    name = "Proxy-Authenticate" if by_proxy else "WWW-Authenticate"
    lines = "".join(f"{name}: {challenge}\r\n" for challenge in challenges)
    raw = (
        f"SIP/2.0 {status} Prove it\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n"
        f"To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
    )
    message = parse(raw.encode())
    assert isinstance(message, Response)
    return message


def challenge(realm: str = "example.com", nonce: str = "n1", **more: object) -> Challenge:
    return Challenge(realm, nonce, **{"qop": ("auth",), "algorithm": "MD5", **more})  # type: ignore[arg-type]


def proofs(
    authenticator: Authenticator, account: Account = ACCOUNT, method: str = "INVITE", body: bytes = b""
) -> tuple[Authenticator, list[Credentials]]:
    after, lines = credentials(authenticator, account, method, HOME.uri, body)
    read = [parse_credentials(value) for _, value in lines]
    assert all(isinstance(each, Credentials) for each in read)
    return after, read  # type: ignore[return-value]


def valid(found: Credentials, body: bytes = b"", method: str = "INVITE") -> bool:
    return verify(found, ha1(found.algorithm, "alice", found.realm, "wonderland"), method, body)


START = authentication.begin(ACCOUNT)


@pytest.mark.parametrize("algorithm", ["", "MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"])
@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_of_a_host_of_the_account_is_answered_in_its_algorithm(algorithm: str, status: int) -> None:
    after = challenged(START, ACCOUNT, response(challenge(algorithm=algorithm), status=status), HOME, TOKEN)
    assert after is not None
    after, lines = credentials(after, ACCOUNT, "INVITE", HOME.uri)
    assert [name for name, _ in lines] == ["Authorization" if status == 401 else "Proxy-Authorization"]
    found = parse_credentials(lines[0][1])
    assert isinstance(found, Credentials)
    assert (found.nc, found.qop, found.uri) == ("00000001", "auth", HOME.uri)
    assert valid(found)


def test_what_is_kept_in_a_cell_holds_no_secret_and_reads_back() -> None:
    after = challenged(START, ACCOUNT, response(challenge()), HOME, TOKEN)
    assert after is not None
    raw = msgspec.msgpack.encode(after)
    assert b"wonderland" not in raw
    assert ha1("MD5", "alice", "example.com", "wonderland").encode() not in raw
    assert msgspec.msgpack.decode(raw, type=Authenticator) == after


def test_a_secret_never_shows() -> None:
    assert "wonderland" not in f"{ACCOUNT!r} {ACCOUNT} {ACCOUNT.secret!r} {ACCOUNT.secret}"


def test_several_realms_of_one_response_are_answered_in_one_request() -> None:
    both = response(challenge("one", "n1"), challenge("two", "n2", algorithm="SHA-256"))
    after = challenged(START, ACCOUNT, both, HOME, TOKEN)
    assert after is not None
    _, found = proofs(after)
    assert [(each.realm, each.nonce) for each in found] == [("one", "n1"), ("two", "n2")]
    assert all(map(valid, found))


def test_proxies_that_ask_one_after_another_get_all_credentials_together() -> None:
    after = challenged(START, ACCOUNT, response(challenge("one", "n1")), HOME, TOKEN)
    assert after is not None
    after, _ = proofs(after)
    after = challenged(after, ACCOUNT, response(challenge("two", "n2")), HOME, TOKEN)
    assert after is not None
    _, found = proofs(after)
    assert [(each.realm, each.nc) for each in found] == [("one", "00000002"), ("two", "00000001")]


def test_auth_int_is_taken_where_nothing_else_is_offered_and_covers_the_body() -> None:
    after = challenged(START, ACCOUNT, response(challenge(qop=("auth-int",))), HOME, TOKEN)
    assert after is not None
    _, (found,) = proofs(after, body=b"v=0\r\n")
    assert found.qop == "auth-int"
    assert valid(found, b"v=0\r\n")
    assert not valid(found, b"v=1\r\n")


def test_a_challenge_without_qop_is_answered_as_rfc_2069_had_it() -> None:
    after = challenged(START, ACCOUNT, response(challenge(qop=())), HOME, TOKEN)
    assert after is not None
    _, (found,) = proofs(after)
    assert (found.qop, found.nc, found.cnonce) == ("", "", None)
    assert valid(found)


def test_the_nonce_count_rises_with_each_request() -> None:
    after = challenged(START, ACCOUNT, response(challenge()), HOME, TOKEN)
    assert after is not None
    counts = []
    for _ in range(3):
        after, (found,) = proofs(fresh(after))
        assert valid(found)
        counts.append(found.nonce_count)
    assert counts == [1, 2, 3]


def test_rejected_credentials_are_not_sent_again() -> None:
    after = challenged(START, ACCOUNT, response(challenge(nonce="n1")), HOME, TOKEN)
    assert after is not None
    after, _ = proofs(after)
    assert challenged(after, ACCOUNT, response(challenge(nonce="n1")), HOME, TOKEN) is None
    assert challenged(after, ACCOUNT, response(challenge(nonce="n2")), HOME, TOKEN) is None


def test_a_stale_nonce_is_answered_once_more_with_the_new_one() -> None:
    after = challenged(START, ACCOUNT, response(challenge(nonce="n1")), HOME, TOKEN)
    assert after is not None
    after = challenged(after, ACCOUNT, response(challenge(nonce="n2", stale=True)), HOME, TOKEN)
    assert after is not None
    _, (found,) = proofs(after)
    assert (found.nonce, found.nc) == ("n2", "00000001")
    assert challenged(after, ACCOUNT, response(challenge(nonce="n2", stale=True)), HOME, TOKEN) is None


def test_a_nonce_that_grew_old_between_two_requests_is_answered_afresh_even_if_nobody_says_stale() -> None:
    after = challenged(START, ACCOUNT, response(challenge(nonce="n1")), HOME, TOKEN)
    assert after is not None
    after = challenged(fresh(after), ACCOUNT, response(challenge(nonce="n2")), HOME, TOKEN)
    assert after is not None
    _, (found,) = proofs(after)
    assert found.nonce == "n2"


def test_fault_39_endless_challenges_are_answered_five_times_at_most() -> None:
    after: Authenticator | None = START
    answered = 0
    for number in range(20):
        assert after is not None
        after = challenged(after, ACCOUNT, response(challenge(nonce=f"n{number}", stale=True)), HOME, TOKEN)
        if after is None:
            break
        answered += 1
    assert answered == 5


def test_fault_39_the_topmost_challenge_is_answered_by_default_and_the_strongest_by_policy() -> None:
    offered = response(challenge(nonce="old"), challenge(nonce="new", algorithm="SHA-256"))
    strong = msgspec.structs.replace(ACCOUNT, strongest=True)
    for account, nonce in ((ACCOUNT, "old"), (strong, "new")):
        after = challenged(START, account, offered, HOME, TOKEN)
        assert after is not None
        assert [each.nonce for each in after.protections] == [nonce]


def test_fault_38_a_callee_that_claims_our_realm_gets_no_credentials() -> None:
    callee = Where("198.51.100.66", "sip:mallory@198.51.100.66")
    assert challenged(START, ACCOUNT, response(challenge(), status=401), callee, TOKEN) is None
    assert challenged(START, ACCOUNT, response(challenge(), status=407), callee, TOKEN) is None


def test_fault_38_nor_does_one_behind_our_proxy() -> None:
    behind = Where("proxy.example.com", "sip:mallory@198.51.100.66")
    assert challenged(START, ACCOUNT, response(challenge(), status=401), behind, TOKEN) is None
    assert challenged(START, ACCOUNT, response(challenge(), status=407), behind, TOKEN) is not None


def test_fault_38_an_account_of_certain_realms_proves_itself_to_no_other() -> None:
    account = msgspec.structs.replace(ACCOUNT, realms=("example.com",))
    assert challenged(START, account, response(challenge("elsewhere")), HOME, TOKEN) is None
    assert challenged(START, account, response(challenge("elsewhere"), challenge()), HOME, TOKEN) is not None


def test_an_address_that_a_host_of_the_account_was_located_at_is_as_good_as_its_name() -> None:
    there = Where("192.0.2.44", "sip:1@192.0.2.44")
    assert challenged(START, ACCOUNT, response(challenge(), status=401), there, TOKEN) is None
    known = authentication.widened(START, "192.0.2.44")
    assert challenged(known, ACCOUNT, response(challenge(), status=401), there, TOKEN) is not None


def test_a_stored_ha1_answers_its_own_algorithm_only() -> None:
    kept = Secret(ha1("SHA-256", "alice", "example.com", "wonderland"), hashed=True, algorithm="SHA-256")
    account = msgspec.structs.replace(ACCOUNT, secret=kept, realms=("example.com",))
    offered = response(challenge(nonce="old"), challenge(nonce="new", algorithm="SHA-256"))
    after = challenged(START, account, offered, HOME, TOKEN)
    assert after is not None
    _, (found,) = proofs(after, account)
    assert found.nonce == "new"
    assert valid(found)
    assert challenged(START, account, response(challenge()), HOME, TOKEN) is None


def test_challenges_that_cannot_be_read_or_are_no_digest_are_passed_over() -> None:
    raw = bytes(response(challenge())).replace(
        b"Proxy-Authenticate: Digest", b'Proxy-Authenticate: Basic x\r\nProxy-Authenticate: Digest nonsense=,,"', 1
    )
    message = parse(raw)
    assert isinstance(message, Response)
    assert challenged(START, ACCOUNT, message, HOME, TOKEN) is None


def test_the_nonce_that_a_success_names_is_used_next() -> None:
    after = challenged(START, ACCOUNT, response(challenge(), status=401), HOME, TOKEN)
    assert after is not None
    after, _ = proofs(after)
    raw = bytes(response(status=401)).replace(b"SIP/2.0 401", b"SIP/2.0 200")
    raw = raw.replace(b"Call-ID", b'Authentication-Info: nextnonce="n9"\r\nCall-ID')
    message = parse(raw)
    assert isinstance(message, Response)
    _, (found,) = proofs(informed(after, message))
    assert (found.nonce, found.nc) == ("n9", "00000001")
    assert valid(found)


INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\n"
    b"To: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nProxy-Authorization: Digest old\r\n"
    b"Content-Length: 4\r\n\r\nbody"
)


def test_a_request_goes_again_with_a_new_branch_and_number_and_all_else_as_it_was() -> None:
    attempt = Attempt(AttemptState.DONE, (), "tag", "invite", "INVITE", INVITE, "us", "sip:example.com")
    proven = authentication.answer(START, ACCOUNT, attempt, response(challenge()), ACCOUNT.outbound_proxy, 2, TOKEN)
    assert proven is not None
    assert proven.attempt.state is AttemptState.CHOSEN
    assert proven.attempt.name == "invite#2"
    head = proven.attempt.request
    assert b"\r\nCSeq: 2 INVITE\r\n" in head
    assert head.endswith(b"\r\n\r\nbody")
    assert b"Digest old" not in head
    assert head.replace(b"CSeq: 2", b"CSeq: 1").split(b"\r\n")[:5] == INVITE.split(b"\r\n")[:5]
    ((name, value),) = authentication.proofs_of(head)
    assert name == "Proxy-Authorization"
    found = parse_credentials(value)
    assert isinstance(found, Credentials)
    assert valid(found, b"body")
    again = authentication.answer(
        proven.authenticator,
        ACCOUNT,
        proven.attempt,
        response(challenge(nonce="n2", stale=True)),
        ACCOUNT.outbound_proxy,
        3,
        TOKEN,
    )
    assert again is not None
    assert again.attempt.name == "invite#3"


def test_accounts_are_found_by_the_user_that_is_called_and_then_by_the_host_of_the_to() -> None:
    other = msgspec.structs.replace(ACCOUNT, aor="sip:alice@example.net")
    third = msgspec.structs.replace(ACCOUNT, aor="sip:carol@example.net")
    accounts = Accounts([ACCOUNT, other, third])
    assert accounts.called("sip:carol@192.0.2.1:5060", "sip:x@y") == third
    assert accounts.called("sip:alice@192.0.2.1:5060", "sip:alice@EXAMPLE.net") == other
    assert accounts.called("sip:alice@192.0.2.1:5060", "sip:alice@elsewhere") == ACCOUNT
    assert accounts.called("sip:nobody@192.0.2.1", "sip:alice@example.com") is None
    assert accounts.called("tel:+1", "sip:alice@example.com") is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two", ""]), st.sampled_from("abc"), st.booleans(), st.sampled_from([401, 407])
        ),
        max_size=12,
    )
)
def test_whatever_is_asked_no_nonce_is_used_twice_with_one_count(asked: list[tuple[str, str, bool, int]]) -> None:
    authenticator = START
    for realm, nonce, stale, status in asked:
        after = challenged(
            authenticator, ACCOUNT, response(challenge(realm, nonce, stale=stale), status=status), HOME, TOKEN
        )
        authenticator = fresh(authenticator) if after is None else after
        if after is None:
            continue
        assert after.tries <= authentication.MAX_TRIES
        authenticator, found = proofs(after)
        for each in found:
            assert valid(each)
