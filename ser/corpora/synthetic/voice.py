"""Speech-like signals: a glottal source through moving formants, in one speaker's voice and one manner of speaking.

Source, cascade of resonators and frication branch are those of Klatt (1980), "Software for a cascade/parallel formant
synthesizer", JASA 67. How affect colours a voice follows the reviews of Scherer (1986), "Vocal affect expression", and
Juslin and Laukka (2003), "Communication of emotions in vocal expression", both in Psychological Bulletin: activation
raises pitch, its range, level, tempo and high frequencies; a smile raises the formants (Tartter 1980).

Every function is pure: what is random comes from the generator it is given. Shapes: T samples, F frames, B bins.
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
_HOP = round(FRAME * SAMPLE_RATE)  # samples between two settings of the filter
_FFT = 8 * _HOP  # leaves 24 ms after each window of 8 ms for the resonances to die away
_HERTZ = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)  # B
_DELAY = np.exp(-2j * np.pi * _HERTZ / SAMPLE_RATE)  # of one sample, B

_LOUDNESS = 0.03  # root mean square of voiced sound at 0 dB, of full scale 1
_BANDWIDTHS = (70.0, 100.0, 150.0)  # Hz, of the three moving formants
_FOURTH, _EIGHTH = 3500.0, 7500.0  # Hz: the fixed resonances above them, a man's fourth and the last
_UPPER_BANDWIDTH = 300.0  # Hz
_GLOTTIS = 100.0  # Hz, corner of the glottal low-pass
_JITTER, _SHIMMER = 0.008, 0.06  # from cycle to cycle: share of the period, share of the amplitude
_TILT_FROM = 500.0  # Hz
_HISS_WIDTH = 900.0  # Hz, standard deviation of the frication's band
_FADE = 0.02  # seconds at both ends


@dataclass(frozen=True)
class Speaker:
    """A voice: pitch (Hz), tract (its formants against a man's), tempo (factor), level, breath (dB), tilt (dB/oct)."""

    pitch: float
    tract: float
    tempo: float
    level: float
    breath: float
    tilt: float


@dataclass(frozen=True)
class Affect:
    """How a turn is felt, each on the scale of the ratings, 1 to 5."""

    valence: float
    activation: float
    dominance: float


@dataclass(frozen=True)
class Manner:
    """How a turn is spoken, against the speaker's own habit; the units are in ``CUES``."""

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
    # cue: at affect 3, per point of valence, of activation, of dominance, standard deviation of the rest
    "pitch": (0.0, 1.0, 4.0, -0.8, 1.0),  # semitones
    "span": (5.0, 1.2, 1.8, 0.0, 0.8),  # semitones between high and low in a phrase
    "level": (0.0, -1.4, 10.0, 2.8, 1.0),  # dB
    "tilt": (0.5, 1.1, -3.4, -1.1, 0.3),  # dB lost per octave above 500 Hz
    "breath": (-22.0, 2.6, -6.5, -2.6, 1.5),  # dB of aspiration against the voice
    "tempo": (0.0, 0.04, 0.14, 0.0, 0.08),  # natural logarithm
    "pause": (-0.3, -0.1, -0.5, 0.0, 0.3),  # natural logarithm
    "smile": (0.0, 0.09, 0.0, -0.02, 0.02),  # natural logarithm of the second and third formant
    "jaw": (0.0, 0.03, 0.07, 0.04, 0.02),  # natural logarithm of the first formant
}
_LIMITS = {"span": (1.0, 12.0), "tilt": (-3.0, 5.0), "tempo": (-0.5, 0.5), "pause": (-1.2, 1.2)}


def speaker(gender: str, rng: Generator) -> Speaker:
    """Draw the voice of one ``"F"`` or ``"M"``: pitch near 200 or 115 Hz, formants 17 % apart."""
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
    """Draw how a turn of this affect is spoken: a linear function of the affect plus what it does not explain."""
    felt = np.array([affect.valence, affect.activation, affect.dominance]) - 3.0
    cues = {}
    for cue, (base, *slopes, spread) in CUES.items():
        low, high = _LIMITS.get(cue, (-np.inf, np.inf))
        cues[cue] = float(np.clip(base + np.sum(felt * slopes) + rng.normal(0.0, spread), low, high))
    return Manner(**cues)


def speak(who: Speaker, how: Manner, seconds: float, rng: Generator) -> Array:
    """Nonsense syllables for ``seconds``, T samples."""
    frames = max(1, round(seconds / FRAME))
    track = utter(frames, who.tempo * np.exp(how.tempo), np.exp(how.pause), how.span, rng)
    formants = track.formants * who.tract * np.exp([how.jaw, how.smile, how.smile])
    hiss = rng.standard_normal(frames * _HOP) * _to_samples(track.hiss)
    spectra = _windows(_voice(track, who, how, rng)) * _tract(formants, who.tract)
    spectra += _windows(hiss) * _frication(track.hiss_at)
    signal = _overlap_add(spectra * _tilt(how.tilt + who.tilt))
    return _fade(signal) * (_LOUDNESS * amplitude(who.level + how.level) / _loudness(signal, track.voice))


