"""The mapping from a corpus' own labels to the classes that a model learns."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ser.corpora.names import alike, composed
from ser.corpora.roots import content
from ser.errors import UserError
from ser.system.files import expanded
from ser.system.text import listing

MISSING = frozenset(("", "nan", "none", "na", "n/a", "#n/a", "<na>", "null"))
"""What spreadsheets and programs write where a value is missing, in small letters."""


def is_missing(word: str | None) -> bool:
    """Whether a cell has no value: it is empty or has a word for a missing one.

    >>> [is_missing(word) for word in (None, "NaN", "Anna")]
    [True, True, False]
    """
    return (word or "").casefold() in MISSING


_LINES = "'exc: happy' and 'fru: null' (drops it), in YAML"


def label_map(labels: Mapping[str, str | None], defined: Collection[str] = ()) -> dict[str, str]:
    """Keep the labels that map to a class.

    >>> label_map({"exc": "happy", "hap": "happy", "fru": None})
    {'exc': 'happy', 'hap': 'happy'}

    Args:
        labels: the key ``corpus.labels``: label -> class, or None to drop the label.
        defined: the labels that the corpus has; if empty, any word may be a label.

    Raises:
        UserError: ``labels`` is not a mapping, names a label that the corpus does not have, maps every label to None,
            or a class' name is missing or differs from another one in capitals or blanks only.
    """
    if not isinstance(labels, Mapping):
        raise UserError(f"corpus.labels={labels!r} is not a mapping. Write it as corpus.labels.<label>=<class>.")
    unknown = [str(label) for label in labels if defined and str(label) not in defined]
    if unknown:
        no_label = "is no label" if len(unknown) == 1 else "are no labels"
        raise UserError(
            f"corpus.labels names {listing([*map(repr, unknown)])}, which {no_label} of this corpus. Its labels are "
            f"{', '.join(defined)}. Correct the name{'s' * (len(unknown) > 1)}."
        )
    used = {
        composed(str(label)): composed(str(emotion)).strip() for label, emotion in labels.items() if emotion is not None
    }
    if not used:
        raise UserError(f"corpus.labels={dict(labels)!r} maps no label to a class. Map two or more.")
    _check_classes(used)
    return used


def only_drops(labels: Mapping[str, str | None] | None) -> bool:
    """Whether ``corpus.labels`` names no class, but labels to drop: where any word may be a label, the others stay.

    >>> only_drops({"joy": None}), only_drops({"joy": "happy", "fear": None}), only_drops(None)
    (True, False, False)
    """
    return isinstance(labels, Mapping) and bool(labels) and all(emotion is None for emotion in labels.values())


def labels_in(file: str | Path) -> dict[str, str | None]:
    """Read the key ``corpus.labels`` from a YAML file: lines such as ``exc: happy`` and ``fru: null``.

    Args:
        file: the file; a relative path starts at the working directory.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    path = expanded(file)
    if not path.is_file():
        raise UserError(
            f"corpus.labels={file}: there is no such file. Name a YAML file with lines such as {_LINES}; or give a "
            "mapping, in quotes that keep the shell from dividing it: 'corpus.labels={joy: happy, fear: null}'."
        )
    text = content(path)
    try:
        labels: Any = OmegaConf.to_container(OmegaConf.create(text.decode("utf-8-sig")))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UserError(f"corpus.labels={file} cannot be read as YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(labels, dict) or any(isinstance(emotion, (dict, list)) for emotion in labels.values()):
        raise UserError(f"corpus.labels={file} is no list of labels. Write lines such as {_LINES}.")
    return labels


def class_order(used: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes in the order in which they first occur in ``used``, the result of ``label_map``.

    >>> class_order({"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad"})
    ('angry', 'happy', 'sad')
    """
    return tuple(dict.fromkeys(used.values()))


def _check_classes(used: Mapping[str, str]) -> None:
    for label, emotion in used.items():
        if is_missing(emotion):
            raise UserError(
                f"corpus.labels.{label}={emotion} is no name of a class. Write corpus.labels.{label}=null to drop the "
                "label, or another name."
            )
    for first, second, *_ in alike(used.values()):
        raise UserError(
            f"corpus.labels has the classes {first!r} and {second!r}, whose names are nearly equal. Write both in one "
            "way to make them one class, or give one another name."
        )
