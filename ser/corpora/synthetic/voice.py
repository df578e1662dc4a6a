"""Speech-like signals: a glottal source is filtered by moving formants. Speaker and manner of speaking shape the sound.

The source, the cascade of resonators and the frication branch are those of Klatt (1980), "Software for a
cascade/parallel formant synthesizer", JASA 67. The effect of affect on the voice follows the reviews of Scherer (1986),
"Vocal affect expression", and Juslin and Laukka (2003), "Communication of emotions in vocal expression", both in
Psychological Bulletin: activation raises pitch, pitch range, level, tempo and high frequencies. A smile raises the
formants (Tartter 1980).

Every function is pure; all random numbers come from the generator in its arguments. Letters for shapes: T samples,
F frames, B bins of the Fourier transform.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.signal.windows import hann

from ser.corpora.synthetic.phones import FRAME, Track, amplitude, utter

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

SAMPLE_RATE = 16_000
_HOP = round(FRAME * SAMPLE_RATE)  # samples per frame; the filter changes from frame to frame
_FFT = 8 * _HOP  # a window has 8 ms; the other 24 ms are zeros, in which the resonances decay
_HERTZ = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)  # (B,), frequency of each bin
_DELAY = np.exp(-2j * np.pi * _HERTZ / SAMPLE_RATE)  # (B,), z^-1: response of a delay of one sample

_LOUDNESS = 0.03  # root mean square of voiced sound at 0 dB; full scale is 1
_BANDWIDTHS = (70.0, 100.0, 150.0)  # Hz, of the three moving formants
_FOURTH, _EIGHTH = 3500.0, 7500.0  # Hz, a man's fourth and eighth resonance; those between are equally spaced
_UPPER_BANDWIDTH = 300.0  # Hz, of the fourth to eighth resonance
_GLOTTIS = 100.0  # Hz, corner of the glottal low-pass
_JITTER, _SHIMMER = 0.008, 0.06  # standard deviation from cycle to cycle: share of the period, share of the amplitude
_TILT_FROM = 500.0  # Hz, the spectral tilt starts here
_HISS_WIDTH = 900.0  # Hz, standard deviation of the frication's band
_FADE = 0.02  # seconds, fade-in and fade-out


@dataclass(frozen=True)
class Speaker:
    """The voice of a speaker.

    Attributes:
        pitch: mean fundamental frequency (Hz).
        tract: factor on the formants relative to a man's.
        tempo: factor on the speed.
        level: level relative to the mean speaker (dB).
        breath: aspiration relative to the mean speaker (dB).
        tilt: fall of the spectrum relative to the mean speaker (dB per octave).
    """

    pitch: float
    tract: float
    tempo: float
    level: float
    breath: float
    tilt: float


@dataclass(frozen=True)
class Affect:
    """What the speaker feels during a turn; each value is on the scale of the ratings, 1 to 5."""

    valence: float
    activation: float
    dominance: float


@dataclass(frozen=True)
class Manner:
    """The manner in which a turn is spoken, relative to the speaker's habit. ``CUES`` explains each cue."""

    pitch: float
    span: float
    level: float
    tilt: float
    breath: float
    tempo: float
    pause: float
    smile: float
    jaw: float


CUES: dict[str, tuple[float, float, float, float, float]] = {
    # cue: value at affect (3, 3, 3), change per point of valence, activation and dominance, deviation of the noise
    "pitch": (0.0, 1.0, 4.0, -0.8, 1.0),  # semitones
    "span": (5.0, 1.2, 1.8, 0.0, 0.8),  # semitones between high and low pitch in a phrase
    "level": (0.0, -1.4, 10.0, 2.8, 1.0),  # dB
    "tilt": (0.5, 1.1, -3.4, -1.1, 0.3),  # dB lost per octave above 500 Hz
    "breath": (-22.0, 2.6, -6.5, -2.6, 1.5),  # dB of aspiration relative to the voiced part
    "tempo": (0.0, 0.04, 0.14, 0.0, 0.08),  # natural logarithm of the factor on the speed
    "pause": (-0.3, -0.1, -0.5, 0.0, 0.3),  # natural logarithm of the factor on the duration of pauses
    "smile": (0.0, 0.09, 0.0, -0.02, 0.02),  # natural logarithm of the factor on the second and third formant
    "jaw": (0.0, 0.03, 0.07, 0.04, 0.02),  # natural logarithm of the factor on the first formant
}
_LIMITS = {"span": (1.0, 12.0), "tilt": (-3.0, 5.0), "tempo": (-0.5, 0.5), "pause": (-1.2, 1.2)}


