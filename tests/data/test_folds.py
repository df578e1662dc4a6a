"""Folds: the training, validation and test parts."""

import numpy as np
import pytest

from ser.data.folds import missing_classes, split
from ser.data.validation import NextSession, Stratified
from ser.errors import UserError

SESSIONS = np.repeat([0, 1, 2, 3, 4], 40)
LABELS = np.tile(np.repeat([0, 1, 2, 3], [4, 8, 12, 16]), 5)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_parts_are_disjoint_and_complete_and_the_test_part_is_one_session(fold):
    parts = split(SESSIONS, LABELS, fold, Stratified(0.2), rng())
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(200))
    assert set(SESSIONS[parts.test]) == {fold - 1}
    assert fold - 1 not in SESSIONS[np.concatenate([parts.train, parts.validation])]


def test_validation_is_a_random_fifth_of_every_emotion_of_the_other_sessions():
    parts = split(SESSIONS, LABELS, 1, Stratified(0.2), rng())
    assert np.bincount(LABELS[parts.validation]).tolist() == [3, 6, 10, 13]  # of 16, 32, 48, 64
    assert (parts.validation != split(SESSIONS, LABELS, 1, Stratified(0.2), rng(1)).validation).any()


@pytest.mark.parametrize("fold, session", [(1, 1), (4, 4), (5, 0)])
def test_the_session_after_the_test_session_validates_cyclically(fold, session):
    parts = split(SESSIONS, LABELS, fold, NextSession(), rng())
    assert set(SESSIONS[parts.validation]) == {session}
    assert len(parts.train) == 120


def test_an_empty_validation_part_is_refused():
    with pytest.raises(UserError, match="no validation part"):
        split(SESSIONS[:80], LABELS[:80], 1, Stratified(0.001), rng())


def test_missing_classes_are_named():
    labels = LABELS.copy()
    labels[SESSIONS != 2] = np.maximum(labels[SESSIONS != 2], 1)  # class 0 in session 3 alone
    parts = split(SESSIONS, labels, 3, Stratified(0.2), rng())
    assert missing_classes(parts, labels, ("angry", "happy", "sad", "neutral")) == ["'angry' in its training part"]
    parts = split(SESSIONS, labels, 1, Stratified(0.2), rng())
    assert missing_classes(parts, labels, ("angry", "happy", "sad", "neutral")) == ["'angry' in its test part"]
