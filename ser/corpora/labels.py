"""A corpus' own labels and the classes they stand for."""

from collections.abc import Mapping

from ser.errors import UserError


def label_map(labels: Mapping[str, str | None]) -> dict[str, str]:
    """The labels that stand for a class; those mapped to None are left out.

    Raises:
        UserError: ``labels`` is no mapping, or maps nothing to a class.
    """
    if not isinstance(labels, Mapping):
        raise UserError(f"corpus.labels={labels!r} is not a mapping. Write it as corpus.labels.<label>=<class>.")
    used = {str(label): str(emotion) for label, emotion in labels.items() if emotion is not None}
    if not used:
        raise UserError(f"corpus.labels={dict(labels)!r} maps no label to a class. Map two or more.")
    return used


def class_order(used: Mapping[str, str]) -> tuple[str, ...]:
    """The classes in the order in which the mapping ``used`` names them first."""
    return tuple(dict.fromkeys(used.values()))
