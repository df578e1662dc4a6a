"""Every file that the program stores and reads back, damaged in every way: told once, put aside, and made again."""

import errno
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from results.outcomes import ABOUT, outcome
from safetensors.torch import save_file

from multirun_analysis.store.contents import Collected
from multirun_analysis.store.predictions import predictions
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.data import cache, hashes
from ser.features.extractor import Extractor
from ser.results import weights
from ser.results.store import ResultStore, folder_id
from ser.sweep import running
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import find_plans, load_plans, store_plan, sweep_names
from ser.system.stored import DamagedError

SIGNATURE = "ab" + 30 * "0"
POINT = Point(("loss=cos",), {"loss": "cos"}, (0, 1), (1, 2), "c" * 32, None, 2)
WEIGHTS = {
    "format": weights.FORMAT, "signature": SIGNATURE, "configuration": "c" * 32, "seed": 0, "fold": 1, "groups": {},
    "parameters": {}, "corpus": ABOUT["corpus"], "frames": 100, "features": 13, "aux_classes": 0, "batch_size": 32,
    "precision": "float32",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of stored file.

    Attributes:
        pattern: finds the one file of this kind in the folder that ``use`` was given.
        use: does in a folder what the program does: it reads the file, makes it where it is missing, and returns what
            it then holds.
        wrong: further damages of this kind, by name: content of the right format with something else in it.
    """

    pattern: str
    use: Callable[[Path], object]
    wrong: dict[str, Callable[[Path], object]]


def changed_json(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """A damage that changes the mapping in a JSON file."""

    def damage(path: Path) -> None:
        found = json.loads(path.read_text())
        change(found)
        path.write_text(json.dumps(found))

    return damage


def changed_arrays(**changes: object) -> Callable[[Path], object]:
    """A damage that replaces arrays of a .npz file, or takes out those that are None."""

    def damage(path: Path) -> None:
        with np.load(path) as file:
            arrays = {**dict(file), **changes}
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})

    return damage


def changed_meta(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """A damage that changes what a result holds besides its arrays."""

    def damage(path: Path) -> None:
        with np.load(path) as file:
            meta = json.loads(str(file["meta"]))
        change(meta)
        changed_arrays(meta=np.array(json.dumps(meta)))(path)

    return damage


def written(save: Callable[..., object], *arrays: np.ndarray, **named: np.ndarray) -> bytes:
    """What numpy's ``save`` or ``savez`` writes."""
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def use_result(folder: Path) -> object:
    store = ResultStore(folder)
    store.accuracy(SIGNATURE)  # as the display of progress does, which says nothing
    if not store.is_whole(SIGNATURE):
        store.save(SIGNATURE, outcome([0, 1, 1], [0, 1, 0]), ABOUT)
    loaded = store.load(SIGNATURE)
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(loaded.outcome).items()
    }
    return plain, loaded.about, store.accuracy(SIGNATURE)


def use_weights(folder: Path) -> object:
    store = ResultStore(folder, save="best")
    if not store.is_whole(SIGNATURE):
        store.save(SIGNATURE, outcome([0, 1], [0, 1]), ABOUT)
        weights.write(store.weights_path(SIGNATURE), weights.Weights(WEIGHTS, {"a": torch.arange(3.0)}, {}))
    found = weights.read(store.weights_path(SIGNATURE))
    return found.about, found.network["a"].tolist()


def of_others(about: dict) -> Callable[[Path], object]:
    """A damage that puts weights with another description in the place of weights."""
    return lambda path: save_file({"a": torch.arange(3.0)}, path, metadata={"ser": json.dumps(about)})


def use_plan(folder: Path) -> object:
    plan = Plan("mine", ("loss=cos",), (POINT,), folder)
    if not load_plans(folder, "mine"):
        store_plan(plan)
    assert sweep_names(folder) == ["mine"]
    return find_plans(folder, "last")


