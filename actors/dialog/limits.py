"""How many calls a trunk has at once and begins in a second, over all shards: counted on a page that they share. Pure.

A page is bytes that all shards of the service see, one for each account with a limit, held by one shard at a time. It
has the number of calls in each shard, which its shard counts from its cells and therefore again after a kill, and the
latest calls that began, each with its time and its tag: a step repeated after a kill begins the same call.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import NamedTuple

from actors.dialog.accounts import Account

Page = bytearray | memoryview
Pages = Callable[[str], AbstractContextManager[Page | None]]

SHARDS = 256  # as many as there are slots
NEWEST = 1024  # calls that a page has room for: more than a service begins in a second
MARGIN = 0.05  # seconds: what two calls may come closer to each other on their way through the layers

_begun = struct.Struct("<Q")  # how many calls have begun
_used = struct.Struct("<I")  # calls of a shard
_entry = struct.Struct("<d8s")  # when a call began, by the clock of the boot; the end of its tag
_FIRST = _begun.size + SHARDS * _used.size
SIZE = _FIRST + NEWEST * _entry.size


class Limit(NamedTuple):
    """What a call above a limit gets: the status and its header lines of one in, the code and the words of one out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    code: str
    text: str


def alone() -> Pages:
    """The pages of a shard that is the only one."""
    pages: dict[str, bytearray] = {}
    return lambda name: nullcontext(pages.setdefault(name, bytearray(SIZE)))


def limited(account: Account) -> bool:
    """Whether an account has a limit at all."""
    return bool(account.max_calls or account.calls_per_second)


class Limits:
    """The limits of the accounts of a service, as one of its shards keeps them.

    Args:
        pages: gives the page of a name to hold; None in its place where it cannot be had.
        shard: the number of ours.
        shards: how many there are.
    """

    def __init__(self, pages: Pages, shard: int = 0, shards: int = 1) -> None:
        self._pages = pages
        self._shard = shard
        self._shards = shards

    def used(self, account: Account, calls: int) -> None:
        """Say how many calls of an account are here."""
        if account.max_calls:
            with self._pages(account.aor) as page:
                if page is not None:
                    self._write(page, calls)

    def begin(self, account: Account, tag: str, calls: int, now: float) -> Limit | None:
        """Let a call begin, or say which limit it is above.

        Args:
            account: the call's.
            tag: of the call.
            calls: of the account that are here, without it.
            now: by the clock of the boot, which all shards have in common.

        Returns:
            None when it begins; its place among the calls of the account is then taken, until `used` says otherwise.
        """
        with self._pages(account.aor) as page:
            if page is None:
                return Limit(503, (("Retry-After", "1"),), "busy", "cannot be counted")
            if account.max_calls and self._others(page) + calls >= account.max_calls:
                return Limit(486, (), "busy", "has as many calls as it may")
            wait = _wait(page, account.calls_per_second, tag, now)
            if wait > 0:
                return Limit(503, (("Retry-After", "1"),), "too_fast", f"may begin another call in {wait:.3f} s")
            if account.max_calls:
                self._write(page, calls + 1)
        return None

    def _others(self, page: Page) -> int:
        """Calls in all other shards."""
        counts = _used.iter_unpack(page[_begun.size : _begun.size + self._shards * _used.size])
        return sum(count for shard, (count,) in enumerate(counts) if shard != self._shard)

    def _write(self, page: Page, calls: int) -> None:
        _used.pack_into(page, _begun.size + self._shard * _used.size, calls)


def _wait(page: Page, rate: float, tag: str, now: float) -> float:
    """Seconds until a call may begin; 0 or less counts it as begun, a call that has begun already once."""
    if not rate:
        return 0.0
    most = min(max(1, int(rate)), NEWEST)
    (begun,) = _begun.unpack_from(page)
    mark = blake2b(tag.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    oldest: float = _entry.unpack_from(page, _place(begun - most))[0] if begun >= most else now
    wait = oldest + most / rate + MARGIN - now
    if begun >= most and wait > 0 and oldest <= now:  # a time to come is of an earlier boot
        newest = [_entry.unpack_from(page, _place(number))[1] for number in range(begun - most, begun)]
        return 0.0 if mark in newest else wait
    _entry.pack_into(page, _place(begun), now, mark)
    _begun.pack_into(page, 0, begun + 1)  # last: a kill in between leaves one call too many counted, never one too few
    return 0.0


def _place(number: int) -> int:
    return _FIRST + number % NEWEST * _entry.size


def count(accounts: Iterable[Account], calls: Iterable[str]) -> dict[str, int]:
    """The calls of each account that may have only so many, by the addresses-of-record of all calls."""
    found = {account.aor: 0 for account in accounts if account.max_calls}
    for aor in calls:
        if aor in found:
            found[aor] += 1
    return found
