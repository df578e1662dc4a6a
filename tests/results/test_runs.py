"""What a run logs, from outcomes made by hand."""

from dataclasses import replace

import pytest
from results.outcomes import outcome

from ser.results.runs import _curves


def test_in_the_mean_curve_a_fold_that_has_stopped_keeps_its_last_value():
    losses = {1: [0.8], 2: [0.6, 0.4, 0.2]}
    folds = [
        replace(
            outcome([0, 1], [0, 1], fold=fold),
            history=[{"lr": 1.0, "train_loss": 0.7, "val_loss": loss, "val_wa": 0.5} for loss in each],
        )
        for fold, each in losses.items()
    ]
    curves = {(name, epoch): value for name, value, epoch in _curves(folds)}
    assert [curves["val_loss", epoch] for epoch in (1, 2, 3)] == pytest.approx([0.7, 0.6, 0.5])
    assert ("val_loss", 4) not in curves
    assert [curves["fold_2/val_loss", epoch] for epoch in (1, 2, 3)] == losses[2]
    assert [name for name, epoch in curves if name.startswith("fold_1/") and epoch > 1] == []
