"""Weights on disk: which are written, and that what is written is read."""

import errno
import os

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from ser.config import signature
from ser.errors import UserError
from ser.results.store import ResultStore
from ser.results.weights import FORMAT, Weights, read, write
from ser.training.loop import train

ABOUT = {
    "format": FORMAT, "signature": "ab" + 30 * "0", "configuration": "c", "seed": 3, "fold": 1, "groups": {},
    "parameters": {}, "corpus": {"name": "mine", "classes": ["calm", "loud"], "synthetic": False}, "frames": 100,
    "features": 13, "aux_classes": 0, "batch_size": 32, "precision": "float32",
}  # fmt: skip


def trained(job):
    """Train seed 0, fold 1 of a job, and return the endings of the weights' files."""
    train(job.task(), 0, 1)
    (name,) = [replica.signature for replica in job.experiment.replicas(0) if replica.fold == 1]
    files = sorted(path.name for path in job.settings.results.rglob("*.safetensors"))
    assert all(file.startswith(name) for file in files)
    return [file.removeprefix(name) for file in files]


def test_weights_are_written_if_asked_for(new_job):
    endings = [trained(new_job(f"save={save}", f"sweep={save}")) for save in ("none", "best", "all")]
    every = [".epoch_001.safetensors", ".epoch_002.safetensors", ".safetensors"]
    assert endings == [[], [".safetensors"], every]


def test_weights_carry_what_their_predictions_need(new_job):
    job = new_job("save=best", "aux_task=gender", "aux_task.weight=0.1")
    train(job.task(), 0, 1)
    name = signature.replica(job.experiment.configuration, 0, 1)
    found = read(ResultStore(job.settings.results).weights_path(name))
    about = found.about
    assert about["groups"] == job.settings.groups
    assert tuple(about["corpus"]["classes"]) == job.experiment.corpus.classes
    assert about["corpus"]["synthetic"] is True
    expected = {"signature": name, "seed": 0, "fold": 1, "frames": 100, "features": 13, "aux_classes": 2}
    assert about.items() >= {**expected, "batch_size": 32, "precision": "float32", "format": FORMAT}.items()
    assert found.normalisation["mean"].shape == found.normalisation["scale"].shape == (1, 13)
    assert {"model.classifier.weight", "aux.weight"} <= found.network.keys()


def test_epochs_differ_and_the_tested_one_is_among_them(new_job):
    job = new_job("save=all")
    outcome = train(job.task(), 0, 1)
    store, name = ResultStore(job.settings.results), signature.replica(job.experiment.configuration, 0, 1)
    first, second = (read(store.weights_path(name, epoch)).network for epoch in (1, 2))
    tested = read(store.weights_path(name))
    assert not all(torch.equal(first[key], second[key]) for key in first)
    assert all(
        torch.equal(tensor, (first, second)[outcome.best_epoch - 1][key]) for key, tensor in tested.network.items()
    )
    assert tested.about["epoch"] == outcome.best_epoch


def test_what_is_written_is_read_tied_tensors_too(tmp_path):
    tied, view = torch.arange(6.0), torch.arange(6).reshape(2, 3).T
    weights = Weights(ABOUT, {"a": tied, "b": tied, "c": view}, {})
    write(tmp_path / "folder" / "w.safetensors", weights)
    found = read(tmp_path / "folder" / "w.safetensors")
    assert found.about == weights.about
    assert found.normalisation == {}
    assert all(torch.equal(found.network[name], weights.network[name]) for name in "abc")


class TestRefused:
    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match=r"There are no weights .*none\.safetensors"):
            read(tmp_path / "none.safetensors")

    @pytest.mark.parametrize("keep", [0, 5, 100, -1])
    def test_cut_off(self, tmp_path, keep):
        path = tmp_path / "w.safetensors"
        write(path, Weights({"format": FORMAT}, {"a": torch.zeros(50)}, {}))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(UserError, match=r"The file of weights .* is damaged .*save=best"):
            read(path)

    def test_another_programs(self, tmp_path):
        path = tmp_path / "w.safetensors"
        for metadata in (None, {"format": "pt"}, {"ser": "{"}, {"ser": "[]"}, {"ser": "{}"}):
            save_file({"a": torch.zeros(2)}, path, metadata=metadata)
            with pytest.raises(UserError, match="lacks the description that ser writes"):
                read(path)

    def test_of_a_later_version(self, tmp_path):
        write(tmp_path / "w.safetensors", Weights({"format": FORMAT + 1}, {"a": torch.zeros(2)}, {}))
        with pytest.raises(UserError, match=f"have format {FORMAT + 1}"):
            read(tmp_path / "w.safetensors")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_weights_that_the_disk_does_not_take_are_an_error_of_the_system(tmp_path, monkeypatch, number):
    """safetensors has an error of its own, with the number in its text."""

    def full(*_, **__):
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    path = tmp_path / "a.safetensors"
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        write(path, Weights({}, {"a": torch.zeros(1)}, {}))
    assert (raised.value.errno, raised.value.filename) == (number, str(path))
    assert not list(tmp_path.iterdir())


def test_a_result_without_weights_counts_as_missing_only_where_weights_are_asked_for(new_job):
    finished = new_job("save=none", "fold=1")
    (replica,) = finished.missing()
    finished.keep(replica, train(finished.task(), 0, 1))
    assert not finished.missing()
    asked = new_job("save=best", "fold=1")
    assert asked.missing() == [replica]
    asked.keep(replica, train(asked.task(), 0, 1))
    assert not asked.missing()
    path = asked.store.weights_path(replica.signature)
    path.write_bytes(path.read_bytes()[:-1])
    assert asked.missing() == [replica], "damaged weights are put aside"
    assert path.with_name(f"{path.name}.damaged").exists()
    assert not finished.missing()
