"""Labels of the additional tasks."""

from pathlib import Path

import pytest

from ser.aux_tasks.gender import Gender
from ser.aux_tasks.ratings import Activation, Valence
from ser.aux_tasks.task import IGNORED, labels_of
from ser.corpora.ratings import EDGES, UNRATED, rating_class
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError


def utterance(name: str, **known) -> Utterance:
    return Utterance(name, Path(f"{name}.wav"), "sad", "1", "s", **known)


def test_ratings_are_binned_by_hand():
    ratings = (1.0, 2.0, 2.01, 3.99, 4.0, 5.5, 0.5, None)
    assert [rating_class(rating, *EDGES) for rating in ratings] == [0, 0, 1, 1, 2, 2, 0, UNRATED]


def test_an_utterance_without_a_rating_is_ignored():
    utterances = [utterance("a", valence=1.5), utterance("b", activation=5.0), utterance("c", valence=3.0)]
    assert Valence([2, 4])(utterances).tolist() == [0, IGNORED, 1]
    assert Activation([2, 4])(utterances).tolist() == [IGNORED, 2, IGNORED]


def test_gender_is_female_or_male_or_ignored():
    utterances = [utterance("a", gender="male"), utterance("b", gender="female"), utterance("c")]
    assert Gender()(utterances).tolist() == [1, 0, IGNORED]


def test_a_corpus_without_the_labels_of_a_task_is_refused_and_its_own_labels_are_named():
    corpus = Corpus("mine", Path(), (utterance("a", gender="male"), utterance("b")))
    assert labels_of(Gender(), corpus, "gender").tolist() == [1, IGNORED]
    with pytest.raises(UserError, match=r"aux_task=valence: the corpus mine does not carry ratings of valence.*gender"):
        labels_of(Valence([2, 4]), corpus, "valence")
