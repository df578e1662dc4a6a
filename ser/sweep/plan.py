"""The plan of a sweep: all of its points, checked and written down before the first one runs.

A plan lists the configuration's signature, the seeds and the folds of each point. Progress, closing table, exit status
and analysis select results by these signatures, so that they work the same under every launcher.
"""

import argparse
import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ser.config.settings import Settings, resolve
from ser.config.words import as_typed, parameter_of
from ser.corpora.problems import listing
from ser.corpora.table import dropped_text
from ser.data import official
from ser.data.experiment import Experiment, make_experiment, parameters_of
from ser.data.replicas import Replica, replicas
from ser.errors import UserError
from ser.results.metrics import add_own
from ser.sweep import launchers
from ser.sweep.code import changes, modules, not_followed, without_weights
from ser.sweep.compose import composer
from ser.sweep.handover import SOURCES
from ser.sweep.places import check_places, files_here, stores
from ser.system import environment
from ser.system.files import write_text
from ser.system.stored import intact, read_json

_log = logging.getLogger(__name__)
MOST_TRAININGS = 1_000_000
"""The most trainings of a sweep. The paper's grids with 20 seeds have 16,400."""

_LONGEST_NAME = 60  # characters of a sweep's name before its hash


@dataclass(frozen=True)
class Point:
    """One planned job.

    Attributes:
        overrides: what was typed for it.
        parameters: its configuration in the words that users type.
        seeds, folds: what it trains.
        configuration: the signature of its configuration; None where it cannot run.
        error: why it cannot run, else None.
        sessions: how many folds its corpus has, 1 with an official split; None where that is not known.
        classes: how many classes it has; None where that is not known.
    """

    overrides: tuple[str, ...]
    parameters: dict[str, str]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    configuration: str | None
    error: str | None = None
    sessions: int | None = None
    classes: int | None = None

    @classmethod
    def of(cls, experiment: Experiment) -> "Point":
        """The point of an experiment, which can run."""
        settings, corpus = experiment.settings, experiment.corpus
        planned = (experiment.overrides, experiment.parameters, settings.seeds, experiment.folds)
        return cls(*planned, experiment.configuration, sessions=len(corpus.tested), classes=len(corpus.classes))

    @property
    def part(self) -> str | None:
        """Which folds are planned, such as ``folds 1, 2 of 5``; None if all are, or their number is not known."""
        if self.sessions is None or len(self.folds) == self.sessions:
            return None
        return f"fold{'s' * (len(self.folds) > 1)} {', '.join(map(str, self.folds))} of {self.sessions}"

    def replicas(self) -> list[Replica]:
        """Every training of this point; an empty list where it cannot run."""
        return [] if self.configuration is None else replicas(self.configuration, self.seeds, self.folds)


@dataclass(frozen=True)
class Plan:
    """A named sweep.

    Attributes:
        name: the sweep's name.
        overrides: the command line.
        points: its jobs.
        results: the folder of its results.
        anew: whether earlier results do not count (resume=false).
        weights: whether results without weights do not count (save=best or all).
        launcher: Hydra's configuration of its launcher; None where no launcher runs the jobs.
        metrics: users' own metrics, see ``ser.results.metrics.add_own``.
    """

    name: str
    overrides: tuple[str, ...]
    points: tuple[Point, ...]
    results: Path
    anew: bool = False
    weights: bool = False
    launcher: Any = field(default=None, compare=False)
    metrics: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, overrides: Sequence[str], experiments: Sequence[Experiment]) -> "Plan":
        """The plan of experiments that can run; ``overrides`` tell it from other plans of the same name."""
        settings, points = experiments[0].settings, tuple(map(Point.of, experiments))
        how = settings.resume is False, settings.saves
        return cls(settings.sweep, tuple(overrides), points, settings.results, *how, metrics=settings.metrics)

    @property
    def typed(self) -> str:
        """The command line as users type it, without the sweep's name."""
        return " ".join(as_typed(override) for override in self.overrides if not override.startswith("sweep="))

    @cached_property
    def swept(self) -> tuple[str, ...]:
        """The keys that are not the same in the overrides of all points, but for seed and fold."""
        typed = [
            dict(override.lstrip("+").partition("=")[::2] for override in point.overrides) for point in self.points
        ]
        keys = dict.fromkeys(key for each in typed for key in each)
        return tuple(key for key in keys if len({each.get(key) for each in typed}) > 1 and key not in ("seed", "fold"))

    def signatures(self) -> dict[str, Point]:
        """The point of every training of the sweep, by the training's signature; equal points count once."""
        return {replica.signature: point for point in self.points for replica in point.replicas()}


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
    composed = _compose(overrides, sweep, args.config_name, args.config_dir, check=True, begin=not dry)
    if composed is None:
        return None
    plan, experiments, in_turn = composed
    if dry:
        return plan, experiments
    os.environ[SOURCES] = json.dumps({k: v for experiment in experiments for k, v in modules(experiment).items()})
    for sentence in mixed(plan):
        _log.warning(sentence)
    found = (_dropped, official.parts_told, changes, not_followed, without_weights, _stores, _notes)
    for sentence in (sentence for of in found for sentence in of(experiments)):
        _log.info(sentence)
    _say_which_points_are_equal(plan)
    cannot = [point for point in plan.points if point.error]
    if cannot:
        _log.warning("%d of %d points cannot run, the others will: %s", len(cannot), len(plan.points), cannot[0].error)
    store_plan(plan)
    return plan, experiments if in_turn else []


