import shlex

import pytest

from ser.config.words import differing, labels, parameters, pasteable, run_name, shown
from ser.sweep.hydra_internals import parse_override

ROW = {"loss": "cos", "loss.margin": "0.1", "lambda": "0.6", "aux_task": "none"}


def test_what_an_option_brings_with_it_is_no_column():
    assert differing([ROW, {**ROW, "loss": "l2", "loss.margin": "1"}]) == ["loss"]


def test_what_differs_within_an_option_is_one():
    rows = [{**ROW, "loss": loss, "loss.margin": margin} for loss in ("cos", "l2") for margin in ("0.1", "0.5")]
    assert differing(rows) == ["loss", "loss.margin"]
    assert differing([ROW, {**ROW, "lambda": "0.7"}]) == ["lambda"]
    assert differing([ROW]) == ["loss"]


def test_a_name_leaves_out_the_keys_that_its_configuration_does_not_have():
    """The losses of ``make losses``: l2 with two margins, two losses without a margin, and the baseline."""
    rows = [
        {"loss": "l2", "lambda": "0.6", "loss.margin": "1"},
        {"loss": "l2", "lambda": "0.6", "loss.margin": "2"},
        {"loss": "none", "lambda": "0"},
        {"loss": "supcon", "lambda": "0.6", "loss.temperature": "0.1"},
        {"loss": "center", "lambda": "0.9"},
    ]
    assert labels(rows) == [
        "loss=l2 lambda=0.6 loss.margin=1",
        "loss=l2 lambda=0.6 loss.margin=2",
        "loss=none",
        "loss=supcon lambda=0.6",
        "loss=center lambda=0.9",
    ]


def test_a_name_says_where_nothing_is_augmented_in_a_sweep_over_it():
    row = {"feature": "mfcc", "length": "9", "model": "cnn", "loader": "none", "position": "none", "loss": "none",
           "lambda": "0", "aux_task": "none", "augment": "none"}  # fmt: skip
    assert run_name(row) == "baseline · mfcc 9s"
    assert run_name(row, swept=["augment"]) == "no augmentation · baseline mfcc 9s"
    assert run_name({**row, "augment": "specaugment"}) == "baseline · mfcc 9s specaugment"


def test_a_runs_name_stays_short():
    typed = ["corpus.columns={path: file, speaker: speaker_id}", "corpus.labels={joy: happy, anger: angry}", "loss=cos"]
    row = {"loss": "cos", "lambda": "0.6", "loader": "loader_1", "position": "pos_1", "feature": "mfcc", "length": "9",
           "model": "cnn", "aux_task": "none", "corpus.columns": "", "corpus.labels": ""}  # fmt: skip
    usual = "cos λ=0.6 · loader_1 pos_1 mfcc 9s"
    assert run_name(row, typed[:1]) == usual
    assert run_name(row, ["++corpus.labels={}"]) == f"{usual} labels={{}}"
    assert run_name(row, typed) == f"{usual} labels={{joy: happy, anger:…"
    assert run_name(row, typed, ["corpus.labels"]).startswith("labels={joy: happy, anger: angry} · "), "it differs"


def test_numbers_lose_no_digit():
    assert [shown(v) for v in (9.0, 0.6, 1e-4, 0.00012345678, True, None, "x")] == [
        "9", "0.6", "0.0001", "0.00012345678", "true", "null", "x",
    ]  # fmt: skip


def test_parameters_in_users_words():
    corpus = {"name": "synthetic", "_target_": "x", "size": "small"}
    made = parameters(corpus, {"lambda": {"name": "linear", "weight": 0.6, "start": 0.0}})
    assert made == {
        "corpus": "synthetic", "corpus.size": "small", "lambda": "0.6", "lambda.name": "linear", "lambda.start": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a b",
        "~/x",
        "it's",
        "back\\slash",
        "end\\",
        "\\'",
        "a=b",
        "{x}",
        "中",
        "1_2",
        "true",
        "$HOME",
        'a"b',
        "#",
        "a,b",
        "",
    ],
)
def test_what_is_pasted_is_read_back(value):
    """By the shell, and then by Hydra."""
    for meant in (value, ["x", value]):
        (argument,) = shlex.split(pasteable("corpus.root", meant))
        assert parse_override(argument).value() == meant
