"""docs/adding.md: its files are written and its commands run, from the page's own text."""

import re
import shlex
import sys
from unittest.mock import patch

import numpy as np
import pytest
from support import REPOSITORY, run
from sweep.workplace import SMALL

from ser.results.metrics import METRICS, add_own, metric

PAGE = (REPOSITORY / "docs" / "adding.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`(my\S+)`\n\n```\w+\n(.+?)```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(
    r"^```bash\npython -m (\S+) (.+?)\n```$", PAGE.replace("\\\n", ""), flags=re.MULTILINE | re.DOTALL
)


@pytest.fixture
def here(tmp_path):
    """A folder with the files of the page."""
    for name, text in [("mypkg/__init__.py", ""), *FILES]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_its_files_and_commands_work_together(here):
    assert len(FILES) == 15
    by_module = {module: shlex.split(arguments) for module, arguments in COMMANDS}
    assert by_module.keys() == {"ser.run", "ser.corpora"}
    small = [each for each in SMALL if each.startswith(("trainer", "device"))]
    done = run(*by_module["ser.run"], *small, "fold=1", "tracking=none", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 trainings done, 0 failed" in done.stderr
    assert "F1_WEIGHTED %" in done.stdout
    again = run("sweep=last", cwd=here, module="multirun_analysis")
    assert "F1_WEIGHTED %" in again.stdout, again.stderr
    described = run(*by_module["ser.corpora"], cwd=here, module="ser.corpora")
    assert (described.returncode, "utterances  24" in described.stdout) == (0, True), described.stderr


def test_losses_of_another_library(here):
    small = [each for each in SMALL if each.startswith(("trainer", "device"))]
    choice = ["corpus=noise", "length=1", "model=mean", "loss=multi,proxy", "fold=1", "tracking=none"]
    done = run("--config-dir", "my_conf", "-m", *choice, *small, cwd=here)
    assert (done.returncode, "2 of 2 trainings done, 0 failed" in done.stderr) == (0, True), done.stderr


def test_its_metric(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    with patch.dict(METRICS), patch.dict(sys.modules):
        add_own({"f1_weighted": "mypkg.metrics.weighted_f1"})
        value = METRICS["f1_weighted"](np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert value == pytest.approx((3 * 4 / 5 + 2 / 3) / 4)


def test_a_metric_does_not_take_the_place_of_another():
    with patch.dict(METRICS), pytest.raises(ValueError, match="there is a metric f1 already"):
        metric("f1")(lambda gold, predicted: 0.0)
