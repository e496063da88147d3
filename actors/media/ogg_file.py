"""A recording as Opus in Ogg (RFC 7845), which grows a page at a time and is whole after each.

A page ends with every append, so that whoever reads meanwhile hears all but the last half second; its number and its
granule position say where a successor goes on.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np

from actors.media import ogg
from actors.media.codecs import CodecMissingError, opus
from actors.media.g711 import Samples
from actors.media.wav import open_regular

# One stream a file: its number tells nothing.
SERIAL = 1
PACKET = 960  # samples at 48 kHz: 20 ms
_RATE = 48_000  # of granule positions, whatever went in (section 4)
_HEAD = struct.Struct("<8sBBHIhB")
_TAGS = b"OpusTags" + struct.pack("<I", 9) + b"sipactors" + struct.pack("<I", 0)
_MOST = 1275
_PAGE = 50  # packets of a page of silence
# After so many packets of silence the encoder says the same again and again.
_SETTLED = 25
_AUDIO, _SET_BITRATE, _SET_COMPLEXITY, _GET_LOOKAHEAD = 2049, 4002, 4010, 4027
_BITRATE = {8000: 24_000, 16000: 32_000}  # of each channel; others: 48,000


class _Encoder:
    """libopus for one file.

    Attributes:
        lookahead: samples at 48 kHz by which what comes out is late.

    Raises:
        ValueError: it is not installed, or knows no such rate.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._handle: int | None = None
        try:
            self._library = opus.library()
        except CodecMissingError as error:
            raise ValueError(str(error)) from error
        problem = ctypes.c_int()
        self._handle = self._library.opus_encoder_create(rate, channels, _AUDIO, ctypes.byref(problem))
        if problem.value:
            raise ValueError(f"Opus does not know {channels} channels at {rate} Hz")
        handle = ctypes.c_void_p(self._handle)
        self._library.opus_encoder_ctl(handle, _SET_BITRATE, channels * _BITRATE.get(rate, 48_000))
        self._library.opus_encoder_ctl(handle, _SET_COMPLEXITY, 5)
        late = ctypes.c_int32()
        self._library.opus_encoder_ctl(handle, _GET_LOOKAHEAD, ctypes.byref(late))
        self.lookahead = late.value * _RATE // rate
        self._out = ctypes.create_string_buffer(_MOST)
        self._samples = rate // 50

    def encode(self, frame: Samples) -> bytes:
        """The packet of 20 ms; columns where there are several channels."""
        whole = np.ascontiguousarray(frame, np.int16)
        size = self._library.opus_encode(self._handle, whole.ctypes.data, self._samples, self._out, _MOST)
        if size < 0:
            raise ValueError(f"Opus does not encode this: error {size}")
        return self._out.raw[:size]

    def __del__(self) -> None:
        if self._handle is not None:
            self._library.opus_encoder_destroy(self._handle)


class Writer:
    """An Ogg file that grows; the same to use as :class:`actors.media.wav.Writer`.

    Args:
        path: the file, made or emptied.
        append: go on with a file that this writer made before; one of another shape begins anew.
        rate: samples a second of each channel: 8000, 16000 or 48000.
        channels: how many, 1 or 2.

    Attributes:
        length: samples of each channel in the file.

    Raises:
        OSError: it cannot be opened or written.
        ValueError: it is no regular file, or libopus is not installed.
    """

    def __init__(self, path: Path | str, *, append: bool = False, rate: int = 8000, channels: int = 1) -> None:
        self._encoder = _Encoder(rate, channels)
        self._frame = rate // 50
        self._channels = channels
        self._packets = 0
        self._fd = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            head = _HEAD.pack(b"OpusHead", 1, channels, self._encoder.lookahead, rate, 0, 0)
            self._end, self._page = self._found(head) if append else (0, 0)
            os.ftruncate(self._fd, self._end)
            if not self._page:
                # Both headers in one go: a file that has only one of them is begun anew.
                begun = ogg.page([head], 0, SERIAL, 0, ogg.FIRST) + ogg.page([_TAGS], 0, SERIAL, 1)
                self._write(begun, pages=2)
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def length(self) -> int:
        """Samples of each channel in the file."""
        return self._packets * self._frame

    def _found(self, head: bytes) -> tuple[int, int]:
        """Where a predecessor's whole pages end, and the number of the next; what it had ended is open again."""
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        end = number = 0
        for found in ogg.pages(data, SERIAL):
            if found.flags & ogg.LAST or (found.number == 0 and found.body != head):
                break
            end, number, self._packets = found.end, found.number + 1, found.granule // PACKET
        return (end, number) if number > 1 else (0, 0)

    def append(self, samples: Samples) -> None:
        """Write whole frames of 20 ms at the end, those of several channels as columns.

        Raises:
            OSError: the disk is full or gone; the file holds what was written before.
        """
        self._add([self._encoder.encode(frame) for frame in samples.reshape(-1, self._frame, self._channels)])

    def pad(self, length: int) -> None:
        """Lengthen the file to `length` samples with silence, two or three bytes a frame.

        Raises:
            OSError: as :meth:`append`.
        """
        silence = np.zeros((self._frame, self._channels), np.int16)
        missing = length // self._frame - self._packets
        last = b""
        done = 0
        while done < missing:
            packets: list[bytes] = []
            while done < missing and len(packets) < _PAGE:
                last = self._encoder.encode(silence) if done < _SETTLED else last
                packets.append(last)
                done += 1
            self._add(packets)

    def _add(self, packets: list[bytes]) -> None:
        """A page of `packets`; of more than one where they are too large for it."""
        size = max(1, 255 // (max(map(len, packets), default=0) // 255 + 1))
        for first in range(0, len(packets), size):
            some = packets[first : first + size]
            granule = (self._packets + len(some)) * PACKET
            self._write(ogg.page(some, granule, SERIAL, self._page))
            self._packets += len(some)

    def _write(self, data: bytes, pages: int = 1) -> None:
        """All of `data` at the end, or nothing of it."""
        left, at = memoryview(data), self._end
        try:
            while left:
                written = os.pwrite(self._fd, left, at)
                at += written
                left = left[written:]
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end = at
        self._page += pages

    def close(self) -> None:
        """End the stream and close the file. Where that does not fit the disk any more, what was written is whole."""
        # What the encoder still holds comes with a last packet, of which the rest is cut (section 4.4).
        try:
            last = self._encoder.encode(np.zeros((self._frame, self._channels), np.int16))
            granule = self._packets * PACKET + self._encoder.lookahead
            with suppress(OSError):
                self._write(ogg.page([last], granule, SERIAL, self._page, ogg.LAST))
        finally:
            os.close(self._fd)
