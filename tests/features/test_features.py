"""The features, compared with librosa itself and with a second, plainer computation."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import scipy.fft
import soundfile
from annotated_types import Ge
from support import REPOSITORY

from ser.errors import UserError
from ser.features.audio import read_audio
from ser.features.logmel import LogMel
from ser.features.logspec import LogSpectrogram
from ser.features.mfcc import Mfcc

RATE = 16000
EMODB = Path(os.environ.get("EMODB", REPOSITORY.parent / "shared" / "corpora" / "emodb"))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """An utterance of EmoDB, float32 at 16 kHz, shape (samples,)."""
    files = sorted((EMODB / "wav").glob("*.wav"))
    if not files:
        pytest.skip(f"no EmoDB in {EMODB}; name its folder in the environment variable EMODB")
    return read_audio(files[0], RATE)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Half a second of noise with rising level, float32, shape (8000,)."""
    return (np.linspace(0.001, 0.5, 8000) * np.random.default_rng(0).normal(size=8000)).astype(np.float32)


def plain_power(signal: np.ndarray, window: int, n_fft: int, hop: int = 160) -> np.ndarray:
    """Power spectra, shape (frames, bins), computed frame by frame in double precision."""
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / window)
    before = (n_fft - window) // 2
    taper = np.concatenate([np.zeros(before), hamming, np.zeros(n_fft - window - before)])
    padded = np.concatenate([np.zeros(n_fft // 2), signal.astype(np.float64), np.zeros(n_fft // 2)])
    frames = [padded[i : i + n_fft] * taper for i in range(0, len(padded) - n_fft + 1, hop)]
    return np.array([np.abs(np.fft.rfft(frame)) ** 2 for frame in frames])


def slaney_hz(mel: float) -> float:
    """Slaney's Auditory Toolbox: linear up to 1 kHz (15 mel), then a factor of 6.4 in 27 mel."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def plain_mel_matrix(bands: int, n_fft: int, highest_mel: float) -> np.ndarray:
    """Triangles of equal area from 0 mel to ``highest_mel``, shape (bands, bins)."""
    edges = [slaney_hz(mel) for mel in np.linspace(0, highest_mel, bands + 2)]
    matrix = np.zeros((bands, n_fft // 2 + 1))
    for band in range(bands):
        low, peak, high = edges[band : band + 3]
        for k in range(n_fft // 2 + 1):
            hz = k * RATE / n_fft
            height = min((hz - low) / (peak - low), (high - hz) / (high - peak))
            matrix[band, k] = max(0.0, height) * 2 / (high - low)
    return matrix


def plain_db(power: np.ndarray) -> np.ndarray:
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(decibels, decibels.max() - 80)


def plain_logmel(signal: np.ndarray) -> np.ndarray:
    highest = 15 + 27 * np.log(6.5) / np.log(6.4)
    return plain_db(plain_power(signal, 400, 512) @ plain_mel_matrix(26, 512, highest).T)


def plain_mfcc(signal: np.ndarray) -> np.ndarray:
    n = np.arange(26)
    rows = [np.sqrt((1 if k == 0 else 2) / 26) * np.cos(np.pi * k * (2 * n + 1) / 52) for k in range(13)]
    return plain_logmel(signal) @ np.array(rows).T


def plain_spectrogram(signal: np.ndarray) -> np.ndarray:
    return plain_db(plain_power(signal, 640, 800)[:, :200])


@pytest.mark.parametrize(
    ("extractor", "plain", "dimensions"),
    [(LogMel(), plain_logmel, 26), (Mfcc(), plain_mfcc, 13), (LogSpectrogram(), plain_spectrogram, 200)],
    ids=["logmel", "mfcc", "logspec"],
)
def test_features_equal_a_plain_computation(speech, extractor, plain, dimensions):
    frames = extractor(speech)
    assert frames.dtype == np.float32 and frames.flags.c_contiguous
    assert frames.shape == (1 + len(speech) // 160, dimensions) == (len(frames), extractor.dimensions)
    np.testing.assert_allclose(frames, plain(speech), rtol=0, atol=2e-4)  # decibels


def test_features_equal_librosa_called_directly(speech):
    import librosa

    windows = {"hop_length": 160, "window": "hamming"}
    mel = {"sr": RATE, "n_fft": 512, "win_length": 400, "n_mels": 26, "fmin": 0, "fmax": 6500} | windows
    power = librosa.feature.melspectrogram(y=speech, **mel)
    np.testing.assert_array_equal(LogMel()(speech), librosa.power_to_db(power).T)
    np.testing.assert_array_equal(Mfcc()(speech), librosa.feature.mfcc(y=speech, n_mfcc=13, **mel).T)
    spectrum = np.abs(librosa.stft(speech, n_fft=800, win_length=640, **windows)) ** 2
    np.testing.assert_array_equal(LogSpectrogram()(speech), librosa.power_to_db(spectrum[:200]).T)


def test_the_natural_logarithm_is_of_the_same_power_and_has_no_top_db(noise):
    decibels, natural = LogMel(top_db=None)(noise), LogMel(log="natural")(noise)
    np.testing.assert_allclose(natural, decibels * np.log(10) / 10, rtol=1e-5, atol=1e-5)
    with_silence = np.concatenate([noise, np.zeros(3200, np.float32)])
    assert LogMel(log="natural")(with_silence).min() == pytest.approx(np.log(1e-10))
    assert np.ptp(LogMel()(with_silence)) == pytest.approx(80)


def test_drop_c0_keeps_the_other_coefficients(noise):
    extractor = Mfcc(drop_c0=True)
    assert extractor.dimensions == 12
    np.testing.assert_array_equal(extractor(noise), Mfcc()(noise)[:, 1:])


def test_mfcc_is_the_orthonormal_dct_of_the_log_mel_bands(noise):
    expected = scipy.fft.dct(LogMel(htk=True)(noise), type=2, norm="ortho", axis=1)[:, :13]
    np.testing.assert_allclose(Mfcc(htk=True)(noise), expected, atol=1e-3)


def test_htk_selects_another_mel_scale(noise):
    assert np.abs(LogMel(htk=True)(noise) - LogMel()(noise)).max() > 1


def test_without_centring_no_frame_reaches_beyond_the_signal(noise):
    frames = LogMel(center=False)(noise)
    assert len(frames) == 1 + (8000 - 512) // 160
    expected = LogMel(top_db=None)(np.concatenate([np.zeros(64, np.float32), noise]))  # 64 + 256 = 2 hops
    np.testing.assert_allclose(frames, expected[2 : 2 + len(frames)], atol=1e-3)


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")
def test_the_shortest_signals_give_one_frame_and_shorter_ones_are_refused(noise):
    assert Mfcc()(noise[:1]).shape == (1, 13)
    assert LogMel(center=False)(noise[:512]).shape == (1, 26)
    with pytest.raises(UserError, match="511 samples are too few for one frame: 512"):
        LogMel(center=False)(noise[:511])
    with pytest.raises(UserError, match="0 samples are too few"):
        LogMel()(noise[:0])


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        (LogMel, {"window": 600}, "feature.window=600 .* at most feature.n_fft=512"),
        (LogMel, {"hop": 0}, "feature.hop must be a whole number of at least 1, got 0"),
        (LogMel, {"bands": 2.5}, "feature.bands must be a whole number .* got 2.5"),
        (LogMel, {"log": "ln"}, "feature.log must be one of db, natural, got ln"),
        (LogMel, {"top_db": -1}, "feature.top_db must be a number above 0 or null, got -1"),
        (LogMel, {"fmax": 9000}, "feature.fmax=9000 .* at most 8000"),
        (LogMel, {"fmin": 7000}, "feature.fmin=7000 .* below feature.fmax=6500"),
        (Mfcc, {"coefficients": 27}, "feature.coefficients=27 .* from 1 to feature.bands=26"),
        (Mfcc, {"coefficients": 1, "drop_c0": True}, "from 2 to"),
        (LogSpectrogram, {"bins": 402}, "feature.bins=402 .* at most 401"),
    ],
)
def test_impossible_parameters_are_refused(kind, parameters, message):
    with pytest.raises(UserError, match=message):
        kind(**parameters)


def test_top_db_belongs_to_the_identity_only_if_it_is_used():
    assert LogMel(log="natural", top_db=60).identity() == LogMel(log="natural").identity()
    assert LogMel(top_db=60).identity() != LogMel().identity()
    assert Mfcc().identity() != LogMel().identity()


@pytest.mark.parametrize("choice", ["mfcc", "logmel", "logspec"])
def test_every_option_of_the_group_states_the_defaults(choice):
    from hydra import compose, initialize_config_dir
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        config = OmegaConf.to_container(compose(overrides=[f"+feature={choice}"]).feature)
    kind = get_class(config.pop("_target_"))
    assert (config.pop("name"), config.pop("normalisation")) == (choice, "fold")
    assert kind(**config) == kind()
    assert config.keys() == kind().identity().keys() - {"class"}


def test_stereo_is_mixed_and_resampled(tmp_path):
    t = np.arange(48000) / 48000
    tone = np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, 0.5 * tone], axis=1), 48000, subtype="FLOAT")
    signal = read_audio(tmp_path / "a.wav", RATE)
    assert signal.shape == (RATE,) and signal.dtype == np.float32
    expected = 0.75 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(signal[200:-200], expected[200:-200], atol=1e-3)


def test_a_part_of_a_file_is_read(tmp_path, noise):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path, RATE, 0.1, 0.25), noise[1600:4000])
    np.testing.assert_array_equal(read_audio(path, RATE, start=0.1), noise[1600:])
    np.testing.assert_array_equal(read_audio(path, RATE, end=0.55), noise)  # a rounded end


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.6), (0.3, 0.2), (-0.1, 0.2), (0.1, 0.7), (0.2, float("nan"))])
def test_a_part_outside_the_file_is_refused(tmp_path, noise, start, end):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, RATE)
    with pytest.raises(UserError, match=r"a\.wav: has no part from .* it lasts 0\.500 s"):
        read_audio(path, RATE, start, end)


def test_unusable_files_are_refused_by_name(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(UserError, match=r"a\.wav: cannot be read as audio"):
        read_audio(path, RATE)
    path.write_text("no audio")
    with pytest.raises(UserError, match=r"a\.wav: cannot be read as audio: .*Format not recognised"):
        read_audio(path, RATE)
    for samples, message in [([], "no samples"), ([0.5] * 9, "silent: all 9 samples"), ([0, np.nan], "not finite")]:
        soundfile.write(path, np.array(samples), RATE, subtype="FLOAT")
        with pytest.raises(UserError, match=rf"a\.wav: .*{message}"):
            read_audio(path, RATE)


def test_a_headerless_file_is_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"a\.raw: cannot be read as audio"):
        read_audio(tmp_path / "a.raw", RATE)


def test_importing_the_module_does_not_import_librosa():
    code = "import sys, ser.features.mfcc, ser.data.cache; sys.exit(bool({'librosa', 'soundfile'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0


def cut(path, keep):
    """Cut a file to a share of its bytes; its header stays."""
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def test_channels_that_cancel_each_other_are_not_called_silent(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", np.stack([noise, -noise], axis=1) / 8, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav: its channels cancel each other .* as a mono file"):
        read_audio(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, noise, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.tile(noise, 4), RATE)
    cut(path, 0.5)
    with pytest.raises(UserError, match=rf"a\.{ending}: .*cut off.* [Cc]opy it again\."):
        read_audio(path, RATE)


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f"], ids=["ffmpeg", "sox"])
def test_a_stream_whose_header_does_not_know_its_length_is_read(tmp_path, noise, length):
    path = tmp_path / "a.wav"
    quiet = 0.1 * noise
    soundfile.write(path, quiet, RATE)
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = length
    path.write_bytes(content)
    np.testing.assert_allclose(read_audio(path, RATE), quiet, atol=1e-4)


def test_samples_far_outside_full_scale_are_refused(tmp_path, noise):
    noise = noise.copy()
    noise[100] = 1e30
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav: has samples up to 1e\+30, far outside \[-1, 1\]"):
        read_audio(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("opposite", [False, True])
def test_integers_stored_as_floats_are_refused(tmp_path, noise, opposite):
    scaled = np.round(noise * 0.2 * 32768)
    channels = np.stack([scaled, -scaled], axis=1) if opposite else scaled
    soundfile.write(tmp_path / "a.wav", channels, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav: has samples up to .*, divide them by 32768 or save them as PCM"):
        read_audio(tmp_path / "a.wav", RATE)


def test_floats_may_exceed_full_scale(tmp_path, noise):
    loud = noise / np.abs(noise).max() * 3.5
    soundfile.write(tmp_path / "a.wav", loud, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", RATE), loud)


@pytest.mark.parametrize("rate", [1, 1000, 2_000_000])
def test_absurd_sample_rates_are_refused(tmp_path, noise, rate):
    soundfile.write(tmp_path / "a.wav", noise, rate)
    with pytest.raises(UserError, match=rf"a\.wav: has a sample rate of {rate} Hz"):
        read_audio(tmp_path / "a.wav", RATE)


def test_an_own_extractor_may_have_fields_of_any_type():
    @dataclass(frozen=True)
    class Own(LogMel):
        filters: np.ndarray | None = None
        edges: tuple[int, ...] = ()
        gain: Annotated[float, Ge(0)] = 1.0

    assert Own(filters=np.ones(3), edges=[1, 2]).edges == [1, 2]
    with pytest.raises(UserError, match=r"feature\.gain must be a number of at least 0, got -1"):
        Own(gain=-1)
