"""The synthetic voice: measured like a recorded one."""

import librosa
import numpy as np
import pytest

from ser.corpora.synthetic import voice

ANGRY, SAD, HAPPY, CALM = (
    voice.Affect(*affect) for affect in ((1.9, 3.7, 4.1), (2.2, 2.3, 2.6), (4.2, 3.6, 3.4), (3.0, 2.8, 2.9))
)


def spoken(gender: str, affect: voice.Affect = CALM, seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])
    speaker = voice.speaker(gender, np.random.default_rng([seed, 0]))
    return voice.record(voice.speak(speaker, voice.manner(affect, rng), seconds, rng), 0.0, -64.0, rng)


def several(affect: voice.Affect) -> list[np.ndarray]:
    return [spoken("FM"[seed % 2], affect, seed=seed) / 32768 for seed in range(8)]


def level(signal: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(signal**2)))


def brightness(signal: np.ndarray) -> float:
    """Energy above 1 kHz relative to the energy below (dB)."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    edge = len(power) * 1000 * 2 // voice.SAMPLE_RATE
    return float(10 * np.log10(power[edge:].sum() / power[:edge].sum()))


def pitch(signal: np.ndarray) -> np.ndarray:
    """Fundamental frequency of the voiced frames, by autocorrelation of windows of 64 ms (Hz)."""
    frames = librosa.util.frame(signal.astype(float), frame_length=1024, hop_length=512)
    frames = frames[:, frames.std(axis=0) > 0.5 * frames.std()] * np.hanning(1024)[:, None]
    spectra = np.abs(np.fft.rfft(frames, 2048, axis=0)) ** 2
    correlation = np.fft.irfft(spectra, axis=0)
    shortest, longest = voice.SAMPLE_RATE // 400, voice.SAMPLE_RATE // 70
    lag = correlation[shortest:longest].argmax(axis=0) + shortest
    periodic = correlation[lag, np.arange(len(lag))] > 0.5 * correlation[0]
    return voice.SAMPLE_RATE / lag[periodic]


def test_the_sound_is_determined_by_the_generator():
    assert spoken("F").tobytes() == spoken("F").tobytes()
    assert spoken("F").tobytes() != spoken("F", seed=1).tobytes()


@pytest.mark.parametrize("seconds", [0.1, 0.6, 2.0, 9.0])
def test_the_signal_has_the_requested_duration(seconds):
    assert len(spoken("M", seconds=seconds)) == round(seconds * voice.SAMPLE_RATE)


@pytest.mark.parametrize("affect", [ANGRY, SAD, HAPPY, CALM], ids=["angry", "sad", "happy", "calm"])
@pytest.mark.parametrize("gender", ["F", "M"])
def test_speech_is_neither_silent_nor_clipped(gender, affect):
    for seed in range(4):
        signal = spoken(gender, affect, seed=seed) / 32768
        assert -60 < level(signal) < -10
        assert np.abs(signal).max() < 0.96


def test_a_loud_recording_is_attenuated_and_not_clipped():
    rng = np.random.default_rng(0)
    loud = voice.record(np.sin(np.arange(1600.0)), 20.0, -64.0, rng)
    assert 30000 < np.abs(loud).max() < 32000


def test_speech_is_voiced_and_women_speak_higher():
    women, men = ([pitch(spoken(gender, seed=seed)) for seed in range(4)] for gender in "FM")
    assert min(map(len, women + men)) > 10  # voiced frames of about 60
    assert 150 < np.median(np.concatenate(women)) < 280
    assert 80 < np.median(np.concatenate(men)) < 150


def test_formants_shape_the_spectrum():
    """The response to formants of 500, 1500 and 2500 Hz has its first three peaks there."""
    response = np.abs(voice._tract(np.array([[500.0, 1500.0, 2500.0]]), 1.0))[0]
    peaks = np.flatnonzero((response[1:-1] > response[:-2]) & (response[1:-1] > response[2:])) + 1
    np.testing.assert_allclose(voice._HERTZ[peaks[:3]], [500, 1500, 2500], atol=40)


def test_overlap_add_inverts_the_windows():
    signal = np.random.default_rng(0).standard_normal(6400)
    inverted = voice._overlap_add(voice._windows(signal))
    np.testing.assert_allclose(inverted[:-64], signal[:-64], atol=1e-12)


def test_there_is_one_pulse_per_cycle():
    pulses = voice._pulses(np.full(voice.SAMPLE_RATE, 100.0), np.random.default_rng(0))
    positions = np.flatnonzero(pulses)
    assert 99 <= np.sum(np.diff(positions) > 2) + 1 <= 100


def test_angry_speech_is_louder_and_brighter_than_sad():
    angry, sad = several(ANGRY), several(SAD)
    assert np.mean([level(x) for x in angry]) > np.mean([level(x) for x in sad]) + 6
    assert np.mean([brightness(x) for x in angry]) > np.mean([brightness(x) for x in sad]) + 6


@pytest.mark.parametrize("cue", ["pitch", "level", "tempo"])
def test_activation_raises_pitch_level_and_tempo(cue):
    rng = np.random.default_rng(0)
    calm, excited = ([getattr(voice.manner(a, rng), cue) for _ in range(50)] for a in (CALM, HAPPY))
    assert np.mean(excited) > np.mean(calm)
