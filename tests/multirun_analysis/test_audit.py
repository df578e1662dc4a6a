"""Each finding arises from what it is about, in words, and from nothing else."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from multirun_analysis.audit.checks import audit
from multirun_analysis.audit.findings import Finding, together
from multirun_analysis.grids import told
from multirun_analysis.output.tables import Table
from multirun_analysis.store.contents import Collected, columns
from ser.sweep.planned import Point

SEEDS, FOLDS = (0, 1), (1, 2, 3)
PARAMETERS = {
    "corpus": "emodb", "corpus.root": "/data", "feature": "mfcc", "feature.log": "db", "feature.top_db": "80",
    "length": "3", "loss": "cos", "loss.margin": "0.1", "lambda": "0.6", "loader": "loader_1", "position": "pos_1",
    "aux_task": "none", "aux_task.weight": "0", "trainer": "adam", "trainer.lr": "0.0001",
    "trainer.batch_norm": "branch",
}  # fmt: skip
BASELINE = {"lambda": "0", "loader": "none", "position": "none", "trainer.batch_norm": "joint"}


def parameters(**changes):
    """The parameters of a point: ``trainer__lr`` is ``trainer.lr``; a group that is given anew loses its other keys."""
    given = {key.replace("__", "."): value for key, value in changes.items()}
    kept = {key: value for key, value in PARAMETERS.items() if key.partition(".")[0] not in given or "." not in key}
    kept = {key: value for key, value in kept.items() if key not in given}
    settled = BASELINE if given.get("loss") == "none" else {}
    return {**kept, **settled, **given}


def point(name, seeds=SEEDS, folds=FOLDS, error=None, **changes):
    return Point((), parameters(**changes), tuple(seeds), tuple(folds), None if error else name, error)


COS = point("c", loss="cos", loss__margin="0.1")
L2 = point("l", loss="l2", loss__margin="1")
NONE = point("n", loss="none")


def rows(*points, skip=(), **changes):
    """All replicas of the points but ``skip``, each with another WA; ``changes`` by column: a value or a function."""
    result = []
    for number, (point, seed, fold) in enumerate((p, s, f) for p in points for s in p.seeds for f in p.folds):
        key = {"configuration": point.configuration, "seed": seed, "fold": fold}
        row = {
            **key, "wa": 0.5 + number / 1000, "uwa": 0.4, "crop_wa": 0.3, "crop_uwa": 0.2, "best_val_wa": 0.6,
            "best_epoch": 7, "run_id": f"run{number}", "device": "cpu", "git_commit": "a" * 40,
            "corpus_fingerprint": "f" * 32, "numerics": "1", "started": 1.0, "diverged": False, "synthetic": False,
        }  # fmt: skip
        row |= {name: change(row) if callable(change) else change for name, change in changes.items()}
        if (point.configuration, seed, fold) not in skip:
            result.append(row)
    return result


def frame(records):
    return pd.DataFrame(records, columns=list(columns())).astype(columns())


def collected(*points, conflicts=(), **changes):
    return Collected(frame(rows(*points, **changes)), frame(list(conflicts)))


def of(name, value, other=None):
    """A change for one configuration."""
    return lambda row: value if row["configuration"] == name else other


def only(findings) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_complete_comparison_has_no_finding():
    assert audit([COS, L2, NONE], collected(COS, L2, NONE), ["loss"]) == []


def test_without_points_or_replicas_there_is_no_error():
    assert audit([], collected(), []) == []
    text = only(audit([COS, L2], collected(), ["loss"])).text
    assert text.startswith("12 of 12 trainings are missing in the store: loss=cos: all; loss=l2: all. ")


def test_replicas_of_other_configurations_do_not_matter():
    other = point("x", seeds=range(9))
    stored = collected(COS, L2, other, device=of("x", "cuda", "cpu"), numerics=of("x", "2", "1"), wa=of("x", 0.6, 0.5))
    assert audit([COS, L2], stored, ["loss"]) == []


def test_missing_replicas_are_named():
    many = point("m", seeds=range(10), loss="l2", loss__margin="1")
    skip = [("m", seed, fold) for seed in (3, 4, 5, 9) for fold in FOLDS] + [("m", 7, 2), ("m", 8, 2)]
    findings = audit(
        [point("c", seeds=range(10)), many], collected(point("c", seeds=range(10)), many, skip=skip), ["loss"]
    )
    assert [finding.severity for finding in findings] == ["warn", "warn", "warn"]
    missing, partial, unequal = (finding.text for finding in findings)
    assert "14 of 60 trainings are missing in the store: loss=l2: seeds 3 to 5, 9, seeds 7 to 8 fold 2. " in missing
    assert "Some seeds have only a part of their folds" in partial
    assert partial.endswith("loss=l2: seeds 7 to 8.")
    assert "unequal numbers of complete seeds: 10 in 1 cell (loss=cos); 4 in 1 cell (loss=l2)." in unequal


def test_long_lists_are_shortened():
    points = [point(f"c{number}", **{"lambda": f"0.{number}"}) for number in range(1, 9)]
    text = only(audit(points, collected(), ["lambda"])).text
    assert "lambda=0.1: all; lambda=0.2: all; lambda=0.3: all; lambda=0.4: all; lambda=0.5: all; and 3 more." in text


def test_points_that_cannot_run_are_named_with_their_error():
    broken = point("x", error="corpus.root=/x is not there.", loss="l2", loss__margin="1")
    finding = only(audit([COS, broken], collected(COS), ["loss"]))
    assert finding == Finding(
        "warn", "1 cell cannot run and is left out: 1 cell (loss=l2): corpus.root=/x is not there."
    )


def test_planned_seeds_that_differ_are_a_warning():
    more = point("l", seeds=range(5), loss="l2", loss__margin="1")
    finding = only(audit([COS, more], collected(COS, more), ["loss"]))
    assert (finding.severity, "5 in 1 cell (loss=l2); 2 in 1 cell (loss=cos)" in finding.text) == ("warn", True)


def test_planned_folds_that_differ_are_refused():
    fewer = point("l", folds=(1, 2), loss="l2", loss__margin="1")
    finding = only(audit([COS, fewer], collected(COS, fewer), ["loss"]))
    assert finding.severity == "refuse"
    assert "folds 1 to 3 in 1 cell (loss=cos); folds 1 to 2 in 1 cell (loss=l2)" in finding.text


def test_points_of_one_configuration_count_as_one():
    """Two points of a sweep that train the same, each with its own seeds."""
    twice = [point("n", seeds=[0], loss="none"), point("n", seeds=[1], loss="none")]
    assert audit([COS, *twice], collected(COS, NONE), ["loss", "lambda"]) == []


@pytest.mark.parametrize(("device", "severity"), [("cpu", "refuse"), ("cuda:1", "warn")])
def test_conflicts_show_both_numbers(device, severity):
    first, second = rows(point("l", seeds=[1], folds=[2]), device=device)[0], rows(point("l", seeds=[1], folds=[2]))[0]
    conflicts = [first, {**second, "uwa": 0.43, "run_id": "newer", "best_val_wa": math.nan}]
    finding = only(audit([COS, L2], collected(COS, L2, conflicts=conflicts), ["loss"]))
    assert finding.severity == severity
    assert "1 training is stored more than once, with different numbers" in finding.text
    assert "loss=l2 seed 1 fold 2: uwa 0.4 in run run0, 0.43 in run newer" in finding.text


def test_conflicts_of_other_points_do_not_matter():
    row = rows(point("x", seeds=[0], folds=[1]))[0]
    stored = collected(COS, L2, conflicts=[row, {**row, "wa": 0.9}])
    assert audit([COS, L2], stored, ["loss"]) == []


@pytest.mark.parametrize(
    ("column", "values", "severity", "text"),
    [
        ("corpus_fingerprint", ("1" * 32, "2" * 32), "refuse", "11111111 in 1 cell (loss=cos); 22222222 in 1 cell"),
        ("numerics", ("1", "2"), "refuse", "(numerics): 1 in 1 cell (loss=cos); 2 in 1 cell (loss=l2)"),
        ("git_commit", ("1" * 40, "1" * 40 + "-dirty"), "warn", "1111111111 in 1 cell (loss=cos); 1111111111-dirty in"),
        ("device", ("cpu", "cuda:0"), "warn", "cpu in 1 cell (loss=cos); cuda in 1 cell (loss=l2)"),
        ("synthetic", (False, True), "refuse", "real in 1 cell (loss=cos); synthetic in 1 cell (loss=l2)"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)  # fmt: skip
def test_a_tag_that_differs_between_points_is_a_finding(column, values, severity, text):
    stored = collected(COS, L2, **{column: lambda row: values[row["configuration"] == "l"]})
    finding = only(audit([COS, L2], stored, ["loss"]))
    assert (finding.severity, text in finding.text) == (severity, True), finding.text


def test_a_tag_that_differs_within_a_point_is_a_finding():
    stored = collected(COS, L2, device=lambda row: "cuda" if row["seed"] else "cpu")
    finding = only(audit([COS, L2], stored, ["loss"]))
    assert "cpu in 2 cells (loss=cos; loss=l2); cuda in 2 cells (loss=cos; loss=l2)" in finding.text


@pytest.mark.parametrize("column", ["numerics", "git_commit", "device", "corpus_fingerprint"])
def test_a_missing_tag_is_no_finding(column):
    """Runs from before the tag was logged."""
    stored = collected(COS, L2, **{column: lambda row: None if row["configuration"] == "l" else "cuda:1"})
    assert audit([COS, L2], stored, ["loss"]) == []


def test_one_kind_of_device_is_one_device():
    stored = collected(COS, L2, device=lambda row: f"cuda:{row['seed']}")
    assert audit([COS, L2], stored, ["loss"]) == []


def test_swept_corpora_may_differ():
    real, made = COS, point("s", folds=(1, 2), corpus="synthetic", corpus__size="tiny")
    stored = collected(real, made, synthetic=of("s", True, False), corpus_fingerprint=of("s", "1", "2"))
    finding = only(audit([real, made], stored, ["corpus"]))
    assert finding.severity == "warn"
    assert "synthetic in 1 cell (corpus=synthetic)" in finding.text


def test_one_swept_corpus_with_two_contents_is_refused():
    other, made = point("o", **{"lambda": "0.7"}), point("s", corpus="ravdess")
    stored = collected(COS, other, made, corpus_fingerprint=lambda row: row["configuration"])
    finding = only(audit([COS, other, made], stored, ["corpus", "lambda"]))
    assert finding.severity == "refuse"
    assert "(corpus_fingerprint): c in 1 cell (lambda=0.6 corpus=emodb); o in 1 cell" in finding.text


def test_diverged_trainings_are_named():
    stored = collected(COS, L2, diverged=lambda row: row["configuration"] == "l" and row["seed"] == 1)
    finding = only(audit([COS, L2], stored, ["loss"]))
    assert (finding.severity, "loss=l2: seed 1." in finding.text) == ("warn", True)


def test_points_that_differ_in_a_parameter_that_was_not_swept_are_refused():
    fast = point("l", loss="l2", loss__margin="1", trainer__lr="0.001")
    points = [COS, NONE, fast]
    finding = only(audit(points, collected(*points), ["loss"]))
    assert finding.severity == "refuse"
    assert finding.text == (
        "The cells differ in trainer.lr, which was not swept: 0.0001 in 2 cells (loss=cos trainer.lr=0.0001; "
        "loss=none trainer.lr=0.0001); 0.001 in 1 cell (loss=l2 trainer.lr=0.001)."
    )
    assert audit(points, collected(*points), ["loss", "trainer.lr"]) == []


@pytest.mark.parametrize(
    ("other", "swept", "key"),
    [
        ({"lambda": "0.7"}, ["loss"], "lambda"),
        ({"lambda": "0.7"}, ["lambda.weight"], None),
        ({"lambda": "0.7", "lambda.name": "linear"}, ["lambda"], None),
        ({"lambda.name": "linear", "lambda.start": "0"}, ["loss"], "lambda.name"),
        ({"loss": "l2", "loss__margin": "1"}, ["lambda"], "loss"),
        ({"loss": "cos", "loss__margin": "0.5"}, ["loss"], "loss.margin"),
        ({"loss": "cos", "loss__margin": "0.5"}, ["loss.margin"], None),
        ({"loss": "none"}, ["loss"], None),
        ({"loss": "none"}, ["lambda"], None),  # lambda=0 is the baseline
        ({"loss": "none"}, ["loader"], "loss"),
        ({"loss": "none", "length": "5"}, ["loss"], "length"),
        ({"length": "5"}, ["length.seconds"], None),
        ({"aux_task": "gender", "aux_task__weight": "0.04"}, ["aux_task"], None),
        ({"aux_task": "gender", "aux_task__weight": "0.04"}, ["aux_task.weight"], None),  # a weight of 0 is no task
        ({"aux_task": "gender", "aux_task__weight": "0.04"}, ["loss"], "aux_task"),
        ({"feature": "logmel", "feature__log": "db"}, ["feature"], None),
        ({"feature": "mfcc", "feature__log": "natural", "feature__top_db": "null"}, ["feature.log"], None),
        ({"corpus": "emodb", "corpus__root": "/elsewhere"}, ["loss"], None),  # its content counts
        ({"corpus": "ravdess"}, ["loss"], "corpus"),
    ],
    ids=str,
)  # fmt: skip
def test_only_swept_parameters_may_differ(other, swept, key):
    points = [COS, point("o", **other)]
    findings = audit(points, collected(*points), swept)
    named = [finding.text.split(",")[0] for finding in findings if finding.severity == "refuse"]
    assert named == ([f"The cells differ in {key}"] if key else [])


def test_a_test_part_that_equals_the_validation_part_is_refused():
    stored = collected(COS, L2, best_val_wa=lambda row: row["wa"] if row["configuration"] == "l" else 0.6)
    finding = only(audit([COS, L2], stored, ["loss"]))
    assert finding.severity == "refuse"
    assert "Test WA equals validation WA in every training of 1 cell (loss=l2)" in finding.text


@pytest.mark.parametrize(
    "changes",
    [
        {"best_val_wa": lambda row: row["wa"] + 0.01 * (row["seed"] == 1 and row["fold"] == 3)},
        {"wa": 1.0, "best_val_wa": 1.0},
        {"wa": 0.25, "best_val_wa": 0.25},
    ],
    ids=["one differs", "no mistake anywhere", "one answer for all"],
)
def test_equal_test_and_validation_scores_may_be_harmless(changes):
    assert audit([COS, L2], collected(COS, L2, **changes), ["loss"]) == []


def test_four_equal_replicas_may_be_coincidence():
    four = point("c", seeds=[0, 1], folds=[1, 2])
    assert audit([four], collected(four, best_val_wa=lambda row: row["wa"]), ["loss"]) == []


def test_findings_that_refuse_come_first():
    stored = collected(COS, L2, device=of("l", "cuda", "cpu"), numerics=of("l", "1", "2"))
    assert [finding.severity for finding in audit([COS, L2], stored, ["loss"])] == ["refuse", "warn"]


def test_a_part_of_the_folds_is_said_in_every_table():
    point = Point((), {"loss": "cos"}, (0,), (1, 2), "c" * 32, sessions=5)
    assert point.part == "folds 1, 2 of 5"
    assert Point((), {}, (0,), (3,), "c", sessions=5).part == "fold 3 of 5"
    assert Point((), {}, (0,), (1, 2), "c", sessions=2).part is None
    assert Point((), {}, (0,), (1, 2), "c").part is None, "a plan that was stored before knows no number of sessions"
    warning, refusal = Finding("warn", "Only a part.", in_tables=True), Finding("refuse", "Mixed.")
    assert together([warning, refusal, warning]) == [refusal, warning]
    partial = only(audit([point], collected(point), ["loss"]))
    (shown,) = told([Table("t", "Table 3", ("a",), [(1,)])], [partial])
    assert shown.title == "Table 3 (only folds 1, 2 of 5)"
    assert shown.csv().splitlines()[1].endswith('"Table 3 (only folds 1, 2 of 5)"')
    assert shown.notes == ("Only folds 1, 2 of 5: these are not the figures of the whole corpus.",)


# Convergence


def test_a_validation_loss_that_never_fell_is_named_with_the_patience():
    """In four of six trainings of l2 the lowest was the first; in three of cos."""
    lowest = {("l", 0): 1, ("l", 1): 2, ("c", 0): 1, ("c", 1): 5}
    stored = collected(
        *(replace(each, parameters={**each.parameters, "trainer.patience": "0"}) for each in (COS, L2)),
        epochs=8,
        lowest_epoch=lambda row: 1 if row["fold"] == 1 else lowest[row["configuration"], row["seed"]],
    )
    points = [replace(each, parameters={**each.parameters, "trainer.patience": "0"}) for each in (COS, L2)]
    finding = only(audit(points, stored, ["loss"]))
    assert finding.severity == "warn"
    assert "lowest in the first epoch in most trainings of 2 cells (loss=cos; loss=l2)" in finding.text
    assert "trainer.patience (here 0)" in finding.text


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 1, "lowest_epoch": 1},
        {"epochs": 8, "lowest_epoch": lambda row: 1 if row["fold"] == 1 else 4},
        {"epochs": math.nan, "lowest_epoch": math.nan},
    ],
    ids=["one epoch", "a third of the trainings", "not logged"],
)
def test_a_loss_that_fell_in_most_trainings_is_no_finding(changes):
    assert audit([COS, L2], collected(COS, L2, **changes), ["loss"]) == []


@pytest.mark.parametrize("metric", ["wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa"])
def test_a_fold_without_a_needed_metric_is_missing(metric):
    stored = collected(COS, L2)
    rows = stored.replicas
    rows.loc[(rows["configuration"] == "l") & (rows["seed"] == 1) & (rows["fold"] == 3), metric] = math.nan
    texts = [finding.text for finding in audit([COS, L2], stored, ["loss"])]
    assert any(text.startswith("1 of 12 trainings are missing in the store: loss=l2: seed 1 fold 3.") for text in texts)
    assert any(f"1 of the missing trainings are stored without {metric}, in 1 cell (loss=l2)" in text for text in texts)
    assert any("unequal numbers of complete seeds: 2 in 1 cell (loss=cos); 1 in 1 cell (loss=l2)" in t for t in texts)


def test_one_fixed_test_set_is_said_in_every_table():
    point = Point((), {"loss": "cos"}, (0,), (1,), "c" * 32, sessions=1)
    finding = only(audit([point], collected(point), ["loss"]))
    assert finding.in_tables and finding.severity == "warn"
    assert finding.text.startswith("There is one fixed test set (official split): intervals over seeds say")


def test_what_an_official_split_decides_is_no_difference():
    """One corpus validates on its dev, the other has none; both are trained on a share that was not swept."""

    def found(share):
        dev = {"validation": "session", "validation.train_fraction": "1"}
        drawn = {"validation": "stratified", "validation.fraction": "0.2", "validation.train_fraction": share}
        points = [
            Point((), {"corpus": name, "loss": "cos", **keys}, (0,), (1,), name * 32, sessions=1)
            for name, keys in (("a", dev), ("b", drawn))
        ]
        findings = audit(points, collected(*points), ["corpus"])
        return [finding.text for finding in findings if "not swept" in finding.text]

    assert found("1") == []
    assert found("0.5") == [
        "The cells differ in validation.train_fraction, which was not swept: 1 in 1 cell (corpus=a); 0.5 in 1 cell "
        "(corpus=b)."
    ]
