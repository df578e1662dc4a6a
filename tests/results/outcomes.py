"""Outcomes made by hand."""

import numpy as np

from ser.results.outcome import Outcome

ABOUT = {
    "corpus": {"name": "mine", "classes": ["calm", "loud"], "synthetic": False},
    "device": "cpu",
    "finished": "2026-01-01T00:00:00+00:00",
    "git_commit": None,
}
"""What a result must say of its training, for outcomes of two classes."""


def outcome(gold, average, crop=None, seed=0, fold=1):
    """An outcome of two classes that predicted ``average``, and ``crop`` in the other mode."""
    probabilities = np.eye(2, dtype=np.float32)
    return Outcome(
        seed=seed,
        fold=fold,
        ids=tuple(f"fold{fold}_{index}" for index in range(len(gold))),
        gold=np.array(gold),
        average=probabilities[average],
        crop=probabilities[average if crop is None else crop],
        history=[{"train_loss": 0.7, "val_loss": 0.8, "val_wa": 0.5, "lr": 1e-3}],
        best_epoch=1,
        left_out=0,
        diverged=False,
        seconds=1.5,
    )
