"""MP3 files of which libsndfile would read a part only."""

import numpy as np
import pytest
import soundfile

from ser.errors import UserError
from ser.features import mpeg
from ser.features.audio import read_audio

SECONDS = 6


@pytest.fixture(params=[16000, 44100], ids=["MPEG-2", "MPEG-1"])
def file(request, tmp_path):
    """An MP3 file of noise, loud and quiet in turns, and its rate."""
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile writes no MP3")
    time = np.arange(SECONDS * request.param) / request.param
    noise = np.random.default_rng(0).normal(0, 0.1, len(time)) * (np.floor(time) % 2 + 0.01)
    soundfile.write(tmp_path / "a.mp3", noise, request.param, format="MP3")
    return tmp_path / "a.mp3", request.param


def test_the_frames_of_a_whole_file_are_its_samples_and_little_more(file):
    path, rate = file
    more = mpeg.samples(path.read_bytes()) - SECONDS * rate
    assert 0 <= more <= mpeg.DELAY
    assert len(read_audio(path, rate)) == SECONDS * rate


def test_tags_are_no_sound_and_what_is_neither_ends_the_count(file):
    content = file[0].read_bytes()
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    expected = mpeg.samples(content)
    assert mpeg.samples(tag + content + b"TAG" + bytes(125)) == expected
    assert mpeg.samples(content + b"garbage" + content) == expected
    assert mpeg.samples(tag + content + tag + content) == 2 * expected
    assert [mpeg.samples(data) for data in (b"", b"\xff", b"RIFFxxxx", b"ID3\x04")] == [0] * 4


def test_files_that_were_joined_are_refused(file):
    path, rate = file
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(UserError, match=r"states 6\.\d\d s, but 12\.\d\d s of sound are there.*ffmpeg -i a.mp3 a.flac"):
        read_audio(path, rate)