def record(speech: Array, gain: float, noise: float, rng: Generator) -> NDArray[np.int16]:
    """Record with a ``gain`` (dB) over room noise of ``noise`` dB of full scale; turned down where it would clip."""
    room = lfilter([np.sqrt(1 - 0.9**2)], [1.0, -0.9], rng.standard_normal(len(speech)))  # root mean square 1
    signal = speech * amplitude(gain) + room * amplitude(noise)
    signal *= min(1.0, 0.95 / float(np.max(np.abs(signal))))
    return np.round(signal * 32767.0).astype(np.int16)


def _voice(track: Track, who: Speaker, how: Manner, rng: Generator) -> Array:
    """The glottis, T samples: pulses through a low-pass, radiated (differentiated), and aspiration."""
    pitch = who.pitch * 2 ** ((_to_samples(track.pitch) + how.pitch) / 12)
    radius = np.exp(-np.pi * _GLOTTIS / SAMPLE_RATE)
    flow = lfilter([1.0, -1.0], [1.0, -2 * radius, radius**2], _pulses(pitch, rng))
    flow /= np.sqrt(np.mean(flow**2))
    breath = rng.standard_normal(len(flow)) * amplitude(how.breath + who.breath)
    return (flow + breath) * _to_samples(track.voice)


def _pulses(pitch: Array, rng: Generator) -> Array:
    """One pulse a cycle of ``pitch`` (Hz, T), placed between samples, with jitter and shimmer; T samples."""
    cycles = np.cumsum(pitch) / SAMPLE_RATE
    at = np.interp(np.arange(0.5, cycles[-1]), cycles, np.arange(len(pitch)))
    period = SAMPLE_RATE / pitch[at.astype(int)]
    at = np.clip(at + period * rng.normal(0.0, _JITTER, len(at)), 0, len(pitch) - 2)
    size = np.sqrt(period) * (1 + rng.normal(0.0, _SHIMMER, len(at)))
    whole = at.astype(int)
    pulses = np.zeros(len(pitch))
    np.add.at(pulses, whole, size * (1 - (at - whole)))
    np.add.at(pulses, whole + 1, size * (at - whole))
    return pulses


def _tract(formants: Array, scale: float) -> Spectrum:
    """Response of the cascade of resonators, F x B: three moving formants (Hz, F x 3) and five fixed ones."""
    denominator: Spectrum = np.ones((1, len(_DELAY)), dtype=np.complex128)
    for hertz in np.linspace(_FOURTH * scale, _EIGHTH, 5):
        denominator = denominator * _resonator(np.array([hertz]), _UPPER_BANDWIDTH)
    for column, bandwidth in enumerate(_BANDWIDTHS):
        denominator = denominator * _resonator(formants[:, column], bandwidth * scale)
    return np.reciprocal(denominator)


def _resonator(hertz: Array, bandwidth: float) -> Spectrum:
    """Denominator of Klatt's digital resonator, scaled to gain 1 at 0 Hz: len(hertz) x B."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    first = (2 * radius * np.cos(2 * np.pi * hertz / SAMPLE_RATE))[:, None]
    return (1 - first * _DELAY + radius**2 * _DELAY**2) / (1 - first + radius**2)


def _frication(centre: Array) -> Array:
    """Gain of the frication branch, F x B: a band around ``centre`` (Hz, F)."""
    return np.exp(-0.5 * ((_HERTZ - centre[:, None]) / _HISS_WIDTH) ** 2)


def _tilt(decibels: float) -> Array:
    """Gain that falls by ``decibels`` per octave, B."""
    return 10 ** (-decibels / 20 * np.log2(np.maximum(_HERTZ, _TILT_FROM) / _TILT_FROM))


def _windows(signal: Array) -> Spectrum:
    """Spectra of the half-overlapping windows of T samples, F x B."""
    padded = np.concatenate([np.zeros(_HOP), signal])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HOP)[::_HOP]
    return np.fft.rfft(windows * hann(2 * _HOP, sym=False), _FFT)


def _overlap_add(spectra: Spectrum) -> Array:
    """Back to T samples: every window fades into the next, and so does its filter."""
    blocks = np.fft.irfft(spectra, _FFT).reshape(len(spectra), -1, _HOP)
    frames, overlap = blocks.shape[:2]
    signal = np.zeros((frames + overlap, _HOP))
    for k in range(overlap):
        signal[k : k + frames] += blocks[:, k]
    return signal[1 : frames + 1].reshape(-1)


def _loudness(signal: Array, voice: Array) -> float:
    """Root mean square of the frames with voice; of all, where none has."""
    voiced = np.repeat(voice > 0.25, _HOP)
    return float(np.sqrt(np.mean(signal[voiced] ** 2 if voiced.any() else signal**2)))


def _fade(signal: Array) -> Array:
    ramp = np.minimum(1.0, np.arange(1, len(signal) + 1) / (_FADE * SAMPLE_RATE))
    return signal * ramp * ramp[::-1]


def _to_samples(frames: Array) -> Array:
    """A contour of F frames at T samples."""
    return np.interp(np.arange(len(frames) * _HOP) / _HOP - 0.5, np.arange(len(frames)), frames)