def compose_plan(overrides: list[str], config_dir: str | None = None) -> Plan | None:
    """Compose and check the points of a sweep's command line; no plan is stored.

    Args:
        overrides: what was typed.
        config_dir: a user's own folder of options.

    Returns:
        None where another sweeper than Hydra's basic one chooses the points as it goes.

    Raises:
        UserError: an override is wrong in any of the points, or no point can run, all for one reason.
    """
    composed = _compose(overrides, config_dir=config_dir)
    return None if composed is None else composed[0]


def _compose(
    overrides: list[str],
    sweep: bool = True,
    config_name: str | None = None,
    config_dir: str | None = None,
    check: bool = False,
    begin: bool = False,
) -> tuple[Plan, list[Experiment], bool] | None:
    """A plan, the experiments of those of its points that can run, and whether its jobs run in turn in this process.

    Args:
        overrides: what was typed.
        sweep: whether ``-m`` was given.
        config_name, config_dir: Hydra's flags of that name.
        check: also check where the sweep writes, and the device, where the jobs run on this machine.
        begin: its jobs are to begin: also check that its launcher takes them, and extract the features where they run
            on this machine.
    """
    with composer(config_name or "config", config_dir) as composing:
        points = composing.points(overrides, sweep)
        if points is None:
            return None
        settings = list(_few_enough(resolve(composing.config(point), point) for point in points))
        launcher, in_turn, hydra = composing.launcher, composing.in_turn, composing.folder
    metrics = _metrics(settings)
    add_own(metrics)
    here = launchers.runs_here(launcher)
    if check:
        check_places(settings, hydra)
    if begin:
        launchers.check(launcher, settings[0].sweep, stores(settings))
    if check and here:
        for wanted in {one.device for one in settings} - {"auto", "cpu"}:
            environment.device(wanted)
    made = [_experiment(one, point, begin and here) for one, point in zip(settings, points, strict=True)]
    errors = {str(each) if isinstance(each, UserError) else None for each in made}
    if len(errors) == 1 and None not in errors:
        raise UserError(errors.pop() or "")
    planned = [_point(*each) for each in zip(made, settings, points, strict=True)]
    first = settings[0]
    anew, weights = first.resume is False, first.saves
    said = tuple(overrides), tuple(planned)
    plan = Plan(first.sweep, *said, first.results, anew, weights, launcher, metrics)
    return plan, [each for each in made if isinstance(each, Experiment)], in_turn


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


def compose_settings(overrides: list[str]) -> Settings:
    """The settings of the first point of a command line.

    Raises:
        UserError: an override is wrong.
    """
    with composer() as composing:
        point = (composing.points(overrides, sweep=True) or [[]])[0]
        return resolve(composing.config(point), point)


