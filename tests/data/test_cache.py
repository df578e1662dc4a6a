"""The cache of frames: what is extracted again, damaged files, and several processes at once."""

import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import REPOSITORY

from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.data import hashes
from ser.data.cache import Frames, frames
from ser.data.hashes import changed_audio, fingerprint
from ser.errors import UserError
from ser.features.extractor import Extractor
from ser.features.mfcc import Mfcc
from ser.system import pool

RATE = 16000


@dataclass(frozen=True)
class Loudness(Extractor):
    """A fast extractor that does without librosa: mean and maximum of every 10 ms."""

    seconds_each: float = 0.0

    @property
    def dimensions(self) -> int:
        return 2

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds_each)
        blocks = np.abs(signal[: len(signal) // self.hop * self.hop].reshape(-1, self.hop))
        return np.stack([blocks.mean(axis=1), blocks.max(axis=1)])


class Wide(Loudness):
    """One with 10,000 values in a frame."""

    @property
    def dimensions(self) -> int:
        return 10_000

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        return np.tile(super()._analyse(signal), (5000, 1))


def make_files(folder: Path, count: int) -> Corpus:
    """Write ``count`` files of noise to ``folder``, the n-th (from 0) with 10 + n frames, and return their corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for n in range(count):
        soundfile.write(folder / f"u{n:02}.wav", 0.1 * rng.normal(size=160 * (10 + n)), RATE)
    return corpus_of(folder)


def corpus_of(folder: Path, name: str = "noise") -> Corpus:
    emotions = ("angry", "happy", "sad", "neutral")
    paths = sorted(folder.glob("*.wav"))
    rows = [Utterance(p.stem, p, emotions[n % 4], f"{n % 5}", f"speaker{n % 5}") for n, p in enumerate(paths)]
    return make_corpus(name, folder, rows)


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    return make_files(tmp_path / "audio", 5)


@pytest.fixture
def extracted(caplog):
    """A function that tells how many utterances were extracted since its last call."""
    caplog.set_level(logging.INFO, logger="ser.data.cache")

    def count() -> int:
        logged = re.findall(r"extracted (\d+) utterances", caplog.text)
        caplog.clear()
        return sum(map(int, logged))

    return count


def files_of(store: Path) -> list[Path]:
    return sorted(path.relative_to(store) for path in store.rglob("*") if path.is_file())


def assert_equals_extraction(packed: Frames, corpus: Corpus, extractor: Extractor) -> None:
    """Check that ``packed`` holds exactly the frames that the extractor gives for each file."""
    rows = packed.open()
    assert packed.offsets.dtype == np.int64 and len(packed.offsets) == len(corpus.utterances) + 1
    assert rows.dtype == np.float32 and rows.shape == (packed.offsets[-1], packed.dimensions)
    for n, utterance in enumerate(corpus.utterances):
        samples, _ = soundfile.read(utterance.path, dtype="float32")
        np.testing.assert_array_equal(rows[packed.offsets[n] : packed.offsets[n + 1]], extractor(samples))


def test_frames_are_packed_in_the_order_of_the_corpus(tmp_path, corpus):
    packed = frames(corpus, Loudness(), tmp_path / "store")
    assert packed.offsets.tolist() == [0, 10, 21, 33, 46, 60] and packed.dimensions == 2
    assert_equals_extraction(packed, corpus, Loudness())
    assert isinstance(packed.open(), np.memmap) and not packed.open().flags.writeable


def test_one_utterance_at_a_time_is_packed(tmp_path):
    corpus = make_files(tmp_path / "audio", 10)
    wide = Wide()
    packed = frames(corpus, wide, tmp_path / "store")
    written = packed.path.read_bytes()
    packed.path.unlink()
    tracemalloc.start()
    again = frames(corpus, wide, tmp_path / "store")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(written) / 3, "three or more of the ten utterances were in memory"
    assert again.path.read_bytes() == written
    assert_equals_extraction(again, corpus, wide)


def test_pickling_transfers_no_frames(tmp_path, corpus):
    packed = frames(corpus, Loudness(), tmp_path / "store")
    pickled = pickle.dumps(packed)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).open(), packed.open())


def test_parallel_extraction_equals_serial(tmp_path, extracted, monkeypatch):
    monkeypatch.setattr(pool, "START_SECONDS", 0)  # all in workers
    corpus = make_files(tmp_path / "audio", 20)
    packed = frames(corpus, Mfcc(), tmp_path / "store")
    assert extracted() == 20
    assert_equals_extraction(packed, corpus, Mfcc())


def test_the_second_call_extracts_nothing(tmp_path, corpus, monkeypatch, caplog):
    first = frames(corpus, Loudness(), tmp_path / "store").open()
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("ser.data.cache.read_audio", None)
    monkeypatch.setattr("ser.data.hashes.hash_file", None)
    np.testing.assert_array_equal(frames(corpus, Loudness(), tmp_path / "store").open(), first)
    assert not caplog.records


def test_touching_a_file_only_rehashes_it(tmp_path, corpus, monkeypatch, extracted):
    packed, before = frames(corpus, Loudness(), tmp_path / "store"), fingerprint(corpus, tmp_path / "store")
    os.utime(corpus.utterances[2].path, (1, 1))
    monkeypatch.setattr("ser.data.cache.read_audio", None)
    assert frames(corpus, Loudness(), tmp_path / "store").path == packed.path
    assert fingerprint(corpus, tmp_path / "store") == before


def test_changing_a_file_extracts_that_file_only(tmp_path, corpus, extracted):
    before = frames(corpus, Loudness(), tmp_path / "store")
    fingerprint_before = fingerprint(corpus, tmp_path / "store")
    extracted()
    soundfile.write(corpus.utterances[2].path, np.linspace(-0.5, 0.5, 3200), RATE)
    after = frames(corpus, Loudness(), tmp_path / "store")
    assert extracted() == 1
    assert after.path != before.path
    assert_equals_extraction(after, corpus, Loudness())
    assert fingerprint(corpus, tmp_path / "store") != fingerprint_before


def test_corpora_share_what_their_files_have_in_common(tmp_path, corpus, extracted):
    frames(corpus, Loudness(), tmp_path / "store")
    assert extracted() == 5
    larger = make_files(tmp_path / "elsewhere", 7)  # the same first five files
    assert_equals_extraction(frames(larger, Loudness(), tmp_path / "store"), larger, Loudness())
    assert extracted() == 2
    part = replace(larger, utterances=larger.utterances[3:6])
    assert_equals_extraction(frames(part, Loudness(), tmp_path / "store"), part, Loudness())
    assert extracted() == 0


def test_equal_files_are_extracted_once(tmp_path, corpus, extracted):
    for utterance in corpus.utterances[1:]:
        utterance.path.write_bytes(corpus.utterances[0].path.read_bytes())
    assert_equals_extraction(frames(corpus, Loudness(), tmp_path / "store"), corpus, Loudness())
    assert extracted() == 1


def test_parts_of_one_file_have_separate_entries(tmp_path, corpus):
    whole = corpus.utterances[4]
    first = replace(whole, id="a", start=0.0, end=0.05)
    parts = [first, replace(whole, id="b", emotion="sad", start=0.05, end=0.14), whole]
    packed = frames(make_corpus("parts", corpus.root, parts), Loudness(), tmp_path / "store")
    assert packed.offsets.tolist() == [0, 5, 14, 28]
    np.testing.assert_array_equal(packed.open()[:14], packed.open()[14:])


def test_only_parameters_that_can_change_the_frames_change_the_key(tmp_path, corpus):
    def path(**parameters) -> Path:
        return frames(corpus, Loudness(**parameters), tmp_path / "store").path

    assert path(hop=80) != path()
    assert path(top_db=60) != path()
    assert path(top_db=80) == path(top_db=80.0)
    assert path(log="natural", top_db=60) == path(log="natural")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-300] + bytes(300)])
@pytest.mark.parametrize("kind", ["entries/*/*.npz", "packs/*.npy", "packs/*.npz", "hashes/*.json"])
def test_a_damaged_file_is_written_again(tmp_path, corpus, extracted, kind, damage):
    store = tmp_path / "store"
    pack = frames(corpus, Loudness(), store).path
    damaged = sorted(store.glob(kind))[0]
    damaged.write_bytes(damage(damaged.read_bytes()))
    if "entries" in kind:
        pack.unlink()
    extracted()
    assert_equals_extraction(frames(corpus, Loudness(), store), corpus, Loudness())
    assert extracted() == (1 if "entries" in kind else 0)


def test_a_file_of_hashes_with_other_json_in_it_is_ignored(tmp_path, corpus):
    before = fingerprint(corpus, tmp_path / "store")
    next((tmp_path / "store" / "hashes").glob("*.json")).write_text("[1, 2]")
    assert fingerprint(corpus, tmp_path / "store") == before


def test_one_error_names_all_unusable_files_and_the_others_are_kept(tmp_path, extracted):
    corpus = make_files(tmp_path / "audio", 8)
    paths = [utterance.path for utterance in corpus.utterances]
    paths[1].write_text("no audio")
    soundfile.write(paths[3], np.zeros(0), RATE)
    soundfile.write(paths[4], np.zeros(800), RATE)
    soundfile.write(paths[6], np.linspace(-1, 1, 99), RATE)
    with pytest.raises(UserError) as caught:
        frames(corpus, Loudness(center=False), tmp_path / "store")
    message = str(caught.value)
    assert message.startswith(f"4 of the 8 utterances of {corpus.root} have no usable audio")
    assert re.search(r"u01\.wav: cannot be read .*\n.*u03\.wav: has no samples.*\n.*u04\.wav: is silent", message)
    assert "u06.wav: 99 samples are too few for one frame: 512 are needed." in message
    assert "corpus.exclude=[u01,u03,u04,u06]" in message
    assert extracted() == 4
    good = replace(corpus, utterances=tuple(u for u in corpus.utterances if u.id in ("u00", "u02", "u05", "u07")))
    frames(good, Loudness(center=False), tmp_path / "store")
    assert extracted() == 0


def test_an_error_shows_only_the_first_five_reasons(tmp_path):
    corpus = make_files(tmp_path / "audio", 8)
    for utterance in corpus.utterances[:7]:
        utterance.path.write_text("no audio")
    with pytest.raises(UserError) as caught:
        frames(corpus, Loudness(), tmp_path / "store")
    message = str(caught.value)
    assert message.startswith("7 of the 8") and message.count("wav: cannot be read") == 5 and "\n  ...\n" in message


@pytest.mark.parametrize("ask", [fingerprint, lambda corpus, store: frames(corpus, Loudness(), store)])
def test_a_missing_file_is_refused_by_name(tmp_path, corpus, ask):
    corpus.utterances[3].path.unlink()
    with pytest.raises(UserError, match=r"1 of the 5 .*\n.*u03\.wav: No such file(.*\n)*.*corpus\.exclude=\[u03\]"):
        ask(corpus, tmp_path / "store")


def test_the_fingerprint_depends_on_content_only(tmp_path, corpus):
    before = fingerprint(corpus, tmp_path / "store")
    assert re.fullmatch("[0-9a-f]{40}", before)
    moved = corpus_of(corpus.root.rename(tmp_path / "moved"), name="other")
    for utterance in moved.utterances:
        os.utime(utterance.path, (5, 5))
    assert fingerprint(moved, tmp_path / "store") == before == fingerprint(moved, tmp_path / "another store")
    assert fingerprint(replace(moved, utterances=moved.utterances[::-1]), tmp_path / "store") == before


@pytest.mark.parametrize(
    "change",
    [
        {"id": "v"}, {"emotion": "sad"}, {"session": "9"}, {"speaker": "x"}, {"gender": "female"}, {"start": 0.01},
        {"end": 0.05}, {"valence": 3.0}, {"activation": 3.0}, {"dominance": 3.0},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_column_changes_the_fingerprint(tmp_path, corpus, change):
    first, *rest = corpus.utterances
    changed = replace(corpus, utterances=(replace(first, **change), *rest))
    assert fingerprint(changed, tmp_path / "store") != fingerprint(corpus, tmp_path / "store")


def test_the_order_of_the_classes_and_the_set_of_utterances_change_the_fingerprint(tmp_path, corpus):
    others = [replace(corpus, classes=corpus.classes[::-1]), replace(corpus, utterances=corpus.utterances[1:])]
    assert len({fingerprint(c, tmp_path / "store") for c in (corpus, *others)}) == 3


def start(corpus: Corpus, store: Path, seconds_each: float) -> subprocess.Popen:
    """Start another process that gets the frames of ``corpus`` and logs what it does."""
    code = f"""
import logging, test_cache
from pathlib import Path
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    corpus = test_cache.corpus_of(Path({str(corpus.root)!r}))
    extractor = test_cache.Loudness(seconds_each={seconds_each})
    print(test_cache.frames(corpus, extractor, Path({str(store)!r})).path)
"""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests"), str(Path(__file__).parent)])
    }
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_three_processes_one_extracts_and_the_others_wait(tmp_path, corpus):
    store = tmp_path / "store"
    ended = [process.communicate(timeout=60) for process in [start(corpus, store, 0.3) for _ in range(3)]]
    logs = "".join(log for _, log in ended)
    assert logs.count("extracted 5 utterances") == 1 and logs.count("waiting for another process") == 2, logs
    assert len({path for path, _ in ended}) == 1
    packed = frames(corpus, Loudness(seconds_each=0.3), store)
    assert str(packed.path) == ended[0][0].strip()
    assert_equals_extraction(packed, corpus, Loudness())
    assert [str(path.parent) for path in files_of(store) if path.name.startswith(".")] == []


def test_a_killed_process_neither_blocks_the_next_nor_loses_its_work(tmp_path, extracted):
    corpus, store = make_files(tmp_path / "audio", 20), tmp_path / "store"
    process = start(corpus, store, 0.2)
    deadline = time.monotonic() + 30
    while len(list(store.glob("entries/*/*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    packed = frames(corpus, Loudness(seconds_each=0.2), store)
    assert 0 < extracted() <= 17
    assert_equals_extraction(packed, corpus, Loudness())


def test_leftovers_of_a_killed_process_are_deleted(tmp_path, corpus):
    store = tmp_path / "store"
    packed = frames(corpus, Loudness(), store)
    kept = files_of(store)
    entry = next(store.glob("entries/*/*.npz"))
    for path in (packed.path, entry):
        path.unlink()
        (path.parent / f".{path.stem}-x1y2z3{path.suffix}").write_bytes(b"half")
    frames(corpus, Loudness(), store)
    assert files_of(store) == kept


def test_audio_that_was_replaced_behind_its_size_and_time_is_seen(tmp_path, corpus, monkeypatch):
    """Restored backups and ``rsync -t`` keep both; the inode's own time changes all the same."""
    before = fingerprint(corpus, tmp_path / "store")
    monkeypatch.setattr(hashes, "VERIFIED_BYTES", 0)
    path = corpus.utterances[0].path
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(corpus, tmp_path / "store") != before


def test_small_corpora_are_read_once_a_process_whatever_their_times_say(tmp_path, corpus, monkeypatch):
    stamps = hashes.stamps(corpus)
    before = fingerprint(corpus, tmp_path / "store")
    path = corpus.utterances[0].path
    path.write_bytes(bytes(reversed(path.read_bytes())))
    monkeypatch.setattr(hashes, "stamps", lambda _: stamps)
    assert fingerprint(corpus, tmp_path / "store") == before, "this process has read it already"
    assert changed_audio(corpus, tmp_path / "store") == [path]
    assert fingerprint(corpus, tmp_path / "store") != before
    path.write_bytes(bytes(reversed(path.read_bytes())))
    monkeypatch.setattr(hashes, "_verified", set())
    assert fingerprint(corpus, tmp_path / "store") == before, "a new process reads it again"


@dataclass(frozen=True)
class Editing(Loudness):
    """A feature during whose extraction a file is replaced."""

    file: str = ""

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        soundfile.write(self.file, np.full(2000, 0.5) * np.linspace(0, 1, 2000), RATE)
        return super()._analyse(signal)


def test_audio_that_changes_during_extraction_leaves_no_frames_under_its_former_hash(tmp_path, corpus, extracted):
    first = corpus.utterances[0].path
    former = first.read_bytes()
    with pytest.raises(UserError, match="was changed while features were extracted"):
        frames(replace(corpus, utterances=corpus.utterances[:1]), Editing(file=str(first)), tmp_path / "store")
    assert not list((tmp_path / "store").rglob("entries/*/*.npz"))
    first.write_bytes(former)
    before = frames(corpus, Loudness(), tmp_path / "elsewhere").open()
    assert np.array_equal(frames(corpus, Loudness(), tmp_path / "store").open(), before)


def test_frames_of_former_code_are_not_used(tmp_path, corpus, extracted):
    for version, expected in (("a", 5), ("a", 0), ("b", 5), (None, 5), ("b", 0)):
        frames(corpus, Loudness(), tmp_path / "store", {"mine": version} if version else None)
        assert extracted() == expected


@dataclass(frozen=True)
class Overflowing(Loudness):
    """An extractor whose frames are infinite where the signal is loud."""

    def __call__(self, signal):
        rows = super().__call__(signal)
        rows[rows[:, 1] > self.seconds_each] = np.inf
        return rows


def test_frames_that_are_not_finite_are_refused_by_name(tmp_path, corpus):
    with pytest.raises(UserError, match="frames are not finite") as error:
        frames(corpus, Overflowing(), tmp_path / "store")
    assert str(corpus.utterances[0].path) in str(error.value)


@dataclass(frozen=True)
class Failing(Loudness):
    """An extractor with a mistake in it."""

    def __call__(self, signal):
        return super().__call__(signal)[self.seconds_each :, 5]


@dataclass(frozen=True)
class Silent(Loudness):
    """An extractor that gives no frame."""

    def __call__(self, signal):
        return super().__call__(signal)[:0]


@pytest.mark.parametrize(
    ("extractor", "message"),
    [(Failing(), r"fails: \w+Error: .*test_cache\.py, line \d+"), (Silent(), "samples are too few for one frame")],
)
def test_what_an_extractor_cannot_do_is_told_by_name(tmp_path, corpus, extractor, message):
    with pytest.raises(UserError, match=message) as error:
        frames(corpus, extractor, tmp_path / "store")
    assert str(corpus.utterances[0].path) in str(error.value)
