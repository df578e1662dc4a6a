"""A sweep's results as pandas data frames: ``ser.results``, ``ser.predictions`` and ``ser.histories``.

They are read from the result files, as the closing table is, so that they are there under any ``tracking``. In every
frame the columns before ``seed`` say what was trained: ``corpus``; ``synthetic``, true for generated speech; the option
of every group; and every other key in which the points of the sweep differ. Columns of numbers are numeric.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ser.config import signature
from ser.config.groups import DECISIVE
from ser.config.settings import resolve
from ser.config.words import differing
from ser.corpora.load import load
from ser.corpora.table import Utterance
from ser.data.replicas import Replica
from ser.errors import UserError
from ser.results.convergence import convergence, max_epochs
from ser.results.metrics import METRICS
from ser.results.runs import run_metrics
from ser.results.store import ResultStore, Stored
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer
from ser.sweep.plan import compose_plan
from ser.sweep.planned import Plan, together
from ser.sweep.stored_plans import find_plans
from ser.sweep.table import configurations
from ser.system.files import expanded

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
Parameters = Mapping[str, str]


def results(
    sweep: str | None = None,
    *,
    overrides: Sequence[str] = (),
    level: Literal["fold", "seed"] = "fold",
    results_dir: str | Path | None = None,
    config_dir: str | Path | None = None,
) -> "pd.DataFrame":
    """The metrics of a sweep, as fractions.

    Args:
        sweep: the sweep's name, as ``ser.sweep`` returns it. It stands for all command lines of that name
            (``ser.sweep.planned.together``).
        overrides: in place of a name: what is typed on the command line of ``ser.run -m``. Results of any sweep count.
        level: ``fold`` gives a row for each seed and fold; ``seed`` a row for each seed, with means over its folds
            and with metrics of all folds' utterances together (``wa_pooled``).
        results_dir: the folder of the results, ``results`` if none is given. It goes with a sweep's name; beside
            ``overrides`` it is refused, since these name the folder by ``results.dir=``.
        config_dir: your own folder of options, if ``overrides`` name one of them.

    Returns:
        The columns described at the top of this module, ``seed``, ``fold``, then ``wa``, ``uwa``, ``crop_wa``,
        ``crop_uwa``, ``best_val_wa`` (the validation WA of the epoch that was tested); at the level of folds also
        ``best_epoch``, ``epochs`` and ``stopped`` (how the training ended). Where a training lacks a result, its row's
        metrics are missing; at the level of seeds, those of its seed.

    Raises:
        UserError: there is no such sweep, an override is wrong, or a result is damaged.
    """
    if level not in ("fold", "seed"):
        raise UserError(f"level={level!r} is not known. Give 'fold' or 'seed'.")
    plan = _plan(sweep, overrides, results_dir, config_dir)
    frame = _frame(plan, _folds if level == "fold" else _seeds)
    return frame.reindex(columns=list(dict.fromkeys([*frame.columns, *_metric_columns(level)])))


def predictions(
    sweep: str | None = None,
    *,
    overrides: Sequence[str] = (),
    results_dir: str | Path | None = None,
    config_dir: str | Path | None = None,
) -> "pd.DataFrame":
    """The predictions of every test utterance.

    Args:
        sweep, overrides, results_dir: as for ``results``.
        config_dir: your own folder of options, if the corpus is one of them or ``overrides`` name one.

    Returns:
        A row for each test utterance of each training that has a result: the columns described at the top of this
        module, ``seed``, ``fold``, ``id``, ``session``, ``speaker`` (empty if not known), ``gold`` (the true class),
        ``predicted``, the probability of every class (``p_angry``), and ``crop_predicted`` (from one random segment).

    Raises:
        UserError: as ``results``; or the corpus is not there, or has changed.
    """
    plan = _plan(sweep, overrides, results_dir, config_dir)
    corpora = _utterances(plan, config_dir)

    def rows(parameters: Parameters, stored: Mapping[Replica, Stored | None]) -> Iterable[Row]:
        found = [one for one in stored.values() if one is not None]
        return [row for one in found for row in _predictions(one, corpora[_corpus_key(parameters)])]

    return _frame(plan, rows)


def histories(
    sweep: str | None = None,
    *,
    overrides: Sequence[str] = (),
    results_dir: str | Path | None = None,
    config_dir: str | Path | None = None,
) -> "pd.DataFrame":
    """The learning curves of a sweep.

    Args:
        sweep, overrides, results_dir, config_dir: as for ``results``.

    Returns:
        A row for each epoch of each training that has a result: the columns described at the top of this module,
        ``seed``, ``fold``, ``epoch`` (from 1), then what was recorded of it: ``lr``, ``train_loss`` and its parts,
        ``val_loss``, and ``val_wa`` as a fraction.

    Raises:
        UserError: as ``results``.
    """
    return _frame(_plan(sweep, overrides, results_dir, config_dir), _epochs)


def _plan(
    sweep: str | None, overrides: Sequence[str], results_dir: str | Path | None, config_dir: str | Path | None
) -> Plan:
    if (sweep is None) != bool(overrides):
        raise UserError("Give either the name of a sweep or overrides=[...].")
    if sweep is None:
        if results_dir is not None:
            raise UserError(
                f"results_dir={results_dir} goes with a sweep's name: give results.dir= in overrides=[...]."
            )
        return compose_plan(rewrite(overrides), str(config_dir) if config_dir else None)
    return together(find_plans(expanded(results_dir or "results"), sweep))


def _frame(plan: Plan, rows: Callable[[Parameters, Mapping[Replica, Stored | None]], Iterable[Row]]) -> "pd.DataFrame":
    """Make a frame with the rows of each configuration, and before these the columns that say what was trained.

    Args:
        plan: the sweep.
        rows: makes the rows of a configuration from its parameters, its trainings and what is stored of each.
    """
    import pandas as pd

    can_run = [each for each in configurations(plan) if each.replicas]
    always = ("corpus", "synthetic", *DECISIVE)
    keys = [*always, *(key for key in differing([each.parameters for each in can_run]) if key not in always)]
    store, made = ResultStore(plan.results), []
    for each in can_run:
        stored = {one: store.load(one.signature) if store.has(one.signature) else None for one in sorted(each.replicas)}
        generated = any(one.about["corpus"]["synthetic"] for one in stored.values() if one)
        about = {**each.parameters, "synthetic": generated or each.parameters["corpus"] == "synthetic"}
        made += [{**{key: about.get(key) for key in keys}, **row} for row in rows(each.parameters, stored)]
    if not made:
        raise UserError(f"No training of the sweep {plan.name} has a result in {plan.results}.")
    frame = pd.DataFrame(made)
    return frame.assign(**{key: _as_numbers(frame[key]) for key in keys if key != "synthetic"})


def _as_numbers(column: "pd.Series") -> "pd.Series":
    """A column of texts, as numbers if all of them are numbers; options without the key have no text."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().equals(column.notna()) else column


