"""``python -m ser.show``: look at a corpus, at an utterance, and at what networks make of them."""

import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ser.config.settings import resolve
from ser.config.words import assignments, key_of, labels
from ser.corpora.table import Corpus
from ser.data.experiment import Experiment, make_experiment
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer
from ser.sweep.handover import STARTED
from ser.sweep.hydra_internals import parse_flags
from ser.sweep.planned import Plan
from ser.system import environment
from ser.system.command import run_command
from ser.system.files import expanded
from ser.system.pictures import legend, save
from ser.system.progress import ConsoleHandler, track
from ser.system.text import aligned

if TYPE_CHECKING:  # --help does without matplotlib and torch
    from ser.show.vectors import Trained

_HELP = """Pictures, whose paths are printed. The overrides are those of ser.run.

  python -m ser.show corpus=emodb corpus.root=...       classes and durations; the utterance of median length: its
                                                        waveform, its log-mel bands, its segments as the network sees
                                                        them (feature=, length=; normalised as for seed= and fold=)
  python -m ser.show utterance=03a01Fa corpus=emodb corpus.root=...    another utterance
  python -m ser.show vectors loss=none,cos corpus=emodb corpus.root=... repeats=3
                                                        draws the pos_1 vectors of the test utterances in two
                                                        dimensions, with figures of how compact and how far apart the
                                                        classes are (fold=1 if none is given); trains what lacks the
                                                        weights that ser.run keeps with save=best

  out=FOLDER    where pictures are written (default: reports/<corpus>)

Learning curves of a sweep, and WA over a number that was swept: python -m multirun_analysis sweep=NAME over=epoch,
over=lambda; from Python: docs/python.md."""

_OWN = {"out": "", "utterance": ""}
_VECTORS = "vectors"
_VECTOR_DEFAULTS = ("loss=none,cos", "fold=1", "sweep=show-vectors")
_KEEPING_WEIGHTS = {"save": "best", "tracking": "none"}


def cli() -> NoReturn:
    """Write the pictures that the command line asks for, and exit (``run_command``)."""
    run_command(lambda: main(sys.argv[1:]), "Stopped. Finished trainings are kept: the same command goes on from here.")


def main(arguments: Sequence[str]) -> int:
    """Write the pictures that a command line asks for, and print their paths.

    Args:
        arguments: the command line.

    Returns:
        The exit status.

    Raises:
        UserError: an override is wrong, a file cannot be read, or a training fails.
    """
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ConsoleHandler()])
    os.environ[STARTED] = str(time.time())
    own = [each for each in arguments if each.partition("=")[0] in _OWN]
    given = assignments(own, _OWN)
    left = [each for each in arguments if each not in (*own, _VECTORS)]
    args = parse_flags(rewrite(left))
    draw = _vectors if _VECTORS in arguments else _corpus
    for path in draw(args.overrides, args.config_dir, given):
        print(path, flush=True)
    return 0


def _corpus(overrides: list[str], config_dir: str | None, given: dict[str, str]) -> list[Path]:
    """Draw a corpus and one of its utterances."""
    from ser.show import corpus, utterance

    experiments = _experiments(overrides, config_dir)
    if len(experiments) > 1:
        raise UserError("One configuration is shown at a time: give every key one value.")
    experiment = experiments[0]
    index = utterance.find(experiment, given["utterance"] or None)
    with composer(config_dir=config_dir) as composing:
        point = [override for override in overrides if key_of(override).partition(".")[0] != "feature"]
        logmel = resolve(composing.config([*point, "feature=logmel"]), point)
    folder, name = _folder(given, experiment), experiment.corpus.utterances[index].id
    if said := legend(experiment.corpus.classes):
        print(said)
    whole = corpus.draw(experiment.corpus, experiment.settings.length.seconds)
    one = utterance.draw(experiment, index, logmel)
    safe = re.sub(r"[^\w.+-]", "_", name)
    return [save(whole, folder / "corpus.png"), save(one, folder / f"utterance_{safe}.png")]


