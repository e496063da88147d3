"""The kernel's ring of requests (io_uring): many system calls made by one, out of arrays and into arrays.

Every request of a batch is done when its batch returns: nothing is under way between two batches, and what a kill of
the process can take with it is what a system call of its own would have taken.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import Any

import numpy as np
import numpy.typing as npt

_SETUP, _ENTER = 425, 426  # the same on every architecture of Linux that has it
_ENTRIES = 1024
_GET_EVENTS = 1
_SINGLE_ISSUER, _COOP_TASKRUN = 1 << 12, 1 << 8
_SINGLE_MMAP = 1
_REQUESTS_AT = 0x10000000
_REQUEST = np.dtype(
    [
        ("operation", np.uint8),
        ("flags", np.uint8),
        ("priority", np.uint16),
        ("descriptor", np.int32),
        ("offset", np.uint64),
        ("address", np.uint64),
        ("length", np.uint32),
        ("message_flags", np.uint32),
        ("token", np.uint64),
        ("rest", np.uint64, 3),
    ]
)
_COMPLETION = np.dtype([("token", np.uint64), ("result", np.int32), ("flags", np.uint32)])
_AGAIN = (errno.EINTR, errno.EAGAIN, errno.EBUSY)


class UringError(OSError):
    """The kernel has no ring for us: it is too old, or forbids it."""


class _Parameters(ctypes.Structure):
    _fields_ = (
        ("entries", ctypes.c_uint32),
        ("completions", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("thread", ctypes.c_uint32 * 2),
        ("features", ctypes.c_uint32),
        ("queue", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
        # head, tail, mask, entries, flags, dropped, array; head, tail, mask, entries, overflow, completions
        ("submission", ctypes.c_uint32 * 10),
        ("completion", ctypes.c_uint32 * 10),
    )


class Uring:
    """One ring, of the thread that made it.

    Raises:
        UringError: there is none.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._call = library.syscall
        self._call.argtypes = [ctypes.c_long, *([ctypes.c_long] * 6)]
        self._call.restype = ctypes.c_long
        parameters = _Parameters()
        self._fd = self._setup(parameters)
        try:
            self._map(parameters)
        except (OSError, ValueError) as error:
            os.close(self._fd)
            raise UringError(str(error)) from error
        self._kept: list[npt.NDArray[Any]] = []

    def _setup(self, parameters: _Parameters) -> int:
        for flags in (_SINGLE_ISSUER | _COOP_TASKRUN, 0):  # the first are of Linux 6.0
            parameters.flags = flags
            fd = self._call(_SETUP, _ENTRIES, ctypes.addressof(parameters), 0, 0, 0, 0)
            if fd >= 0:
                break
        else:
            number = ctypes.get_errno()
            raise UringError(number, os.strerror(number))
        if not parameters.features & _SINGLE_MMAP:
            os.close(fd)
            raise UringError(errno.ENOSYS, "the kernel is older than Linux 5.4")
        return int(fd)

    def _map(self, parameters: _Parameters) -> None:
        inward, outward = parameters.submission, parameters.completion
        entries, completions = parameters.entries, parameters.completions
        size = max(inward[6] + 4 * entries, outward[5] + _COMPLETION.itemsize * completions)
        ring = mmap.mmap(self._fd, size)
        requests = mmap.mmap(self._fd, entries * _REQUEST.itemsize, offset=_REQUESTS_AT)
        self._maps = (ring, requests)
        self._entries = entries
        self._words = np.frombuffer(ring, np.uint32)
        self._submitted, self._taken, self._done = inward[1] // 4, outward[0] // 4, outward[1] // 4
        self._words[inward[6] // 4 : inward[6] // 4 + entries] = np.arange(entries)
        self._requests = np.frombuffer(requests, _REQUEST)
        self._completions = np.frombuffer(ring, _COMPLETION, completions, outward[5])
        self._tail = 0

    def requests(self, count: int) -> npt.NDArray[Any]:
        """So many requests, to be filled in; their tokens are their places."""
        return np.zeros(count, _REQUEST)

    def keep(self, array: npt.NDArray[Any]) -> None:
        """Keep what requests name by its address as long as the ring is."""
        self._kept.append(array)

    def run(self, requests: npt.NDArray[Any], tokens: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.int32]:
        """Have these requests done, and wait for it; what each came to: a length, or an error below 0.

        Args:
            requests: what is asked for.
            tokens: that they bear; None where those are their places.

        Raises:
            OSError: the kernel does not take them.
        """
        results = np.zeros(len(requests) if tokens is None else int(tokens.max(initial=-1)) + 1, np.int32)
        for begin in range(0, len(requests), self._entries):
            self._batch(requests[begin : begin + self._entries], results)
        return results if tokens is None else results[tokens]

    def _batch(self, batch: npt.NDArray[Any], results: npt.NDArray[np.int32]) -> None:
        count, words = len(batch), self._words
        at = self._tail & (self._entries - 1)
        first = min(count, self._entries - at)
        self._requests[at : at + first] = batch[:first]
        if first < count:
            self._requests[: count - first] = batch[first:]
        self._tail = (self._tail + count) & 0xFFFFFFFF
        words[self._submitted] = self._tail
        left = count
        while count:
            entered = self._call(_ENTER, self._fd, left, count, _GET_EVENTS, 0, 0)
            if entered >= 0:
                left -= entered
            elif (number := ctypes.get_errno()) not in _AGAIN:
                raise OSError(number, os.strerror(number))
            count -= self._reap(results)

    def _reap(self, results: npt.NDArray[np.int32]) -> int:
        """Take what is done; how many that were."""
        words, size = self._words, len(self._completions)
        head, tail = int(words[self._taken]), int(words[self._done])
        found = (tail - head) & 0xFFFFFFFF
        begin = head & (size - 1)
        for part in (self._completions[begin : begin + found], self._completions[: max(0, begin + found - size)]):
            results[part["token"].astype(np.intp)] = part["result"]
        words[self._taken] = tail
        return found

    def close(self) -> None:
        """Let go of it; once more is nothing."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        del self._words, self._requests, self._completions
        for each in self._maps:
            each.close()
        os.close(fd)