def sweep_name(overrides: Sequence[str]) -> str:
    """Name a sweep that the user did not name: after its experiment, else in words for what it trains, and a hash.

    Seeds do not change the name, nor does how and where the sweep runs.

    >>> sweep_name(["corpus=emodb", "loss=cos,l2", "lambda.weight=0.6,0.7", "repeats=3"])
    'emodb-loss-cos+l2-lambda-0.6+0.7-a1fff9'
    """
    given = dict(override.partition("=")[::2] for override in overrides)
    if "experiment" in given:
        return given["experiment"].replace(",", "-")
    said = [override for override in _decisive(overrides) if override.partition("=")[0] not in ("seed", "repeats")]
    words = [_corpus_word(given), *map(_words, said)]
    text = re.sub(r"[^\w.+-]", "", "-".join(filter(None, words)))[:_LONGEST_NAME].strip("-+.")
    return "-".join([text or "defaults", _short_hash(sorted(said), 6)])


def _corpus_word(given: dict[str, str]) -> str:
    """The corpus, if it was typed; a manifest by its file, as in the tables."""
    if given.get("corpus") == "manifest" and "corpus.root" in given:
        return given.get("corpus.name") or Path(given["corpus.root"]).stem
    return given.get("corpus", "")


def _words(override: str) -> str:
    """``lambda-0.6+0.7`` for ``lambda.weight=0.6,0.7``; the corpus' own keys (a path, say) are left to the hash."""
    key, _, value = override.lstrip("+~").partition("=")
    if key.partition(".")[0] == "corpus":
        return ""
    return f"{parameter_of(key).rpartition('.')[2]}-{value.replace(',', '+')}"


_ASIDE = re.compile(r"(engine|tracking|hydra|results|cache)\b.*|resume|device|save|sweep|metrics")


def _decisive(overrides: Sequence[str]) -> list[str]:
    """The overrides that decide what is trained, without those that decide how and where."""
    return [override for override in overrides if not _ASIDE.fullmatch(override.partition("=")[0])]


def _short_hash(lines: Sequence[str], digits: int) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:digits]


def _experiment(settings: Settings, overrides: Sequence[str], extract: bool) -> Experiment | UserError:
    """The experiment of a point, or the fault that only its corpus shows, such as missing audio.

    With ``extract`` the features are extracted now, with all cores, rather than in the first job that needs them.
    """
    try:
        experiment = make_experiment(settings, overrides)
        add_own(settings.metrics, len(experiment.corpus.classes))
        if extract:
            experiment.frames()
    except UserError as error:
        return error
    return experiment


def _point(made: Experiment | UserError, settings: Settings, overrides: Sequence[str]) -> Point:
    if isinstance(made, Experiment):
        return Point.of(made)
    return Point(tuple(overrides), parameters_of(settings), settings.seeds, settings.folds or (), None, str(made))


def _dropped(experiments: Sequence[Experiment]) -> list[str]:
    """For each corpus of which something is not used: how much, and why."""
    corpora = {experiment.fingerprint: experiment.corpus for experiment in experiments}
    return [
        f"{corpus.root}: {len(corpus.utterances)} utterances; not used: {dropped_text(corpus.dropped)}"
        for corpus in corpora.values()
        if corpus.dropped
    ]


def _stores(experiments: Sequence[Experiment]) -> list[str]:
    return files_here([experiment.settings for experiment in experiments])


def _notes(experiments: Sequence[Experiment]) -> list[str]:
    """What the canonical form changed in the points, each change once, with the number of points."""
    counts = Counter(note for experiment in experiments for note in experiment.settings.notes)
    return [f"{note} ({number} points)" if number > 1 else note for note, number in counts.items()]


def _say_which_points_are_equal(plan: Plan) -> None:
    common = set.intersection(*(set(point.overrides) for point in plan.points))
    equal: dict[tuple, list[str]] = {}
    for point in plan.points:
        if point.configuration is not None:
            name = " ".join(as_typed(each) for each in point.overrides if each not in common)
            equal.setdefault((point.configuration, point.seeds, point.folds), []).append(name)
    for names in equal.values():
        different = list(dict.fromkeys(names))
        if len(different) > 1:
            _log.info("Equal, hence trained once: %s", listing(different))
        elif len(names) > 1:
            _log.info("%s is given twice: trained once", names[0] or "The configuration")


