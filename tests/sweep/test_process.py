"""``ser.sweep([...])`` is the command line: its name, its output, its refusals and failures as exceptions."""

import contextlib
import signal
import subprocess
import sys

import pytest
from sweep.workplace import POINTS, SMALL

import ser
from ser.errors import UserError
from ser.sweep import process
from ser.sweep.job import FailedTrainingsError

QUICK = ("fold=1", "tracking=none", "engine=serial")


def test_it_finds_the_sweep_of_the_command_line(folder, tiny, capsys):
    (path,) = (folder / "results" / "sweeps").iterdir()
    with contextlib.chdir(folder):
        name = ser.sweep([*SMALL, f"corpus.root={tiny}", *POINTS])
    assert name == path.name
    shown = capsys.readouterr().out
    assert "25 of 25 trainings done (25 found finished), 0 failed" in shown
    assert f"sweep {name}\n" in shown
    assert len(list(path.iterdir())) == 1, "the same command line, hence the same plan"


def test_a_name_and_one_string_may_be_given(monkeypatch):
    given = []
    monkeypatch.setattr(process, "_run", lambda arguments: (given.append(arguments), (0, ""))[1])
    assert ser.sweep("loss=cos,l2 'corpus.root=/my data' sweep=mine", config_dir="conf") == "mine"
    assert given == [["-m", "--config-dir", "conf", "loss=cos,l2", "corpus.root=/my data", "sweep=mine"]]


def test_a_dry_run_has_the_name_of_the_sweep(monkeypatch):
    given = []
    monkeypatch.setattr(process, "_run", lambda arguments: (given.append(arguments), (0, ""))[1])
    name = ser.sweep(["loss=cos,l2"])
    assert ser.sweep(["loss=cos,l2", "dry_run=true"]) == name
    assert given[1] == ["-m", "loss=cos,l2", "dry_run=true", f"sweep={name}"]


def test_a_refusal_is_an_exception_with_its_message(tmp_path):
    with contextlib.chdir(tmp_path), pytest.raises(UserError, match="loss=cosine: there is no such option") as caught:
        ser.sweep(["loss=cosine,l2"])
    assert not isinstance(caught.value, FailedTrainingsError)
    assert not (tmp_path / "results").exists()


def test_a_failure_after_the_start_is_another_one(folder, tiny):
    with contextlib.chdir(folder), pytest.raises(FailedTrainingsError, match="diverged in its first epoch"):
        ser.sweep([*SMALL, f"corpus.root={tiny}", "loss=none", "trainer.lr=1e30", *QUICK])


def test_the_process_imports_what_this_one_can(folder, tiny, tmp_path, monkeypatch):
    """A class beside a notebook's own path, which is in ``sys.path`` alone."""
    package, options = tmp_path / "lib" / "mine_here", tmp_path / "conf" / "loss"
    package.mkdir(parents=True)
    options.mkdir(parents=True)
    (package / "__init__.py").write_text("from ser.losses.cos import Cosine\n\n\nclass Mine(Cosine):\n    pass\n")
    (options / "mine.yaml").write_text("name: mine\n_target_: mine_here.Mine\nmargin: 0.1\ncross_entropy: mean\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    with contextlib.chdir(folder):
        name = ser.sweep([*SMALL, f"corpus.root={tiny}", "loss=mine", *QUICK], config_dir=tmp_path / "conf")
        assert ser.results(name)["loss"].tolist() == ["mine"]
        typed = [*SMALL, f"corpus.root={tiny}", "loss=mine", "fold=1"]
        assert ser.results(overrides=typed, config_dir=tmp_path / "conf")["wa"].notna().tolist() == [True]


def test_an_interrupt_ends_the_sweep(folder, tiny):
    """Ctrl-C in the notebook: the command says how to go on, and nothing of it runs any longer."""
    arguments = [*SMALL, f"corpus.root={tiny}", "loss=none", "lambda=0.6", "seed=7"]
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
    program = f"import ser\ntry:\n    ser.sweep({arguments!r})\nexcept KeyboardInterrupt:\n    print('interrupted')"
    started = subprocess.Popen([sys.executable, "-c", heard + program], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert "40 utterances; not used" in started.stdout.readline(), "shown as it comes"
    started.send_signal(signal.SIGINT)
    out, _ = started.communicate(timeout=120)
    assert "the same command goes on from here" in out
    assert out.endswith("interrupted\n")


def test_packages_stay_packages():
    import ser.results.store
    import ser.sweep.plan

    assert ser.sweep.plan.make_plan.__module__ == "ser.sweep.plan"
    assert ser.results.store.ResultStore.__module__ == "ser.results.store"
    assert {"histories", "plot", "predictions", "results", "sweep"} <= set(dir(ser))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ser.nothing  # noqa: B018