def speaker(gender: str, rng: Generator) -> Speaker:
    """Draw the voice of a woman ("F") or a man ("M").

    A woman's pitch is near 200 Hz, a man's near 115 Hz; a woman's formants are about 17 % higher.
    """
    pitch, tract = (200.0, 1.17) if gender == "F" else (115.0, 1.0)
    return Speaker(
        pitch=pitch * float(np.exp(rng.normal(0.0, 0.08))),
        tract=tract * float(np.exp(rng.normal(0.0, 0.02))),
        tempo=float(np.exp(rng.normal(0.0, 0.06))),
        level=rng.normal(0.0, 1.5),
        breath=rng.normal(0.0, 2.0),
        tilt=rng.normal(0.0, 0.4),
    )


def manner(affect: Affect, rng: Generator) -> Manner:
    """Draw the manner of a turn: each cue is a linear function of the affect, plus normal noise (see ``CUES``).

    Args:
        affect: what the speaker feels.
        rng: draws the noise.
    """
    felt = np.array([affect.valence, affect.activation, affect.dominance]) - 3.0
    cues = {}
    for cue, (base, *slopes, spread) in CUES.items():
        low, high = _LIMITS.get(cue, (-np.inf, np.inf))
        cues[cue] = float(np.clip(base + np.sum(felt * slopes) + rng.normal(0.0, spread), low, high))
    return Manner(**cues)


def speak(speaker: Speaker, manner: Manner, seconds: float, rng: Generator) -> Array:
    """Synthesise nonsense syllables.

    Args:
        speaker: the voice.
        manner: the manner of speaking.
        seconds: duration, rounded to whole frames of 4 ms.
        rng: draws the syllables, the glottal pulses and the noise.

    Returns:
        The signal at ``SAMPLE_RATE`` Hz, before recording, shape (T,).
    """
    frames = max(1, round(seconds / FRAME))
    track = utter(frames, speaker.tempo * np.exp(manner.tempo), np.exp(manner.pause), manner.span, rng)
    formants = track.formants * speaker.tract * np.exp([manner.jaw, manner.smile, manner.smile])
    hiss = rng.standard_normal(frames * _HOP) * _to_samples(track.hiss)
    spectra = _windows(_voice(track, speaker, manner, rng)) * _tract(formants, speaker.tract)
    spectra += _windows(hiss) * _frication(track.hiss_at)
    signal = _overlap_add(spectra * _tilt(manner.tilt + speaker.tilt))
    return _fade(signal) * (_LOUDNESS * amplitude(speaker.level + manner.level) / _loudness(signal, track.voice))


def record(speech: Array, gain: float, noise: float, rng: Generator) -> NDArray[np.int16]:
    """Record speech in a noisy room, with 16 bits.

    Args:
        speech: the signal, full scale 1, shape (T,).
        gain: amplification (dB).
        noise: level of the room noise (dB relative to full scale).
        rng: draws the noise.

    Returns:
        The samples, shape (T,). If they would exceed 95 % of full scale, the recording is attenuated.
    """
    room = lfilter([np.sqrt(1 - 0.9**2)], [1.0, -0.9], rng.standard_normal(len(speech)))  # root mean square 1
    signal = speech * amplitude(gain) + room * amplitude(noise)
    signal *= min(1.0, 0.95 / float(np.max(np.abs(signal))))
    return np.round(signal * 32767.0).astype(np.int16)


def _voice(track: Track, speaker: Speaker, manner: Manner, rng: Generator) -> Array:
    """The source (T,): low-pass filtered glottal pulses, differentiated by radiation at the lips, and aspiration."""
    pitch = speaker.pitch * 2 ** ((_to_samples(track.pitch) + manner.pitch) / 12)
    radius = np.exp(-np.pi * _GLOTTIS / SAMPLE_RATE)
    flow = lfilter([1.0, -1.0], [1.0, -2 * radius, radius**2], _pulses(pitch, rng))
    flow /= np.sqrt(np.mean(flow**2))
    breath = rng.standard_normal(len(flow)) * amplitude(manner.breath + speaker.breath)
    return (flow + breath) * _to_samples(track.voice)


