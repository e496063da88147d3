"""Echo cancellation by libspeexdsp: what a microphone hears of its loudspeaker is taken out of what it says.

An adaptive filter learns the room; what is left of the echo is then pressed down where nobody speaks here.
"""

from __future__ import annotations

import ctypes
from collections import deque
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from actors.media.resample import Resampler, speexdsp

Samples = npt.NDArray[np.int16]

# Seconds of echo that the filter learns: of a room, and of what the delay of a card is not known by.
TAIL = 0.256
_SET_RATE = 24  # of the canceller
_DENOISE, _ECHO_STATE = 0, 24  # of the preprocessor
# Blocks of the speaker that are kept, and of the microphone that wait, 10 ms each.
_KEPT, _WAITING = 100, 10
MISSING = "echo cancellation needs libspeexdsp: apt-get install libspeexdsp1"


class EchoError(Exception):
    """Echo cannot be cancelled here; the text says what to install."""


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = speexdsp()
    if library is None:
        raise EchoError(MISSING)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.speex_echo_state_init.argtypes = [number, number]
    library.speex_echo_state_init.restype = pointer
    library.speex_echo_state_destroy.argtypes = [pointer]
    library.speex_echo_cancellation.argtypes = [pointer, pointer, pointer, pointer]
    library.speex_echo_cancellation.restype = None
    library.speex_echo_ctl.argtypes = [pointer, number, pointer]
    library.speex_preprocess_state_init.argtypes = [number, number]
    library.speex_preprocess_state_init.restype = pointer
    library.speex_preprocess_state_destroy.argtypes = [pointer]
    library.speex_preprocess_ctl.argtypes = [pointer, number, pointer]
    library.speex_preprocess_run.argtypes = [pointer, pointer]
    return library


def check() -> None:
    """See that echo can be cancelled here.

    Raises:
        EchoError: libspeexdsp is not installed.
    """
    _library()


class EchoCanceller:
    """One room.

    Args:
        rate: samples a second of both sides.
        frame: samples of each block; 20 ms where it is 0.

    Raises:
        EchoError: libspeexdsp is not installed.
    """

    def __init__(self, rate: int, frame: int = 0) -> None:
        self._echo = self._rest = None
        self._library = library = _library()
        self.frame = frame or rate // 50
        self._echo = library.speex_echo_state_init(self.frame, int(TAIL * rate))
        self._rest = library.speex_preprocess_state_init(self.frame, rate)
        value = ctypes.c_int(rate)
        library.speex_echo_ctl(self._echo, _SET_RATE, ctypes.byref(value))
        off = ctypes.c_int(0)
        library.speex_preprocess_ctl(self._rest, _DENOISE, ctypes.byref(off))
        library.speex_preprocess_ctl(self._rest, _ECHO_STATE, self._echo)

    def process(self, microphone: Samples, speaker: Samples) -> Samples:
        """What the microphone says without the echo of the speaker.

        Args:
            microphone: a block.
            speaker: what was played at the same time, or up to the tail before its echo comes.
        """
        said, played = np.ascontiguousarray(microphone, np.int16), np.ascontiguousarray(speaker, np.int16)
        if not len(said) == len(played) == self.frame:
            raise ValueError(f"blocks of {len(said)} and {len(played)} samples; they must be of {self.frame}")
        out = np.empty(self.frame, np.int16)
        self._library.speex_echo_cancellation(self._echo, said.ctypes.data, played.ctypes.data, out.ctypes.data)
        self._library.speex_preprocess_run(self._rest, out.ctypes.data)
        return out

    def __del__(self) -> None:
        if self._rest is not None:
            self._library.speex_preprocess_state_destroy(self._rest)
        if self._echo is not None:
            self._library.speex_echo_state_destroy(self._echo)


class DeskEcho:
    """The canceller of a card, in the card's own time: it sees what its callbacks give and take, 10 ms at a time.

    Each side's blocks are counted; a block of the microphone is cleaned with the block of the speaker that stands where
    it stood when both began, so that callbacks which come in bunches move nothing. One that comes before its block was
    played waits for it.

    Args:
        rate: samples a second of the microphone.
        played_at: samples a second of the speaker.

    Attributes:
        delay: seconds between the hands of the speaker and of the microphone, as the drivers tell it. Half of it is
            believed: what is played too early is learnt as echo that comes late; too late could not be learnt.

    Raises:
        EchoError: libspeexdsp is not installed.
    """

    def __init__(self, rate: int, played_at: int) -> None:
        size = rate // 100
        self.delay = 0.0
        self._canceller = EchoCanceller(rate, size)
        self._resampler = None if rate == played_at else Resampler(played_at, rate)
        self._silence = np.zeros(size, np.int16)
        self._played: deque[Samples] = deque(maxlen=_KEPT)
        self._heard: deque[Samples] = deque()
        self._played_count = self._cleaned = self._lead = 0

    def play(self, samples: Samples) -> None:
        """10 ms go to the speaker."""
        block = samples if self._resampler is None else np.resize(self._resampler.process(samples), len(self._silence))
        self._played.append(block)
        self._played_count += 1

    def clean(self, samples: Samples) -> Samples:
        """10 ms come from the microphone: what of it and of earlier ones can be had without echo, in whole blocks."""
        if not self._played_count:
            return samples
        self._heard.append(samples)
        self._lead = max(self._lead, self._played_count - self._cleaned - len(self._heard))
        back = int(self.delay / 2 / 0.01)
        out = []
        while self._heard:
            at = self._cleaned + self._lead - back
            if at >= self._played_count:
                if len(self._heard) <= _WAITING:
                    break
                # The speaker fell behind for good, as after a shortage.
                self._lead -= at - self._played_count + 1
                continue
            out.append(self._canceller.process(self._heard.popleft(), self._block(at)))
            self._cleaned += 1
        return np.concatenate(out) if out else self._silence[:0]

    def _block(self, at: int) -> Samples:
        """The block of the speaker with this number; silence where it is long over."""
        place = at - self._played_count + len(self._played)
        return self._played[place] if place >= 0 else self._silence
