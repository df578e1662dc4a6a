"""Nonsense syllables as targets for the voice: the sequence of speech sounds, their durations and their pitch.

Sources: Peterson and Barney (1952), "Control methods used in a study of the vowels", JASA 24 (mean formants of men's
vowels); Klatt (1980), "Software for a cascade/parallel formant synthesizer", JASA 67 (the consonants follow its
tables); Lindblom (1963), "Spectrographic study of vowel reduction", JASA 35 (undershoot).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from scipy.signal.windows import hann

FRAME = 0.004  # seconds
SILENT = -70.0  # dB

_GLIDE, _ONSET, _MELODY = 0.064, 0.024, 0.12  # seconds in which formants, levels and pitch reach a new target
_UNDERSHOOT = 0.4  # 0: vowels are spoken in full; 1: all vowels are neutral (Lindblom 1963)
_NEUTRAL = np.array([500.0, 1450.0, 2450.0])  # Hz, formants of the neutral vowel (a uniform tube)
_STRESSED = 0.4  # share of syllables
_LENGTHENED = 1.4  # factor on the duration of the last syllable of a phrase


class Phone(NamedTuple):
    """A speech sound as targets for the voice.

    Attributes:
        formants: the first three formants (Hz).
        seconds: duration.
        voice: level of the voiced part (dB, 0 for a vowel).
        hiss: level of the frication (dB).
        hiss_at: centre of the frication's band (Hz).
    """

    formants: tuple[float, float, float]
    seconds: float
    voice: float = 0.0
    hiss: float = SILENT
    hiss_at: float = 4000.0


_CAREFUL_VOWELS = (
    Phone((270.0, 2290.0, 3010.0), 0.11),  # heed
    Phone((390.0, 1990.0, 2550.0), 0.08),  # hid
    Phone((530.0, 1840.0, 2480.0), 0.10),  # head
    Phone((660.0, 1720.0, 2410.0), 0.13),  # had
    Phone((730.0, 1090.0, 2440.0), 0.13),  # hod
    Phone((570.0, 840.0, 2410.0), 0.14),  # hawed
    Phone((440.0, 1020.0, 2240.0), 0.09),  # hood
    Phone((300.0, 870.0, 2240.0), 0.11),  # who'd
    Phone((640.0, 1190.0, 2390.0), 0.09),  # hud
    Phone((490.0, 1350.0, 1690.0), 0.12),  # heard
)


def _fluent(vowel: Phone) -> Phone:
    """The vowel in fluent speech: each formant moves towards the neutral vowel (on a logarithmic scale)."""
    reduced = _NEUTRAL * (np.array(vowel.formants) / _NEUTRAL) ** (1 - _UNDERSHOOT)
    return vowel._replace(formants=tuple(reduced.tolist()))


_VOWELS = tuple(_fluent(vowel) for vowel in _CAREFUL_VOWELS)
_CLOSED = Phone((300.0, 1400.0, 2400.0), 0.05, voice=-25.0)
_M = Phone((250.0, 1000.0, 2200.0), 0.07, voice=-9.0)
_N = Phone((250.0, 1450.0, 2300.0), 0.06, voice=-9.0)
_L = Phone((330.0, 1050.0, 2700.0), 0.06, voice=-5.0)
_R = Phone((320.0, 1060.0, 1380.0), 0.06, voice=-5.0)
_W = Phone((290.0, 610.0, 2150.0), 0.06, voice=-5.0)
_Y = Phone((260.0, 2070.0, 3020.0), 0.05, voice=-5.0)
_F = Phone((340.0, 1100.0, 2200.0), 0.09, voice=SILENT, hiss=-24.0, hiss_at=4500.0)
_S = Phone((320.0, 1600.0, 2600.0), 0.10, voice=SILENT, hiss=-12.0, hiss_at=5800.0)
_Z = Phone((300.0, 1500.0, 2500.0), 0.07, voice=-12.0, hiss=-20.0, hiss_at=5200.0)
_SH = Phone((300.0, 1800.0, 2500.0), 0.10, voice=SILENT, hiss=-10.0, hiss_at=3300.0)
_B = Phone((350.0, 900.0, 2200.0), 0.02, voice=-10.0, hiss=-20.0, hiss_at=1200.0)
_D = Phone((350.0, 1700.0, 2600.0), 0.02, voice=-10.0, hiss=-16.0, hiss_at=4200.0)
_T = Phone((350.0, 1700.0, 2600.0), 0.03, voice=SILENT, hiss=-12.0, hiss_at=4200.0)
_K = Phone((350.0, 1700.0, 2100.0), 0.03, voice=SILENT, hiss=-14.0, hiss_at=2200.0)
_ONSETS: tuple[tuple[Phone, ...], ...] = (
    (),
    *((phone,) for phone in (_M, _N, _L, _R, _W, _Y, _F, _S, _Z, _SH)),
    *((_CLOSED, burst) for burst in (_B, _D, _T, _K)),
)
_CODAS: tuple[tuple[Phone, ...], ...] = ((), (), (), (_N,), (_M,), (_L,), (_S,), (_F,))
_PAUSE = Phone((500.0, 1450.0, 2450.0), 0.12, voice=SILENT)


class Track(NamedTuple):
    """Contours of an utterance: the parameters of the voice in each of F frames.

    Attributes:
        formants: the first three formants (Hz), shape (F, 3).
        voice: amplitude of the voiced part, shape (F,).
        hiss: amplitude of the frication, shape (F,).
        hiss_at: centre of the frication's band (Hz), shape (F,).
        pitch: pitch relative to the speaker's mean (semitones), shape (F,).
    """

    formants: NDArray[np.float64]
    voice: NDArray[np.float64]
    hiss: NDArray[np.float64]
    hiss_at: NDArray[np.float64]
    pitch: NDArray[np.float64]


def utter(frames: int, tempo: float, pause: float, span: float, rng: Generator) -> Track:
    """Draw phrases and pauses until ``frames`` frames are filled.

    Args:
        frames: number of frames; a frame lasts ``FRAME`` seconds (4 ms).
        tempo: factor on the speed; 1 is about four syllables per second.
        pause: factor on the duration of pauses.
        span: semitones between high and low pitch in a phrase.
        rng: draws the sounds and the variation of their durations and pitch.
    """
    rows: list[tuple[float, ...]] = []
    counts: list[int] = []
    while sum(counts) < frames:
        for phone, seconds, stress, pitch in _phrase(tempo, pause, rng):
            levels = amplitude(phone.voice + stress), amplitude(phone.hiss)
            rows.append((*phone.formants, *levels, phone.hiss_at, pitch * span))
            counts.append(max(1, round(seconds / FRAME)))
    targets = np.repeat(np.array(rows), counts, axis=0)[:frames]
    voice, hiss, hiss_at = _glide(targets[:, 3:6], _ONSET).T
    return Track(_glide(targets[:, :3], _GLIDE), voice, hiss, hiss_at, _glide(targets[:, 6], _MELODY))


def amplitude(decibels: float) -> float:
    """Return the factor that changes the level of a signal by ``decibels``: 10^(decibels / 20).

    >>> amplitude(20.0)
    10.0
    """
    return float(10 ** (decibels / 20))


def _phrase(tempo: float, pause: float, rng: Generator) -> Iterator[tuple[Phone, float, float, float]]:
    """Draw a phrase of 3 to 9 syllables with falling pitch, and the pause after it.

    Yields:
        The speech sound, its duration (s), the level that stress adds (dB), and the pitch in units of ``span``.
    """
    syllables = int(rng.integers(3, 10))
    for index in range(syllables):
        stressed, last = rng.random() < _STRESSED, index == syllables - 1
        pitch = 0.3 - 0.6 * index / syllables + stressed * rng.uniform(0.2, 0.6) - 0.2 * last
        stretch = np.exp(rng.normal(0.0, 0.15)) * (1.2 if stressed else 0.9) * (_LENGTHENED if last else 1.0) / tempo
        for phone in _syllable(rng):
            yield phone, phone.seconds * stretch, 2.0 * stressed - 3.0 * last, pitch
    yield _PAUSE, _PAUSE.seconds * pause * np.exp(rng.normal(0.0, 0.4)), 0.0, -0.3


def _syllable(rng: Generator) -> tuple[Phone, ...]:
    onset, vowel, coda = (int(rng.integers(len(kind))) for kind in (_ONSETS, _VOWELS, _CODAS))
    return (*_ONSETS[onset], _VOWELS[vowel], *_CODAS[coda])


def _glide(targets: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Smooth the steps between targets along the first axis: a change takes about ``seconds``."""
    kernel = hann(2 * round(seconds / FRAME / 2) + 1)
    return convolve1d(targets, kernel / kernel.sum(), axis=0, mode="nearest")