def _pulses(pitch: Array, rng: Generator) -> Array:
    """One pulse for each cycle of ``pitch`` (Hz, shape (T,)), with jitter and shimmer, shape (T,).

    A pulse between two samples is divided between them in proportion to its distance.
    """
    cycles = np.cumsum(pitch) / SAMPLE_RATE
    position = np.interp(np.arange(0.5, cycles[-1]), cycles, np.arange(len(pitch)))
    period = SAMPLE_RATE / pitch[position.astype(int)]
    position = np.clip(position + period * rng.normal(0.0, _JITTER, len(position)), 0, len(pitch) - 2)
    size = np.sqrt(period) * (1 + rng.normal(0.0, _SHIMMER, len(position)))
    sample = position.astype(int)
    pulses = np.zeros(len(pitch))
    np.add.at(pulses, sample, size * (1 - (position - sample)))
    np.add.at(pulses, sample + 1, size * (position - sample))
    return pulses


def _tract(formants: Array, scale: float) -> Spectrum:
    """Response (F, B) of the vocal tract: a cascade of three moving resonators (Hz, (F, 3)) and five fixed ones."""
    denominator: Spectrum = np.ones((1, len(_DELAY)), dtype=np.complex128)
    for hertz in np.linspace(_FOURTH * scale, _EIGHTH, 5):
        denominator = denominator * _resonator(np.array([hertz]), _UPPER_BANDWIDTH)
    for column, bandwidth in enumerate(_BANDWIDTHS):
        denominator = denominator * _resonator(formants[:, column], bandwidth * scale)
    return np.reciprocal(denominator)


def _resonator(hertz: Array, bandwidth: float) -> Spectrum:
    """Inverse response (len(hertz), B) of Klatt's digital resonator, which has gain 1 at 0 Hz.

    Klatt (1980): T(z) = (1 - b - c) / (1 - b z^-1 - c z^-2) with b = 2 r cos(2 pi hertz / SAMPLE_RATE), c = -r^2 and
    r = exp(-pi bandwidth / SAMPLE_RATE). This function returns 1 / T.
    """
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    first = (2 * radius * np.cos(2 * np.pi * hertz / SAMPLE_RATE))[:, None]
    return (1 - first * _DELAY + radius**2 * _DELAY**2) / (1 - first + radius**2)


def _frication(centre: Array) -> Array:
    """Gain (F, B) of the frication branch: a Gaussian band around ``centre`` (Hz, shape (F,))."""
    return np.exp(-0.5 * ((_HERTZ - centre[:, None]) / _HISS_WIDTH) ** 2)


def _tilt(decibels: float) -> Array:
    """Gain (B,) that is 1 up to ``_TILT_FROM`` Hz and falls by ``decibels`` per octave above."""
    return 10 ** (-decibels / 20 * np.log2(np.maximum(_HERTZ, _TILT_FROM) / _TILT_FROM))


def _windows(signal: Array) -> Spectrum:
    """Spectra (F, B) of the signal (T,) in Hann windows that overlap by half."""
    padded = np.concatenate([np.zeros(_HOP), signal])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HOP)[::_HOP]
    return np.fft.rfft(windows * hann(2 * _HOP, sym=False), _FFT)


def _overlap_add(spectra: Spectrum) -> Array:
    """The signal (T,) from spectra (F, B): the inverse of ``_windows``, up to the last half window."""
    blocks = np.fft.irfft(spectra, _FFT).reshape(len(spectra), -1, _HOP)
    frames, overlap = blocks.shape[:2]
    signal = np.zeros((frames + overlap, _HOP))
    for shift in range(overlap):
        signal[shift : shift + frames] += blocks[:, shift]
    return signal[1 : frames + 1].reshape(-1)


def _loudness(signal: Array, voice: Array) -> float:
    """Root mean square of the voiced frames; of all frames, if none is voiced."""
    voiced = np.repeat(voice > 0.25, _HOP)
    return float(np.sqrt(np.mean(signal[voiced] ** 2 if voiced.any() else signal**2)))


def _fade(signal: Array) -> Array:
    ramp = np.minimum(1.0, np.arange(1, len(signal) + 1) / (_FADE * SAMPLE_RATE))
    return signal * ramp * ramp[::-1]


def _to_samples(frames: Array) -> Array:
    """A contour of F frames, interpolated linearly to T samples."""
    return np.interp(np.arange(len(frames) * _HOP) / _HOP - 0.5, np.arange(len(frames)), frames)
