"""The examples of docs/prediction.md."""

import re
import shlex
import shutil

import numpy as np
import pytest
import soundfile
from support import REPOSITORY

from ser.predict.__main__ import predict

PAGE = (REPOSITORY / "docs" / "prediction.md").read_text(encoding="utf-8")


@pytest.fixture
def here(place, tmp_path, monkeypatch):
    """A directory with the sweep ``mine`` and the recordings that the page names."""
    shutil.copytree(place / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("a.wav", "folder/b.wav"):
        soundfile.write(name, np.random.default_rng(0).normal(size=20_000) / 10, 16_000)
    (tmp_path / "list.csv").write_text("path,start,emotion\nfolder/b.wav,0.2,angry\n")
    return tmp_path


def test_every_command_runs(here, capsys):
    commands = re.findall(r"^    python -m ser\.predict (.+)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 5
    assert [predict(shlex.split(command.partition(" > ")[0])) for command in commands] == [0] * 5
    assert "a.wav" in capsys.readouterr().out


def test_the_python_runs(here, capsys):
    scores, model = re.findall(r"```python\n(.+?)```", PAGE, flags=re.DOTALL)
    predict(["run=mine", "list.csv", "format=csv"])
    (here / "answers.csv").write_text(capsys.readouterr().out)
    names: dict = {}
    exec(scores, names)
    assert (names["wa"], names["uwa"]) in ((0.0, 0.0), (1.0, 1.0)), "it is one recording"
    exec(model, names)
    assert names["best"] == max(names["answer"].probabilities)
    assert capsys.readouterr().out.startswith("0.0 to 1.0 s ")
