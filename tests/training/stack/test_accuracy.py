"""The weighted accuracy of whole trainings, over many seeds."""

from functools import partial

import numpy as np
import pytest
from support import EMODB, NO_EMODB, settings
from training.stack.agreement import outcomes

from multirun_analysis.inference.differences import paired_difference
from ser.data.experiment import make_experiment
from ser.results.metrics import weighted_accuracy
from ser.results.outcome import Replica
from ser.training import engines
from ser.training.task import make_task


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not EMODB.exists(), reason=NO_EMODB)
@pytest.mark.parametrize("loss", ["none", "cos"])
def test_wa_over_seeds_is_that_of_serial(loss, tmp_path):
    """Only means can agree: a difference in rounding can change when the learning rate is halved."""
    keys = (f"loss={loss}", "length=1", "model.channels=30", "trainer.max_epochs=30", "tracking=none", "device=cpu")
    chosen = settings("corpus=emodb", f"corpus.root={EMODB}", f"cache.dir={tmp_path}", *keys)
    task = make_task(make_experiment(chosen), "cpu", None)
    replicas = [Replica(seed, fold, f"{seed}-{fold}") for seed in range(8) for fold in range(1, 6)]
    serial, stacked = (
        _wa_by_seed(engine(engines.work(task, replicas)))
        for engine in (engines.serial, partial(engines.in_stacks, size=10))
    )
    comparison = paired_difference(serial, stacked, np.random.default_rng(0))
    print(f"{loss}: serial {serial.mean():.4f}, stack {stacked.mean():.4f}, {comparison}")
    assert comparison.interval.low <= 0 <= comparison.interval.high
    assert comparison.interval.high - comparison.interval.low < 0.03, "the interval is narrow enough to exclude 0"
    assert serial.mean() > 0.6, "the networks learned"


def _wa_by_seed(finished):
    """The mean over folds of each seed's weighted accuracy."""
    folds = {}
    for outcome in outcomes(finished):
        folds.setdefault(outcome.seed, []).append(weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1)))
    return np.array([np.mean(folds[seed]) for seed in sorted(folds)])
