"""RFC 3263 section 4 and RFC 2782: from a URI and the records of DNS to the next hops in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.records import NONE, Answer, Question, Srv, parse_static
from actors.transport.selection import HOPS, SERVERS, Found, Hop, LocationError, order, search, where_of

ALL = ("udp", "tcp", "tls")
BOTH = ("AAAA", "A")

# The example of RFC 3263 section 4.1, with addresses.
EXAMPLE = parse_static(
    (
        "example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com",
        "example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com",
        "example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com",
        "_sips._tcp.example.com SRV 0 1 5061 server1.example.com",
        "_sip._tcp.example.com SRV 0 1 5060 server1.example.com",
        "_sip._tcp.example.com SRV 1 2 5070 server2.example.com",
        "_sip._udp.example.com SRV 0 1 5080 server2.example.com",
        "server1.example.com A 192.0.2.1",
        "server1.example.com AAAA 2001:db8::1",
        "server2.example.com A 192.0.2.2",
        "example.com A 192.0.2.9",
    )
)


def found(
    uri: str, zone: Mapping[Question, Answer] = EXAMPLE, offered: tuple[str, ...] = ("udp", "tcp"), seed: int = 1
) -> Found:
    return search(where_of(uri, offered), lambda question: zone.get(question, NONE), offered, BOTH, seed)


def hops(uri: str, zone: Mapping[Question, Answer] = EXAMPLE, offered: tuple[str, ...] = ("udp", "tcp")) -> list[str]:
    return [f"{hop.transport} {hop.host} {hop.port}" for hop in found(uri, zone, offered).hops]


def without(*kinds: str) -> dict[Question, Answer]:
    return {question: answer for question, answer in EXAMPLE.items() if question.kind not in kinds}


# 4.1: "If the URI specifies a transport protocol in the transport parameter, that transport protocol SHOULD be used."
@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@192.0.2.1;transport=TCP", ["tcp 192.0.2.1 5060"]),
        ("sip:a@example.com;transport=udp", ["udp 192.0.2.2 5080"]),
        ("sip:a@example.com;transport=tcp", ["tcp 2001:db8::1 5060", "tcp 192.0.2.1 5060", "tcp 192.0.2.2 5070"]),
        ("sip:a@example.com:5099;transport=tcp", ["tcp 192.0.2.9 5099"]),
        # "TARGET is a numeric IP address, the client SHOULD use UDP for a SIP URI"
        ("sip:a@192.0.2.1", ["udp 192.0.2.1 5060"]),
        ("sip:192.0.2.1:5080", ["udp 192.0.2.1 5080"]),
        ("sip:a@[2001:DB8:0::1]", ["udp 2001:db8::1 5060"]),
        # "not numeric, but an explicit port is provided, the client SHOULD use UDP"; A or AAAA records, no SRV
        ("sip:a@example.com:5060", ["udp 192.0.2.9 5060"]),
        # TARGET is the maddr parameter where there is one
        ("sip:a@nowhere.example;maddr=192.0.2.9", ["udp 192.0.2.9 5060"]),
        ("sip:a@nowhere.example:5099;maddr=EXAMPLE.com.", ["udp 192.0.2.9 5099"]),
        # NAPTR: TLS is not ours, so TCP is the most preferred
        ("sip:a@example.com", ["tcp 2001:db8::1 5060", "tcp 192.0.2.1 5060", "tcp 192.0.2.2 5070"]),
    ],
)
def test_a_sip_uri_leads_to_its_hops(uri: str, expected: list[str]) -> None:
    assert hops(uri) == expected


def test_with_tls_the_server_s_preference_for_it_counts_and_sips_takes_nothing_else() -> None:
    secure = ["tls 2001:db8::1 5061", "tls 192.0.2.1 5061"]
    assert hops("sip:a@example.com", offered=ALL) == secure
    assert hops("sips:a@example.com", offered=ALL) == secure
    assert hops("sips:a@example.com;transport=tcp", offered=ALL) == secure
    assert hops("sips:a@192.0.2.1", offered=ALL) == ["tls 192.0.2.1 5061"]
    assert hops("sips:a@example.com:5099", offered=ALL) == ["tls 192.0.2.9 5099"]
    assert hops("sips:a@example.com", without("NAPTR"), ALL) == secure
    assert hops("sips:a@example.com", without("NAPTR", "SRV"), ALL) == ["tls 192.0.2.9 5061"]
    plain = parse_static(("a.example NAPTR 1 1 s SIP+D2T _sip._tcp.a.example", "a.example A 192.0.2.3"))
    assert hops("sips:x@a.example", plain, ALL) == ["tls 192.0.2.3 5061"]


def test_a_hop_knows_the_domain_that_its_certificate_has_to_name() -> None:
    assert found("sip:a@Example.com.", offered=ALL).hops[0] == Hop("tls", "2001:db8::1", 5061, "example.com")


def test_without_naptr_the_first_transport_of_ours_that_has_srv_records_is_taken() -> None:
    assert hops("sip:a@example.com", without("NAPTR")) == ["udp 192.0.2.2 5080"]
    zone = without("NAPTR")
    del zone[Question("_sip._udp.example.com", "SRV")]
    assert hops("sip:a@example.com", zone)[0] == "tcp 2001:db8::1 5060"


def test_without_srv_the_name_itself_is_asked_for_addresses() -> None:
    assert hops("sip:a@example.com", without("NAPTR", "SRV")) == ["udp 192.0.2.9 5060"]
    assert hops("sip:a@example.com;transport=tcp", without("SRV")) == ["tcp 192.0.2.9 5060"]
    assert hops("sip:a@example.com", without("NAPTR", "SRV"), ("tcp",)) == ["tcp 192.0.2.9 5060"]


def test_naptr_records_that_are_not_for_us_are_passed_over() -> None:
    zone = without("NAPTR") | parse_static(
        (
            "example.com NAPTR 1 1 s SIP+D2S _sip._sctp.example.com",
            "example.com NAPTR 2 1 u SIP+D2T _sip._tcp.example.com",
            "example.com NAPTR 3 1 s SIP+D2T .",
            "example.com NAPTR 4 1 s E2U+sip x",
        )
    )
    assert hops("sip:a@example.com", zone) == ["udp 192.0.2.2 5080"]


def test_the_root_as_a_target_says_that_there_is_decidedly_no_service() -> None:
    zone = parse_static(("_sip._udp.a.example SRV 0 0 0 .", "a.example A 192.0.2.3"))
    assert found("sip:x@a.example", zone).reason == "a.example: DNS knows no server and no address"


def test_a_failure_of_dns_is_the_reason_where_nothing_else_leads_on() -> None:
    zone = {Question("_sip._udp.a.example", "SRV"): Answer(failure="DNS: every server failed")}
    assert found("sip:x@a.example", zone).reason == "a.example: DNS: every server failed"
    zone[Question("a.example", "A")] = Answer(("192.0.2.3",))
    assert hops("sip:x@a.example", zone) == ["udp 192.0.2.3 5060"]


def test_a_search_names_the_questions_it_lacks_all_of_a_step_at_once() -> None:
    known: dict[Question, Answer] = {}
    asked = []
    where = where_of("sip:a@example.com", ("udp", "tcp"))
    while (state := search(where, known.get, ("udp", "tcp"), BOTH, 1)).needs:
        asked.append({f"{one.name} {one.kind}" for one in state.needs})
        known |= {question: EXAMPLE.get(question, NONE) for question in state.needs}
    assert asked == [
        {"example.com NAPTR"},
        {"_sip._tcp.example.com SRV", "_sip._udp.example.com SRV"},
        {f"server{number}.example.com {kind}" for number in (1, 2) for kind in ("A", "AAAA")},
    ]
    assert len(state.hops) == 3


def test_an_address_as_the_target_of_an_srv_record_is_taken_as_it_is() -> None:
    zone = parse_static(("_sip._udp.a.example SRV 0 0 5066 192.0.2.8",))
    assert hops("sip:x@a.example", zone) == ["udp 192.0.2.8 5066"]


def test_fault_62_of_a_thousand_srv_records_a_few_are_asked_for() -> None:
    zone = parse_static(
        [f"_sip._udp.a.example SRV 0 {n % 7} 5060 s{n}.a.example" for n in range(1000)]
        + [f"s{n}.a.example A 192.0.{n // 250}.{n % 250}" for n in range(1000)]
        + [f"s{n}.a.example AAAA 2001:db8::{n:x}" for n in range(1000)]
    )
    assert len(found("sip:x@a.example", zone).hops) == HOPS == 2 * SERVERS


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("sips:a@192.0.2.1", "TLS"),
        ("sips:a@192.0.2.1;transport=udp", "never goes over udp"),
        ("tel:+4912345", "not sip"),
        ("sip:a@192.0.2.1;transport=sctp", "sctp is not offered"),
        ("sip:a@192.0.2.1:0", "Port out of range"),
        ("sip:a@192.0.2.1:99999", "Port out of range"),
        ("nonsense", "URI"),
    ],
)
def test_where_there_is_no_way_the_reason_says_why(uri: str, word: str) -> None:
    with pytest.raises(LocationError, match=word):
        where_of(uri, ("udp", "tcp"))


# RFC 2782


def test_srv_records_are_tried_by_priority_first() -> None:
    records = [Srv(20, 5, 1, "c"), Srv(10, 0, 1, "b"), Srv(0, 1, 1, "a")]
    assert [record.target for record in order(records, 7)] == ["a", "b", "c"]


def test_of_one_priority_the_weight_decides_how_often_a_record_is_first() -> None:
    records = [Srv(0, 10, 1, "small"), Srv(0, 60, 1, "large"), Srv(0, 0, 1, "never"), Srv(0, 30, 1, "middle")]
    first = Counter(order(records, seed)[0].target for seed in range(5000))
    assert 2800 < first["large"] < 3200
    assert 1350 < first["middle"] < 1650
    assert 400 < first["small"] < 600
    assert 0 < first["never"] < 150  # "a very small chance of being selected"


def test_records_of_no_weight_are_all_tried() -> None:
    records = [Srv(0, 0, 1, name) for name in "abc"]
    assert {record.target for record in order(records, 3)} == {"a", "b", "c"}


@given(
    st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.integers(1, 9), st.sampled_from("abcdef"))),
    st.integers(0, 2**32),
    st.integers(0, 20),
)
def test_an_order_is_a_part_of_the_records_by_priority_and_the_same_for_the_same_seed(
    records: list[Srv], seed: int, limit: int
) -> None:
    ordered = order(records, seed, limit)
    assert ordered == order(list(reversed(records)), seed, limit)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)[:limit]
    assert not Counter(ordered) - Counter(records)
