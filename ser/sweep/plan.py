"""Making the plan of a sweep: all of its points are composed and checked before the first one runs."""

import argparse
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from ser.config.settings import Settings, resolve
from ser.config.words import as_typed
from ser.corpora.table import dropped_text
from ser.data import official
from ser.data.experiment import Experiment, make_experiment, parameters_of
from ser.errors import UserError
from ser.results.metrics import add_own
from ser.sweep import launchers
from ser.sweep.code import changes, modules, not_followed, without_weights
from ser.sweep.compose import Composer, composer
from ser.sweep.handover import SOURCES
from ser.sweep.places import check_experiments, check_one_value, check_places, files_here, stores
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import mixed, store_plan
from ser.system import environment
from ser.system.text import listing

_log = logging.getLogger(__name__)
MOST_TRAININGS = 1_000_000
"""The most trainings of a sweep. The paper's grids with 20 seeds have 16,400."""


def make_plan(args: argparse.Namespace, dry: bool = False) -> tuple[Plan, list[Experiment]] | None:
    """Compose and check every point of a command line, and store the plan.

    Args:
        args: the command line as Hydra's own parser read it.
        dry: only check: no features are extracted, no plan is stored, and that its launcher can take the jobs is not
            asked for. The hashes of audio files are still kept in the cache, and the synthetic corpus is written.

    Returns:
        The plan, and the experiments of its points that this process can train as one queue: those that can run, or
        none where a launcher runs the jobs elsewhere. None where another sweeper than Hydra's basic one chooses the
        points as it goes.

    Raises:
        UserError: an override is wrong in any of the points, or no point can run, all for one reason.
    """
    overrides = [o for o in args.overrides if o != "hydra.mode=MULTIRUN"]
    if args.config_path:
        raise UserError("--config-path is not supported: it would hide the project's groups. Use --config-dir.")
    sweep = bool(args.multirun) or len(overrides) < len(args.overrides)
    with composer(args.config_name, args.config_dir) as composing:
        points = composing.points(overrides, sweep)
        if points is None:
            return None
        composed = _composed(overrides, points, composing)
    here = launchers.runs_here(composed.hydra.launcher)
    _check(composed, here, dry)
    plan, experiments = _load(composed, extract=here and not dry)
    for sentence in chain(_used(plan, experiments), _former(experiments, remember=not dry)):
        _log.info(sentence)
    if dry:
        return plan, experiments
    os.environ[SOURCES] = json.dumps({k: v for experiment in experiments for k, v in modules(experiment).items()})
    for sentence in mixed(plan):
        _log.warning(sentence)
    for sentence in files_here([experiment.settings for experiment in experiments]):
        _log.info(sentence)
    cannot = [point for point in plan.points if point.error]
    if cannot:
        _log.warning("%d of %d points cannot run, the others will: %s", len(cannot), len(plan.points), cannot[0].error)
    store_plan(plan)
    return plan, experiments if composed.hydra.in_turn else []


def compose_plan(overrides: list[str], config_dir: str | None = None) -> Plan:
    """Compose and check the points of a sweep's command line; no plan is stored.

    Args:
        overrides: what was typed.
        config_dir: a user's own folder of options.

    Raises:
        UserError: an override is wrong in any of the points, or no point can run, all for one reason; or another
            sweeper than Hydra's basic one chooses the points as it goes.
    """
    with composer(config_dir=config_dir) as composing:
        composed = _composed(overrides, composing.known_points(overrides), composing)
    return _load(composed)[0]


def compose_settings(overrides: list[str]) -> Settings:
    """The settings of the first point of a command line.

    Raises:
        UserError: an override is wrong, or another sweeper than Hydra's basic one chooses the points as it goes.
    """
    with composer() as composing:
        point = composing.known_points(overrides)[0]
        return resolve(composing.config(point), point)


@dataclass(frozen=True)
class _Composed:
    """A command line, with what was typed for each of its points and the settings of each; no corpus is read."""

    overrides: Sequence[str]
    points: Sequence[Sequence[str]]
    settings: Sequence[Settings]
    metrics: dict[str, str]
    hydra: Composer


def _composed(overrides: Sequence[str], points: Sequence[Sequence[str]], composing: Composer) -> _Composed:
    """Compose every point, and make the sweep's own metrics known."""
    settings = list(_few_enough(resolve(composing.config(point), point) for point in points))
    check_one_value(settings)
    metrics = _metrics(settings)
    add_own(metrics)
    return _Composed(overrides, points, settings, metrics, composing)


def _few_enough(settings: Iterable[Settings]) -> Iterator[Settings]:
    """Settings of points as long as they are not more trainings than anybody does; a corpus has two folds or more.

    Raises:
        UserError: they are.
    """
    trainings = 0
    for one in settings:
        trainings += len(one.seeds) * len(one.folds or (1, 2))
        if trainings > MOST_TRAININGS:
            raise UserError(
                f"These are {trainings:,} trainings or more, and a sweep may have {MOST_TRAININGS:,}. Choose fewer "
                "points, seeds (repeats=) or folds (fold=)."
            )
        yield one


