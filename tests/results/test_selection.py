"""By which validation accuracy configurations are chosen."""

import math
from dataclasses import replace

import pytest
from results.outcomes import outcome

from ser.results.runs import run_metrics
from ser.results.selection import selecting, validation_of


def trained(fold, **accuracies):
    """A training whose second epoch, with these validation accuracies, was tested."""
    first = {"lr": 1.0, "train_loss": 1.0, "val_loss": 1.0, **dict.fromkeys(accuracies, 0.0)}
    history = [first, {**first, **accuracies}]
    return replace(outcome([0, 1], [0, 1], fold=fold), history=history, best_epoch=2)


def test_the_accuracies_of_the_tested_epochs_are_averaged():
    both = [trained(1, val_wa=0.5, val_uwa=0.4), trained(2, val_wa=0.7, val_uwa=0.8)]
    expected = {"best_val_wa": pytest.approx(0.6), "best_val_uwa": pytest.approx(0.6)}
    assert validation_of(both) == expected
    logged = run_metrics(both)
    assert {name: logged[name] for name in expected} == expected
    assert (logged["fold_1/best_val_wa"], logged["fold_2/best_val_uwa"]) == (0.5, 0.8)
    assert validation_of([both[0], trained(2, val_wa=0.7)]) == {"best_val_wa": pytest.approx(0.6)}


@pytest.mark.parametrize(
    ("configurations", "expected"),
    [
        ([{"best_val_wa": 0.5}, {"best_val_wa": 0.6}], "best_val_wa"),
        ([{"best_val_wa": 0.5, "best_val_uwa": 0.5}, {"best_val_wa": 0.6, "best_val_uwa": 0.1}], "best_val_uwa"),
        ([{"best_val_wa": 0.5, "best_val_uwa": 0.5}, {"best_val_wa": 0.6}], "best_val_wa"),
        ([{"best_val_wa": 0.5, "best_val_uwa": math.nan}], "best_val_wa"),
        ([{}], "best_val_wa"),
    ],
)
def test_uwa_chooses_where_it_has_chosen_every_epoch(configurations, expected):
    assert selecting(configurations) == expected
