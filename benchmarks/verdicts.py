"""``python -m benchmarks.verdicts``: how often intervals cover the truth and verdicts are wrong, by simulation.

quick=true   fewer repetitions, in seconds
part=claims  one of claims, report, speakers; without it, all three

Nothing is trained. Every "training" is drawn: utterance by utterance it is right or wrong, so that accuracies are as
discrete as those of a test set of this size, and two trainings agree on a given share of the utterances. The tables go
into docs/statistics.md, which says how to read them and what they do not cover.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmarks import speakers as speakers_of_a_row
from benchmarks.measure import Section
from multirun_analysis.grids import Scores, Study
from multirun_analysis.inference import evidence
from multirun_analysis.inference.differences import clustered_difference, crossed_difference
from multirun_analysis.inference.evidence import NOT_SUPPORTED, SUPPORTED, Evidence
from multirun_analysis.inference.scores import Floats
from multirun_analysis.inference.statistics import normal_bonus
from multirun_analysis.paper.claims import all_claims
from multirun_analysis.paper.parts import ALIKE, IMPROVEMENT
from multirun_analysis.paper.verdicts import verdicts
from multirun_analysis.store.contents import Collected, columns, score_metrics
from ser.config.words import assignments
from ser.errors import UserError
from ser.sweep.planned import Point

SEEDS = (2, 3, 5, 8, 20)
UTTERANCES = (200, 339, 2943)
"""Test utterances: a small corpus, EmoDB, IEMOCAP's improvised part in four classes."""

AGREEMENTS = (0.8, 0.95)
"""The share of utterances on which two seeds agree whether they are right."""

SHARES = np.array([127, 79, 71, 62]) / 339
"""The classes' shares of the utterances, those of EmoDB."""

ACCURACY = 0.62
PARTS = 24
"""The statements of a whole report: each is judged at the level 1 - 0.05 / 24."""

LEVEL = 1 - 0.05 / PARTS


@dataclass(frozen=True)
class Corpus:
    """Test utterances, and how trainings do on them.

    Each utterance is easy or hard: every training, on its own, is right on an easy one with probability 1 - e and on a
    hard one with probability e. Two trainings then agree with probability 1 - 2 e (1 - e). The share of easy
    utterances makes the mean accuracy ``ACCURACY``.

    Attributes:
        utterances: their number.
        agreement: the share on which two trainings agree.
    """

    utterances: int
    agreement: float

    @property
    def error(self) -> float:
        """The probability e."""
        return (1 - np.sqrt(2 * self.agreement - 1)) / 2

    @property
    def sizes(self) -> np.ndarray:
        """The utterances of each class, shape (4,)."""
        return np.diff(np.round(np.cumsum([0, *SHARES]) * self.utterances)).astype(int)

    @property
    def hard(self) -> np.ndarray:
        """The hard utterances of each class, shape (4,)."""
        easy = (ACCURACY - self.error) / (1 - 2 * self.error)
        return np.round((1 - easy) * self.sizes).astype(int)

    def recalls(self, rng: np.random.Generator, shape: tuple[int, ...], gain: ArrayLike = 0.0) -> Floats:
        """Draw the recall of each class: (*shape, 4). ``gain``, of a shape that fits ``shape``, raises all of them.

        The gain is on hard utterances, and exact in the mean.
        """
        gains = np.broadcast_to(gain, shape)[..., None] * self.sizes / self.hard
        right = rng.binomial(self.sizes - self.hard, 1 - self.error, (*shape, 4))
        return (right + rng.binomial(self.hard, self.error + gains)) / self.sizes

    def wa(self, rng: np.random.Generator, shape: tuple[int, ...], gain: ArrayLike = 0.0) -> Floats:
        """Draw WA in percent, shape as given."""
        return 100 * self.recalls(rng, shape, gain) @ self.sizes / self.utterances

    @property
    def sd(self) -> float:
        """The standard deviation of one training's WA, in points."""
        return 100 * float(np.sqrt(self.error * (1 - self.error) / self.utterances))

    @property
    def name(self) -> str:
        """For the tables."""
        return f"{self.utterances} utterances, {100 * self.agreement:.0f} % agree (sd {self.sd:.2f})"


CORPORA = [Corpus(utterances, agreement) for utterances, agreement in product(UTTERANCES, AGREEMENTS)]


# One statement of each kind

Drawn = tuple[Callable[[float], Evidence], float]
"""A function that judges a drawn statement at a level, and the truth of what its interval is about."""


