"""Notes for a tracking store's page, as Markdown: what a run or an experiment is, its table, the command that made it.

Whatever users can write (names, labels, commands) is escaped.
"""

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import stdtrit

from ser.corpora.table import Corpus
from ser.results.convergence import ENDINGS, Convergence
from ser.results.metrics import METRICS

KEPT = "*This note is written anew whenever runs are delivered. Delete this line, and it stays as you write it.*"
"""The last line of an experiment's note. A note without it is the user's."""

_SEEDS_LISTED = 5  # with more seeds the lowest and highest are told
_LEVEL = 0.95
_GAP = "\u00a0\u00a0"
_READING = f"± is half the width of the {100 * _LEVEL:g} % interval of the mean over seeds (Student's t)."


class Ranked(NamedTuple):
    """A run in an experiment's note: its name and page, its metrics as logged, and which folds it covers."""

    name: str
    page: str
    metrics: Mapping[str, float]
    folds: str


def seed_note(
    page: str, corpus: Corpus, metrics: Mapping[str, float], went: Mapping[int, Convergence], command: str
) -> str:
    """The note of a run of one seed.

    Args:
        page: the address of the run's page, for links to its files.
        corpus: what it was trained on.
        metrics: the run's metrics, as fractions.
        went: how the training of each fold went, by fold.
        command: what made it.
    """
    rows = [
        [str(fold), *_percents(metrics, f"fold_{fold}/"), str(one.epochs), ENDINGS.get(one.stopped, "–")]
        for fold, one in went.items()
    ]
    table = _table(["fold", *_headings(), "epochs", "ended"], [*rows, ["mean", *_percents(metrics), "", ""]])
    files = _links(page, "curves.png", "confusion.png", "predictions.csv", "configuration.json")
    return _joined(f"{_about(corpus)} {files}", table, _made_by(command))


def parent_note(page: str, corpus: Corpus, seeds: Mapping[int, Mapping[str, float]], folds: str, command: str) -> str:
    """The note of a run over several seeds.

    Args:
        page, corpus, command: as for ``seed_note``.
        seeds: the metrics of each seed, as fractions, by seed.
        folds: which folds: ``all``, or their numbers.
    """
    rows = []
    for name in METRICS:
        values = [metrics[name] for metrics in seeds.values()]
        mean, half = mean_and_half_width(values)
        rows.append([f"{name.upper()} %", f"{100 * mean:.2f} ± {100 * half:.2f}", _listed(values)])
    each = "each seed" if len(seeds) <= _SEEDS_LISTED else "lowest to highest seed"
    what = f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)}), folds: {folds}. {_READING}"
    files = _links(page, "curves.png", "confusion.png")
    return _joined(f"{_about(corpus)} {files}", _table(["", "mean", each], rows), what, _made_by(command))


def experiment_note(about: str, ranked: Iterable[Ranked]) -> str:
    """The note of an experiment.

    Args:
        about: what ``corpus_note`` says.
        ranked: its best runs, in the order of the table.
    """
    rows = [[_link(run), *_intervals(run.metrics), f"{run.metrics.get('seeds', 1):g}", run.folds] for run in ranked]
    table = _table(["highest WA", *_headings(), "seeds", "folds"], rows)
    return _joined(about, table, _READING, KEPT)


def corpus_note(corpus: Corpus) -> str:
    """What a corpus is: its size, speakers and classes."""
    speakers = len({utterance.speaker for utterance in corpus.utterances})
    counts = Counter(utterance.emotion for utterance in corpus.utterances)
    classes = ", ".join(f"{escaped(name)} {counts[name]}" for name in corpus.classes)
    size = f"{len(corpus.utterances)} utterances of {speakers} speakers in {len(corpus.sessions)} sessions ({classes})"
    return f"{_about(corpus)}\n\n{size}." if corpus.synthetic else f"{_about(corpus)} {size}."


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and half the width of its 95 % interval by Student's t.

    >>> mean, half = mean_and_half_width([0.5, 0.6, 0.7])
    >>> round(mean, 6), round(half, 4)  # 4.303 standard errors of 0.1 / sqrt(3)
    (0.6, 0.2484)
    """
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, _half_width(math.sqrt(variance), len(values))


def _half_width(deviation: float, n: int) -> float:
    return float(stdtrit(n - 1, (1 + _LEVEL) / 2)) * deviation / math.sqrt(n)


def escaped(text: str) -> str:
    r"""A text that Markdown and HTML show as it is, on one line.

    >>> escaped("a|b <i>*x*</i>")
    'a\\|b &lt;i&gt;\\*x\\*&lt;/i&gt;'
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _about(corpus: Corpus) -> str:
    """The corpus' name, and that its speech is synthetic if it is; this fits MLflow's folded note of one line."""
    if not corpus.synthetic:
        return f"**{escaped(corpus.name)}**."
    return f"**{escaped(corpus.name)}** (generated speech: these numbers say nothing about people)."


def _made_by(command: str) -> str:
    """The command as a block of code, which needs no escapes."""
    return "Made by\n\n    " + " ".join(command.split())


def _link(run: Ranked) -> str:
    return f"[{escaped(run.name)}]({run.page})"


def _links(page: str, *files: str) -> str:
    return " · ".join(f"[{file}]({page}/artifacts/{file})" for file in files)


def _headings() -> list[str]:
    return [f"{name.upper()} %" for name in METRICS]


def _percents(metrics: Mapping[str, float], prefix: str = "") -> list[str]:
    return [f"{100 * metrics[prefix + name]:.2f}" for name in METRICS]


def _intervals(metrics: Mapping[str, float]) -> list[str]:
    """Each metric of a logged run, with its interval if it is a mean over seeds; a dash if it was not logged."""
    cells = []
    for name in METRICS:
        deviation, seeds = metrics.get(f"{name}_sd"), int(metrics.get("seeds", 1))
        half = f" ± {100 * _half_width(deviation, seeds):.2f}" if deviation is not None and seeds > 1 else ""
        cells.append(f"{100 * metrics[name]:.2f}{half}" if name in metrics else "–")
    return cells


def _listed(values: Sequence[float]) -> str:
    percents = [f"{100 * value:.2f}" for value in values]
    if len(percents) <= _SEEDS_LISTED:
        return ", ".join(percents)
    return f"{100 * min(values):.2f} to {100 * max(values):.2f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; spaces that do not break stand between its columns, since MLflow's page leaves none."""
    lines = [f"| {f'{_GAP} | '.join(line)} |" for line in (header, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(header)}", *lines[1:]])


def _joined(*parts: str) -> str:
    return "\n\n".join(parts)
