"""Every model, loss and feature can learn the two dozen training utterances of a tiny corpus by heart."""

import pytest
from support import experiment

from ser.training.loop import train
from ser.training.task import make_task

LOSSES = ("none", "cos", "l2", "supcon", "triplet", "center", "arcface")
CASES = {
    **{f"loss={name}": ["model.channels=16"] for name in LOSSES},
    **{f"feature={name}": ["model.channels=16"] for name in ("logmel", "logspec", "egemaps")},
    "model=attentive_cnn": ["model.channels=16"],
    "model=mean_pool": [],
    "model=spectrogram_cnn_lstm": ["model.hidden=32", "feature=logspec", "trainer.lr=3e-3", "trainer.max_epochs=90"],
}
SLOW = "model=spectrogram_cnn_lstm"


@pytest.mark.parametrize(
    "option",
    [pytest.param(each, marks=[pytest.mark.slow, pytest.mark.timeout(1800)] * (each == SLOW)) for each in CASES],
)
def test_training_utterances_are_learnt_by_heart(option, tiny):
    if option == "feature=egemaps":
        pytest.importorskip("opensmile", reason="needs the extra: pip install '.[opensmile]'")
    corpus = ["corpus.size=tiny", f"corpus.root={tiny}", f"cache.dir={tiny.parent / 'cache'}", "length=1"]
    schedule = ["trainer.lr=1e-2", "trainer.max_epochs=40", "trainer.patience=1000", *CASES[option]]
    history = train(make_task(experiment(option, *corpus, *schedule), "cpu"), 0, 1).history
    assert history[0]["train_cross_entropy"] > 1
    assert history[-1]["train_cross_entropy"] < 0.3, "the true class's probability is below 0.74"
