"""``make table2`` on a corpus that cannot do everything: it has no ratings."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

TASKS = ("Gender", "Valence", "Activation", "Dominance", "None (baseline)")


@pytest.fixture(scope="module")
def made(tiny, grids, without, tmp_path_factory):
    """The folder in which ``make table2`` ran, and the process.

    Its store is a copy of that of the grids, and its features are theirs, which saves seconds.
    """
    if shutil.which("make") is None:
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("make")
    words = dict(re.findall(r"\t(Ses\w+)\t(ang|hap|exc|sad|neu)\t", labels(tiny)))
    lines = ["path,emotion,session,speaker,gender"]
    for path in sorted(tiny.rglob("*impro*.wav")):
        if path.stem in words:
            speaker = path.stem[:5] + path.stem[-4]
            lines.append(f"{path},{words[path.stem]},{speaker[4]},{speaker},{speaker[-1].lower()}")
    (folder / "mine.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    places = f"{without()} cache.dir={grids.folder / 'cache'}"
    return folder, make(folder, "table2", "ARGS_table2=aux_task.weight=0,0.4", places=places)


def labels(tiny):
    return "\n".join(path.read_text(encoding="utf-8") for path in tiny.glob("Session*/dialog/EmoEvaluation/Ses*.txt"))


def make(folder, target, *more, places=""):
    """Run the project's Makefile in another folder, on the environment of these tests."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy2(REPOSITORY / name, folder)
    (folder / "venv").mkdir(exist_ok=True)
    (folder / "venv" / ".ready").touch()
    small = f"length=0.5 model.channels=2 trainer.max_epochs=1 engine=serial fold=[1,2] {places}"
    variables = [f"BIN={Path(sys.executable).parent}", "VENV=venv", "CORPUS=manifest", "ROOT=mine.csv", "SEEDS=1",
                 "DEVICE=cpu", f"ARGS={small}"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    command = ["make", "-f", str(REPOSITORY / "Makefile"), target, *variables, *more]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540, check=False
    )


def test_what_a_corpus_cannot_do_is_x_with_the_reason(made, hand, oracle):
    folder, _ = made
    answer = hand.read(folder / "reports" / "mine" / "table2.csv").set_index("additional task")
    shown = {task: str(oracle.number(answer.loc[task], "^WA.*]$")) for task in TASKS}
    assert {task for task, text in shown.items() if text.startswith("X")} == {"Valence", "Activation", "Dominance"}
    text = (folder / "reports" / "mine" / "table2.md").read_text(encoding="utf-8")
    for task in ("Valence", "Activation", "Dominance"):
        assert re.search(rf"X in {task}: .*{task.lower()}.*", text)
    assert "X in Gender" not in text


def test_make_shows_the_table_and_fails_where_parts_failed(made):
    _, process = made
    assert process.returncode != 0
    assert "Error 1" in process.stderr, "the recipe's status"
    assert "Parts of the grid failed: see above." in process.stderr
    assert "**Table 2: additional tasks on mine" in process.stdout
    assert "Traceback" not in process.stderr


def test_make_stops_at_a_mistake_with_one_message(made):
    folder, _ = made
    before = sorted(folder.rglob("*.md"))
    process = make(folder, "table3", "ARGS=trainer.learning_rate=1")
    assert "Error 2" in process.stderr, "the recipe's status"
    assert process.stderr.count("There is no key trainer.learning_rate") == 1
    assert "Traceback" not in process.stderr
    assert "Table 3" not in process.stdout
    assert sorted(folder.rglob("*.md")) == before
