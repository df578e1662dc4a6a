"""``python -m ser.show``: look at a corpus, at an utterance, and at what networks make of them."""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser.config.settings import resolve
from ser.config.words import GROUP_OF, assignments
from ser.data.experiment import Experiment, make_experiment
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer
from ser.sweep.hydra_internals import parse_flags
from ser.system import environment
from ser.system.command import run_command
from ser.system.pictures import save
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
                                                        trains each configuration and draws the pos_1 vectors of the
                                                        test utterances in two dimensions, with figures of how compact
                                                        and how far apart the classes are (fold=1 if none is given)

  out=FOLDER    where pictures are written (default: reports/<corpus>)

Learning curves of a sweep, and WA over a number that was swept: from Python, see docs/python.md."""

_OWN = {"out": "", "utterance": ""}
_VECTORS = "vectors"
_DEFAULT_LOSSES = "loss=none,cos"


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
        point = [override for override in overrides if not re.match(r"[+~]*feature\b", override)]
        logmel = resolve(composing.config([*point, "feature=logmel"]), point)
    folder, name = _folder(given, experiment), experiment.corpus.utterances[index].id
    whole = corpus.draw(experiment.corpus, experiment.settings.length.seconds)
    one = utterance.draw(experiment, index, logmel)
    safe = re.sub(r"[^\w.+-]", "_", name)
    return [save(whole, folder / "corpus.png"), save(one, folder / f"utterance_{safe}.png")]


def _vectors(overrides: list[str], config_dir: str | None, given: dict[str, str]) -> list[Path]:
    """Train, draw the vectors, and print their figures."""
    from ser.show import vectors
    from ser.show.corpus import named

    if given["utterance"]:
        raise UserError("utterance= is for the pictures of a corpus: leave it out, or leave out vectors.")
    if not any(override.startswith("loss=") for override in overrides):
        overrides = [*overrides, _DEFAULT_LOSSES]
    experiments = _experiments(overrides, config_dir)
    first = experiments[0]
    if any(one.fingerprint != first.fingerprint for one in experiments):
        raise UserError("The vectors of one corpus are shown at a time: give corpus one value.")
    fold, seeds = first.folds[0], first.settings.seeds
    device = environment.device(first.settings.device)
    wanted = [(one, name, seed) for one, name in zip(experiments, _names(experiments), strict=True) for seed in seeds]
    trainings = (vectors.of_training(one, name, seed, fold, device) for one, name, seed in wanted)
    trained = list(track(trainings, len(wanted), "trainings"))
    print(_table(trained))
    count = len(trained[0].labels)
    title = f"pos_1 vectors of the {count} test utterances of fold {fold}, {named(first.corpus)}"
    figure = vectors.draw(trained, first.corpus.classes, title)
    words = re.sub(r"[^\w.+-]", "", "_".join(dict.fromkeys(one.name.replace(" ", "-") for one in trained)))
    return [save(figure, _folder(given, first) / f"vectors_{words}.png")]


def _experiments(overrides: list[str], config_dir: str | None) -> list[Experiment]:
    """The experiment of each point of a command line; of equal points the first."""
    with composer(config_dir=config_dir) as composing:
        points = composing.points(overrides, sweep=True)
        if points is None:
            raise UserError("The points are needed: use Hydra's basic sweeper, without hydra/sweeper=.")
        settings = [resolve(composing.config(point), point) for point in points]
    made = [make_experiment(one, point) for one, point in zip(settings, points, strict=True)]
    return list({one.configuration: one for one in reversed(made)}.values())[::-1]


def _names(experiments: Sequence[Experiment]) -> list[str]:
    """Name experiments by what was typed for them and is not common to all, such as ``loss=cos``."""
    common = set.intersection(*(set(one.overrides) for one in experiments)) if len(experiments) > 1 else set()
    return [" ".join(_typed(each) for each in one.overrides if each not in common) for one in experiments]


def _typed(override: str) -> str:
    """An override as users type it: ``lambda=0.6`` for ``lambda.weight=0.6``."""
    key, equals, value = override.partition("=")
    return f"{GROUP_OF.get(key, key)}{equals}{value}"


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
    return Path(given["out"] or Path("reports") / experiment.corpus.name)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
