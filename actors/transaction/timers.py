"""The timer values of RFC 3261 table 4, as RFC 6026 and RFC 4320 complete it: three base values and what derives."""

from __future__ import annotations

from typing import NamedTuple

# The least a client INVITE transaction stays in Completed over UDP (Timer D, RFC 3261 section 17.1.1.2).
LEAST_TIMER_D = 32.0


class Timers(NamedTuple):
    """The base values of one transaction, in seconds; each machine carries its own, so none is global.

    Attributes:
        t1: the estimate of the round trip (RFC 3261 section 17.1.1.1).
        t2: the longest interval between retransmissions of a non-INVITE request or of a final response to an INVITE.
        t4: how long the network may keep a message; Timers I and K over UDP.
        trying_after: how long the user has to answer an INVITE before the machine sends 100 (section 17.2.1).
        own_timeout, own_timer_d: in place of what derives from T1; 0 for that.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying_after: float = 0.2
    own_timeout: float = 0.0
    own_timer_d: float = 0.0

    @property
    def timeout(self) -> float:
        """64*T1: Timers B, F, H, J, L and M, and the wait for a final response after a CANCEL (section 9.1)."""
        return self.own_timeout or 64 * self.t1

    @property
    def timer_d(self) -> float:
        """How long a client INVITE transaction answers repeated failures with its ACK over UDP."""
        return self.own_timer_d or max(LEAST_TIMER_D, 64 * self.t1)

    @property
    def late_trying(self) -> float:
        """When a non-INVITE request may and must be answered with 100: Timer E has reached T2 (RFC 4320 s4.1)."""
        elapsed, interval = 0.0, self.t1
        while interval < self.t2:
            elapsed += interval
            interval *= 2
        return elapsed
