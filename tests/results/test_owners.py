"""Two folders of results that deliver to one tracking store."""

import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from mlflow.store.tracking import sqlalchemy_store
from mlflow.tracking import MlflowClient

from ser.errors import UserError
from ser.results import delivery, mlflow
from ser.results.runs import Run
from ser.results.store import folder_id


def run(signature):
    return Run(
        name=signature,
        tags={"signature": signature, "configuration": "c"},
        parameters={"seed": 0},
        metrics={"wa": 0.5, "uwa": 0.5},
        span=(0.0, 1.0),
        note=lambda page: "",
        write_files=lambda folder: (folder / "a.txt").write_text("a"),
        files=("a.txt",),
    )


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/store/mlflow.db"


def states(uri):
    """The status and stage of each run, by signature and owner."""
    client = MlflowClient(uri)
    found = client.search_runs(["1"], run_view_type=3)  # also deleted ones
    return sorted((one.data.tags["signature"], one.info.status, one.info.lifecycle_stage) for one in found)


def test_only_unfinished_runs_of_the_same_folder_are_taken_over(uri, tmp_path, monkeypatch):
    """Another folder may be writing its runs at this moment; a killed job of one's own is not."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"

    def killed(client, *arguments, **more):
        raise OSError("killed")

    for folder, signature in ((theirs, "a"), (ours, "b")):
        with monkeypatch.context() as patch, pytest.raises(UserError, match="killed"):
            patch.setattr(MlflowClient, "set_terminated", killed)
            delivery.deliver([run(signature)], None, uri, "ser", folder, "")
    assert states(uri) == [("a", "RUNNING", "active"), ("b", "RUNNING", "active")]
    delivery.deliver([run("b")], None, uri, "ser", ours, "")
    assert states(uri) == [("a", "RUNNING", "active"), ("b", "FINISHED", "active"), ("b", "RUNNING", "deleted")]
    delivery.deliver([run("a"), run("b")], None, uri, "ser", theirs, "")
    assert states(uri) == [
        ("a", "FINISHED", "active"),
        ("a", "RUNNING", "deleted"),
        ("b", "FINISHED", "active"),
        ("b", "RUNNING", "deleted"),
    ]


def test_of_runs_that_two_folders_log_at_the_same_moment_one_is_left(uri, tmp_path, monkeypatch):
    """On a server, where folders of results have no lock in common: both see that nothing is there.

    The ids are drawn so that of the runs that are kept each folder has some.
    """
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    monkeypatch.setattr(delivery, "_lock", lambda *_: nullcontext())
    monkeypatch.setattr(delivery, "_has_one_lock", lambda uri: False)
    drawn = iter([f"{first}{number:031x}" for number in range(3) for first in "ab"])
    monkeypatch.setattr(sqlalchemy_store, "uuid", SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=next(drawn))))
    look, looks = mlflow.Experiment.logged, []

    def both_look(store, configuration, owner):
        found = look(store, configuration, owner)
        looks.append(owner)
        if len(looks) == 1:
            delivery.deliver([run("a"), run("b")], run("parent"), uri, "ser", theirs, "")
        return found

    monkeypatch.setattr(mlflow.Experiment, "logged", both_look)
    delivery.deliver([run("a"), run("b")], run("parent"), uri, "ser", ours, "")
    active = [state for state in states(uri) if state[2] == "active"]
    assert active == [(name, "FINISHED", "active") for name in ("a", "b", "parent")]
    assert len(states(uri)) == 6, "each was logged twice"
    left = {one.data.tags["signature"]: one for one in MlflowClient(uri).search_runs(["1"])}
    parents = {left[name].data.tags["mlflow.parentRunId"] for name in ("a", "b")}
    assert parents == {left["parent"].info.run_id}


def test_a_copy_of_a_folder_has_an_id_of_its_own(tmp_path):
    first = folder_id(tmp_path / "results")
    shutil.copytree(tmp_path / "results", tmp_path / "copy")
    assert folder_id(tmp_path / "results") == first
    assert folder_id(tmp_path / "copy") != first
