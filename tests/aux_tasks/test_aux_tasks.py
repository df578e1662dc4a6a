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
    people = (utterance("a", gender="male"), utterance("b"), utterance("c", gender="female"))
    corpus = Corpus("mine", Path(), people)
    assert labels_of(Gender(), corpus, "gender").tolist() == [1, IGNORED, 0]
    with pytest.raises(UserError, match=r"aux_task=valence: the corpus mine does not carry ratings of valence.*gender"):
        labels_of(Valence([2, 4]), corpus, "valence")


def rated(*ratings: float) -> tuple[Utterance, ...]:
    return tuple(utterance(f"u{number}", valence=rating) for number, rating in enumerate(ratings))


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ((0.1, 0.9, 0.5), r"low \(3 utterances\).*from 0.1 to 0.9, with aux_task.edges=\[2,4\]. Choose edges within"),
        ((-1, 1), r"low \(2 utterances\).*from -1 to 1, with aux_task.edges=\[2,4\]"),
        ((20, 80.5), r"high \(2 utterances\).*from 20 to 80.5, with aux_task.edges=\[2,4\]"),
    ],
)
def test_ratings_that_are_all_of_one_class_are_refused_with_edges_and_range(ratings, message):
    with pytest.raises(UserError, match=f"aux_task=valence: the corpus mine has one class only, {message}"):
        labels_of(Valence([2, 4]), Corpus("mine", Path(), rated(*ratings)), "valence")
    assert set(labels_of(Valence([min(ratings), max(ratings)]), Corpus("mine", Path(), rated(*ratings)), "v")) >= {0, 2}


def test_ratings_that_are_all_equal_are_refused_and_no_edges_are_proposed():
    with pytest.raises(UserError, match=r"high \(2 utt.*All ratings of valence there are 5\. Use aux_task=none\."):
        labels_of(Valence([2, 4]), Corpus("mine", Path(), rated(5, 5)), "valence")


def test_speakers_of_one_gender_are_refused():
    men = Corpus("mine", Path(), (utterance("a", gender="male"), utterance("b"), utterance("c", gender="male")))
    with pytest.raises(UserError, match=r"aux_task=gender: the corpus mine has one class only, male \(2 utterances\)"):
        labels_of(Gender(), men, "gender")


class Loud:
    """A user's own task, with the needed members only."""

    classes, needs = 3, "loudness"

    def __call__(self, utterances):
        return [1] * len(utterances)


def test_a_task_of_ones_own_with_one_class_is_refused_by_the_classs_number():
    with pytest.raises(UserError, match=r"aux_task=loud: the corpus mine has one class only, 1 \(2 utt.*aux_task=none"):
        labels_of(Loud(), Corpus("mine", Path(), rated(1, 2)), "loud")


@pytest.mark.parametrize(
    ("highest", "edges", "doubtful"), [(7, [2, 4], True), (7, [3, 5], False), (5.5, [2, 4], False)]
)
def test_ratings_beyond_the_scale_of_the_default_edges_are_doubtful(highest, edges, doubtful):
    assert bool(Valence(edges).doubt(rated(1, 3, highest))) is doubtful
    assert Valence(edges).doubt([utterance("a")]) is None


def test_the_doubt_tells_the_range():
    doubt = (
        "The ratings of valence go from 1 to 7, with aux_task.edges=[2,4]. These edges are made for ratings from 1 to 5"
    )
    assert str(Valence([2, 4]).doubt(rated(1, 7))).startswith(doubt)
