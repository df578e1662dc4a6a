"""The claims over variants: the file of variants, counting by hand, and a small grid that is trained."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import REPOSITORY

from multirun_analysis.robustness.command import commands, robustness
from multirun_analysis.robustness.counts import Counted, Outcome
from multirun_analysis.robustness.judge import Robustness
from multirun_analysis.robustness.readings import Reading, make_readings, merge
from multirun_analysis.robustness.tables import tables
from multirun_analysis.robustness.variants import REFERENCE, read
from ser.errors import UserError
from ser.sweep.planned import Plan

SUPPORTED, AGAINST, OPEN = Outcome("supported"), Outcome("not supported"), Outcome("undecided")

# Counting


COUNTS = {
    "all agree": (SUPPORTED, {"a": SUPPORTED, "b": SUPPORTED}, (2, 0, 0), "supported as chosen and in 2 of 2 variants"),
    "one of three refutes, one leaves open": (
        SUPPORTED,
        {"a=1": SUPPORTED, "b=2": AGAINST, "c=3": OPEN},
        (1, 1, 1),
        "supported as chosen and in 1 of 3 variants; turned over by b=2 (not supported); undecided with c=3",
    ),
    "what was refuted is supported": (
        AGAINST,
        {"a=1": SUPPORTED, "b=2": AGAINST},
        (1, 1, 0),
        "not supported as chosen and in 1 of 2 variants; turned over by a=1 (supported)",
    ),
    "what was open is decided": (
        OPEN,
        {"a=1": OPEN, "b=2": AGAINST},
        (0, 1, 1),
        "undecided as chosen and in 1 of 2 variants; decided by b=2 (not supported)",
    ),
    "what was not run does not count": (
        SUPPORTED,
        {"a=1": SUPPORTED, "b=2": Outcome("not run", "3 of 15 trainings"), "c=3": Outcome("cannot be said", "why")},
        (1, 0, 0),
        "supported as chosen and in 1 of 1 variants; cannot be said with c=3 (why); not run with b=2 (3 of 15 "
        "trainings)",
    ),
    "no variant was run": (
        SUPPORTED,
        {"a=1": Outcome("not run", "0 of 15 trainings")},
        (0, 0, 0),
        "supported as chosen; no variant was run; not run with a=1 (0 of 15 trainings)",
    ),
    "no variant is for it": (OPEN, {}, (0, 0, 0), "undecided as chosen; no variant changes its trainings"),
    "without the reference nothing turns over": (
        Outcome("not run", "0 of 30 trainings"),
        {"a=1": SUPPORTED, "b=2": AGAINST},
        (1, 1, 0),
        "not run as chosen: 0 of 30 trainings",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTS)
def test_variants_are_counted_as_by_hand(case):
    reference, variants, counts, sentence = COUNTS[case]
    counted = Counted("A claim.", reference, variants, 3)
    assert tuple(map(counted.count, ("supported", "not supported", "undecided"))) == counts
    assert counted.sentence() == sentence


# Judging by hand: cos against l2 and the baseline, in studies without a store

BASE, NOISE = 0.5, 0.002 * np.array([-1.0, 0.5, 1.0])
SETTING = {"loader": "loader_1", "position": "pos_1", "aux_task": "none", "feature": "mfcc", "length": "3"}
BASELINE = {**SETTING, "loader": "none", "position": "none", "loss": "none", "lambda": "0"}
BETTER = "loss_1 (cos) is better than loss_2"


@pytest.fixture
def judge(hand):
    """``judge(cos=..., variants={name: (sweep, {parameter: value}, scores or number of complete seeds)})``."""

    def make(variants, difference=0.1, seeds=3, missing=0):
        noise = NOISE[:seeds]
        cells = {
            "baseline": [({**BASELINE}, BASE - 0.2 + noise[::-1])],
            "cos": [({**SETTING, "loss": "cos", "lambda": w}, BASE + difference + noise) for w in ("0.6", "0.9")],
            "l2": [({**SETTING, "loss": "l2", "lambda": w}, BASE + noise[::-1] / 2) for w in ("0.6", "0.9")],
        }
        scores, plans = [], {}
        for sweep, points in cells.items():
            made = [hand.scores(parameters, wa[: seeds - missing], planned=seeds) for parameters, wa in points]
            plans[sweep] = Plan(sweep, ("experiment=fig4",), tuple(each.point for each in made), Path("results"))
            scores += made
        readings = [Reading(REFERENCE, "–", "", plans, tuple(plans))]
        for name, (sweep, change, shift, complete) in variants.items():
            made = [
                hand.scores({**parameters, **change}, (wa + shift)[:complete], planned=seeds)
                for parameters, wa in cells[sweep]
            ]
            plan = Plan(sweep, ("experiment=fig4",), tuple(each.point for each in made), Path("results"))
            readings.append(Reading(name, f"{name}=x", "", {**plans, sweep: plan}, (sweep,)))
            scores += made
        return Robustness(hand.study(*scores), readings)

    return make


def row(made, name):
    (found,) = (each for each in made.counted if each.claim.startswith(name))
    return found


def test_a_claim_is_judged_anew_in_each_variant_of_its_trainings(judge):
    made = judge(
        {
            "same": ("cos", {"trainer.patience": "3"}, 0.01, 3),
            "turned": ("cos", {"trainer.patience": "9"}, -0.2, 3),
            "l2_better": ("l2", {"loss.margin": "9"}, 0.3, 3),
            "absent": ("cos", {"loss.margin": "0.5"}, 0, 2),
            "elsewhere": ("baseline", {"trainer.batch_size": "64"}, 0.5, 3),
        }
    )
    better = row(made, BETTER)
    assert better.reference.word == "supported"
    assert {label: outcome.word for label, outcome in better.variants.items()} == {
        "same=x": "supported", "turned=x": "not supported", "l2_better=x": "not supported", "absent=x": "not run",
    }  # fmt: skip
    assert "elsewhere=x" not in better.variants, "it leaves cos and l2 as they are"
    assert better.variants["absent=x"].reason == "8 of 12 trainings"
    assert better.sentence() == (
        "supported as chosen and in 1 of 3 variants; turned over by turned=x (not supported), l2_better=x (not "
        "supported); not run with absent=x (8 of 12 trainings)"
    )
    against_baseline = row(made, "The contrastive loss is better than the baseline")
    assert list(against_baseline.variants) == ["same=x", "turned=x", "absent=x", "elsewhere=x"], "not l2's"
    assert against_baseline.others == {"elsewhere=x": "not supported"}


def test_claims_about_what_is_not_in_the_grid_cannot_be_said(judge):
    """There is loader_1 alone, and nothing about features."""
    made = judge({"same": ("cos", {"trainer.patience": "3"}, 0, 3)})
    found = row(made, "loader_1 is better")
    assert found.sentence().startswith("cannot be said as chosen: ")
    assert {outcome.word for outcome in found.variants.values()} == {"cannot be said"}
    shown = tables(made)[0]
    assert not any(cells[0].startswith("MFCC are better") for cells in shown.rows)
    assert made.unsaid + len(shown.rows) == 14
    assert any(note.startswith(f"{made.unsaid} claims of the report are about other") for note in shown.notes)


def test_fewer_than_three_seeds_decide_nothing(judge):
    made = judge({"turned": ("cos", {"trainer.patience": "9"}, -0.3, 2)}, seeds=2)
    words = {row(made, BETTER).reference.word, *(outcome.word for outcome in row(made, BETTER).variants.values())}
    assert words == {"undecided"}
    table = tables(made)[0]
    assert any(note.startswith("Everything is undecided: 2 of the 3 seeds") for note in table.notes)
    assert not any(note.startswith("Everything") for note in tables(judge({}))[0].notes)


def test_without_the_reference_the_claim_was_not_run(judge):
    made = judge({"same": ("cos", {"trainer.patience": "3"}, 0, 3)}, missing=1)
    assert row(made, BETTER).reference == Outcome("not run", "16 of 24 trainings")


def test_the_tables_show_every_claim_and_variant(judge):
    variants = {
        "turned": ("cos", {"trainer.patience": "9"}, -0.2, 3),
        "absent": ("l2", {"loss.margin": "0.5"}, 0, 0),
        "elsewhere": ("baseline", {"trainer.batch_size": "64"}, 0.0, 3),
    }
    claims, verdicts, values, readings = tables(judge(variants))
    assert verdicts.columns == ("claim", REFERENCE, "turned", "absent", "elsewhere")
    (cells,) = (cells for cells in verdicts.rows if cells[0].startswith(BETTER))
    assert cells[1:] == ("supported", "not supported", "not run", None)
    (cells,) = (cells for cells in claims.rows if cells[0].startswith(BETTER))
    assert cells[1:5] == ("supported", 0, 1, 0)
    assert cells[-1] == 3
    (cells,) = (cells for cells in values.rows if cells[0].startswith("Exp. 1 - baseline, WA at "))
    assert cells[1].startswith("+30.")
    assert cells[2].startswith("+10.") and cells[2].endswith("(with turned)")
    assert cells[3].startswith("+30.") and cells[3].endswith("(with elsewhere)")
    assert cells[4] == "2 of 2"
    assert [cells[-1] for cells in readings.rows] == ["30 of 30", "12 of 12", "0 of 12", "6 of 6"]


# The file of variants


def test_the_project_s_variants_each_change_trainings_and_are_affordable(tiny):
    """On a corpus of five sessions and three seeds."""
    multiverse = read()
    readings = make_readings(multiverse, ["corpus.size=tiny", f"corpus.root={tiny}", "length=1"])
    reference, *variants = readings
    assert len(variants) == len(multiverse.variants) >= 9
    for reading in variants:
        assert reading.changed, f"{reading.name} is the same as chosen"
        assert not reading.errors
        assert reading.why.endswith(".")
        assert not reading.trainings & reference.trainings
    (matched,) = (reading for reading in variants if reading.name == "matched_baseline")
    assert matched.changed == ("baseline",)
    assert 600 <= len(set().union(*(reading.trainings for reading in readings))) <= 1000


def test_all_sweeps_of_the_project_can_be_composed(tiny):
    multiverse = read(chosen="all")
    assert not multiverse.left_out
    (reference,) = make_readings(
        replace(multiverse, variants=()), ["corpus.size=tiny", f"corpus.root={tiny}", "length=1"]
    )
    assert set(reference.plans) == set(multiverse.sweeps) > set(read().sweeps)


GOOD = """
sweeps:
  baseline: [experiment=baseline]
  losses: [experiment=fig4, lambda=0.6]
