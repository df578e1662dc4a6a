"""Three classes for the mean rating of an utterance: Lian et al. 2018, section 4.2."""

from collections.abc import Iterable

from ser.corpora.table import Utterance

RATINGS = ("valence", "activation", "dominance")
"""The dimensions that raters judge; each is an attribute of ``ser.corpora.table.Utterance``."""

EDGES = (2.0, 4.0)
"""Edges of the paper's classes: low [1, 2], medium (2, 4), high [4, 5]. ``conf/aux_task`` has the same defaults."""

SCALE = (0.5, 5.5)
"""The lowest and the highest rating of the scale that ``EDGES`` is made for: 1 to 5, but files of IEMOCAP go beyond."""

UNRATED = -1
"""The class of an utterance without a rating."""


def rating_range(utterances: Iterable[Utterance], dimension: str) -> tuple[float, float] | None:
    """The lowest and the highest rating of the utterances in a dimension; None if none is rated."""
    ratings = [rating for utterance in utterances if (rating := getattr(utterance, dimension)) is not None]
    return (min(ratings), max(ratings)) if ratings else None


def rating_class(rating: float | None, low: float, high: float) -> int:
    """Return the class of a rating: 0 if rating <= low, 1 if low < rating < high, 2 if rating >= high.

    >>> [rating_class(rating, low=2, high=4) for rating in (2.0, 2.5, 4.0, None)]
    [0, 1, 2, -1]

    Args:
        rating: the mean over the raters; None gives ``UNRATED``.
        low: the highest rating of the class low.
        high: the lowest rating of the class high.
    """
    return UNRATED if rating is None else int(rating > low) + int(rating >= high)
