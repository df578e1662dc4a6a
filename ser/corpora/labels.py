"""The mapping from a corpus' own labels to the classes that a model learns."""

from collections.abc import Mapping

from ser.errors import UserError


def label_map(labels: Mapping[str, str | None]) -> dict[str, str]:
    """Keep the labels that map to a class.

    >>> label_map({"exc": "happy", "hap": "happy", "fru": None})
    {'exc': 'happy', 'hap': 'happy'}

    Args:
        labels: the key ``corpus.labels``: label -> class, or None to drop the label.

    Raises:
        UserError: ``labels`` is not a mapping, or maps every label to None.
    """
    if not isinstance(labels, Mapping):
        raise UserError(f"corpus.labels={labels!r} is not a mapping. Write it as corpus.labels.<label>=<class>.")
    used = {str(label): str(emotion) for label, emotion in labels.items() if emotion is not None}
    if not used:
        raise UserError(f"corpus.labels={dict(labels)!r} maps no label to a class. Map two or more.")
    return used


def class_order(used: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes in the order in which they first occur in ``used``, the result of ``label_map``.

    >>> class_order({"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad"})
    ('angry', 'happy', 'sad')
    """
    return tuple(dict.fromkeys(used.values()))