def _folds(_: Parameters, stored: Mapping[Replica, Stored | None]) -> Iterable[Row]:
    for replica, one in stored.items():
        yield {"seed": replica.seed, "fold": replica.fold, **(_of_fold(one) if one else {})}


def _of_fold(stored: Stored) -> Row:
    outcome = stored.outcome
    metrics = {name: value for name, value in _metrics([stored]).items() if not name.endswith("_pooled")}
    went = convergence(outcome.history, max_epochs(stored.about))
    return {**metrics, "best_epoch": outcome.best_epoch, "epochs": went.epochs, "stopped": went.stopped}


def _seeds(_: Parameters, stored: Mapping[Replica, Stored | None]) -> Iterable[Row]:
    for seed in sorted({replica.seed for replica in stored}):
        folds = [one for replica, one in stored.items() if replica.seed == seed]
        found = [one for one in folds if one is not None]
        yield {"seed": seed, **(_metrics(found) if len(found) == len(folds) else {})}


def _metrics(stored: Sequence[Stored]) -> dict[str, float]:
    """``run_metrics`` without those of a single fold."""
    figures = run_metrics([one.outcome for one in stored])
    return {name: value for name, value in figures.items() if "/" not in name}


def _metric_columns(level: str) -> list[str]:
    """The metrics' columns in ``results``; a frame has them even if no training has a result."""
    scores = [f"{mode}{name}" for mode in ("", "crop_") for name in METRICS]
    if level == "fold":
        return [*scores, "best_val_wa", "best_epoch", "epochs", "stopped"]
    return [*(column for name in scores for column in (name, f"{name}_pooled")), "best_val_wa", "ece_pooled"]


def _epochs(_: Parameters, stored: Mapping[Replica, Stored | None]) -> Iterable[Row]:
    for replica, one in stored.items():
        for epoch, figures in enumerate(one.outcome.history if one else (), 1):
            yield {"seed": replica.seed, "fold": replica.fold, "epoch": epoch, **figures}


def _predictions(stored: Stored, utterances: Mapping[str, Utterance]) -> Iterable[Row]:
    outcome, classes = stored.outcome, stored.about["corpus"]["classes"]
    for row, name in enumerate(outcome.ids):
        if name not in utterances:
            raise UserError(f"The corpus has changed since the sweep: it has no utterance {name}.")
        probabilities = outcome.average[row]
        yield {
            "seed": outcome.seed,
            "fold": outcome.fold,
            "id": name,
            "session": utterances[name].session,
            "speaker": utterances[name].speaker,
            "gold": classes[outcome.gold[row]],
            "predicted": classes[probabilities.argmax()],
            **{f"p_{label}": float(value) for label, value in zip(classes, probabilities, strict=True)},
            "crop_predicted": classes[outcome.crop[row].argmax()],
        }


def _utterances(plan: Plan, config_dir: str | Path | None) -> dict[str, dict[str, Utterance]]:
    """The utterances of every corpus of a plan by id; the corpora by ``_corpus_key``."""
    can_run = [point for point in plan.points if point.configuration is not None]
    examples = {_corpus_key(point.parameters): list(point.overrides) for point in can_run}
    with composer(config_dir=str(config_dir) if config_dir else None) as composing:
        options = {key: resolve(composing.config(point), point).corpus for key, point in examples.items()}
    return {key: {each.id: each for each in load(option).utterances} for key, option in options.items()}


def _corpus_key(parameters: Parameters) -> str:
    return signature.digest({key: value for key, value in parameters.items() if key.startswith("corpus")})
