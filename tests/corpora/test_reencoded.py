"""The same sound in files of different content."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.corpora.describe.reencoded import same_sound

NOISE = 0.1 * np.random.default_rng(3).standard_normal((4, 8000))


def write(path: Path, signal: np.ndarray, subtype: str | None = None, rate: int = 16_000) -> Path:
    soundfile.write(path, signal, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("name", "subtype", "scale"),
    [("b.flac", "PCM_16", 1), ("b.wav", "FLOAT", 1), ("b.wav", "PCM_24", 1), ("b.aiff", "PCM_16", 0.5)],
)
def test_the_same_sound_in_another_format_or_loudness_is_found(
    tmp_path: Path, name: str, subtype: str, scale: float
) -> None:
    others = [write(tmp_path / f"x{number}.wav", NOISE[number]) for number in (1, 2)]
    first = write(tmp_path / "a.wav", NOISE[0], "PCM_16")
    second = write(tmp_path / name, scale * NOISE[0], subtype)
    assert same_sound([others[0], first, others[1], second, second]) == {
        others[0]: others[0],
        first: first,
        others[1]: others[1],
        second: first,
    }


def test_other_sounds_silence_and_damaged_files_are_like_nothing(tmp_path: Path) -> None:
    times = np.arange(8000) / 16_000
    tones = [write(tmp_path / f"{f}.wav", 0.1 * np.sin(2 * np.pi * f * times)) for f in (128, 220, 256, 440)]
    silent = [write(tmp_path / f"{name}.wav", np.zeros(8000)) for name in "st"]
    short = write(tmp_path / "short.wav", NOISE[0, :7999])
    other_rate = write(tmp_path / "rate.wav", NOISE[0], rate=8000)
    damaged = [write(tmp_path / f"{name}.flac", NOISE[0]) for name in "de"]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:3000])
    paths = [write(tmp_path / "a.wav", NOISE[0]), *tones, *silent, short, other_rate, *damaged]
    assert same_sound(paths) == {path: path for path in paths}
