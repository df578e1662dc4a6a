"""Notes for a tracking store's page, as Markdown: what a run or an experiment is, its table, the command that made it.

Whatever users can write (names, labels, commands) is escaped.
"""

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.special import stdtrit

from ser.corpora.table import Corpus
from ser.results.convergence import ENDINGS, Convergence
from ser.results.metrics import METRICS, is_share
from ser.system.pictures import legend
from ser.system.text import percent

KEPT = "*This note is written anew whenever runs are delivered. Delete this line, and it stays as you write it.*"
"""The last line of an experiment's note. A note without it is the user's."""

SPREAD = "± is the standard deviation over the seeds."
"""What ± means wherever it stands: here, and in the closing table of a sweep."""

_FEWEST = 5  # with fewer seeds, these say more than an interval
_LEVEL = 0.95
_GAP = "\u00a0\u00a0"


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
    return _joined(f"{_about(corpus)} {files}", *_legend(corpus), table, _made_by(command))


def parent_note(page: str, corpus: Corpus, seeds: Mapping[int, Mapping[str, float]], folds: str, command: str) -> str:
    """The note of a run over several seeds.

    Args:
        page, corpus, command: as for ``seed_note``.
        seeds: the metrics of each seed, as fractions, by seed.
        folds: which folds: ``all``, or their numbers.
    """
    measured = [name for name in METRICS if all(name in metrics for metrics in seeds.values())]
    values = {name: [metrics[name] for metrics in seeds.values()] for name in measured}
    few = len(seeds) < _FEWEST
    columns = ["each seed"] if few else [f"{100 * _LEVEL:g} % interval of the mean", "lowest to highest seed"]
    told = _each if few else _interval_and_range
    rows = [[f"{name.upper()} %", mean_and_deviation(each), *told(name, each)] for name, each in values.items()]
    what = f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)}), folds: {folds}. {SPREAD}"
    what += "" if few else " The interval is Student's t."
    files = _links(page, "curves.png", "confusion.png")
    table = _table(["", "mean", *columns], rows)
    return _joined(f"{_about(corpus)} {files}", *_legend(corpus), table, what, _made_by(command))


def experiment_note(about: str, ranked: Iterable[Ranked]) -> str:
    """The note of an experiment.

    Args:
        about: what ``corpus_note`` says.
        ranked: its best runs, in the order of the table.
    """
    rows = [[_link(run), *_means(run.metrics), f"{run.metrics.get('seeds', 1):g}", run.folds] for run in ranked]
    table = _table(["highest WA", *_headings(), "seeds", "folds"], rows)
    return _joined(about, table, SPREAD, KEPT)


def corpus_note(corpus: Corpus) -> str:
    """What a corpus is: its size, speakers and classes."""
    speakers = f" of {len(corpus.speakers)} speakers" if corpus.speakers else ", whose speakers are not known,"
    counts = Counter(utterance.emotion for utterance in corpus.utterances)
    classes = ", ".join(f"{escaped(name)} {counts[name]}" for name in corpus.classes)
    size = f"{len(corpus.utterances)} utterances{speakers} in {_sessions(corpus)} ({classes})"
    return f"{_about(corpus)}\n\n{size}." if corpus.synthetic else f"{_about(corpus)} {size}."


def _sessions(corpus: Corpus) -> str:
    if not corpus.official_split:
        return f"{len(corpus.sessions)} sessions"
    counts = Counter(utterance.session for utterance in corpus.utterances)
    return f"the official split {', '.join(f'{split} {counts[split]}' for split in corpus.sessions)}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """The mean of the seeds' fractions in percent, with their standard deviation (divisor n - 1) if there are several.

    >>> mean_and_deviation([0.5, 0.6, 0.7]), mean_and_deviation([0.5])
    ('60.00 ± 10.00', '50.00')
    """
    return _spread(fmean(values), stdev(values) if len(values) > 1 else None)


def _spread(mean: float, deviation: float | None) -> str:
    return percent(mean) if deviation is None else f"{percent(mean)} ± {percent(deviation)}"


def _each(_: str, values: Sequence[float]) -> list[str]:
    return [", ".join(map(percent, values))]


def _interval_and_range(name: str, values: Sequence[float]) -> list[str]:
    """The interval of the mean by Student's t, and the lowest and highest value."""
    half = float(stdtrit(len(values) - 1, (1 + _LEVEL) / 2)) * stdev(values) / math.sqrt(len(values))
    low, high = fmean(values) - half, fmean(values) + half
    if is_share(name):  # no mean lies outside of 0 to 100 %
        low, high = max(low, 0), min(high, 1)
    return [f"{percent(low)} to {percent(high)}", f"{percent(min(values))} to {percent(max(values))}"]


def escaped(text: str) -> str:
    r"""A text that Markdown and HTML show as it is, on one line.

    >>> escaped("a|b <i>*x*</i>")
    'a\\|b &lt;i&gt;\\*x\\*&lt;/i&gt;'
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _legend(corpus: Corpus) -> list[str]:
    """What numbers stand for in pictures, if they stand for classes."""
    return [escaped(said)] if (said := legend(corpus.classes)) else []


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
    """Each metric of a run; a dash if it has no value."""
    return [percent(metrics[prefix + name]) if prefix + name in metrics else "–" for name in METRICS]


def _means(metrics: Mapping[str, float]) -> list[str]:
    """Each metric of a logged run, with its deviation if it is a mean over seeds; a dash if it was not logged."""
    return [_spread(metrics[name], metrics.get(f"{name}_sd")) if name in metrics else "–" for name in METRICS]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; spaces that do not break stand between its columns, since MLflow's page leaves none."""
    lines = [f"| {f'{_GAP} | '.join(line)} |" for line in (header, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(header)}", *lines[1:]])


def _joined(*parts: str) -> str:
    return "\n\n".join(parts)
