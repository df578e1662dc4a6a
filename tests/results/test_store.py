"""The result files: what is saved is loaded, files of earlier versions too, damaged ones and others' are refused."""

import json
import os
import time
from dataclasses import fields

import numpy as np
import pytest
from results.outcomes import ABOUT as LEAST
from results.outcomes import outcome

from ser.results.outcome import Outcome
from ser.results.store import ResultStore
from ser.system.files import replacing

SIGNATURE = "ab" + 30 * "0"
ABOUT = {**LEAST, "parameters": {"loss": "cos"}, "started": "1.5"}


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "results")


def change(path, change_meta):
    """Rewrite a result file with other plain values."""
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    change_meta(meta)
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays)


def test_what_is_saved_is_loaded(store):
    saved = outcome([0, 1, 1], [0, 0, 1], crop=[1, 0, 1], seed=3, fold=2)
    assert not store.has(SIGNATURE)
    store.save(SIGNATURE, saved, ABOUT)
    assert store.has(SIGNATURE)
    assert store.is_whole(SIGNATURE)
    loaded = store.load(SIGNATURE)
    assert loaded.about == ABOUT
    for field in fields(Outcome):
        found, expected = getattr(loaded.outcome, field.name), getattr(saved, field.name)
        assert type(found) is type(expected)
        if isinstance(expected, np.ndarray):
            assert (found == expected).all()
            assert found.dtype == expected.dtype
        else:
            assert found == expected


def test_a_key_that_an_earlier_version_stored_is_passed_over(store):
    store.save(SIGNATURE, outcome([0, 1], [0, 1]), ABOUT)
    change(store.path(SIGNATURE), lambda meta: meta["outcome"].update(segments=412, since_removed={"a": 1}))
    loaded = store.load(SIGNATURE)
    assert loaded.outcome.seconds == 1.5
    assert not hasattr(loaded.outcome, "segments")
    assert store.is_whole(SIGNATURE)


def test_a_failure_is_forgotten_once_there_is_a_result(store):
    store.fail(SIGNATURE, "out of memory", {"seed": 0})
    assert store.failure(SIGNATURE) == "out of memory"
    assert not store.has(SIGNATURE)
    store.save(SIGNATURE, outcome([0, 1], [0, 1]), ABOUT)
    assert store.failure(SIGNATURE) is None


def test_what_killed_commands_have_written_in_part_is_deleted_after_a_day(store):
    kept = [store.path(SIGNATURE), store.weights_path(SIGNATURE, 3), store.checkpoint_path(SIGNATURE)]
    for path in list(kept):
        with replacing(path) as temporary:
            pass
        temporary.touch()  # as a kill leaves it
        os.utime(temporary, (time.time() - 90000,) * 2)
    kept += [store.path(SIGNATURE).with_name(name) for name in (".mine.npz", f".{SIGNATURE}-abcd_123.npz")]
    for path in kept[:-1]:
        path.touch()
        os.utime(path, (time.time() - 90000,) * 2)
    kept[-1].touch()  # it is being written
    store.delete_leftovers()
    assert sorted(path for path in store.directory.rglob("*") if path.is_file()) == sorted(kept)


def test_the_accuracy_is_read_without_pythons_parser(tmp_path, monkeypatch):
    """Which two threads must not use at once: the display of progress is one, a job that loads results another."""
    import ast

    store = ResultStore(tmp_path)
    store.save(SIGNATURE, outcome([0, 1, 1, 0], [0, 1, 1, 1]), {"started": "1"})
    monkeypatch.setattr(ast, "parse", lambda *_, **__: pytest.fail("parsed"))
    assert store.accuracy(SIGNATURE) == 0.75
    assert ResultStore(tmp_path, "1").has(SIGNATURE)
    assert store.accuracy("b" * 32) is None
    store.path(SIGNATURE).write_bytes(b"no zip")
    assert store.accuracy(SIGNATURE) is None
