"""Configurations that predict the same, and what that may come from."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from ser.config.words import differing
from ser.results.outcome import Outcome
from ser.system.text import listing

_ADAM = ("adam", "adamw")


def digest(outcomes: Iterable[Outcome]) -> str:
    """A hash of everything that was predicted: seeds, folds, utterances and their predicted classes."""
    text = [(o.seed, o.fold, o.ids, o.average.argmax(axis=1).tolist()) for o in outcomes]
    return hashlib.sha256(repr(sorted(text)).encode()).hexdigest()


def named(rows: Sequence[Mapping[str, str]], among: Sequence[Mapping[str, str]]) -> list[str]:
    """Name configurations by the keys in which those of the table differ: ``loss=cos lambda=0.6``.

    Args:
        rows: the parameters of the configurations to be named.
        among: the parameters of all configurations of the table.
    """
    keys = differing(among)
    return [" ".join(f"{key}={row[key]}" for key in keys if key in row) for row in rows]


def reason(rows: Sequence[Mapping[str, str]]) -> str:
    """Say what equal predictions of these configurations, given by their parameters, may come from."""
    keys = differing(rows)
    adam = all(row.get("trainer", "adam") in _ADAM for row in rows)
    if adam and set(keys) <= {"lambda"}:
        return (
            "lambda weighs the two parts of the loss, and Adam divides a gradient by its scale, so that a factor on "
            "the loss cancels where one part outweighs the other or moves other weights than it; after few steps the "
            "predictions can be the same."
        )
    if adam and set(keys) <= {"aux_task", "aux_task.weight"}:
        return (
            "the additional task enters the loss with the factor aux_task.weight. Where that is small, or changes "
            "little, Adam, which divides a gradient by its scale, takes nearly the same steps; after few of them the "
            "predictions can be the same."
        )
    verb = "has" if len(keys) == 1 else "have"
    return f"{' and '.join(keys)} {verb} no effect on them, or they were trained too shortly for one."


def note(rows: Sequence[Mapping[str, str]], among: Sequence[Mapping[str, str]], what: str = "equal predictions") -> str:
    """Say that configurations are equal in ``what``, for all seeds and folds, and what that may come from."""
    listed = listing(named(rows, among), shown=6, between="; ")
    return f"In all seeds and folds {what}: {listed}. A possible reason: {reason(rows)}"