def _vectors(overrides: list[str], config_dir: str | None, given: dict[str, str]) -> list[Path]:
    """Train what lacks weights, draw the vectors, and print their figures."""
    from ser.show import vectors

    if given["utterance"]:
        raise UserError("utterance= is for the pictures of a corpus: leave it out, or leave out vectors.")
    _refuse_other_keeping(overrides)
    keys = set(map(key_of, overrides))
    defaults = [each for each in _VECTOR_DEFAULTS if key_of(each) not in keys]
    keeping = [f"{key}={value}" for key, value in _KEEPING_WEIGHTS.items()]
    experiments = _experiments([*overrides, *defaults, *keeping], config_dir)
    first = experiments[0]
    if any(one.fingerprint != first.fingerprint for one in experiments):
        raise UserError("The vectors of one corpus are shown at a time: give corpus one value.")
    if any(one.folds != first.folds[:1] for one in experiments):
        raise UserError("The vectors of one fold are shown at a time: give fold one number.")
    _check_classes(first.corpus, first.folds[0])
    _train(experiments)
    device = environment.device(first.settings.device)
    names = labels([one.parameters for one in experiments])
    wanted = {
        each.signature: (one, name, each)
        for one, name in zip(experiments, names, strict=True)
        for each in one.replicas()
    }
    trained = list(track((vectors.of_weights(*each, device) for each in wanted.values()), len(wanted), "vectors"))
    print(_table(trained))
    count = len(trained[0].labels)
    title = f"pos_1 vectors of the {count} test utterances of fold {first.folds[0]}, {first.corpus.title}"
    figure = vectors.draw(trained, first.corpus.classes, title)
    words = re.sub(r"[^\w.+-]", "", "_".join(dict.fromkeys(one.name.replace(" ", "-") for one in trained)))
    return [save(figure, _folder(given, first) / f"vectors_{words}.png")]


def _check_classes(corpus: Corpus, fold: int) -> None:
    """Check that a fold's test part has classes that can be compared.

    Raises:
        UserError: it has one class, or no two utterances of any.
    """
    counts = Counter(each.emotion for each in corpus.utterances if each.session == corpus.sessions[fold - 1])
    if len(counts) < 2 or max(counts.values()) < 2:
        held = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise UserError(
            f"fold={fold} tests {held}: how far classes are apart needs two classes, and two utterances of one. Choose "
            "another fold, or other sessions."
        )


def _refuse_other_keeping(overrides: Sequence[str]) -> None:
    """Refuse what was typed of the keys that the vectors determine."""
    for override in overrides:
        key, value = key_of(override), override.partition("=")[2]
        if key.partition(".")[0] in _KEEPING_WEIGHTS and _KEEPING_WEIGHTS.get(key) != value:
            kept = " and ".join(f"{key}={value}" for key, value in _KEEPING_WEIGHTS.items())
            raise UserError(f"{override}: ser.show vectors trains with {kept}. Leave out {key}=.")


def _train(experiments: Sequence[Experiment]) -> None:
    """Do the trainings that lack a result or weights, as one queue with its progress shown.

    Raises:
        UserError: a training fails.
    """
    from ser.sweep import queue
    from ser.sweep.display import Progress
    from ser.sweep.job import Job

    jobs = [Job(each) for each in experiments]
    progress = Progress(Plan.of((), experiments), os.environ[STARTED])
    progress.start()
    try:
        trained = queue.train_all(jobs)
    finally:
        progress.stop()
    for job in jobs:
        queue.conclude(job, trained, job)


def _experiments(overrides: list[str], config_dir: str | None) -> list[Experiment]:
    """The experiment of each point of a command line; of equal points the first."""
    with composer(config_dir=config_dir) as composing:
        points = composing.known_points(overrides)
        settings = [resolve(composing.config(point), point) for point in points]
    first: dict[tuple[object, ...], Experiment] = {}
    for one, point in zip(settings, points, strict=True):
        made = make_experiment(one, point)
        first.setdefault((made.configuration, one.seeds, made.folds), made)
    return list(first.values())


def _table(trained: Sequence["Trained"]) -> str:
    """The figures of each training, for the terminal."""
    rows = [
        [
            one.name,
            one.seed,
            *(f"{value:.4f}" for value in (apart.within, apart.between, apart.ratio, apart.silhouette)),
            f"{100 * one.wa:.2f}",
        ]
        for one in trained
        for apart in (one.separation,)
    ]
    heading = ["configuration", "seed", "within", "between", "within / between", "silhouette", "WA %"]
    return f"{aligned([heading, *rows])}\nCosine distances of the test utterances' vectors, means over pairs.\n"


def _folder(given: dict[str, str], experiment: Experiment) -> Path:
    return expanded(given["out"] or Path("reports") / experiment.corpus.name)


if __name__ == "__main__":
    cli()
