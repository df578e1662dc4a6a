"""A small version of ``benchmarks.verdicts``: the drawn trainings are what it says, and verdicts are rarely wrong."""

import numpy as np
import pytest

from benchmarks import speakers, verdicts
from benchmarks.verdicts import ACCURACY, CORPORA, KINDS, PARTS, Corpus, rates, studies, wrong_verdicts
from multirun_analysis.paper.claims import all_claims


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_drawn_trainings_are_as_accurate_and_as_spread_as_they_say(corpus):
    rng = np.random.default_rng(0)
    wa = corpus.wa(rng, (20_000,))
    assert wa.mean() == pytest.approx(100 * ACCURACY, abs=0.6)  # the number of hard utterances is whole
    assert wa.std() == pytest.approx(corpus.sd, rel=0.03)
    assert np.allclose(wa * corpus.utterances / 100, np.round(wa * corpus.utterances / 100)), "discrete"
    assert corpus.sizes.sum() == corpus.utterances
    raised = corpus.wa(rng, (20_000,), 0.0114)
    assert raised.mean() - wa.mean() == pytest.approx(1.14, abs=0.05)


@pytest.mark.parametrize("agreement", [0.8, 0.95])
def test_two_drawn_trainings_agree_on_the_given_share_of_utterances(agreement):
    error = Corpus(200, agreement).error
    assert error**2 + (1 - error) ** 2 == pytest.approx(agreement)


def test_a_report_has_the_number_of_statements_that_the_levels_assume():
    claims = all_claims(*studies(CORPORA[0], 3, np.random.default_rng(0)))
    assert len({part.words for claim in claims for part in claim.parts if part.test is not None}) == PARTS
    assert not [part.words for claim in claims for part in claim.parts if part.missing]


@pytest.mark.parametrize("corpus", [CORPORA[1], CORPORA[4]], ids=lambda corpus: corpus.name)
def test_reports_on_nothing_are_rarely_wrong_and_with_two_seeds_never(corpus):
    """With 200 utterances and seeds that agree on 95 %, two seeds had a wrong verdict in 63 % of the reports."""
    assert not any(wrong_verdicts(corpus, 2, 15))
    wrong = [bool(names) for seeds in (3, 20) for names in wrong_verdicts(corpus, seeds, 25)]
    assert np.mean(wrong) <= 0.1  # 50 reports at 5 %: more than 5 in one of 26


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_and_one_statement_is_rarely_wrong(kind):
    repetitions = 25 if kind.startswith("rises") else 300
    for seeds in (3, 20):
        found = rates(kind, CORPORA[0], seeds, 0.0, repetitions)
        assert found.covered >= (0.85 if kind.startswith("rises") else 0.92)
        wrong = 0.0 if kind.startswith("alike") else verdicts._wrong(kind, found)
        assert wrong <= 0.014


def test_the_papers_effect_is_found_in_a_large_corpus_with_twenty_seeds_and_not_in_a_small_one():
    small, large = CORPORA[0], CORPORA[5]
    for kind in ("better (one cell)", "better at most λ", "steadier"):
        assert rates(kind, large, 20, 1.14, 40).supported > 0.95
        assert rates(kind, small, 5, 1.14, 40).supported < 0.2


def test_the_tables_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(verdicts, "SEEDS", (2, 3))
    monkeypatch.setattr(verdicts, "CORPORA", CORPORA[:2])
    for section in (*verdicts.reports(1), verdicts.power(8), verdicts.coverage(8), verdicts.false_verdicts(8)):
        text = section.text()
        assert "2 seeds | 3 seeds" in text
        assert len(section.rows) >= 2
    verdicts.main(["part=speakers", "quick=true"])
    printed = capsys.readouterr().out
    assert "| 20 seeds, 24 speakers |" in printed
    assert "| 4 speakers |" in printed


def test_drawn_speakers_are_as_accurate_as_they_say():
    right, counts = speakers.draw(20_000, np.random.default_rng(0))
    assert right.sum() / counts.sum() == pytest.approx(speakers.TRUTHS[0], abs=0.003)
    assert (right.sum(axis=0) / counts.sum(axis=0)).mean() == pytest.approx(speakers.TRUTHS[1], abs=0.003)


def test_an_unknown_part_or_key_is_refused():
    for given in ("seeds=3", "part=all"):
        with pytest.raises(SystemExit, match="part=claims"):
            verdicts.main([given])