variants:
  patience: {overrides: [trainer.patience=3], why: It is open.}
  segments: {overrides: [trainer.batch_size=64], sweeps: [baseline], why: It is open.}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


MISTAKES = {
    "an unknown key": (GOOD + "grid: []", "has no key grid: there are common, sweeps"),
    "no sentence": (GOOD.replace(", why: It is open.}", "}", 1), "patience needs overrides, and a sentence why"),
    "no override": (GOOD.replace("[trainer.patience=3]", "[patience]"), r"must be a list of overrides.*\['patience'\]"),
    "an unknown sweep": (GOOD.replace("sweeps: [baseline]", "sweeps: [bas]"), "bas is no sweep. There are base"),
    "no experiment": (GOOD.replace("experiment=fig4, ", ""), "sweeps.losses needs an experiment"),
    "no variants": (GOOD.partition("variants:")[0], "variants must have at least one entry"),
    "a seed": (GOOD.replace("trainer.patience=3", "seed=3"), "seed=3 changes no configuration"),
    "no YAML": ("sweeps: [", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_file_is_told_with_its_place(file, case):
    text, message = MISTAKES[case]
    with pytest.raises(UserError, match=message) as caught:
        read(file(text))
    assert "mine.yaml" in str(caught.value)


def test_sweeps_are_chosen_in_the_order_of_the_file(file):
    path = file(GOOD)
    assert list(read(path).sweeps) == ["baseline", "losses"]
    only = read(path, "losses")
    assert (list(only.sweeps), only.left_out) == (["losses"], ("baseline",))
    assert [variant.name for variant in only.variants] == ["patience"], "the other is for the baseline"
    with pytest.raises(UserError, match="sweeps=cos: cos is no sweep"):
        read(path, "cos")
    with pytest.raises(UserError, match="there is no such file"):
        read("nowhere.yaml")


def test_a_wrong_override_names_its_variant(file, tiny):
    multiverse = read(file(GOOD.replace("trainer.patience=3", "trainer.pateince=3")))
    with pytest.raises(UserError, match="patience, sweep baseline: There is no key trainer"):
        make_readings(multiverse, ["corpus.size=tiny", f"corpus.root={tiny}"])
    with pytest.raises(UserError, match="the grid of robustness is in its file"):
        make_readings(multiverse, ["fig4:lambda=0.6"])


def test_what_the_corpus_cannot_do_is_a_reason_and_no_mistake(file, tiny):
    fold = ["corpus.size=tiny", f"corpus.root={tiny}", "length=1", "fold=1"]
    text = GOOD.replace("[trainer.patience=3]", "['corpus.exclude=[nobody]']")
    reference, changed, _ = make_readings(read(file(text)), fold)
    assert not reference.errors
    assert set(changed.errors) == {"baseline", "losses"} == set(changed.changed)
    assert "nobody" in changed.errors["losses"]
    assert changed.plans.keys() == set()


def test_the_last_override_of_a_key_counts():
    typed = ["loss=cos", "lambda=0.6,0.7", "loss=l2", "++lambda.weight=0.8", "lambda.weight=0.9"]
    assert merge(typed) == ["loss=l2", "lambda.weight=0.9"]


# A small grid, trained by make

ARGUMENTS = ("length=0.5", "model.channels=2", "trainer.max_epochs=1", "trainer.lr=1e-2", "engine=serial",
             "corpus.size=tiny", "fold=1")  # fmt: skip
FILE = """
common: [repeats=3]
sweeps:
  losses: [experiment=fig4, 'loss=cos,l2,none', lambda=0.6]
variants:
  patience: {overrides: [trainer.patience=3], why: It is open.}
"""
MORE = """
  pairs: {overrides: [trainer.batch_size=64], why: It is open.}
  same: {overrides: [trainer.max_epochs=1], why: It is what is typed anyway.}
"""


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """The folder in which ``make robustness`` ran, and the process."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("robustness")
    (folder / "mine.yaml").write_text(FILE, encoding="utf-8")
    (folder / "more.yaml").write_text(FILE + MORE.lstrip("\n"), encoding="utf-8")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy2(REPOSITORY / name, folder)
    (folder / "venv").mkdir()
    (folder / "venv" / ".ready").touch()
    variables = [f"BIN={Path(sys.executable).parent}", "VENV=venv", f"ROOT={tiny}", "DEVICE=cpu", "VARIANTS=mine.yaml",
                 f"ARGS={' '.join(ARGUMENTS)}"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    command = ["make", "--no-print-directory", "-f", str(REPOSITORY / "Makefile"), "robustness", *variables]
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540, check=False
    )
    assert process.returncode == 0, process.stderr
    return folder, process


@pytest.fixture
def trained(made, tiny, monkeypatch):
    """Overrides and options for the trained grid, with two variants more: one that was not run, one without effect."""
    monkeypatch.chdir(made[0])
    return [*ARGUMENTS, "device=cpu", f"corpus.root={tiny}"], {"variants": "more.yaml"}


def test_make_trains_the_variants_and_shows_their_tables(made):
    """Three cells, three seeds and one fold, in two readings."""
    folder, process = made
    plan, *rest = process.stdout.splitlines()
    assert plan.startswith("# 18 trainings: the grid as chosen, and in 1 variant")
    assert "18 of them are in sweeps that the store does not have" in plan
    assert rest[:2] == ["# as chosen: 9 trainings (losses)", "# patience: 9 trainings (losses)"]
    assert sum(line.startswith("python -m ser.run -m ") for line in rest) == 2
    written = {path.name for path in (folder / "reports" / "synthetic").glob("*.md")}
    parts = ("robustness", "robustness_verdicts", "robustness_values", "robustness_variants")
    assert written == {f"{part}.md" for part in parts}
    for name in written:
        assert (folder / "reports" / "synthetic" / name).read_text(encoding="utf-8") in process.stdout


def test_only_what_the_store_lacks_is_trained_again(trained):
    again = commands(*trained).splitlines()
    assert again[0].startswith("# 27 trainings")
    assert "9 of them are in sweeps" in again[0]
    assert "# pairs: 9 trainings (losses)" in again
    assert "# same: 0 trainings (the same as chosen)" in again
    (line,) = (line for line in again if not line.startswith("#"))
    assert "trainer.batch_size=64" in line
    assert "sweep=robustness-pairs" in line


def test_the_trained_grid_is_judged_in_each_variant(trained):
    made = robustness(*trained)
    assert [made.trainings(reading) for reading in made.readings] == [(9, 9), (9, 9), (0, 9), (0, 0)]
    for name in ("The best WA of loss_1 (cos) and of loss_2", "The contrastive loss is better than the baseline"):
        found = row(made, name)
        assert found.reference.word in ("supported", "not supported", "undecided")
        assert found.variants["trainer.patience=3"].word in ("supported", "not supported", "undecided")
        assert found.variants["trainer.batch_size=64"] == Outcome("not run", "0 of 9 trainings")
        assert (len(found.variants), found.seeds) == (2, 3)
    assert not [finding.text for finding in made.study.findings if finding.severity == "refuse"]
    assert any("9 of 27 trainings are missing" in finding.text for finding in made.study.findings)
    made_tables = tables(made)
    assert all("SYNTHETIC" in table.title for table in made_tables)
    assert made_tables[-1].rows[-1][3] == "nothing: it is the same as chosen"


def test_as_chosen_is_what_the_claims_say_of_the_same_grid(trained):
    from multirun_analysis.grids import Study
    from multirun_analysis.paper.claims import all_claims
    from multirun_analysis.paper.study import make_paper_study
    from multirun_analysis.paper.verdicts import verdicts

    overrides, _ = trained
    given = {"fig4": [*overrides, "repeats=3", "loss=cos,l2,none", "lambda=0.6"]}
    settings = make_paper_study(given, ("loader", "position", "loss", "lambda"))
    empty = Study((), (), settings.collected)
    judged = {verdict.claim.text: verdict.word for verdict in verdicts(all_claims(empty, empty, settings))}
    found = {each.claim: each.reference.word for each in robustness(*trained).counted}
    assert found == {text: judged[text] for text in found}
    assert len(found) >= 4
    assert {word for text, word in judged.items() if text not in found} == {"cannot be said"}


def test_the_report_has_the_claims_over_variants_once_they_were_trained(trained, tmp_path, monkeypatch):
    """Those of the shipped file are read, from here of a file in its place."""
    from multirun_analysis.robustness import command

    overrides, options = trained
    monkeypatch.setattr(command, "read", lambda file, names: read(options["variants"], names))
    judged = command.for_report([*overrides, "repeats=20"])
    assert judged.seeds == 3
    assert [each.sentence() for each in judged.counted] == [each.sentence() for each in robustness(*trained).counted]
    assert command.for_report([*overrides, "trainer.lr=0.5"]) is None  # the sweeps of another report
    assert command.for_report([*overrides, f"results.dir={tmp_path}"]) is None


def test_without_a_store_nothing_is_judged(file, tmp_path):
    with pytest.raises(UserError, match="There is no tracking store"):
        robustness([f"tracking.uri=sqlite:///{tmp_path}/nowhere.db"], {"variants": file(GOOD)})
