"""The settings of the transaction layer."""

from __future__ import annotations

import msgspec


class TransactionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction actor is told at its start. Times are seconds (RFC 3261 section 17.1.1.1 and table 4).

    Attributes:
        t1: the round-trip time estimate.
        t2: the longest interval between retransmissions of non-INVITE requests and INVITE responses.
        t4: the longest time a message stays in the network.
        timeout: Timers B, F, H, J, L and M, and the wait after a CANCEL; 0 for 64*T1.
        timer_d: Timer D over UDP; 0 for 64*T1 or 32 s, whichever is longer.
        trying_after: when the layer itself answers an INVITE with 100 (section 17.2.1).
        realm: where it is not empty, a request outside of any dialog has to answer a fresh digest challenge for it; the
            user has to verify what it answers.
        exempt: addresses whose requests need not: those of trunks.
        max_machines: live machines of the shard; beyond, requests that would create state get 503.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timeout: float = 0.0
    timer_d: float = 0.0
    trying_after: float = 0.2
    realm: str = ""
    exempt: tuple[str, ...] = ()
    max_machines: int = 100_000