def mixed(plan: Plan) -> list[str]:
    """A sentence if a plan adds configurations to those that another command line trained under the sweep's name.

    There is none where the command line is known to the sweep, where the plan has all that the sweep holds (a grid that
    has grown, more seeds), and where it has nothing else.
    """
    if plan_file(plan).exists():
        return []
    try:
        held = load_plans(plan.results, plan.name)
    except (UserError, ValueError, KeyError, TypeError):  # a damaged plan is told where the sweep is read
        return []
    mine, theirs = _configurations([plan]), _configurations(held)
    others = [one for one in held if not _configurations([one]) <= mine]
    if not others or mine <= theirs:
        return []
    commands = listing([repr(one.typed) if one.typed else "a command without overrides" for one in others])
    return [
        f"The sweep {plan.name} holds other configurations already ({len(theirs - mine)}, of {commands}): the name "
        "will stand for both, in tables and for ser.predict. For a sweep of its own, give this command another name: "
        "sweep=NAME."
    ]


def _configurations(plans: Iterable[Plan]) -> set[str]:
    """The configurations in users' words, which stay the same when own code or a corpus' files change."""
    return {str(sorted(point.parameters.items())) for plan in plans for point in plan.points}


def store_plan(plan: Plan) -> None:
    """Write a plan down. A sweep's name has one file for each different command line."""
    plain = {"sweep": plan.name, "overrides": plan.overrides, "points": [vars(point) for point in plan.points]}
    metrics = {"metrics": dict(plan.metrics)} if plan.metrics else {}
    write_text(plan_file(plan), json.dumps({**plain, **metrics}, indent=1))


def plan_file(plan: Plan) -> Path:
    """Where a plan is stored: one file for each command line, whatever it says about how and where it runs."""
    return plan.results / "sweeps" / plan.name / f"{_short_hash(_decisive(plan.overrides), 12)}.json"


def store_point(experiment: Experiment) -> None:
    """Write down one job as a plan of its own, for a sweeper that chooses its points as it goes."""
    store_plan(Plan.of(experiment.overrides, [experiment]))


def load_plans(results: Path, name: str) -> list[Plan]:
    """Read all stored plans of a sweep's name, the oldest first; an empty list if there are none."""
    files = sorted(_files(results, name), key=lambda path: path.stat().st_mtime)
    found = (intact(path, partial(_read, results=results)) for path in files)
    return [plan for plan in found if plan is not None]


def find_plans(results: Path, name: str) -> list[Plan]:
    """Read all stored plans of a sweep that a user names, the oldest first, and make their own metrics known.

    Args:
        results: the folder of results.
        name: the sweep's name; ``last`` is the sweep that was started last.

    Raises:
        UserError: there is no sweep of this name.
    """
    names = sweep_names(results)
    if name == "last" and names and "last" not in names:
        name = max(names, key=lambda each: plan_time(results, each))
    plans = load_plans(results, name)
    if not plans:
        near = get_close_matches(name, names, n=3)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names) or 'none'}."
        raise UserError(f"There is no sweep {name} in {results / 'sweeps'}. {meant} See results.dir=.")
    _add_metrics(plans)
    return plans


def _add_metrics(plans: Sequence[Plan]) -> None:
    """Make a sweep's own metrics known, the newest plan's last; those that cannot be imported here are left out."""
    for name, target in {name: target for plan in plans for name, target in plan.metrics.items()}.items():
        try:
            add_own({name: target})
        except UserError as error:
            _log.warning("The sweep %s is read without this metric: %s", plans[0].name, error)


def sweep_names(results: Path) -> list[str]:
    """The names of the sweeps in a folder of results, in alphabetical order."""
    return sorted({file.parent.name for file in (results / "sweeps").glob("*/[!.]*.json") if file.exists()})


def plan_time(results: Path, name: str) -> float:
    """When a sweep's newest plan was stored, in seconds of the epoch; 0 if it has none."""
    return max((path.stat().st_mtime for path in _files(results, name)), default=0.0)


def _files(results: Path, name: str) -> list[Path]:
    return [file for file in (results / "sweeps" / name).glob("[!.]*.json") if file.exists()]


@dataclass(frozen=True)
class _Stored:
    """A plan as ``store_plan`` writes it."""

    sweep: str
    overrides: tuple[str, ...]
    points: tuple[Point, ...]
    metrics: dict[str, str] = field(default_factory=dict)


def _read(path: Path, results: Path) -> Plan:
    plan = read_json(path, _Stored, "The plan", "The command of its sweep writes it again.")
    return Plan(plan.sweep, plan.overrides, plan.points, results, metrics=plan.metrics)
