"""What a user gets told: before anything runs, or for the one point of a sweep that cannot run."""

import shutil

import pytest
from support import run
from sweep.workplace import SERIAL, SMALL

REFUSED = {
    "a grid without -m": (["experiment=fig4"], ["is a sweep over loss, lambda.weight", "add -m"]),
    "unknown option": (["loss=coss"], ["loss=coss", "cos, l2, none"]),
    "unknown key": (["trainer.learning_rate=1"], ["trainer.learning_rate", "trainer.lr"]),
    "unknown group": (["lamda=0.6"], ["lamda", "lambda"]),
    "out of range": (["lambda=0.6,1.5"], ["lambda.weight", "[0, 1]", "1.5"]),
    "too short": (["length=0.2,1"], ["model=cnn needs", "0.3 s"]),
    "no number": (["lambda=0.6,linear"], ["mixes numbers and words"]),
    "no such session": (["fold=9"], ["fold=9", "5 sessions"]),
    "no corpus": (["corpus=iemocap", "corpus.root=nowhere"], ["iemocap", "nowhere", "corpus=synthetic"]),
    "not a sweep": (["loss=cos,l2"], ["add -m"]),
    "a launcher without -m": (["hydra/launcher=joblib", "repeats=2"], ["jobs of a sweep", "add -m"]),
    "a sweep that nobody trains": (["seed=range(1000000000)"], ["1,000,000,000 points", "100,000"]),
    "many values of many keys": (["seed=range(1000)", "lambda=range(0,1,0.005)"], ["200,000 points"]),
    "a misspelt new key": (["+repeat=5"], ["no key repeat", "repeats"]),
    "a comma too many": (["lambda=0.6,"], ["lambda=0.6,", "value is missing", "comma"]),
    "two commas": (["loss=cos,,l2"], ["loss=cos,,l2", "value is missing", "comma"]),
    "a decimal count": (["repeats=1e2"], ["repeats must be a whole number", "write 100"]),
    "letters of Hydra's": (["corpus.exclude=[1_2,a1 (4)]"], ["\"corpus.exclude=['1_2','a1 (4)']\""]),
    "a path to be quoted": (["corpus.root=~/Größe"], ["\"corpus.root='~/Größe'\""]),
    "a number as a list of ids": (["corpus.exclude=5"], ["exclude", "5"]),
    "an interval": (["lambda=interval(0,1)"], ["python -m ser.tune"]),
    "an unset variable": (["corpus.root=${oc.env:NO_SUCH}"], ["corpus.root cannot be resolved", "NO_SUCH"]),
    "a list for a group": (["loss=[cos,l2]"], ["gives loss a list", "loss=cos,l2 with -m"]),
    "null for a group": (["loss=null"], ["loss=null", "name of an option"]),
    "no key": (["=3"], ["=3 has no key"]),
    "a number that is none": (["lambda=1e400"], ["lambda=1e400", "by a number, such as lambda=0.6"]),
    "an option's class by itself": (["model._target_=nowhere.X"], ["model._target_", "model=<option>"]),
    "no such folder of options": (["--config-dir", "nowhere"], ["--config-dir nowhere", "no such folder"]),
    "a store in memory": (["tracking.uri=sqlite://"], ["tracking.uri=sqlite://", "in memory"]),
    "a folder as a store": (["tracking.uri=sqlite:///."], ["is a folder"]),
    "a dead server": (["tracking.uri=http://me:hunter2@127.0.0.1:9"], ["me:***@127.0.0.1:9", "Connection refused"]),
    "a pickle": (["--experimental-rerun", "config.pickle"], ["--experimental-rerun", "pickle"]),
    "two folders of results": (["results.dir=r1,r2"], ["results.dir has the values r1, r2", "a command for each"]),
    "weights for some points": (["save=none,best"], ["save has the values none, best"]),
    "cuda": (["device=cuda:7"], ["device=cuda:7", "device=cpu"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_users_mistake_is_one_message_before_anything_runs(case, tmp_path, tiny):
    arguments, words = REFUSED[case]
    sweep = [] if case in ("not a sweep", "a grid without -m", "a launcher without -m") else ["-m"]
    corpus = [] if case == "no corpus" else ["corpus.size=tiny", f"corpus.root={tiny}"]
    done = run(*sweep, *corpus, "trainer.max_epochs=1", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert "hunter2" not in done.stderr
    assert not {path.name for path in tmp_path.iterdir()} - {"cache"}, "nothing but hashes of audio is left behind"


def test_all_folders_that_cannot_be_written_are_named_at_once(tmp_path, tiny):
    (tmp_path / "file").write_text("")
    wrong = ("results.dir=file", "cache.dir=file/cache", "hydra.run.dir=file/out", "tracking.uri=sqlite:///file/m.db")
    done = run(*SMALL, f"corpus.root={tiny}", *wrong, cwd=tmp_path)
    assert done.returncode == 2
    for key in ("results.dir", "cache.dir", "hydra.run.dir", "tracking.uri"):
        assert f"{key} ({tmp_path}/file is a file, no folder)" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_bad_point_fails_alone_and_is_named(tmp_path, tiny):
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    next(path for path in sorted(broken.rglob("*.wav")) if "impro" in path.name).write_bytes(b"no audio")
    points = f"corpus.root={broken},{tiny}"
    done = run("-m", *SMALL, SERIAL, points, "loss=none", "fold=1", "tracking=none", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 of 1 trainings done" in done.stderr
    assert f"failed: corpus.root={broken}" in done.stdout
    assert "Error executing job" not in done.stderr, "the closing table tells it"
    assert "cannot be read as audio" in done.stdout
    assert "Only fold 1 of 5" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == 1
