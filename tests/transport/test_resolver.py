"""The resolver asks a real server in threads of its own; nobody waits for it but who asked."""

from __future__ import annotations

import importlib.util
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from actors.transport import resolver
from actors.transport.records import NONE, Answer, Naptr, Question, Srv
from actors.transport.resolver import Came, Resolver, ask_system
from tests.transport.nameserver import NameServer

ZONE = """
a.example. 60 IN A 192.0.2.1
a.example. 60 IN A 192.0.2.2
a.example. 30 IN AAAA 2001:db8::1
alias.example. 60 IN CNAME a.example.
loop.example. 60 IN CNAME pool.example.
pool.example. 60 IN CNAME loop.example.
_sip._udp.example. 60 IN SRV 10 60 5060 A.example.
example. 60 IN NAPTR 50 51 "S" "SIP+D2U" "" _sip._udp.example.
mute.example. 60 IN A 192.0.2.9
broken.example. 60 IN A 192.0.2.9
""" + "".join(f"_sip._tcp.example. 60 IN SRV 0 0 5060 s{n}.example.\n" for n in range(200))


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    pytest.importorskip("dns", reason="dnspython is not installed")
    with NameServer(ZONE) as started:
        started.mute.add("mute.example.")
        started.broken.add("broken.example.")
        yield started


@pytest.fixture
def asker(server: NameServer) -> Iterator[Resolver]:
    made = Resolver((server.address,), timeout=20.0)
    yield made
    made.close()


def _ask(asker: Resolver, *questions: Question) -> dict[Question, Came]:
    for question in questions:
        asker.ask(question)
    came: dict[Question, Came] = {}
    while len(came) < len(questions):
        assert select.select([asker.fileno()], [], [], 20)[0], f"no answer to {set(questions) - set(came)}"
        came |= {one.question: one for one in asker.collect()}
    return came


def _answer(asker: Resolver, name: str, kind: str) -> tuple[Answer, float]:
    ((_, answer, ttl),) = _ask(asker, Question(name, kind)).values()
    return answer, ttl


def test_every_kind_of_record_comes_with_its_time_to_live(asker: Resolver) -> None:
    assert _answer(asker, "a.example", "A") == (Answer(("192.0.2.1", "192.0.2.2")), 60.0)
    assert _answer(asker, "a.example", "AAAA") == (Answer(("2001:db8::1",)), 30.0)
    assert _answer(asker, "alias.example", "A")[0] == Answer(("192.0.2.1", "192.0.2.2"))
    assert _answer(asker, "_sip._udp.example", "SRV")[0] == Answer((Srv(10, 60, 5060, "a.example"),))
    assert _answer(asker, "example", "NAPTR")[0] == Answer((Naptr(50, 51, "s", "sip+d2u", "_sip._udp.example"),))


def test_an_answer_too_long_for_a_datagram_is_fetched_over_tcp(asker: Resolver) -> None:
    assert len(_answer(asker, "_sip._tcp.example", "SRV")[0].records) == 200


def test_that_there_is_none_is_known_for_as_long_as_the_soa_says(asker: Resolver) -> None:
    assert _answer(asker, "nowhere.example", "A") == (NONE, 30.0)
    assert _answer(asker, "a.example", "SRV") == (NONE, 30.0)


def test_fault_62_a_server_that_fails_a_loop_and_a_name_nobody_can_ask_for_end_with_a_reason(asker: Resolver) -> None:
    assert "server failed" in _answer(asker, "broken.example", "A")[0].failure
    assert _answer(asker, "loop.example", "A")[0].failure
    assert _answer(asker, "x" * 64 + ".example", "A")[0].failure
    assert _answer(asker, "a..example", "A")[0].failure


