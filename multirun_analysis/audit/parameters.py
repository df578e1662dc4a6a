"""Which parameters of a point are choices of their own, and which option each of them belongs to."""

from collections.abc import Collection, Iterable, Mapping

from ser.config.words import NUMBERS, parameter_of
from ser.sweep.planned import Point


def swept_parameters(keys: Iterable[str]) -> frozenset[str]:
    """The parameters that swept keys stand for: ``lambda.weight`` for lambda and its schedule, ``lambda.name``."""
    names = {parameter_of(key) for key in keys}
    return frozenset(names | {f"{name}.name" for name in names if name in NUMBERS})


def free_parameters(point: Point, swept: Collection[str] = ()) -> dict[str, str]:
    """The parameters that a point could have chosen freely.

    Left out are those that another choice determines (``ser.config.canonical``, an official split), and the corpus'
    keys, among them the place of its files: the fingerprint tells its content. The schedule of a constant number is
    called ``constant``.
    """
    parameters, determined = point.parameters, ["corpus."]
    if parameters.get("loss") == "none":
        determined += ["lambda", "loader", "position", "trainer.batch_norm"] + ["loss"] * ("lambda" in swept)
    if parameters.get("aux_task") == "none" and "aux_task.weight" in swept:
        determined += ["aux_task"]
    if parameters.get("feature.log") == "natural":
        determined += ["feature.top_db"]
    by_split = ("validation", "validation.fraction") if point.sessions == 1 else ()
    named = {f"{prefix}.name": "constant" for prefix in NUMBERS} | parameters
    return {key: value for key, value in named.items() if not key.startswith(tuple(determined)) and key not in by_split}


def by_value(key: str, rows: Iterable[tuple[Point, Mapping[str, str]]]) -> list[dict[str, list[Point]]]:
    """Group points by the value of a key, separately for each option that the key belongs to.

    Args:
        key: the key; points without it are left out.
        rows: each point with its parameters.
    """
    result: dict[str, dict[str, list[Point]]] = {}
    for point, parameters in rows:
        if key in parameters:
            result.setdefault(_option(key, parameters), {}).setdefault(parameters[key], []).append(point)
    return list(result.values())


def _option(key: str, parameters: Mapping[str, str]) -> str:
    """The option that a key belongs to: ``cos`` for ``loss.margin``, an empty text for ``loss`` itself."""
    prefix, dot, last = key.partition(".")
    if not dot or (prefix in NUMBERS and last == "name"):
        return ""
    return parameters.get(f"{prefix}.name" if prefix in NUMBERS else prefix, "")
