"""Predictions as a table, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence
from itertools import chain, count
from typing import Any

from numpy.typing import NDArray

from ser.predict.predictor import Prediction, Predictor
from ser.system.text import aligned, for_spreadsheets


def as_text(model: Predictor, predictions: Sequence[Prediction], form: str, segments: bool) -> str:
    """Predictions as text.

    Args:
        model: what made them.
        predictions: in the order in which they are shown.
        form: "table" (probabilities in percent), "csv" or "json" (probabilities with all digits).
        segments: a row for each segment, not for each recording; JSON always has both.
    """
    if form == "json":
        return json.dumps(_plain(model, predictions), indent=1, ensure_ascii=False)
    parts = ["start", "end"] if segments else []
    probabilities = [f"{name} %" if form == "table" else f"p_{name}" for name in model.classes]
    heading = ["file", *parts, "emotion", *probabilities]
    given = list(dict.fromkeys(key for each in predictions for key in each.given))
    heading += _names(given, heading)
    if form == "table":
        return aligned([heading, *_rows(model, predictions, given, segments, ".2f", ".1f", 100)])
    text, rows = io.StringIO(), [heading, *_rows(model, predictions, given, segments, "", "", 1)]
    csv.writer(text, lineterminator="\n").writerows([for_spreadsheets(cell) for cell in row] for row in rows)
    return text.getvalue().rstrip("\n")


def _names(given: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The headings of users' own columns: their names, with ``_given`` where the answer has the name, all different.

    >>> _names(["emotion", "emotion_given", "note"], ["file", "emotion"])
    ['emotion_given_2', 'emotion_given', 'note']
    """
    used = {*given, *taken}
    names = []
    for key in given:
        forms = chain([f"{key}_given"], (f"{key}_given_{number}" for number in count(2)))
        names.append(next(form for form in forms if form not in used) if key in taken else key)
        used.add(names[-1])
    return names


def _rows(
    model: Predictor,
    predictions: Sequence[Prediction],
    given: Sequence[str],
    segments: bool,
    seconds: str,
    digits: str,
    factor: int,
) -> list[list[str]]:
    """The rows below the heading.

    Args:
        model, predictions, segments: as for ``as_text``.
        given: the columns of users' own.
        seconds, digits: formats.
        factor: probabilities are multiplied by it.
    """

    def shown(prediction: Prediction, probabilities: NDArray) -> list[str]:
        emotion = model.classes[probabilities.argmax()]
        own = [prediction.given.get(key, "") for key in given]
        return [emotion, *(format(factor * value, digits) for value in map(_number, probabilities)), *own]

    if not segments:
        return [[each.name, *shown(each, each.probabilities)] for each in predictions]
    return [
        [each.name, format(part.start, seconds), format(part.end, seconds), *shown(each, part.probabilities)]
        for each in predictions
        for part in each.segments
    ]


def _number(value: Any) -> float:
    """A float32 as the float with the fewest digits that stands for it: 0.1, not 0.10000000149011612."""
    return float(str(value))


def _plain(model: Predictor, predictions: Sequence[Prediction]) -> dict[str, Any]:
    def shown(probabilities: NDArray) -> dict[str, Any]:
        by_class = dict(zip(model.classes, map(_number, probabilities), strict=True))
        return {"emotion": model.classes[probabilities.argmax()], "probabilities": by_class}

    return {
        "model": {
            "configuration": model.about["parameters"],
            "networks": [{"seed": seed, "fold": fold} for seed, fold in model.members],
            "synthetic": model.about["corpus"]["synthetic"],
        },
        "files": [
            {
                "file": each.name,
                **shown(each.probabilities),
                "segments": [
                    {"start": part.start, "end": part.end, **shown(part.probabilities)} for part in each.segments
                ],
                **({"given": dict(each.given)} if each.given else {}),
            }
            for each in predictions
        ],
    }