def test_fault_62_a_name_without_an_answer_holds_up_no_other(server: NameServer) -> None:
    mute, quick = Question("mute.example", "A"), Question("a.example", "A")
    asker = Resolver((server.address,), timeout=1.0)
    asker.ask(mute)
    assert _ask(asker, quick)[quick].answer.records
    assert select.select([asker.fileno()], [], [], 20)[0]
    assert asker.collect() == [Came(mute, Answer(failure="DNS: no answer in time"), 0.0)]
    asker.close()


def test_fault_62_a_hundred_names_without_an_answer_hold_up_no_other(server: NameServer) -> None:
    before = set(threading.enumerate())
    asker = Resolver((server.address,), timeout=5.0)
    silent = {Question(f"m{number}.mute.example", "A") for number in range(100)}
    server.mute |= {f"{question.name}." for question in silent}
    for question in silent:
        asker.ask(question)
    quick = Question("a.example", "A")
    assert _ask(asker, quick)[quick].answer.records
    asker.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)


def test_fault_62_a_question_that_waited_too_long_behind_silent_ones_is_not_asked_any_more(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "THREADS", 1)
    asker = Resolver((server.address,), timeout=0.2)
    silent = [Question(f"w{number}.mute.example", "A") for number in range(9)]
    server.mute |= {f"{question.name}." for question in silent}
    came = _ask(asker, *silent)
    assert came[silent[-1]].answer == Answer(failure="DNS: too many names without an answer")
    assert f"{silent[-1].name}. A" not in server.asked
    asker.close()


def test_fault_62_a_forged_answer_is_not_believed(server: NameServer) -> None:
    """Its id is another's; the true one comes after it."""
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))

    def serve() -> None:
        query, source = front.recvfrom(4096)
        forged = server._answer(query)
        assert forged is not None
        true = forged.pack()
        forged.rr[0].rdata.data = (6, 6, 6, 6)
        forged.header.id ^= 1
        front.sendto(forged.pack(), source)
        front.sendto(true, source)

    thread = threading.Thread(target=serve)
    thread.start()
    asker = Resolver(("{}:{}".format(*front.getsockname()),), timeout=5.0)
    assert _answer(asker, "a.example", "A")[0] == Answer(("192.0.2.1", "192.0.2.2"))
    asker.close()
    thread.join()
    front.close()


def test_more_questions_than_can_wait_fail_at_once(asker: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "WAITING", 1)
    came = _ask(asker, Question("a.example", "A"), Question("a.example", "AAAA"))
    assert came[Question("a.example", "AAAA")].answer.failure == "too many look-ups at once"
    assert came[Question("a.example", "A")].answer.records
    assert _answer(asker, "a.example", "AAAA")[0].records


def test_an_answer_that_comes_after_the_end_finds_nobody(server: NameServer) -> None:
    before = set(threading.enumerate())
    asker = Resolver((server.address,), timeout=0.5)
    asker.ask(Question("mute.example", "A"))
    asker.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()


def test_without_dnspython_the_system_gives_addresses_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    asker = Resolver()
    assert _answer(asker, "localhost", "A") == (Answer(("127.0.0.1",)), 60.0)
    assert "pip install 'sipactors[dns]'" in _answer(asker, "example", "SRV")[0].failure
    asker.close()


def test_the_system_s_resolver_tells_a_name_that_does_not_exist_from_one_it_could_not_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(code: int) -> None:
        def fail(*_: object) -> None:
            raise socket.gaierror(code, "words")

        monkeypatch.setattr(socket, "getaddrinfo", fail)

    failing(socket.EAI_NONAME)
    assert ask_system(Question("a.example", "A")) == (NONE, 60.0)
    failing(socket.EAI_AGAIN)
    assert ask_system(Question("a.example", "AAAA")) == (Answer(failure="DNS: words"), 0.0)


def test_a_question_for_which_no_thread_can_be_had_fails_and_later_ones_are_asked(
    asker: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        assert _answer(asker, "a.example", "A")[0].failure == "DNS: no thread could be started"
    assert _answer(asker, "a.example", "AAAA")[0].records == ("2001:db8::1",)
