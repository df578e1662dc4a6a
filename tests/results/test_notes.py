"""Notes for MLflow's page: their figures, and that no text of a user's becomes markup."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ser.corpora.synthetic.reader import read
from ser.results import notes

COMMAND = "python -m ser.run loss=cos"


@pytest.fixture(scope="module")
def corpus(tiny):
    return read(tiny, size="tiny")


def metrics(wa, uwa):
    return {"wa": wa, "uwa": uwa, "f1": 0.3}


def test_the_note_of_few_seeds_has_their_deviation_and_values_and_the_command(corpus):
    seeds = {0: metrics(0.5, 0.4), 1: metrics(0.6, 0.4), 2: metrics(0.7, 0.4)}
    text = notes.parent_note("#/experiments/1/runs/x", corpus, seeds, "all", COMMAND)
    assert "60.00 ± 10.00\u00a0\u00a0 | 50.00, 60.00, 70.00 |" in text
    assert "40.00 ± 0.00" in text
    assert "± is the standard deviation over the seeds." in text
    assert "interval" not in text
    assert "3 seeds (0 to 2), folds: all" in text
    assert "generated speech: these numbers say nothing about people" in text
    assert "[confusion.png](#/experiments/1/runs/x/artifacts/confusion.png)" in text
    assert text.endswith(f"\n\n    {COMMAND}")


def test_the_note_of_five_seeds_has_the_interval_of_the_mean_in_a_column_of_its_own(corpus):
    values = [0.5, 0.6, 0.7, 0.6, 0.5]
    text = notes.parent_note("#/x", corpus, {seed: metrics(wa, 0.4) for seed, wa in enumerate(values)}, "all", COMMAND)
    low, high = (100 * end for end in stats.t.interval(0.95, 4, np.mean(values), stats.sem(values)))
    deviation = f"58.00 ± {100 * np.std(values, ddof=1):.2f}"
    assert f"| {deviation}\u00a0\u00a0 | {low:.2f} to {high:.2f}\u00a0\u00a0 | 50.00 to 70.00 |" in text
    assert "| mean\u00a0\u00a0 | 95 % interval of the mean\u00a0\u00a0 | lowest to highest seed |" in text
    assert "± is the standard deviation over the seeds. The interval is Student's t." in text


def test_the_interval_of_ones_own_metric_is_not_cut_off_at_0(corpus, monkeypatch):
    """Kappa may be negative, also where no seed's is."""
    monkeypatch.setattr("ser.results.notes.is_share", lambda name: name != "uwa")
    values = [0.0, 0.0, 0.01, 0.0, 0.1]
    text = notes.parent_note("#/x", corpus, {seed: metrics(0.5, k) for seed, k in enumerate(values)}, "all", COMMAND)
    low, high = (100 * end for end in stats.t.interval(0.95, 4, np.mean(values), stats.sem(values)))
    assert low < 0
    assert f"{low:.2f} to {high:.2f}" in text


def test_an_experiments_note_lists_runs_with_the_same_deviation(corpus):
    logged = {"wa": 0.6, "wa_sd": 0.1, "uwa": 0.4, "uwa_sd": 0.0, "seeds": 3.0}  # no F1: an older run
    ranked = [notes.Ranked("a|b", "#/a", logged, "all"), notes.Ranked("one", "#/b", metrics(0.5, 0.5), "1,2")]
    text = notes.experiment_note(notes.corpus_note(corpus), ranked)
    assert "[a\\|b](#/a)\u00a0\u00a0 | 60.00 ± 10.00" in text
    assert "± is the standard deviation over the seeds." in text
    assert "| 50.00\u00a0\u00a0 | 50.00\u00a0\u00a0 | 30.00\u00a0\u00a0 | 1\u00a0\u00a0 | 1,2 |" in text
    assert f"{len(corpus.utterances)} utterances of 10 speakers in 5 sessions" in text
    assert text.endswith(notes.KEPT)


def test_names_and_labels_of_users_are_escaped(corpus):
    label = "<script>x</script>|*`"
    utterances = tuple(replace(each, emotion=label) for each in corpus.utterances)
    text = notes.corpus_note(replace(corpus, name="a<b>_c_", utterances=utterances, classes=(label,)))
    assert "<" not in text
    assert "a&lt;b&gt;\\_c\\_" in text
    assert "\\|\\*\\`" in text
