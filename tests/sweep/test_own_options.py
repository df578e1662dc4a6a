"""Keys that are not the familiar ones, and options of the user's own."""

import re

import pytest
from support import run
from sweep.workplace import SERIAL, SMALL, rows

from ser.sweep.help import help_text

OPTION = "# Mine.\nname: mine\n_target_: mine.Mine\nchannels: 4\nkernels: [13, 7]\npool: 30\nstride: 3\n"
LOSS = "# Theirs.\nname: theirs\n_target_: pytorch_metric_learning.losses.MultiSimilarityLoss\nalpha: 2\nbeta: 50\n"


def test_a_key_outside_the_familiar_ones_is_swept_like_any_other(folder, command):
    """Another product names runs by ten fixed fields, and skips two of these three jobs."""
    done = command("loss=none", "model.channels=2,3,4", "fold=1")
    assert done.returncode == 0, done.stderr
    names = {
        name for (name,) in rows(folder, "select name from runs where name like '%baseline%' and name like '%fold 1%'")
    }
    assert {name.partition(" ")[0] for name in names} == {"channels=2", "channels=3", "channels=4"}


@pytest.fixture
def own(tmp_path):
    """Where a user's own networks are chosen from."""
    (tmp_path / "my, conf" / "model").mkdir(parents=True)
    return tmp_path / "my, conf" / "model"


def test_options_of_ones_own(own, tmp_path, tiny):
    """A model in a module of the user's, and a library's loss, chosen from a folder of the user's."""
    (tmp_path / "mine.py").write_text("from ser.models.cnn import CNN\n\nclass Mine(CNN):\n    pass\n")
    (own / "mine.yaml").write_text(OPTION)
    (own.parent / "loss").mkdir()
    (own.parent / "loss" / "theirs.yaml").write_text(LOSS)
    common = (*SMALL, SERIAL, f"corpus.root={tiny}", "fold=1", "tracking=none")
    env = {"PYTHONPATH": str(tmp_path)}
    for model, loss, found in (("cnn", "none", 1), ("mine", "theirs", 2)):
        done = run("--config-dir", "my, conf", *common, f"model={model}", f"loss={loss}", cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == found


@pytest.mark.parametrize(
    ("model", "words"),
    [("gone", "nowhere.X cannot be imported"), ("cnn", "cnn.yaml has the name of a shipped option")],
)
def test_an_option_that_cannot_be_meant_is_refused_before_anything_runs(own, tmp_path, tiny, model, words):
    (own / f"{model}.yaml").write_text(OPTION.replace("mine.Mine", "nowhere.X"))
    done = run("--config-dir", "my, conf", *SMALL, f"corpus.root={tiny}", f"model={model}", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", [["--config-dir", "{}"], ["-cd", "{}"], ["--config-dir={}"]], ids=" ".join)
def test_help_lists_options_of_ones_own(flag, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# a network of my own\nname: mine\n")
    text = help_text([word.format(tmp_path) for word in flag])
    assert re.search(r"^ +mine +a network of my own$", text, flags=re.MULTILINE)
    assert "a network of my own" not in help_text()
