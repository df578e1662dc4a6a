"""The tables of intervals over speakers against the stored predictions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from multirun_analysis import speakers
from ser.errors import UserError

SCORES = {"WA": accuracy_score, "UWA": balanced_accuracy_score}


def over_seeds(frames, score):
    return np.mean([score(frame["gold"], frame["predicted"]) for frame in frames])


def check(row, frames):
    """A written row against the predictions of each seed."""
    speakers = sorted(frames[0]["speaker"].unique())
    for name, score in SCORES.items():
        without = [over_seeds([frame[frame["speaker"] != one] for frame in frames], score) for one in speakers]
        value, n = over_seeds(frames, score), len(speakers)
        half = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) * np.var(without))
        shown = row.filter(regex=f"^{name} %, other speakers").astype(float).tolist()
        assert shown == pytest.approx([value, max(value - half, 0), min(value + half, 1)], abs=1e-9)
        assert row[f"{name} %, other seeds [95 %]"] == pytest.approx(value)
    single = [over_seeds([frame[frame["speaker"] == one] for frame in frames], accuracy_score) for one in speakers]
    assert (row["lowest speaker, WA %"], row["highest speaker, WA %"]) == pytest.approx((min(single), max(single)))
    assert (row["speakers"], row["seeds"]) == (n, len(frames))


def test_the_rows_of_table_3_are_those_of_its_predictions(full, trained):
    frame = full.csv("table3_intervals").set_index("cell")
    assert [cell.partition(":")[0] for cell in frame.index] == [f"Exp. {experiment}" for experiment in range(1, 6)]
    l2 = frame.index[3]
    weight = l2.rpartition(" = ")[2]
    check(frame.loc["Exp. 5: baseline"], list(trained(loss="none").attrs["predictions"].values()))
    check(frame.loc[l2], list(trained(loss="l2", **{"lambda": weight}).attrs["predictions"].values()))


def test_a_row_of_several_cells_is_their_mean(ask, trained):
    frame = ask("sweep=fig4", "by=loss", arguments=()).csv("sweep_fig4_by_loss_intervals").set_index("loss")
    weights = [trained(loss="l2", **{"lambda": weight}).attrs["predictions"] for weight in ("0.6", "1")]
    together = [pd.concat([of_weight[seed] for of_weight in weights]) for seed in weights[0]]
    check(frame.loc["l2"], together)


def test_the_table_is_shown_where_it_is_asked_for(ask):
    usual, asked = (ask("sweep=fig4", "by=loss", *more, arguments=()) for more in ((), ("interval=speakers",)))
    for name in ("sweep_fig4_by_loss_intervals", "sweep_fig4_by_loss_speakers"):
        table = asked.markdown(name)
        assert table in asked.text
        assert table not in usual.text
        assert usual.markdown(name) == table
    frame = asked.csv("sweep_fig4_by_loss_speakers")
    assert len(frame) == 1
    assert frame["difference"][0] in ("loss=cos - loss=l2", "loss=l2 - loss=cos")
    with pytest.raises(UserError, match="interval must be seeds or speakers, got folds"):
        ask("sweep=fig4", "by=loss", "interval=folds", arguments=())


@pytest.mark.parametrize("key", ["corpus", "corpus.seed"])
def test_speakers_of_two_corpora_with_one_name_are_two(monkeypatch, hand, key):
    """The four speakers of corpus a are always right, those of corpus b never."""
    names = ["01", "02", "03", "04"]
    rows = {"gold": list("xy" * 4), "speaker": sorted(2 * names), "fold": [1, 2] * 4}
    answers = {"a": list("xy" * 4), "b": list("yx" * 4)}
    scores = [hand.scores({key: corpus, "corpus.root": corpus, "loss": "cos"}, wa=[0.5, 0.5]) for corpus in answers]

    def stored(collected, one, seed):
        return pd.DataFrame({**rows, "predicted": answers[one[key]]})

    monkeypatch.setattr(speakers, "predicted", stored)
    study = hand.study(*scores, swept=(key, "loss"))
    (table,) = speakers.tables("t", study, ["loss"], {("cos",): scores}, "a sweep")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["speakers"] == 8
    assert (row["lowest speaker, WA %"].value, row["highest speaker, WA %"].value) == (0, 1)


def test_speakers_of_two_variants_of_one_corpus_are_the_same(monkeypatch, hand):
    """Such as its improvised and its scripted turns."""
    frame = pd.DataFrame({"gold": list("xy" * 4), "predicted": ["x"] * 8, "speaker": sorted(2 * "abcd"), "fold": 1})
    variants = ("improvised", "scripted")
    scores = [
        hand.scores({"corpus": "c", "corpus.root": "c", "corpus.turns": turns, "loss": "cos"}, wa=[0.5, 0.5])
        for turns in variants
    ]
    monkeypatch.setattr(speakers, "predicted", lambda *_: frame)
    study = hand.study(*scores, swept=("corpus.turns", "loss"))
    (table,) = speakers.tables("t", study, ["loss"], {("cos",): scores}, "a sweep")
    assert dict(zip(table.columns, table.rows[0], strict=True))["speakers"] == 4
