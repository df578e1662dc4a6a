"""Copies of a recording on one side of validation, and whole speakers held out."""

import numpy as np
import pytest

from ser.data.folds import split
from ser.data.validation import HeldOutSpeakers, NextSession, Stratified
from ser.errors import UserError

SESSIONS = np.repeat([0, 1, 2, 3, 4], 40)
LABELS = np.tile(np.repeat([0, 1, 2, 3], [4, 8, 12, 16]), 5)
SPEAKERS = 2 * SESSIONS + np.arange(200) % 2
ALL = np.arange(200)
COPIES = ALL - ALL % 4
"""Each four utterances in a row are copies of one recording."""


def rng(seed=0):
    return np.random.default_rng(seed)


def parts_equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(vars(first).values(), vars(second).values(), strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("validation", [Stratified(0.2), NextSession()])
def test_copies_are_never_on_both_sides(validation, seed):
    parts = split(SESSIONS, LABELS, 2, validation, rng(seed), copies=COPIES)
    assert not set(COPIES[parts.train]) & set(COPIES[parts.validation])
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test])) == list(range(200))
    assert 0 < len(parts.validation) < len(parts.train)


def test_copies_go_where_their_first_one_was_drawn():
    alone = split(SESSIONS, LABELS, 2, Stratified(0.2), rng())
    together = split(SESSIONS, LABELS, 2, Stratified(0.2), rng(), copies=COPIES)
    firsts = {index for index in alone.validation.tolist() if COPIES[index] == index}
    assert {COPIES[index] for index in together.validation.tolist()} == firsts


def test_a_copy_in_the_test_part_stays_there_and_decides_nothing():
    copies = ALL.copy()
    copies[[0, 50, 150]] = 0  # in sessions 0, 1 and 3, as corpus.duplicates=keep allows
    for seed in range(20):
        parts = split(SESSIONS, LABELS, 1, Stratified(0.5), rng(seed), copies=copies)
        assert 0 in parts.test
        assert (50 in parts.validation) == (150 in parts.validation)


@pytest.mark.parametrize("validation", [Stratified(0.2), NextSession()])
def test_without_copies_the_parts_are_what_they_were(validation):
    before = split(SESSIONS, LABELS, 3, validation, rng(7))
    assert parts_equal(before, split(SESSIONS, LABELS, 3, validation, rng(7), copies=ALL))


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 1), (0.2, 2), (0.5, 4), (0.99, 7)])
def test_whole_speakers_are_held_out(fraction, count):
    parts = split(SESSIONS, LABELS, 1, HeldOutSpeakers(fraction), rng(), speakers=SPEAKERS)
    held_out = set(SPEAKERS[parts.validation])
    assert len(held_out) == count
    assert not held_out & set(SPEAKERS[np.concatenate([parts.train, parts.test])])
    assert len(parts.validation) == 20 * count


def test_the_speakers_are_drawn_and_the_draw_is_deterministic():
    def draw(seed):
        return split(SESSIONS, LABELS, 1, HeldOutSpeakers(0.2), rng(seed), speakers=SPEAKERS)

    assert parts_equal(draw(3), draw(3))
    assert len({tuple(draw(seed).validation) for seed in range(10)}) > 3


def test_the_only_speaker_of_a_class_is_trained_on():
    labels = np.where(SPEAKERS == 5, 3, LABELS % 3)
    for seed in range(20):
        parts = split(SESSIONS, labels, 1, HeldOutSpeakers(0.5), rng(seed), speakers=SPEAKERS)
        assert 5 in SPEAKERS[parts.train]


def test_a_fold_with_one_speaker_to_train_on_is_refused():
    few = SESSIONS < 2
    with pytest.raises(
        UserError, match=r"validation=speaker .* fold 2 has one speaker outside its test session. Add sp"
    ):
        split(SESSIONS[few], LABELS[few], 2, HeldOutSpeakers(0.2), rng(), speakers=SESSIONS[few])


def test_a_fold_of_which_no_speaker_can_be_held_out_is_refused():
    labels = SPEAKERS % 2
    few = SESSIONS < 2
    with pytest.raises(UserError, match=r"in fold 1 no speaker can be held out, .* lack a class without any of the 2"):
        split(SESSIONS[few], labels[few], 1, HeldOutSpeakers(0.2), rng(), speakers=SPEAKERS[few])


def test_a_scheme_of_ones_own_is_given_the_speakers_if_it_asks_for_them():
    class OneSpeaker:
        by_speaker = True

        def __call__(self, sessions, labels, test, rng, *, speakers):
            return speakers == 5

    class OneSession:
        def __call__(self, sessions, labels, test, rng):
            return sessions == 3

    by_speaker = split(SESSIONS, LABELS, 1, OneSpeaker(), rng(), speakers=SPEAKERS)
    assert set(SPEAKERS[by_speaker.validation]) == {5}
    assert set(SESSIONS[split(SESSIONS, LABELS, 1, OneSession(), rng(), speakers=SPEAKERS).validation]) == {3}
