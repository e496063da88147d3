"""The settings of the user agent."""

from __future__ import annotations

from typing import Literal

import msgspec

from actors.dialog.accounts import Account, User


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a call in.

    Attributes:
        mode: ``echo``, ``play`` and ``record`` answer at once; ``ring`` rings until a client answers; ``none`` refuses
            every call with 480.
        obey: networks whose calls are answered by themselves where the INVITE asks for it, though others ring.
        path: of the file to play or record. In a path to record, ``{call}`` stands for the id of the call.
        media: ``service``, or ``application`` where that brings and receives the SDP, and no media of ours is in it.
    """

    mode: str = "echo"
    path: str = ""
    obey: tuple[str, ...] = ()
    media: str = "service"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of certain calls in: those for which all that is said here holds; the first route is taken.

    Attributes:
        name: of it, as CallReceived tells it.
        users: of the Request-URI, one of them.
        numbers: what the called number begins with, one of them.
        accounts: that the call came for or from: the addresses-of-record of accounts and trunks, one of them.
        sources: the networks of the sender, one of them.
        answer: what becomes of the call.
    """

    name: str
    users: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    answer: Answer = Answer()


class DialogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialog actor is told at its start. Times are seconds.

    Attributes:
        shards: how many dialog shards there are: a call of ours gets an id that hashes to its shard.
        media: how many media processes there are.
        user: the user part of our own URI.
        user_agent: the User-Agent and Server header.
        answer: what becomes of a call in that no route is for.
        incoming: the routes of calls in.
        ring_timeout: how long a call in rings before 480.
        codecs: encoding names in the order we offer them.
        comfort_noise: that is offered, too; it is taken in any case.
        ptime: milliseconds of audio in a packet.
        srtp: off, optional or required: see :mod:`actors.sip.sdp_protection`.
        srtp_suites: those that are offered and taken, the most liked first.
        srtp_in_clear: warn when keys are exchanged where others can read them, or refuse to.
        max_calls: calls of this shard; beyond, a new one gets 486.
        max_duration: after how long any call is hung up, 0 for no limit.
        session_expires: the session timer to ask for (RFC 4028), 0 to leave it to the peer.
        methods: of the requests in a call that the application answers: INFO, and such as we do not know.
        refer: what becomes of a REFER in a call: ``refuse`` (603), ``follow``, or ``ask`` the application.
        refer_hosts: the hosts that a REFER may lead to; ``*`` for any.
        refer_replaces: whether it may say whose place the call is to take (RFC 3891); else it gets 403.
        replaces: whether an INVITE may take the place of a call that it names (RFC 3891); else it gets 403.
        routes: the URIs that requests of no account visit first (RFC 3261 section 8.1.2): an outbound proxy.
        t1, t2: for the repetition of 2xx (RFC 3261 section 13.3.1.4).
        realm: where it is not empty, what begins something has to be sent by one of `users`, proved by digest.
        users: who may send.
        ring: a sound device rings for calls in.
        hook: ``module:function`` of the application that may change what is sent, empty for none: see actors.sip.hooks.
        packages: the event packages that others may subscribe to; the application tells their state.
        accounts: all of the service; one registers in the shard that its address-of-record hashes to.
        former: accounts as they were before a reload removed or changed them, the latest last.
    """

    shards: int = 1
    media: int = 1
    user: str = "sipactors"
    user_agent: str = "sipactors"
    answer: Answer = Answer()
    incoming: tuple[Route, ...] = ()
    ring_timeout: float = 180.0
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    comfort_noise: bool = False
    ptime: int = 20
    srtp: Literal["off", "optional", "required"] = "off"
    srtp_suites: tuple[str, ...] = ("AES_CM_128_HMAC_SHA1_80",)
    srtp_in_clear: Literal["warn", "refuse"] = "warn"
    max_calls: int = 10_000
    max_duration: float = 0.0
    session_expires: int = 0
    methods: tuple[str, ...] = ()
    refer: Literal["refuse", "follow", "ask"] = "refuse"
    refer_hosts: tuple[str, ...] = ()
    refer_replaces: bool = False
    replaces: bool = False
    routes: tuple[str, ...] = ()
    t1: float = 0.5
    t2: float = 4.0
    accounts: tuple[Account, ...] = ()
    former: tuple[Account, ...] = ()
    realm: str = ""
    users: tuple[User, ...] = ()
    hook: str = ""
    packages: tuple[str, ...] = ()
    ring: bool = False