def above(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """One cell against another."""
    differences = corpus.wa(rng, (seeds,), effect / 100) - corpus.wa(rng, (seeds,))
    return partial(evidence.above, differences), effect


def alike(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """One cell against another that is about as good."""
    differences = corpus.wa(rng, (seeds,), effect / 100) - corpus.wa(rng, (seeds,))
    return partial(evidence.alike, differences, margin=ALIKE), effect


def most_lambdas(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """cos against l2 at each of four lambdas."""
    differences = corpus.wa(rng, (4, seeds), effect / 100) - corpus.wa(rng, (4, seeds))
    return partial(evidence.most, differences), 4 * (effect > 0)


def rising(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """Four curves over 15 lengths that rise by ``effect`` at each step."""
    gains = effect / 100 * np.arange(15)[:, None]
    steps = [np.diff(corpus.wa(rng, (15, seeds), gains), axis=0) for _ in range(4)]
    return partial(evidence.most, np.concatenate(steps)), 56 * (effect > 0)


def steadier(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """cos is flat over four lambdas; l2's true curve is a line with a standard deviation of ``effect``."""
    line = np.arange(4) / np.std(np.arange(4), ddof=1) * effect / 100
    cos, l2 = corpus.wa(rng, (4, seeds)), corpus.wa(rng, (4, seeds), line[:, None])
    return partial(evidence.steadier, cos, l2), effect**2


def spread(corpus: Corpus, seeds: int, rng: np.random.Generator, effect: float) -> Drawn:
    """The range of 20 trainings of one cell. ``effect`` does nothing: the spread is the corpus'."""
    test = partial(evidence.spread_above, corpus.wa(rng, (seeds,)), limit=10.0, draws=20)
    return test, corpus.sd * 2 * normal_bonus(20)


KINDS: Mapping[str, Callable[[Corpus, int, np.random.Generator, float], Drawn]] = {
    "better (one cell)": above,
    "better at most λ": most_lambdas,
    "rises in most cases": rising,
    "steadier": steadier,
    "alike (one cell)": alike,
    "spread": spread,
}


@dataclass(frozen=True)
class Rates:
    """What became of the repetitions: shares in [0, 1].

    Attributes:
        covered: the 95 % interval holds the truth; NaN if there is no interval.
        supported, refuted: the verdict at the level of a report.
    """

    covered: float
    supported: float
    refuted: float


def rates(kind: str, corpus: Corpus, seeds: int, effect: float, repetitions: int) -> Rates:
    """Simulate one kind of statement; the same arguments give the same rates."""
    rng = np.random.default_rng([list(KINDS).index(kind), CORPORA.index(corpus), seeds, int(100 * effect), 1])
    covered, words = [], []
    for _ in range(repetitions):
        judge, truth = KINDS[kind](corpus, seeds, rng, effect)
        interval = judge(0.95).interval
        covered.append(np.nan if interval is None else interval.low <= truth <= interval.high)
        words.append(judge(LEVEL).word)
    return Rates(*(float(np.mean(each)) for each in (
        covered, [word == SUPPORTED for word in words], [word == NOT_SUPPORTED for word in words]
    )))  # fmt: skip


def _over_corpora(kind: str, effect: float, repetitions: int) -> list[list[Rates]]:
    """The rates of one kind: for each number of seeds, those of the six corpora."""
    count = _fewer(kind, repetitions)
    return [[rates(kind, corpus, seeds, effect, count) for corpus in CORPORA] for seeds in SEEDS]


def coverage(repetitions: int) -> Section:
    """Coverage of 95 % intervals with no effect and with the paper's, for each kind."""
    rows = []
    for kind in KINDS:
        for effect in (0.0, IMPROVEMENT) if kind != "spread" else (0.0,):
            name = f"{kind}, {f'{effect:.2f} points' if effect else 'no effect'}"
            found = _over_corpora(kind, effect, repetitions)
            rows.append((name, *(_range(cell.covered for cell in column) for column in found)))
    return Section("Coverage of 95 % intervals, in %: lowest to highest over the six corpora", _heads("interval"), rows)


def false_verdicts(repetitions: int) -> Section:
    """False verdicts of one statement of each kind where there is no effect."""
    rows = []
    for kind in KINDS:
        effect = ALIKE if kind.startswith("alike") else 0.0
        name = f"{kind}, truly {ALIKE:g} apart" if effect else kind
        found = _over_corpora(kind, effect, repetitions)
        rows.append((name, *(_range(_wrong(kind, cell) for cell in column) for column in found)))
    title = f"False verdicts at a report's level (1 - 0.05 / {PARTS}) where there is no effect, in %: lowest to highest"
    return Section(title, _heads("statement"), rows)


def _wrong(kind: str, cell: Rates) -> float:
    """The share of wrong verdicts: any that decides, but for the spread, which lies below 10 points in all corpora."""
    return cell.supported if kind == "spread" else cell.supported + cell.refuted


def power(repetitions: int) -> Section:
    """How often what is true is found: the paper's effect; for ``alike``, no difference."""
    rows = []
    for kind in KINDS:
        if kind == "spread":
            continue
        effect = 0.0 if kind.startswith("alike") else IMPROVEMENT
        for corpus in CORPORA:
            found = [rates(kind, corpus, seeds, effect, _fewer(kind, repetitions)).supported for seeds in SEEDS]
            rows.append((f"{kind}: {corpus.name}", *(_percent(share) for share in found)))
    title = f"Supported at the level of a report where the effect is {IMPROVEMENT:.2f} points (alike: 0), in %"
    return Section(title, _heads("statement and corpus"), rows)


def _fewer(kind: str, repetitions: int) -> int:
    """56 intervals take longer than one."""
    return max(repetitions // 8, 10) if kind == "rises in most cases" else repetitions


# Whole reports

TASKS = ("gender", "valence", "activation", "dominance")


def grids() -> tuple[list[dict[str, str]], ...]:
    """The parameters of the cells of Fig. 2, Table 2 and Table 3; Table 2 with five weights a task."""
    none = {"loss": "none", "aux_task": "none", "loader": "none", "position": "none", "lambda": "0", "feature": "mfcc"}
    lengths = [{**none, "feature": feature, "length": str(length)}
               for feature in ("mfcc", "logmel") for length in range(1, 16)]  # fmt: skip
    weights = ("0.04", "0.08", "0.2", "0.4", "0.5")
    tasks = [none, *({**none, "aux_task": task, "aux_task.weight": weight} for task, weight in product(TASKS, weights))]
    settings = [*product(("loader_1", "loader_2"), ("pos_1", "pos_2"), ("cos",)), ("loader_1", "pos_1", "l2")]
    contrastive = [
        {"aux_task": "none", "feature": "mfcc", "loader": loader, "position": position, "loss": loss, "lambda": weight}
        for (loader, position, loss), weight in product(settings, ("0.6", "0.7", "0.8", "0.9", "1"))
    ]
    others = [{**none, "model": "attentive_cnn"}, {**none, "model": "spectrogram_cnn_lstm"}]
    return lengths, tasks, [none, *contrastive, *others]


def studies(corpus: Corpus, seeds: int, rng: np.random.Generator) -> list[Study]:
    """The three studies of a report in which no cell differs from another in truth.

    A crop is predicted as the average but for a tenth of the utterances, which are right or wrong by chance.
    Validation WA is drawn from a quarter as many utterances, whatever the test.
    """
    rows = pd.DataFrame(columns=list(columns())).astype(columns())
    nothing = Collected(rows, rows)
    return [Study(tuple(_cells(grid, corpus, seeds, rng)), (), nothing) for grid in grids()]


def _cells(grid: list[dict[str, str]], corpus: Corpus, seeds: int, rng: np.random.Generator) -> Iterator[Scores]:
    shape = len(grid), seeds
    recalls = corpus.recalls(rng, shape)
    wa, uwa = recalls @ corpus.sizes / corpus.utterances, recalls.mean(axis=-1)
    changed = corpus.utterances // 20
    crop = wa + (rng.binomial(changed, 0.5, shape) - rng.binomial(changed, 0.5, shape)) / corpus.utterances
    validation = Corpus(corpus.utterances // 4, corpus.agreement).wa(rng, shape) / 100
    for index, parameters in enumerate(grid):
        values = dict.fromkeys(score_metrics(), wa[index])
        values |= {"uwa": uwa[index], "crop_wa": crop[index], "best_val_wa": validation[index]}
        point = Point((), {"corpus": "drawn", **parameters}, tuple(range(seeds)), (1,), str(index), classes=4)
        yield Scores(point, pd.DataFrame(values))


def wrong_verdicts(corpus: Corpus, seeds: int, repetitions: int) -> list[list[str]]:
    """The claims that are decided wrongly in each of so many reports."""
    rng = np.random.default_rng([CORPORA.index(corpus), seeds, 2])
    reports = (verdicts(all_claims(*studies(corpus, seeds, rng))) for _ in range(repetitions))
    return [[one.claim.text for one in report if _is_wrong(one.claim.text, one.word)] for report in reports]


def _is_wrong(claim: str, word: str) -> bool:
    """Where nothing differs, whatever is decided is wrong, but that systems are alike and the spread is small."""
    if "alike" in claim or "about as good" in claim:
        return word == NOT_SUPPORTED
    return word == SUPPORTED or (word == NOT_SUPPORTED and "varies by more" not in claim)


def reports(repetitions: int) -> list[Section]:
    """How many reports hold a wrong verdict where nothing is true, and which claims are wrong how often."""
    found = {(corpus, seeds): wrong_verdicts(corpus, seeds, repetitions) for corpus in CORPORA for seeds in SEEDS}
    rows = [
        (corpus.name, *(_percent(np.mean([bool(wrong) for wrong in found[corpus, seeds]])) for seeds in SEEDS))
        for corpus in CORPORA
    ]
    texts = [claim.text for claim in all_claims(*studies(CORPORA[0], 3, np.random.default_rng(0)))]
    by_claim = [
        (text, *(_range(np.mean([text in wrong for wrong in found[corpus, seeds]]) for corpus in CORPORA)
                 for seeds in SEEDS))
        for text in texts
    ]  # fmt: skip
    count = f"{repetitions} reports each"
    return [
        Section(f"Reports with any wrong verdict where nothing is true, in % ({count})", _heads("corpus"), rows),
        Section(f"Wrong verdicts of each claim there, in %: lowest to highest over the six corpora ({count})",
                _heads("claim"), by_claim),
    ]  # fmt: skip


# Seeds and speakers


def over_speakers(repetitions: int) -> Section:
    """Coverage of the 95 % interval over seeds and speakers together, beside those over one of them."""
    rows = []
    for seeds, speakers in product((3, 5, 10, 20), (5, 10, 24)):
        rng = np.random.default_rng([seeds, speakers, 3])
        found = [_held(seeds, speakers, rng) for _ in range(repetitions)]
        rows.append((f"{seeds} seeds, {speakers} speakers", *(_percent(share) for share in np.mean(found, axis=0))))
    columns = ("", "seeds and speakers", "speakers alone", "seeds alone")
    title = "Coverage of the truth for other seeds and other speakers, in %: both differ by 5 points"
    return Section(title, columns, rows)


def _held(seeds: int, speakers: int, rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Whether each interval holds the truth, 0. Speakers have 10 to 60 utterances."""
    names = np.repeat(np.arange(speakers), rng.integers(10, 61, speakers))
    chances = 0.6 + rng.normal(0, 0.05, (seeds, 1)) + rng.normal(0, 0.05, speakers)[names]
    first, second = rng.random(chances.shape) < chances, rng.random(chances.shape) < 0.6
    means = first.mean(axis=1) - second.mean(axis=1)
    intervals = (
        crossed_difference(first, second, names, rng, resamples=1000)[1],
        clustered_difference(first.mean(axis=0), second.mean(axis=0), names, rng, resamples=1000)[1],
        evidence.t_interval(means),
    )
    both, alone, seeds_alone = (interval is not None and interval[0] <= 0 <= interval[1] for interval in intervals)
    return both, alone, seeds_alone


# The tables


def _heads(first: str) -> tuple[str, ...]:
    return first, *(f"{seeds} seeds" for seeds in SEEDS)


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f}"


def _range(shares: Iterable[float | np.floating]) -> str:
    found = sorted(shares)
    if np.isnan(found[-1]):
        return "–"
    low, high = _percent(found[0]), _percent(found[-1])
    return low if low == high else f"{low} to {high}"


def sections(part: str, quick: bool) -> Iterator[Section]:
    """The tables of one part, or of all."""
    single, whole, speakers = (80, 10, 40) if quick else (1000, 250, 1000)
    if part in ("claims", ""):
        yield coverage(single)
        yield false_verdicts(single)
        yield power(single)
    if part in ("report", ""):
        yield from reports(whole)
    if part in ("speakers", ""):
        yield over_speakers(speakers)
        yield speakers_of_a_row.coverage(speakers)


def main(arguments: list[str]) -> None:
    """Print each table as it is ready."""
    try:
        given = assignments(arguments, {"quick": "false", "part": ""})
    except UserError as error:
        sys.exit(f"{error}\n{__doc__}")
    if given["part"] not in ("", "claims", "report", "speakers"):
        sys.exit(f"part={given['part']} is none of these.\n{__doc__}")
    began = time.process_time()
    for section in sections(given["part"], given["quick"] == "true"):
        print(section.text(), flush=True)
    print(f"{time.process_time() - began:.0f} s of one core.")


if __name__ == "__main__":
    main(sys.argv[1:])