def use_failure(folder: Path) -> object:
    store = ResultStore(folder)
    if store.failure(SIGNATURE) is None:
        store.fail(SIGNATURE, "out of memory", {"started": "1"})
    return store.failure(SIGNATURE), store.failure(SIGNATURE, "1"), store.failure(SIGNATURE, "2")


def use_sign(folder: Path) -> object:
    list(running.running(folder))
    running.Sign(Plan("mine", (), (), folder), "17.5").give()
    return [replace(each, silent=0.0) for each in running.running(folder)]


def use_id(folder: Path) -> object:
    assert folder_id(folder) == folder_id(folder)
    return "an id"


@dataclass(frozen=True)
class Extremes(Extractor):
    """A fast extractor that does without librosa: the lowest and the highest sample of every 10 ms, twice."""

    @property
    def dimensions(self) -> int:
        return 4

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        blocks = signal[: len(signal) // self.hop * self.hop].reshape(-1, self.hop)
        return np.stack(2 * [blocks.min(axis=1), blocks.max(axis=1)])


def corpus_in(folder: Path) -> Corpus:
    rng, rows = np.random.default_rng(0), []
    folder.mkdir(exist_ok=True)
    for n in range(4):
        path = folder / f"u{n}.wav"
        if not path.exists():
            soundfile.write(path, 0.1 * rng.normal(size=1600 * (n + 1)), 16000)
        rows.append(Utterance(path.stem, path, ("angry", "sad")[n % 2], str(n % 2), f"s{n % 2}"))
    return make_corpus("noise", folder, rows)


def use_cache(folder: Path) -> object:
    corpus = corpus_in(folder.parent / "audio")
    found = cache.frames(corpus, Extremes(), folder)
    return hashes.fingerprint(corpus, folder), found.offsets.tolist(), found.open().tolist()


def use_entry(folder: Path) -> object:
    for pack in folder.glob("packs/*"):
        pack.unlink()
    return use_cache(folder)


RESULT = {
    "lacks an array": changed_arrays(crop=None),
    "fewer utterances than ids": changed_arrays(gold=np.array([0, 1])),
    "other classes than the corpus": changed_arrays(average=np.zeros((3, 3), np.float32)),
    "a class that is not there": changed_arrays(gold=np.array([0, 1, 2])),
    "probabilities as words": changed_arrays(crop=np.full((3, 2), "a")),
    "objects": changed_arrays(gold=np.array([None, 1, 2], dtype=object)),
    "meta as a number": changed_arrays(meta=np.array(1.0)),
    "meta as a list": changed_arrays(meta=np.array("[1]")),
    "of another training": changed_meta(lambda meta: meta.update(signature="cd" + 30 * "0")),
    "without its outcome": changed_meta(lambda meta: meta.pop("outcome")),
    "an outcome without its seconds": changed_meta(lambda meta: meta["outcome"].pop("seconds")),
    "a seed that is a word": changed_meta(lambda meta: meta["outcome"].update(seed="zero")),
    "no history": changed_meta(lambda meta: meta["outcome"].update(history=[])),
    "a history of another form": changed_meta(lambda meta: meta["outcome"].update(history=[{"loss": 1.0}])),
    "a best epoch that was not": changed_meta(lambda meta: meta["outcome"].update(best_epoch=7)),
    "without its corpus": changed_meta(lambda meta: meta["about"].pop("corpus")),
    "without its end": changed_meta(lambda meta: meta["about"].pop("finished")),
    "an accuracy that is a word": changed_meta(lambda meta: meta.update(wa="high")),
}
PLAN = {
    "without points": changed_json(lambda plan: plan.pop("points")),
    "points that are words": changed_json(lambda plan: plan.update(points=["loss=cos"])),
    "a seed that is a word": changed_json(lambda plan: plan["points"][0].update(seeds=["zero"])),
    "parameters as a list": changed_json(lambda plan: plan["points"][0].update(parameters=["loss"])),
}
SIGN = {
    "without its process": changed_json(lambda sign: sign.pop("pid")),
    "a process that is a word": changed_json(lambda sign: sign.update(pid="one")),
    "a time that is a path": changed_json(lambda sign: sign.update(mark="../../17.5")),
}
ENTRY = {
    "lacks its array": changed_arrays(frames=None, other=np.zeros(3)),
    "of another size": changed_arrays(frames=np.zeros((5, 3), np.float32)),
    "of words": changed_arrays(frames=np.full((5, 4), "a")),
    "not finite": changed_arrays(frames=np.full((5, 4), np.nan, np.float32)),
}
KINDS = {
    "result": Kind("replicas/*/*.npz", use_result, RESULT),
    "weights": Kind(
        "replicas/*/*.safetensors",
        use_weights,
        {
            "of another training": of_others({**WEIGHTS, "signature": "cd" + 30 * "0"}),
            "of another program": of_others({"format": "pt"}),
            "of a later version": of_others({**WEIGHTS, "format": weights.FORMAT + 1}),
            "without classes": of_others({**WEIGHTS, "corpus": {}}),
        },
    ),
    "plan": Kind("sweeps/mine/*.json", use_plan, PLAN),
    "failure": Kind(
        "failed/*.json",
        use_failure,
        {
            "without its reason": changed_json(lambda note: note.pop("message")),
            "details as a list": changed_json(lambda note: note.update(about=[1])),
        },
    ),
    "sign": Kind("running/*.json", use_sign, SIGN),
    "id": Kind("id", use_id, {"another word": lambda path: path.write_text("mine")}),
    "hashes": Kind("hashes/*.json", use_cache, {"numbers": lambda path: path.write_text('{"a": 1}')}),
    "entry": Kind("entries/*/*.npz", use_entry, ENTRY),
    "pack": Kind("packs/*.npy", use_cache, {"other frames": lambda path: np.save(path, np.zeros((5, 4), np.float32))}),
    "index": Kind(
        "packs/*.npz",
        use_cache,
        {
            "of an earlier version": changed_arrays(finite=None),
            "an array of checksums": changed_arrays(checksum=np.zeros(3)),
            "other offsets": changed_arrays(offsets=np.array([0, 1])),
        },
    ),
}
DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "its end is cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "other bytes": lambda path: path.write_bytes(bytes(range(128, 256)) * 8),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("5"),
    "nested without end": lambda path: path.write_text(100_000 * "["),
    "an array": lambda path: path.write_bytes(written(np.save, np.arange(5.0))),
    "an archive of another kind": lambda path: path.write_bytes(written(np.savez, other=np.arange(5.0))),
    "a folder": lambda path: (path.unlink(), (path / "inside").mkdir(parents=True)),
}
CASES = [(kind, name) for kind in KINDS for name in (*DAMAGES, *KINDS[kind].wrong)]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_damaged_file_is_told_once_put_aside_and_made_again(kind, name, tmp_path, caplog):
    stored = KINDS[kind]
    whole = stored.use(tmp_path / "r")
    assert stored.use(tmp_path / "r") == whole
    path = sorted((tmp_path / "r").glob(stored.pattern))[0]
    assert not caplog.records
    {**DAMAGES, **stored.wrong}[name](path)
    assert stored.use(tmp_path / "r") == whole
    (said,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert str(path) in said
    assert said.endswith(f"It is now {path}.damaged.")
    assert path.is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_to_nothing_is_a_missing_file(kind, tmp_path, caplog):
    whole = KINDS[kind].use(tmp_path / "r")
    path = sorted((tmp_path / "r").glob(KINDS[kind].pattern))[0]
    path.unlink()
    path.symlink_to(tmp_path / "nothing")
    assert KINDS[kind].use(tmp_path / "r") == whole
    assert not caplog.records
    assert path.is_file()
    assert not path.is_symlink()


def fail_to_open(path, error, monkeypatch):
    """Let opening a file fail; not by its mode, which does not bind root."""
    opened, inode = io.open, path.stat().st_ino

    def refusing(file, *arguments, **more):
        if not isinstance(file, int) and Path(file).exists() and Path(file).stat().st_ino == inode:
            raise OSError(error, os.strerror(error), str(file))
        return opened(file, *arguments, **more)

    monkeypatch.setattr(io, "open", refusing)


@pytest.mark.parametrize("kind", ["result", "plan", "failure"])
def test_a_file_that_may_not_be_read_is_told_with_the_reason(kind, tmp_path, caplog, monkeypatch):
    whole = KINDS[kind].use(tmp_path / "r")
    path = sorted((tmp_path / "r").glob(KINDS[kind].pattern))[0]
    fail_to_open(path, errno.EACCES, monkeypatch)
    assert KINDS[kind].use(tmp_path / "r") == whole
    assert "is damaged (Permission denied)" in caplog.text
    assert f"It is now {path}.damaged." in caplog.text


@pytest.mark.parametrize("kind", ["plan", "failure", "entry"])
def test_a_whole_file_stays_where_the_system_fails(kind, tmp_path, monkeypatch):
    KINDS[kind].use(tmp_path / "r")
    path = sorted((tmp_path / "r").glob(KINDS[kind].pattern))[0]
    fail_to_open(path, errno.EMFILE, monkeypatch)
    with pytest.raises(OSError, match="Too many open files"):
        KINDS[kind].use(tmp_path / "r")
    assert [each.name for each in path.parent.iterdir() if "damaged" in each.name] == []
    assert path.is_file()


def test_a_file_that_cannot_be_put_aside_is_told_and_passed_over(tmp_path, caplog, monkeypatch):
    path = tmp_path / "failed" / f"{SIGNATURE}.json"
    path.parent.mkdir()
    path.write_text("{")

    def read_only(*_):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", read_only)
    assert ResultStore(tmp_path).failure(SIGNATURE) is None
    assert caplog.messages[0].endswith("It cannot be renamed: Read-only file system.")


def test_what_was_put_aside_before_is_kept(tmp_path, caplog):
    for text in ("{", "["):
        path = tmp_path / "id"
        path.write_text(text)
        folder_id(tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("id*"))
    assert kept == ["id", "id.damaged", "id.damaged2"]
    assert (tmp_path / "id.damaged2").read_text() == "["


PREDICTIONS = "id,fold,speaker,gold,predicted,p_calm,p_loud,crop_predicted\nu1,1,s1,calm,loud,0.4,0.6,calm\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", PREDICTIONS[:40].encode(), PREDICTIONS.replace("1,s1", "one,s1").encode(),
     PREDICTIONS.replace("0.6", "much").encode(), (PREDICTIONS + "a,b,c,d,e,f,g,h,i\n").encode(),
     PREDICTIONS.encode("utf-16"), bytes(range(256))],
    ids=["empty", "JSON", "cut", "a fold that is a word", "a probability that is a word", "a cell too many", "UTF-16",
         "other bytes"],
)  # fmt: skip
def test_damaged_predictions_in_mlflow_are_told_with_what_writes_them_again(content, tmp_path):
    rows = pd.DataFrame({"configuration": ["c"], "seed": [0], "fold": [1], "run_id": ["r1"]})
    collected = Collected(rows, rows, f"sqlite:///{tmp_path}/mlflow.db", {"r1": str(tmp_path)})
    path = tmp_path / "predictions.csv"
    path.write_text(PREDICTIONS)
    assert predictions(collected, "c", 0)["p_loud"].tolist() == [0.6]
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"predictions.csv is damaged \(.*\)\. Delete it in the files of run r1: .*"):
        predictions(replace(collected, read={}), "c", 0)
