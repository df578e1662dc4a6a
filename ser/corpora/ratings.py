"""Mean ratings of an utterance in three classes: Lian et al. 2018, section 4.2."""

RATINGS = ("valence", "activation", "dominance")
"""What may be rated; each is an attribute of ``ser.corpora.table.Utterance``."""

EDGES = (2.0, 4.0)
"""The paper's classes: low [1, 2], medium (2, 4), high [4, 5]; also the default in ``conf/aux_task``."""

UNRATED = -1
"""The class of an utterance without a rating."""


def rating_class(rating: float | None, low: float, high: float) -> int:
    """Low (0) up to and including ``low``, high (2) from ``high`` on, else medium (1); UNRATED without a rating.

    >>> [rating_class(rating, 2, 4) for rating in (2.0, 2.5, 4.0, None)]
    [0, 1, 2, -1]
    """
    return UNRATED if rating is None else int(rating > low) + int(rating >= high)
