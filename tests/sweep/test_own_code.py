"""Results of other code are not taken for results: a user's own classes, another sweep's, another training's."""

import json
import os
import shutil
import time

import pytest
from results.outcomes import outcome
from support import run

from ser.results.store import ResultStore

SMALL = (
    "corpus.size=tiny", "length=1", "trainer.max_epochs=1", "model.channels=2", "loss=none", "fold=[1,2]", "device=cpu",
    "engine=serial", "tracking=none",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, tiny):
    """A working folder with a loss of the user's own, in a package that is found from there."""
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("# Mine.\nname: mine\n_target_: mine.Mine\nchannels: 2\n")
    (tmp_path / "mine.py").write_text(
        "import mine_parts\nfrom ser.models.cnn import CNN\n\n\n"
        "class Mine(CNN):\n    def forward(self, frames, count):\n"
        "        vector, logits = super().forward(frames, count)\n        return vector, mine_parts.SCALE * logits\n"
    )
    (tmp_path / "mine_parts.py").write_text("SCALE = 0.0\n")
    return tmp_path


@pytest.fixture
def command(folder, tiny):
    def call(*arguments):
        done = run(*call.common, *arguments, cwd=folder, env=call.env)
        assert done.returncode == 0, done.stderr
        return done

    call.common = ("--config-dir", "conf", *SMALL, f"corpus.root={tiny}", "model=mine")
    call.env = {"PYTHONPATH": str(folder)}
    return call


def test_a_mended_bug_gives_new_results_and_this_is_said_once(folder, command):
    command()
    assert "(2 found finished)" in command().stderr
    (folder / "mine_parts.py").write_text("SCALE = 1.0\n")
    for more in (["dry_run=true"], []):
        mended = command(*more)
        assert "mine_parts has changed: 2 results of the former code are not used" in mended.stderr
    assert "found finished" not in mended.stderr
    again = command()
    assert "has changed" not in again.stderr
    assert "(2 found finished)" in again.stderr
    (folder / "mine_parts.py").write_text("SCALE = 0.0\n")
    assert "(2 found finished)" in command().stderr, "the former code has its former results"


def test_resume_false_depends_on_no_clock(folder, command):
    """A result whose file is dated tomorrow is no new one, and a new one dated yesterday is not lost."""
    command()
    for path, hours in zip(sorted(folder.glob("results/replicas/*/*.npz")), (-24, 24), strict=True):
        os.utime(path, (time.time() + 3600 * hours,) * 2)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/replicas/*/*.npz")}
    done = command("resume=false")
    assert "2 of 2 trainings done, 0 failed" in done.stderr
    assert "found finished" not in done.stderr
    assert all(path.stat().st_mtime_ns != before[path] for path in before)


def test_a_result_under_the_name_of_another_is_put_aside(folder, command):
    command()
    first, second = sorted(folder.glob("results/replicas/*/*.npz"))
    shutil.copy(first, second)
    done = command()
    assert f"{second.relative_to(folder)} is of another training" in done.stderr
    assert "2 of 2 trainings done" in done.stderr
    assert ResultStore(folder / "results").load(second.stem).outcome.ids


def test_a_note_of_a_failure_belongs_to_its_sweep(tmp_path):
    store = ResultStore(tmp_path)
    store.fail("a" * 32, "too hot", {"started": "1.5"})
    assert store.failure("a" * 32) == store.failure("a" * 32, "1.5") == "too hot"
    assert store.failure("a" * 32, "2.5") is None
    assert ResultStore(tmp_path, "2.5").failure("a" * 32) is None
    assert json.loads((tmp_path / "failed" / f"{'a' * 32}.json").read_text())["message"] == "too hot"


def test_code_that_is_edited_while_the_sweep_runs_gives_no_result(folder, command):
    """Else numbers of the former code would be stored under the name of the new one, or the other way round."""
    (folder / "mine.py").write_text(
        "from pathlib import Path\n\nimport mine_parts\nfrom ser.models.cnn import CNN\n\n\n"
        "class Mine(CNN):\n    def forward(self, frames, count):\n"
        "        Path(mine_parts.__file__).write_text('SCALE = 1.0\\n')\n"
        "        vector, logits = super().forward(frames, count)\n        return vector, mine_parts.SCALE * logits\n"
    )
    done = run(*command.common, cwd=folder, env=command.env)
    assert done.returncode == 1
    assert "mine_parts was edited while the sweep ran" in done.stderr
    assert not list(folder.glob("results/replicas/*/*.npz"))
    assert "2 of 2 trainings done, 0 failed" in command().stderr


def test_two_sweeps_that_train_anew_at_once_share_their_results(tmp_path):
    first, second, third = (ResultStore(tmp_path, mark) for mark in ("1", "2", "3"))
    first.save("a" * 32, outcome([0, 1], [0, 1]), {"started": "1"})
    second.save("a" * 32, outcome([0, 1], [0, 1]), {"started": "2"})
    assert first.has("a" * 32)
    assert second.has("a" * 32)
    assert not third.has("a" * 32)
    assert ResultStore(tmp_path).has("a" * 32)


def test_a_change_counts_the_results_of_all_points(folder, command):
    common = [word for word in command.common if not word.startswith("fold=")]
    sweep = ("-m", *common, "seed=0,1", "fold=1")
    run(*sweep, cwd=folder, env=command.env)
    (folder / "mine_parts.py").write_text("SCALE = 1.0\n")
    done = run(*sweep, cwd=folder, env=command.env)
    assert "mine_parts has changed: 2 results of the former code are not used" in done.stderr
