"""Name servers that lie, babble or say half: a look-up ends with the truth or a failure, and a search with hops."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.records import Answer, Naptr, Question, Srv
from actors.transport.resolver import Came, Resolver
from actors.transport.selection import HOPS, SERVERS, order, search, where_of

pytest.importorskip("dns", reason="dnspython is not installed")

Trick = Callable[[dnslib.DNSRecord], bytes]


@contextmanager
def answering(trick: Trick) -> Iterator[str]:
    """A server that answers every query over UDP with what `trick` makes of it, and nothing over TCP."""
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))

    def serve() -> None:
        while (came := front.recvfrom(4096))[0]:
            front.sendto(trick(dnslib.DNSRecord.parse(came[0])), came[1])

    thread = threading.Thread(target=serve)
    thread.start()
    yield "{}:{}".format(*front.getsockname())
    front.sendto(b"", front.getsockname())
    thread.join()
    front.close()


def look_up(trick: Trick, name: str = "a.example", kind: str = "A") -> Answer:
    with answering(trick) as address:
        asker = Resolver((address,), timeout=0.6)
        asker.ask(Question(name, kind))
        came: list[Came] = []
        while not came:
            assert select.select([asker.fileno()], [], [], 20)[0], "the look-up does not end"
            came = asker.collect()
        asker.close()
    return came[0].answer


def reply(query: dnslib.DNSRecord, *records: str) -> dnslib.DNSRecord:
    made = query.reply()
    for record in records:
        made.add_answer(*dnslib.RR.fromZone(record))
    return made


def for_another_name(query: dnslib.DNSRecord) -> bytes:
    made = dnslib.DNSRecord.question("b.example").reply()
    made.header.id = query.header.id
    made.add_answer(*dnslib.RR.fromZone("a.example. 60 IN A 6.6.6.6"))
    return bytes(made.pack())


def beside_the_question(query: dnslib.DNSRecord) -> bytes:
    return bytes(reply(query, "b.example. 60 IN A 6.6.6.6").pack())


def a_query(query: dnslib.DNSRecord) -> bytes:
    return bytes(query.pack())


def cut(query: dnslib.DNSRecord) -> bytes:
    return bytes(reply(query, "a.example. 60 IN A 6.6.6.6").pack()[:-3])


def truncated_for_ever(query: dnslib.DNSRecord) -> bytes:
    made = query.reply()
    made.header.tc = 1
    return bytes(made.pack())


def a_pointer_to_itself(query: dnslib.DNSRecord) -> bytes:
    return bytes(reply(query, "a.example. 60 IN A 6.6.6.6").pack()[:12]) + b"\xc0\x0c" * 40


def a_hundred_aliases(query: dnslib.DNSRecord) -> bytes:
    made = reply(query, "a.example. 60 IN CNAME c0.example.")
    for number in range(100):
        made.add_answer(*dnslib.RR.fromZone(f"c{number}.example. 60 IN CNAME c{number + 1}.example."))
    made.add_answer(*dnslib.RR.fromZone("c100.example. 60 IN A 6.6.6.6"))
    return bytes(made.pack())


LIES = (
    for_another_name,
    beside_the_question,
    a_query,
    cut,
    truncated_for_ever,
    a_pointer_to_itself,
    a_hundred_aliases,
    lambda _query: b"\0",
    lambda query: bytes(query.pack()[:2]) + b"\xff" * 600,
)


@pytest.mark.parametrize("lie", LIES)
def test_fault_62_of_a_server_that_lies_or_babbles_nothing_is_believed(lie: Trick) -> None:
    assert look_up(lie).records == ()


def test_a_name_of_bytes_that_are_no_text_is_a_record_like_any() -> None:
    def strange(query: dnslib.DNSRecord) -> bytes:
        made = query.reply()
        made.add_answer(
            dnslib.RR(
                query.q.qname, dnslib.QTYPE.SRV, ttl=1, rdata=dnslib.SRV(0, 0, 5060, dnslib.DNSLabel([b"\xff\0;"]))
            )
        )
        return bytes(made.pack())

    (record,) = look_up(strange, "_sip._udp.a.example", "SRV").records
    assert isinstance(record, Srv)
    assert record.target


_numbers = st.sampled_from((0, 1, 5060, 65535)) | st.integers(0, 65535)
_names = st.sampled_from(("", "a.example", "b.example", "192.0.2.1", "::1", "x" * 64, "_sip._udp.a.example"))
_srv = st.builds(Srv, _numbers, _numbers, _numbers, _names)
_naptr = st.builds(
    Naptr,
    _numbers,
    _numbers,
    st.sampled_from(("", "s", "a", "u")),
    st.sampled_from(("sip+d2u", "sip+d2t", "sips+d2t", "sip+d2s", "")),
    _names,
)
_records = {
    "A": st.sampled_from(("192.0.2.1", "255.255.255.255", "0.0.0.0")),
    "AAAA": st.sampled_from(("::1", "::ffff:192.0.2.1")),
    "SRV": _srv,
    "NAPTR": _naptr,
}


@given(data=st.data(), uri=st.sampled_from(("sip:a.example", "sips:a.example", "sip:a.example;transport=tcp")))
def test_whatever_the_answers_a_search_ends_and_its_hops_can_be_sent_to(data: st.DataObject, uri: str) -> None:
    offered, families, known = ("udp", "tcp", "tls"), ("AAAA", "A"), {}
    where = where_of(uri, offered)
    found = search(where, known.get, offered, families, 7)
    for _ in range(4):  # NAPTR, SRV, addresses
        if not found.needs:
            break
        for question in found.needs:
            records = data.draw(st.lists(_records[question.kind], max_size=40))
            known[question] = Answer(tuple(records), data.draw(st.sampled_from(("", "it failed"))))
        found = search(where, known.get, offered, families, 7)
    assert not found.needs
    assert bool(found.hops) != bool(found.reason)
    assert len(found.hops) <= HOPS
    assert all(0 < hop.port <= 65535 and (hop.transport == "tls" or not where.secure) for hop in found.hops)


def test_fault_62_ten_thousand_records_of_absurd_weight_are_put_in_order_at_once() -> None:
    records = [Srv(number % 3, 65535, 5060, f"s{number}.example") for number in range(10_000)]
    assert len(order(records, 1)) == SERVERS