def _metrics(settings: Iterable[Settings]) -> dict[str, str]:
    """The own metrics of all points.

    Raises:
        UserError: two points have different functions under one name.
    """
    found: dict[str, str] = {}
    for name, target in ((name, target) for one in settings for name, target in one.metrics.items()):
        if found.setdefault(name, target) != target:
            raise UserError(f"metrics.{name} is {found[name]} and {target} in one sweep. Give them two names.")
    return found


def _check(composed: _Composed, here: bool, dry: bool) -> None:
    """Check where the sweep writes, its launcher unless ``dry``, and the device if the jobs run on this machine."""
    settings = composed.settings
    check_places(settings, composed.hydra.folder)
    if not dry:
        launchers.check(composed.hydra.launcher, settings[0].sweep, stores(settings))
    if here:
        for wanted in {one.device for one in settings} - {"auto", "cpu"}:
            environment.device(wanted)


def _load(composed: _Composed, extract: bool = False) -> tuple[Plan, list[Experiment]]:
    """Load the corpora, which may show more faults, such as missing audio.

    Args:
        composed: the command line.
        extract: extract the features now, with all cores, rather than in the first job that needs them.

    Returns:
        The plan, and the experiments of those of its points that can run.

    Raises:
        UserError: no point can run, all for one reason; or an MLflow experiment cannot take runs.
    """
    made = [_made(*each) for each in zip(composed.settings, composed.points, strict=True)]
    check_experiments([each for each in made if isinstance(each, Experiment)])  # before hours of extraction
    if extract:
        made = [_with_frames(each) if isinstance(each, Experiment) else each for each in made]
    points, experiments = list[Point](), list[Experiment]()
    for settings, overrides, each in zip(composed.settings, composed.points, made, strict=True):
        if isinstance(each, Experiment):
            points.append(Point.of(each))
            experiments.append(each)
        else:
            planned = tuple(overrides), parameters_of(settings), settings.seeds, settings.folds or ()
            points.append(Point(*planned, configuration=None, error=str(each)))
    errors = {point.error for point in points}
    if not experiments and len(errors) == 1:
        raise UserError(errors.pop() or "")
    first = composed.settings[0]
    plan = Plan(
        first.sweep,
        tuple(composed.overrides),
        tuple(points),
        first.results,
        anew=first.resume is False,
        save=first.save,
        launcher=composed.hydra.launcher,
        metrics=composed.metrics,
    )
    return plan, experiments


def _made(settings: Settings, overrides: Sequence[str]) -> Experiment | UserError:
    """The experiment of a point, or why it cannot run."""
    try:
        experiment = make_experiment(settings, overrides)
        add_own(settings.metrics, len(experiment.corpus.classes))
    except UserError as error:
        return error
    return experiment


def _with_frames(experiment: Experiment) -> Experiment | UserError:
    """The experiment once its features are extracted, or why they cannot be."""
    try:
        experiment.frames()
    except UserError as error:
        return error
    return experiment


def _used(plan: Plan, experiments: Sequence[Experiment]) -> Iterator[str]:
    """What a user is told of what the command line means."""
    yield from _dropped(experiments)
    yield from official.parts_told(experiments)
    yield from _notes(experiments)
    yield from _equal(plan)


def _former(experiments: Sequence[Experiment], remember: bool) -> Iterator[str]:
    """What a user is told of former results; ``remember`` whether a change of code counts as told."""
    yield from changes(experiments, remember)
    yield from not_followed(experiments)
    yield from without_weights(experiments)


def _dropped(experiments: Sequence[Experiment]) -> list[str]:
    """For each corpus of which something is not used: how much, and why."""
    corpora = {experiment.fingerprint: experiment.corpus for experiment in experiments}
    return [
        f"{corpus.root}: {len(corpus.utterances)} utterances; not used: {dropped_text(corpus.dropped)}"
        for corpus in corpora.values()
        if corpus.dropped
    ]


def _notes(experiments: Sequence[Experiment]) -> list[str]:
    """What the canonical form changed in the points, each change once, with the number of points."""
    counts = Counter(note for experiment in experiments for note in experiment.settings.notes)
    return [f"{note} ({number} points)" if number > 1 else note for note, number in counts.items()]


def _equal(plan: Plan) -> Iterator[str]:
    """Which points are equal, by the overrides in which they differ."""
    common = set.intersection(*(set(point.overrides) for point in plan.points))
    equal: dict[tuple, list[str]] = {}
    for point in plan.points:
        if point.configuration is not None:
            name = " ".join(as_typed(each) for each in point.overrides if each not in common)
            equal.setdefault((point.configuration, point.seeds, point.folds), []).append(name)
    for names in equal.values():
        different = list(dict.fromkeys(names))
        if len(different) > 1:
            yield f"Equal, hence trained once: {listing(different)}"
        elif len(names) > 1:
            yield f"{names[0] or 'The configuration'} is given twice: trained once"
