"""Notes for MLflow's page: their figures, and that no text of a user's becomes markup."""

import math
from dataclasses import replace

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


def test_a_parents_note_has_means_intervals_and_the_command(corpus):
    seeds = {0: metrics(0.5, 0.4), 1: metrics(0.6, 0.4), 2: metrics(0.7, 0.4)}
    text = notes.parent_note("#/experiments/1/runs/x", corpus, seeds, "all", COMMAND)
    half = 100 * stats.t.interval(0.95, 2, 0, 0.1 / math.sqrt(3))[1]
    assert f"60.00 ± {half:.2f}" in text
    assert "50.00, 60.00, 70.00" in text
    assert "40.00 ± 0.00" in text
    assert "3 seeds (0 to 2), folds: all" in text
    assert "generated speech: these numbers say nothing about people" in text
    assert "[confusion.png](#/experiments/1/runs/x/artifacts/confusion.png)" in text
    assert text.endswith(f"\n\n    {COMMAND}")


def test_an_experiments_note_lists_runs_with_the_same_interval(corpus):
    logged = {"wa": 0.6, "wa_sd": 0.1, "uwa": 0.4, "uwa_sd": 0.0, "seeds": 3.0}  # no F1: an older run
    ranked = [notes.Ranked("a|b", "#/a", logged, "all"), notes.Ranked("one", "#/b", metrics(0.5, 0.5), "1,2")]
    text = notes.experiment_note(notes.corpus_note(corpus), ranked)
    _, half = notes.mean_and_half_width([0.5, 0.6, 0.7])
    assert f"[a\\|b](#/a)\u00a0\u00a0 | 60.00 ± {100 * half:.2f}" in text
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
