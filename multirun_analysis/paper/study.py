"""The studies behind the paper's tables and figures: grids of ``conf/experiment``, and what the store has of them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from multirun_analysis.grids import Study, configurations, study_of
from multirun_analysis.store.collect import collect
from ser.config.words import as_typed, differing
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_plan, compose_settings
from ser.sweep.planned import Plan, merged


def make_paper_study(
    experiments: Mapping[str, Sequence[str]],
    axes: Sequence[str],
    optional: Mapping[str, Sequence[str]] | None = None,
) -> Study:
    """Compose grids of ``conf/experiment``, and read what the tracking store has of them.

    Args:
        experiments: for each option of the group ``experiment``, the further overrides that were given to
            ``python -m ser.run -m experiment=...``.
        axes: the parameters that determine the place of a point in the table or figure.
        optional: those of the experiments that are left out where the store has nothing of them or the corpus cannot
            run them, each with the parameters that determine a point's place besides ``axes``.

    Raises:
        UserError: an override is wrong, two points have the same place, or the tracking store cannot be read.
    """
    optional = optional or {}
    first, overrides = next(iter(experiments.items()))
    tracking = compose_settings(_overrides(first, overrides)).tracking
    store = tracking.uri, tracking.experiment
    collect(*store, ())  # composing reads the corpus: refuse before that if the store does not exist
    needed = [_plan(name, given) for name, given in experiments.items() if name not in optional]
    _refuse_two_points_in_one_place(needed, axes)
    possible = {name: plan for name in optional if (plan := _plan_if_possible(name, experiments[name]))}
    collected = collect(*store, configurations([*needed, *possible.values()]))
    stored = set(collected.replicas["configuration"])
    trained = {name: plan for name, plan in possible.items() if stored & configurations([plan])}
    for name, plan in trained.items():
        _refuse_two_points_in_one_place([plan], [*axes, *optional[name]])
    further = [key for name in trained for key in optional[name] if _is_one(key, needed)]
    study = study_of([*needed, *trained.values()], collected, [*axes, *further])
    not_trained = {name: _command(plan) for name, plan in possible.items() if name not in trained}
    return replace(study, not_trained=not_trained)


def _plan(experiment: str, arguments: Sequence[str]) -> Plan:
    return compose_plan(_overrides(experiment, arguments))


def _plan_if_possible(experiment: str, arguments: Sequence[str]) -> Plan | None:
    """The plan of an experiment; None if no point of it can run on the corpus, for want of ratings, say.

    Raises:
        UserError: an override is wrong.
    """
    try:
        plan = _plan(experiment, arguments)
    except UserError:
        compose_settings(_overrides(experiment, arguments))  # tells what is wrong with an override
        return None
    return plan if configurations([plan]) else None


def _is_one(key: str, plans: Sequence[Plan]) -> bool:
    """Whether all points have one value of a parameter: one in which they differ is the audit's matter."""
    return len({point.parameters.get(key) for plan in plans for point in plan.points}) <= 1


def _command(plan: Plan) -> str:
    """The command line that trains a plan, for a shell."""
    return shlex.join(["python", "-m", "ser.run", "-m", *map(as_typed, plan.overrides)])


def _overrides(experiment: str, arguments: Sequence[str]) -> list[str]:
    return rewrite([f"experiment={experiment}", *arguments])


def _refuse_two_points_in_one_place(plans: Sequence[Plan], axes: Sequence[str]) -> None:
    places: dict[tuple[str, ...], Mapping[str, str]] = {}
    for point in merged(point for plan in plans for point in plan.points):
        given = point.parameters
        first = places.setdefault(tuple(given.get(axis, "") for axis in axes), given)
        if first is not given and point.configuration is not None:
            key, *_ = differing([given, first])
            raise UserError(
                f"The grid has {key}={first.get(key, '')} and {key}={given.get(key, '')}, but the table has one place "
                f"for both: give {key} one value, or use sweep=NAME by={key}."
            )
