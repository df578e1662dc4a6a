"""``python -m multirun_analysis robustness``: the tables, or with ``show=commands`` what trains them."""

from collections.abc import Mapping, Sequence

from multirun_analysis.robustness.judge import Robustness, make_robustness
from multirun_analysis.robustness.readings import Reading, make_readings, merge
from multirun_analysis.robustness.variants import Multiverse, read
from multirun_analysis.store.collect import collect
from ser.config.groups import Tracking
from ser.config.settings import Settings
from ser.config.words import key_of
from ser.errors import UserError
from ser.sweep.plan import compose_settings

OPTIONS = ("variants", "sweeps", "show")
"""The options of this command: a file of variants, names of its sweeps, and ``tables`` or ``commands``."""


def robustness(overrides: Sequence[str], options: Mapping[str, str]) -> Robustness:
    """Judge the claims in every variant, from what the tracking store has.

    Args:
        overrides: what was typed, as for ``ser.run``.
        options: ``variants`` and ``sweeps``, if they were given.

    Raises:
        UserError: an override or the file of variants is wrong, or the tracking store cannot be read.
    """
    multiverse = read(options.get("variants"), options.get("sweeps"))
    tracking = _settings(multiverse, overrides).tracking
    store = tracking.uri, tracking.experiment
    collect(*store, ())  # composing reads the corpus: refuse before that if the store does not exist
    return make_robustness(make_readings(multiverse, overrides), *store, multiverse.left_out)


def for_report(overrides: Sequence[str]) -> Robustness | None:
    """Judge the claims over the shipped variants for a report, if ``make robustness`` has trained any of them.

    Args:
        overrides: those of the report, but for such that are for a single experiment.

    Returns:
        The judgement with the report's number of seeds, or with the shipped one if only that was trained; else None.

    Raises:
        UserError: an override is wrong, or the tracking store cannot be read.
    """
    multiverse = read(None, None)
    if not any((_settings(multiverse, overrides).results / "sweeps").glob("robustness-*")):
        return None
    fewer = [override for override in overrides if key_of(override) not in ("repeats", "seed")]
    for seeds in dict.fromkeys([tuple(overrides), tuple(fewer)]):
        judged = robustness(seeds, {})
        if judged.was_run:
            return judged
    return None


def commands(overrides: Sequence[str], options: Mapping[str, str]) -> str:
    """List what trains the variants: a line for each command, after lines with ``#`` that say how much it is.

    A sweep of which the tracking store has everything is left out.

    Args:
        overrides, options: as for ``robustness``.

    Raises:
        UserError: an override or the file of variants is wrong.
    """
    multiverse = read(options.get("variants"), options.get("sweeps"))
    readings = make_readings(multiverse, overrides)
    planned = set().union(*(reading.trainings for reading in readings))
    complete = _complete(readings, _settings(multiverse, overrides).tracking)
    missing = set().union(
        *(
            plan.signatures()
            for reading in readings
            for sweep, plan in reading.plans.items()
            if sweep in reading.changed and sweep not in complete[reading.name]
        )
    )
    variants = f"{len(readings) - 1} variant{'s' * (len(readings) != 2)}"
    lines = [
        f"# {len(planned)} trainings: the grid as chosen, and in {variants} of what the paper leaves open. "
        f"{len(missing)} of them are in sweeps that the store does not have as a whole."
    ]
    for reading in readings:
        sweeps = ", ".join(reading.changed) or "the same as chosen"
        lines.append(f"# {reading.name}: {len(reading.trainings)} trainings ({sweeps})")
        lines += [f"# {reading.name} cannot run: {name}: {text}" for name, text in reading.errors.items()]
    return "\n".join([*lines, *(line for one in readings for line in one.commands(complete[one.name]))])


def show(options: Mapping[str, str]) -> str:
    """The value of ``show``.

    Raises:
        UserError: it is none of ``tables`` and ``commands``.
    """
    value = options.get("show", "tables")
    if value not in ("tables", "commands"):
        raise UserError(f"show must be tables or commands, got {value}.")
    return value


def _settings(multiverse: Multiverse, overrides: Sequence[str]) -> Settings:
    first = next(iter(multiverse.sweeps.values()))
    return compose_settings(merge([*multiverse.common, *overrides, *first]))


def _complete(readings: Sequence[Reading], tracking: Tracking) -> dict[str, set[str]]:
    """The sweeps of which the store has all trainings, by the names of the readings; none if there is no store yet."""
    try:
        made = make_robustness(readings, tracking.uri, tracking.experiment)
    except UserError:
        return {reading.name: set() for reading in readings}
    return {reading.name: set(reading.changed) - set(made.incomplete(reading)) for reading in readings}
